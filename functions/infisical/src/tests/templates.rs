//! Certificate templates, and what is refused through them.

use super::fixture::{Fixture, HOST_KEY, text};
use serde_json::{Value, json};

const TEMPLATES: &str = "/api/v1/ssh/certificate-templates";
const SIGN: &str = "/api/v1/ssh/certificates/sign";

async fn patch(fixture: &mut Fixture, template: &str, change: Value) -> super::Answer {
    let admin = fixture.user("admin").await;
    fixture
        .patch(&format!("{TEMPLATES}/{template}"), &admin, &change)
        .await
}

async fn sign(fixture: &Fixture, template: &str, cert_type: &str, principals: Value) -> super::Answer {
    let body = json!({
        "certificateTemplateId": template, "publicKey": HOST_KEY, "certType": cert_type, "principals": principals,
    });
    fixture.post(SIGN, &fixture.root, &body).await
}

#[tokio::test]
async fn what_a_template_must_be() {
    let (mut fixture, template) = Fixture::with_template().await;
    let admin = fixture.user("admin").await;
    let mut body = fixture.get(&format!("{TEMPLATES}/{template}"), &admin).await.ok();
    let answer = fixture.post(TEMPLATES, &admin, &body).await;
    answer.fails(
        400,
        "BadRequest",
        "SSH certificate template with name t already exists",
    );
    for (field, value, path, message) in [
        (
            "name",
            json!("No Slug"),
            json!(["name"]),
            "Name must be a valid slug",
        ),
        (
            "maxTTL",
            json!("0"),
            json!(["maxTTL"]),
            "Max TTL must be a positive number",
        ),
        (
            "maxTTL",
            json!("1m"),
            json!(["maxTTL"]),
            "Max TLL must be greater than or equal to TTL",
        ),
        (
            "allowedUsers",
            json!(["ok", "john.doe"]),
            json!(["allowedUsers", 1]),
            "Invalid user pattern",
        ),
        (
            "allowedHosts",
            json!(["localhost"]),
            json!(["allowedHosts", 0]),
            "Invalid host pattern",
        ),
        (
            "allowUserCertificates",
            Value::Null,
            json!(["allowUserCertificates"]),
            "Expected boolean, received null",
        ),
    ] {
        let good = std::mem::replace(&mut body[field], value);
        fixture
            .post(TEMPLATES, &admin, &body)
            .await
            .fails_validation(&[(path, message)]);
        body[field] = good;
    }
    body["name"] = json!("t2");
    body["sshCaId"] = json!("nope");
    let answer = fixture.post(TEMPLATES, &admin, &body).await;
    answer.fails(404, "NotFound", "SSH CA with ID nope not found");
    let answer = patch(&mut fixture, &template, json!({"maxTTL": "1m"})).await;
    answer.fails(400, "BadRequest", "TTL cannot be greater than max TTL");
    let answer = patch(&mut fixture, &template, json!({"name": "No"})).await;
    answer.fails_validation(&[(json!(["name"]), "Slug must be a valid slug")]);
    patch(&mut fixture, &template, json!({"name": "renamed"}))
        .await
        .ok();
    let list = format!(
        "/api/v2/workspace/{}/ssh-certificate-templates",
        fixture.project()
    );
    let all = fixture.get(&list, &admin).await.ok();
    assert_eq!(all["certificateTemplates"][0]["name"], "renamed");
    fixture
        .delete(&format!("{TEMPLATES}/{template}"), &admin)
        .await
        .ok();
    let message = format!("SSH certificate template with ID {template} not found");
    let answer = fixture.get(&format!("{TEMPLATES}/{template}"), &admin).await;
    answer.fails(404, "NotFound", &message);
}

#[tokio::test]
async fn each_refusal_has_its_words() {
    let (mut fixture, template) = Fixture::with_template().await;
    for (cert_type, principal, message) in [
        (
            "user",
            "root",
            "Principal 'root' is not in the list of allowed users.",
        ),
        ("user", "a b", "Principal 'a b' cannot contain whitespace."),
        (
            "host",
            "*.example.com",
            "Principal '*.example.com' contains invalid characters. Allowed: alphanumeric, '.', '_', '-'.",
        ),
        (
            "host",
            "a.example.org",
            "Principal 'a.example.org' is not in the list of allowed hosts or domains.",
        ),
    ] {
        let answer = sign(&fixture, &template, cert_type, json!([principal])).await;
        answer.fails(400, "BadRequest", message);
    }
    patch(
        &mut fixture,
        &template,
        json!({"allowedUsers": ["*"], "allowedHosts": ["*"]}),
    )
    .await
    .ok();
    sign(&fixture, &template, "user", json!(["anybody"])).await.ok();
    sign(
        &fixture,
        &template,
        "host",
        json!(["10.0.0.1", "a.b.example.org"]),
    )
    .await
    .ok();
    let answer = sign(&fixture, &template, "user", json!(["john.doe"])).await;
    answer.fails(
        400,
        "BadRequest",
        "Principal 'john.doe' does not match a valid user pattern.",
    );
    let answer = sign(&fixture, &template, "host", json!(["web1"])).await;
    answer.fails(
        400,
        "BadRequest",
        "Principal 'web1' does not match a valid host pattern.",
    );
    patch(
        &mut fixture,
        &template,
        json!({"allowedUsers": [], "allowHostCertificates": false}),
    )
    .await
    .ok();
    let answer = sign(&fixture, &template, "user", json!(["a"])).await;
    answer.fails(
        400,
        "BadRequest",
        "No allowed users are configured in the SSH certificate template.",
    );
    let answer = sign(&fixture, &template, "host", json!(["a.b"])).await;
    let message = "Failed to validate host certificate type due to template restriction";
    answer.fails(400, "BadRequest", message);
    let answer = sign(&fixture, "nope", "user", json!(["a"])).await;
    answer.fails(
        404,
        "NotFound",
        "No SSH certificate template found with specified name",
    );
}

#[tokio::test]
async fn roles_and_other_projects() {
    let (mut fixture, template) = Fixture::with_template().await;
    let machine = fixture.machine("m-id").await;
    let body = json!({"certificateTemplateId": template, "publicKey": HOST_KEY, "principals": ["ec2-user"]});
    let answer = fixture.post(SIGN, &machine, &body).await;
    let message = "You are not allowed to create on ssh-certificates";
    answer.fails(403, "PermissionDenied", message);
    let eve = fixture.user("eve").await;
    let answer = fixture.post(SIGN, &eve, &body).await;
    assert_eq!(answer.json()["error"], "ProjectMembershipNotFound");
    let certificate = sign(&fixture, &template, "user", json!(["ec2-user"]))
        .await
        .certificate();
    assert!(certificate.fields().key_id.as_str().starts_with("token-"));
    let ca = text(
        &fixture
            .get(&format!("{TEMPLATES}/{template}"), &fixture.root)
            .await
            .ok()["sshCaId"],
    );
    let of_ca = fixture
        .get(
            &format!("/api/v1/ssh/ca/{ca}/certificate-templates"),
            &fixture.root,
        )
        .await
        .ok();
    assert_eq!(of_ca["certificateTemplates"].as_array().unwrap().len(), 1);
}
