//! Requesting and fetching: the cases of the reference by number. Those that need a client of the product are in
//! `tests/tests/venafi_client.rs`.

use super::fixture::{Fixture, HOSTS, KEY, NOW, USERS, text};
use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use countersign::{
    ssh::{Certificate, PublicKey},
    types::CertType,
};
use http::Request;
use serde_json::{Value, json};

#[tokio::test]
async fn case_01_the_ca_key_is_one_line_for_everybody_and_the_template_has_the_principals() {
    let fixture = Fixture::new().await;
    let path = "/vedsdk/SSHCertificates/Template/Retrieve/PublicKeyData?DN=%5CVED%5CCertificate%20Authority%5CSSH%5CTemplates%5Cusers";
    let answer = fixture.get(path, None).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert!(
        answer.text.ends_with(" user-ca") && answer.text.lines().count() == 1,
        "{}",
        answer.text
    );
    PublicKey::from_line(&answer.text).unwrap();
    // A token, even a bad one, changes nothing.
    assert_eq!(fixture.get(path, Some("unknown")).await.text, answer.text);
    let template = fixture
        .post("Template/Retrieve", &json!({"DN": USERS}))
        .await
        .ok();
    assert_eq!(
        template["AccessControl"]["DefaultPrincipals"],
        json!(["bob", "alice"])
    );
}

#[tokio::test]
async fn case_02_a_template_is_found_by_each_of_its_names() {
    let fixture = Fixture::new().await;
    let template = fixture
        .post("Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    let guid = text(&template["Guid"]);
    let bare = guid.trim_matches(['{', '}']).to_uppercase();
    let key = |query: String| {
        let fixture = &fixture;
        async move {
            let path = format!("/vedsdk/SSHCertificates/Template/Retrieve/PublicKeyData?{query}");
            let answer = fixture.get(&path, None).await;
            (answer.status.as_u16(), answer.text)
        }
    };
    let expected = (200, text(&template["CAKeyPair"]["PublicKeyData"]));
    let encoded = guid.replace('{', "%7B").replace('}', "%7D");
    for query in [
        "DN=users".to_owned(),
        "dn=USERS".to_owned(),
        format!("DN={}", USERS.replace('\\', "%5C").replace(' ', "%20")),
        format!("DN={}", USERS[1..].replace('\\', "%5c").replace(' ', "+")),
        format!("guid={encoded}"),
        format!("Guid={bare}"),
        format!("DN=users&guid={bare}"),
    ] {
        assert_eq!(key(query.clone()).await, expected, "{query}");
    }
    for query in ["", "DN=", "x=y"] {
        assert_eq!(
            key(query.into()).await,
            (400, "Guid or DN is required".into()),
            "{query}"
        );
    }
    for query in [
        "DN=nobody",
        "DN=%5CVED%5Cnone",
        "guid=x",
        "DN=%ff",
        "guid=5508941d-5922-406f-be73-2207af1853a0",
    ] {
        assert_eq!(
            key(query.into()).await,
            (404, "Template was not found".into()),
            "{query}"
        );
    }
    for body in [
        json!({"Guid": guid}),
        json!({"guid": bare}),
        json!({"DN": USERS.to_lowercase()}),
    ] {
        assert_eq!(fixture.post("Template/Retrieve", &body).await.ok()["Guid"], guid);
    }
    fixture
        .post("Template/Retrieve", &json!({}))
        .await
        .fails(400, 100);
    fixture
        .post("Template/Retrieve", &json!({"DN": "nobody"}))
        .await
        .fails(404, 100);
}

#[tokio::test]
async fn case_06_a_local_key_is_issued_by_the_first_retrieve() {
    let fixture = Fixture::new().await;
    for line in [
        KEY.to_owned(),
        format!("{KEY}\n"),
        KEY.replace("alice@laptop", ""),
    ] {
        let asked = json!({
            "PublicKeyData": line, "ValidityPeriod": "4h", "SourceAddresses": ["test.com"], "KeyId": "local",
        });
        let requested = fixture.request(asked).await.ok();
        assert_eq!(requested["ProcessingDetails"]["Status"], "Pending Issue");
        assert_eq!(requested["CertificateData"], Value::Null);
        let include = json!({"IncludeCertificateDetails": true, "IncludePrivateKeyData": true});
        let answer = fixture.retrieve(&requested, include).await;
        let certificate = answer.certificate();
        let body = answer.ok();
        assert_eq!(certificate.fields().validity.length_secs(), 14_400);
        assert_eq!(certificate.fields().validity.valid_after(), NOW);
        assert_eq!(body["PublicKeyData"], line);
        assert!(body.get("PrivateKeyData").is_none());
        let details = &body["CertificateDetails"];
        assert_eq!(
            details["ValidTo"].as_u64().unwrap() - details["ValidFrom"].as_u64().unwrap(),
            14_400
        );
        assert_eq!(details["SourceAddresses"], json!(["test.com"]));
        let warning = text(&body["ProcessingDetails"]["StatusDescription"]);
        assert!(
            warning.contains("test.com") && warning.contains("sshd refuses"),
            "{warning}"
        );
    }
}

#[tokio::test]
async fn case_10_without_flags_there_is_the_certificate_alone() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({"PublicKeyData": null})).await.ok();
    let answer = fixture.retrieve(&requested, json!({})).await;
    answer.certificate();
    let body = answer.ok();
    assert!(body.get("PrivateKeyData").is_none() && body.get("CertificateDetails").is_none());
    assert_eq!(body["RequestDetails"]["OriginatingIp"], "192.0.2.7");
    assert_eq!(body["RequestDetails"]["RequestedBy"], super::fixture::USERNAME);
    assert_eq!(body["CADN"], USERS);
    assert_eq!(
        body["Response"],
        json!({"ErrorCode": 0, "ErrorMessage": "", "Success": true})
    );
}

#[tokio::test]
async fn case_11_all_details_agree_with_the_certificate() {
    let fixture = Fixture::new().await;
    let answer = fixture
        .issue(json!({
            "ForceCommand": "/usr/scripts/db.sh", "SourceAddresses": ["192.168.1.1/24", "10.0.0.1"],
            "Extensions": {"permit-pty": "", "login@github.com": "alice"}, "Principals": ["carol"],
        }))
        .await;
    let certificate = answer.certificate();
    let fields = certificate.fields();
    let body = answer.ok();
    let details = body["CertificateDetails"].as_object().unwrap();
    assert_eq!(details.len(), 13, "{details:?}");
    let sha256 =
        |bytes: &[u8]| STANDARD_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes));
    let expected = json!({
        "KeyType": "ssh-ed25519-cert-v01@openssh.com",
        "CertificateType": "Client",
        "CertificateFingerprintSHA256": sha256(certificate.bytes()),
        "CAFingerprintSHA256": sha256(&fields.signature_key.to_blob()),
        "PublicKeyFingerprintSHA256": sha256(&fields.subject_key.to_blob()),
        "KeyID": "alice-laptop",
        "SerialNumber": fields.serial.to_string(),
        "Principals": ["carol"],
        "ValidFrom": fields.validity.valid_after(),
        "ValidTo": fields.validity.valid_before(),
        "ForceCommand": "/usr/scripts/db.sh",
        "SourceAddresses": ["192.168.1.0/24", "10.0.0.1/32"],
        "Extensions": {"permit-pty": "", "login@github.com": "alice"},
    });
    assert_eq!(body["CertificateDetails"], expected);
    assert!(text(&body["CertificateData"]).ends_with(" alice-laptop"));
    assert_eq!(fields.cert_type, CertType::User);
}

#[tokio::test]
async fn case_12_a_large_serial_is_a_text() {
    let fixture = Fixture::new().await;
    loop {
        let answer = fixture.issue(json!({})).await;
        let serial = answer.certificate().fields().serial.value();
        let body = answer.ok();
        assert_eq!(body["CertificateDetails"]["SerialNumber"], serial.to_string());
        // Every second one is.
        if serial > 1 << 63 {
            break;
        }
    }
}

#[tokio::test]
async fn a_success_says_so() {
    let fixture = Fixture::new().await;
    let body = fixture.request(json!({})).await.ok();
    assert_eq!(
        body["ProcessingDetails"],
        json!({"Status": "Pending Issue", "StatusDescription": null})
    );
    assert_eq!(
        body["Response"],
        json!({"ErrorCode": 0, "ErrorMessage": "", "Success": true})
    );
    let guid = text(&body["Guid"]);
    assert!(
        guid.starts_with('{') && guid.ends_with('}') && guid.len() == 38,
        "{guid}"
    );
    let issued = fixture.request(json!({"ProcessingTimeout": 10})).await;
    issued.certificate();
    assert!(issued.ok().get("CertificateDetails").is_none());
}

/// The request that the documentation shows.
fn documented(template: &str) -> Value {
    json!({
        "PolicyDN": "\\VED\\Policy\\My Issued Certificates Folder",
        "CADN": template,
        "KeyId": "host_key_id",
        "ObjectName": "host_key_id",
        "Principals": ["jhost129"],
        "DestinationAddress": "db.example.com",
        "ValidityPeriod": "1w 2d 3h 4m 50s",
        "SourceAddresses": ["192.168.1.1/24", "10.0.0.1"],
        "ForceCommand": "force",
        "Extensions": {"permit-pty": "", "permit-port-forwarding": "", "login@github.com": "alice@github.com"},
        "ProcessingTimeout": 120,
        "IncludeCertificateDetails": true,
        "IncludePrivateKeyData": true,
        "PrivateKeyPassphrase": "MyPassphrasethatmeetsCoRequirements",
    })
}

#[tokio::test]
async fn case_13_the_documented_request_is_carried_out_for_a_client() {
    let fixture = Fixture::new().await;
    let answer = fixture.post("Request", &documented(USERS)).await;
    let certificate = answer.certificate();
    let fields = certificate.fields();
    assert_eq!(fields.validity.length_secs(), 788_690);
    let options: Vec<_> = fields.critical_options.iter().collect();
    assert_eq!(
        options,
        [
            ("force-command", "force"),
            ("source-address", "192.168.1.0/24,10.0.0.1/32")
        ]
    );
    assert_eq!(
        fields.extensions.value("login@github.com"),
        Some("alice@github.com")
    );
    let body = answer.ok();
    assert_eq!(
        body["DN"],
        "\\VED\\Policy\\My Issued Certificates Folder\\host_key_id"
    );
    assert!(text(&body["PrivateKeyData"]).starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
}

#[tokio::test]
async fn case_14_for_a_host_no_option_gets_into_the_certificate() {
    let fixture = Fixture::new().await;
    let answer = fixture.post("Request", &documented(HOSTS)).await;
    let certificate = answer.certificate();
    let fields = certificate.fields();
    assert_eq!(fields.cert_type, CertType::Host);
    assert!(fields.critical_options.is_empty() && fields.extensions.is_empty());
    assert_eq!(fields.valid_principals.iter().collect::<Vec<_>>(), ["jhost129"]);
    assert_eq!(answer.ok()["CertificateDetails"]["CertificateType"], "Host");
    // Nothing is asked for that the template would not allow.
    let mut asked = documented(HOSTS);
    asked["ForceCommand"] = json!("rm -rf /");
    asked["Extensions"] = json!({"nobody@knows": "x"});
    fixture.post("Request", &asked).await.certificate();
}

#[tokio::test]
async fn case_15_each_form_of_validity_has_its_length_and_bad_ones_are_refused() {
    let fixture = Fixture::new().await;
    for (period, secs) in [
        (json!("4h"), 14_400),
        (json!("1w 2d 3h 4m 50s"), 788_690),
        (json!("90m"), 5_400),
        (json!("1s"), 1),
        // 2027-01-16 and 2027-01-15T09:00:00Z.
        (json!("20270116"), 1_800_057_600 - NOW),
        (json!("20270115090000"), 1_800_003_600 - NOW),
        (Value::Null, 1_209_600),
    ] {
        let answer = fixture.issue(json!({"ValidityPeriod": period})).await;
        assert_eq!(
            answer.certificate().fields().validity.length_secs(),
            secs,
            "{period}"
        );
    }
    for period in [
        "0s",
        "-1h",
        "1.5h",
        "3600",
        "1x",
        "4H",
        "20200101",
        "20270115080030",
        "20250230",
        "202701160900",
    ] {
        let answer = fixture.request(json!({"ValidityPeriod": period})).await;
        let reason = answer.fails(400, 100);
        assert!(reason.starts_with("ValidityPeriod: "), "{period}: {reason}");
    }
}

#[tokio::test]
async fn case_16_longer_than_the_template_is_cut_to_it() {
    let fixture = Fixture::new().await;
    for period in ["3w", "99999999999w", "20990101", "99991231235959"] {
        let answer = fixture.issue(json!({"ValidityPeriod": period})).await;
        assert_eq!(
            answer.certificate().fields().validity.length_secs(),
            1_209_600,
            "{period}"
        );
    }
}

#[tokio::test]
async fn case_24_paths_and_names_are_read_in_any_case() {
    let fixture = Fixture::new().await;
    let body = json!({"cadn": "USERS", "KEYID": "k", "publickeydata": KEY, "processingTIMEOUT": "5"});
    for path in [
        "/VEDSDK/sshcertificates/REQUEST",
        "/vedsdk/SSHCertificates/Request",
        "/vedsdk/SSHCertificates/request/",
    ] {
        let answer = fixture
            .send("POST", path, Some(&fixture.token), Some(&body))
            .await;
        answer.certificate();
    }
    let twice = r#"{"CADN":"users","cadn":"hosts"}"#;
    let answer = fixture.raw(raw_request(&fixture.token, twice)).await;
    assert_eq!(answer.fails(400, 100), "CADN: it is given twice");
}

fn raw_request(token: &str, body: &str) -> Request<Body> {
    Request::post("/vedsdk/SSHCertificates/Request")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn case_25_the_processing_timeout_is_0_to_180_seconds() {
    let fixture = Fixture::new().await;
    for (timeout, status) in [
        (Value::Null, "Pending Issue"),
        (json!(0), "Pending Issue"),
        (json!("0"), "Pending Issue"),
        (json!(1), "Issued"),
        (json!(120), "Issued"),
        (json!("10"), "Issued"),
        (json!(180), "Issued"),
    ] {
        let answer = fixture.request(json!({"ProcessingTimeout": timeout})).await.ok();
        assert_eq!(answer["ProcessingDetails"]["Status"], status, "{timeout}");
        assert_eq!(answer["CertificateData"].is_string(), status == "Issued");
    }
    for timeout in [
        json!(181),
        json!(100_000),
        json!(-1),
        json!("abc"),
        json!(1.5),
        json!(true),
        json!("-1"),
    ] {
        let answer = fixture.request(json!({"ProcessingTimeout": timeout})).await;
        let reason = answer.fails(400, 100);
        assert_eq!(reason, "ProcessingTimeout: give 0 to 180 seconds");
    }
}

#[tokio::test]
async fn case_26_what_is_no_object_is_answered_with_a_response() {
    let fixture = Fixture::new().await;
    for body in [
        "{",
        "null",
        "[]",
        "",
        "1",
        "\"x\"",
        "{}{}",
        "{\"CADN\":",
        "[\"CADN\"]",
        "\u{feff}{}",
    ] {
        let reason = fixture
            .raw(raw_request(&fixture.token, body))
            .await
            .fails(400, 100);
        assert!(
            reason.starts_with("The body is not a JSON object"),
            "{body}: {reason}"
        );
    }
    let huge = format!("{{\"KeyId\":\"{}\"}}", "x".repeat(1 << 20));
    fixture
        .raw(raw_request(&fixture.token, &huge))
        .await
        .fails(400, 100);
    // More than there is room for on record, by a CA key that signs as much.
    let many: Vec<String> = (0..256).map(|nth| format!("{nth}.{}", "h".repeat(500))).collect();
    let asked = json!({"CADN": "hosts", "Principals": many, "KeyId": "x".repeat(1000)});
    fixture.request(asked.clone()).await.ok();
    let extensions: serde_json::Map<String, Value> = ["login@github.com", "a@b.c"]
        .map(|name| (name.into(), json!("x".repeat(8192))))
        .into_iter()
        .collect();
    let command = format!("/usr/scripts/{}", "x".repeat(8000));
    let principals = vec!["p".repeat(512); 256];
    let asked = json!({"Principals": principals, "Extensions": extensions, "ForceCommand": command});
    let reason = fixture.request(asked).await.fails(400, 100);
    assert!(reason.contains("too large"), "{reason}");
    for (name, value) in [
        ("CADN", json!(1)),
        ("CADN", Value::Null),
        ("Principals", json!("alice")),
        ("Principals", json!([1])),
        ("Extensions", json!(["permit-pty"])),
        ("Extensions", json!({"permit-pty": 1})),
        ("IncludeCertificateDetails", json!("yes")),
        ("DestinationAddress", json!(1)),
        ("Origin", json!("a\nb")),
        ("KeyId", json!("a\nb")),
        ("KeyId", json!("x".repeat(1025))),
    ] {
        let answer = fixture.request(json!({name: value, "ObjectName": "o"})).await;
        let reason = answer.fails(400, 100);
        assert!(reason.starts_with(name), "{name}: {reason}");
    }
}

#[tokio::test]
async fn case_29_available_lists_the_template_and_retrieve_shows_all_of_it() {
    let fixture = Fixture::new().await;
    let available = fixture
        .get("/vedsdk/SSHCertificates/Template/Available", Some(&fixture.token))
        .await
        .ok();
    let template = fixture
        .post("Template/Retrieve", &json!({"DN": USERS}))
        .await
        .ok();
    let dns: Vec<&Value> = available
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["DN"])
        .collect();
    assert_eq!(dns, [HOSTS, USERS]);
    assert!(
        available
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["Guid"] == template["Guid"])
    );
    for section in [
        "APIClient",
        "AccessControl",
        "Certificate",
        "CAKeyPair",
        "Response",
    ] {
        assert!(template[section].is_object(), "{section}");
    }
    assert!(
        template["APIClient"]
            .as_object()
            .unwrap()
            .values()
            .all(Value::is_boolean)
    );
    assert_eq!(template["APIClient"].as_object().unwrap().len(), 5);
    assert_eq!(template["AccessControl"].as_object().unwrap().len(), 10);
    assert_eq!(template["Certificate"].as_object().unwrap().len(), 7);
    assert_eq!(template["CAKeyPair"]["KeyAlgorithm"], "ED25519");
    let short = json!({"DN": USERS, "IncludeCAKeyPairDetails": false});
    let short = fixture.post("Template/Retrieve", &short).await.ok();
    assert!(short.get("CAKeyPair").is_none());
    let stranger = fixture
        .token_with(
            "stranger",
            "path \"vedsdk/SSHCertificates/*\" { capabilities = [\"read\", \"update\"] }",
        )
        .await;
    let none = fixture
        .get("/vedsdk/SSHCertificates/Template/Available", Some(&stranger))
        .await;
    assert_eq!(none.ok(), json!([]));
}

#[tokio::test]
async fn case_32_key_ids_keep_their_text() {
    let fixture = Fixture::new().await;
    let long = "ü".repeat(200);
    for key_id in ["a b", "\"quoted\"", "#1", "Jörg 🔑", long.as_str(), " x "] {
        let answer = fixture.issue(json!({"KeyId": key_id})).await;
        let line = text(&answer.ok()["CertificateData"]);
        assert_eq!(
            Certificate::from_line(&line).unwrap().fields().key_id.as_str(),
            key_id
        );
        assert_eq!(answer.ok()["CertificateDetails"]["KeyID"], key_id);
        assert_eq!(
            text(&answer.ok()["DN"]),
            format!(r"\VED\Policy\ssh-certificates\{key_id}")
        );
    }
}
