//! Who may do what.

use crate::support::World;
use serde_json::json;

#[tokio::test]
async fn a_token_uses_the_authorities_that_its_policies_name() {
    let mut world = World::new().await;
    let (mine, other) = (world.authority("ed25519").await, world.authority("ed25519").await);
    world.token = world
        .token_with(&format!(
            "path \"ssh_user_certificates\" {{ capabilities = [\"create\"] }}
             path \"ssh_certificate_authorities/{mine}\" {{ capabilities = [\"update\"] }}"
        ))
        .await;
    world.user_certificate(&mine, json!({})).await.expect(201);
    world
        .user_certificate(&other, json!({}))
        .await
        .expect_error(403, 204);
    world
        .host_certificate(&mine, json!({}))
        .await
        .expect_error(403, 204);
    world.get("/ssh_user_certificates").await.expect_error(403, 204);
    let denied = world.audit.decisions().pop().unwrap();
    assert_eq!(
        (denied.outcome, &*denied.action),
        ("permission_denied", "GET /ssh_user_certificates")
    );
    assert!(!denied.accessor.is_empty());
}

#[tokio::test]
async fn the_route_alone_is_not_enough() {
    let mut world = World::new().await;
    let authority = world.authority("ed25519").await;
    world.token = world
        .token_with("path \"ssh_user_certificates\" { capabilities = [\"create\"] }")
        .await;
    world
        .user_certificate(&authority, json!({}))
        .await
        .expect_error(403, 204);
    let absent = json!({ "ssh_certificate_authority_id": "sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5" });
    world
        .user_certificate(&authority, absent)
        .await
        .expect_error(403, 204);
}

#[tokio::test]
async fn each_method_has_its_capability() {
    let mut world = World::new().await;
    let authority = world.authority("ed25519").await;
    let root = world.token.clone();
    let item = format!("/ssh_certificate_authorities/{authority}");
    for (capability, method, path) in [
        ("create", "POST", "/ssh_certificate_authorities"),
        ("list", "GET", "/ssh_certificate_authorities"),
        ("read", "GET", &*item),
        ("update", "PATCH", &*item),
        ("delete", "DELETE", &*item),
    ] {
        let all = ["create", "delete", "list", "patch", "read", "update"];
        let others: Vec<&str> = all.into_iter().filter(|other| *other != capability).collect();
        for (granted, is_enough) in [(vec![capability], true), (others, false)] {
            let policy = json!({ "path": { "ssh_certificate_authorities*": { "capabilities": granted } } });
            world.token = world.token_with(&policy.to_string()).await;
            let body = if ["POST", "PATCH"].contains(&method) {
                "{}"
            } else {
                ""
            };
            let answer = world.send(world.with_json(method, path, body)).await;
            assert_eq!(
                answer.status != 403,
                is_enough,
                "{method} with {policy}: {}",
                answer.body
            );
        }
    }
    world.token = root;
    world.get(&item).await.expect_not_found();
}

#[tokio::test]
async fn rules_about_parameters_hold_for_the_route_and_for_the_authority() {
    let mut world = World::new().await;
    let authority = world.authority("ed25519").await;
    let ca = format!("ssh_certificate_authorities/{authority}");
    let limited = json!({ "principals": ["deploy"], "*": [] });
    for (route_rule, authority_rule) in [
        (limited.clone(), json!({ "*": [] })),
        (json!({ "*": [] }), limited),
    ] {
        let policy = json!({ "path": {
            "ssh_user_certificates": { "capabilities": ["create"], "allowed_parameters": route_rule },
            ca.clone(): { "capabilities": ["update"], "allowed_parameters": authority_rule },
        } });
        world.token = world.token_with(&policy.to_string()).await;
        let deploy = json!({ "principals": ["deploy"] });
        world.user_certificate(&authority, deploy).await.expect(201);
        let root = json!({ "principals": ["deploy", "root"] });
        world
            .user_certificate(&authority, root)
            .await
            .expect_error(403, 204);
    }
    let required = json!({ "path": {
        "ssh_user_certificates": { "capabilities": ["create"], "required_parameters": ["valid_until"] },
        ca: { "capabilities": ["update"] },
    } });
    world.token = world.token_with(&required.to_string()).await;
    for (given, status) in [("", 403), ("2027-01-01T00:00:00Z", 201)] {
        let more = json!({ "valid_until": given });
        world.user_certificate(&authority, more).await.expect(status);
    }
}
