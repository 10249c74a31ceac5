//! Principals and templates: cases 115 to 122, and the rules of the reference's table.

use crate::support::{ED25519, NOW, Server};
use countersign::types::CertType;
use serde_json::{Value, json};

#[tokio::test]
async fn case_117_a_host_certificate_of_several_domains() {
    let server = Server::with_role(json!({
        "allow_host_certificates": true, "allowed_domains": "example.com,example.org", "allow_subdomains": true,
        "default_critical_options": { "option": "value" }, "default_extensions": { "extension": "extended" },
    }))
    .await;
    let fields = json!({
        "cert_type": "host", "valid_principals": "dummy.example.org,second.example.com", "ttl": "2h",
    });
    let certificate = server.sign(fields).await.certificate();
    let principals: Vec<_> = certificate.valid_principals.iter().collect();
    assert_eq!(principals, ["dummy.example.org", "second.example.com"]);
    assert_eq!(certificate.cert_type, CertType::Host);
    assert!(certificate.key_id.as_str().starts_with("vault-root-"));
    assert_eq!(
        (
            certificate.validity.valid_after(),
            certificate.validity.valid_before()
        ),
        (NOW - 30, NOW + 7200)
    );
    assert_eq!(certificate.extensions.value("extension"), Some("extended"));
    // Clients refuse host certificates with critical options, so the role's default is left out.
    assert!(certificate.critical_options.is_empty());
}

#[tokio::test]
async fn case_118_119_120_nobody_is_anyone() {
    let empty = "empty valid principals not allowed by role";
    for role in [
        json!({ "allowed_users": "*" }),
        json!({ "allowed_users": "*", "allow_empty_principals": true }),
        json!({ "allowed_users": "a", "allow_host_certificates": true, "allow_empty_principals": true }),
        json!({}),
    ] {
        let server = Server::with_role(role.clone()).await;
        for fields in [
            json!({}),
            json!({ "valid_principals": "" }),
            json!({ "valid_principals": null }),
            json!({ "valid_principals": " , " }),
        ] {
            server.sign(fields).await.refused_by_user_error(empty);
        }
        if role["allow_host_certificates"] == true {
            server
                .sign(json!({ "cert_type": "host" }))
                .await
                .refused_by_user_error(empty);
        }
        let issued = server
            .write("ssh/issue/r", json!({ "key_type": "ed25519" }))
            .await;
        issued.refused_by_user_error(empty);
    }
    // hvac: the default user is used, but the role does not list it.
    let server = Server::with_role(json!({ "default_user": "root" })).await;
    let hvac = json!({ "valid_principals": "", "ttl": "", "key_id": "", "critical_options": null, "extensions": null, "cert_type": "user" });
    server
        .sign(hvac.clone())
        .await
        .refused_by_user_error("role is not configured to allow any principals");
    let server = Server::with_role(json!({ "default_user": "root", "allowed_users": "root" })).await;
    assert_eq!(server.sign(hvac).await.principals(), ["root"]);
}

#[tokio::test]
async fn case_121_122_as_terraform_asks() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    assert_eq!(
        server
            .sign(json!({ "valid_principals": "my-user" }))
            .await
            .principals(),
        ["my-user"]
    );
    let template = "ssh-{{identity.entity.id}}-user";
    server
        .role(
            "r",
            json!({ "allowed_users_template": true, "allowed_users": template }),
        )
        .await;
    assert_eq!(server.read("ssh/roles/r").await.data()["allowed_users"], template);
}

#[tokio::test]
async fn without_an_entity_a_template_is_a_text_like_any_other() {
    let template = "{{identity.entity.metadata.ssh_username}}";
    let server = Server::with_role(json!({ "allowed_users": template, "default_user": template })).await;
    assert_eq!(server.sign(json!({})).await.principals(), [template]);
    server
        .role(
            "r",
            json!({ "allowed_users": "someone", "default_user": template }),
        )
        .await;
    server
        .sign(json!({}))
        .await
        .refused_by_user_error(&format!("{template} is not a valid value for valid_principals"));
    server
        .role("r", json!({ "allowed_users": template, "allowed_users_template": true, "default_user": template, "default_user_template": true }))
        .await;
    assert_eq!(server.sign(json!({})).await.principals(), [template]);
}

#[tokio::test]
async fn users_are_sorted_and_each_must_be_listed() {
    let server = Server::with_role(json!({ "allowed_users": "b, a ,c,,a", "default_user": "c" })).await;
    assert_eq!(
        server
            .sign(json!({ "valid_principals": "b,a, b,,a" }))
            .await
            .principals(),
        ["a", "b"]
    );
    assert_eq!(server.sign(json!({})).await.principals(), ["c"]);
    let refused = |name: &str| format!("{name} is not a valid value for valid_principals");
    server
        .sign(json!({ "valid_principals": "z,y,a" }))
        .await
        .refused_by_user_error(&refused("y"));
    server
        .sign(json!({ "valid_principals": "A" }))
        .await
        .refused_by_user_error(&refused("A"));
    server.role("r", json!({ "allowed_users": "" })).await;
    let none = "role is not configured to allow any principals";
    server
        .sign(json!({ "valid_principals": "a" }))
        .await
        .refused_by_user_error(none);
    // Only the whole text `*` is a wildcard.
    server
        .role("r", json!({ "allowed_users": "a,*", "default_user": "b" }))
        .await;
    server
        .sign(json!({ "valid_principals": "b" }))
        .await
        .refused_by_user_error(&refused("b"));
    server.sign(json!({})).await.refused_by_user_error(&refused("b"));
    assert_eq!(
        server.sign(json!({ "valid_principals": "*" })).await.principals(),
        ["*"]
    );
    server.role("r", json!({ "allowed_users": " *" })).await;
    server
        .sign(json!({ "valid_principals": "b" }))
        .await
        .refused_by_user_error(&refused("b"));
}

#[tokio::test]
async fn hosts_match_bare_domains_and_subdomains_as_the_role_says() {
    let server = Server::with_role(json!({})).await;
    for (bare, sub, domains, host, is_allowed) in [
        (true, false, "example.com", "example.com", true),
        (true, false, "example.com", "a.example.com", false),
        (false, true, "example.com", "a.example.com", true),
        (false, true, "example.com", "a.b.example.com", true),
        (false, true, "example.com", "example.com", false),
        (false, true, "example.com", "notexample.com", false),
        (false, false, "example.com", "example.com", false),
        (false, false, "*", "anything.org", true),
        (true, true, "*", "*.example.com", false),
        (false, true, "example.com", "*.example.com", false),
        (true, false, "*.example.com,x", "*.example.com", true),
    ] {
        let role = json!({
            "allow_host_certificates": true, "allowed_domains": domains, "allow_bare_domains": bare,
            "allow_subdomains": sub,
        });
        server.role("r", role).await;
        let reply = server
            .sign(json!({ "cert_type": "host", "valid_principals": host }))
            .await;
        if is_allowed {
            assert_eq!(reply.principals(), [host]);
        } else {
            reply.refused_by_user_error(&format!("{host} is not a valid value for valid_principals"));
        }
    }
    server.role("r", json!({ "allow_host_certificates": true })).await;
    let reply = server
        .sign(json!({ "cert_type": "host", "valid_principals": "h" }))
        .await;
    reply.refused_by_user_error("role is not configured to allow any principals");
}

#[tokio::test]
async fn principals_that_would_break_a_line_or_the_format_are_refused() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let many: Vec<_> = (0..257).map(|number| format!("user{number}")).collect();
    for bad in ["a\u{0}b", "a\nb", &"x".repeat(513), &many.join(",")] {
        server
            .sign(json!({ "valid_principals": bad }))
            .await
            .refused_with(400, "valid_principals: ");
    }
    assert_eq!(
        server
            .sign(json!({ "valid_principals": many[1..].join(",") }))
            .await
            .principals()
            .len(),
        256
    );
}

#[tokio::test]
async fn cert_type_is_compared_exactly() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let text = "cert_type must be either 'user' or 'host'";
    for bad in [json!("robot"), json!("User"), json!(""), Value::Null] {
        server
            .sign(json!({ "cert_type": bad, "valid_principals": "a" }))
            .await
            .refused_by_user_error(text);
    }
    let host = json!({ "cert_type": "host", "valid_principals": "a" });
    server
        .sign(host)
        .await
        .refused_by_user_error("cert_type 'host' is not allowed by role");
    let early = json!({ "cert_type": "robot", "key_id": "x" });
    server
        .sign(early)
        .await
        .refused_by_user_error("setting key_id is not allowed by role");
    server
        .write(
            "ssh/roles/h",
            json!({ "key_type": "ca", "allow_host_certificates": true }),
        )
        .await
        .expect(204);
    let user = json!({ "public_key": ED25519, "valid_principals": "a" });
    server
        .write("ssh/sign/h", user)
        .await
        .refused_by_user_error("cert_type 'user' is not allowed by role");
}
