//! Our own paths below `sys/countersign`: authorities, and the records of certificates.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use countersign::{
    Services,
    access::{Caller, create_root},
    in_memory::InMemory,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const NOW: u64 = 1_800_000_000;

async fn services() -> Services {
    InMemory::at(NOW).await.services
}

/// Who calls.
enum As<'a> {
    Nobody,
    Operator,
    Token(&'a str),
}

struct Server {
    services: Services,
    router: Router,
}

impl Server {
    async fn start() -> Self {
        let services = services().await;
        let router = countersign_vault::router(services.clone());
        Self { services, router }
    }

    async fn call(&self, who: As<'_>, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(format!("/v1/{path}"));
        if let As::Token(token) = who {
            request = request.header("x-vault-token", token);
        }
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        if let As::Operator = who {
            let operator = Caller::operator(&self.services, "operator").unwrap();
            request.extensions_mut().insert(operator);
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn operate(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(As::Operator, method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer}");
        answer["data"].clone()
    }
}

const AUTHORITIES: &str = "sys/countersign/authorities";

#[tokio::test]
async fn an_authority_is_made_shown_listed_and_retired() {
    let server = Server::start().await;
    let spec = json!({"key_spec": "ECC_NIST_P256", "description": "for staging"});
    let made = server.operate("POST", AUTHORITIES, spec).await;
    assert_eq!(made["state"], "active");
    assert_eq!(made["custody"], "local");
    assert_eq!(made["description"], "for staging");
    assert!(
        made["public_key"]
            .as_str()
            .unwrap()
            .starts_with("ecdsa-sha2-nistp256 ")
    );
    assert!(!made.to_string().contains("sealed_key"));

    let path = format!("{AUTHORITIES}/{}", made["id"].as_str().unwrap());
    assert_eq!(server.operate("GET", &path, Value::Null).await, made);
    assert_eq!(
        server.operate("GET", AUTHORITIES, Value::Null).await,
        json!({"authorities": [made]})
    );
    let retired = server.operate("POST", &format!("{path}/retire"), json!({})).await;
    assert_eq!(retired["state"], "retired");
    assert_eq!(server.operate("GET", &path, Value::Null).await, retired);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_refused_with_a_reason() {
    let server = Server::start().await;
    for (body, reason) in [
        (json!({}), "give one of"),
        (
            json!({"key_spec": "RSA_2048", "kms_key": "alias/x"}),
            "give one of",
        ),
        (json!({"key_spec": "RSA_1024"}), "key_spec: one of"),
        (json!({"private_key": "no key"}), "private_key: "),
        (json!({"kms_key": "alias/x"}), "KMS"),
    ] {
        let (status, answer) = server.call(As::Operator, "POST", AUTHORITIES, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(
            answer["errors"][0].as_str().unwrap().contains(reason),
            "{body}: {answer}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start().await;
    for (method, path) in [
        ("GET", "sys/countersign/authorities/nonsense"),
        (
            "GET",
            "sys/countersign/authorities/sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj",
        ),
        (
            "POST",
            "sys/countersign/authorities/sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj/retire",
        ),
        ("GET", "sys/countersign/certificates/1"),
        ("GET", "sys/countersign/certificates/2rwwl2T6kKDNklNsSXGf3D53Kpj"),
        ("GET", "sys/countersign/certificates/nonsense"),
    ] {
        let (status, answer) = server.call(As::Operator, method, path, json!({})).await;
        assert_eq!(
            (status, &answer),
            (StatusCode::NOT_FOUND, &json!({"errors": []})),
            "{path}"
        );
    }
    let none = json!({"certificates": [], "next": null});
    assert_eq!(
        server
            .operate("GET", "sys/countersign/certificates?limit=5", Value::Null)
            .await,
        none
    );
    for query in ["cert_type=both", "limit=0", "since=-1", "before=x"] {
        let path = format!("sys/countersign/certificates?{query}");
        let (status, _) = server.call(As::Operator, "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_token_and_its_policies_are_asked_for() {
    let server = Server::start().await;
    let paths = [
        ("GET", AUTHORITIES),
        ("POST", AUTHORITIES),
        ("GET", "sys/countersign/certificates"),
    ];
    for (method, path) in paths {
        for nobody in [As::Nobody, As::Token("operator"), As::Token("")] {
            let (status, _) = server.call(nobody, method, path, json!({})).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
    let root = create_root(&server.services, None).await.unwrap();
    let (status, _) = server
        .call(As::Token(root.secret.reveal()), "GET", AUTHORITIES, Value::Null)
        .await;
    assert_eq!(status, StatusCode::OK);
}
