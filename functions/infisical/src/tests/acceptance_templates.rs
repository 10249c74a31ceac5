//! The acceptance cases of the reference, by number: what is signed through templates, and the list of it.

use super::{
    acceptance::is_uuid,
    fixture::{Fixture, HOST_KEY, NOW, text},
};
use countersign::types::CertType;
use serde_json::{Value, json};

const ISSUE: &str = "/api/v1/ssh/certificates/issue";
const SIGN: &str = "/api/v1/ssh/certificates/sign";

fn sign_host(template: &str, principals: Value) -> Value {
    json!({
        "certificateTemplateId": template, "publicKey": HOST_KEY, "certType": "host", "principals": principals,
    })
}

fn sign_user(template: &str, fields: Value) -> Value {
    let mut body =
        json!({"certificateTemplateId": template, "publicKey": HOST_KEY, "principals": ["ec2-user"]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn case_42_credentials_through_a_template() {
    let (fixture, template) = Fixture::with_template().await;
    let token = fixture.machine("signer-id").await;
    for (algorithm, name) in [
        ("RSA_2048", "ssh-rsa"),
        ("EC_prime256v1", "ecdsa-sha2-nistp256"),
        ("EC_secp384r1", "ecdsa-sha2-nistp384"),
        ("ED25519", "ssh-ed25519"),
    ] {
        let body = json!({
            "certificateTemplateId": template, "keyAlgorithm": algorithm, "certType": "user",
            "principals": ["ec2-user"],
        });
        let answer = fixture.post(ISSUE, &token, &body).await;
        let body = answer.ok();
        assert_eq!(body["keyAlgorithm"], algorithm);
        assert!(text(&body["signedKey"]).starts_with(&format!("{name}-cert-v01@openssh.com ")));
        assert!(text(&body["publicKey"]).starts_with(&format!("{name} ")));
        let key = ssh_key::PrivateKey::from_openssh(text(&body["privateKey"])).unwrap();
        let certificate = answer.certificate();
        let fields = certificate.fields();
        assert_eq!(key.public_key().to_bytes().unwrap(), fields.subject_key.to_blob());
        assert_eq!(fields.validity.valid_before(), NOW + 3600);
        assert!(fields.key_id.as_str().starts_with("identity-"));
    }
}

#[tokio::test]
async fn case_43_and_44_hosts_through_a_template() {
    let (fixture, template) = Fixture::with_template().await;
    let token = fixture.machine("signer-id").await;
    let answer = fixture
        .post(SIGN, &token, &sign_host(&template, json!(["a.example.com"])))
        .await;
    assert_eq!(answer.certificate().fields().cert_type, CertType::Host);
    let answer = fixture
        .post(SIGN, &token, &sign_host(&template, json!(["example.com"])))
        .await;
    let message = "Principal 'example.com' is not in the list of allowed hosts or domains.";
    answer.fails(400, "BadRequest", message);
}

#[tokio::test]
async fn case_45_lifetimes_through_a_template() {
    let (fixture, template) = Fixture::with_template().await;
    let token = fixture.machine("signer-id").await;
    let answer = fixture
        .post(SIGN, &token, &sign_user(&template, json!({"ttl": "3h"})))
        .await;
    let message = "Failed TTL validation due to TTL being greater than configured max TTL on template";
    answer.fails(400, "BadRequest", message);
    let answer = fixture
        .post(SIGN, &token, &sign_user(&template, json!({"ttl": "2h"})))
        .await;
    assert_eq!(answer.certificate().fields().validity.valid_before(), NOW + 7200);
}

#[tokio::test]
async fn case_46_key_ids_through_a_template() {
    let (mut fixture, template) = Fixture::with_template().await;
    let body = sign_user(&template, json!({"keyId": "ticket-1"}));
    let alice = fixture.user("alice").await;
    let certificate = fixture.post(SIGN, &alice, &body).await.certificate();
    let own = format!("user-{}", fixture.user_id("alice"));
    assert_eq!(certificate.fields().key_id.as_str(), own);
    let admin = fixture.user("admin").await;
    let path = format!("/api/v1/ssh/certificate-templates/{template}");
    fixture
        .patch(&path, &admin, &json!({"allowCustomKeyIds": true}))
        .await
        .ok();
    let certificate = fixture.post(SIGN, &alice, &body).await.certificate();
    assert_eq!(certificate.fields().key_id.as_str(), "ticket-1");
    let answer = fixture
        .post(SIGN, &alice, &sign_user(&template, json!({"keyId": "a_b"})))
        .await;
    let message = "Failed to validate Key ID because it can only contain alphanumeric characters and hyphens, with no \
                   spaces.";
    answer.fails(400, "BadRequest", message);
}

#[tokio::test]
async fn case_47_no_principals() {
    let (fixture, template) = Fixture::with_template().await;
    let token = fixture.machine("signer-id").await;
    let answer = fixture.post(SIGN, &token, &sign_host(&template, json!([]))).await;
    answer.fails_validation(&[(json!(["principals"]), "Principals array must not be empty")]);
}

#[tokio::test]
async fn case_48_a_disabled_template() {
    let (mut fixture, template) = Fixture::with_template().await;
    let admin = fixture.user("admin").await;
    let path = format!("/api/v1/ssh/certificate-templates/{template}");
    fixture
        .patch(&path, &admin, &json!({"status": "disabled"}))
        .await
        .ok();
    let token = fixture.machine("signer-id").await;
    let answer = fixture.post(SIGN, &token, &sign_user(&template, json!({}))).await;
    answer.fails(400, "BadRequest", "SSH certificate template is disabled");
}

#[tokio::test]
async fn case_49_the_certificates_of_a_project() {
    let (mut fixture, template) = Fixture::with_template().await;
    let alice = fixture.user("alice").await;
    let mut serials = Vec::new();
    for second in 0..3 {
        fixture.clock.set(NOW + second);
        serials.push(fixture.issue_user(&alice, "ec2-user").await.ok()["serialNumber"].clone());
    }
    fixture.clock.set(NOW + 3);
    let signed = fixture
        .post(SIGN, &alice, &sign_user(&template, json!({})))
        .await
        .ok();
    serials.push(signed["serialNumber"].clone());
    serials.reverse();
    // What was refused is not listed.
    fixture.issue_user(&alice, "ubuntu").await;
    for prefix in ["/api/v1/projects", "/api/v2/workspace"] {
        let path = format!("{prefix}/{}/ssh-certificates", fixture.project());
        let all = fixture.get(&path, &alice).await.ok();
        assert_eq!(all["totalCount"], 4);
        let certificates = all["certificates"].as_array().unwrap();
        let listed: Vec<Value> = certificates
            .iter()
            .map(|one| one["serialNumber"].clone())
            .collect();
        assert_eq!(listed, serials);
        assert_eq!(certificates[0]["sshCertificateTemplateId"], *template);
        assert_eq!(certificates[3]["sshCertificateTemplateId"], Value::Null);
        assert_eq!(
            certificates[3]["principals"],
            json!(["alice@example.com", "ec2-user"])
        );
        assert_eq!(certificates[3]["notBefore"], "2027-01-15T07:59:00.000Z");
        assert_eq!(certificates[3]["notAfter"], "2027-01-15T16:00:30.000Z");
        assert!(is_uuid(&certificates[3]["id"]) && is_uuid(&certificates[3]["sshCaId"]));
        let one = fixture
            .get(&format!("{path}?limit=1&offset=1"), &alice)
            .await
            .ok();
        assert_eq!(one["totalCount"], 4);
        assert_eq!(one["certificates"], json!([certificates[1]]));
    }
}
