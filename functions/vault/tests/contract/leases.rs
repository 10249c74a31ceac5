//! `sys/leases`: cases 181 and 182, and how leases are found.

use crate::support::{ROOT, Server};
use serde_json::{Value, json};

async fn server() -> Server {
    let server = Server::new().await;
    let role = json!({ "key_type": "otp", "default_user": "ubuntu", "cidr_list": "10.0.0.0/8" });
    for path in ["ssh/roles/r", "ssh/roles/r2", "team/a/roles/r"] {
        if path.starts_with("team") {
            server
                .write("sys/mounts/team/a", json!({ "type": "ssh" }))
                .await
                .expect(204);
        }
        server.write(path, role.clone()).await.expect(204);
    }
    server
}

async fn creds(server: &Server, path: &str) -> (String, String) {
    let reply = server
        .write(path, json!({ "ip": "10.1.1.1" }))
        .await
        .expect(200)
        .json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&reply["lease_id"]), text(&reply["data"]["key"]))
}

async fn is_there(server: &Server, mount: &str, key: &str) -> bool {
    let body = json!({ "otp": key }).to_string();
    let reply = server
        .call_without_token("POST", &format!("{mount}/verify"), body)
        .await;
    reply.status == 200
}

#[tokio::test]
async fn a_lease_says_when_it_ends() {
    let server = server().await;
    let (id, _) = creds(&server, "team/a/creds/r").await;
    let data = server
        .call("PUT", "sys/leases/lookup", json!({ "lease_id": id }).to_string())
        .await
        .data();
    let expected = json!({
        "expire_time": "2027-02-16T08:00:00Z", "id": id, "issue_time": "2027-01-15T08:00:00Z",
        "last_renewal": null, "path": "team/a/creds/r", "renewable": false, "ttl": 2_764_800,
    });
    assert_eq!(data, expected);
    for (path, text) in [
        ("sys/leases/renew", "lease is not renewable"),
        ("sys/renew", "lease is not renewable"),
    ] {
        server
            .write(path, json!({ "lease_id": id }))
            .await
            .refused_by_user_error(text);
    }
    for id in ["ssh/creds/r/nothing".to_owned(), "x".into(), "x".repeat(3000)] {
        server
            .write("sys/leases/lookup", json!({ "lease_id": id }))
            .await
            .refused_by_user_error("invalid lease");
        server
            .write("sys/leases/renew", json!({ "lease_id": id }))
            .await
            .refused_by_user_error("lease not found");
        server
            .write("sys/leases/revoke", json!({ "lease_id": id }))
            .await
            .expect(204);
    }
    for path in [
        "sys/leases/lookup",
        "sys/leases/renew",
        "sys/leases/revoke",
        "sys/revoke",
    ] {
        server
            .write(path, json!({}))
            .await
            .refused_by_user_error("lease_id must be specified");
    }
}

#[tokio::test]
async fn leases_are_listed_level_by_level() {
    let server = server().await;
    let (first, _) = creds(&server, "ssh/creds/r").await;
    let (second, _) = creds(&server, "ssh/creds/r2").await;
    creds(&server, "team/a/creds/r").await;
    let listed =
        async |prefix: &str| server.list(&format!("sys/leases/lookup/{prefix}")).await.data()["keys"].clone();
    assert_eq!(listed("ssh").await, json!(["creds/"]));
    assert_eq!(listed("ssh/creds/").await, json!(["r/", "r2/"]));
    let end = first.rsplit('/').next().unwrap();
    assert_eq!(listed("ssh/creds/r").await, json!([end]));
    assert_eq!(listed("team").await, json!(["a/"]));
    server
        .write("sys/leases/revoke", json!({ "lease_id": second }))
        .await
        .expect(204);
    assert_eq!(listed("ssh/creds").await, json!(["r/"]));
    server
        .list("sys/leases/lookup/ssh/cre")
        .await
        .refused_silently(404);
}

#[tokio::test]
async fn case_181_182_every_spelling_of_revocation_works() {
    let server = server().await;
    for (method, path) in [("PUT", "sys/leases/revoke"), ("POST", "sys/revoke")] {
        for in_path in [true, false] {
            let (id, key) = creds(&server, "ssh/creds/r").await;
            let (path, body) = if in_path {
                (format!("{path}/{id}"), Value::Null)
            } else {
                (path.to_owned(), json!({ "lease_id": id }))
            };
            server.call_as(ROOT, method, &path, body).await.expect(204);
            assert!(!is_there(&server, "ssh", &key).await);
        }
    }
    let (id, key) = creds(&server, "ssh/creds/r").await;
    let path = format!("sys/leases/revoke/{id}");
    server.write(&path, json!({ "sync": false })).await.expect(202);
    assert!(!is_there(&server, "ssh", &key).await);
    for path in [
        "sys/leases/revoke-prefix",
        "sys/leases/revoke-force",
        "sys/revoke-prefix",
        "sys/revoke-force",
    ] {
        let (_, one) = creds(&server, "ssh/creds/r").await;
        let (_, other) = creds(&server, "ssh/creds/r2").await;
        server
            .write(&format!("{path}/ssh/creds/r"), json!({}))
            .await
            .expect(204);
        assert!(!is_there(&server, "ssh", &one).await, "{path}");
        assert!(
            is_there(&server, "ssh", &other).await,
            "{path}: only below whole names"
        );
        server
            .write(&format!("{path}/nothing"), json!({}))
            .await
            .expect(204);
    }
    let (id, key) = creds(&server, "ssh/creds/r").await;
    assert!(is_there(&server, "ssh", &key).await);
    // The lease of a password that was used stays, and revoking it does nothing.
    server
        .write("sys/leases/lookup", json!({ "lease_id": id }))
        .await
        .expect(200);
    server
        .write("sys/leases/revoke", json!({ "lease_id": id }))
        .await
        .expect(204);
}
