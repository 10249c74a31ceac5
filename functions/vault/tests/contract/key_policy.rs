//! Which keys are certified, and under which key id: cases 123 to 134.

use crate::support::{ED25519, Server, public_key, public_line};
use countersign::authority::KeySpec::{self, Ed25519, P256, P384, P521, Rsa2048, Rsa3072, Rsa4096};
use serde_json::{Value, json};

async fn sign(server: &Server, lengths: &Value, spec: KeySpec) -> crate::support::Reply {
    server
        .role(
            "r",
            json!({ "allowed_users": "*", "allowed_user_key_lengths": lengths }),
        )
        .await;
    let key = public_line(spec).await;
    server
        .sign(json!({ "public_key": key, "valid_principals": "root" }))
        .await
}

#[tokio::test]
async fn case_123_124_125_126_127_128_129_130_sizes_are_exact() {
    let server = Server::with_ca().await;
    let mixed = json!({ "ec": [256], "ecdsa-sha2-nistp521": 0 });
    for (lengths, spec, refusal) in [
        (
            json!({ "rsa": 4096 }),
            Rsa2048,
            Some("key is of an invalid size: 2048"),
        ),
        (json!({ "rsa": 2048 }), Rsa2048, None),
        (
            json!({ "rsa": 2048 }),
            Rsa4096,
            Some("key is of an invalid size: 4096"),
        ),
        (json!({ "rsa": [2048, 4096] }), Rsa2048, None),
        (json!({ "rsa": [2048, 4096] }), Rsa4096, None),
        (
            json!({ "rsa": [2048, 4096] }),
            Rsa3072,
            Some("key is of an invalid size: 3072"),
        ),
        (
            json!({ "rsa": [2048, 4096] }),
            P256,
            Some("key of type ecdsa is not allowed"),
        ),
        (mixed.clone(), P256, None),
        (mixed.clone(), P521, None),
        (mixed.clone(), P384, Some("key is of an invalid size: 384")),
        (mixed.clone(), Rsa3072, Some("key of type rsa is not allowed")),
        (mixed, Ed25519, Some("key of type ed25519 is not allowed")),
        (json!({ "ssh-rsa": "2048,3072" }), Rsa3072, None),
        (json!({ "ed25519": 0 }), Ed25519, None),
        (json!({ "ssh-ed25519": 77 }), Ed25519, None),
        (
            json!({ "ed25519": [] }),
            Ed25519,
            Some("key is of an invalid size: 0"),
        ),
        (
            json!({ "ecdsa-sha2-nistp256": [] }),
            P256,
            Some("key is of an invalid size: 256"),
        ),
        (
            json!({ "dsa": 1024 }),
            Rsa2048,
            Some("key of type rsa is not allowed"),
        ),
        (json!({}), Rsa2048, None),
        (json!({}), P384, None),
    ] {
        let reply = sign(&server, &lengths, spec).await;
        match refusal {
            None => drop(reply.expect(200)),
            Some(text) => reply
                .refused_by_user_error(&format!("public_key failed to meet the key requirements: {text}")),
        }
    }
}

#[tokio::test]
async fn case_132_key_ids_follow_the_format() {
    let format = "{{role_name}}-{{token_display_name}}-{{public_key_hash}}-{{other}}";
    let server = Server::with_role(json!({ "allowed_users": "*", "key_id_format": format })).await;
    let hash = public_key(ED25519).sha256_hex();
    let key_id = server
        .sign(json!({ "valid_principals": "root" }))
        .await
        .certificate()
        .key_id;
    assert_eq!(key_id.as_str(), format!("r-root-{hash}-{{{{other}}}}"));
    server.role("r", json!({ "allowed_users": "*" })).await;
    let key_id = server
        .sign(json!({ "valid_principals": "root", "key_id": "" }))
        .await
        .certificate()
        .key_id;
    assert_eq!(key_id.as_str(), format!("vault-root-{hash}"));
}

#[tokio::test]
async fn case_133_a_chosen_key_id_needs_leave() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    let fields = json!({ "valid_principals": "root", "key_id": "override" });
    server
        .sign(fields.clone())
        .await
        .refused_by_user_error("setting key_id is not allowed by role");
    server
        .role("r", json!({ "allowed_users": "*", "allow_user_key_ids": true }))
        .await;
    assert_eq!(
        server.sign(fields).await.certificate().key_id.as_str(),
        "override"
    );
    for bad in ["a\nb", &"x".repeat(1025)] {
        server
            .sign(json!({ "valid_principals": "root", "key_id": bad }))
            .await
            .refused_with(400, "key_id: ");
    }
}
