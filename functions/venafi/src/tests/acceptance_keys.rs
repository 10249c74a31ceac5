//! Key pairs made here, and keys that are refused: the cases of the reference by number.

use super::fixture::{Fixture, text, users};
use countersign::{
    signer::private_key::{GeneratedKey, PrivateKeyError, parse_private_key},
    ssh::PublicKey,
};
use serde_json::{Value, json};

/// The public half of a private key as it was answered.
fn public_half(private_key: &str) -> PublicKey {
    let pkcs8 = parse_private_key(private_key).unwrap();
    GeneratedKey::from_pkcs8(&pkcs8).unwrap().public_key().clone()
}

#[tokio::test]
async fn case_07_a_key_pair_made_here_fits_its_certificate() {
    let fixture = Fixture::new().await;
    for algorithm in ["ED25519", "ECDSAP256", "ECDSAP384", "ECDSAP521", "RSA2048"] {
        let update = json!({"Name": "users", "Certificate": {"DefaultPrivateKeyAlgorithm": algorithm}});
        fixture
            .post_as(&fixture.root, "Template/Update", &update)
            .await
            .ok();
        let requested = fixture.request(json!({"PublicKeyData": null})).await.ok();
        let answer = fixture
            .retrieve(&requested, json!({"IncludePrivateKeyData": true}))
            .await;
        let body = answer.ok();
        let private_key = text(&body["PrivateKeyData"]);
        assert!(private_key.ends_with("-----END OPENSSH PRIVATE KEY-----\n") && !private_key.contains('\r'));
        let public_key = public_half(&private_key);
        assert_eq!(
            answer.certificate().fields().subject_key,
            public_key,
            "{algorithm}"
        );
        assert_eq!(body["PublicKeyData"], public_key.to_line());
    }
}

#[tokio::test]
async fn case_08_each_retrieve_encrypts_the_same_key_for_itself() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({"PublicKeyData": null})).await.ok();
    let key = |passphrase: Value| {
        let (fixture, requested) = (&fixture, &requested);
        async move {
            let body = json!({"IncludePrivateKeyData": true, "PrivateKeyPassphrase": passphrase});
            text(&fixture.retrieve(requested, body).await.ok()["PrivateKeyData"])
        }
    };
    let (one, other, plain) = (
        key(json!("one")).await,
        key(json!("two")).await,
        key(Value::Null).await,
    );
    assert_ne!(one, other);
    for encrypted in [&one, &other] {
        assert_eq!(
            parse_private_key(encrypted).unwrap_err(),
            PrivateKeyError::Encrypted
        );
    }
    let certificate = fixture.retrieve(&requested, json!({})).await.certificate();
    assert_eq!(public_half(&plain), certificate.fields().subject_key);
    // A passphrase for a key of the caller's own means nothing.
    let local = fixture.request(json!({})).await.ok();
    let body = json!({"IncludePrivateKeyData": true, "PrivateKeyPassphrase": "x"});
    assert!(
        fixture
            .retrieve(&local, body)
            .await
            .ok()
            .get("PrivateKeyData")
            .is_none()
    );
}

/// The command-line client uses a key that comes with the answer to its request, and gives the passphrase only later.
#[tokio::test]
async fn case_09_the_key_of_the_command_line_client_never_comes_in_clear() {
    let fixture = Fixture::new().await;
    let asked = json!({
        "CADN": "users", "KeyId": "svc-pass", "IncludePrivateKeyData": true, "IncludeCertificateDetails": true,
    });
    let requested = fixture.post("Request", &asked).await.ok();
    assert_eq!(requested["ProcessingDetails"]["Status"], "Pending Issue");
    assert!(requested.get("PrivateKeyData").is_none() && requested.get("CertificateData").is_none());
    let fetch = json!({
        "Guid": "", "IncludePrivateKeyData": true, "PrivateKeyPassphrase": "newPassw0rd!", "PrivateKeyFormat": "",
        "IncludeCertificateDetails": true,
    });
    let key = text(&fixture.retrieve(&requested, fetch).await.ok()["PrivateKeyData"]);
    assert_eq!(parse_private_key(&key).unwrap_err(), PrivateKeyError::Encrypted);
}

#[tokio::test]
async fn a_private_key_in_the_answer_to_its_request_is_encrypted_where_a_passphrase_is_given() {
    let fixture = Fixture::new().await;
    let with = |more: Value| {
        let fixture = &fixture;
        async move {
            let mut body = json!({"PublicKeyData": null});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            fixture.issue(body).await.ok()
        }
    };
    let plain = with(json!({})).await;
    public_half(&text(&plain["PrivateKeyData"]));
    let wrapped = with(json!({"PrivateKeyPassphrase": "x"})).await;
    let error = parse_private_key(&text(&wrapped["PrivateKeyData"])).unwrap_err();
    assert_eq!(error, PrivateKeyError::Encrypted);
    let without = with(json!({"IncludePrivateKeyData": false})).await;
    assert!(without.get("PrivateKeyData").is_none());
}

#[tokio::test]
async fn case_19_keys_of_other_algorithms_have_code_29_and_what_is_no_key_has_code_4() {
    let fixture = Fixture::new().await;
    let update =
        json!({"Name": "users", "Certificate": {"AllowedPrivateKeyAlgorithms": ["RSA3072", "ed25519"]}});
    fixture
        .post_as(&fixture.root, "Template/Update", &update)
        .await
        .ok();
    let ask = |line: String| {
        let fixture = &fixture;
        async move { fixture.request(json!({"PublicKeyData": line})).await }
    };
    let rsa = |bits: usize| {
        let mut modulus = vec![0xff; bits / 8];
        modulus[0] = 0x80;
        let mut blob = countersign::ssh::Writer::default();
        blob.string("ssh-rsa").mpint(&[1, 0, 1]).mpint(&modulus);
        use base64::Engine;
        format!(
            "ssh-rsa {}",
            base64::engine::general_purpose::STANDARD.encode(blob.into_bytes())
        )
    };
    ask(super::fixture::KEY.into()).await.ok();
    ask(rsa(3072)).await.ok();
    for bits in [1024, 2048, 4096] {
        let reason = ask(rsa(bits)).await.fails(400, 29);
        assert!(reason.starts_with("Non-compliant key algorithm"), "{reason}");
    }
    ask(rsa(20_480)).await.fails(400, 7);
    ask("ssh-dss AAAAB3NzaC1kc3M=".into()).await.fails(400, 29);
    let ecdsa = GeneratedKey::generate(countersign::authority::KeySpec::P256)
        .await
        .unwrap();
    ask(ecdsa.public_key().to_line()).await.fails(400, 29);
    let certificate = fixture.issue(json!({})).await.ok();
    for bad in [
        "no key".to_owned(),
        "ssh-ed25519".into(),
        "ssh-ed25519 %%%".into(),
        "ssh-ed25519 AAAA".into(),
        format!("{}\n{}", super::fixture::KEY, super::fixture::KEY),
        text(&certificate["CertificateData"]),
        "x".repeat(20_000),
    ] {
        ask(bad).await.fails(400, 4);
    }
}

#[tokio::test]
async fn a_private_key_is_given_to_who_asked_for_it_and_only_for_its_time() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({"PublicKeyData": null})).await.ok();
    let include = json!({"DN": requested["DN"], "IncludePrivateKeyData": true});
    // Another login of the same identity.
    let again = text(&fixture.log_in("ssh:manage").await.ok()["access_token"]);
    let fetch = |token: String| {
        let (fixture, include) = (&fixture, &include);
        async move { fixture.post_as(&token, "Retrieve", include).await }
    };
    assert!(fetch(again).await.ok()["PrivateKeyData"].is_string());
    assert!(fetch(fixture.root.clone()).await.ok()["PrivateKeyData"].is_string());
    fixture.identity("other", "another secret", &["venafi"]).await;
    let login =
        json!({"client_id": "c", "username": "other", "password": "another secret", "scope": "ssh:manage"});
    let other = fixture
        .send("POST", "/vedauth/authorize/oauth", None, Some(&login))
        .await
        .ok();
    let other = text(&other["access_token"]);
    fetch(other.clone()).await.fails(403, 12);
    let certificate = json!({"DN": requested["DN"]});
    fixture
        .post_as(&other, "Retrieve", &certificate)
        .await
        .certificate();

    fixture
        .clock
        .set(super::fixture::NOW + fixture.services.settings.private_key_secs);
    let late = fetch(fixture.root.clone()).await;
    late.certificate();
    assert!(late.ok().get("PrivateKeyData").is_none());
    let note = text(&late.ok()["ProcessingDetails"]["StatusDescription"]);
    assert!(note.contains("deleted"), "{note}");
}

#[tokio::test]
async fn private_keys_are_kept_encrypted_and_end_with_their_certificate() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({"PublicKeyData": null})).await.ok();
    let dn = crate::dn::Dn::parse(&text(&requested["DN"])).unwrap();
    let object = crate::object::by_dn(&*fixture.services.store, &dn)
        .await
        .unwrap()
        .unwrap()
        .object;
    let id = object.certificate_id().unwrap();
    let pair = crate::private_key::find(&fixture.services, id)
        .await
        .unwrap()
        .unwrap();
    let key = countersign::store::Key::new(
        countersign::store::Table::Access,
        format!("venafi/private-key/{id}"),
        "private-key",
    );
    let kept = countersign::store::read_one(&*fixture.services.store, &key)
        .await
        .unwrap()
        .unwrap();
    use base64::Engine;
    let plain = base64::engine::general_purpose::STANDARD.encode(&pair.pkcs8()[..]);
    assert!(!kept.body.contains(&plain[4..40]));
    assert_eq!(kept.expires_at, Some(super::fixture::NOW + 7 * 86_400));
    fixture.request(json!({"PublicKeyData": null})).await.ok();
    let gone = countersign::store::read_one(&*fixture.services.store, &key)
        .await
        .unwrap();
    assert!(gone.is_none());
}

#[tokio::test]
async fn a_key_is_certified_once_where_the_template_does_not_allow_it_again() {
    let fixture = Fixture::new().await;
    let mut once = users();
    once["Name"] = json!("once");
    once["Certificate"]["AllowedPrivateKeyReuse"] = json!(false);
    fixture.create_template(&once).await.ok();
    fixture.request(json!({"CADN": "once"})).await.ok();
    let reason = fixture
        .request(json!({"CADN": "once", "KeyId": "other"}))
        .await
        .fails(400, 100);
    assert!(reason.starts_with("PublicKeyData: "), "{reason}");
    // Another template allows it.
    fixture.request(json!({})).await.ok();
}
