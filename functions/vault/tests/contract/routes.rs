//! One table of all paths: whoever adds one has to say here whether it needs a token, and for what.

use crate::support::{ROOT, Reply, Server, request};
use axum::{body::Body, extract::Request};
use countersign::access::{NewToken, grant};
use serde_json::json;
use std::collections::BTreeSet;

/// What nobody needs a token for.
const PUBLIC: [(&str, &str); 14] = [
    ("update", "auth/approle/login"),
    ("update", "auth/userpass/login/x"),
    ("read", "ssh/issuer/x/public_key"),
    ("read", "ssh/public_key"),
    ("update", "ssh/verify"),
    ("head", "sys/health"),
    ("read", "sys/health"),
    ("read", "sys/init"),
    ("read", "sys/internal/ui/mounts"),
    // It looks for a token itself.
    ("read", "sys/internal/ui/mounts/x"),
    ("read", "sys/leader"),
    ("read", "sys/seal-status"),
    // Whoever has a wrapping token may look it up.
    ("read", "sys/wrapping/lookup"),
    ("update", "sys/wrapping/lookup"),
];

/// What any token is good for, by the policy `default`.
const OWN: [(&str, &str); 9] = [
    ("read", "auth/token/lookup-self"),
    ("update", "auth/token/renew-self"),
    ("update", "auth/token/revoke-self"),
    ("update", "sys/capabilities-self"),
    ("update", "sys/leases/lookup"),
    ("update", "sys/leases/renew"),
    ("update", "sys/renew"),
    ("update", "sys/wrapping/unwrap"),
    ("update", "sys/wrapping/wrap"),
];

const METHODS: [(&str, &str); 7] = [
    ("DELETE", "delete"),
    ("GET", "read"),
    ("HEAD", "head"),
    ("LIST", "list"),
    ("PATCH", "patch"),
    ("POST", "update"),
    ("PUT", "update"),
];

async fn server() -> Server {
    let server = Server::with_role(json!({})).await;
    let approle = json!({ "type": "approle" });
    server.write("sys/auth/approle", approle).await.expect(204);
    let userpass = json!({ "type": "userpass" });
    server.write("sys/auth/userpass", userpass).await.expect(204);
    server
}

async fn send(server: &Server, method: &str, path: &str, token: Option<&str>) -> Reply {
    let mut request = request(method, path).header("content-type", "application/merge-patch+json");
    if let Some(token) = token {
        request = request.header("x-vault-token", token);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// Checks for a refusal; the answer to HEAD has no body.
#[track_caller]
fn denied(reply: Reply, what: &str) {
    assert_eq!(reply.status, 403, "{what}: {}", reply.text());
    assert!(
        what.starts_with("HEAD ") || reply.text().contains("permission denied"),
        "{what}: {}",
        reply.text()
    );
}

#[test]
fn what_needs_no_token_is_named_here() {
    let paths = countersign_vault::paths();
    let rows = paths.iter().flat_map(|(path, operations)| {
        let public = operations.iter().filter(|(_, is_public)| *is_public);
        public.map(move |(operation, _)| (*operation, path.as_str()))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), BTreeSet::from(PUBLIC));
}

#[tokio::test]
async fn everything_else_is_refused_without_a_token_and_with_a_bad_one() {
    let server = server().await;
    for (path, _) in countersign_vault::paths() {
        for (method, operation) in METHODS {
            if !PUBLIC.contains(&(operation, &path)) {
                let what = format!("{method} {path}");
                denied(send(&server, method, &path, None).await, &what);
                denied(send(&server, method, &path, Some("nobody's")).await, &what);
                let basic = request(method, &path)
                    .header("authorization", format!("Basic {ROOT}"))
                    .header("content-type", "application/merge-patch+json");
                denied(server.send(basic.body(Body::empty()).unwrap()).await, &what);
            }
        }
    }
    // None of all that did anything.
    server.read("ssh/config/ca").await.expect(200);
    server.read("ssh/roles/r").await.expect(200);
}

#[tokio::test]
async fn a_token_without_policies_of_its_own_sees_nothing_but_itself() {
    let server = server().await;
    let mut own = BTreeSet::new();
    for (path, operations) in countersign_vault::paths() {
        for (method, operation) in METHODS {
            if PUBLIC.contains(&(operation, &path)) {
                continue;
            }
            let new = NewToken {
                policies: vec!["default".into()],
                ..NewToken::default()
            };
            let token = grant(&server.services, new).await.unwrap();
            let reply = send(&server, method, &path, Some(token.secret.reveal())).await;
            let what = format!("{method} {path}");
            let is_there = operations.iter().any(|(name, _)| *name == operation);
            if OWN.contains(&(operation, &path)) {
                assert_ne!(reply.status, 403, "{what}: {}", reply.text());
                own.insert((operation, path.clone()));
            } else if is_there || reply.status == 403 {
                denied(reply, &what);
            } else {
                // The policy covers the path, but it has nothing of the kind.
                assert!([404, 405].contains(&reply.status.as_u16()), "{what}");
            }
        }
    }
    assert_eq!(own.len(), OWN.len(), "{own:?}");
}

#[tokio::test]
async fn what_a_path_cannot_do_is_said_to_whoever_may_know() {
    let server = server().await;
    for (path, operations) in countersign_vault::paths() {
        for (method, operation) in METHODS {
            if operations.iter().any(|(name, _)| *name == operation) {
                continue;
            }
            let reply = send(&server, method, &path, Some(ROOT)).await;
            let expected = if method == "LIST" { 404 } else { 405 };
            assert_eq!(reply.status, expected, "{method} {path}: {}", reply.text());
        }
        for method in ["BREW", "OPTIONS", "TRACE"] {
            let reply = send(&server, method, &path, Some(ROOT)).await;
            assert_eq!(reply.status, 405, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_hidden_from_strangers() {
    let server = server().await;
    for (path, status, text) in [
        ("ssh/nothing", 404, "unsupported path"),
        ("ssh/sign/r/further", 404, "unsupported path"),
        ("sys/nothing", 404, "unsupported path"),
        ("auth/token/nothing", 404, "unsupported path"),
        ("auth/approle/nothing", 404, "unsupported path"),
        ("auth/userpass/nothing", 404, "unsupported path"),
        ("identity/nothing", 404, "unsupported path"),
        ("auth/nowhere/login", 404, "no handler for route"),
        ("nowhere", 404, "no handler for route"),
        ("nowhere/public_key", 404, "no handler for route"),
        ("nowhere/sign/r", 404, "no handler for route"),
    ] {
        for method in ["DELETE", "GET", "LIST", "POST", "PUT"] {
            let what = format!("{method} {path}");
            denied(send(&server, method, path, None).await, &what);
            send(&server, method, path, Some(ROOT))
                .await
                .refused_with(status, text);
        }
    }
    for path in ["/", "/v2/sys/health", "/sys/health", "/v1x/ssh/public_key"] {
        let request: Request = http::Request::get(path).body(Body::empty()).unwrap();
        server.send(request).await.refused_silently(404);
    }
}

#[tokio::test]
async fn case_161_only_asking_whether_a_password_is_right_needs_no_token() {
    let server = server().await;
    for (method, operation) in METHODS {
        for token in [None, Some("nobody's"), Some(ROOT)] {
            let reply = send(&server, method, "ssh/verify", token).await;
            let what = format!("{method} with {token:?}");
            if operation == "update" {
                reply.refused_by_user_error("OTP not found");
            } else if token == Some(ROOT) {
                assert!([404, 405].contains(&reply.status.as_u16()), "{what}");
            } else {
                denied(reply, &what);
            }
        }
    }
}
