//! `auth/userpass`: users, and their logins.

use super::{PASSWORD, logged_in, login, server, text};
use crate::support::NOW;
use countersign::store::faulty::{Fail, Fault, Operation};
use serde_json::{Value, json};

#[tokio::test]
async fn users_are_made_read_changed_listed_and_deleted() {
    let server = server().await;
    let write =
        async |path: &str, body: Value| server.write(&format!("auth/userpass/users/{path}"), body).await;
    write("alice", json!({ "token_policies": "a" }))
        .await
        .refused_by_user_error("missing password");
    write("alice", json!({ "password": "" }))
        .await
        .refused_by_user_error("missing password");
    write("alice", json!({ "password": "x".repeat(1025) }))
        .await
        .refused_with(400, "password is longer than");
    write(
        "alice",
        json!({ "password": "one", "policies": "a", "ttl": "1h", "max_ttl": "2h" }),
    )
    .await
    .expect(204);
    let shown = server.read("auth/userpass/users/Alice").await.data();
    assert_eq!(
        shown,
        json!({
            "token_bound_cidrs": [], "token_explicit_max_ttl": 0, "token_max_ttl": 7200,
            "token_no_default_policy": false, "token_num_uses": 0, "token_period": 0, "token_policies": ["a"],
            "token_ttl": 3600, "token_type": "default",
        })
    );
    assert_eq!(
        server.list("auth/userpass/users").await.data()["keys"],
        json!(["alice", "bob"])
    );
    login(&server, "alice", "one").await.expect(200);
    write("alice/password", json!({ "password": "two" }))
        .await
        .expect(204);
    write("alice/policies", json!({ "policies": "x,y" }))
        .await
        .expect(204);
    login(&server, "alice", "one")
        .await
        .refused_by_user_error("invalid username or password");
    let auth = login(&server, "alice", "two").await.expect(200).json()["auth"].clone();
    assert_eq!(
        (&auth["token_policies"], &auth["lease_duration"]),
        (&json!(["default", "x", "y"]), &json!(3600))
    );
    write("carol/password", json!({ "password": "x" }))
        .await
        .refused_by_user_error("username does not exist");
    write("carol/policies", json!({}))
        .await
        .refused_by_user_error("username does not exist");
    server.delete("auth/userpass/users/alice").await.expect(204);
    server.delete("auth/userpass/users/alice").await.expect(204);
    server
        .read("auth/userpass/users/alice")
        .await
        .refused_silently(404);
    login(&server, "alice", "two")
        .await
        .refused_by_user_error("invalid username or password");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_five_close_the_login() {
    let server = server().await;
    login(&server, "bob", "")
        .await
        .refused_by_user_error("missing password");
    for (name, password) in [("nobody", PASSWORD), ("bob", "wrong"), ("bob", &"x".repeat(2000))] {
        login(&server, name, password)
            .await
            .refused_by_user_error("invalid username or password");
    }
    server.delete("auth/userpass/login/bob").await.expect(405);
    for _ in 0..3 {
        login(&server, "bob", "wrong")
            .await
            .refused_by_user_error("invalid username or password");
    }
    login(&server, "bob", PASSWORD)
        .await
        .refused(403, "permission denied");
    server.clock.set(NOW + 900);
    login(&server, "bob", PASSWORD).await.expect(200);
    let log = format!("{:?}", server.audit.decisions());
    assert!(!log.contains(PASSWORD) && !log.contains("wrong"));
}

#[tokio::test]
async fn logins_end_with_their_method() {
    let server = server().await;
    let auth = logged_in(&server, "bob").await;
    let token = text(&auth, "client_token");
    server.delete("sys/auth/userpass").await.expect(204);
    let own = server
        .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
        .await;
    own.refused_with(403, "permission denied");
    login(&server, "bob", PASSWORD)
        .await
        .refused_with(403, "permission denied");
    server
        .write("sys/auth/userpass", json!({ "type": "userpass" }))
        .await
        .expect(204);
    login(&server, "bob", PASSWORD)
        .await
        .refused_by_user_error("invalid username or password");
}

#[tokio::test]
async fn a_login_that_cannot_be_recorded_is_refused() {
    let server = server().await;
    for (operation, fail) in [
        (Operation::Read, Fail::Before),
        (Operation::Write, Fail::Before),
        (Operation::Write, Fail::After),
    ] {
        server.store.fail_next(operation, fail, Fault::Unavailable);
        login(&server, "bob", PASSWORD).await.expect(503);
    }
    login(&server, "bob", PASSWORD).await.expect(200);
}
