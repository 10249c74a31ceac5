//! The set-up of the reference: organization O, project P, alice, bob and eve, machine M, host H, template T.

use crate::{openapi, router};
use axum::{Router, body::Body};
use countersign::{
    Services, access,
    audit::MemoryLog,
    clock::FixedClock,
    in_memory::InMemory,
    request_context::ClientAddress,
    signer::{faulty::FaultyKeyring, local::LocalKeyring},
    ssh::{Certificate, PublicKey},
    store::{dynamodb::DynamoDb, faulty::Faulty},
};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};
use tower::ServiceExt;

/// The time of all tests: 2027-01-15T08:00:30Z.
pub(crate) const NOW: u64 = 1_800_000_030;
/// A key of a host, as ssh-keygen writes it.
pub(crate) const HOST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZKiNscNHE771M5RGtfk3QIELkt5t+bbnsUZSfeA4JN root@web\n";

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }

    /// Holds an error to its status and its two texts.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, error: &str, message: &str) {
        let body = self.json();
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(body["statusCode"], status, "{body}");
        assert_eq!(body["error"], error, "{body}");
        assert_eq!(body["message"], message, "{body}");
        assert!(is_request_id(&body["reqId"]), "{body}");
    }

    /// Holds a validation failure to its issues: path and message.
    #[track_caller]
    pub(crate) fn fails_validation(&self, issues: &[(Value, &str)]) {
        let body = self.json();
        assert_eq!(self.status.as_u16(), 422, "{body}");
        assert_eq!(body["statusCode"], 422, "{body}");
        assert_eq!(body["error"], "ValidationFailure", "{body}");
        assert!(is_request_id(&body["reqId"]), "{body}");
        let found: Vec<(Value, String)> = body["message"]
            .as_array()
            .unwrap()
            .iter()
            .map(|issue| {
                (
                    issue["path"].clone(),
                    issue["message"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let issues: Vec<(Value, String)> = issues
            .iter()
            .map(|(path, message)| (path.clone(), (*message).to_owned()))
            .collect();
        assert_eq!(found, issues, "{body}");
    }

    /// The certificate in `signedKey`.
    #[track_caller]
    pub(crate) fn certificate(&self) -> Certificate {
        let body = self.ok();
        let line = body["signedKey"].as_str().unwrap();
        assert!(
            line.ends_with('\n') && line.trim_end().lines().count() == 1,
            "{line:?}"
        );
        let certificate = Certificate::from_line(line).unwrap();
        let serial = certificate.fields().serial.value();
        assert_eq!(body["serialNumber"], serial.to_string());
        assert!(serial <= i64::MAX as u64);
        certificate
    }
}

fn is_request_id(id: &Value) -> bool {
    let digits = id
        .as_str()
        .and_then(|id| id.strip_prefix("req-"))
        .unwrap_or_default();
    digits.len() == 14 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A server with the set-up of the reference.
pub(crate) struct Fixture {
    pub(crate) router: Router,
    pub(crate) services: Services,
    pub(crate) store: Arc<Faulty<DynamoDb>>,
    pub(crate) keyring: Arc<FaultyKeyring<LocalKeyring>>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) log: Arc<MemoryLog>,
    /// The token of the account.
    pub(crate) root: String,
    /// What `apply` answered.
    pub(crate) applied: Value,
    tokens: HashMap<String, String>,
}

const PASSWORD: &str = "a long password";

/// The document of the set-up. M's client id and secret stand in it; everybody's password is the same.
pub(crate) fn document() -> Value {
    json!({"projects": [
        {
            "name": "prod",
            "users": [
                {"email": "alice@example.com", "password": PASSWORD, "role": "member"},
                {"email": "bob@example.com", "password": PASSWORD, "role": "member"},
                {"email": "admin@example.com", "password": PASSWORD, "role": "admin"},
            ],
            "identities": [
                {"name": "M", "clientId": "m-id", "clientSecret": "m-secret", "role": "ssh-host-bootstrapper"},
                {"name": "signer", "clientId": "signer-id", "clientSecret": "signer-secret", "role": "member"},
            ],
            "groups": [{"slug": "ops", "users": ["alice@example.com"]}],
            "hosts": [{
                "hostname": "web.example.com",
                "alias": "web",
                "loginMappings": [
                    {"loginUser": "ec2-user", "allowedPrincipals": {"usernames": ["alice@example.com"]}},
                    {"loginUser": "root", "allowedPrincipals": {"groups": ["ops"]}},
                ],
            }],
        },
        {
            "name": "other",
            "users": [{"email": "eve@example.com", "password": PASSWORD, "role": "admin"}],
        },
    ]})
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let InMemory {
            services,
            store,
            keyring,
            clock,
            log,
        } = InMemory::at(NOW).await;
        let root = access::create_root(&services, None).await.unwrap().secret;
        let mut fixture = Self {
            router: router(services.clone()),
            services,
            store,
            keyring,
            clock,
            log,
            root: root.reveal().to_owned(),
            applied: Value::Null,
            tokens: HashMap::new(),
        };
        let root = fixture.root.clone();
        let applied = fixture
            .post("/api/v1/countersign/apply", &root, &document())
            .await;
        fixture.applied = applied.ok();
        fixture
    }

    /// The same, with a template T under a CA of its own; gives T's id.
    pub(crate) async fn with_template() -> (Self, String) {
        let mut fixture = Self::new().await;
        let admin = fixture.user("admin").await;
        let ca = json!({"projectId": fixture.project(), "friendlyName": "templates"});
        let ca = fixture.post("/api/v1/ssh/ca", &admin, &ca).await.ok();
        let template = json!({
            "sshCaId": ca["ca"]["id"],
            "name": "t",
            "ttl": "1h",
            "maxTTL": "2h",
            "allowedUsers": ["ec2-user"],
            "allowedHosts": ["*.example.com"],
            "allowUserCertificates": true,
            "allowHostCertificates": true,
            "allowCustomKeyIds": false,
        });
        let template = fixture
            .post("/api/v1/ssh/certificate-templates", &admin, &template)
            .await
            .ok();
        let id = text(&template["id"]);
        (fixture, id)
    }

    /// The id of P.
    pub(crate) fn project(&self) -> String {
        text(&self.applied["projects"][0]["id"])
    }

    /// The id of H.
    pub(crate) fn host(&self) -> String {
        text(&self.applied["projects"][0]["hosts"][0]["id"])
    }

    /// The path of H, with `rest` behind it.
    pub(crate) fn host_path(&self, rest: &str) -> String {
        format!("/api/v1/ssh/hosts/{}{rest}", self.host())
    }

    /// The id of the user called `name` before the at.
    pub(crate) fn user_id(&self, name: &str) -> String {
        let projects = self.applied["projects"].as_array().unwrap();
        let mut users = projects
            .iter()
            .flat_map(|project| project["users"].as_array().unwrap());
        let email = format!("{name}@example.com");
        text(&users.find(|user| user["email"] == *email).unwrap()["id"])
    }

    /// A token of the user called `name` before the at, by password and organization.
    pub(crate) async fn user(&mut self, name: &str) -> String {
        if let Some(token) = self.tokens.get(name) {
            return token.clone();
        }
        let login = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        let first = self
            .send("POST", "/api/v3/auth/login", None, Some(&login))
            .await
            .ok();
        let select = json!({"organizationId": self.applied["organizationId"]});
        let first = text(&first["accessToken"]);
        let second = self
            .post("/api/v3/auth/select-organization", &first, &select)
            .await
            .ok();
        let token = text(&second["token"]);
        self.tokens.insert(name.to_owned(), token.clone());
        token
    }

    /// A token of the identity with this client id, whose secret has the same beginning.
    pub(crate) async fn machine(&self, client_id: &str) -> String {
        text(
            &self
                .universal_login(client_id, &client_id.replace("-id", "-secret"))
                .await
                .ok()["accessToken"],
        )
    }

    pub(crate) async fn universal_login(&self, client_id: &str, secret: &str) -> Answer {
        let body = json!({"clientId": client_id, "clientSecret": secret});
        self.send("POST", "/api/v1/auth/universal-auth/login", None, Some(&body))
            .await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, Some(token), None).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send("DELETE", path, Some(token), None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(token), Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send("PATCH", path, Some(token), Some(body)).await
    }

    /// Asks for a user certificate of H.
    pub(crate) async fn issue_user(&self, token: &str, login_user: &str) -> Answer {
        let body = json!({"loginUser": login_user});
        self.post(&self.host_path("/issue-user-cert"), token, &body).await
    }

    /// The CA key of H for users or hosts.
    pub(crate) async fn ca_key(&self, which: &str) -> PublicKey {
        let path = self.host_path(&format!("/{which}-ca-public-key"));
        let answer = self.send("GET", &path, None, None).await;
        PublicKey::from_line(&answer.text).unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::try_from(method).unwrap())
            .uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.raw(request.body(body).unwrap()).await
    }

    pub(crate) async fn raw(&self, mut request: Request<Body>) -> Answer {
        request
            .extensions_mut()
            .insert(ClientAddress(Some([192, 0, 2, 7].into())));
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let content_type = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer = Answer {
            status,
            content_type,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        validate(method.as_str(), &path, &answer);
        answer
    }
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

/// Holds an answer against the document.
fn validate(method: &str, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else {
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path} is not in the document"
        );
        return;
    };
    let mut response = &operation["responses"][answer.status.as_str()];
    if response["$ref"] == "#/components/responses/Problem" {
        response = &DOCUMENT["components"]["responses"]["Problem"];
    }
    let essence = answer.content_type.split(';').next().unwrap();
    let schema = &response["content"][essence]["schema"];
    assert!(
        schema.is_object(),
        "{method} {path}: {} {essence} is not in the document",
        answer.status
    );
    if essence == "text/plain" {
        return;
    }
    assert_eq!(answer.content_type, "application/json; charset=utf-8");
    let root = json!({"allOf": [schema], "components": DOCUMENT["components"]});
    let validator = jsonschema::draft202012::new(&root).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&answer.json())
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(
        faults.is_empty(),
        "{method} {path}: {faults:?} in {}",
        answer.text
    );
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.trim_end_matches('/');
    let fits = |pattern: &str| {
        let (mut known, mut asked) = (pattern.split('/'), path.split('/'));
        loop {
            match (known.next(), asked.next()) {
                (None, None) => return true,
                (Some(known), Some(asked)) if known.starts_with('{') || known == asked => {}
                _ => return false,
            }
        }
    };
    let mut paths = DOCUMENT["paths"].as_object()?.iter();
    let (_, item) = paths.find(|(pattern, _)| fits(pattern))?;
    // A document writes methods in lower case. Sent so, a method is none of them.
    let is_sent_so = method.chars().any(|c| c.is_ascii_lowercase());
    (!is_sent_so).then(|| item.get(method.to_ascii_lowercase()))?
}
