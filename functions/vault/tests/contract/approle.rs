//! `auth/approle`.

use super::support::{NOW, Server};
use serde_json::{Value, json};

async fn server() -> Server {
    let server = Server::new().await;
    server
        .write("sys/auth/approle", json!({ "type": "approle" }))
        .await
        .expect(204);
    server
}

async fn role(fields: Value) -> (Server, String) {
    let server = server().await;
    server.write("auth/approle/role/ci", fields).await.expect(204);
    let role_id = server.read("auth/approle/role/ci/role-id").await.data()["role_id"]
        .as_str()
        .unwrap()
        .to_owned();
    (server, role_id)
}

async fn secret(server: &Server, fields: Value) -> Value {
    server
        .write("auth/approle/role/ci/secret-id", fields)
        .await
        .data()
}

#[tokio::test]
async fn a_role_reads_back_as_it_was_written() {
    let (server, role_id) = role(json!({
        "bind_secret_id": true, "local_secret_ids": false, "token_max_ttl": 1200, "token_policies": ["tf-sign"],
        "token_ttl": 600, "token_type": "default",
    }))
    .await;
    assert_eq!(role_id.len(), 36);
    let mut expected = json!({
        "bind_secret_id": true, "local_secret_ids": false, "secret_id_bound_cidrs": null, "secret_id_num_uses": 0,
        "secret_id_ttl": 0, "token_bound_cidrs": [], "token_explicit_max_ttl": 0, "token_max_ttl": 1200,
        "token_no_default_policy": false, "token_num_uses": 0, "token_period": 0, "token_policies": ["tf-sign"],
        "token_ttl": 600, "token_type": "default",
    });
    assert_eq!(server.read("auth/approle/role/ci").await.data(), expected);
    // A second write changes what it names, old names included, and nothing else.
    let change = json!({
        "policies": "a,b", "period": "1h", "bound_cidr_list": ["10.0.0.0/8"], "secret_id_ttl": "10m",
        "secret_id_num_uses": "2", "token_type": "service", "local_secret_ids": false,
    });
    server.write("auth/approle/role/CI", change).await.expect(204);
    expected["token_policies"] = json!(["a", "b"]);
    expected["token_period"] = json!(3600);
    expected["secret_id_bound_cidrs"] = json!(["10.0.0.0/8"]);
    expected["secret_id_ttl"] = json!(600);
    expected["secret_id_num_uses"] = json!(2);
    expected["token_type"] = json!("service");
    assert_eq!(server.read("auth/approle/role/ci").await.data(), expected);
    assert_eq!(
        server.list("auth/approle/role").await.data(),
        json!({ "keys": ["ci"] })
    );
    server.delete("auth/approle/role/ci").await.expect(204);
    server.delete("auth/approle/role/ci").await.expect(204);
    server.read("auth/approle/role/ci").await.refused_silently(404);
    server
        .read("auth/approle/role/ci/role-id")
        .await
        .refused_silently(404);
    server.list("auth/approle/role").await.refused_silently(404);
}

#[tokio::test]
async fn roles_that_contradict_themselves_are_refused() {
    let server = server().await;
    let write = async |fields| server.write("auth/approle/role/ci", fields).await;
    write(json!({ "token_ttl": 20, "token_max_ttl": 10 }))
        .await
        .refused_by_user_error("'token_ttl' cannot be greater than 'token_max_ttl'");
    write(json!({ "token_type": "x" }))
        .await
        .refused_by_user_error("invalid 'token_type' value \"x\"");
    write(json!({ "token_type": "batch", "token_num_uses": 1 }))
        .await
        .refused_with(400, "limited use count");
    write(json!({ "token_type": "batch", "token_period": 1 }))
        .await
        .refused_with(400, "periodic tokens");
    write(json!({ "secret_id_num_uses": -1 }))
        .await
        .refused_by_user_error("secret_id_num_uses cannot be negative");
    write(json!({ "secret_id_bound_cidrs": "x" }))
        .await
        .refused_with(400, "invalid CIDR blocks");
    write(json!({ "role_id": "" }))
        .await
        .refused_with(400, "invalid role_id supplied");
    write(json!({ "bind_secret_id": false }))
        .await
        .refused_framed(500, "at least one constraint should be enabled on the role");
    write(json!({ "token_type": "default-service" }))
        .await
        .expect(200);
    write(json!({ "local_secret_ids": true }))
        .await
        .refused_by_user_error("local_secret_ids can only be modified during role creation");
    server
        .write("auth/approle/role/other", json!({ "role_id": "mine" }))
        .await
        .expect(204);
    write(json!({ "role_id": "mine" }))
        .await
        .refused_framed(500, "role_id already in use");
}

#[tokio::test]
async fn creating_and_changing_a_role_are_two_capabilities() {
    let server = server().await;
    let as_token = async |token: &str, name: &str| {
        let path = format!("auth/approle/role/{name}");
        server
            .call_as(token, "POST", &path, json!({ "token_ttl": 60 }))
            .await
            .status
            .as_u16()
    };
    let creator = server
        .token_with(r#"path "auth/approle/role/*" { capabilities = ["create"] }"#)
        .await;
    assert_eq!(
        (as_token(&creator, "a").await, as_token(&creator, "a").await),
        (204, 403)
    );
    let updater = server
        .token_with(r#"path "auth/approle/role/*" { capabilities = ["update"] }"#)
        .await;
    assert_eq!(
        (as_token(&updater, "a").await, as_token(&updater, "b").await),
        (204, 403)
    );
}

#[tokio::test]
async fn a_login_gives_a_token() {
    let (server, role_id) =
        role(json!({ "secret_id_num_uses": "2", "token_policies": "signer", "token_ttl": "20m" })).await;
    let made = secret(&server, Value::Null).await;
    assert_eq!(
        (&made["secret_id_num_uses"], &made["secret_id_ttl"]),
        (&json!(2), &json!(0))
    );
    let login = async |role_id: &str, secret_id: &Value| {
        let body = json!({ "role_id": role_id, "secret_id": secret_id }).to_string();
        server
            .call_without_token("POST", "auth/approle/login", body)
            .await
    };
    server.store.take_counts();
    let answer = login(&role_id, &made["secret_id"]).await.expect(200).json();
    let counts = server.store.take_counts();
    assert_eq!(
        (counts.reads, counts.writes, counts.queries),
        (8, 3, 0),
        "the mount, the client, its secret; the first time also what makes the entity and notes it"
    );
    let auth = &answer["auth"];
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(
        (&auth["policies"], &auth["lease_duration"]),
        (&json!(["default", "signer"]), &json!(1200))
    );
    assert_eq!(
        (&auth["metadata"], &auth["orphan"]),
        (&json!({ "role_name": "ci" }), &json!(true))
    );
    assert_eq!(
        (&auth["renewable"], &auth["token_type"]),
        (&json!(true), &json!("service"))
    );
    let token = auth["client_token"].as_str().unwrap();
    let data = server
        .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
        .await
        .data();
    assert_eq!(
        (&data["display_name"], &data["path"]),
        (&json!("approle"), &json!("auth/approle/login"))
    );

    login(&role_id, &json!("wrong"))
        .await
        .refused_by_user_error("invalid role or secret ID");
    login("wrong", &made["secret_id"])
        .await
        .refused_by_user_error("invalid role or secret ID");
    login(&role_id, &json!(""))
        .await
        .refused_by_user_error("missing secret_id");
    login("", &made["secret_id"])
        .await
        .refused_framed(500, "missing role_id");
    login(&role_id, &made["secret_id"]).await.expect(200);
    login(&role_id, &made["secret_id"])
        .await
        .refused_by_user_error("invalid role or secret ID");
    server
        .list("auth/approle/role/ci/secret-id")
        .await
        .refused_silently(404);

    // The log names nobody's secret.
    let log = format!("{:?}", server.audit.decisions());
    assert!(log.contains("auth/approle/login"));
    for secret in [made["secret_id"].as_str().unwrap(), token] {
        assert!(!log.contains(secret));
    }
}

#[tokio::test]
async fn a_form_logs_in_too() {
    let (server, role_id) = role(json!({})).await;
    let made = secret(&server, json!({})).await;
    let body = format!(
        "role_id={role_id}&secret_id={}",
        made["secret_id"].as_str().unwrap()
    );
    let request = super::support::request("POST", "auth/approle/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap();
    server.send(request).await.expect(200);
}

#[tokio::test]
async fn renewals_follow_the_role() {
    let (server, role_id) = role(json!({ "token_ttl": "20m", "token_max_ttl": "1h" })).await;
    let made = secret(&server, json!({})).await;
    let body = json!({ "role_id": role_id, "secret_id": made["secret_id"] });
    let auth = server.write("auth/approle/login", body).await.expect(200).json()["auth"].clone();
    let token = auth["client_token"].as_str().unwrap();
    let renew = async || {
        server
            .call_as(token, "PUT", "auth/token/renew-self", json!({}))
            .await
    };
    server
        .write("auth/approle/role/ci", json!({ "token_ttl": "30m" }))
        .await
        .expect(204);
    server.clock.set(NOW + 600);
    assert_eq!(renew().await.expect(200).json()["auth"]["lease_duration"], 1800);
    server.delete("auth/approle/role/ci").await.expect(204);
    renew().await.refused_with(400, "does not exist any more");
}

#[tokio::test]
async fn secret_ids_are_looked_up_listed_and_destroyed() {
    let (server, _) = role(json!({ "secret_id_num_uses": 5 })).await;
    let made = secret(
        &server,
        json!({ "metadata": "{\"team\": \"a\"}", "num_uses": 3, "ttl": "10m" }),
    )
    .await;
    let expected = json!({
        "cidr_list": [], "creation_time": "2027-01-15T08:00:00Z", "expiration_time": "2027-01-15T08:10:00Z",
        "last_updated_time": "2027-01-15T08:00:00Z", "metadata": { "team": "a" },
        "secret_id_accessor": made["secret_id_accessor"], "secret_id_num_uses": 3, "secret_id_ttl": 600,
        "token_bound_cidrs": [],
    });
    let write =
        async |path: &str, body: Value| server.write(&format!("auth/approle/role/ci/{path}"), body).await;
    let by_secret = json!({ "secret_id": made["secret_id"] });
    let by_accessor = json!({ "secret_id_accessor": made["secret_id_accessor"] });
    assert_eq!(
        write("secret-id/lookup", by_secret.clone()).await.data(),
        expected
    );
    assert_eq!(
        write("secret-id-accessor/lookup", by_accessor.clone())
            .await
            .data(),
        expected
    );
    let endless = secret(&server, json!({ "metadata": "" })).await;
    let data = write("secret-id/lookup", json!({ "secret_id": endless["secret_id"] }))
        .await
        .data();
    assert_eq!(data["expiration_time"], "0001-01-01T00:00:00Z");
    let keys = server.list("auth/approle/role/ci/secret-id").await.data()["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 2);

    write("secret-id/destroy", by_secret.clone()).await.expect(204);
    write("secret-id/destroy", by_secret.clone()).await.expect(204);
    write("secret-id/lookup", by_secret).await.expect(204);
    write("secret-id-accessor/lookup", by_accessor.clone())
        .await
        .refused_with(404, "failed to find accessor entry");
    write("secret-id-accessor/destroy", by_accessor)
        .await
        .refused_with(500, "failed to find accessor entry");
    write(
        "secret-id-accessor/destroy",
        json!({ "secret_id_accessor": endless["secret_id_accessor"] }),
    )
    .await
    .expect(204);
    write("secret-id/lookup", json!({}))
        .await
        .refused_by_user_error("missing secret_id");
    server
        .write(
            "auth/approle/role/none/secret-id/lookup",
            json!({ "secret_id": "x" }),
        )
        .await
        .refused_framed(500, "role \"none\" does not exist");
    server
        .write("auth/approle/role/none/secret-id", json!({}))
        .await
        .refused(404, "role \"none\" does not exist");
}

#[tokio::test]
async fn secret_ids_stay_within_the_role() {
    let (server, _) = role(json!({
        "secret_id_num_uses": 5, "secret_id_ttl": "1h", "secret_id_bound_cidrs": "10.0.0.0/8",
        "token_bound_cidrs": "10.0.0.0/8",
    }))
    .await;
    let write = async |fields| server.write("auth/approle/role/ci/secret-id", fields).await;
    for fields in [json!({ "num_uses": 6 }), json!({ "num_uses": 0 })] {
        write(fields)
            .await
            .refused_by_user_error("num_uses cannot be higher than the role's secret_id_num_uses");
    }
    for fields in [json!({ "ttl": "2h" }), json!({ "ttl": 0 })] {
        write(fields)
            .await
            .refused_by_user_error("ttl cannot be longer than the role's secret_id_ttl");
    }
    write(json!({ "cidr_list": "11.0.0.0/8" }))
        .await
        .refused_with(500, "failed to verify subset relationship");
    write(json!({ "token_bound_cidrs": "10.0.0.0/7" }))
        .await
        .refused_with(500, "failed to verify subset relationship");
    write(json!({ "metadata": "x" }))
        .await
        .refused_with(400, "failed to parse metadata");
    write(json!({ "cidr_list": "10.1.0.0/16", "metadata": "a=b,c=d" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn ids_may_be_chosen() {
    let (server, _) = role(json!({})).await;
    server
        .write("auth/approle/role/ci/role-id", json!({ "role_id": "my-role" }))
        .await
        .expect(204);
    server
        .write("auth/approle/role/ci/role-id", json!({}))
        .await
        .refused_by_user_error("missing role_id");
    let custom = json!({ "secret_id": "my-secret" });
    let data = server
        .write("auth/approle/role/ci/custom-secret-id", custom.clone())
        .await
        .data();
    assert_eq!(data["secret_id"], "my-secret");
    server
        .write("auth/approle/role/ci/custom-secret-id", custom)
        .await
        .refused_with(500, "already registered");
    server
        .write("auth/approle/role/ci/custom-secret-id", json!({}))
        .await
        .refused_by_user_error("missing secret_id");
    let body = json!({ "role_id": "my-role", "secret_id": "my-secret" });
    server.write("auth/approle/login", body).await.expect(200);
}

#[tokio::test]
async fn a_mount_has_its_own_roles_and_lifetimes() {
    let (server, role_id) = role(json!({ "token_policies": "a" })).await;
    let body = json!({ "type": "approle", "config": { "default_lease_ttl": "10m", "token_type": "batch" } });
    server.write("sys/auth/other/place", body).await.expect(204);
    let made = secret(&server, json!({})).await;
    let login = json!({ "role_id": role_id, "secret_id": made["secret_id"] });
    server
        .write("auth/other/place/login", login)
        .await
        .refused_by_user_error("invalid role or secret ID");
    server.list("auth/other/place/role").await.refused_silently(404);

    server
        .write("auth/other/place/role/ci", json!({ "token_policies": "b" }))
        .await
        .expect(204);
    let role_id = server.read("auth/other/place/role/ci/role-id").await.data()["role_id"].clone();
    let made = server
        .write("auth/other/place/role/ci/secret-id", json!({}))
        .await
        .data();
    let login = json!({ "role_id": role_id, "secret_id": made["secret_id"] });
    let auth = server
        .write("auth/other/place/login", login.clone())
        .await
        .expect(200)
        .json()["auth"]
        .clone();
    assert_eq!(
        (&auth["lease_duration"], &auth["token_type"]),
        (&json!(600), &json!("batch"))
    );
    let token = auth["client_token"].as_str().unwrap();
    let data = server
        .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
        .await
        .data();
    assert_eq!(data["display_name"], "other-place");

    // Disabled and enabled again, nothing of it is left.
    server.delete("sys/auth/other/place").await.expect(204);
    server
        .write("auth/other/place/login", login.clone())
        .await
        .refused_with(404, "no handler for route");
    server
        .write("sys/auth/other/place", json!({ "type": "approle" }))
        .await
        .expect(204);
    server
        .write("auth/other/place/login", login)
        .await
        .refused_by_user_error("invalid role or secret ID");
}
