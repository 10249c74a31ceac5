//! What a role's templates make of who calls: cases 108 to 116, 134, 136 to 138.

use super::{accessor, bob_with, logged_in, server, sign, text};
use crate::support::ED25519;
use countersign::ssh::PublicKey;
use serde_json::json;

#[tokio::test]
async fn case_108_domains_are_filled_in() {
    let server = server().await;
    let token = bob_with(&server, json!({ "ssh_username": "bobby" })).await;
    let domain = "{{ identity.entity.metadata.ssh_username }}.example.com";
    server
        .role(
            "r",
            json!({
                "allow_host_certificates": true, "allow_subdomains": true, "allow_bare_domains": true,
                "allowed_domains": domain, "allowed_domains_template": true,
            }),
        )
        .await;
    let host = |name: &str| json!({ "cert_type": "host", "valid_principals": name });
    let principals = sign(&server, &token, host("foo.bobby.example.com"))
        .await
        .principals();
    assert_eq!(principals, ["foo.bobby.example.com"]);
    sign(&server, &token, host("foo.alice.example.com"))
        .await
        .refused_by_user_error("foo.alice.example.com is not a valid value for valid_principals");
    // A name with a dot could be anybody's domain, but it cannot be a pattern.
    for bad in ["*", "a*", "?", "a,b", "a\tb"] {
        let token = bob_with(&server, json!({ "ssh_username": bad })).await;
        sign(&server, &token, host("foo.bobby.example.com"))
            .await
            .refused_with(400, "template substitution contains forbidden value");
    }
}

#[tokio::test]
async fn case_109_111_112_113_users_are_filled_in() {
    let server = server().await;
    let token = bob_with(&server, json!({ "ssh_username": "bobby" })).await;
    for (template, user) in [
        ("{{identity.entity.metadata.ssh_username}}", "bobby"),
        ("ssh-{{identity.entity.metadata.ssh_username}}", "ssh-bobby"),
        (
            "root,user-{{ identity.entity.metadata.ssh_username }}",
            "user-bobby",
        ),
    ] {
        server
            .role(
                "r",
                json!({ "allowed_users": template, "allowed_users_template": true }),
            )
            .await;
        let asked = json!({ "valid_principals": user });
        assert_eq!(sign(&server, &token, asked).await.principals(), [user]);
        sign(&server, &token, json!({ "valid_principals": "alice" }))
            .await
            .expect(400);
    }
    let template = "user-{{identity.entity.metadata.ssh_username}}";
    server
        .role(
            "r",
            json!({
                "allowed_users": template, "allowed_users_template": true,
                "default_user": template, "default_user_template": true,
            }),
        )
        .await;
    assert_eq!(
        sign(&server, &token, json!({})).await.principals(),
        ["user-bobby"]
    );
    // `issue` too.
    let issued = server
        .call_as(&token, "PUT", "ssh/issue/r", json!({ "key_type": "ed25519" }))
        .await;
    assert_eq!(issued.principals(), ["user-bobby"]);
}

#[tokio::test]
async fn case_110_114_a_comma_in_metadata_is_more_than_one_name_only_where_the_role_says_so() {
    let server = server().await;
    let token = bob_with(&server, json!({ "ssh_username": "alice,root" })).await;
    let template = "{{identity.entity.metadata.ssh_username}}";
    let role = |commas: bool| {
        json!({
            "allowed_users": template, "allowed_users_template": true,
            "allow_commas_in_identity_templates": commas,
        })
    };
    server.role("r", role(false)).await;
    sign(&server, &token, json!({ "valid_principals": "root" })).await.refused_by_user_error(
        "template '{{identity.entity.metadata.ssh_username}}' could not be rendered -> template substitution contains \
         forbidden value \",\"",
    );
    server.role("r", role(true)).await;
    for user in ["alice", "root"] {
        assert_eq!(
            sign(&server, &token, json!({ "valid_principals": user }))
                .await
                .principals(),
            [user]
        );
    }
    sign(&server, &token, json!({ "valid_principals": "alice,bob" }))
        .await
        .expect(400);
    // A wildcard is none, whatever the role says.
    let token = bob_with(&server, json!({ "ssh_username": "*" })).await;
    sign(&server, &token, json!({ "valid_principals": "root" }))
        .await
        .refused_with(400, "forbidden value \"*\"");
}

#[tokio::test]
async fn case_115_116_a_template_without_its_flag_is_a_text_for_everybody() {
    let server = server().await;
    let token = bob_with(&server, json!({ "ssh_username": "bobby" })).await;
    let template = "{{identity.entity.metadata.ssh_username}}";
    server
        .role(
            "r",
            json!({ "allowed_users": template, "allowed_users_template": true, "default_user": template }),
        )
        .await;
    sign(&server, &token, json!({}))
        .await
        .refused_by_user_error(&format!("{template} is not a valid value for valid_principals"));
    server
        .role(
            "r",
            json!({ "allowed_users": template, "default_user": template }),
        )
        .await;
    assert_eq!(sign(&server, &token, json!({})).await.principals(), [template]);
}

#[tokio::test]
async fn what_a_caller_does_not_have_fails_the_whole_list() {
    let server = server().await;
    let token = bob_with(&server, json!({})).await;
    let reason = "no value could be found for one of the template directives";
    for template in [
        "root,{{identity.entity.metadata.none}}",
        "root,{{identity.groups.names.admins.name}}",
        "root,{{identity.entity.aliases.auth_other_1.name}}",
    ] {
        server
            .role(
                "r",
                json!({ "allowed_users": template, "allowed_users_template": true }),
            )
            .await;
        sign(&server, &token, json!({ "valid_principals": "root" }))
            .await
            .refused_by_user_error(&format!(
                "template '{template}' could not be rendered -> {reason}"
            ));
    }
    // Another type of certificate does not need it, and neither does a user who is named.
    server
        .role(
            "r",
            json!({
                "allow_host_certificates": true, "allowed_domains": "*", "allowed_users": "root",
                "allowed_domains_template": true, "default_user": "{{x}}", "default_user_template": true,
            }),
        )
        .await;
    sign(
        &server,
        &token,
        json!({ "cert_type": "host", "valid_principals": "h" }),
    )
    .await
    .expect(200);
    sign(&server, &token, json!({ "valid_principals": "root" }))
        .await
        .expect(200);
    sign(&server, &token, json!({}))
        .await
        .refused_with(400, "template '{{x}}' could not be rendered");
}

#[tokio::test]
async fn case_134_the_key_id_names_the_user() {
    let server = server().await;
    server.role("r", json!({ "allowed_users": "root" })).await;
    let token = text(&logged_in(&server, "bob").await, "client_token").to_owned();
    let certificate = sign(&server, &token, json!({ "valid_principals": "root" }))
        .await
        .certificate();
    let hash = PublicKey::from_line(ED25519).unwrap().sha256_hex();
    assert_eq!(certificate.key_id.as_str(), format!("vault-userpass-bob-{hash}"));
}

#[tokio::test]
async fn case_136_137_138_extensions_are_filled_in() {
    let server = server().await;
    server
        .write("sys/mounts/ssh/tune", json!({ "default_lease_ttl": "16h" }))
        .await
        .expect(204);
    let name = format!("{{{{identity.entity.aliases.{}.name}}}}", accessor(&server).await);
    server
        .role("r", json!({
            "allowed_users": "*", "allowed_extensions": "login@zipzap.com", "default_extensions_template": true,
            "default_extensions": {
                "login@foobar.com": name, "login@foobar2.com": format!("{name}, {name}_foobar"), "permit-pty": "",
            },
        }))
        .await;
    let token = text(&logged_in(&server, "bob").await, "client_token").to_owned();
    let root = json!({ "valid_principals": "root" });
    let reply = sign(&server, &token, root.clone()).await.expect(200);
    assert!(reply.json()["warnings"].is_null());
    let certificate = reply.certificate();
    assert_eq!(certificate.extensions.value("login@foobar.com"), Some("bob"));
    assert_eq!(
        certificate.extensions.value("login@foobar2.com"),
        Some("bob, bob_foobar")
    );
    assert_eq!(certificate.extensions.value("permit-pty"), Some(""));
    assert_eq!(certificate.validity.length_secs(), 16 * 3600 + 30);
    let ask = |name: &str| json!({ "valid_principals": "root", "extensions": { name: "some" } });
    let certificate = sign(&server, &token, ask("login@zipzap.com")).await.certificate();
    assert_eq!(certificate.extensions.value("login@foobar.com"), None);
    sign(&server, &token, ask("login@foobar.com")).await.expect(400);
    // Root has no identity: the fixed one is left, with a warning.
    let reply = server.sign(root).await.expect(200);
    assert!(
        reply.json()["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("default_extension templating enabled")
    );
    assert_eq!(reply.certificate().extensions.value("login@foobar.com"), None);
}
