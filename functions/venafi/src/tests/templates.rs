//! Making, changing and deleting templates.

use super::fixture::{Fixture, NOW, text, users};
use countersign::store::{
    Condition, StoreError, Write,
    faulty::{Fail, Fault, Operation},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_template_that_says_only_its_name_has_the_defaults() {
    let fixture = Fixture::new().await;
    let made = fixture.create_template(&json!({"Name": "plain"})).await.ok();
    assert_eq!(made["DN"], r"\VED\Certificate Authority\SSH\Templates\plain");
    assert_eq!(made["Response"]["Success"], true);
    let shown = fixture
        .post("Template/Retrieve", &json!({"Guid": made["Guid"]}))
        .await
        .ok();
    assert_eq!(shown["Name"], "plain");
    assert_eq!(shown["CAKeyPair"]["KeyAlgorithm"], "RSA4096");
    assert_eq!(
        shown["CAKeyPairDN"],
        r"\VED\Certificate Authority\SSH\Key Pairs\plain"
    );
    assert!(
        shown["APIClient"]
            .as_object()
            .unwrap()
            .values()
            .all(|flag| *flag == json!(true))
    );
    assert_eq!(shown["Certificate"]["Type"], "Client");
    assert_eq!(
        shown["AccessControl"]["DefaultExtensions"],
        json!(["permit-pty", "permit-user-rc"])
    );
    assert_eq!(
        shown["AccessControl"]["DefaultCertificateIdentifier"],
        Value::Null
    );
}

#[tokio::test]
async fn an_update_replaces_the_sections_that_it_names() {
    let fixture = Fixture::new().await;
    let before = fixture
        .post("Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    for name in [
        json!({"Name": "users"}),
        json!({"DN": before["DN"]}),
        json!({"Guid": before["Guid"]}),
    ] {
        let mut update = name;
        update["Certificate"] = json!({"ValidityPeriod": "5m", "SignatureHashingAlgorithm": "SHA256"});
        fixture
            .post_as(&fixture.root, "Template/Update", &update)
            .await
            .ok();
    }
    let after = fixture
        .post("Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    assert_eq!(after["Certificate"]["ValidityPeriod"], "5m");
    assert_eq!(
        after["Certificate"]["CertificateDestinationDn"],
        r"\VED\Policy\SSH Certificates"
    );
    for same in ["AccessControl", "APIClient", "CAKeyPair", "Guid", "Authority"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let certificate = fixture.issue(json!({})).await.certificate();
    assert_eq!(certificate.fields().validity.length_secs(), 300);
    fixture
        .post_as(
            &fixture.root,
            "Template/Update",
            &json!({"Name": "none", "Contacts": ["a"]}),
        )
        .await
        .fails(404, 100);
    fixture
        .post_as(&fixture.root, "Template/Update", &json!({"Contacts": ["a"]}))
        .await
        .fails(400, 100);
}

#[tokio::test]
async fn an_rsa_ca_signs_with_the_hash_of_the_template() {
    let fixture = Fixture::new().await;
    for (hash, algorithm) in [("SHA256", "rsa-sha2-256"), ("SHA512", "rsa-sha2-512")] {
        let mut document = users();
        document["Name"] = json!(hash);
        document["CAKeyPair"] = json!({"KeyAlgorithm": "RSA2048"});
        document["Certificate"]["SignatureHashingAlgorithm"] = json!(hash);
        fixture.create_template(&document).await.ok();
        let certificate = fixture.issue(json!({"CADN": hash})).await.certificate();
        let mut blob = countersign::ssh::Reader::new(certificate.signature_blob());
        assert_eq!(blob.text().unwrap(), algorithm);
        let pending = fixture
            .request(json!({"CADN": hash, "KeyId": "later"}))
            .await
            .ok();
        let certificate = fixture.retrieve(&pending, json!({})).await.certificate();
        let mut blob = countersign::ssh::Reader::new(certificate.signature_blob());
        assert_eq!(blob.text().unwrap(), algorithm);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict_in_any_case() {
    let fixture = Fixture::new().await;
    let mut document = users();
    for name in ["users", "USERS"] {
        document["Name"] = json!(name);
        fixture.create_template(&document).await.fails(409, 100);
    }
}

#[tokio::test]
async fn mistakes_in_a_document_are_named_by_their_place() {
    let fixture = Fixture::new().await;
    for (place, section) in [
        ("Name", json!({"Name": r"a\b"})),
        ("Name", json!({"Name": null})),
        ("Nmae", json!({"Nmae": "x"})),
        (
            "AccessControl.AllowedPrincipalPatterns",
            json!({"AccessControl": {"AllowedPrincipalPatterns": [".*"]}}),
        ),
        (
            "AccessControl.AllowedPrincipalsPatterns",
            json!({"AccessControl": {"AllowedPrincipalsPatterns": ["("]}}),
        ),
        (
            "AccessControl.AllowedPrincipalsPatterns",
            json!({"AccessControl": {"AllowedPrincipalsPatterns": ["(?=a)b"]}}),
        ),
        (
            "AccessControl.AllowedPrincipalsPatterns",
            json!({"AccessControl": {"AllowedPrincipalsPatterns": ["a".repeat(1025)]}}),
        ),
        (
            "AccessControl.AllowedForceCommandPatterns",
            json!({"AccessControl": {"AllowedForceCommandPatterns": ["(?:a{1000}){1000}"]}}),
        ),
        (
            "AccessControl.AllowedCertificateIdentifierPatterns",
            json!({"AccessControl": {"AllowedCertificateIdentifierPatterns": ["["]}}),
        ),
        (
            "AccessControl.DefaultPrincipals",
            json!({"AccessControl": {"DefaultPrincipals": ["a,b"]}}),
        ),
        (
            "AccessControl.DefaultExtensions",
            json!({"AccessControl": {"DefaultExtensions": ["force-command"]}}),
        ),
        (
            "AccessControl.DefaultSourceAddresses",
            json!({"AccessControl": {"DefaultSourceAddresses": ["a b"]}}),
        ),
        (
            "AccessControl.AllowedSourceAddresses",
            json!({"AccessControl": {"AllowedSourceAddresses": ["10.0.0.0/99"]}}),
        ),
        (
            "AccessControl.DefaultCertificateIdentifier",
            json!({"AccessControl": {"DefaultCertificateIdentifier": "a\nb"}}),
        ),
        (
            "AccessControl.AllowedExtensions",
            json!({"AccessControl": {"AllowedExtensions": vec!["x"; 257]}}),
        ),
        ("Certificate.Type", json!({"Certificate": {"Type": "Server"}})),
        (
            "Certificate.ValidityPeriod",
            json!({"Certificate": {"ValidityPeriod": "20300101"}}),
        ),
        (
            "Certificate.ValidityPeriod",
            json!({"Certificate": {"ValidityPeriod": "forever"}}),
        ),
        (
            "Certificate.ValidityPeriod",
            json!({"Certificate": {"ValidityPeriod": "99999w"}}),
        ),
        (
            "Certificate.AllowedPrivateKeyAlgorithms",
            json!({"Certificate": {"AllowedPrivateKeyAlgorithms": ["DSA"]}}),
        ),
        (
            "Certificate.DefaultPrivateKeyAlgorithm",
            json!({"Certificate": {
                "AllowedPrivateKeyAlgorithms": ["RSA2048"], "DefaultPrivateKeyAlgorithm": "ED25519",
            }}),
        ),
        (
            "Certificate.CertificateDestinationDn",
            json!({"Certificate": {"CertificateDestinationDn": "x"}}),
        ),
        (
            "Certificate.SignatureHashingAlgorithm",
            json!({"Certificate": {"SignatureHashingAlgorithm": "SHA1"}}),
        ),
        (
            "Certificate.AllowedPrivateKeyReuse",
            json!({"Certificate": {"AllowedPrivateKeyReuse": 1}}),
        ),
        (
            "CAKeyPair.KeyAlgorithm",
            json!({"CAKeyPair": {"KeyAlgorithm": "RSA1024"}}),
        ),
        (
            "CAKeyPair",
            json!({"CAKeyPair": {"KeyAlgorithm": "RSA2048"}, "Authority": "sshca_x"}),
        ),
        ("Authority", json!({"Authority": "x"})),
        (
            "template",
            json!({
                "AccessControl": {
                    "AllowedPrincipalsPatterns": vec!["a".repeat(1000); 200],
                    "AllowedForceCommandPatterns": vec!["a".repeat(1000); 200],
                },
            }),
        ),
    ] {
        let mut document = json!({"Name": "wrong"});
        document
            .as_object_mut()
            .unwrap()
            .extend(section.as_object().unwrap().clone());
        let reason = fixture.create_template(&document).await.fails(400, 100);
        assert!(reason.starts_with(&format!("{place}: ")), "{place}: {reason}");
    }
    fixture
        .post("Template/Retrieve", &json!({"DN": "wrong"}))
        .await
        .fails(404, 100);
}

#[tokio::test]
async fn a_template_is_deleted_when_none_of_its_certificates_is_valid_any_more() {
    let fixture = Fixture::new().await;
    let name = json!({"Name": "users"});
    let delete = || fixture.post_as(&fixture.root, "Template/Delete", &name);
    let requested = fixture.request(json!({"ValidityPeriod": "1h"})).await.ok();
    delete().await.fails(409, 100);
    fixture.retrieve(&requested, json!({})).await.certificate();
    // The one that takes its place ends earlier, but the first is valid still.
    fixture.issue(json!({"ValidityPeriod": "1s"})).await.certificate();
    fixture.clock.set(NOW + 3599);
    delete().await.fails(409, 100);
    fixture.clock.set(NOW + 3600);
    let gone = delete().await.ok();
    assert_eq!(gone["Response"]["Success"], true);
    delete().await.fails(404, 100);
    fixture.request(json!({})).await.fails(400, 100);
    fixture.retrieve(&requested, json!({})).await.certificate();
    fixture.create_template(&users()).await.ok();
}

#[tokio::test]
async fn what_is_asked_of_a_template_while_it_is_being_deleted_is_not_signed() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({})).await.ok();
    let dn = crate::dn::Dn::template("users").unwrap();
    let (mut template, stored) = crate::template::by_dn(&*fixture.services.store, &dn)
        .await
        .unwrap()
        .unwrap();
    template.deleting_since = Some(NOW);
    let announced = stored.replaced(&template).unwrap();
    let write = Write::Put(announced.clone(), Condition::Version(stored.version));
    fixture.services.store.write(&[write]).await.unwrap();
    let answer = fixture.retrieve(&requested, json!({})).await.ok();
    assert_eq!(answer["ProcessingDetails"]["Status"], "Pending Issue");
    // Whoever announced it has died, or is slow: then it finds its announcement withdrawn.
    fixture.clock.set(NOW + 60);
    fixture.retrieve(&requested, json!({})).await.certificate();
    let store = &fixture.services.store;
    let late = store.write(&template.delete(&announced)).await;
    assert!(matches!(late, Err(StoreError::ConditionFailed(_))), "{late:?}");
    let other = fixture.request(json!({"KeyId": "other"})).await.ok();
    let (template, stored) = crate::template::by_dn(&**store, &dn).await.unwrap().unwrap();
    assert_eq!(template.deleting_since, None);
    store.write(&template.delete(&stored)).await.unwrap();
    let answer = fixture.retrieve(&other, json!({})).await.ok();
    assert_eq!(answer["ProcessingDetails"]["Status"], "Rejected");
    assert_eq!(
        text(&answer["ProcessingDetails"]["StatusDescription"]),
        "The template was deleted."
    );
}

#[tokio::test]
async fn a_deletion_that_fails_or_is_refused_leaves_no_announcement() {
    let fixture = Fixture::new().await;
    let body = json!({"DN": "users"});
    let announced = async || {
        let dn = crate::dn::Dn::template("users").unwrap();
        let found = crate::template::by_dn(&*fixture.services.store, &dn)
            .await
            .unwrap();
        found.unwrap().0.deleting_since
    };
    // The first write announces it; the second deletes it.
    fixture
        .store
        .fail_nth(Operation::Write, 2, Fail::Before, Fault::Unavailable);
    let answer = fixture.post_as(&fixture.root, "Template/Delete", &body).await;
    assert_eq!(answer.status, 503);
    assert_eq!(announced().await, None);

    // One that was announced, and changed by an update since, is announced no more.
    fixture.announce_deletion("users").await;
    let update = json!({"Name": "users", "Contacts": []});
    fixture
        .post_as(&fixture.root, "Template/Update", &update)
        .await
        .ok();
    assert_eq!(announced().await, None);

    // One that died, and whose template has valid certificates now.
    let requested = fixture.request(json!({})).await.ok();
    fixture.retrieve(&requested, json!({})).await.certificate();
    fixture.announce_deletion("users").await;
    let answer = fixture.post_as(&fixture.root, "Template/Delete", &body).await;
    assert_eq!(answer.status, 409);
    assert_eq!(announced().await, None);
}
