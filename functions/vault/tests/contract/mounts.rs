//! `sys/mounts`, `sys/remount`, `sys/auth` and `sys/internal/ui/mounts`.

use super::support::Server;
use serde_json::{Value, json};

/// As the CLI and Terraform enable a mount.
fn ssh() -> Value {
    json!({
        "type": "ssh", "description": "", "local": false, "seal_wrap": false, "external_entropy_access": false,
        "options": null,
        "config": { "options": null, "default_lease_ttl": "0s", "max_lease_ttl": "0s", "force_no_cache": false },
    })
}

#[tokio::test]
async fn a_mount_is_enabled_read_tuned_and_disabled() {
    let server = Server::new().await;
    server.write("sys/mounts/team/a/ssh", ssh()).await.expect(204);
    let answer = server.read("sys/mounts/team/a/ssh").await.expect(200).json();
    let mut data = answer["data"].clone();
    assert_eq!(answer["type"], "ssh", "at the top level too");
    assert!(data["accessor"].take().as_str().unwrap().starts_with("ssh_"));
    assert_eq!(data["uuid"].take().as_str().unwrap().len(), 36);
    assert_eq!(
        data,
        json!({
            "accessor": null, "uuid": null, "type": "ssh", "description": "", "local": false, "seal_wrap": false,
            "external_entropy_access": false, "options": null, "plugin_version": "", "running_sha256": "",
            "running_plugin_version": "v1.20.0+builtin.countersign", "deprecation_status": "supported",
            "config": { "default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false },
        })
    );
    let tuning = json!({ "default_lease_ttl": "3600s", "max_lease_ttl": "86400s", "description": "changed", "options": {} });
    server
        .write("sys/mounts/team/a/ssh/tune", tuning)
        .await
        .expect(204);
    assert_eq!(
        server.read("sys/mounts/team/a/ssh/tune").await.data(),
        json!({ "default_lease_ttl": 3600, "max_lease_ttl": 86400, "description": "changed", "force_no_cache": false })
    );
    // The CLI leaves out what stays.
    let tuning = json!({ "default_lease_ttl": "", "max_lease_ttl": "system", "options": null, "force_no_cache": false });
    server
        .write("sys/mounts/team/a/ssh/tune", tuning)
        .await
        .expect(204);
    let data = server.read("sys/mounts/team/a/ssh").await.data();
    assert_eq!(
        (
            &data["config"]["default_lease_ttl"],
            &data["config"]["max_lease_ttl"]
        ),
        (&json!(3600), &json!(0))
    );
    assert_eq!(data["description"], "changed");

    let mounts = server.read("sys/mounts").await.data();
    assert_eq!(
        mounts.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["ssh/", "team/a/ssh/"]
    );
    server.delete("sys/mounts/team/a/ssh").await.expect(204);
    server.delete("sys/mounts/team/a/ssh").await.expect(204);
    server
        .read("sys/mounts/team/a/ssh")
        .await
        .refused_by_user_error("No secret engine mount at team/a/ssh/");
    server
        .read("sys/mounts/team/a/ssh/tune")
        .await
        .refused_by_user_error("cannot fetch sysview for path \"team/a/ssh/\"");
    server
        .write("sys/mounts/team/a/ssh/tune", json!({}))
        .await
        .refused_by_user_error("tune of path \"team/a/ssh/\" failed: no mount entry found");
}

#[tokio::test]
async fn no_mount_lies_at_above_or_below_another() {
    let server = Server::new().await;
    server.write("sys/mounts/team/a", ssh()).await.expect(204);
    for (path, taken) in [
        ("ssh", "ssh"),
        ("ssh/below", "ssh"),
        ("team", "team/a"),
        ("team/a/b", "team/a"),
    ] {
        server
            .write(&format!("sys/mounts/{path}"), ssh())
            .await
            .refused_by_user_error(&format!("path is already in use at {taken}/"));
    }
    server.write("sys/mounts/team/ab", ssh()).await.expect(204);
    for path in [
        "sys",
        "sys/x",
        "auth",
        "auth/x",
        "api",
        "vedsdk/x",
        "VedAuth",
        "ssh_user_certificates",
        "cubbyhole",
    ] {
        server
            .write(&format!("sys/mounts/{path}"), ssh())
            .await
            .refused_by_user_error(&format!("cannot mount \"{path}/\""));
    }
    server
        .write("sys/mounts/a%3Fb", ssh())
        .await
        .refused_with(400, "a mount path has");
    server
        .write("sys/mounts/1/2/3/4/5/6/7", ssh())
        .await
        .refused_with(400, "a mount path has 1 to 6 segments");
    server
        .write("sys/mounts/x", json!({}))
        .await
        .refused_by_user_error("backend type must be specified as a string");
    server
        .write("sys/mounts/x", json!({ "type": "kv" }))
        .await
        .refused_by_user_error("plugin not found in the catalog: kv");
}

#[tokio::test]
async fn configurations_that_contradict_themselves_are_refused() {
    let server = Server::new().await;
    let create = async |config: Value| {
        server
            .write("sys/mounts/x", json!({ "type": "ssh", "config": config }))
            .await
    };
    create(json!({ "default_lease_ttl": "2h", "max_lease_ttl": "1h" }))
        .await
        .refused_by_user_error("given default lease TTL greater than given max lease TTL");
    create(json!({ "default_lease_ttl": "769h" }))
        .await
        .refused_by_user_error("given default lease TTL greater than system max lease TTL of 2764800");
    create(json!({ "max_lease_ttl": "x" }))
        .await
        .refused_with(400, "unable to parse max TTL of x");
    create(json!({ "listing_visibility": "x" }))
        .await
        .refused_by_user_error("invalid listing_visibility x");
    create(json!({ "default_lease_ttl": 3600, "max_lease_ttl": "87600h" }))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_mount_made_anew_starts_empty_and_a_moved_one_keeps_what_it_holds() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let answer = server
        .write("sys/remount", json!({ "from": "ssh", "to": "moved/ssh" }))
        .await
        .expect(200)
        .json();
    let id = answer["migration_id"].as_str().unwrap();
    assert_eq!(
        server.read(&format!("sys/remount/status/{id}")).await.data()["migration_info"],
        json!({ "source_mount": "ssh/", "target_mount": "moved/ssh/", "status": "success" })
    );
    server.read("ssh/roles/r").await.refused(
        404,
        "no handler for route \"ssh/roles/r\". route entry not found.",
    );
    server.read("moved/ssh/roles/r").await.expect(200);
    server.read("moved/ssh/config/ca").await.expect(200);

    server.write("sys/mounts/ssh", ssh()).await.expect(204);
    server.read("ssh/roles/r").await.refused_silently(404);
    server.delete("sys/mounts/moved/ssh").await.expect(204);
    server.write("sys/mounts/moved/ssh", ssh()).await.expect(204);
    server.read("moved/ssh/roles/r").await.refused_silently(404);
    server
        .read("moved/ssh/config/ca")
        .await
        .refused_with(400, "keys haven't been configured yet");

    let remount = async |from: &str, to: &str| {
        server
            .write("sys/remount", json!({ "from": from, "to": to }))
            .await
    };
    remount("gone", "new")
        .await
        .refused_by_user_error("no matching mount at \"gone/\"");
    remount("ssh", "moved/ssh/x")
        .await
        .refused_by_user_error("path is already in use at moved/ssh/");
    remount("ssh", "auth/ssh").await.refused_with(400, "outside it");
    remount("ssh", "sys/ssh")
        .await
        .refused_by_user_error("cannot mount \"sys/ssh/\"");
    remount("", "x")
        .await
        .refused_by_user_error("both 'from' and 'to' path must be specified as a string");
}

#[tokio::test]
async fn a_removed_mount_retires_its_keys() {
    let server = Server::with_ca().await;
    server.delete("sys/mounts/ssh").await.expect(204);
    let authorities = countersign::authority::Authority::list(&*server.services.store)
        .await
        .unwrap();
    assert!(
        authorities
            .iter()
            .all(|(authority, _)| authority.state == countersign::authority::AuthorityState::Retired)
    );
    assert_eq!(authorities.len(), 1);
    // The first start of another process does not bring it back.
    assert!(!countersign_vault::mounts::seed(&server.services).await.unwrap());
    server
        .read("sys/mounts/ssh")
        .await
        .refused_by_user_error("No secret engine mount at ssh/");
}

#[tokio::test]
async fn auth_methods_are_enabled_and_disabled() {
    let server = Server::new().await;
    let body = json!({
        "type": "approle", "description": "", "local": false, "seal_wrap": false, "external_entropy_access": false,
        "options": null, "config": { "options": null, "default_lease_ttl": "", "max_lease_ttl": "", "force_no_cache": false },
    });
    server
        .write("sys/auth/tf-approle", body.clone())
        .await
        .expect(204);
    server
        .write("sys/auth/tf-approle", body)
        .await
        .refused_by_user_error("path is already in use at tf-approle/");
    let data = server.read("sys/mounts/auth/tf-approle").await.data();
    assert_eq!(
        data["config"],
        json!({ "default_lease_ttl": 0, "force_no_cache": false, "max_lease_ttl": 0, "token_type": "default-service" })
    );
    assert!(data["accessor"].as_str().unwrap().starts_with("auth_approle_"));
    assert_eq!(server.read("sys/auth/tf-approle").await.data(), data);
    assert_eq!(
        server.read("sys/mounts/auth/tf-approle/tune").await.data(),
        json!({
            "default_lease_ttl": 2764800, "description": "", "force_no_cache": false, "max_lease_ttl": 2764800,
            "token_type": "default-service",
        })
    );
    server
        .write(
            "sys/auth/tf-approle/tune",
            json!({ "description": "d", "token_type": "batch" }),
        )
        .await
        .expect(204);
    server
        .write("sys/auth/tf-approle/tune", json!({ "token_type": "x" }))
        .await
        .refused_by_user_error("invalid value for 'token_type'");
    let data = server.read("sys/auth/tf-approle/tune").await.data();
    assert_eq!(
        (&data["description"], &data["token_type"]),
        (&json!("d"), &json!("batch"))
    );
    let methods = server.read("sys/auth").await.data();
    assert_eq!(
        methods.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["tf-approle/", "token/"]
    );
    assert!(
        server
            .read("sys/mounts")
            .await
            .data()
            .get("auth/tf-approle/")
            .is_none()
    );

    server.delete("sys/mounts/auth/tf-approle").await.expect(204);
    server.read("sys/auth/tf-approle").await.expect(200);
    server.delete("sys/auth/tf-approle").await.expect(204);
    server
        .read("sys/auth/tf-approle")
        .await
        .refused_by_user_error("No auth engine at tf-approle/");
    server.delete("sys/auth/tf-approle").await.expect(204);
    server
        .delete("sys/auth/token")
        .await
        .refused_by_user_error("token credential backend cannot be disabled");
    server
        .write("sys/auth/ldap", json!({ "type": "ldap" }))
        .await
        .refused_by_user_error("plugin not found in the catalog: ldap");
    server
        .write("sys/auth/token", json!({ "type": "approle" }))
        .await
        .refused_by_user_error("cannot mount \"auth/token/\"");
}

#[tokio::test]
async fn auth_methods_take_sudo() {
    let server = Server::new().await;
    let token = server
        .token_with(r#"path "sys/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#)
        .await;
    for (method, path) in [
        ("POST", "sys/auth/x"),
        ("DELETE", "sys/auth/x"),
        ("POST", "sys/auth/token/tune"),
        ("POST", "sys/mounts/auth/token/tune"),
        ("POST", "sys/remount"),
        ("PUT", "sys/leases/revoke-prefix/x"),
    ] {
        let body = json!({ "type": "approle" });
        server
            .call_as(&token, method, path, body)
            .await
            .refused(403, "1 error occurred:\n\t* permission denied\n\n");
    }
    server
        .call_as(&token, "POST", "sys/mounts/x", ssh())
        .await
        .expect(204);
}

#[tokio::test]
async fn whoever_may_do_something_sees_the_mount() {
    let server = Server::new().await;
    let path = "sys/internal/ui/mounts/ssh/roles/x";
    let data = server.read(path).await.data();
    assert_eq!((&data["path"], &data["type"]), (&json!("ssh/"), &json!("ssh")));
    let refused =
        "preflight capability check returned 403, please ensure client's policies grant access to path";
    let token = server
        .token_with(r#"path "ssh/roles/*" { capabilities = ["read"] }"#)
        .await;
    server.call_as(&token, "GET", path, Value::Null).await.expect(200);
    server
        .call_as(&token, "GET", "sys/internal/ui/mounts/other", Value::Null)
        .await
        .refused_with(403, refused);
    server
        .call_without_token("GET", path, "")
        .await
        .refused_with(403, refused);
    server
        .read("sys/internal/ui/mounts/gone")
        .await
        .refused_with(403, refused);
    let data = server.read("sys/internal/ui/mounts").await.data();
    assert_eq!(
        (&data["secret"]["ssh/"]["type"], &data["auth"]["token/"]["type"]),
        (&json!("ssh"), &json!("token"))
    );
    let nothing = server
        .call_without_token("GET", "sys/internal/ui/mounts", "")
        .await
        .data();
    assert_eq!(nothing, json!({ "auth": {}, "secret": {} }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mounts_made_at_the_same_time_never_nest() {
    let server = std::sync::Arc::new(Server::new().await);
    let mut tasks = Vec::new();
    for path in ["x", "x/a", "x/a/b", "x/b", "y", "y/a", "z1", "z2", "z3", "z4"] {
        let server = server.clone();
        tasks.push(tokio::spawn(async move {
            server
                .write(&format!("sys/mounts/{path}"), ssh())
                .await
                .status
                .as_u16()
        }));
    }
    for task in tasks {
        assert!(matches!(task.await.unwrap(), 204 | 400));
    }
    let mounts = server.read("sys/mounts").await.data();
    let paths: Vec<&String> = mounts.as_object().unwrap().keys().collect();
    for path in &paths {
        let below = paths.iter().filter(|other| other.starts_with(path.as_str()));
        assert_eq!(below.count(), 1, "{paths:?}");
    }
    for path in ["z1/", "z2/", "z3/", "z4/"] {
        assert!(mounts.get(path).is_some(), "{path}");
    }
}
