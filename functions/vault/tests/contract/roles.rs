//! `roles`: the order of checks, what reads back, and cases 143 to 145, 158.

use crate::support::Server;
use serde_json::{Value, json};

#[tokio::test]
async fn case_143_a_minimal_role_reads_back_with_every_default() {
    let server = Server::new().await;
    server.role("r", json!({})).await;
    let expected = json!({
        "algorithm_signer": "default",
        "allow_bare_domains": false,
        "allow_commas_in_identity_templates": false,
        "allow_empty_principals": false,
        "allow_host_certificates": false,
        "allow_subdomains": false,
        "allow_user_certificates": true,
        "allow_user_key_ids": false,
        "allowed_critical_options": "",
        "allowed_domains": "",
        "allowed_domains_template": false,
        "allowed_extensions": "",
        "allowed_user_key_lengths": {},
        "allowed_users": "",
        "allowed_users_template": false,
        "default_critical_options": {},
        "default_extensions": {},
        "default_extensions_template": false,
        "default_user": "",
        "default_user_template": false,
        "issuer_ref": "default",
        "key_id_format": "",
        "key_type": "ca",
        "max_ttl": 0,
        "not_before_duration": 30,
        "ttl": 0,
    });
    assert_eq!(server.read("ssh/roles/r").await.data(), expected);
}

#[tokio::test]
async fn case_144_an_update_replaces_the_whole_role() {
    let server = Server::new().await;
    server
        .role("r", json!({ "allowed_users": "old", "key_id_format": "x" }))
        .await;
    let fields = json!({
        "allowed_users": "foo,bar", "allowed_domains": "example.com,foo.com", "allowed_extensions": "ext1,ext2",
        "default_extensions": { "ext1": "" }, "default_critical_options": { "opt1": "" },
        "max_ttl": "86400", "ttl": "43200", "not_before_duration": "3000", "algorithm_signer": "rsa-sha2-256",
        "allow_host_certificates": true, "allow_subdomains": true, "issuer_ref": "x",
    });
    server.role("r", fields.clone()).await;
    let data = server.read("ssh/roles/r").await.data();
    for (name, value) in fields.as_object().unwrap() {
        let expected = match name.as_str() {
            "max_ttl" => json!(86400),
            "ttl" => json!(43200),
            "not_before_duration" => json!(3000),
            _ => value.clone(),
        };
        assert_eq!(data[name], expected, "{name}");
    }
    assert_eq!(data["key_id_format"], "");
}

#[tokio::test]
async fn case_145_flags_follow() {
    let server = Server::new().await;
    for value in [true, false, true] {
        server
            .role("r", json!({ "default_extensions_template": value }))
            .await;
        let data = server.read("ssh/roles/r").await.data();
        assert_eq!(
            (&data["default_extensions_template"], &data["default_extensions"]),
            (&json!(value), &json!({}))
        );
    }
}

#[tokio::test]
async fn case_158_default_extensions_may_be_a_list_of_objects() {
    let server = Server::new().await;
    server
        .role(
            "r",
            json!({ "default_extensions": [{ "permit-pty": "" }, { "a": 1, "b": true }] }),
        )
        .await;
    let data = server.read("ssh/roles/r").await.data();
    assert_eq!(
        data["default_extensions"],
        json!({ "permit-pty": "", "a": "1", "b": "true" })
    );
}

#[tokio::test]
async fn case_131_key_lengths_read_back_as_lists_in_order() {
    let server = Server::new().await;
    let lengths = json!({ "rsa": [2048, "3072", 4096], "ec": 256, "ed25519": "0", "dsa": [] });
    server
        .role("r", json!({ "allowed_user_key_lengths": lengths }))
        .await;
    let expected = json!({ "rsa": [2048, 3072, 4096], "ec": [256], "ed25519": [0], "dsa": null });
    assert_eq!(
        server.read("ssh/roles/r").await.data()["allowed_user_key_lengths"],
        expected
    );
}

#[tokio::test]
async fn case_14_hvac_sends_every_field() {
    let server = Server::new().await;
    let body = json!({
        "key_type": "ca", "key": "", "admin_user": "", "default_user": "", "cidr_list": "",
        "exclude_cidr_list": "", "port": 22, "key_bits": 1024, "install_script": "", "allowed_users": "",
        "allowed_users_template": "", "allowed_domains": "", "key_option_specs": "", "ttl": "", "max_ttl": "",
        "allowed_critical_options": "", "allowed_extensions": "", "default_critical_options": null,
        "default_extensions": null, "allow_user_certificates": true, "allow_host_certificates": "",
        "allow_bare_domains": "", "allow_subdomains": "", "allow_user_key_ids": "", "key_id_format": "",
        "allowed_user_key_lengths": null, "algorithm_signer": "",
    });
    server.write("ssh/roles/r", body).await.expect(204);
    let data = server.read("ssh/roles/r").await.data();
    assert_eq!(
        (&data["ttl"], &data["default_extensions"]),
        (&json!(0), &json!({}))
    );
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_real_product() {
    let server = Server::new().await;
    let neither = "Either 'allow_user_certificates' or 'allow_host_certificates' must be set to 'true'";
    for (body, status, text) in [
        (
            json!({ "cidr_list": "x", "ttl": [] }),
            400,
            "Field validation failed: error converting input for field \"ttl\"",
        ),
        (
            json!({ "cidr_list": "10.0.0.0/8,x" }),
            500,
            "failed to validate cidr_list: invalid CIDR address: x",
        ),
        (
            json!({ "key_type": "ca", "cidr_list": "10.0.0.1" }),
            500,
            "invalid CIDR address: 10.0.0.1",
        ),
        (
            json!({ "cidr_list": "10.0.0.0/8, 192.168.1.1/16", "exclude_cidr_list": "y" }),
            500,
            "failed to validate exclude_cidr_list entry: invalid CIDR address: y",
        ),
        (json!({}), 400, "missing key type"),
        (json!({ "key_type": null }), 400, "missing key type"),
        (json!({ "key_type": "robot" }), 400, "invalid key type"),
        (
            json!({ "key_type": "ca", "algorithm_signer": "md5" }),
            500,
            "unknown algorithm signer \"md5\"",
        ),
        (
            json!({ "key_type": "CA", "allowed_user_key_lengths": { "rsa": "x" } }),
            400,
            neither,
        ),
        (
            json!({ "key_type": "ca", "allow_host_certificates": 1, "allowed_user_key_lengths": { "rsa": "x" }, "ttl": 2, "max_ttl": 1 }),
            400,
            "error processing allowed_user_key_lengths: ",
        ),
        (
            json!({ "key_type": "ca", "allow_host_certificates": "t", "ttl": "2h", "max_ttl": "1h" }),
            400,
            "\"ttl\" value must be less than \"max_ttl\" when both are specified",
        ),
    ] {
        server.write("ssh/roles/r", body).await.refused_with(status, text);
    }
    server.list("ssh/roles").await.refused_silently(404);
    server
        .role("r", json!({ "key_type": "Ca", "ttl": "1h", "max_ttl": "1h" }))
        .await;
    assert_eq!(server.read("ssh/roles/r").await.data()["key_type"], "ca");
}

#[tokio::test]
async fn names_are_listed_in_byte_order_and_deleted_silently() {
    let server = Server::new().await;
    for name in ["b", "a@x", "a", "B", "a-b"] {
        server.role(name, json!({})).await;
    }
    let data = server.list("ssh/roles").await.data();
    assert_eq!(data["keys"], json!(["B", "a", "a-b", "a@x", "b"]));
    assert_eq!(data["key_info"]["a@x"], json!({ "key_type": "ca" }));
    server.delete("ssh/roles/a").await.expect(204);
    server.delete("ssh/roles/a").await.expect(204);
    server.read("ssh/roles/a").await.refused_silently(404);
    assert_eq!(
        server.read("ssh/roles/none").await.expect(404).json(),
        json!({ "errors": Value::Array(vec![]) })
    );
}

#[tokio::test]
async fn every_field_of_the_wrong_type_is_refused_by_name() {
    let server = Server::new().await;
    for (field, value) in [
        ("allowed_users", json!(["a"])),
        ("default_user", json!({})),
        ("allow_user_certificates", json!("maybe")),
        ("allow_subdomains", json!([])),
        ("ttl", json!("soon")),
        ("max_ttl", json!(-5)),
        ("not_before_duration", json!(22.5)),
        ("default_extensions", json!("permit-pty")),
        ("default_critical_options", json!([1])),
        ("allowed_user_key_lengths", json!("rsa=2048")),
        ("port", json!("ssh")),
        ("key_bits", json!({})),
    ] {
        let mut body = json!({ "key_type": "ca", "allow_host_certificates": true });
        body[field] = value;
        let prefix = format!("Field validation failed: error converting input for field \"{field}\": ");
        server.write("ssh/roles/r", body).await.refused_with(400, &prefix);
    }
    let negative = json!({ "key_type": "ca", "ttl": "-5" });
    server
        .write("ssh/roles/r", negative)
        .await
        .refused_with(400, "cannot provide negative value '-5'");
}
