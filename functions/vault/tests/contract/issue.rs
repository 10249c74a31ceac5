//! `issue`, and how CA keys sign: cases 147 to 157.

use crate::support::Server;
use countersign::{
    signer::private_key::{GeneratedKey, parse_private_key},
    ssh::Certificate,
};
use serde_json::{Value, json};

#[tokio::test]
async fn case_147_148_149_the_words_are_held_against_the_map() {
    let server = Server::with_role(json!({
        "allowed_users": "root",
        "allowed_user_key_lengths": { "ssh-rsa": [2048, 3072, 4096], "ecdsa-sha2-nistp521": 0, "ed25519": 0 },
    }))
    .await;
    let issue = |key_type: &str, key_bits: u32| {
        let body = json!({ "key_type": key_type, "key_bits": key_bits, "valid_principals": "root" });
        server.write("ssh/issue/r", body)
    };
    let unknown_type = "provided key_type value not in allowed_user_key_types";
    let unknown_bits = "provided key_bits value not in list of role's allowed_user_key_types";
    issue("ec", 256).await.refused_by_user_error(unknown_type);
    issue("ssh-rsa", 2048).await.refused_by_user_error(unknown_type);
    issue("rsa", 2560).await.refused_by_user_error(unknown_bits);
    issue("rsa", 0).await.refused_by_user_error(unknown_bits);
    for (key_type, key_bits, pem) in [("rsa", 2048, "RSA"), ("ed25519", 0, "OPENSSH")] {
        let data = issue(key_type, key_bits).await.data();
        assert_eq!(data["private_key_type"], key_type);
        let private_key = data["private_key"].as_str().unwrap();
        assert!(
            private_key.starts_with(&format!("-----BEGIN {pem} PRIVATE KEY-----\n")),
            "{private_key}"
        );
        let pair = GeneratedKey::from_pkcs8(&parse_private_key(private_key).unwrap()).unwrap();
        let certificate = Certificate::from_line(data["signed_key"].as_str().unwrap()).unwrap();
        assert_eq!(certificate.fields().subject_key, *pair.public_key());
        assert!(data["serial_number"].is_string());
        let hash = pair.public_key().sha256_hex();
        assert_eq!(certificate.fields().key_id.as_str(), format!("vault-root-{hash}"));
    }
}

#[tokio::test]
async fn a_listed_0_makes_a_key_of_the_default_size() {
    let server = Server::with_role(json!({
        "default_user": "root", "allowed_users": "root", "allowed_user_key_lengths": { "rsa": 0 },
    }))
    .await;
    let data = server.write("ssh/issue/r", json!({})).await.data();
    let certificate = Certificate::from_line(data["signed_key"].as_str().unwrap()).unwrap();
    assert_eq!(certificate.fields().subject_key.bits(), 4096);
    server
        .write("ssh/issue/r", json!({ "key_bits": 4096 }))
        .await
        .refused_by_user_error("provided key_bits value not in list of role's allowed_user_key_types");
}

#[tokio::test]
async fn without_a_map_every_known_word_makes_a_key() {
    let server = Server::with_role(json!({ "allowed_users": "root", "default_user": "root" })).await;
    for (fields, pem, name) in [
        (json!({ "key_bits": 2048 }), "RSA", "ssh-rsa"),
        (
            json!({ "key_type": "ssh-rsa", "key_bits": "3072" }),
            "RSA",
            "ssh-rsa",
        ),
        (json!({ "key_type": "ec" }), "EC", "ecdsa-sha2-nistp256"),
        (
            json!({ "key_type": "ecdsa-sha2-nistp384" }),
            "EC",
            "ecdsa-sha2-nistp384",
        ),
        (
            json!({ "key_type": "ec", "key_bits": 521 }),
            "EC",
            "ecdsa-sha2-nistp521",
        ),
        (json!({ "key_type": "ssh-ed25519" }), "OPENSSH", "ssh-ed25519"),
    ] {
        let data = server.write("ssh/issue/r", fields.clone()).await.data();
        let signed = data["signed_key"].as_str().unwrap();
        assert!(
            data["private_key"]
                .as_str()
                .unwrap()
                .contains(&format!("BEGIN {pem} PRIVATE KEY"))
        );
        assert!(
            signed.starts_with(&format!("{name}-cert-v01@openssh.com ")),
            "{signed}"
        );
        let word = fields.get("key_type").cloned().unwrap_or(json!("rsa"));
        assert_eq!(data["private_key_type"], word);
    }
    for (key_type, key_bits, text) in [
        (
            "rsa",
            1000,
            "refusing to generate weak rsa key: 1000 bits < 2048 bits",
        ),
        ("ec", 224, "unknown ECDSA key pair algorithm and bits: ec / 224"),
        ("ecdsa", 256, "unknown ssh key pair algorithm: ecdsa"),
        ("", 0, "unknown ssh key pair algorithm: "),
        (
            "rsa",
            2560,
            "RSA keys are made with 2048, 3072 or 4096 bits, not 2560",
        ),
    ] {
        let body = json!({ "key_type": key_type, "key_bits": key_bits });
        server
            .write("ssh/issue/r", body)
            .await
            .refused_by_user_error(text);
    }
    server
        .write("ssh/issue/none", json!({}))
        .await
        .refused_by_user_error("unknown role: none");
    let reply = server
        .write(
            "ssh/issue/r",
            json!({ "key_type": "ed25519", "valid_principals": "eve" }),
        )
        .await;
    reply.refused_by_user_error("eve is not a valid value for valid_principals");
}

/// The algorithm of the signature under a certificate, or the refusal.
async fn algorithm(server: &Server, signer: &str) -> Result<String, (u16, Value)> {
    server
        .role("r", json!({ "allowed_users": "*", "algorithm_signer": signer }))
        .await;
    let reply = server.sign(json!({ "valid_principals": "root" })).await;
    if reply.status != 200 {
        return Err((reply.status.as_u16(), reply.json()["errors"][0].clone()));
    }
    let data = reply.data();
    let certificate = Certificate::from_line(data["signed_key"].as_str().unwrap()).unwrap();
    let blob = certificate.signature_blob();
    let length = usize::try_from(u32::from_be_bytes(blob[..4].try_into().unwrap())).unwrap();
    Ok(String::from_utf8(blob[4..4 + length].to_vec()).unwrap())
}

#[tokio::test]
async fn case_150_151_152_153_154_155_156_157_rsa_signs_with_sha_2_and_others_as_they_do() {
    let server = Server::new().await;
    server
        .write("ssh/config/ca", json!({ "key_type": "rsa", "key_bits": 2048 }))
        .await
        .expect(200);
    for (signer, expected) in [
        ("", "rsa-sha2-256"),
        ("default", "rsa-sha2-256"),
        ("rsa-sha2-256", "rsa-sha2-256"),
        ("rsa-sha2-512", "rsa-sha2-512"),
    ] {
        assert_eq!(
            algorithm(&server, signer).await.as_deref(),
            Ok(expected),
            "{signer:?}"
        );
    }
    let (status, text) = algorithm(&server, "ssh-rsa").await.unwrap_err();
    assert_eq!(status, 400);
    assert!(
        text.as_str()
            .unwrap()
            .contains("sign error: ssh-rsa signatures use SHA-1")
    );
    assert_eq!(algorithm(&server, "").await.as_deref(), Ok("rsa-sha2-256"));

    server.delete("ssh/config/ca").await.expect(204);
    server
        .write("ssh/config/ca", json!({ "key_type": "ed25519" }))
        .await
        .expect(200);
    assert_eq!(algorithm(&server, "default").await.as_deref(), Ok("ssh-ed25519"));
    assert_eq!(algorithm(&server, "ssh-rsa").await.unwrap_err().0, 400);
    let (status, text) = algorithm(&server, "rsa-sha2-256").await.unwrap_err();
    assert_eq!(status, 500);
    assert!(
        text.as_str()
            .unwrap()
            .contains("failed to generate signed SSH key: sign error: "),
        "{text}"
    );
}
