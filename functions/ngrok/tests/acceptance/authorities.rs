//! Authorities: what is made, read, changed and deleted.

use crate::support::{BASE, NOW, World};
use countersign::{
    authority::{Authority, AuthorityId, AuthorityState},
    types::Ksuid,
};
use serde_json::{Value, json};
use ssh_key::{Algorithm, EcdsaCurve, PublicKey};

const PATH: &str = "/ssh_certificate_authorities";

fn public_key(body: &Value) -> PublicKey {
    PublicKey::from_openssh(body["public_key"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn case_01_an_ed25519_authority() {
    let world = World::new().await;
    let body = json!({
        "description": "staging", "metadata": "", "private_key_type": "ed25519", "elliptic_curve": "", "key_size": 0,
    });
    let made = world.post(PATH, body).await.expect(201);
    let id = made.text("id");
    let ksuid = Ksuid::parse(id.strip_prefix("sshca_").unwrap()).unwrap();
    assert_eq!((id.len(), ksuid.unix_secs()), (33, NOW));
    assert_eq!(made.text("created_at"), "2026-11-02T12:26:40Z");
    assert_eq!(made.text("uri"), format!("{BASE}{PATH}/{id}"));
    assert_eq!((made.text("description"), made.text("metadata")), ("staging", ""));
    let words: Vec<&str> = made.text("public_key").split(' ').collect();
    assert_eq!((words.len(), words[0]), (2, "ssh-ed25519"));
    assert_eq!(world.get(made.path()).await.expect(200).body, made.body);
}

#[tokio::test]
async fn case_02_nothing_given_makes_the_default() {
    let world = World::new().await;
    let empty = json!({
        "description": "", "metadata": "", "private_key_type": "", "elliptic_curve": "", "key_size": 0,
    });
    let null = json!({
        "description": null, "metadata": null, "private_key_type": null, "elliptic_curve": null, "key_size": null,
    });
    for body in [empty, null, json!({})] {
        let made = world.post(PATH, body).await.expect(201);
        assert_eq!(made.text("key_type"), "ed25519");
    }
}

#[tokio::test]
async fn case_03_key_types_agree_with_the_public_keys() {
    let world = World::new().await;
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    for (body, key_type, algorithm) in [
        (
            json!({ "private_key_type": "ecdsa" }),
            "ecdsa",
            ecdsa(EcdsaCurve::NistP256),
        ),
        (
            json!({ "private_key_type": "ecdsa", "elliptic_curve": "p256" }),
            "ecdsa",
            ecdsa(EcdsaCurve::NistP256),
        ),
        (
            json!({ "private_key_type": "ecdsa", "elliptic_curve": "nistp384" }),
            "ecdsa",
            ecdsa(EcdsaCurve::NistP384),
        ),
        (
            json!({ "private_key_type": "ecdsa", "elliptic_curve": "P-521" }),
            "ecdsa",
            ecdsa(EcdsaCurve::NistP521),
        ),
    ] {
        let made = world.post(PATH, body).await.expect(201);
        assert_eq!(made.text("key_type"), key_type);
        assert_eq!(public_key(&made.body).algorithm(), algorithm);
    }
    for (size, bits) in [(2048, 2048), (4096, 4096), (0, 4096)] {
        let body = json!({ "private_key_type": "rsa", "key_size": size });
        let made = world.post(PATH, body).await.expect(201);
        assert_eq!(made.text("key_type"), "rsa");
        let key = public_key(&made.body);
        let modulus = key.key_data().rsa().unwrap().n().as_positive_bytes().unwrap();
        assert_eq!(modulus.len() * 8, bits);
    }
}

#[tokio::test]
async fn case_04_parameters_that_do_not_fit_have_their_codes() {
    let world = World::new().await;
    for (body, code) in [
        (json!({ "private_key_type": "ed25519", "key_size": 2048 }), 1940),
        (json!({ "key_size": 2048 }), 1940),
        (
            json!({ "private_key_type": "rsa", "elliptic_curve": "p256" }),
            1942,
        ),
        (json!({ "private_key_type": "rsa", "key_size": 1024 }), 1939),
        (json!({ "private_key_type": "rsa", "key_size": -1 }), 1939),
        (
            json!({ "private_key_type": "ecdsa", "elliptic_curve": "p192" }),
            1941,
        ),
        (json!({ "private_key_type": "dsa" }), 1936),
        (json!({ "private_key_type": "RSA" }), 1936),
    ] {
        world.post(PATH, body).await.expect_error(400, code);
    }
    assert_eq!(world.get(PATH).await.ids("ssh_certificate_authorities"), [""; 0]);
}

#[tokio::test]
async fn case_15_an_authority_in_use_is_not_deleted() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let path = format!("{PATH}/{authority}");
    let user = world.user_certificate(&authority, json!({})).await.expect(201);
    let host = world.host_certificate(&authority, json!({})).await.expect(201);
    for certificate in [user, host] {
        world.delete(&path).await.expect_error(400, 1964);
        world.get(&path).await.expect(200);
        world.delete(certificate.path()).await.expect(204);
    }
    world.delete(&path).await.expect(204);

    for answer in [
        world.get(&path).await,
        world.delete(&path).await,
        world.patch(&path, json!({})).await,
    ] {
        answer.expect_not_found();
    }
    assert_eq!(world.get(PATH).await.ids("ssh_certificate_authorities"), [""; 0]);
    world
        .user_certificate(&authority, json!({}))
        .await
        .expect_error(400, 1951);
    world
        .host_certificate(&authority, json!({}))
        .await
        .expect_error(400, 1949);

    // The key is retired, not destroyed.
    let kept = Authority::read(&*world.services.store, &authority)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.0.state, AuthorityState::Retired);
    assert!(world.retired_keys() > 0);
}

#[tokio::test]
async fn an_expired_certificate_keeps_its_authority_too() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    world.user_certificate(&authority, json!({})).await.expect(201);
    world.clock.set(NOW + 10 * 365 * 86_400);
    let path = format!("{PATH}/{authority}");
    world.delete(&path).await.expect_error(400, 1964);
}

#[tokio::test]
async fn an_update_changes_the_two_texts_alone() {
    let world = World::new().await;
    let made = world
        .post(PATH, json!({ "description": "a", "metadata": "b" }))
        .await
        .expect(201);
    let changed = world
        .patch(made.path(), json!({ "description": "c" }))
        .await
        .expect(200);
    let mut expected = made.body.clone();
    expected["description"] = json!("c");
    assert_eq!(changed.body, expected);
    assert_eq!(world.get(made.path()).await.body, expected);
    let cleared = world
        .patch(made.path(), json!({ "metadata": "", "description": null }))
        .await;
    expected["metadata"] = json!("");
    assert_eq!(cleared.expect(200).body, expected);
    world
        .patch(made.path(), json!({ "key_type": "rsa" }))
        .await
        .expect_error(400, 214);
}

#[tokio::test]
async fn other_ids_are_not_found() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let absent = AuthorityId::draw(NOW, &*world.services.random).unwrap();
    let lower = authority.as_str().to_lowercase();
    for id in [
        absent.as_str(),
        "sshca_",
        "x",
        "sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj",
        &lower,
        "%00",
    ] {
        world.get(&format!("{PATH}/{id}")).await.expect_not_found();
        world.delete(&format!("{PATH}/{id}")).await.expect_not_found();
    }
}
