//! Entities and their aliases: made by a login or by hand, and what they decide.

use super::{PASSWORD, accessor, bob_with, logged_in, login, server, sign, text};
use crate::support::NOW;
use serde_json::{Value, json};

#[tokio::test]
async fn a_login_makes_an_entity_and_its_children_belong_to_it() {
    let server = server().await;
    let auth = logged_in(&server, "BOB").await;
    assert_eq!(auth["policies"], json!(["default", "signer"]));
    assert_eq!(auth["metadata"], json!({ "username": "bob" }));
    assert!(auth.get("identity_policies").is_none());
    let id = text(&auth, "entity_id");
    let entity = server.read(&format!("identity/entity/id/{id}")).await.data();
    let accessor = accessor(&server).await;
    let alias = &entity["aliases"][0];
    assert_eq!(
        (
            text(alias, "name"),
            text(alias, "mount_accessor"),
            text(alias, "mount_path"),
            text(alias, "mount_type")
        ),
        ("bob", accessor.as_str(), "auth/userpass/", "userpass")
    );
    // The same again.
    assert_eq!(text(&logged_in(&server, "bob").await, "entity_id"), id);
    let token = text(&auth, "client_token");
    let own = server
        .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
        .await
        .data();
    assert_eq!(
        (text(&own, "entity_id"), text(&own, "display_name")),
        (id, "userpass-bob")
    );
    let policy = r#"path "auth/token/create" { capabilities = ["update"] }"#;
    server
        .write("sys/policies/acl/parent", json!({ "policy": policy }))
        .await
        .expect(204);
    let path = format!("identity/entity/id/{id}");
    server
        .write(&path, json!({ "policies": ["parent"] }))
        .await
        .expect(204);
    let child = server
        .call_as(token, "POST", "auth/token/create", json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(child["auth"]["entity_id"], id);
    assert_eq!(child["auth"]["identity_policies"], json!(["parent"]));
    assert_eq!(child["auth"]["token_policies"], json!(["default", "signer"]));
    assert_eq!(child["auth"]["policies"], json!(["default", "parent", "signer"]));
    let own = server
        .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
        .await
        .data();
    assert_eq!(
        (&own["policies"], &own["identity_policies"]),
        (&json!(["default", "signer"]), &json!(["parent"]))
    );
    let may = server
        .call_as(
            token,
            "POST",
            "sys/capabilities-self",
            json!({ "path": "auth/token/create" }),
        )
        .await
        .data();
    assert_eq!(may["capabilities"], json!(["update"]));
    // Root's children belong to nobody.
    assert_eq!(server.token(json!({})).await["entity_id"], "");
}

#[tokio::test]
async fn an_approle_login_belongs_to_an_entity_too() {
    let server = server().await;
    server
        .write("sys/auth/approle", json!({ "type": "approle" }))
        .await
        .expect(204);
    let fields = json!({ "token_policies": "signer" });
    server.write("auth/approle/role/ci", fields).await.expect(204);
    let role_id = text(
        &server.read("auth/approle/role/ci/role-id").await.data(),
        "role_id",
    )
    .to_owned();
    let login = async || {
        let secret = server
            .write("auth/approle/role/ci/secret-id", json!({}))
            .await
            .data();
        let body = json!({ "role_id": role_id, "secret_id": secret["secret_id"] });
        server.write("auth/approle/login", body).await.expect(200).json()["auth"].clone()
    };
    let first = login().await;
    let id = text(&first, "entity_id");
    let entity = server.read(&format!("identity/entity/id/{id}")).await.data();
    assert_eq!(text(&entity["aliases"][0], "name"), role_id);
    assert_eq!(text(&login().await, "entity_id"), id);
    server
        .write(
            &format!("identity/entity/id/{id}"),
            json!({ "metadata": { "user": "deploy" } }),
        )
        .await
        .expect(204);
    let template = "{{identity.entity.metadata.user}}";
    server
        .role(
            "r",
            json!({ "allowed_users": template, "allowed_users_template": true }),
        )
        .await;
    let token = text(&first, "client_token");
    let principals = sign(&server, token, json!({ "valid_principals": "deploy" }))
        .await
        .principals();
    assert_eq!(principals, ["deploy"]);
    // A stranger who knows the role id learns nothing about its entity.
    let disabled = json!({ "disabled": true });
    server
        .write(&format!("identity/entity/id/{id}"), disabled)
        .await
        .expect(204);
    let wrong = json!({ "role_id": role_id, "secret_id": "wrong" });
    server
        .write("auth/approle/login", wrong)
        .await
        .refused_by_user_error("invalid role or secret ID");
    let secret = server
        .write("auth/approle/role/ci/secret-id", json!({}))
        .await
        .data();
    let body = json!({ "role_id": role_id, "secret_id": secret["secret_id"] });
    server
        .write("auth/approle/login", body)
        .await
        .refused_framed(403, "permission denied");
}

#[tokio::test]
async fn an_entity_that_is_disabled_or_gone_lets_nobody_in() {
    let server = server().await;
    let auth = logged_in(&server, "bob").await;
    let (id, token) = (text(&auth, "entity_id"), text(&auth, "client_token"));
    let path = format!("identity/entity/id/{id}");
    let own = async || {
        server
            .call_as(token, "GET", "auth/token/lookup-self", Value::Null)
            .await
    };
    own().await.expect(200);
    server.write(&path, json!({ "disabled": true })).await.expect(204);
    own().await.refused_with(403, "permission denied");
    login(&server, "bob", PASSWORD)
        .await
        .refused_with(403, "permission denied");
    server
        .write(&path, json!({ "disabled": "false" }))
        .await
        .expect(204);
    own().await.expect(200);
    server.delete(&path).await.expect(204);
    own().await.refused_with(403, "permission denied");
    server.read(&path).await.refused_silently(404);
    // The next login makes another one, and the old token stays dead.
    let auth = logged_in(&server, "bob").await;
    assert_ne!(text(&auth, "entity_id"), id);
    own().await.refused_with(403, "permission denied");
    let entity = server
        .read(&format!("identity/entity/id/{}", text(&auth, "entity_id")))
        .await
        .data();
    assert_eq!(
        (entity["aliases"].as_array().unwrap().len(), &entity["metadata"]),
        (1, &Value::Null)
    );
}

#[tokio::test]
async fn entities_are_made_read_changed_listed_and_deleted() {
    let server = server().await;
    server.list("identity/entity/id").await.refused_silently(404);
    let fields = json!({ "name": "Alice", "metadata": "team=ops=1", "policies": "b,A,b" });
    let made = server.write("identity/entity", fields).await.data();
    let id = text(&made, "id").to_owned();
    assert_eq!((text(&made, "name"), &made["aliases"]), ("Alice", &Value::Null));
    let shown = json!({
        "aliases": [], "creation_time": "2027-01-15T08:00:00Z", "direct_group_ids": [], "disabled": false,
        "group_ids": [], "id": id, "inherited_group_ids": [], "last_update_time": "2027-01-15T08:00:00Z",
        "merged_entity_ids": null, "metadata": { "team": "ops=1" }, "name": "Alice", "namespace_id": "root",
        "policies": ["a", "b"],
    });
    for path in [
        format!("identity/entity/id/{id}"),
        "identity/entity/name/alice".into(),
    ] {
        assert_eq!(server.read(&path).await.data(), shown);
    }
    for body in [json!({ "id": id }), json!({ "name": "ALICE" })] {
        assert_eq!(server.write("identity/lookup/entity", body).await.data(), shown);
    }
    server
        .write("identity/lookup/entity", json!({ "name": "nobody" }))
        .await
        .expect(204);
    server
        .write("identity/lookup/entity", json!({}))
        .await
        .expect(400);
    server.clock.set(NOW + 5);
    // By name, by id, and by the id in the body; what is not named stays.
    server
        .write(
            "identity/entity",
            json!({ "name": "alice", "metadata": { "x": "y" } }),
        )
        .await
        .expect(204);
    server
        .write("identity/entity/name/Alice", json!({ "policies": [] }))
        .await
        .expect(204);
    server
        .write("identity/entity", json!({ "id": id, "name": "carol" }))
        .await
        .expect(204);
    let data = server.read("identity/entity/name/carol").await.data();
    assert_eq!(
        (
            &data["metadata"],
            &data["policies"],
            text(&data, "last_update_time")
        ),
        (&json!({ "x": "y" }), &json!([]), "2027-01-15T08:00:05Z")
    );
    server
        .read("identity/entity/name/alice")
        .await
        .refused_silently(404);
    server
        .write("identity/entity/name/team/dave", json!({}))
        .await
        .expect(200);
    assert_eq!(
        server.list("identity/entity/name").await.data()["keys"],
        json!(["carol", "team/dave"])
    );
    let list = server.list("identity/entity/id").await.data();
    assert_eq!(list["key_info"][&id], json!({ "aliases": [], "name": "carol" }));
    for (body, text) in [
        (json!({ "id": "none" }), "entity not found from id"),
        (
            json!({ "name": "x", "policies": "root" }),
            "policies cannot contain root",
        ),
        (
            json!({ "name": "x", "metadata": { "a": "b".repeat(513) } }),
            "invalid metadata: a value has at most",
        ),
        (
            json!({ "name": "x", "metadata": { "a".repeat(129): "b" } }),
            "invalid metadata: a name has 1 to",
        ),
        (json!({ "name": "x", "metadata": "a" }), "for field \"metadata\""),
        (json!({ "name": "a\nb" }), "no control characters"),
        (json!({ "id": id, "name": "team/dave" }), "another entity's"),
    ] {
        server
            .write("identity/entity", body)
            .await
            .refused_with(400, text);
    }
    server.delete("identity/entity/name/carol").await.expect(204);
    server
        .delete(&format!("identity/entity/id/{id}"))
        .await
        .expect(204);
    let dave = server.read("identity/entity/name/team/dave").await.data();
    let several = json!({ "entity_ids": [dave["id"], "none"] });
    server
        .write("identity/entity/batch-delete", several)
        .await
        .expect(204);
    server.list("identity/entity/name").await.refused_silently(404);
}

#[tokio::test]
async fn aliases_say_who_logs_in() {
    let server = server().await;
    let accessor = accessor(&server).await;
    let entity = server
        .write(
            "identity/entity",
            json!({ "name": "robert", "metadata": { "ssh_username": "rob" } }),
        )
        .await
        .data();
    let id = text(&entity, "id");
    let fields = json!({
        "name": "bob", "canonical_id": id, "mount_accessor": accessor, "custom_metadata": { "unit": "7" },
    });
    let made = server.write("identity/entity-alias", fields).await.data();
    let alias_id = text(&made, "id");
    assert_eq!(text(&made, "canonical_id"), id);
    // Who logs in is the one that was set up.
    let auth = logged_in(&server, "bob").await;
    assert_eq!(text(&auth, "entity_id"), id);
    let template = format!(
        "{{{{identity.entity.metadata.ssh_username}}}}-{{{{identity.entity.aliases.{accessor}.custom_metadata.unit}}}}"
    );
    server
        .role(
            "r",
            json!({ "allowed_users": template, "allowed_users_template": true }),
        )
        .await;
    let token = text(&auth, "client_token");
    sign(&server, token, json!({ "valid_principals": "rob-7" }))
        .await
        .expect(200);

    let shown = server
        .read(&format!("identity/entity-alias/id/{alias_id}"))
        .await
        .data();
    assert_eq!(
        shown,
        json!({
            "canonical_id": id, "creation_time": "2027-01-15T08:00:00Z", "custom_metadata": { "unit": "7" },
            "id": alias_id, "last_update_time": "2027-01-15T08:00:00Z", "local": false,
            "merged_from_canonical_ids": null, "metadata": null, "mount_accessor": accessor,
            "mount_path": "auth/userpass/", "mount_type": "userpass", "name": "bob", "namespace_id": "root",
        })
    );
    let list = server.list("identity/entity-alias/id").await.data();
    assert_eq!(list["keys"], json!([alias_id]));
    assert_eq!(text(&list["key_info"][alias_id], "canonical_id"), id);
    for body in [
        json!({ "alias_id": alias_id }),
        json!({ "alias_name": "bob", "alias_mount_accessor": accessor }),
    ] {
        assert_eq!(
            text(&server.write("identity/lookup/entity", body).await.data(), "id"),
            id
        );
    }
    // It moves to another entity, with its logins.
    let other = server
        .write("identity/entity", json!({ "name": "other" }))
        .await
        .data();
    let moved = json!({ "name": "bob", "canonical_id": other["id"], "mount_accessor": accessor });
    assert_eq!(
        server.write("identity/entity-alias", moved).await.data()["id"],
        alias_id
    );
    assert_eq!(logged_in(&server, "bob").await["entity_id"], other["id"]);
    let old = server.read(&format!("identity/entity/id/{id}")).await.data();
    assert_eq!(old["aliases"], json!([]));
    // It is renamed, and somebody else logs in with the old name.
    let path = format!("identity/entity-alias/id/{alias_id}");
    server.write(&path, json!({ "name": "bobby" })).await.expect(200);
    assert_ne!(logged_in(&server, "bob").await["entity_id"], other["id"]);
    server.delete(&path).await.expect(204);
    server.delete(&path).await.expect(204);
    server.read(&path).await.refused_silently(404);
}

#[tokio::test]
async fn an_alias_needs_a_name_a_mount_and_room() {
    let server = server().await;
    let accessor = accessor(&server).await;
    let entity = server
        .write("identity/entity", json!({ "name": "robert" }))
        .await
        .data();
    let fields = json!({ "name": "bob", "canonical_id": entity["id"], "mount_accessor": accessor });
    server
        .write("identity/entity-alias", fields.clone())
        .await
        .expect(200);
    let with = |name: &str, value: Value| {
        let mut changed = fields.clone();
        changed[name] = value;
        changed
    };
    for (body, text) in [
        (with("name", json!("")), "missing alias name"),
        (with("name", json!("x".repeat(513))), "at most 512 bytes"),
        (with("mount_accessor", json!("")), "missing mount_accessor"),
        (
            with("mount_accessor", json!("auth_x_1")),
            "invalid mount accessor \"auth_x_1\"",
        ),
        (with("canonical_id", json!("none")), "invalid canonical ID"),
        (with("id", json!("none")), "invalid alias id"),
        (with("custom_metadata", json!({ "": "x" })), "invalid metadata"),
        (
            with("name", json!("second")),
            "Alias already exists for requested entity and mount accessor",
        ),
    ] {
        server
            .write("identity/entity-alias", body)
            .await
            .refused_with(400, text);
    }
}

#[tokio::test]
async fn a_signature_for_an_entity_is_one_read_and_one_write_too() {
    let server = server().await;
    let template = "{{identity.entity.metadata.user}}";
    server
        .role(
            "r",
            json!({
                "allowed_users": template, "allowed_users_template": true, "default_user": template,
                "default_user_template": true,
            }),
        )
        .await;
    let token = bob_with(&server, json!({ "user": "bobby" })).await;
    sign(&server, &token, json!({})).await.expect(200);
    server.store.take_counts();
    assert_eq!(sign(&server, &token, json!({})).await.principals(), ["bobby"]);
    let counts = server.store.take_counts();
    assert_eq!((counts.reads, counts.writes, counts.queries), (1, 1, 0));
    // What changes counts at once.
    let token = bob_with(&server, json!({ "user": "robert" })).await;
    assert_eq!(sign(&server, &token, json!({})).await.principals(), ["robert"]);
}
