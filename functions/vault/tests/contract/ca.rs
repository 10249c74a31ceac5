//! `config/ca` and `public_key`: cases 61 to 83.

use crate::support::{ED25519, ROOT, Server, key, public_key, public_line};
use axum::body::Body;
use countersign::{authority::KeySpec, ssh::Certificate};
use serde_json::{Value, json};

async fn pair(spec: KeySpec) -> (String, String) {
    let key = key(spec).await;
    (
        key.to_pem().as_str().to_owned(),
        format!("{} ca@example.com", key.public_key().to_line()),
    )
}

async fn import(server: &Server) -> String {
    let (private_key, public_key) = pair(KeySpec::Rsa2048).await;
    let body = json!({ "private_key": private_key, "public_key": public_key });
    server.write("ssh/config/ca", body).await.expect(204);
    public_key
}

#[tokio::test]
async fn case_61_an_imported_public_key_reads_back_byte_for_byte() {
    let server = Server::new().await;
    let public_key = import(&server).await;
    let reply = server
        .call_without_token("GET", "ssh/public_key", Body::empty())
        .await
        .expect(200);
    assert_eq!(reply.text(), public_key);
    assert_eq!(reply.headers["content-type"], "text/plain");
    assert_eq!(
        server.read("ssh/config/ca").await.data(),
        json!({ "public_key": public_key })
    );
}

#[tokio::test]
async fn case_62_63_64_a_key_is_generated_shown_and_not_overwritten() {
    let server = Server::new().await;
    let data = server.call("PUT", "ssh/config/ca", Body::empty()).await.data();
    let line = data["public_key"].as_str().unwrap();
    assert!(line.starts_with("ssh-rsa ") && line.ends_with('\n'));
    assert_eq!(public_key(line).bits(), 4096);
    assert_eq!(server.read("ssh/public_key").await.text(), line);
    server
        .write("ssh/config/ca", json!({}))
        .await
        .refused_by_user_error("keys are already configured; delete them before reconfiguring");
    assert_eq!(server.read("ssh/public_key").await.text(), line);
}

#[tokio::test]
async fn case_65_66_67_a_deleted_key_makes_room_for_another() {
    let server = Server::with_ca().await;
    server.delete("ssh/config/ca").await.expect(204);
    server
        .read("ssh/config/ca")
        .await
        .refused_by_user_error("keys haven't been configured yet");
    server.read("ssh/public_key").await.refused_silently(404);
    let imported = import(&server).await;
    let (private_key, public_key) = pair(KeySpec::Ed25519).await;
    let again = json!({ "private_key": private_key, "public_key": public_key });
    server
        .write("ssh/config/ca", again)
        .await
        .refused_with(400, "keys are already configured");
    assert_eq!(server.read("ssh/public_key").await.text(), imported);
    server.delete("ssh/config/ca").await.expect(204);
    server
        .write("ssh/config/ca", json!({ "key_type": "ed25519" }))
        .await
        .expect(200);
    server.delete("ssh/config/ca").await.expect(204);
}

#[tokio::test]
async fn case_68_deleting_nothing_is_204_too() {
    let server = Server::new().await;
    server.delete("ssh/config/ca").await.expect(204);
}

#[tokio::test]
async fn case_69_70_71_72_73_every_type_of_ca_key_signs() {
    let server = Server::new().await;
    let role = json!({ "allowed_users": "*", "ttl": "30s", "not_before_duration": "2h" });
    server.role("r", role).await;
    for (key_type, key_bits, word, bits) in [
        ("ssh-rsa", 2048, "ssh-rsa", 2048),
        ("ssh-rsa", 0, "ssh-rsa", 4096),
        ("rsa", 2048, "ssh-rsa", 2048),
        ("ecdsa-sha2-nistp256", 0, "ecdsa-sha2-nistp256", 256),
        ("ecdsa-sha2-nistp384", 0, "ecdsa-sha2-nistp384", 384),
        ("ecdsa-sha2-nistp521", 0, "ecdsa-sha2-nistp521", 521),
        ("ec", 256, "ecdsa-sha2-nistp256", 256),
        ("ec", 384, "ecdsa-sha2-nistp384", 384),
        ("ec", 521, "ecdsa-sha2-nistp521", 521),
        ("ec", 0, "ecdsa-sha2-nistp256", 256),
        ("ssh-ed25519", 0, "ssh-ed25519", 256),
        ("ed25519", 0, "ssh-ed25519", 256),
    ] {
        let body = json!({ "key_type": key_type, "key_bits": key_bits });
        let data = server.write("ssh/config/ca", body).await.data();
        let line = data["public_key"].as_str().unwrap();
        assert!(
            line.starts_with(&format!("{word} ")) && line.ends_with('\n'),
            "{key_type} {line}"
        );
        assert_eq!(public_key(line).bits(), bits);
        let certificate = server
            .sign(json!({ "valid_principals": "root" }))
            .await
            .certificate();
        assert_eq!(certificate.signature_key, public_key(line));
        assert_eq!(certificate.validity.length_secs(), 7230);
        server.delete("ssh/config/ca").await.expect(204);
    }
}

#[tokio::test]
async fn case_69_keys_that_cannot_be_made_are_named() {
    let server = Server::new().await;
    for (key_type, key_bits, text) in [
        (
            "ssh-rsa",
            1024,
            "refusing to generate weak ssh-rsa key: 1024 bits < 2048 bits",
        ),
        ("rsa", 1, "refusing to generate weak rsa key: 1 bits < 2048 bits"),
        ("ec", 224, "unknown ECDSA key pair algorithm and bits: ec / 224"),
        ("x", 0, "unknown ssh key pair algorithm: x"),
        ("", 0, "unknown ssh key pair algorithm: "),
    ] {
        let body = json!({ "key_type": key_type, "key_bits": key_bits });
        server
            .write("ssh/config/ca", body)
            .await
            .refused_framed(500, text);
    }
    server
        .read("ssh/config/ca")
        .await
        .refused_by_user_error("keys haven't been configured yet");
}

#[tokio::test]
async fn case_74_75_76_77_78_what_generate_signing_key_means() {
    let server = Server::new().await;
    let (private, public) = pair(KeySpec::Ed25519).await;
    let only_one = "only one of public_key and private_key set; both must be set to use, or both must be blank to \
                    auto-generate";
    let not_both = "public_key and private_key must not be set when generate_signing_key is set to true";
    for (generate, public, private, text) in [
        (json!(false), "", "", "missing public_key"),
        (json!(null), "", "", "missing public_key"),
        (json!(false), public.as_str(), "", "missing private_key"),
        (json!(false), "", private.as_str(), "missing public_key"),
        (json!(true), &public, &private, not_both),
        (json!(true), &public, "", not_both),
        (json!("true"), "", &private, not_both),
    ] {
        let body = json!({ "generate_signing_key": generate, "public_key": public, "private_key": private });
        server
            .write("ssh/config/ca", body)
            .await
            .refused_by_user_error(text);
    }
    server
        .write("ssh/config/ca", json!({ "public_key": public }))
        .await
        .refused_by_user_error(only_one);
    server
        .write("ssh/config/ca", json!({ "private_key": private }))
        .await
        .refused_by_user_error(only_one);

    let explicit = json!({ "generate_signing_key": false, "public_key": public, "private_key": private });
    server.write("ssh/config/ca", explicit).await.expect(204);
    server.delete("ssh/config/ca").await.expect(204);
    // As hvac sends it.
    let hvac = json!({
        "generate_signing_key": true, "public_key": "", "private_key": "", "key_type": "ssh-rsa", "key_bits": 2048,
    });
    let data = server.write("ssh/config/ca", hvac).await.data();
    assert!(data["public_key"].as_str().unwrap().starts_with("ssh-rsa "));
}

#[tokio::test]
async fn case_80_a_managed_key_is_an_authority_of_the_account() {
    let server = Server::with_ca().await;
    let line = server.read("ssh/public_key").await.text();
    let authorities = countersign::authority::Authority::list(&*server.services.store)
        .await
        .unwrap();
    let id = authorities[0].0.id.to_string();
    let other = countersign_vault::mounts::Mount::draw(
        &server.services,
        "other",
        countersign_vault::mounts::MountType::Ssh,
    )
    .unwrap();
    countersign_vault::mounts::create(&server.services, &other)
        .await
        .unwrap();
    // As the Terraform provider sends it: everything is there, most of it empty.
    let body = json!({ "managed_key_id": id, "managed_key_name": "", "public_key": "x", "private_key": "" });
    let data = server.write("other/config/ca", body).await.data();
    assert_eq!(data, json!({ "public_key": line }));
    // Whoever goes last, ends it.
    server.delete("ssh/config/ca").await.expect(204);
    server
        .write(
            "other/roles/r",
            json!({ "key_type": "ca", "allow_user_certificates": true, "allowed_users": "*" }),
        )
        .await
        .expect(204);
    let sign = json!({ "public_key": ED25519, "valid_principals": "root" });
    let signed = server.write("other/sign/r", sign).await.certificate();
    assert_eq!(signed.signature_key, public_key(&line));

    for (name, text) in [
        (
            "sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj",
            "no authority sshca_2rwwl2T6kKDNklNsSXGf3D53Kpj",
        ),
        ("arn:aws:kms:eu-central-1:111122223333:key/x", "KMS"),
    ] {
        server
            .write("ssh/config/ca", json!({ "managed_key_name": name }))
            .await
            .refused_with(400, text);
    }
}

#[tokio::test]
async fn case_81_82_83_as_the_terraform_provider_sees_it() {
    let server = Server::new().await;
    let body = json!({
        "generate_signing_key": true, "key_bits": 0, "key_type": "ed25519", "private_key": "", "public_key": "",
        "managed_key_id": "", "managed_key_name": "",
    });
    let reply = server.write("ssh/config/ca", body).await.expect(200).json();
    assert_eq!(reply["warnings"], Value::Null);
    let generated = reply["data"]["public_key"].clone();
    assert_eq!(server.read("ssh/config/ca").await.data()["public_key"], generated);
    server.delete("ssh/config/ca").await.expect(204);
    server
        .read("ssh/config/ca")
        .await
        .refused_by_user_error("keys haven't been configured yet");
}

#[tokio::test]
async fn a_deleted_key_signs_no_more_and_a_retired_authority_stays_on_record() {
    let server = Server::with_role(json!({ "allowed_users": "*" })).await;
    server.delete("ssh/config/ca").await.expect(204);
    let reply = server.sign(json!({ "valid_principals": "root" })).await;
    reply.refused_framed(500, "error creating signer: no keys configured");
    // What the role refuses comes first.
    let reply = server.sign(json!({ "cert_type": "host" })).await;
    reply.refused_by_user_error("cert_type 'host' is not allowed by role");
    let authorities = countersign::authority::Authority::list(&*server.services.store)
        .await
        .unwrap();
    assert_eq!(authorities.len(), 1);
    assert_eq!(
        authorities[0].0.state,
        countersign::authority::AuthorityState::Retired
    );
}

#[tokio::test]
async fn bad_key_material_is_refused() {
    let server = Server::new().await;
    let (private, public) = pair(KeySpec::Ed25519).await;
    let other = public_line(KeySpec::P256).await;
    let certificate = {
        let server = Server::with_role(json!({ "allowed_users": "*" })).await;
        let reply = server.sign(json!({ "valid_principals": "root" })).await.data();
        let line = reply["signed_key"].as_str().unwrap().to_owned();
        assert!(Certificate::from_line(&line).is_ok());
        line
    };
    for (private_key, public_key, prefix) in [
        (
            "hello",
            public.as_str(),
            "Unable to parse private_key as an SSH private key:",
        ),
        (
            "hello",
            "hello",
            "Unable to parse private_key as an SSH private key:",
        ),
        (
            &public,
            &public,
            "Unable to parse private_key as an SSH private key:",
        ),
        (
            &private,
            "hello",
            "Unable to parse public_key as an SSH public key:",
        ),
        (
            &private,
            &certificate,
            "Unable to parse public_key as an SSH public key:",
        ),
        (
            &private,
            &other,
            "public_key is not the public half of private_key",
        ),
    ] {
        let body = json!({ "private_key": private_key, "public_key": public_key });
        server
            .write("ssh/config/ca", body)
            .await
            .refused_with(400, prefix);
    }
    server
        .read("ssh/config/ca")
        .await
        .refused_with(400, "keys haven't been configured yet");
    assert!(
        !server
            .audit
            .decisions()
            .iter()
            .any(|decision| format!("{decision:?}").contains(ROOT))
    );
}
