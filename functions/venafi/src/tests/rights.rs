//! Who may use which template, folder and route.

use super::fixture::{Fixture, KEY, text, users};
use countersign::store::faulty::{Fail, Fault, Operation};
use serde_json::{Value, json};

const ROUTES: &str = r#"path "vedsdk/SSHCertificates/*" { capabilities = ["create", "read", "update"] }"#;

fn asked(more: Value) -> Value {
    let mut body = json!({"CADN": "users", "KeyId": "k", "PublicKeyData": KEY});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_caller_needs_the_template_and_the_folder_that_it_names_beside_the_route() {
    let fixture = Fixture::new().await;
    let template = r#"path "vedsdk/template/\\VED\\Certificate Authority\\SSH\\Templates\\users" { capabilities = ["update"] }"#;
    let folder = r#"path "vedsdk/folder/\\VED\\Policy\\team" { capabilities = ["create"] }"#;
    let none = fixture.token_with("route", ROUTES).await;
    let one = fixture
        .token_with("template", &format!("{ROUTES}\n{template}"))
        .await;
    let both = fixture
        .token_with("folder", &format!("{ROUTES}\n{template}\n{folder}"))
        .await;
    let only = fixture
        .token_with("no-route", &format!("{template}\n{folder}"))
        .await;

    fixture
        .post_as(&none, "Request", &asked(json!({})))
        .await
        .fails(403, 12);
    fixture
        .post_as(&only, "Request", &asked(json!({})))
        .await
        .fails(403, 12);
    let requested = fixture.post_as(&one, "Request", &asked(json!({}))).await.ok();
    fixture
        .post_as(&one, "Request", &asked(json!({"CADN": "hosts"})))
        .await
        .fails(403, 12);
    // Whether a template is there is not told to those who may not use it.
    fixture
        .post_as(&one, "Request", &asked(json!({"CADN": "none"})))
        .await
        .fails(403, 12);
    // In another case it is the same template.
    fixture
        .post_as(&one, "Request", &asked(json!({"CADN": "USERS"})))
        .await
        .ok();

    let named = asked(json!({"PolicyDN": r"\VED\Policy\team"}));
    fixture.post_as(&one, "Request", &named).await.fails(403, 12);
    fixture.post_as(&both, "Request", &named).await.ok();
    let other = asked(json!({"PolicyDN": r"\VED\Policy\team\inner"}));
    fixture.post_as(&both, "Request", &other).await.fails(403, 12);

    let fetch = json!({"DN": requested["DN"]});
    fixture.post_as(&none, "Retrieve", &fetch).await.fails(403, 12);
    fixture.post_as(&one, "Retrieve", &fetch).await.certificate();
    fixture
        .post_as(&none, "Template/Retrieve", &json!({"DN": "users"}))
        .await
        .fails(403, 12);
    fixture
        .post_as(&one, "Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    let denied = fixture.post_as(&none, "Request", &asked(json!({}))).await.json();
    assert_eq!(denied["error"], "access_denied");
    let decision = fixture.log.decisions().pop().unwrap();
    assert_eq!(
        (decision.family.as_str(), decision.outcome),
        ("venafi", "permission_denied")
    );
}

#[tokio::test]
async fn parameters_of_policies_see_the_documented_names() {
    let fixture = Fixture::new().await;
    let policy = format!(
        "{ROUTES}\npath \"vedsdk/template/*\" {{ capabilities = [\"update\"] denied_parameters = {{ \"ForceCommand\" = [] }} }}"
    );
    let token = fixture.token_with("denied", &policy).await;
    fixture
        .post_as(&token, "Request", &asked(json!({"forcecommand": "force"})))
        .await
        .fails(403, 12);
    fixture
        .post_as(&token, "Request", &asked(json!({"ForceCommand": ""})))
        .await
        .ok();
}

#[tokio::test]
async fn templates_are_made_changed_and_deleted_by_those_who_may() {
    let fixture = Fixture::new().await;
    let with = |capability: &str| {
        let policy = format!("{ROUTES}\npath \"vedsdk/template/*\" {{ capabilities = [\"{capability}\"] }}");
        let (fixture, capability) = (&fixture, capability.to_owned());
        async move { fixture.token_with(&capability, &policy).await }
    };
    let mut document = users();
    document["Name"] = json!("new");
    let (create, update, delete) = (with("create").await, with("update").await, with("delete").await);
    let sudo = with("sudo").await;
    for token in [&update, &delete, &sudo, &fixture.token] {
        fixture
            .post_as(token, "Template/Create", &document)
            .await
            .fails(403, 12);
    }
    fixture.post_as(&create, "Template/Create", &document).await.ok();
    let change = json!({"Name": "new", "Contacts": ["a"]});
    // Who may have certificates by it, with the right to update, may not say which.
    for token in [&create, &update, &delete, &fixture.token] {
        fixture
            .post_as(token, "Template/Update", &change)
            .await
            .fails(403, 12);
    }
    fixture.post_as(&sudo, "Template/Update", &change).await.ok();
    let name = json!({"Name": "new"});
    for token in [&create, &update, &sudo] {
        fixture
            .post_as(token, "Template/Delete", &name)
            .await
            .fails(403, 12);
    }
    fixture.post_as(&delete, "Template/Delete", &name).await.ok();
}

#[tokio::test]
async fn a_name_is_taken_over_only_by_those_who_may_use_its_template() {
    let fixture = Fixture::new().await;
    let mut document = users();
    document["Name"] = json!("others");
    fixture.create_template(&document).await.ok();
    let first = fixture.post("Request", &asked(json!({}))).await.ok();
    let others = r#"path "vedsdk/template/\\VED\\Certificate Authority\\SSH\\Templates\\others" { capabilities = ["update"] }"#;
    let token = fixture.token_with("others", &format!("{ROUTES}\n{others}")).await;
    let same_name = asked(json!({"CADN": "others"}));
    fixture
        .post_as(&token, "Request", &same_name)
        .await
        .fails(403, 12);
    let other_name = asked(json!({"CADN": "others", "ObjectName": "free"}));
    fixture.post_as(&token, "Request", &other_name).await.ok();
    let kept = fixture
        .post("Retrieve", &json!({"Guid": first["Guid"]}))
        .await
        .ok();
    assert_eq!(kept["CADN"], super::fixture::USERS);
    fixture.post("Request", &same_name).await.ok();
}

#[tokio::test]
async fn a_template_of_an_authority_needs_the_right_to_that_authority() {
    let fixture = Fixture::new().await;
    let known = fixture
        .post("Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    let policy = format!("{ROUTES}\npath \"vedsdk/template/*\" {{ capabilities = [\"create\"] }}");
    let token = fixture.token_with("creator", &policy).await;
    let document = json!({"Name": "second", "Authority": known["Authority"]});
    fixture
        .post_as(&token, "Template/Create", &document)
        .await
        .fails(403, 12);
    let kms = json!({"Name": "third", "Authority": "arn:aws:kms:eu-central-1:1:key/x"});
    fixture
        .post_as(&token, "Template/Create", &kms)
        .await
        .fails(403, 12);
    fixture.create_template(&document).await.ok();
    let second = fixture
        .post_as(&fixture.root, "Template/Retrieve", &json!({"DN": "second"}))
        .await
        .ok();
    assert_eq!(
        second["CAKeyPair"]["FingerprintSHA256"],
        known["CAKeyPair"]["FingerprintSHA256"]
    );
    for (authority, status) in [
        ("sshca_x", 400),
        ("sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5", 400),
        ("arn:x", 400),
    ] {
        let document = json!({"Name": "fourth", "Authority": authority});
        fixture.create_template(&document).await.fails(status, 100);
    }
}

#[tokio::test]
async fn every_request_of_a_caller_is_in_the_log_under_the_documented_path() {
    let fixture = Fixture::new().await;
    let token = text(&fixture.log_in("ssh:manage").await.ok()["access_token"]);
    let logged = || {
        let decision = fixture.log.decisions().pop().unwrap();
        (decision.action, decision.outcome, decision.accessor.is_empty())
    };
    fixture.get("/VEDSDK/identity/self/", Some(&token)).await.ok();
    let own = "GET /vedsdk/Identity/Self";
    assert_eq!(logged(), (own.into(), "granted", false));
    fixture
        .store
        .fail_next(Operation::Read, Fail::Before, Fault::Unavailable);
    let answer = fixture.get("/vedsdk/Identity/Self", Some(&token)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(logged(), (own.into(), "unavailable", true));
    fixture.get("/vedauth/revoke/token", Some(&token)).await;
    assert_eq!(logged(), ("GET /vedauth/revoke/token".into(), "granted", false));

    // What everybody may read is no decision, but that it cannot be read is for the operator to see.
    let before = fixture.log.decisions().len();
    let key = "/vedsdk/SSHCertificates/Template/Retrieve/PublicKeyData";
    let path = format!("{key}?DN=users");
    assert_eq!(fixture.get(&path, None).await.status, 200);
    assert_eq!(fixture.log.decisions().len(), before);
    fixture
        .store
        .fail_next(Operation::Read, Fail::Before, Fault::Unavailable);
    assert_eq!(fixture.get(&path, None).await.status, 503);
    assert_eq!(logged(), (format!("GET {key}"), "unavailable", true));
}
