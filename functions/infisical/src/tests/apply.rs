//! The document of an operator's set-up.

use super::fixture::{Fixture, document, text};
use serde_json::{Value, json};

const APPLY: &str = "/api/v1/countersign/apply";

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let fixture = Fixture::new().await;
    let again = fixture.post(APPLY, &fixture.root, &document()).await.ok();
    assert_eq!(again, fixture.applied);
}

#[tokio::test]
async fn secrets_that_are_made_are_shown_once() {
    let fixture = Fixture::new().await;
    let body = json!({"projects": [{"name": "prod", "identities": [{"name": "new"}]}]});
    let first = fixture.post(APPLY, &fixture.root, &body).await.ok();
    let identity = &first["projects"][0]["identities"][0];
    let (id, secret) = (text(&identity["clientId"]), text(&identity["clientSecret"]));
    fixture.universal_login(&id, &secret).await.ok();
    let second = fixture.post(APPLY, &fixture.root, &body).await.ok();
    assert_eq!(second["projects"][0]["identities"][0].get("clientSecret"), None);
    assert_eq!(second["projects"][0]["identities"][0]["clientId"], *id);
    assert_eq!(second["projects"][0]["identities"][0]["role"], "member");
}

#[tokio::test]
async fn what_is_named_changes_and_the_rest_stays() {
    let mut fixture = Fixture::new().await;
    let body = json!({"projects": [{
        "name": "prod",
        "keyAlgorithm": "RSA_2048",
        "users": [{"email": "bob@example.com", "password": "another password", "role": "viewer"}],
        "groups": [{"slug": "ops", "users": ["bob@example.com"]}],
        "hosts": [{"hostname": "web.example.com", "userCertTtl": "1h"}],
    }]});
    let applied = fixture.post(APPLY, &fixture.root, &body).await.ok();
    assert_eq!(applied["organizationId"], fixture.applied["organizationId"]);
    let host = &applied["projects"][0]["hosts"][0];
    assert_eq!(host["id"], fixture.host());
    assert_eq!(host["userCertTtl"], "1h");
    assert_eq!(host["alias"], "web");
    assert_eq!(host["loginMappings"].as_array().unwrap().len(), 2);
    // alice has left the group, bob is in it; keys are RSA now.
    let alice = fixture.user("alice").await;
    assert_eq!(fixture.issue_user(&alice, "root").await.status.as_u16(), 401);
    let answer = fixture.issue_user(&alice, "ec2-user").await;
    let issued = answer.ok();
    assert_eq!(issued["keyAlgorithm"], "RSA_2048");
    assert!(text(&issued["signedKey"]).starts_with("ssh-rsa-cert-v01@openssh.com "));
    answer.certificate();
    let login = |password: &str| json!({"email": "bob@example.com", "password": password});
    let path = "/api/v3/auth/login";
    assert_eq!(
        fixture
            .send("POST", path, None, Some(&login("a long password")))
            .await
            .status
            .as_u16(),
        401
    );
    fixture
        .send("POST", path, None, Some(&login("another password")))
        .await
        .ok();
}

#[tokio::test]
async fn mistakes_are_named() {
    let fixture = Fixture::new().await;
    let body = json!({"projects": [{
        "users": [{"email": "a,b", "role": "king"}],
        "hosts": [{"hostname": "localhost"}],
    }]});
    let roles = "Invalid enum value. Expected 'admin' | 'member' | 'viewer' | 'ssh-host-bootstrapper' | 'no-access', \
                 received 'king'";
    fixture
        .post(APPLY, &fixture.root, &body)
        .await
        .fails_validation(&[
            (json!(["projects", 0, "name"]), "Required"),
            (
                json!(["projects", 0, "users", 0, "email"]),
                "Email must not hold commas or control characters",
            ),
            (json!(["projects", 0, "users", 0, "role"]), roles),
            (
                json!(["projects", 0, "hosts", 0, "hostname"]),
                "Hostname must be a valid hostname",
            ),
        ]);
    let body = json!({"projects": [{"name": "prod", "groups": [{"slug": "x", "users": ["nobody"]}]}]});
    fixture
        .post(APPLY, &fixture.root, &body)
        .await
        .fails(400, "BadRequest", "Invalid username: nobody");
    let body = json!({"projects": [{"name": "prod", "identities": [{"name": "n", "clientId": "m-id"}]}]});
    let answer = fixture.post(APPLY, &fixture.root, &body).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert_eq!(
        fixture.post(APPLY, &fixture.root, &json!({})).await.ok()["projects"],
        Value::Array(Vec::new())
    );
}

#[tokio::test]
async fn two_at_the_same_time_make_one_project() {
    let fixture = Fixture::new().await;
    for round in 0..10 {
        let body = json!({"projects": [{"name": format!("new {round}")}]});
        let both = tokio::join!(
            fixture.post(APPLY, &fixture.root, &body),
            fixture.post(APPLY, &fixture.root, &body),
        );
        let ids = [both.0, both.1].map(|answer| answer.ok()["projects"][0]["id"].clone());
        assert_eq!(ids[0], ids[1]);
    }
    let all = fixture.get("/api/v1/projects", &fixture.root).await.ok();
    let names = all["projects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["name"]));
    assert_eq!(names.filter(|name| name.starts_with("new ")).count(), 10);
}

#[tokio::test]
async fn a_project_that_was_made_otherwise_is_found_by_its_name() {
    let fixture = Fixture::new().await;
    let body = json!({"projectName": "by hand", "type": "ssh", "slug": "by-hand"});
    let made = fixture.post("/api/v1/projects", &fixture.root, &body).await.ok();
    fixture
        .post("/api/v1/projects", &fixture.root, &body)
        .await
        .fails(
            400,
            "BadRequest",
            "Project with slug 'by-hand' already exists in the organization",
        );
    let body = json!({"projects": [{"name": "by hand"}]});
    for _ in 0..2 {
        let applied = fixture.post(APPLY, &fixture.root, &body).await.ok();
        assert_eq!(applied["projects"][0]["id"], made["project"]["id"]);
    }
}

#[tokio::test]
async fn a_project_that_somebody_made_for_themselves_is_not_taken_for_the_operators() {
    let mut fixture = Fixture::new().await;
    let bob = fixture.user("bob").await;
    let machine = fixture.machine("m-id").await;
    let mut theirs = Vec::new();
    for token in [&bob, &machine] {
        let body = json!({"projectName": "next", "type": "ssh"});
        let made = fixture.post("/api/v1/projects", token, &body).await.ok();
        theirs.push(text(&made["project"]["id"]));
    }
    let body = json!({"projects": [{"name": "next", "hosts": [{"hostname": "db.example.com"}]}]});
    let first = fixture.post(APPLY, &fixture.root, &body).await.ok();
    let id = text(&first["projects"][0]["id"]);
    assert!(!theirs.contains(&id), "{id}");
    for token in [&bob, &machine] {
        let answer = fixture.get(&format!("/api/v1/projects/{id}"), token).await;
        assert_eq!(answer.json()["error"], "ProjectMembershipNotFound");
    }
    let again = fixture.post(APPLY, &fixture.root, &body).await.ok();
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_chosen_client_secret_has_some_length() {
    let fixture = Fixture::new().await;
    let spec = |secret: &str| json!({"projects": [{"name": "prod", "identities": [{"name": "x", "clientSecret": secret}]}]});
    let path = json!(["projects", 0, "identities", 0, "clientSecret"]);
    let (short, long) = (
        "String must contain at least 8 character(s)",
        "String must contain at most 512 character(s)",
    );
    for (secret, message) in [
        ("", short),
        ("1234567", short),
        ("  1234567  ", short),
        (&"x".repeat(513), long),
    ] {
        let answer = fixture.post(APPLY, &fixture.root, &spec(secret)).await;
        answer.fails_validation(&[(path.clone(), message)]);
    }
    fixture.post(APPLY, &fixture.root, &spec("12345678")).await.ok();
}
