//! Getting, renewing and ending tokens.

use super::fixture::{Fixture, PASSWORD, USERNAME, text};
use axum::body::Body;
use countersign::access;
use http::Request;
use serde_json::{Value, json};

impl Fixture {
    async fn refresh(&self, refresh_token: &Value) -> super::fixture::Answer {
        let body = json!({"client_id": "vcert-cli", "refresh_token": refresh_token});
        self.send("POST", "/vedauth/authorize/token", None, Some(&body))
            .await
    }

    async fn verify(&self, token: &str) -> super::fixture::Answer {
        self.get("/vedauth/authorize/verify", Some(token)).await
    }
}

#[tokio::test]
async fn case_03_a_token_works_until_it_is_revoked_and_its_refresh_token_once() {
    let fixture = Fixture::new().await;
    let first = fixture.log_in("ssh:manage").await.ok();
    fixture.verify(&text(&first["access_token"])).await.ok();
    let second = fixture.refresh(&first["refresh_token"]).await.ok();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let used = fixture.refresh(&first["refresh_token"]).await;
    let reason = used.denies(400, "invalid_grant");
    assert_eq!(
        reason,
        "Grant has been revoked, has expired, or the refresh token is invalid"
    );
    let ended = fixture.verify(&text(&first["access_token"])).await;
    ended.denies(401, "invalid_token");
    let token = text(&second["access_token"]);
    fixture.verify(&token).await.ok();
    let answer = fixture.get("/vedauth/revoke/token", Some(&token)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    fixture.verify(&token).await.denies(401, "invalid_token");
    fixture
        .refresh(&second["refresh_token"])
        .await
        .denies(400, "invalid_grant");
}

#[tokio::test]
async fn case_04_the_answer_has_an_integer_end_and_a_refresh_token() {
    let fixture = Fixture::new().await;
    let answer = fixture.log_in("SSH:Manage").await.ok();
    let expires = answer["expires"].as_u64().unwrap();
    assert_eq!(
        answer["expires_in"].as_u64(),
        Some(expires - super::fixture::NOW),
        "{answer}"
    );
    assert!(answer["refresh_token"].is_string() && answer["refresh_until"].is_u64());
    assert_eq!(
        (&answer["token_type"], &answer["scope"]),
        (&json!("Bearer"), &json!("ssh:manage"))
    );
    assert!(text(&answer["identity"]).starts_with("local:{"));
}

#[tokio::test]
async fn case_05_a_token_must_be_there_be_known_and_be_for_ssh() {
    let fixture = Fixture::new().await;
    let path = "/vedsdk/SSHCertificates/Request";
    let ask = |token: Option<String>| {
        let fixture = &fixture;
        async move {
            fixture
                .send("POST", path, token.as_deref(), Some(&json!({})))
                .await
        }
    };
    assert_eq!(ask(None).await.denies(401, "invalid_token"), "Grant not found");
    assert_eq!(
        ask(Some("x".into())).await.denies(401, "invalid_token"),
        "Grant not found"
    );
    let other = text(&fixture.log_in("certificate:manage,revoke").await.ok()["access_token"]);
    let reason = ask(Some(other)).await.denies(403, "insufficient_scope");
    assert!(
        reason.starts_with("Grant rejected scope 'ssh:manage'."),
        "{reason}"
    );
    let malformed = Request::post(path)
        .header("authorization", "Bearer")
        .body(Body::empty())
        .unwrap();
    fixture.raw(malformed).await.denies(401, "session_error");
}

#[tokio::test]
async fn case_27_ping_identity_and_verify_answer_in_full() {
    let fixture = Fixture::new().await;
    for path in ["/vedsdk", "/vedsdk/", "/VEDSDK/"] {
        for token in [None, Some("unknown")] {
            fixture.get(path, token).await.ok();
        }
    }
    let answer = fixture
        .get("/vedsdk/identity/self", Some(&fixture.token))
        .await
        .ok();
    let identities = answer["Identities"].as_array().unwrap();
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0]["Name"], USERNAME);
    let verified = fixture.verify(&fixture.token).await.ok();
    assert_eq!(verified["application"], "vcert-cli");
    assert_eq!(verified["scope"], "ssh:manage");
    assert_eq!(verified["access_issued_on"], "/Date(1800000030000)/");
    assert_eq!(verified["access_issued_on_ISO8601"], "2027-01-15T08:00:30Z");
    assert_eq!(
        text(&verified["identity"]),
        format!("local:{}", text(&identities[0]["Universal"]))
    );
    // A token of the account, without an end.
    let verified = fixture.verify(&fixture.root).await.ok();
    assert!(verified["valid_for"].as_u64().unwrap() > 86_400);
    let there = fixture.get("/vedauth/authorize/isAuthServer", None).await;
    assert_eq!(there.status.as_u16(), 202);
}

#[tokio::test]
async fn case_28_an_api_key_asks_for_a_certificate() {
    let fixture = Fixture::new().await;
    let login = json!({"Username": USERNAME, "Password": PASSWORD});
    let answer = fixture
        .send("POST", "/vedsdk/authorize/", None, Some(&login))
        .await
        .ok();
    assert!(text(&answer["ValidUntil"]).starts_with("/Date("));
    let body = json!({"CADN": "users", "KeyId": "k", "PublicKeyData": super::fixture::KEY});
    let request = Request::post("/vedsdk/SSHCertificates/request")
        .header("x-venafi-api-key", text(&answer["APIKey"]))
        .body(Body::from(body.to_string()))
        .unwrap();
    assert_eq!(
        fixture.raw(request).await.ok()["ProcessingDetails"]["Status"],
        "Pending Issue"
    );
    let wrong = json!({"Username": USERNAME, "Password": "x"});
    let answer = fixture
        .send("POST", "/vedsdk/authorize", None, Some(&wrong))
        .await;
    answer.denies(400, "invalid_grant");
}

#[tokio::test]
async fn logins_that_are_not_good_are_refused_alike() {
    let fixture = Fixture::new().await;
    let good = json!({"client_id": "c", "username": USERNAME, "password": PASSWORD, "scope": "ssh:manage", "state": ""});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let log_in = |body: Value| {
        let fixture = &fixture;
        async move {
            fixture
                .send("POST", "/vedauth/authorize/oauth", None, Some(&body))
                .await
        }
    };
    log_in(good.clone()).await.ok();
    for body in [with("password", json!("x")), with("username", json!("nobody"))] {
        let reason = log_in(body).await.denies(400, "invalid_grant");
        assert_eq!(reason, "Username\\password combination not valid");
    }
    for (name, value, error) in [
        ("client_id", json!(""), "invalid_client"),
        ("scope", json!(null), "invalid_scope"),
        ("scope", json!("ssh:"), "invalid_scope"),
        ("password", json!(null), "invalid_request"),
        ("password", json!(1), "invalid_request"),
    ] {
        let reason = log_in(with(name, value)).await.denies(400, error);
        assert!(!reason.contains(PASSWORD));
    }
    for refresh_token in [
        "",
        "x",
        "csr_",
        "csr_x.y",
        "csr_5508941d-5922-406f-be73-2207af1853a0.x",
    ] {
        let answer = fixture.refresh(&json!(refresh_token)).await;
        assert_eq!(answer.status.as_u16(), 400, "{refresh_token}");
    }
    let certificate = json!({"client_id": "c", "scope": "ssh:manage"});
    let answer = fixture
        .send("POST", "/vedauth/authorize/certificate", None, Some(&certificate))
        .await;
    answer.denies(400, "unauthorized_client");
}

#[tokio::test]
async fn a_refresh_token_ends_with_its_client_its_time_its_secret_and_its_identity() {
    let fixture = Fixture::new().await;
    let granted = fixture.log_in("ssh:manage").await.ok();
    let body = json!({"client_id": "other", "refresh_token": granted["refresh_token"]});
    let answer = fixture
        .send("POST", "/vedauth/authorize/token", None, Some(&body))
        .await;
    answer.denies(400, "invalid_grant");
    let granted = fixture.refresh(&granted["refresh_token"]).await.ok();
    fixture.clock.set(granted["refresh_until"].as_u64().unwrap());
    fixture
        .refresh(&granted["refresh_token"])
        .await
        .denies(400, "invalid_grant");
    fixture.clock.set(super::fixture::NOW);
    let services = &fixture.services;
    let identity = access::identity_by_client_id(&*services.store, USERNAME)
        .await
        .unwrap()
        .unwrap();
    for secret in access::list_secrets(services, &identity.identity.id)
        .await
        .unwrap()
    {
        access::destroy_secret(&*services.store, &identity.identity.id, &secret.secret)
            .await
            .unwrap();
    }
    fixture
        .refresh(&granted["refresh_token"])
        .await
        .denies(400, "invalid_grant");
}

#[tokio::test]
async fn two_uses_of_a_refresh_token_at_once_give_one_token() {
    let fixture = std::sync::Arc::new(Fixture::new().await);
    let granted = fixture.log_in("ssh:manage").await.ok();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (fixture, token) = (fixture.clone(), granted["refresh_token"].clone());
        running.spawn(async move { fixture.refresh(&token).await.status.as_u16() });
    }
    let statuses = running.join_all().await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_token_that_lost_its_session_has_no_scope() {
    let fixture = Fixture::new().await;
    let hash = countersign::types::SecretToken::new(fixture.token.clone()).hash();
    let key = crate::session::Session::key(&hash);
    let delete = countersign::store::Write::Delete(key, countersign::store::Condition::Always);
    fixture.services.store.write(&[delete]).await.unwrap();
    fixture.request(json!({})).await.denies(403, "insufficient_scope");
}

#[tokio::test]
async fn no_secret_is_kept_or_logged_in_clear() {
    let fixture = Fixture::new().await;
    let granted = fixture.log_in("ssh:manage").await.ok();
    fixture.log_in("x:").await;
    let log: Vec<String> = fixture
        .log
        .decisions()
        .iter()
        .map(|decision| serde_json::to_string(decision).unwrap())
        .collect();
    for secret in [
        PASSWORD,
        granted["access_token"].as_str().unwrap(),
        granted["refresh_token"].as_str().unwrap(),
    ] {
        assert!(log.iter().all(|line| !line.contains(secret)));
    }
}
