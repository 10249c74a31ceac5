//! `sys/health` and its like, and `sys/leases`.

use super::support::{NOW, Server};
use serde_json::{Value, json};

#[tokio::test]
async fn health_and_status_need_no_token() {
    let server = Server::new().await;
    let read = async |path: &str| {
        server
            .call_without_token("GET", path, "")
            .await
            .expect(200)
            .json()
    };
    let health = read("sys/health").await;
    assert_eq!(
        (&health["initialized"], &health["sealed"], &health["standby"]),
        (&json!(true), &json!(false), &json!(false))
    );
    assert_eq!(
        (&health["version"], &health["server_time_utc"]),
        (&json!("1.20.0+countersign"), &json!(NOW))
    );
    let status = read("sys/seal-status").await;
    assert_eq!(
        (&status["initialized"], &status["sealed"], &status["version"]),
        (&json!(true), &json!(false), &health["version"])
    );
    for member in [
        "type",
        "t",
        "n",
        "progress",
        "nonce",
        "migration",
        "recovery_seal",
        "storage_type",
        "cluster_name",
    ] {
        assert!(!status[member].is_null(), "{member}");
    }
    assert_eq!(read("sys/leader").await["ha_enabled"], false);
    assert_eq!(read("sys/init").await, json!({ "initialized": true }));
    // A bad token sent along does no harm.
    server
        .call_as("bad", "GET", "sys/health", Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn health_answers_head_and_with_the_code_asked_for() {
    let server = Server::new().await;
    let reply = server
        .call_without_token("HEAD", "sys/health", "")
        .await
        .expect(200);
    assert!(reply.body.is_empty());
    server
        .call_without_token("GET", "sys/health?standbyok=true&activecode=299", "")
        .await
        .expect(299);
    server
        .call_without_token("HEAD", "sys/health?activecode=299", "")
        .await
        .expect(299);
    for bad in ["x", "99", "1000", "-1"] {
        server
            .call_without_token("GET", &format!("sys/health?activecode={bad}"), "")
            .await
            .refused_silently(400);
    }
    server
        .call_without_token("POST", "sys/health", "")
        .await
        .refused(403, "permission denied");
}

#[tokio::test]
async fn case_181_leases_that_are_not_there_are_revoked_already() {
    let server = Server::new().await;
    let put = async |path: &str, body: Value| server.call("PUT", path, body.to_string()).await;
    for path in [
        "sys/leases/revoke/ssh/creds/r/x",
        "sys/revoke/ssh/creds/r/x",
        "sys/leases/revoke-prefix/x",
        "sys/revoke-prefix/x",
    ] {
        put(path, json!({})).await.expect(204);
    }
    put("sys/leases/revoke", json!({ "lease_id": "ssh/creds/r/x" }))
        .await
        .expect(204);
    put("sys/leases/revoke/ssh/creds/r/x", json!({ "sync": false }))
        .await
        .expect(202);
    put("sys/leases/revoke", json!({}))
        .await
        .refused_by_user_error("lease_id must be specified");
    put("sys/leases/renew", json!({ "lease_id": "x" }))
        .await
        .refused_by_user_error("lease not found");
    put("sys/renew/x", json!({}))
        .await
        .refused_by_user_error("lease not found");
    put("sys/leases/lookup", json!({ "lease_id": "x" }))
        .await
        .refused_by_user_error("invalid lease");
    server.list("sys/leases/lookup/ssh").await.refused_silently(404);
}

#[tokio::test]
async fn tokens_are_revoked_by_what_made_them() {
    let server = Server::new().await;
    let orphan = server
        .write("auth/token/create-orphan", json!({ "policies": ["default"] }))
        .await
        .expect(200)
        .json();
    let child = server.token(json!({ "policies": ["default"] })).await;
    server
        .write("sys/leases/revoke-prefix/auth/token/create", json!({}))
        .await
        .expect(204);
    let lookup = async |token: &Value| {
        server
            .call_as(
                token.as_str().unwrap(),
                "GET",
                "auth/token/lookup-self",
                Value::Null,
            )
            .await
            .status
            .as_u16()
    };
    assert_eq!(lookup(&child["client_token"]).await, 403);
    assert_eq!(
        lookup(&orphan["auth"]["client_token"]).await,
        200,
        "create-orphan is another path"
    );
}
