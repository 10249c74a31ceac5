//! The authentication matrix: cases 159 to 162; and what the log says about it.

use crate::support::{ED25519, ROOT, Server, request};
use axum::{body::Body, extract::Request};
use countersign::{access::NewToken, request_context::ClientAddress};
use serde_json::json;

fn bare(method: &str, path: &str) -> Request {
    let request = request(method, path).header("content-type", "application/merge-patch+json");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn case_159_162_every_path_needs_a_token() {
    let server = Server::with_role(json!({})).await;
    server
        .write("sys/auth/approle", json!({ "type": "approle" }))
        .await
        .expect(204);
    server
        .write("sys/auth/userpass", json!({ "type": "userpass" }))
        .await
        .expect(204);
    let mut count = 0;
    for (path, operations) in countersign_vault::paths() {
        for (method, operation) in [
            ("GET", "read"),
            ("LIST", "list"),
            ("POST", "update"),
            ("DELETE", "delete"),
            ("PATCH", "patch"),
        ] {
            let is_public = operations
                .iter()
                .any(|(name, is_public)| *name == operation && *is_public);
            let reply = server.send(bare(method, &path)).await;
            if is_public && path.starts_with("sys/internal/ui/mounts/") {
                // It looks at the token itself, and refuses in words of its own.
                reply.refused_with(403, "preflight capability check returned 403");
            } else if is_public {
                assert_ne!(reply.status, 403, "{method} {path}");
            } else {
                assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text());
                assert!(reply.text().contains("permission denied"));
            }
            count += 1;
        }
    }
    assert!(count >= 30);
}

#[tokio::test]
async fn case_160_only_reading_the_public_key_needs_none() {
    let server = Server::with_ca().await;
    for token in [None, Some(ROOT), Some("nobody's")] {
        let send = |method: &str| {
            let mut request = bare(method, "ssh/public_key");
            if let Some(token) = token {
                request
                    .headers_mut()
                    .insert("x-vault-token", token.parse().unwrap());
            }
            server.send(request)
        };
        send("GET").await.expect(200);
        let refused = if token == Some(ROOT) { 405 } else { 403 };
        for method in ["POST", "DELETE", "PATCH"] {
            send(method).await.expect(refused);
        }
        send("LIST")
            .await
            .expect(if token == Some(ROOT) { 404 } else { 403 });
    }
    server
        .call_without_token("GET", "nowhere/public_key", Body::empty())
        .await
        .refused(403, "permission denied");
}

/// A token of the named policy, which has this text.
async fn token(server: &Server, policy: &str) -> String {
    countersign::access::put_policy(&server.services, "p", policy)
        .await
        .unwrap();
    let new = NewToken {
        policies: vec!["p".into()],
        display_name: "deploy".into(),
        ..NewToken::default()
    };
    countersign::access::grant(&server.services, new)
        .await
        .unwrap()
        .secret
        .reveal()
        .to_owned()
}

async fn with_token(
    server: &Server,
    token: &str,
    method: &str,
    path: &str,
    body: String,
) -> crate::support::Reply {
    let request = request(method, path).header("x-vault-token", token);
    server.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn policies_decide_by_path_and_parameters() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let policy = r#"
        path "ssh/sign/r" { capabilities = ["update"] denied_parameters = { "extensions" = [] } }
        path "ssh/roles" { capabilities = ["list"] }
    "#;
    let token = token(&server, policy).await;
    let sign = |fields: &str| format!(r#"{{"public_key": "{ED25519}", "valid_principals": "root"{fields}}}"#);
    let signed = with_token(&server, &token, "POST", "ssh/sign/r", sign(""))
        .await
        .certificate();
    assert!(
        signed.key_id.as_str().starts_with("vault-deploy-"),
        "{}",
        signed.key_id
    );
    with_token(&server, &token, "LIST", "ssh/roles", String::new())
        .await
        .expect(200);
    let denied = "permission denied";
    for (method, path, body) in [
        ("GET", "ssh/roles/r", String::new()),
        ("DELETE", "ssh/roles/r", String::new()),
        ("POST", "ssh/sign/other", sign("")),
        (
            "POST",
            "ssh/sign/r",
            sign(r#", "extensions": {"permit-pty": ""}"#),
        ),
        // The old spelling is the same parameter.
        ("POST", "ssh/sign/r", sign(r#", "extension": {"permit-pty": ""}"#)),
        ("GET", "nowhere/x", String::new()),
    ] {
        with_token(&server, &token, method, path, body)
            .await
            .refused_framed(403, denied);
    }
    // The policy comes before the fields, and the body before the token.
    with_token(&server, &token, "POST", "ssh/roles/r", r#"{"ttl": "x"}"#.into())
        .await
        .refused_framed(403, denied);
    with_token(&server, &token, "POST", "ssh/roles/r", "{".into())
        .await
        .refused(400, "error parsing JSON");
}

#[tokio::test]
async fn an_authority_of_the_account_needs_a_right_of_its_own() {
    let server = Server::with_ca().await;
    let authorities = countersign::authority::Authority::list(&*server.services.store)
        .await
        .unwrap();
    let body = json!({ "managed_key_id": authorities[0].0.id }).to_string();
    let other = countersign_vault::mounts::Mount::draw(
        &server.services,
        "other",
        countersign_vault::mounts::MountType::Ssh,
    );
    countersign_vault::mounts::create(&server.services, &other.unwrap())
        .await
        .unwrap();
    let token = token(&server, r#"path "other/*" { capabilities = ["update"] }"#).await;
    with_token(&server, &token, "POST", "other/config/ca", body)
        .await
        .refused_framed(403, "permission denied");
}

#[tokio::test]
async fn every_decision_is_logged_with_the_callers_address_and_no_secret() {
    let server = Server::with_role(json!({ "allowed_users": "root" })).await;
    let address = ClientAddress(Some("198.51.100.7".parse().unwrap()));
    let mut request = bare("POST", "ssh/sign/r?secret=x");
    request.extensions_mut().insert(address);
    request
        .headers_mut()
        .insert("x-forwarded-for", "192.0.2.66".parse().unwrap());
    server.send(request).await.expect(403);
    let denied = server.audit.decisions().pop().unwrap();
    assert_eq!(
        (denied.action.as_str(), denied.outcome),
        ("update ssh/sign/r", "unauthenticated")
    );
    assert_eq!(denied.source_ip, address.0);

    server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .expect(200);
    let granted = server.audit.decisions().pop().unwrap();
    assert_eq!((granted.action.as_str(), granted.outcome), ("issue", "granted"));
    assert_eq!(
        (granted.role.as_str(), granted.display_name.as_str()),
        ("ssh/r", "root")
    );
    server
        .sign(json!({ "valid_principals": "eve" }))
        .await
        .expect(400);
    let refused = server.audit.decisions().pop().unwrap();
    assert_eq!((refused.action.as_str(), refused.outcome), ("issue", "refused"));
    server.sign(json!({ "public_key": "x" })).await.expect(400);
    let refused = server.audit.decisions().pop().unwrap();
    assert_eq!(
        (refused.action.as_str(), refused.outcome),
        ("update ssh/sign/r", "invalid_request")
    );
    let log = format!("{:?}", server.audit.decisions());
    assert!(!log.contains(ROOT) && !log.contains("secret=x") && !log.contains("192.0.2.66"));
}
