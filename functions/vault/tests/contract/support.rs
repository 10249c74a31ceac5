//! One CA in memory, and how to talk to it.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
};
use countersign::{
    Services,
    access::create_root,
    audit::MemoryLog,
    authority::KeySpec,
    clock::FixedClock,
    in_memory::InMemory,
    signer::private_key::GeneratedKey,
    ssh::{Certificate, CertificateFields, PublicKey},
    store::{dynamodb::DynamoDb, faulty::Faulty},
    types::SecretToken,
};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};
use tower::ServiceExt;

/// The time in all tests.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ROOT: &str = "csn_root-token-of-the-tests";

/// An Ed25519 key for everybody.
pub(crate) const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIPgf3W3x1h4ZkctAncDsjKfa2vhcYIK7rjCDYhQ2Xo9 me@laptop";

/// One CA in memory, with an `ssh` mount.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) services: Services,
    pub(crate) store: Arc<Faulty<DynamoDb>>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) audit: Arc<MemoryLog>,
}

impl Server {
    /// A new CA without keys and roles.
    pub(crate) async fn new() -> Self {
        let InMemory {
            services,
            store,
            clock,
            log: audit,
            ..
        } = InMemory::at(NOW).await;
        create_root(&services, Some(SecretToken::new(ROOT)))
            .await
            .unwrap();
        countersign_vault::mounts::seed(&services).await.unwrap();
        let router = countersign_vault::standalone(services.clone());
        Self {
            router,
            services,
            store,
            clock,
            audit,
        }
    }

    /// A CA whose `ssh` mount has an Ed25519 key.
    pub(crate) async fn with_ca() -> Self {
        let server = Self::new().await;
        server
            .write("ssh/config/ca", json!({ "key_type": "ed25519" }))
            .await
            .expect(200);
        server
    }

    /// A CA with a key and a role `r` that has these fields, and may sign user certificates.
    pub(crate) async fn with_role(fields: Value) -> Self {
        let server = Self::with_ca().await;
        server.role("r", fields).await;
        server
    }

    /// Writes a role of type `ca` for user certificates, with the fields given.
    pub(crate) async fn role(&self, name: &str, fields: Value) {
        let mut body = json!({ "key_type": "ca", "allow_user_certificates": true });
        merge(&mut body, fields);
        self.write(&format!("ssh/roles/{name}"), body).await.expect(204);
    }

    /// Sends `request` as it is.
    pub(crate) async fn send(&self, request: Request) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }

    /// Sends a request with the root token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        let request = request(method, path).header("x-vault-token", ROOT);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends a request with that token.
    pub(crate) async fn call_as(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let request = request(method, path).header("x-vault-token", token);
        let body = if body.is_null() {
            Body::empty()
        } else {
            body.to_string().into()
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Makes a token with `fields`, and gives its `auth` block.
    pub(crate) async fn token(&self, fields: Value) -> Value {
        self.write("auth/token/create", fields).await.expect(200).json()["auth"].clone()
    }

    /// Makes a token with one policy of this text, and gives its text.
    pub(crate) async fn token_with(&self, policy: &str) -> String {
        self.write("sys/policies/acl/of-the-test", json!({ "policy": policy }))
            .await
            .expect(204);
        let auth = self.token(json!({ "policies": ["of-the-test"] })).await;
        auth["client_token"].as_str().unwrap().to_owned()
    }

    /// Sends a request without a token.
    pub(crate) async fn call_without_token(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        self.send(request(method, path).body(body.into()).unwrap()).await
    }

    pub(crate) async fn write(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, body.to_string()).await
    }

    pub(crate) async fn read(&self, path: &str) -> Reply {
        self.call("GET", path, Body::empty()).await
    }

    pub(crate) async fn list(&self, path: &str) -> Reply {
        self.call("LIST", path, Body::empty()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path, Body::empty()).await
    }

    /// Asks the role `r` to sign [`ED25519`], or the `public_key` among `fields`.
    pub(crate) async fn sign(&self, fields: Value) -> Reply {
        let mut body = json!({ "public_key": ED25519 });
        merge(&mut body, fields);
        self.write("ssh/sign/r", body).await
    }
}

/// A request for `path` below `/v1/`.
pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    http::Request::builder().method(method).uri(format!("/v1/{path}"))
}

fn merge(body: &mut Value, fields: Value) {
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Checks the status, and what holds of every answer.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["cache-control"], "no-store");
        if status == 204 {
            assert_eq!(self.body, b"");
        }
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        assert!(self.body.ends_with(b"\n"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(self) -> Value {
        self.expect(200).json()["data"].clone()
    }

    /// Checks for a refusal with one text.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, text: &str) {
        assert_eq!(self.expect(status).json(), json!({ "errors": [text] }));
    }

    /// Checks for a refusal by the handler.
    #[track_caller]
    pub(crate) fn refused_by_user_error(self, text: &str) {
        self.refused(400, text);
    }

    /// Checks for a refusal whose one text contains `part`.
    #[track_caller]
    pub(crate) fn refused_with(self, status: u16, part: &str) {
        let body = self.expect(status).json();
        let text = body["errors"][0].as_str().unwrap_or_default();
        assert!(text.contains(part), "{body}");
    }

    /// Checks for an error text in the frame of the router.
    #[track_caller]
    pub(crate) fn refused_framed(self, status: u16, text: &str) {
        self.refused(status, &format!("1 error occurred:\n\t* {text}\n\n"));
    }

    /// Checks for a refusal without a text.
    #[track_caller]
    pub(crate) fn refused_silently(self, status: u16) {
        assert_eq!(self.expect(status).json(), json!({ "errors": [] }));
    }

    /// The certificate that was signed; reading it has checked its signature.
    #[track_caller]
    pub(crate) fn certificate(self) -> CertificateFields {
        let data = self.data();
        let line = data["signed_key"].as_str().unwrap();
        assert!(line.ends_with('\n'));
        let fields = Certificate::from_line(line).unwrap().fields().clone();
        assert_eq!(data["serial_number"], format!("{:x}", fields.serial.value()));
        fields
    }

    /// The principals of the certificate that was signed.
    #[track_caller]
    pub(crate) fn principals(self) -> Vec<String> {
        self.certificate()
            .valid_principals
            .iter()
            .map(str::to_owned)
            .collect()
    }
}

/// A key of this kind, made once for all tests.
pub(crate) async fn key(spec: KeySpec) -> Arc<GeneratedKey> {
    static KEYS: LazyLock<Mutex<HashMap<KeySpec, Arc<GeneratedKey>>>> = LazyLock::new(Mutex::default);
    if let Some(key) = KEYS.lock().unwrap().get(&spec) {
        return key.clone();
    }
    let key = Arc::new(GeneratedKey::generate(spec).await.unwrap());
    KEYS.lock().unwrap().entry(spec).or_insert(key).clone()
}

/// The public line of a key of this kind.
pub(crate) async fn public_line(spec: KeySpec) -> String {
    key(spec).await.public_key().to_line()
}

/// The key of a public line.
pub(crate) fn public_key(line: &str) -> PublicKey {
    PublicKey::from_line(line).unwrap()
}
