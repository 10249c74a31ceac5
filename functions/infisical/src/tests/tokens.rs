//! Tokens: what becomes of them, and who is turned away.

use super::fixture::{Fixture, NOW, text};
use axum::body::Body;
use countersign::{
    access::{self, NewToken},
    acl::Policy,
};
use http::Request;
use serde_json::json;

const HOSTS: &str = "/api/v1/ssh/hosts";

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let mut fixture = Fixture::new().await;
    let (alice, machine) = (fixture.user("alice").await, fixture.machine("m-id").await);
    fixture.clock.set(NOW + 2_592_000);
    for token in [&alice, &machine] {
        let answer = fixture.get(HOSTS, token).await;
        answer.fails(
            403,
            "TokenError",
            "Your token has expired. Please re-authenticate.",
        );
    }
    let body = json!({"accessToken": machine});
    let answer = fixture
        .send("POST", "/api/v1/auth/token/renew", None, Some(&body))
        .await;
    let message = "Failed to renew MI access token due to TTL expiration";
    answer.fails(401, "UnauthorizedError", message);
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused() {
    let mut fixture = Fixture::new().await;
    let mut other = Fixture::new().await;
    fixture.user("alice").await;
    let theirs = other.user("alice").await;
    fixture
        .get(HOSTS, &theirs)
        .await
        .fails(403, "TokenError", "invalid signature");
    let message = "The provided access token is malformed. Please use a valid token or generate a new one and try again.";
    for bad in ["abc", "a.b.c", "e30.e30", ""] {
        fixture.get(HOSTS, bad).await.fails(403, "TokenError", message);
    }
    let service = fixture.get(HOSTS, "st.1.2.3").await;
    service.fails(
        403,
        "Forbidden access to /api/v1/ssh/hosts",
        "You are not allowed to access this resource",
    );
}

#[tokio::test]
async fn a_revoked_token_is_gone_at_once() {
    let mut fixture = Fixture::new().await;
    let machine = fixture.machine("m-id").await;
    let alice = fixture.user("alice").await;
    for token in [&machine, &alice] {
        let body = json!({"accessToken": token});
        let answer = fixture
            .send("POST", "/api/v1/auth/token/revoke", None, Some(&body))
            .await
            .ok();
        assert_eq!(answer["message"], "Successfully revoked access token");
    }
    let path = fixture.host_path("");
    let message = "No identity access token found";
    fixture
        .get(&path, &machine)
        .await
        .fails(401, "UnauthorizedError", message);
    fixture
        .get(HOSTS, &alice)
        .await
        .fails(404, "NotFound", "Session not found");
    let body = json!({"accessToken": machine});
    let answer = fixture
        .send("POST", "/api/v1/auth/token/renew", None, Some(&body))
        .await;
    answer.fails(401, "UnauthorizedError", message);
}

#[tokio::test]
async fn an_account_revokes_these_tokens_like_any_other() {
    let fixture = Fixture::new().await;
    let machine = fixture.machine("m-id").await;
    let accessor = fixture.log.decisions().pop().unwrap().accessor;
    let hash = access::hash_of_accessor(&fixture.services, &accessor)
        .await
        .unwrap()
        .unwrap();
    assert!(access::revoke(&fixture.services, &hash).await.unwrap());
    let answer = fixture.get(&fixture.host_path(""), &machine).await;
    answer.fails(401, "UnauthorizedError", "No identity access token found");
}

#[tokio::test]
async fn a_removed_identity_has_no_tokens() {
    let mut fixture = Fixture::new().await;
    let machine = fixture.machine("m-id").await;
    let alice = fixture.user("alice").await;
    let store = &*fixture.services.store;
    for id in [
        fixture.user_id("alice"),
        text(&fixture.applied["projects"][0]["identities"][0]["id"]),
    ] {
        let identity = access::identity_by_id(store, &id).await.unwrap().unwrap();
        access::delete_identity(store, &identity.identity).await.unwrap();
    }
    fixture
        .get(HOSTS, &alice)
        .await
        .fails(404, "NotFound", "Session not found");
    let answer = fixture.get(&fixture.host_path(""), &machine).await;
    answer.fails(401, "UnauthorizedError", "No identity access token found");
}

#[tokio::test]
async fn only_tokens_of_identities_are_renewed() {
    let mut fixture = Fixture::new().await;
    let body = json!({"accessToken": fixture.user("alice").await});
    let answer = fixture
        .send("POST", "/api/v1/auth/token/renew", None, Some(&body))
        .await;
    answer.fails(400, "BadRequest", "Only identity access tokens can be renewed");
}

#[tokio::test]
async fn three_failures_close_a_login() {
    let fixture = Fixture::new().await;
    let locked = "This identity auth method is temporarily locked, please try again later";
    for _ in 0..3 {
        let answer = fixture.universal_login("m-id", "wrong").await;
        answer.fails(401, "UnauthorizedError", "Invalid credentials");
    }
    fixture
        .universal_login("m-id", "m-secret")
        .await
        .fails(401, "UnauthorizedError", locked);
    // Nobody else's.
    fixture.universal_login("signer-id", "signer-secret").await.ok();
    fixture.clock.set(NOW + 299);
    fixture
        .universal_login("m-id", "m-secret")
        .await
        .fails(401, "UnauthorizedError", locked);
    fixture.clock.set(NOW + 300);
    fixture.universal_login("m-id", "m-secret").await.ok();
}

#[tokio::test]
async fn failures_far_apart_close_nothing() {
    let fixture = Fixture::new().await;
    for time in [0, 20, 31, 55, 70] {
        fixture.clock.set(NOW + time);
        fixture.universal_login("m-id", "wrong").await;
    }
    fixture.universal_login("m-id", "m-secret").await.ok();
}

#[tokio::test]
async fn a_person_needs_the_right_password_and_the_organization() {
    let fixture = Fixture::new().await;
    let path = "/api/v3/auth/login";
    for (email, password) in [
        ("alice@example.com", "wrong"),
        ("nobody@example.com", "a long password"),
        ("", ""),
        ("M", "m-secret"),
    ] {
        let body = json!({"email": email, "password": password});
        let answer = fixture.send("POST", path, None, Some(&body)).await;
        answer.fails(401, "UnauthorizedError", "Invalid credentials");
    }
    let body = json!({"email": "alice@example.com", "password": "a long password"});
    let first = fixture.send("POST", path, None, Some(&body)).await.ok();
    let first = text(&first["accessToken"]);
    let error = "/api/v1/ssh/hosts Unauthorized Access, no organization found in request";
    let message = "You are not allowed to access this resource";
    fixture.get(HOSTS, &first).await.fails(401, error, message);
    let organizations = fixture.get("/api/v1/organization", &first).await.ok();
    assert_eq!(
        organizations["organizations"][0]["id"],
        fixture.applied["organizationId"]
    );
    let select = "/api/v3/auth/select-organization";
    let answer = fixture
        .post(select, &first, &json!({"organizationId": "o-1"}))
        .await;
    answer.fails(
        403,
        "ForbiddenError",
        "User does not have access to the organization",
    );
    let id = &fixture.applied["organizationId"];
    let second = fixture
        .post(select, &first, &json!({"organizationId": id}))
        .await
        .ok();
    assert_eq!(second["isMfaEnabled"], false);
    fixture
        .post(
            "/api/v1/auth/checkAuth",
            second["token"].as_str().unwrap(),
            &json!({}),
        )
        .await
        .ok();
}

#[tokio::test]
async fn api_keys_are_refused() {
    let fixture = Fixture::new().await;
    let request = Request::get(HOSTS)
        .header("x-api-key", "k")
        .body(Body::empty())
        .unwrap();
    let message =
        "API key authentication is not supported anymore. Please switch to identity authentication.";
    fixture.raw(request).await.fails(400, "BadRequest", message);
}

#[tokio::test]
async fn any_seven_characters_go_before_a_token() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let value = format!("bearer:{alice}");
    let request = Request::get(HOSTS)
        .header("authorization", value)
        .body(Body::empty())
        .unwrap();
    fixture.raw(request).await.ok();
}

#[tokio::test]
async fn policies_decide_about_tokens_of_the_account() {
    let fixture = Fixture::new().await;
    let host = fixture.host();
    let policy = format!(
        "path \"api/v1/ssh/hosts/{host}\" {{ capabilities = [\"read\"] }}
         path \"api/v1/ssh/hosts\" {{ capabilities = [\"create\"] }}"
    );
    Policy::parse("reader", &policy).unwrap();
    access::put_policy(&fixture.services, "reader", &policy)
        .await
        .unwrap();
    let new = NewToken {
        policies: vec!["reader".into()],
        ..NewToken::default()
    };
    let token = access::grant(&fixture.services, new).await.unwrap().secret;
    let token = token.reveal();
    fixture.get(&fixture.host_path(""), token).await.ok();
    let denied = "You are not allowed to access this resource";
    fixture
        .delete(&fixture.host_path(""), token)
        .await
        .fails(403, "PermissionDenied", denied);
    // The route is allowed, the project in the body is not.
    let body = json!({"projectId": fixture.project(), "hostname": "new.example.com"});
    fixture
        .post(HOSTS, token, &body)
        .await
        .fails(403, "PermissionDenied", denied);
    fixture.post(HOSTS, &fixture.root, &body).await.ok();
}
