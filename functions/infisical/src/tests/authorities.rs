//! CAs.

use super::fixture::{Fixture, text};
use countersign::{
    authority::{Authority, AuthorityState},
    authority_use::AuthorityUse,
    retirement::{Outcome, retire_unused},
};
use serde_json::{Value, json};

const CAS: &str = "/api/v1/ssh/ca";

/// A key pair that `ssh-keygen -t ed25519 -N ''` made for this test.
const PUBLIC_KEY: &str = include_str!("external.pub");
const PRIVATE_KEY: &str = include_str!("external.key");

#[tokio::test]
async fn a_ca_of_each_algorithm() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    for (algorithm, name) in [
        ("ED25519", "ssh-ed25519 "),
        ("EC_prime256v1", "ecdsa-sha2-nistp256 "),
        ("EC_secp384r1", "ecdsa-sha2-nistp384 "),
        ("RSA_2048", "ssh-rsa "),
    ] {
        let body = json!({"projectId": fixture.project(), "friendlyName": "ca", "keyAlgorithm": algorithm});
        let made = fixture.post(CAS, &admin, &body).await.ok();
        let key = text(&made["ca"]["publicKey"]);
        assert!(key.starts_with(name) && key.ends_with('\n'), "{key}");
        assert_eq!(made["ca"]["status"], "active");
        assert_eq!(made["ca"]["keySource"], "internal");
        let path = format!("{CAS}/{}", text(&made["ca"]["id"]));
        let found = fixture.get(&path, &admin).await.ok();
        assert_eq!(found["ca"]["publicKey"], key.trim_end());
        let public = fixture
            .send("GET", &format!("{path}/public-key"), None, None)
            .await;
        assert_eq!(public.text, key.trim_end());
    }
    let answer = fixture
        .post(
            CAS,
            &admin,
            &json!({"projectId": "", "friendlyName": "", "keyAlgorithm": "DSA"}),
        )
        .await;
    let message = "Invalid enum value. Expected 'RSA_2048' | 'RSA_4096' | 'EC_prime256v1' | 'EC_secp384r1' | \
                   'ED25519', received 'DSA'";
    answer.fails_validation(&[(json!(["keyAlgorithm"]), message)]);
}

#[tokio::test]
async fn a_key_from_outside() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let post = async |public_key: &str, private_key: &str| {
        let body = json!({
            "projectId": fixture.project(), "friendlyName": "old", "keySource": "external",
            "keyAlgorithm": "RSA_2048", "publicKey": public_key, "privateKey": private_key,
        });
        fixture.post(CAS, &admin, &body).await
    };
    let answer = post("", "").await;
    let message = "publicKey and privateKey are required when keySource is external";
    answer.fails_validation(&[(json!(["publicKey"]), message)]);
    let message = "Failed to validate SSH private key format: could not be parsed.";
    post(PUBLIC_KEY, "nonsense")
        .await
        .fails(400, "BadRequest", message);
    let message = "Failed to validate matching SSH key pair: The provided public key does not match the public key \
                   derived from the private key.";
    post(super::fixture::HOST_KEY, PRIVATE_KEY)
        .await
        .fails(400, "BadRequest", message);
    // As a form in a browser or a shell variable may have it.
    let made = post(PUBLIC_KEY, &PRIVATE_KEY.replace('\n', "\\n")).await.ok();
    assert_eq!(made["ca"]["keyAlgorithm"], "ED25519");
    assert_eq!(made["ca"]["keySource"], "external");
    post(PUBLIC_KEY, &PRIVATE_KEY.replace('\n', "\r\n")).await.ok();
}

#[tokio::test]
async fn a_disabled_ca_signs_for_hosts_but_through_no_template() {
    let (mut fixture, template) = Fixture::with_template().await;
    let (admin, alice) = (fixture.user("admin").await, fixture.user("alice").await);
    let path = format!("/api/v1/ssh/certificate-templates/{template}");
    let ca = text(&fixture.get(&path, &admin).await.ok()["sshCaId"]);
    let change = json!({"status": "disabled", "friendlyName": "new"});
    let changed = fixture.patch(&format!("{CAS}/{ca}"), &admin, &change).await.ok();
    assert_eq!(changed["ca"]["friendlyName"], "new");
    let sign = json!({
        "certificateTemplateId": template, "publicKey": super::fixture::HOST_KEY, "principals": ["ec2-user"],
    });
    let answer = fixture.post("/api/v1/ssh/certificates/sign", &alice, &sign).await;
    answer.fails(400, "BadRequest", "SSH CA is disabled");
    let config = format!("/api/v1/projects/{}/ssh-config", fixture.project());
    let user_ca = text(&fixture.get(&config, &admin).await.ok()["defaultUserSshCaId"]);
    fixture
        .patch(
            &format!("{CAS}/{user_ca}"),
            &admin,
            &json!({"status": "disabled"}),
        )
        .await
        .ok();
    fixture.issue_user(&alice, "ec2-user").await.ok();
}

#[tokio::test]
async fn a_removed_ca_takes_its_hosts_and_templates_along() {
    let (mut fixture, template) = Fixture::with_template().await;
    let (admin, alice) = (fixture.user("admin").await, fixture.user("alice").await);
    fixture.issue_user(&alice, "ec2-user").await.ok();
    let path = format!("/api/v1/ssh/certificate-templates/{template}");
    let ca = text(&fixture.get(&path, &admin).await.ok()["sshCaId"]);
    let removed = fixture.delete(&format!("{CAS}/{ca}"), &admin).await.ok();
    assert_eq!(removed["ca"].get("publicKey"), None);
    assert_eq!(fixture.get(&path, &admin).await.status.as_u16(), 404);
    let config = format!("/api/v1/projects/{}/ssh-config", fixture.project());
    let user_ca = text(&fixture.get(&config, &admin).await.ok()["defaultUserSshCaId"]);
    fixture.delete(&format!("{CAS}/{user_ca}"), &admin).await.ok();
    assert_eq!(fixture.issue_user(&alice, "ec2-user").await.status.as_u16(), 404);
    assert_eq!(fixture.get(&config, &admin).await.status.as_u16(), 404);
    let cas = format!("/api/v1/projects/{}/ssh-cas", fixture.project());
    let left = fixture.get(&cas, &admin).await.ok();
    assert_eq!(left["cas"].as_array().unwrap().len(), 1);
    let message = format!("SSH CA with ID '{ca}' not found");
    fixture
        .get(&format!("{CAS}/{ca}"), &admin)
        .await
        .fails(404, "NotFound", &message);
    // The name is free, and the next host gets new CAs.
    let host = json!({"projectId": fixture.project(), "hostname": "web.example.com"});
    let host = fixture.post("/api/v1/ssh/hosts", &admin, &host).await.ok();
    assert_ne!(host["userSshCaId"], Value::String(user_ca));
    let certificates = format!("/api/v1/projects/{}/ssh-certificates", fixture.project());
    assert_eq!(fixture.get(&certificates, &admin).await.ok()["totalCount"], 1);
}

/// The authorities of the account with these descriptions.
async fn described(fixture: &Fixture, ending: &str) -> Vec<Authority> {
    let all = Authority::list(&*fixture.services.store).await.unwrap();
    let authorities = all.into_iter().map(|(authority, _)| authority);
    authorities
        .filter(|authority| authority.description.ends_with(ending))
        .collect()
}

#[tokio::test]
async fn a_projects_ca_keeps_its_authority_in_service_until_it_is_removed() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let body = json!({"projectId": fixture.project(), "friendlyName": "third"});
    let ca = text(&fixture.post(CAS, &admin, &body).await.ok()["ca"]["id"]);
    let [authority] = &described(&fixture, ": third").await[..] else {
        panic!("there is one");
    };
    let outcome = retire_unused(&fixture.services, &authority.id).await.unwrap();
    let Outcome::Used(uses) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(uses[0].user, "the CA third of the Infisical project prod");
    fixture.delete(&format!("{CAS}/{ca}"), &admin).await.ok();
    assert_eq!(
        described(&fixture, ": third").await[0].state,
        AuthorityState::Retired
    );
}

#[tokio::test]
async fn a_removed_ca_leaves_its_authority_to_whoever_else_uses_it() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let body = json!({"projectId": fixture.project(), "friendlyName": "third"});
    let ca = text(&fixture.post(CAS, &admin, &body).await.ok()["ca"]["id"]);
    let id = described(&fixture, ": third").await[0].id.clone();
    let store = &*fixture.services.store;
    let (authority, stored) = Authority::read(store, &id).await.unwrap().unwrap();
    let mount = AuthorityUse {
        id: "vault/an-issuer".into(),
        user: "the Vault mount ssh/".into(),
    };
    let writes = mount.of_existing(&authority, &stored).unwrap();
    store.write(&writes).await.unwrap();
    fixture.delete(&format!("{CAS}/{ca}"), &admin).await.ok();
    assert_eq!(
        described(&fixture, ": third").await[0].state,
        AuthorityState::Active
    );
    let outcome = retire_unused(&fixture.services, &id).await.unwrap();
    assert_eq!(outcome, Outcome::Used(vec![mount]));
}
