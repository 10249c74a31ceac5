//! Wrapped answers.

use crate::support::{NOW, ROOT, Reply, Server, request};
use axum::body::Body;
use countersign::store::{
    Query, Table,
    faulty::{Fail, Fault, Operation},
};
use serde_json::{Value, json};

/// Sends a request whose answer is to be wrapped for a minute.
async fn wrapped(server: &Server, token: &str, method: &str, path: &str, body: Value) -> Reply {
    let mut request = request(method, path).header("x-vault-wrap-ttl", "60s");
    if !token.is_empty() {
        request = request.header("x-vault-token", token);
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        body.to_string().into()
    };
    server.send(request.body(body).unwrap()).await
}

/// The wrapping token of an answer.
#[track_caller]
fn token(reply: Reply) -> String {
    let body = reply.expect(200).json();
    assert_eq!(
        (&body["data"], &body["auth"], &body["request_id"]),
        (&Value::Null, &Value::Null, &json!(""))
    );
    body["wrap_info"]["token"].as_str().unwrap().to_owned()
}

async fn unwrap(server: &Server, token: &str) -> Reply {
    server
        .call_as(token, "POST", "sys/wrapping/unwrap", Value::Null)
        .await
}

const INVALID: &str = "wrapping token is not valid or does not exist";

#[tokio::test]
async fn an_answer_is_unwrapped_once() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let plain = server.read("ssh/roles/r").await.data();
    let reply = wrapped(&server, ROOT, "GET", "ssh/roles/r", Value::Null).await;
    let info = reply.json()["wrap_info"].clone();
    assert_eq!(
        (&info["ttl"], &info["creation_path"]),
        (&json!(60), &json!("ssh/roles/r"))
    );
    assert_eq!(info["creation_time"], "2027-01-15T08:00:00Z");
    assert!(info.get("wrapped_accessor").is_none() && info["accessor"].as_str().unwrap().len() == 32);
    let token = token(reply);
    assert!(token.starts_with("csw_"));
    // Looking at it does not use it up.
    for _ in 0..2 {
        let found = server
            .call_without_token(
                "POST",
                "sys/wrapping/lookup",
                json!({ "token": token }).to_string(),
            )
            .await
            .data();
        assert_eq!(
            found,
            json!({ "creation_path": "ssh/roles/r", "creation_time": "2027-01-15T08:00:00Z", "creation_ttl": 60 })
        );
    }
    // In the body beside a caller's own token, as `vault unwrap` and hvac send it.
    let data = server
        .write("sys/wrapping/unwrap", json!({ "token": token }))
        .await
        .data();
    assert_eq!(data, plain);
    for _ in 0..2 {
        server
            .write("sys/wrapping/unwrap", json!({ "token": token }))
            .await
            .refused_by_user_error(INVALID);
        unwrap(&server, &token).await.refused_by_user_error(INVALID);
        server
            .write("sys/wrapping/lookup", json!({ "token": token }))
            .await
            .refused_by_user_error(INVALID);
        server
            .write("sys/wrapping/rewrap", json!({ "token": token }))
            .await
            .refused_by_user_error(INVALID);
    }
}

#[tokio::test]
async fn of_many_that_unwrap_at_once_one_gets_the_answer() {
    let server = Server::with_ca().await;
    let token = token(wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await);
    let all = (0..20).map(|_| {
        let (router, token) = (server.router.clone(), token.clone());
        tokio::spawn(async move {
            let request = request("PUT", "sys/wrapping/unwrap").header("x-vault-token", token);
            tower::ServiceExt::oneshot(router, request.body(Body::empty()).unwrap())
                .await
                .unwrap()
                .status()
        })
    });
    let mut successes = 0;
    for one in all.collect::<Vec<_>>() {
        let status = one.await.unwrap();
        assert!(status == 200 || status == 400, "{status}");
        successes += usize::from(status == 200);
    }
    assert_eq!(successes, 1);
}

#[tokio::test]
async fn what_the_answer_gives_is_nowhere_in_the_clear() {
    let server = Server::with_ca().await;
    let reply = wrapped(
        &server,
        ROOT,
        "POST",
        "auth/token/create",
        json!({ "policies": ["p"] }),
    )
    .await;
    let info = reply.json()["wrap_info"].clone();
    let wrapping_token = token(reply);
    let inner = server
        .write(
            "auth/token/lookup-accessor",
            json!({ "accessor": info["wrapped_accessor"] }),
        )
        .await;
    assert_eq!(inner.data()["policies"], json!(["default", "p"]));
    let mut everything = String::new();
    for (partition, sort) in [("wrapped/", wrapping_token.as_str()), ("wrapping-accessor/", "")] {
        let hash = countersign::types::SecretToken::new(sort).hash();
        let name = if sort.is_empty() {
            info["accessor"].as_str().unwrap().to_owned()
        } else {
            hash
        };
        let query = Query::partition(Table::Access, format!("{partition}{name}"));
        for record in countersign::store::Store::query(&*server.store, &query)
            .await
            .unwrap()
        {
            assert_eq!(record.expires_at, Some(NOW + 60));
            everything += &format!("{record:?}");
        }
    }
    let auth = unwrap(&server, &wrapping_token).await.expect(200).json()["auth"].clone();
    let secret = auth["client_token"].as_str().unwrap();
    assert!(everything.contains("sealed"));
    assert!(!everything.contains(secret) && !everything.contains(&wrapping_token));
    let log = format!("{:?}", server.audit.decisions());
    assert!(!log.contains(secret) && !log.contains(&wrapping_token));
    server
        .call_as(secret, "GET", "auth/token/lookup-self", Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_wrapping_token_is_good_for_nothing_else() {
    let server = Server::with_ca().await;
    let first = token(wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await);
    let second = token(wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await);
    for (method, path) in [
        ("GET", "ssh/config/ca"),
        ("GET", "auth/token/lookup-self"),
        ("POST", "sys/wrapping/wrap"),
    ] {
        server
            .call_as(&first, method, path, Value::Null)
            .await
            .refused_with(403, "permission denied");
    }
    // Not even for another answer.
    server
        .call_as(&first, "POST", "sys/wrapping/unwrap", json!({ "token": second }))
        .await
        .refused_with(403, "permission denied");
    // Without any token, one in the body is not enough to take the answer.
    for path in ["sys/wrapping/unwrap", "sys/wrapping/rewrap"] {
        server
            .call_without_token("POST", path, json!({ "token": second }).to_string())
            .await
            .refused(403, "permission denied");
    }
    // A token that is none of these opens nothing.
    server
        .write("sys/wrapping/unwrap", json!({ "token": ROOT }))
        .await
        .refused_by_user_error(INVALID);
    server
        .write("sys/wrapping/unwrap", json!({}))
        .await
        .refused_by_user_error(INVALID);
    unwrap(&server, &first).await.expect(200);
    unwrap(&server, &second).await.expect(200);
}

#[tokio::test]
async fn a_wrapped_answer_ends_with_its_time_and_by_its_accessor() {
    let server = Server::with_ca().await;
    let old = token(wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await);
    server.clock.set(NOW + 60);
    unwrap(&server, &old).await.refused_by_user_error(INVALID);
    let reply = wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await;
    let accessor = reply.json()["wrap_info"]["accessor"].clone();
    let token = token(reply);
    server
        .write("auth/token/revoke-accessor", json!({ "accessor": accessor }))
        .await
        .expect(204);
    unwrap(&server, &token).await.refused_by_user_error(INVALID);
}

#[tokio::test]
async fn a_wrapped_answer_can_be_wrapped_again() {
    let server = Server::with_ca().await;
    let old = token(wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await);
    let reply = server
        .call_as(&old, "PUT", "sys/wrapping/rewrap", Value::Null)
        .await;
    assert_eq!(reply.json()["wrap_info"]["creation_path"], "ssh/config/ca");
    let new = token(reply);
    unwrap(&server, &old).await.refused_by_user_error(INVALID);
    let again = token(server.write("sys/wrapping/rewrap", json!({ "token": new })).await);
    assert!(unwrap(&server, &again).await.data()["public_key"].is_string());
}

#[tokio::test]
async fn whatever_a_caller_sends_can_be_wrapped() {
    let server = Server::new().await;
    let body = json!({ "zip": "zap", "deep": { "list": [1, true, null, "x"] }, "token": "t" });
    let token = token(wrapped(&server, ROOT, "POST", "sys/wrapping/wrap", body.clone()).await);
    let reply = unwrap(&server, &token).await;
    assert_eq!(reply.json()["warnings"], Value::Null);
    assert_eq!(reply.data(), body);
    server
        .write("sys/wrapping/wrap", body)
        .await
        .refused_by_user_error("endpoint requires response wrapping to be used");
}

#[tokio::test]
async fn what_is_not_wrapped_comes_as_it_is() {
    let server = Server::with_role(json!({})).await;
    // Nothing to say, nothing there, a refusal; and what everybody may read.
    wrapped(&server, ROOT, "DELETE", "ssh/roles/r", Value::Null)
        .await
        .expect(204);
    wrapped(&server, ROOT, "GET", "ssh/roles/r", Value::Null)
        .await
        .refused_silently(404);
    wrapped(&server, ROOT, "POST", "ssh/sign/r", json!({}))
        .await
        .refused_by_user_error("Unknown role: r");
    let health = wrapped(&server, "", "GET", "sys/health", Value::Null)
        .await
        .expect(200)
        .json();
    assert_eq!(health["initialized"], true);
    let key = wrapped(&server, "", "GET", "ssh/public_key", Value::Null)
        .await
        .expect(200);
    assert!(key.text().starts_with("ssh-ed25519 "));
}

#[tokio::test]
async fn a_policy_can_insist_on_wrapping() {
    let server = Server::with_ca().await;
    let policy = r#"path "ssh/config/ca" { capabilities = ["read"] min_wrapping_ttl = "30s" max_wrapping_ttl = "90s" }"#;
    let limited = server.token_with(policy).await;
    server
        .call_as(&limited, "GET", "ssh/config/ca", Value::Null)
        .await
        .refused_framed(403, "permission denied");
    let token = token(wrapped(&server, &limited, "GET", "ssh/config/ca", Value::Null).await);
    // The policy `default` lets everybody unwrap what they were given.
    server
        .call_as(&limited, "POST", "sys/wrapping/unwrap", json!({ "token": token }))
        .await
        .expect(200);
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_not_given_either() {
    let server = Server::with_ca().await;
    server
        .store
        .fail_next(Operation::Write, Fail::Before, Fault::Unavailable);
    let reply = wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null)
        .await
        .expect(503);
    assert!(!reply.text().contains("ssh-ed25519"));
    let token = token(wrapped(&server, ROOT, "GET", "ssh/config/ca", Value::Null).await);
    server
        .store
        .fail_next(Operation::Write, Fail::Before, Fault::Unavailable);
    unwrap(&server, &token).await.expect(503);
    unwrap(&server, &token).await.expect(200);
    let big = json!({ "x": "y".repeat(300_000) });
    wrapped(&server, ROOT, "POST", "sys/wrapping/wrap", big)
        .await
        .refused_with(400, "cannot be wrapped");
}
