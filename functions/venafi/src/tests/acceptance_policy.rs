//! What templates allow and refuse: the cases of the reference by number, and each flag.

use super::fixture::{Fixture, KEY, text};
use serde_json::{Value, json};

#[tokio::test]
async fn case_17_what_the_template_does_not_allow_is_refused_by_name() {
    let fixture = Fixture::new().await;
    for (name, value) in [
        ("Principals", json!(["alice", "ROOT"])),
        ("Principals", json!(["root;x"])),
        ("Extensions", json!({"permit-agent-forwarding": ""})),
        ("Extensions", json!({"permit-pty": "x"})),
        ("Extensions", json!({"Permit-Pty": ""})),
        ("ForceCommand", json!("sh -c /usr/scripts/x")),
        ("ForceCommand", json!("/usr/scripts/")),
        ("SourceAddresses", json!(["a b"])),
        ("SourceAddresses", json!(["10.0.0.0/99"])),
        ("SourceAddresses", json!(["!10.0.0.1"])),
        ("SourceAddresses", json!(["10.0.0.0/8", ""])),
    ] {
        let reason = fixture.request(json!({name: value})).await.fails(400, 100);
        assert!(reason.contains(name), "{name}: {reason}");
    }
    let unknown = fixture.request(json!({"CADN": "no-such"})).await;
    assert_eq!(
        unknown.fails(400, 100),
        "SSH certificate issuance template was not found."
    );
}

#[tokio::test]
async fn case_18_without_principals_there_are_the_defaults_or_a_refusal() {
    let fixture = Fixture::new().await;
    for principals in [Value::Null, json!([])] {
        let certificate = fixture
            .issue(json!({"Principals": principals}))
            .await
            .certificate();
        let names: Vec<_> = certificate.fields().valid_principals.iter().collect();
        assert_eq!(names, ["bob", "alice"]);
    }
    let extensions: Vec<(String, String)> = fixture
        .issue(json!({}))
        .await
        .certificate()
        .fields()
        .extensions
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let expected = ["permit-pty", "permit-user-rc"].map(|name| (name.to_owned(), String::new()));
    assert_eq!(extensions, expected);
    let reason = fixture.request(json!({"CADN": "hosts"})).await.fails(400, 100);
    assert!(reason.starts_with("Principals: "), "{reason}");
}

/// A template with these sections, asked for these things.
async fn asked(fixture: &Fixture, sections: Value, more: Value) -> super::fixture::Answer {
    let mut document = json!({"Name": "t", "CAKeyPair": {"KeyAlgorithm": "ED25519"}});
    document
        .as_object_mut()
        .unwrap()
        .extend(sections.as_object().unwrap().clone());
    let made = fixture.create_template(&document).await;
    if made.status.as_u16() == 409 {
        document.as_object_mut().unwrap().remove("CAKeyPair");
        fixture
            .post_as(&fixture.root, "Template/Update", &document)
            .await
            .ok();
    } else {
        made.ok();
    }
    let mut body = json!({
        "CADN": "t", "KeyId": "k", "PublicKeyData": KEY, "ProcessingTimeout": 5, "IncludeCertificateDetails": true,
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    fixture.post("Request", &body).await
}

fn control(more: Value) -> Value {
    let mut control = json!({"DefaultPrincipals": ["alice"]});
    control
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    control
}

#[tokio::test]
async fn flags_that_are_off_give_the_defaults_and_refuse_what_would_loosen_them() {
    let fixture = Fixture::new().await;
    let off = |name: &str| json!({format!("AllowedToRequest{name}"): false});
    let details = |answer: super::fixture::Answer| answer.ok()["CertificateDetails"].clone();

    let sections = json!({
        "APIClient": off("Principals"),
        "AccessControl": control(json!({"AllowedPrincipalsPatterns": [".*"]})),
    });
    let got = details(asked(&fixture, sections, json!({"Principals": ["root"]})).await);
    assert_eq!(got["Principals"], json!(["alice"]));

    let sections = json!({
        "APIClient": off("CertificateIdentifier"),
        "AccessControl": control(json!({"DefaultCertificateIdentifier": "fixed"})),
    });
    let got = details(asked(&fixture, sections, json!({"KeyId": "other"})).await);
    assert_eq!(got["KeyID"], "fixed");
    let sections = json!({"APIClient": off("CertificateIdentifier"), "AccessControl": control(json!({}))});
    asked(&fixture, sections, json!({})).await.fails(400, 100);

    let sections = json!({"APIClient": off("Extensions"), "AccessControl": control(json!({}))});
    let got = details(
        asked(
            &fixture,
            sections,
            json!({"Extensions": {"permit-port-forwarding": ""}}),
        )
        .await,
    );
    assert_eq!(got["Extensions"], json!({"permit-pty": "", "permit-user-rc": ""}));

    let forced = json!({"DefaultForceCommand": "/bin/true", "AllowedForceCommandPatterns": [".*"]});
    let sections = json!({"APIClient": off("ForceCommand"), "AccessControl": control(forced.clone())});
    let got = details(asked(&fixture, sections.clone(), json!({"ForceCommand": "/bin/true"})).await);
    assert_eq!(got["ForceCommand"], "/bin/true");
    let got = details(asked(&fixture, sections.clone(), json!({})).await);
    assert_eq!(got["ForceCommand"], "/bin/true");
    asked(&fixture, sections, json!({"ForceCommand": "/bin/sh"}))
        .await
        .fails(400, 100);

    let bound = json!({"DefaultSourceAddresses": ["10.1.2.3/8"]});
    let sections = json!({"APIClient": off("SourceAddresses"), "AccessControl": control(bound.clone())});
    let got = details(
        asked(
            &fixture,
            sections.clone(),
            json!({"SourceAddresses": ["10.0.0.0/8"]}),
        )
        .await,
    );
    assert_eq!(got["SourceAddresses"], json!(["10.0.0.0/8"]));
    for wider in ["0.0.0.0/0", "host.example.com"] {
        let answer = asked(&fixture, sections.clone(), json!({"SourceAddresses": [wider]})).await;
        answer.fails(400, 100);
    }
    let sections = json!({"APIClient": off("SourceAddresses"), "AccessControl": control(json!({}))});
    asked(&fixture, sections, json!({"SourceAddresses": ["10.0.0.1"]}))
        .await
        .fails(400, 100);
}

#[tokio::test]
async fn asking_for_one_option_does_not_shake_off_the_other() {
    let fixture = Fixture::new().await;
    let sections = json!({"AccessControl": control(json!({
        "DefaultSourceAddresses": ["10.0.0.0/8", "bastion.example.com"],
        "DefaultForceCommand": "/bin/true",
        "AllowedForceCommandPatterns": ["/usr/bin/.*"],
        "AllowedSourceAddresses": ["192.0.2.0/24", "db.example.com"],
    }))});
    let got = asked(&fixture, sections.clone(), json!({"ForceCommand": "/usr/bin/id"}))
        .await
        .ok();
    let details = &got["CertificateDetails"];
    assert_eq!(details["ForceCommand"], "/usr/bin/id");
    assert_eq!(
        details["SourceAddresses"],
        json!(["10.0.0.0/8", "bastion.example.com"])
    );
    assert!(text(&got["ProcessingDetails"]["StatusDescription"]).contains("bastion.example.com"));
    for good in ["192.0.2.7", "10.1.0.0/16", "db.example.com"] {
        let got = asked(&fixture, sections.clone(), json!({"SourceAddresses": [good]}))
            .await
            .ok();
        assert_eq!(got["CertificateDetails"]["ForceCommand"], "/bin/true");
    }
    for bad in ["192.0.0.0/16", "other.example.com"] {
        asked(&fixture, sections.clone(), json!({"SourceAddresses": [bad]}))
            .await
            .fails(400, 100);
    }
}

#[tokio::test]
async fn each_documented_extension_may_be_asked_for() {
    let fixture = Fixture::new().await;
    let sections = json!({"AccessControl": control(json!({}))});
    for name in [
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-port-forwarding",
        "permit-pty",
        "permit-user-rc",
    ] {
        let answer = asked(&fixture, sections.clone(), json!({"Extensions": {name: ""}})).await;
        let certificate = answer.certificate();
        let extensions: Vec<_> = certificate.fields().extensions.iter().collect();
        assert_eq!(extensions, [(name, "")]);
    }
}

#[tokio::test]
async fn patterns_match_whole_key_ids() {
    let fixture = Fixture::new().await;
    let sections = json!({"AccessControl": control(json!({
        "AllowedCertificateIdentifierPatterns": ["svc-[0-9]+"], "DefaultCertificateIdentifier": "other",
    }))});
    for good in ["svc-1", "other"] {
        let got = asked(&fixture, sections.clone(), json!({"KeyId": good}))
            .await
            .ok();
        assert_eq!(got["CertificateDetails"]["KeyID"], good);
    }
    for bad in ["svc-1x", "xsvc-1", "Other"] {
        let reason = asked(&fixture, sections.clone(), json!({"KeyId": bad}))
            .await
            .fails(400, 100);
        assert!(reason.starts_with("KeyId: "), "{reason}");
    }
}

#[tokio::test]
async fn a_template_that_says_nothing_allows_its_default_principals_alone() {
    let fixture = Fixture::new().await;
    let sections = json!({"AccessControl": control(json!({}))});
    asked(&fixture, sections.clone(), json!({"Principals": ["alice"]}))
        .await
        .ok();
    asked(&fixture, sections.clone(), json!({"Principals": ["bob"]}))
        .await
        .fails(400, 100);
    asked(&fixture, sections, json!({"ForceCommand": "x"}))
        .await
        .fails(400, 100);
}
