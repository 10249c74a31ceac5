//! A server with an identity, a template for users and one for hosts.

use crate::{openapi, router};
use axum::{Router, body::Body};
use countersign::{
    Services, access,
    audit::MemoryLog,
    clock::FixedClock,
    in_memory::InMemory,
    request_context::ClientAddress,
    signer::{faulty::FaultyKeyring, local::LocalKeyring},
    ssh::Certificate,
    store::{dynamodb::DynamoDb, faulty::Faulty},
    types::SecretToken,
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use tower::ServiceExt;

/// The time of all tests: 2027-01-15T08:00:30Z.
pub(crate) const NOW: u64 = 1_800_000_030;
/// A key of a user, as ssh-keygen writes it.
pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZKiNscNHE771M5RGtfk3QIELkt5t+bbnsUZSfeA4JN alice@laptop";
/// The password of the identity.
pub(crate) const PASSWORD: &str = "a secret of two hundred and fifty-six bits";
pub(crate) const USERNAME: &str = "SshCertSvc";
pub(crate) const USERS: &str = r"\VED\Certificate Authority\SSH\Templates\users";
pub(crate) const HOSTS: &str = r"\VED\Certificate Authority\SSH\Templates\hosts";

/// What the identity may do.
const POLICY: &str = r#"
path "vedsdk/SSHCertificates/*" { capabilities = ["create", "read", "update"] }
path "vedsdk/template/*"        { capabilities = ["update"] }
path "vedsdk/folder/*"          { capabilities = ["create"] }
"#;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
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

    /// Holds a failed call to its status and its code; gives its text.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: u16) -> String {
        let body = self.json();
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(body["Response"]["ErrorCode"], code, "{body}");
        assert_eq!(body["Response"]["Success"], false, "{body}");
        assert_eq!((&body["DN"], &body["Guid"]), (&Value::Null, &Value::Null));
        assert_eq!(
            body["ProcessingDetails"],
            json!({"Status": null, "StatusDescription": null})
        );
        let text = body["Response"]["ErrorMessage"].as_str().unwrap().to_owned();
        assert!(!text.is_empty());
        text
    }

    /// Holds a failure of a token to its status and its word; gives its text.
    #[track_caller]
    pub(crate) fn denies(&self, status: u16, error: &str) -> String {
        let body = self.json();
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(body["error"], error, "{body}");
        text(&body["error_description"])
    }

    /// The certificate in the body.
    #[track_caller]
    pub(crate) fn certificate(&self) -> Certificate {
        let body = self.ok();
        assert_eq!(body["ProcessingDetails"]["Status"], "Issued", "{body}");
        let line = text(&body["CertificateData"]);
        assert!(!line.ends_with('\n'));
        Certificate::from_line(&line).unwrap()
    }
}

/// A server in memory.
pub(crate) struct Fixture {
    pub(crate) router: Router,
    pub(crate) services: Services,
    pub(crate) store: Arc<Faulty<DynamoDb>>,
    pub(crate) keyring: Arc<FaultyKeyring<LocalKeyring>>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) root: String,
    /// A token of the identity, for SSH.
    pub(crate) token: String,
}

/// The document of the template for users.
pub(crate) fn users() -> Value {
    json!({
        "Name": "users",
        "CAKeyPair": {"KeyAlgorithm": "ED25519", "Name": "user-ca"},
        "AccessControl": {
            "AllowedPrincipalsPatterns": ["[a-z][a-z0-9-]*"],
            "AllowedExtensions": [
                "permit-pty", "permit-user-rc", "permit-port-forwarding", "login@github.com", "a@b.c",
            ],
            "AllowedForceCommandPatterns": ["/usr/scripts/.+", "force", "a,b"],
            "DefaultCertificateIdentifier": "default-id",
            "DefaultExtensions": ["permit-pty", "permit-user-rc"],
            "DefaultPrincipals": ["bob", "alice"],
        },
        "Certificate": {
            "CertificateDestinationDn": r"\VED\Policy\ssh-certificates",
            "ValidityPeriod": "2w",
        },
    })
}

/// The document of the template for hosts.
pub(crate) fn hosts() -> Value {
    json!({
        "Name": "hosts",
        "CAKeyPair": {"KeyAlgorithm": "ECDSAP256"},
        "AccessControl": {"AllowedPrincipalsPatterns": ["[a-z0-9.]+"]},
        "Certificate": {"Type": "Host", "ValidityPeriod": "52w"},
    })
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
            token: String::new(),
        };
        fixture.policy("venafi", POLICY).await;
        fixture.identity(USERNAME, PASSWORD, &["venafi"]).await;
        fixture.token = text(&fixture.log_in("ssh:manage").await.ok()["access_token"]);
        for template in [users(), hosts()] {
            fixture.create_template(&template).await.ok();
        }
        fixture
    }

    pub(crate) async fn policy(&self, name: &str, policy: &str) {
        access::put_policy(&self.services, name, policy).await.unwrap();
    }

    /// An identity with a client id, a secret and policies.
    pub(crate) async fn identity(&self, client_id: &str, secret: &str, policies: &[&str]) {
        let mut identity = access::Identity::draw(&self.services, "tests", client_id).unwrap();
        identity.client_id = client_id.to_owned();
        identity.policies = policies.iter().map(|name| (*name).to_owned()).collect();
        access::create_identity(&self.services, &identity).await.unwrap();
        let secret = access::NewSecret {
            text: Some(SecretToken::new(secret)),
            ..access::NewSecret::default()
        };
        access::create_secret(&self.services, &identity.id, secret)
            .await
            .unwrap();
    }

    /// A token with one policy of this text.
    pub(crate) async fn token_with(&self, name: &str, policy: &str) -> String {
        self.policy(name, policy).await;
        let new = access::NewToken {
            policies: vec![name.to_owned()],
            ..access::NewToken::default()
        };
        access::grant(&self.services, new)
            .await
            .unwrap()
            .secret
            .reveal()
            .to_owned()
    }

    pub(crate) async fn log_in(&self, scope: &str) -> Answer {
        let body =
            json!({"client_id": "vcert-cli", "username": USERNAME, "password": PASSWORD, "scope": scope});
        self.send("POST", "/vedauth/authorize/oauth", None, Some(&body))
            .await
    }

    pub(crate) async fn create_template(&self, document: &Value) -> Answer {
        self.post_as(&self.root, "Template/Create", document).await
    }

    /// Asks for a certificate: `more` beside template, key and key id.
    pub(crate) async fn request(&self, more: Value) -> Answer {
        let mut body = json!({"CADN": USERS, "KeyId": "alice-laptop", "PublicKeyData": KEY});
        merge(&mut body, more);
        self.post("Request", &body).await
    }

    /// The same, waiting for it, and shown whole.
    pub(crate) async fn issue(&self, more: Value) -> Answer {
        let mut all = json!({"ProcessingTimeout": 10, "IncludeCertificateDetails": true});
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.request(all).await
    }

    /// Fetches what a request answered.
    pub(crate) async fn retrieve(&self, requested: &Value, more: Value) -> Answer {
        let mut body = json!({"DN": requested["DN"]});
        merge(&mut body, more);
        self.post("Retrieve", &body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(&self.token, path, body).await
    }

    pub(crate) async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/vedsdk/SSHCertificates/{path}");
        self.send("POST", &path, Some(token), Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send("GET", path, token, None).await
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
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.raw(request.body(body).unwrap()).await
    }

    pub(crate) async fn raw(&self, mut request: Request<Body>) -> Answer {
        request
            .extensions_mut()
            .insert(ClientAddress(Some([192, 0, 2, 7].into())));
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        validate(method.as_str(), &path, &answer);
        answer
    }
}

/// Puts the members of `more` into `body`; null takes one out.
fn merge(body: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
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
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let Some((_, item)) = paths.find(|(known, _)| known.eq_ignore_ascii_case(path)) else {
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path} is not in the document"
        );
        return;
    };
    let Some(operation) = item.get(method.to_ascii_lowercase()) else {
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        return;
    };
    let response = &operation["responses"][answer.status.as_str()];
    assert!(
        response.is_object(),
        "{method} {path}: {} is not in the document",
        answer.status
    );
    let Some(content) = response["content"].as_object() else {
        assert_eq!(answer.text, "", "{method} {path}");
        return;
    };
    let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    let essence = kind.split(';').next().unwrap();
    let schema = &content[essence]["schema"];
    if essence == "text/plain" {
        return;
    }
    assert_eq!(kind, "application/json; charset=utf-8");
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
