//! The objects that requests make: how they are named, found and replaced. Cases 20 to 23, and 31.

use super::fixture::{Fixture, text};
use serde_json::{Value, json};

#[tokio::test]
async fn case_20_the_same_name_twice_is_the_same_object_with_the_newest_certificate() {
    let fixture = Fixture::new().await;
    let first = fixture.issue(json!({})).await;
    let old = first.certificate();
    let second = fixture.request(json!({"ObjectName": "ALICE-LAPTOP"})).await.ok();
    assert_eq!(second["DN"], first.ok()["DN"], "the first spelling stays");
    assert_eq!(second["Guid"], first.ok()["Guid"]);
    let new = fixture.retrieve(&second, json!({})).await.certificate();
    assert_ne!(new.fields().serial, old.fields().serial);
    let archived = countersign::certificate_search::Filter {
        archived: true,
        ..Default::default()
    };
    let page = countersign::certificate_search::search(&fixture.services, &archived, None, 10)
        .await
        .unwrap();
    let serials: Vec<_> = page.found.iter().map(|found| found.fields.serial).collect();
    assert_eq!(serials, [old.fields().serial]);
    assert_eq!(page.found[0].record.details["origin"], "Web SDK");
    assert!(page.found[0].record.certificate_line().unwrap().is_some());
}

#[tokio::test]
async fn case_21_what_is_not_named_comes_from_the_key_id_and_the_template() {
    let fixture = Fixture::new().await;
    let dn = |more: Value| {
        let fixture = &fixture;
        async move { text(&fixture.request(more).await.ok()["DN"]) }
    };
    assert_eq!(dn(json!({})).await, r"\VED\Policy\ssh-certificates\alice-laptop");
    assert_eq!(
        dn(json!({"KeyId": null})).await,
        r"\VED\Policy\ssh-certificates\default-id"
    );
    assert_eq!(
        dn(json!({"ObjectName": "o"})).await,
        r"\VED\Policy\ssh-certificates\o"
    );
    assert_eq!(
        dn(json!({"PolicyDN": r"\ved\policy\A b"})).await,
        r"\VED\policy\A b\alice-laptop"
    );
    for (more, code) in [
        (json!({"ObjectName": r"a\b"}), 100),
        (json!({"KeyId": r"a\b"}), 100),
        (json!({"PolicyDN": r"\VED\Elsewhere"}), 13),
        (json!({"PolicyDN": "folder"}), 100),
        (json!({"ObjectName": "x".repeat(1025)}), 100),
    ] {
        fixture.request(more).await.fails(400, code);
    }
    let named = json!({"KeyId": r"DOMAIN\alice", "ObjectName": "alice"});
    let certificate = fixture.issue(named).await.certificate();
    assert_eq!(certificate.fields().key_id.as_str(), r"DOMAIN\alice");
}

#[tokio::test]
async fn case_22_an_object_is_found_by_either_name_with_unused_fields_empty_or_null() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({})).await.ok();
    let (dn, guid) = (text(&requested["DN"]), text(&requested["Guid"]));
    let empty = json!({"Guid": "", "DN": dn, "PrivateKeyPassphrase": "", "PrivateKeyFormat": "", "IncludeCertificateDetails": false});
    let nulls =
        json!({"Guid": guid, "DN": null, "PrivateKeyPassphrase": null, "IncludePrivateKeyData": null});
    for body in [
        json!({"DN": dn}),
        json!({"Guid": guid}),
        json!({"guid": guid.to_uppercase()}),
        json!({"DN": dn.to_uppercase()}),
        json!({"dn": &dn[1..]}),
        json!({"DN": dn, "Guid": "{5508941d-5922-406f-be73-2207af1853a0}"}),
        empty,
        nulls,
    ] {
        let answer = fixture.post("Retrieve", &body).await;
        answer.certificate();
        assert_eq!(answer.ok()["Guid"], guid, "{body}");
    }
}

#[tokio::test]
async fn case_23_an_unknown_object_is_a_404() {
    let fixture = Fixture::new().await;
    let unknown = json!({"DN": r"\VED\Policy\ssh-certificates\none"});
    let reason = fixture.post("Retrieve", &unknown).await.fails(404, 1);
    assert_eq!(reason, "SSH certificate object was not found");
    let unknown = json!({"Guid": "{5508941d-5922-406f-be73-2207af1853a0}"});
    fixture.post("Retrieve", &unknown).await.fails(404, 1);
    fixture.post("Retrieve", &json!({})).await.fails(400, 100);
    fixture
        .post("Retrieve", &json!({"Guid": "x"}))
        .await
        .fails(400, 100);
    fixture
        .post("Retrieve", &json!({"DN": "x"}))
        .await
        .fails(400, 100);
}

#[tokio::test]
async fn case_31_destinations_are_recorded_under_either_name() {
    let fixture = Fixture::new().await;
    for (name, value, expected) in [
        (
            "DestinationAddress",
            json!("db.example.com"),
            json!(["db.example.com"]),
        ),
        (
            "DestinationAddresses",
            json!(["a", "10.9.0.0/16"]),
            json!(["a", "10.9.0.0/16"]),
        ),
    ] {
        let answer = fixture.issue(json!({name: value, "Origin": "vcert 5"})).await;
        let certificate = answer.certificate();
        let serial = certificate.fields().serial;
        let (record, _) = countersign::certificates::read_serial(&*fixture.services.store, serial)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(record.details["destination_addresses"], expected);
        assert_eq!(record.details["origin"], "vcert 5");
        assert!(certificate.fields().critical_options.is_empty());
    }
}
