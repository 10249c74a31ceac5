//! A certificate authority in memory, and requests to it.

mod answer;
mod turns;

pub(crate) use answer::Answer;
pub(crate) use turns::Turns;

use axum::{Router, body::Body};
use countersign::{
    Services,
    access::{self, NewToken},
    audit::MemoryLog,
    authority::AuthorityId,
    clock::FixedClock,
    in_memory::InMemory,
    signer::{
        faulty::{FaultyKeyring, Operation},
        local::LocalKeyring,
    },
    store::{dynamodb::DynamoDb, faulty::Faulty},
};
use http::{Method, Request, header};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

/// 2026-11-02T12:26:40Z
pub(crate) const NOW: u64 = 1_793_622_400;
/// The origin of every request.
pub(crate) const BASE: &str = "http://ca.example.test:8200";

pub(crate) const ED25519: &str = include_str!("../../../../../tests/vectors/keys/subject_ed25519.pub");

pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) store: Arc<Faulty<DynamoDb>>,
    pub(crate) keyring: Arc<FaultyKeyring<LocalKeyring>>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) audit: Arc<MemoryLog>,
    pub(crate) router: Router,
    /// A root token.
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Services)) -> Self {
        let InMemory {
            mut services,
            store,
            keyring,
            clock,
            log: audit,
        } = InMemory::at(NOW).await;
        change(&mut services);
        let root = access::create_root(&services, None).await.unwrap();
        Self {
            router: countersign_ngrok::standalone(services.clone()),
            services,
            store,
            keyring,
            clock,
            audit,
            token: root.secret.reveal().to_owned(),
        }
    }

    /// How often the use of a key was ended.
    pub(crate) fn retired_keys(&self) -> usize {
        self.keyring.faults().count(Operation::Retire)
    }

    /// A token with one policy of this text.
    pub(crate) async fn token_with(&self, policy: &str) -> String {
        access::put_policy(&self.services, "test", policy).await.unwrap();
        let new = NewToken {
            policies: vec!["test".into()],
            ..NewToken::default()
        };
        let created = access::grant(&self.services, new).await.unwrap();
        created.secret.reveal().to_owned()
    }

    /// A request as a client of ngrok makes it, without a body.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header(header::HOST, BASE.trim_start_matches("http://"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header("ngrok-version", "2")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let answer = Answer::read(response).await;
        answer.check(&method, &path);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.with_json("POST", path, &body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.with_json("PATCH", path, &body.to_string())).await
    }

    pub(crate) fn with_json(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let request = self.request(method, path);
        request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    }

    /// A new authority with this type of key.
    pub(crate) async fn authority(&self, kind: &str) -> AuthorityId {
        let answer = self
            .post(
                "/ssh_certificate_authorities",
                json!({ "private_key_type": kind }),
            )
            .await;
        AuthorityId::parse(answer.expect(201).text("id")).unwrap()
    }

    /// A new user certificate for `root`, with whatever else `more` says.
    pub(crate) async fn user_certificate(&self, authority: &AuthorityId, more: Value) -> Answer {
        self.post("/ssh_user_certificates", certificate_body(authority, more))
            .await
    }

    /// A new host certificate for `web.example.test`, with whatever else `more` says.
    pub(crate) async fn host_certificate(&self, authority: &AuthorityId, more: Value) -> Answer {
        let mut body = certificate_body(authority, json!({ "principals": ["web.example.test"] }));
        merge(&mut body, more);
        self.post("/ssh_host_certificates", body).await
    }
}

pub(crate) fn certificate_body(authority: &AuthorityId, more: Value) -> Value {
    let mut body = json!({
        "ssh_certificate_authority_id": authority,
        "public_key": ED25519.trim_end(),
        "principals": ["root"],
    });
    merge(&mut body, more);
    body
}

fn merge(body: &mut Value, more: Value) {
    let (Value::Object(body), Value::Object(more)) = (body, more) else {
        panic!("bodies are objects");
    };
    body.extend(more);
}
