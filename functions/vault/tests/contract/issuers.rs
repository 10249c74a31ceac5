//! Several CA keys at one mount: cases 84 to 106.

use crate::support::{Reply, Server, key, public_key, public_line, request};
use axum::body::Body;
use countersign::{
    authority::KeySpec,
    store::faulty::{Fail, Fault, Operation},
};
use serde_json::{Value, json};

/// The fields that import a key of this kind.
async fn material(spec: KeySpec) -> Value {
    let key = key(spec).await;
    json!({ "private_key": key.to_pem().as_str(), "public_key": format!("{} ca", key.public_key().to_line()) })
}

async fn import(server: &Server, path: &str, spec: KeySpec) -> Value {
    server
        .write(&format!("ssh/issuers/import{path}"), material(spec).await)
        .await
        .data()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

#[track_caller]
fn warnings(reply: Reply) -> Vec<String> {
    let body = reply.expect(200).json();
    let warnings = body["warnings"].as_array().cloned().unwrap_or_default();
    warnings
        .iter()
        .map(|warning| warning.as_str().unwrap().to_owned())
        .collect()
}

/// The default issuer's id.
async fn default(server: &Server) -> String {
    let data = server.read("ssh/config/issuers").await.data();
    text(&data, "default").to_owned()
}

#[tokio::test]
async fn case_84_85_86_the_first_is_the_default_and_another_only_when_asked() {
    let server = Server::new().await;
    let none = "no default issuer currently configured";
    server
        .read("ssh/config/issuers")
        .await
        .refused_by_user_error(none);
    server.list("ssh/issuers").await.refused_silently(404);
    server
        .read("ssh/issuer/default")
        .await
        .refused_by_user_error(none);
    let first = import(&server, "", KeySpec::Ed25519).await;
    assert_eq!(first["issuer_name"], "");
    assert_eq!(default(&server).await, text(&first, "issuer_id"));
    let second = import(&server, "/second", KeySpec::P256).await;
    assert_eq!(second["issuer_name"], "second");
    assert_eq!(default(&server).await, text(&first, "issuer_id"));
    let mut fields = material(KeySpec::P384).await;
    fields["set_default"] = true.into();
    let third = server.write("ssh/issuers/import", fields).await.data();
    assert_eq!(default(&server).await, text(&third, "issuer_id"));
    // config/ca shows the default, and takes no further key.
    assert_eq!(
        server.read("ssh/config/ca").await.data()["public_key"],
        third["public_key"]
    );
    server
        .write("ssh/config/ca", json!({}))
        .await
        .refused_with(400, "keys are already configured");
    // The name counts in the path alone.
    let reply = server
        .write(
            "ssh/issuers/import",
            json!({ "key_type": "ed25519", "issuer_name": "x" }),
        )
        .await;
    assert_eq!(reply.json()["data"]["issuer_name"], "");
    assert!(warnings(reply)[0].starts_with("Endpoint replaced the value of these parameters"));
}

#[tokio::test]
async fn case_87_88_names_are_used_once_and_can_change() {
    let server = Server::new().await;
    let first = import(&server, "/first", KeySpec::Ed25519).await;
    let id = text(&first, "issuer_id");
    let taken = server
        .write("ssh/issuers/import/first", json!({ "key_type": "ec" }))
        .await;
    taken.refused_with(400, "name already in use");
    import(&server, "/other", KeySpec::P256).await;
    for (name, text) in [
        (json!("other"), "issuer name already in use"),
        (
            json!("default"),
            "reserved keyword 'default' can not be used as issuer name",
        ),
        (json!("a b"), "issuer name contained invalid characters"),
        (json!("a@b"), "issuer name contained invalid characters"),
        (json!("x".repeat(300)), "issuer name contained invalid characters"),
        (json!(""), "expected non-empty issuer name"),
        (json!(null), "expected non-empty issuer name"),
    ] {
        server
            .write("ssh/issuer/first", json!({ "issuer_name": name }))
            .await
            .refused_by_user_error(text);
    }
    // Nobody's name hides another's id.
    let steal = server
        .write("ssh/issuer/other", json!({ "issuer_name": id }))
        .await;
    steal.refused_by_user_error("issuer name already in use");
    server
        .write("ssh/issuers/import/a@b", json!({}))
        .await
        .refused_framed(404, "unsupported path");
    server
        .write("ssh/issuers/import/default", json!({}))
        .await
        .refused_by_user_error("reserved keyword 'default' can not be used as issuer name");

    server
        .role("r", json!({ "allowed_users": "*", "issuer_ref": "first" }))
        .await;
    let reply = server
        .write("ssh/issuer/first", json!({ "issuer_name": "renamed" }))
        .await;
    assert_eq!(reply.json()["data"]["issuer_id"], id);
    assert_eq!(warnings(reply), ["1 roles reference 'first'"]);
    server
        .read("ssh/issuer/first")
        .await
        .refused_by_user_error("unable to find issuer for reference: first");
    assert_eq!(server.read("ssh/issuer/renamed").await.data()["issuer_id"], id);
    // Without a name it has none.
    let data = server.write("ssh/issuer/renamed", json!({})).await.data();
    assert_eq!(data["issuer_name"], "");
}

#[tokio::test]
async fn case_89_90_92_a_reference_is_an_id_a_name_or_the_default() {
    let server = Server::new().await;
    let issuer = import(&server, "/first", KeySpec::Ed25519).await;
    let id = text(&issuer, "issuer_id");
    for reference in [id, "first", "default"] {
        assert_eq!(
            server.read(&format!("ssh/issuer/{reference}")).await.data(),
            issuer
        );
        let path = format!("ssh/issuer/{reference}/public_key");
        let reply = server
            .call_without_token("GET", &path, Body::empty())
            .await
            .expect(200);
        assert_eq!(reply.headers["content-type"], "text/plain");
        assert_eq!(reply.text(), text(&issuer, "public_key"));
    }
    let unknown = "unable to find issuer for reference: First";
    server
        .read("ssh/issuer/First")
        .await
        .refused_by_user_error(unknown);
    let without = server
        .call_without_token("GET", "ssh/issuer/First/public_key", Body::empty())
        .await;
    without.refused_by_user_error(unknown);
    server.delete("ssh/issuer/First").await.expect(204);
    let reply = server.delete(&format!("ssh/issuer/{id}")).await;
    let expected = format!(
        "Deleted issuer {id} (via issuer_ref {id}); this was configured as the default issuer. Operations without an \
         explicit issuer will not work until a new default is configured."
    );
    assert_eq!(warnings(reply), [expected]);
    server
        .read(&format!("ssh/issuer/{id}"))
        .await
        .refused_by_user_error(&format!("unable to find issuer for reference: {id}"));
    // Its key is out of service.
    let authorities = countersign::authority::Authority::list(&*server.services.store)
        .await
        .unwrap();
    assert_eq!(
        authorities[0].0.state,
        countersign::authority::AuthorityState::Retired
    );
}

#[tokio::test]
async fn case_91_105_106_deleting_the_ca_deletes_all_issuers() {
    let server = Server::new().await;
    server
        .write("ssh/config/ca", json!({ "key_type": "ed25519" }))
        .await
        .expect(200);
    import(&server, "/a", KeySpec::Ed25519).await;
    import(&server, "", KeySpec::P256).await;
    let data = server.list("ssh/issuers").await.data();
    let keys = data["keys"].as_array().unwrap();
    assert_eq!((keys.len(), data["key_info"].as_object().unwrap().len()), (3, 3));
    assert!(keys.is_sorted_by_key(|key| key.as_str().unwrap().to_owned()));
    let defaults = data["key_info"].as_object().unwrap().values();
    assert_eq!(defaults.filter(|info| info["is_default"] == true).count(), 1);
    let path = format!(
        "ssh/issuers?list=true&limit=1&after={}",
        keys[0].as_str().unwrap()
    );
    assert_eq!(server.read(&path).await.data()["keys"], json!([keys[1]]));
    server.delete("ssh/config/ca").await.expect(204);
    server.list("ssh/issuers").await.refused_silently(404);
    server.read("ssh/config/issuers").await.expect(400);
}

#[tokio::test]
async fn case_93_the_same_key_is_the_same_issuer() {
    let server = Server::new().await;
    let first = import(&server, "/first", KeySpec::Ed25519).await;
    import(&server, "", KeySpec::P256).await;
    server
        .write(
            "ssh/config/issuers",
            json!({ "default": text(&first, "issuer_id") }),
        )
        .await
        .expect(200);
    let mut again = material(KeySpec::P256).await;
    again["public_key"] = public_line(KeySpec::P256).await.into();
    again["set_default"] = true.into();
    let reply = server.write("ssh/issuers/import/another", again).await;
    assert_eq!(reply.json()["data"]["issuer_name"], "");
    assert_eq!(
        warnings(reply),
        ["An issuer with the provided public key already exists, returning the existing issuer"]
    );
    assert_eq!(default(&server).await, text(&first, "issuer_id"));
    assert_eq!(
        server.list("ssh/issuers").await.data()["keys"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn case_94_95_96_the_default_moves() {
    let server = Server::new().await;
    let first = import(&server, "", KeySpec::Ed25519).await;
    let second = import(&server, "/second", KeySpec::P256).await;
    let (first, second) = (text(&first, "issuer_id"), text(&second, "issuer_id"));
    let reply = server
        .write("ssh/config/issuers", json!({ "default": "second" }))
        .await;
    assert_eq!(reply.json()["data"], json!({ "default": second }));
    let moved = format!(
        "Previous default ({first}) has been updated with the issuer 'second' (resolved to {second})"
    );
    assert_eq!(warnings(reply), [moved]);
    let reply = server
        .write("ssh/config/issuers", json!({ "default": second }))
        .await;
    assert!(reply.json()["data"].is_null());
    assert_eq!(
        warnings(reply),
        ["The default issuer is already set to the specified issuer."]
    );
    for reference in ["", "default"] {
        server
            .write("ssh/config/issuers", json!({ "default": reference }))
            .await
            .refused_by_user_error("invalid issuer specification; must be non-empty and can't be 'default'.");
    }
    server
        .write("ssh/config/issuers", json!({ "default": "nobody" }))
        .await
        .refused_by_user_error("unable to find issuer for reference: nobody");
    server.delete("ssh/issuer/second").await.expect(200);
    let reply = server
        .write("ssh/config/issuers", json!({ "default": first }))
        .await;
    assert!(warnings(reply).is_empty());
}

#[tokio::test]
async fn case_97_98_99_100_104_a_role_signs_with_the_issuer_it_names() {
    let server = Server::new().await;
    server.role("r", json!({ "allowed_users": "*" })).await;
    let root = json!({ "valid_principals": "root" });
    server
        .sign(root.clone())
        .await
        .refused_framed(500, "error creating signer: no keys configured");
    let first = import(&server, "/first", KeySpec::Ed25519).await;
    let signer = |reply: Reply| reply.certificate().signature_key;
    let first_key = public_key(text(&first, "public_key"));
    assert_eq!(signer(server.sign(root.clone()).await), first_key);
    let mut fields = material(KeySpec::P256).await;
    fields["set_default"] = true.into();
    let second = server.write("ssh/issuers/import", fields).await.data();
    let second_key = public_key(text(&second, "public_key"));
    assert_eq!(signer(server.sign(root.clone()).await), second_key);
    let issued = server
        .write(
            "ssh/issue/r",
            json!({ "key_type": "ed25519", "valid_principals": "root" }),
        )
        .await;
    assert_eq!(signer(issued), second_key);
    for reference in [text(&first, "issuer_id"), "first"] {
        server
            .role("r", json!({ "allowed_users": "*", "issuer_ref": reference }))
            .await;
        assert_eq!(server.read("ssh/roles/r").await.data()["issuer_ref"], reference);
        assert_eq!(signer(server.sign(root.clone()).await), first_key);
    }
}

#[tokio::test]
async fn case_101_102_103_a_role_whose_issuer_is_gone_signs_nothing() {
    let server = Server::new().await;
    import(&server, "", KeySpec::Ed25519).await;
    let second = import(&server, "/second", KeySpec::P256).await;
    let id = text(&second, "issuer_id");
    server
        .role("r", json!({ "allowed_users": "*", "issuer_ref": id }))
        .await;
    server
        .role("named", json!({ "allowed_users": "*", "issuer_ref": "second" }))
        .await;
    server.role("default", json!({ "allowed_users": "*" })).await;
    let warnings = warnings(server.delete("ssh/issuer/second").await);
    assert_eq!(
        warnings,
        [
            format!("1 roles reference '{id}'"),
            "1 roles reference 'second'".into()
        ]
    );
    server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .refused_by_user_error(&format!("unable to find issuer for reference: {id}"));
    assert_eq!(server.read("ssh/roles/r").await.data()["issuer_ref"], id);
    // The role may refuse first.
    server
        .sign(json!({ "cert_type": "host", "valid_principals": "h" }))
        .await
        .refused_with(400, "cert_type 'host' is not allowed by role");
}

#[tokio::test]
async fn issuers_that_are_added_at_once_are_all_there() {
    let server = Server::new().await;
    let add = |name: &'static str| {
        let server = &server;
        async move {
            server
                .write(
                    &format!("ssh/issuers/import/{name}"),
                    json!({ "key_type": "ed25519" }),
                )
                .await
                .expect(200)
        }
    };
    tokio::join!(add("a"), add("b"), add("c"), add("d"));
    let data = server.list("ssh/issuers").await.data();
    let infos = data["key_info"].as_object().unwrap();
    let mut names: Vec<_> = infos.values().map(|info| text(info, "issuer_name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!(
        infos.values().filter(|info| info["is_default"] == true).count(),
        1
    );
}

#[tokio::test]
async fn a_mount_has_room_for_so_many_issuers() {
    let server = Server::new().await;
    for _ in 0..32 {
        server
            .write("ssh/issuers/import", json!({ "key_type": "ed25519" }))
            .await
            .expect(200);
    }
    server
        .write("ssh/issuers/import", json!({ "key_type": "ed25519" }))
        .await
        .refused_by_user_error("a mount has at most 32 issuers");
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_issuers_as_they_were() {
    let server = Server::with_ca().await;
    let before = server.list("ssh/issuers").await.data();
    for (method, path, body) in [
        ("POST", "ssh/issuers/import/x", json!({ "key_type": "ed25519" })),
        ("POST", "ssh/issuer/default", json!({ "issuer_name": "x" })),
        ("DELETE", "ssh/issuer/default", json!({})),
    ] {
        server
            .store
            .fail_next(Operation::Write, Fail::Before, Fault::Unavailable);
        let request = request(method, path).header("x-vault-token", crate::support::ROOT);
        server
            .send(request.body(body.to_string().into()).unwrap())
            .await
            .expect(503);
        assert_eq!(server.list("ssh/issuers").await.data(), before, "{method} {path}");
    }
}
