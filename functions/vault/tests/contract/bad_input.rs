//! Outside bytes of every bad kind: each is a clear 4xx in Vault's shape, and the next request works.

use crate::support::{ED25519, Server, public_line};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use countersign::authority::KeySpec;
use serde_json::{Value, json};

/// An RSA key blob with a modulus of so many bits.
fn rsa(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xff; bits / 8];
    modulus.insert(0, 0);
    let mut blob = Vec::new();
    for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    blob
}

#[tokio::test]
async fn every_bad_public_key_is_refused_by_name() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let blob = STANDARD.decode(ED25519.split(' ').nth(1).unwrap()).unwrap();
    let line = |blob: &[u8]| format!("ssh-ed25519 {}", STANDARD.encode(blob));
    let signed = server.sign(json!({ "valid_principals": "root" })).await.data();
    let certificate = signed["signed_key"].as_str().unwrap().to_owned();
    let mut long = blob.clone();
    long.push(0);
    let mut lying = blob.clone();
    lying[3] = 0xff;
    let mut off_curve = STANDARD
        .decode(public_line(KeySpec::P256).await.split(' ').nth(1).unwrap())
        .unwrap();
    *off_curve.last_mut().unwrap() ^= 1;
    let rsa_2048 = rsa(2048);
    assert_eq!(rsa_2048.len(), 4 + 7 + 4 + 3 + 4 + 257);
    for bad in [
        "hello".to_owned(),
        "ssh-ed25519".into(),
        "ssh-ed25519 ".into(),
        " ".into(),
        "ssh-ed25519 A".into(),
        format!("no-pty {ED25519}"),
        ED25519.replace(' ', "\t"),
        format!("ssh-ed25519  {}", STANDARD.encode(&blob)),
        format!("ssh-ed25519 {}", STANDARD_NO_PAD.encode(rsa(1024))),
        format!("ssh-ed25519 {}", URL_SAFE.encode(&rsa_2048)),
        line(&blob[..blob.len() - 1]),
        line(&blob[..3]),
        line(&[]),
        line(&long),
        line(&lying),
        line(&off_curve),
        line(&rsa(1024)),
        line(&rsa(2040)),
        line(&rsa(1 << 17)),
        certificate.clone(),
        certificate.split(' ').nth(1).unwrap().to_owned(),
        "x".repeat(32 * 1024),
        "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----".into(),
        "ssh-dss AAAAB3NzaC1kc3MAAAABAQAAAAEBAAAAAQEAAAABAQ==".into(),
    ] {
        let reply = server
            .sign(json!({ "public_key": bad, "valid_principals": "root" }))
            .await;
        reply.refused_with(400, "failed to parse public_key as SSH key: ");
    }
    for missing in [json!(""), Value::Null] {
        server
            .sign(json!({ "public_key": missing }))
            .await
            .refused_by_user_error("missing public_key");
    }
    server
        .write("ssh/sign/none", json!({}))
        .await
        .refused_by_user_error("Unknown role: none");
    server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn loose_spellings_of_a_public_key_are_accepted() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let encoded = ED25519.split(' ').nth(1).unwrap();
    for good in [
        ED25519.to_owned(),
        encoded.to_owned(),
        format!("{ED25519}\n"),
        format!("{ED25519} with more words\r\n"),
        format!("ssh-rsa {encoded}"),
        format!("ssh-ed25519 {}\r\n{} comment", &encoded[..20], &encoded[20..]),
    ] {
        server
            .sign(json!({ "public_key": good, "valid_principals": "root" }))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn bodies_that_are_no_object_are_refused() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    for body in [
        "{",
        "[]",
        "[{}]",
        "\"x\"",
        "1",
        "true",
        "{\"a\":}",
        "{'a': 1}",
        "\u{feff}{}",
        "{} x",
        &deep,
    ] {
        server
            .call("POST", "ssh/sign/r", body.to_owned())
            .await
            .refused_by_user_error("error parsing JSON");
    }
    server
        .call("POST", "ssh/sign/r", vec![b'{', b'"', 0xff, b'"', b'}'])
        .await
        .expect(400);
    for empty in ["", "null", "  ", "{}"] {
        server
            .call("POST", "ssh/sign/r", empty)
            .await
            .refused_by_user_error("missing public_key");
    }
    server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn every_field_of_sign_and_issue_wrong_once() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    for (field, value) in [
        ("public_key", json!([ED25519])),
        ("public_key", json!({})),
        ("ttl", json!({})),
        ("valid_principals", json!(["root"])),
        ("cert_type", json!([])),
        ("key_id", json!({})),
        ("critical_options", json!("force-command=id")),
        ("critical_options", json!({ "a": [] })),
        ("extensions", json!(["permit-pty"])),
        ("extensions", json!(1)),
    ] {
        let prefix = format!("Field validation failed: error converting input for field \"{field}\": ");
        let mut body = json!({ "public_key": ED25519 });
        body[field] = value.clone();
        server.write("ssh/sign/r", body).await.refused_with(400, &prefix);
        if field != "public_key" {
            let mut body = json!({ "key_type": "ed25519" });
            body[field] = value;
            server.write("ssh/issue/r", body).await.refused_with(400, &prefix);
        }
    }
    let reply = server.write("ssh/issue/r", json!({ "key_bits": "many" })).await;
    reply.refused_with(400, "for field \"key_bits\"");
    // What is wrong with a field is said even where there is no such role.
    server
        .write("ssh/sign/none", json!({ "ttl": "x" }))
        .await
        .refused_with(400, "for field \"ttl\"");
}

#[tokio::test]
async fn a_refusal_does_not_repeat_what_could_be_a_secret() {
    let server = Server::with_role(json!({})).await;
    let reply = server
        .write("ssh/config/ca", json!({ "private_key": ["s3cret"] }))
        .await
        .expect(400);
    assert!(!reply.text().contains("s3cret"));
}

#[tokio::test]
async fn names_that_are_too_long_are_refused_and_never_found() {
    let server = Server::with_role(json!({})).await;
    for method in ["approle", "userpass"] {
        server
            .write(&format!("sys/auth/{method}"), json!({ "type": method }))
            .await
            .expect(204);
    }
    let long = |length: usize| "x".repeat(length);
    // In a path: the longest one is a name like any other.
    for path in [
        "ssh/roles/",
        "ssh/issuer/",
        "auth/approle/role/",
        "auth/userpass/users/",
        "identity/entity/id/",
        "identity/entity/name/",
        "identity/entity-alias/id/",
        "sys/policies/acl/",
        "sys/mounts/",
    ] {
        for method in ["GET", "DELETE"] {
            let reply = server.call(method, &format!("{path}{}", long(512)), "").await;
            assert!(
                [200, 204, 400, 404].contains(&reply.status.as_u16()),
                "{method} {path}: {}",
                reply.text()
            );
            let reply = server.call(method, &format!("{path}{}", long(513)), "").await;
            reply.refused_by_user_error("a name in a path has at most 512 bytes");
        }
    }
    let role = json!({ "key_type": "ca", "allow_user_certificates": true });
    server
        .write(&format!("ssh/roles/{}", long(512)), role)
        .await
        .expect(204);
    server
        .write(&format!("auth/approle/role/{}", long(512)), json!({}))
        .await
        .expect(204);
    let user = json!({ "password": "x" });
    server
        .write(&format!("auth/userpass/users/{}", long(512)), user.clone())
        .await
        .expect(204);
    server
        .write(&format!("auth/userpass/login/{}", long(512)), user)
        .await
        .expect(200);
    // In a body.
    let name = long(3000);
    for (path, body) in [
        ("auth/approle/login", json!({ "role_id": name, "secret_id": "x" })),
        ("auth/approle/login", json!({ "role_id": "x", "secret_id": name })),
        ("auth/approle/role/r", json!({ "role_id": name })),
        ("auth/token/lookup-accessor", json!({ "accessor": name })),
        ("identity/entity", json!({ "name": name })),
        ("identity/entity", json!({ "id": name })),
        (
            "identity/lookup/entity",
            json!({ "alias_name": name, "alias_mount_accessor": "x" }),
        ),
        (
            "identity/entity-alias",
            json!({ "name": "x", "mount_accessor": name }),
        ),
        ("sys/wrapping/unwrap", json!({ "token": name })),
        ("sys/leases/lookup", json!({ "lease_id": name })),
        ("ssh/config/issuers", json!({ "default": name })),
    ] {
        let reply = server.write(path, body).await;
        assert!(
            [204, 400, 403].contains(&reply.status.as_u16()),
            "{path}: {} {}",
            reply.status,
            reply.text()
        );
    }
    server
        .write("auth/token/revoke-accessor", json!({ "accessor": name }))
        .await
        .expect(200);
}
