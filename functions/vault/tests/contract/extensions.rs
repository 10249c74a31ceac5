//! Critical options and extensions: cases 135 to 141.

use crate::support::Server;
use countersign::ssh::{CriticalOptions, Extensions};
use serde_json::json;

fn names(extensions: &Extensions) -> Vec<(&str, &str)> {
    extensions.iter().collect()
}

fn options(options: &CriticalOptions) -> Vec<(&str, &str)> {
    options.iter().collect()
}

#[tokio::test]
async fn case_135_what_is_asked_replaces_the_defaults() {
    let server = Server::with_role(json!({
        "allowed_users": "*", "allowed_critical_options": "option,secondary",
        "allowed_extensions": "extension,additional", "default_critical_options": { "option": "value" },
        "default_extensions": { "extension": "extended" },
    }))
    .await;
    let certificate = server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .certificate();
    assert_eq!(options(&certificate.critical_options), [("option", "value")]);
    assert_eq!(names(&certificate.extensions), [("extension", "extended")]);
    let asked = json!({
        "valid_principals": "root", "critical_options": { "secondary": "value" },
        "extensions": { "additional": "value" },
    });
    let certificate = server.sign(asked).await.certificate();
    assert_eq!(options(&certificate.critical_options), [("secondary", "value")]);
    assert_eq!(names(&certificate.extensions), [("additional", "value")]);
    let none = json!({ "valid_principals": "root", "critical_options": {}, "extensions": null });
    let certificate = server.sign(none).await.certificate();
    assert_eq!(names(&certificate.extensions), [("extension", "extended")]);
}

#[tokio::test]
async fn without_an_entity_templated_extensions_are_left_out_with_a_warning() {
    let server = Server::with_role(json!({
        "allowed_users": "*", "default_extensions_template": true,
        "default_extensions": { "login@zipzap.com": "{{identity.entity.aliases.x.name}}, y", "permit-pty": "" },
    }))
    .await;
    let reply = server
        .sign(json!({ "valid_principals": "root", "ttl": "16h" }))
        .await
        .expect(200);
    let warning = reply.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("default_extension templating enabled"),
        "{warning}"
    );
    assert_eq!(names(&reply.certificate().extensions), [("permit-pty", "")]);
}

#[tokio::test]
async fn case_137_138_139_only_listed_extensions_may_be_asked_for() {
    let server = Server::with_role(json!({
        "allowed_users": "*", "allowed_extensions": "login@zipzap.com", "default_extensions_template": true,
        "default_extensions": { "login@foobar.com": "{{identity.entity.name}}" },
    }))
    .await;
    let ask = |name: &str| json!({ "valid_principals": "root", "extensions": { name: "some" } });
    let certificate = server.sign(ask("login@zipzap.com")).await.certificate();
    assert_eq!(names(&certificate.extensions), [("login@zipzap.com", "some")]);
    let refused = "extensions [login@foobar.com] are not on allowed list";
    server
        .sign(ask("login@foobar.com"))
        .await
        .refused_by_user_error(refused);
    server
        .role("r", json!({ "allowed_users": "*", "allowed_extensions": "" }))
        .await;
    server
        .sign(ask("login@foobar.com"))
        .await
        .refused_by_user_error(refused);
    let vault_ssh = json!({
        "valid_principals": "root",
        "extensions": {
            "permit-X11-forwarding": "", "permit-agent-forwarding": "", "permit-port-forwarding": "",
            "permit-pty": "", "permit-user-rc": "",
        },
    });
    server.sign(vault_ssh).await.refused_by_user_error(
        "extensions [permit-X11-forwarding permit-agent-forwarding permit-port-forwarding permit-pty \
         permit-user-rc] are not on allowed list",
    );
}

#[tokio::test]
async fn case_140_141_what_a_caller_sends_is_taken_literally() {
    let server = Server::with_role(json!({
        "allowed_users": "*", "allowed_extensions": "*", "default_extensions": { "permit-pty": "" },
    }))
    .await;
    let braces = "{{identity.entity.aliases.x.name}}";
    let asked = json!({ "valid_principals": "root", "extensions": { "login@foobar.com": braces } });
    assert_eq!(
        names(&server.sign(asked).await.certificate().extensions),
        [("login@foobar.com", braces)]
    );
    // The first documentation spells it in the singular.
    let asked = json!({ "valid_principals": "root", "extension": { "permit-user-rc": "" } });
    let reply = server.sign(asked).await.expect(200);
    assert!(reply.json()["warnings"].is_null());
    assert_eq!(names(&reply.certificate().extensions), [("permit-user-rc", "")]);
}

#[tokio::test]
async fn critical_options_are_free_unless_listed() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let ask =
        |name: &str, value: &str| json!({ "valid_principals": "root", "critical_options": { name: value } });
    let certificate = server.sign(ask("force-command", "id")).await.certificate();
    assert_eq!(options(&certificate.critical_options), [("force-command", "id")]);
    let certificate = server
        .sign(ask("source-address", "10.1.2.3/8,192.0.2.1"))
        .await
        .certificate();
    assert_eq!(
        options(&certificate.critical_options),
        [("source-address", "10.0.0.0/8,192.0.2.1/32")]
    );
    server
        .sign(ask("source-address", "bastion"))
        .await
        .refused_with(400, "source-address");
    server
        .sign(ask("verify-required", ""))
        .await
        .refused_with(400, "verify-required");
    // Neither trimmed nor a wildcard.
    for allowed in ["*", "a, force-command"] {
        server
            .role(
                "r",
                json!({ "allowed_users": "*", "allowed_critical_options": allowed }),
            )
            .await;
        let reply = server.sign(ask("force-command", "id")).await;
        reply.refused_by_user_error("critical options not on allowed list: [force-command]");
    }
}

#[tokio::test]
async fn what_a_role_adds_by_itself_need_not_be_listed() {
    let server = Server::with_role(json!({
        "allowed_users": "*", "allowed_critical_options": "other", "allowed_extensions": "other",
        "default_critical_options": { "force-command": "id" }, "default_extensions": { "permit-pty": "" },
    }))
    .await;
    let certificate = server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .certificate();
    assert_eq!(options(&certificate.critical_options), [("force-command", "id")]);
    assert_eq!(names(&certificate.extensions), [("permit-pty", "")]);
}

#[tokio::test]
async fn host_certificates_have_no_critical_options() {
    let server = Server::with_role(json!({ "allow_host_certificates": true, "allowed_domains": "*" })).await;
    let fields = json!({
        "cert_type": "host", "valid_principals": "h", "critical_options": { "force-command": "id" },
    });
    server
        .sign(fields)
        .await
        .refused_with(400, "host certificates cannot have critical options");
}
