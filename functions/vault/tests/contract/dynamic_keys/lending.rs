//! `keys`, roles of type `dynamic`, and how a key gets on a host: cases 54 to 60, 25, 41.

use super::Set;
use crate::support::{NOW, key};
use countersign::{
    authority::KeySpec,
    hosts::{HostError, HostKeys},
};
use serde_json::{Value, json};

#[tokio::test]
async fn case_54_keys_are_written_and_deleted_and_never_read() {
    let set = Set::new().await;
    let server = &set.server;
    server.read("ssh/keys/k").await.expect(405);
    server.list("ssh/keys").await.expect(404);
    for bad in [
        "",
        "nonsense",
        "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n",
    ] {
        server
            .write("ssh/keys/k", json!({ "key": bad }))
            .await
            .refused_by_user_error("Invalid key");
    }
    let encrypted = key(KeySpec::Ed25519)
        .await
        .to_encrypted_openssh("", "x", &*server.services.random)
        .await
        .unwrap();
    server
        .write("ssh/keys/k", json!({ "key": encrypted.as_str() }))
        .await
        .refused_by_user_error("Invalid key");
    for name in ["k", "k", "unknown"] {
        server.delete(&format!("ssh/keys/{name}")).await.expect(204);
    }
    server.write("ssh/keys/a@b", json!({})).await.expect(404);
}

#[tokio::test]
async fn case_55_56_a_role_reads_back() {
    let set = Set::with_role(json!({})).await;
    let data = set.server.read("ssh/roles/r").await.data();
    let script = data["install_script"].as_str().unwrap();
    assert!(script.starts_with("#!/bin/sh\n") && script.contains("install"));
    let expected = json!({
        "accept_any_host_key": false, "admin_user": "admin", "allowed_users": "", "cidr_list": "10.0.0.0/8",
        "default_user": "ubuntu", "exclude_cidr_list": "",
        "host_key": key(KeySpec::Ed25519).await.public_key().to_line(), "install_script": script, "key": "k",
        "key_bits": 2048, "key_option_specs": "", "key_type": "dynamic", "port": 22,
    });
    assert_eq!(data, expected);
    let listed = set.server.list("ssh/roles").await.data();
    assert_eq!(listed["key_info"], json!({ "r": { "key_type": "dynamic" } }));
    set.server.delete("ssh/roles/r").await.expect(204);
    set.server.read("ssh/roles/r").await.refused_silently(404);
}

#[tokio::test]
async fn a_role_is_checked_in_the_order_of_the_real_product() {
    let set = Set::new().await;
    let mut fields =
        json!({ "default_user": "", "key": "", "admin_user": "", "key_bits": 1023, "host_key": "x" });
    let mut refused = async |name: &str, mended: Value, text: &str| {
        set.role(fields.clone()).await.refused_by_user_error(text);
        fields[name] = mended;
    };
    refused("default_user", "ubuntu".into(), "missing default user").await;
    refused("key", "other".into(), "missing key name").await;
    refused("key", "k".into(), "invalid 'key': \"other\"").await;
    refused("admin_user", "admin".into(), "missing admin username").await;
    refused("key_bits", 2048.into(), "invalid key_bits field").await;
    set.role(fields.clone())
        .await
        .refused_with(400, "line 1 of host_key");
    set.role(json!({ "key_option_specs": "a\nb" }))
        .await
        .refused_with(400, "key_option_specs");
    set.role(json!({ "install_script": "x".repeat(40_000) }))
        .await
        .refused_with(400, "install_script");
    for (bits, made) in [(1024, 2048), (2048, 2048), (3072, 3072), (4096, 4096), (0, 2048)] {
        let reply = set.role(json!({ "key_bits": bits })).await;
        assert_eq!(reply.status, if bits == 1024 { 200 } else { 204 });
        assert_eq!(
            reply.text().contains("RSA keys of 1024 bits are not made"),
            bits == 1024
        );
        assert_eq!(set.server.read("ssh/roles/r").await.data()["key_bits"], made);
    }
    for fields in [
        json!({ "host_key": "" }),
        json!({ "host_key": "", "accept_any_host_key": true }),
    ] {
        let warning = set.role(fields).await.expect(200).json()["warnings"][0].clone();
        assert!(
            warning.as_str().unwrap().contains("accept_any_host_key"),
            "{warning}"
        );
    }
}

#[tokio::test]
async fn case_57_58_a_key_is_lent_and_taken_back() {
    let set = Set::with_role(json!({ "key_option_specs": "no-pty" })).await;
    let reply = set.creds().await.expect(200).json();
    let data = &reply["data"];
    assert!(
        data["key"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN RSA PRIVATE KEY-----\n")
    );
    let expected = json!({
        "ip": "10.1.1.1", "key": data["key"], "key_type": "dynamic", "port": 22, "username": "ubuntu",
    });
    assert_eq!(*data, expected);
    assert_eq!(
        (&reply["renewable"], &reply["lease_duration"]),
        (&json!(true), &json!(2_764_800))
    );
    assert_eq!(set.host.lines(), 1);
    let line = set.host.lines.lock().unwrap().first().cloned().unwrap();
    assert!(line.starts_with("no-pty ssh-rsa "), "{line}");
    let (who, keys) = set.host.logins.lock().unwrap()[0].clone();
    assert_eq!(who, "admin@10.1.1.1:22");
    assert!(matches!(keys, HostKeys::Known(keys) if keys.len() == 1));
    let id = reply["lease_id"].as_str().unwrap();
    set.server
        .write("sys/leases/revoke", json!({ "lease_id": id }))
        .await
        .expect(204);
    assert_eq!(set.host.lines(), 0);
    assert!(!set.is_known(id).await);
}

#[tokio::test]
async fn case_59_60_left_over_keys_are_tidied() {
    let set = Set::new().await;
    let tidied = async || set.server.delete("ssh/tidy/dynamic-keys").await.data()["message"].clone();
    assert_eq!(tidied().await, "Removed 1 of 1 host keys.");
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    let pem = key(KeySpec::Ed25519).await.to_pem();
    for name in 0..15 {
        set.server
            .write(&format!("ssh/keys/k{name}"), json!({ "key": pem.as_str() }))
            .await
            .expect(204);
    }
    assert_eq!(tidied().await, "Removed 15 of 15 host keys.");
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    // What a role or a lease needs is none.
    set.server
        .write("ssh/keys/k", json!({ "key": pem.as_str() }))
        .await
        .expect(204);
    set.role(json!({})).await.expect(204);
    let lease = set.lease().await;
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    set.server.delete("ssh/roles/r").await.expect(204);
    assert_eq!(tidied().await, "Removed 0 of 0 host keys.");
    set.server
        .write("sys/leases/revoke", json!({ "lease_id": lease }))
        .await
        .expect(204);
    assert_eq!(tidied().await, "Removed 1 of 1 host keys.");
}

#[tokio::test]
async fn case_25_41_networks_hold_for_keys_too() {
    let set = Set::with_role(json!({ "cidr_list": "" })).await;
    set.creds()
        .await
        .refused_by_user_error("Error validating IP: IP does not belong to role");
    set.server
        .write("ssh/config/zeroaddress", json!({ "roles": "r" }))
        .await
        .expect(204);
    set.creds().await.expect(200);
    set.server.delete("ssh/config/zeroaddress").await.expect(204);
    set.creds()
        .await
        .refused_by_user_error("Error validating IP: IP does not belong to role");
    set.role(json!({})).await.expect(204);
    let roles = set
        .server
        .write("ssh/lookup", json!({ "ip": "10.1.1.1" }))
        .await
        .data();
    assert_eq!(roles, json!({ "roles": ["r"] }));
}

#[tokio::test]
async fn without_a_host_key_nothing_is_sent_anywhere() {
    let set = Set::new().await;
    set.role(json!({ "host_key": "" })).await.expect(200);
    set.creds().await.refused_with(400, "host_key");
    let port = json!({ "port": 70000 });
    set.role(port).await.expect(204);
    set.creds().await.refused_with(400, "port");
    set.role(json!({ "allowed_users": "*" })).await.expect(204);
    let body = json!({ "ip": "10.1.1.1", "username": "../root" });
    set.server
        .write("ssh/creds/r", body)
        .await
        .refused_with(400, "username");
    assert!(set.host.logins.lock().unwrap().is_empty());
    set.role(json!({ "host_key": "", "accept_any_host_key": true }))
        .await
        .expect(200);
    set.creds().await.expect(200);
    assert_eq!(set.host.logins.lock().unwrap()[0].1, HostKeys::Any);
}

#[tokio::test]
async fn a_host_that_cannot_be_used_is_a_clear_error_and_leaves_nothing() {
    let set = Set::with_role(json!({})).await;
    let text = "failed to add public key to authorized_keys file in target: ";
    for error in [
        HostError::HostKey("SHA256:x".into()),
        HostError::Login,
        HostError::Unreachable("nobody there".into()),
        HostError::Command(Some(1)),
    ] {
        set.host.fail(error.clone(), false);
        set.creds().await.refused_framed(500, &format!("{text}{error}"));
        set.server
            .list("sys/leases/lookup/ssh")
            .await
            .refused_silently(404);
        set.sweep_at(NOW + 10_000).await;
        assert_eq!(set.host.lines(), 0);
        set.server.clock.set(NOW);
    }
    let before = set.host.logins.lock().unwrap().len();
    set.sweep_at(NOW + 100_000).await;
    assert_eq!(
        set.host.logins.lock().unwrap().len(),
        before,
        "nothing is left to look after"
    );
    set.server.delete("ssh/keys/k").await.expect(204);
    set.creds().await.refused_framed(500, "key \"k\" not found");
}

#[tokio::test]
async fn a_key_that_was_installed_without_an_answer_is_taken_away() {
    let set = Set::with_role(json!({})).await;
    set.host.fail(HostError::TimedOut, true);
    set.creds().await.refused_with(500, "did not answer in time");
    set.sweep_at(NOW + 119).await;
    assert_eq!(set.host.lines(), 1, "the host may still be at work");
    set.sweep_at(NOW + 120).await;
    assert_eq!((set.host.lines(), set.records().await), (0, 0));
}
