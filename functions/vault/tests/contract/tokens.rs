//! `auth/token`.

use super::support::{NOW, ROOT, Reply, Server};
use serde_json::{Value, json};

const DENIED: &str = "1 error occurred:\n\t* permission denied\n\n";
const INVALID: &str = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";

/// The names of an object's members, sorted.
fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn lookup_self(server: &Server, token: &str) -> Reply {
    server
        .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
        .await
}

#[tokio::test]
async fn the_root_token_looks_itself_up() {
    let server = Server::new().await;
    let mut data = server.read("auth/token/lookup-self").await.data();
    assert_eq!(data["accessor"].take().as_str().unwrap().len(), 32);
    let expected = json!({
        "accessor": null, "creation_time": NOW, "creation_ttl": 0, "display_name": "root", "entity_id": "",
        "expire_time": null, "explicit_max_ttl": 0, "id": ROOT, "meta": null, "num_uses": 0, "orphan": true,
        "path": "auth/token/root", "policies": ["root"], "ttl": 0, "type": "service",
    });
    assert_eq!(data, expected);
}

#[tokio::test]
async fn case_183_a_new_token_answers_with_an_auth_block() {
    let server = Server::new().await;
    let body = json!({
        "policies": ["Signer"], "ttl": "1h0m0s", "explicit_max_ttl": "0s", "period": "0s", "display_name": "c.i!",
        "num_uses": 0, "renewable": true, "type": "service", "entity_alias": "", "unknown": 1,
    });
    let answer = server.write("auth/token/create", body).await.expect(200).json();
    assert_eq!(answer["data"], Value::Null);
    let auth = &answer["auth"];
    assert_eq!(
        names(auth),
        [
            "accessor",
            "client_token",
            "entity_id",
            "lease_duration",
            "metadata",
            "mfa_requirement",
            "num_uses",
            "orphan",
            "policies",
            "renewable",
            "token_policies",
            "token_type",
        ]
    );
    assert!(text(&auth["client_token"]).starts_with("csn_"));
    assert_eq!(auth["policies"], json!(["default", "signer"]));
    assert_eq!(auth["policies"], auth["token_policies"]);
    assert_eq!(
        (&auth["lease_duration"], &auth["renewable"]),
        (&json!(3600), &json!(true))
    );
    assert_eq!(
        (&auth["orphan"], &auth["token_type"], &auth["metadata"]),
        (&json!(false), &json!("service"), &json!(null))
    );
    assert_eq!(
        answer["warnings"],
        json!([
            "Policy \"signer\" does not exist",
            "Endpoint ignored these unrecognized parameters: [unknown]"
        ])
    );
    let token = text(&auth["client_token"]);
    let data = lookup_self(&server, token).await.data();
    assert_eq!(
        (&data["display_name"], &data["id"]),
        (&json!("token-c-i"), &json!(token))
    );
    assert_eq!(data["issue_time"], "2027-01-15T08:00:00Z");
    assert_eq!(data["expire_time"], "2027-01-15T09:00:00Z");
    assert_eq!(
        (&data["ttl"], &data["creation_ttl"], &data["renewable"]),
        (&json!(3600), &json!(3600), &json!(true))
    );
}

#[tokio::test]
async fn case_183_lifetimes_are_asked_for_in_many_ways() {
    let server = Server::new().await;
    for (fields, lease_duration, renewable) in [
        (json!({ "policies": ["a"] }), 2_764_800, true),
        (json!({ "policies": "a,b" }), 2_764_800, true),
        (json!({ "lease": "1h" }), 3600, true),
        (json!({ "ttl": "1h", "renewable": false }), 3600, false),
        (json!({ "ttl": 3600, "explicit_max_ttl": "1800s" }), 1800, true),
        (json!({ "ttl": "1h", "explicit_max_ttl": "2h" }), 3600, true),
        (json!({ "period": "30m" }), 1800, true),
        (json!({}), 0, false),
        (
            json!({ "ttl": "", "explicit_max_ttl": "", "period": "" }),
            0,
            false,
        ),
        (
            json!({ "ttl": "1200s", "explicit_max_ttl": "1200s", "display_name": "terraform", "renewable": false }),
            1200,
            false,
        ),
    ] {
        let auth = server.token(fields.clone()).await;
        assert_eq!(
            (&auth["lease_duration"], &auth["renewable"]),
            (&json!(lease_duration), &json!(renewable)),
            "{fields}"
        );
    }
    let answer = server
        .write(
            "auth/token/create",
            json!({ "ttl": "2h", "explicit_max_ttl": "1h", "policies": ["root"] }),
        )
        .await;
    assert_eq!(
        answer.expect(200).json()["warnings"],
        json!(["TTL of \"2h\" exceeded the effective max_ttl of \"1h\"; TTL value is capped accordingly"])
    );
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_refused() {
    let server = Server::new().await;
    let write = async |fields| server.write("auth/token/create", fields).await;
    write(json!({ "type": "other" }))
        .await
        .refused_by_user_error("invalid 'token_type' value");
    write(json!({ "num_uses": -1 }))
        .await
        .refused_by_user_error("number of uses cannot be negative");
    write(json!({ "entity_alias": "x" }))
        .await
        .refused_by_user_error("'entity_alias' is only allowed in combination with token role");
    write(json!({ "type": "batch" }))
        .await
        .refused_by_user_error("batch tokens cannot be root tokens");
    write(json!({ "id": ROOT }))
        .await
        .refused_by_user_error("cannot create a token with a duplicate ID");
    write(json!({ "ttl": "x" }))
        .await
        .refused_with(400, "for field \"ttl\"");

    let limited = server
        .token_with(r#"path "auth/token/create*" { capabilities = ["update"] }"#)
        .await;
    let write = async |fields| {
        server
            .call_as(&limited, "POST", "auth/token/create", fields)
            .await
    };
    write(json!({ "policies": ["root"] }))
        .await
        .refused_by_user_error("child policies must be subset of parent");
    write(json!({ "id": "x" }))
        .await
        .refused_by_user_error("root or sudo privileges required to specify token id");
    write(json!({ "no_parent": true }))
        .await
        .refused_by_user_error("root or sudo privileges required to create orphan token");
    write(json!({ "period": "1h" }))
        .await
        .refused_by_user_error("root or sudo privileges required to create periodic token");
    // The path itself allows an orphan.
    let orphan = server
        .call_as(&limited, "POST", "auth/token/create-orphan", json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(orphan["auth"]["orphan"], true);
}

#[tokio::test]
async fn a_chosen_id_is_taken_with_a_warning() {
    let server = Server::new().await;
    let answer = server
        .write("auth/token/create", json!({ "id": "mine" }))
        .await
        .expect(200)
        .json();
    assert_eq!(answer["auth"]["client_token"], "mine");
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1);
    lookup_self(&server, "mine").await.expect(200);
}

#[tokio::test]
async fn case_184_tokens_are_looked_up() {
    let server = Server::new().await;
    let auth = server
        .token(json!({ "policies": ["a"], "meta": { "team": "x" }, "num_uses": 4 }))
        .await;
    let token = text(&auth["client_token"]);
    let data = server
        .write("auth/token/lookup", json!({ "token": token }))
        .await
        .data();
    assert_eq!(
        (&data["id"], &data["meta"], &data["num_uses"]),
        (&json!(token), &json!({ "team": "x" }), &json!(4))
    );
    let data = server
        .write(
            "auth/token/lookup-accessor",
            json!({ "accessor": auth["accessor"] }),
        )
        .await
        .data();
    assert_eq!((&data["id"], &data["accessor"]), (&json!(""), &auth["accessor"]));
    assert_eq!(
        server.write("auth/token/lookup", json!({})).await.data()["id"],
        ROOT,
        "the caller's own"
    );
    server
        .write("auth/token/lookup", json!({ "token": "unknown" }))
        .await
        .refused(403, "bad token");
    server
        .write("auth/token/lookup-accessor", json!({ "accessor": "x" }))
        .await
        .refused_framed(400, "invalid accessor");
    server
        .write("auth/token/lookup-accessor", json!({}))
        .await
        .refused_framed(400, "missing accessor");
    let data = lookup_self(&server, token).await.data();
    assert_eq!(data["num_uses"], 3);
}

#[tokio::test]
async fn tokens_are_renewed() {
    let server = Server::new().await;
    let auth = server
        .token(json!({ "policies": ["default"], "ttl": "1h" }))
        .await;
    let token = text(&auth["client_token"]);
    server.clock.set(NOW + 1800);
    let renewed = server
        .call_as(token, "PUT", "auth/token/renew-self", json!({ "increment": 0 }))
        .await
        .expect(200)
        .json();
    assert_eq!(renewed["auth"]["lease_duration"], 3600);
    assert_eq!(renewed["auth"]["client_token"], token);
    let renewed = server
        .write("auth/token/renew", json!({ "token": token, "increment": "2h" }))
        .await
        .expect(200)
        .json();
    assert_eq!(renewed["auth"]["lease_duration"], 7200);
    let body = json!({ "accessor": auth["accessor"], "increment": 60 });
    let renewed = server
        .write("auth/token/renew-accessor", body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &renewed["auth"]["lease_duration"],
            &renewed["auth"]["client_token"]
        ),
        (&json!(60), &json!(""))
    );
    let data = lookup_self(&server, token).await.data();
    assert_eq!(data["last_renewal_time"], NOW + 1800);
    assert_eq!((&data["ttl"], &data["creation_ttl"]), (&json!(60), &json!(3600)));
    server.clock.set(NOW + 1860);
    lookup_self(&server, token).await.refused(403, INVALID);

    server
        .write("auth/token/renew-self", json!({}))
        .await
        .refused_by_user_error("invalid lease ID");
    server
        .write("auth/token/renew", json!({ "token": "x" }))
        .await
        .refused_by_user_error("token not found");
    server
        .write("auth/token/renew", json!({}))
        .await
        .refused_by_user_error("missing token ID");
    server
        .write("auth/token/renew-accessor", json!({ "accessor": "x" }))
        .await
        .refused_framed(400, "invalid accessor");
    let fixed = server.token(json!({ "ttl": "1h", "renewable": false })).await;
    server
        .write("auth/token/renew", json!({ "token": fixed["client_token"] }))
        .await
        .refused_by_user_error("lease is not renewable");
}

#[tokio::test]
async fn the_mount_of_tokens_bounds_their_lifetimes() {
    let server = Server::new().await;
    let tuning = json!({ "default_lease_ttl": "10m", "max_lease_ttl": "1h" });
    server.write("sys/auth/token/tune", tuning).await.expect(204);
    assert_eq!(
        server.token(json!({ "policies": ["a"] })).await["lease_duration"],
        600
    );
    let auth = server.token(json!({ "policies": ["a"], "ttl": "5h" })).await;
    assert_eq!(auth["lease_duration"], 3600);
    server.clock.set(NOW + 3000);
    let renewed = server
        .write("auth/token/renew", json!({ "token": auth["client_token"] }))
        .await
        .expect(200)
        .json();
    assert_eq!(renewed["auth"]["lease_duration"], 600);
}

#[tokio::test]
async fn tokens_are_revoked_in_every_way() {
    let server = Server::new().await;
    let new = async || {
        let auth = server.token(json!({ "policies": ["default"] })).await;
        (text(&auth["client_token"]).to_owned(), auth["accessor"].clone())
    };
    let is_gone = async |token: &str| lookup_self(&server, token).await.refused(403, INVALID);

    let (token, _) = new().await;
    server
        .call_as(&token, "PUT", "auth/token/revoke-self", Value::Null)
        .await
        .expect(204);
    is_gone(&token).await;
    let (token, _) = new().await;
    server
        .write("auth/token/revoke", json!({ "token": token }))
        .await
        .expect(204);
    is_gone(&token).await;
    server
        .write("auth/token/revoke", json!({ "token": token }))
        .await
        .expect(204);
    let (token, accessor) = new().await;
    server
        .write("auth/token/revoke-accessor", json!({ "accessor": accessor }))
        .await
        .expect(204);
    is_gone(&token).await;
    let again = server
        .write("auth/token/revoke-accessor", json!({ "accessor": accessor }))
        .await
        .expect(200)
        .json();
    assert_eq!(again["warnings"], json!(["No token found with this accessor"]));
    server
        .write("auth/token/revoke", json!({}))
        .await
        .refused_by_user_error("missing token ID");

    let batch = server
        .token(json!({ "policies": ["default"], "type": "batch" }))
        .await;
    assert_eq!(
        (&batch["accessor"], &batch["renewable"]),
        (&json!(""), &json!(false))
    );
    let batch = text(&batch["client_token"]);
    server
        .write("auth/token/revoke", json!({ "token": batch }))
        .await
        .refused_by_user_error("batch tokens cannot be revoked");
    server
        .call_as(batch, "PUT", "auth/token/revoke-self", Value::Null)
        .await
        .refused_by_user_error("batch tokens cannot be revoked");
    lookup_self(&server, batch).await.expect(200);
}

#[tokio::test]
async fn children_go_with_their_parent_unless_it_is_revoked_alone() {
    let server = Server::new().await;
    for (path, child_lives) in [("auth/token/revoke", false), ("auth/token/revoke-orphan", true)] {
        let parent = server.token(json!({ "ttl": "1h" })).await;
        let parent = text(&parent["client_token"]);
        let child = server
            .call_as(parent, "POST", "auth/token/create", json!({ "ttl": "1h" }))
            .await
            .expect(200)
            .json();
        let child = text(&child["auth"]["client_token"]).to_owned();
        assert_eq!(lookup_self(&server, &child).await.data()["orphan"], false);
        server.write(path, json!({ "token": parent })).await.expect(204);
        lookup_self(&server, parent).await.refused(403, INVALID);
        if child_lives {
            assert_eq!(lookup_self(&server, &child).await.data()["orphan"], true);
        } else {
            lookup_self(&server, &child).await.refused(403, INVALID);
        }
    }
    let body = json!({ "token": "unknown" });
    server
        .write("auth/token/revoke-orphan", body)
        .await
        .refused_by_user_error("token to revoke not found");
}

#[tokio::test]
async fn accessors_are_listed_with_sudo() {
    let server = Server::new().await;
    let auth = server.token(json!({ "policies": ["default"] })).await;
    let keys = server.list("auth/token/accessors").await.data()["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 2);
    assert!(keys.as_array().unwrap().contains(&auth["accessor"]));
    let keys_again = server.read("auth/token/accessors?list=true").await.data()["keys"].clone();
    assert_eq!(keys, keys_again);
    let lister = server
        .token_with(r#"path "auth/token/*" { capabilities = ["list", "update"] }"#)
        .await;
    server
        .call_as(&lister, "LIST", "auth/token/accessors", Value::Null)
        .await
        .refused(403, DENIED);
    server
        .call_as(
            &lister,
            "POST",
            "auth/token/revoke-orphan",
            json!({ "token": "x" }),
        )
        .await
        .refused(403, DENIED);
}

#[tokio::test]
async fn limited_uses_end_a_token() {
    let server = Server::new().await;
    let auth = server
        .token(json!({ "policies": ["default"], "num_uses": 2 }))
        .await;
    assert_eq!(auth["num_uses"], 2);
    let token = text(&auth["client_token"]);
    assert_eq!(lookup_self(&server, token).await.data()["num_uses"], 1);
    server
        .call_as(token, "PUT", "auth/token/revoke-self", Value::Null)
        .await
        .expect(204);
    lookup_self(&server, token).await.refused(403, INVALID);
}

#[tokio::test]
async fn every_path_takes_a_token_and_the_capability() {
    let server = Server::new().await;
    let nobody = server
        .token_with(r#"path "none" { capabilities = ["deny"] }"#)
        .await;
    for (method, path) in [
        ("POST", "auth/token/create"),
        ("POST", "auth/token/create-orphan"),
        ("POST", "auth/token/lookup"),
        ("GET", "auth/token/lookup-self"),
        ("POST", "auth/token/lookup-accessor"),
        ("POST", "auth/token/renew"),
        ("POST", "auth/token/renew-self"),
        ("POST", "auth/token/renew-accessor"),
        ("POST", "auth/token/revoke"),
        ("POST", "auth/token/revoke-self"),
        ("POST", "auth/token/revoke-accessor"),
        ("POST", "auth/token/revoke-orphan"),
        ("LIST", "auth/token/accessors"),
        ("GET", "sys/policies/acl/x"),
        ("PUT", "sys/policies/acl/x"),
        ("DELETE", "sys/policies/acl/x"),
        ("LIST", "sys/policies/acl"),
        ("GET", "sys/policy"),
        ("GET", "sys/policy/x"),
        ("GET", "sys/mounts"),
        ("GET", "sys/mounts/ssh"),
        ("POST", "sys/mounts/x"),
        ("DELETE", "sys/mounts/ssh"),
        ("POST", "sys/mounts/ssh/tune"),
        ("POST", "sys/remount"),
        ("GET", "sys/auth"),
        ("POST", "sys/auth/x"),
        ("DELETE", "sys/auth/x"),
        ("POST", "sys/auth/x/tune"),
        ("POST", "sys/capabilities"),
        ("POST", "sys/capabilities-accessor"),
        ("PUT", "sys/leases/revoke"),
        ("PUT", "sys/leases/revoke-prefix/x"),
        ("LIST", "sys/leases/lookup/x"),
        ("LIST", "auth/approle/role"),
        ("GET", "auth/approle/role/x"),
        ("POST", "auth/approle/role/x"),
        ("POST", "auth/approle/role/x/secret-id"),
    ] {
        server
            .call_without_token(method, path, "")
            .await
            .refused(403, "permission denied");
        server
            .call_as("unknown", method, path, Value::Null)
            .await
            .refused(403, INVALID);
        // What the default policy grants is left out.
        if !path.ends_with("-self") {
            server
                .call_as(&nobody, method, path, Value::Null)
                .await
                .refused(403, DENIED);
        }
    }
}

#[tokio::test]
async fn case_165_an_unknown_field_is_passed_over_with_a_warning() {
    let server = Server::new().await;
    let reply = server
        .write("auth/token/create", json!({ "unknown": "x" }))
        .await
        .expect(200);
    let body = reply.json();
    assert_eq!(body["data"], Value::Null);
    let warning = "Endpoint ignored these unrecognized parameters: [unknown]";
    assert_eq!(body["warnings"], json!([warning]));
    let members: Vec<_> = body["auth"].as_object().unwrap().keys().cloned().collect();
    let mut expected = [
        "client_token",
        "accessor",
        "entity_id",
        "token_type",
        "policies",
        "token_policies",
        "metadata",
        "lease_duration",
        "renewable",
        "orphan",
        "mfa_requirement",
        "num_uses",
    ];
    expected.sort_unstable();
    assert_eq!(members, expected);
}
