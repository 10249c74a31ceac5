//! Hosts beyond the acceptance cases.

use super::fixture::{Fixture, text};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

const HOSTS: &str = "/api/v1/ssh/hosts";

#[tokio::test]
async fn names_are_unique_in_a_project() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let post = async |fixture: &Fixture, project: String, hostname: &str, alias: &str| {
        let body = json!({"projectId": project, "hostname": hostname, "alias": alias});
        fixture.post(HOSTS, &fixture.root, &body).await
    };
    let project = fixture.project();
    let answer = post(&fixture, project.clone(), "web.example.com", "").await;
    let message = "SSH host with hostname web.example.com already exists in the project";
    answer.fails(400, "BadRequest", message);
    let answer = post(&fixture, project.clone(), "web2.example.com", "web").await;
    let message = "SSH host with alias web already exists in the project";
    answer.fails(400, "BadRequest", message);
    // In another project both are free.
    let other = text(&fixture.applied["projects"][1]["id"]);
    post(&fixture, other, "web.example.com", "web").await.ok();
    let second = post(&fixture, project, "web2.example.com", "").await.ok();
    let path = format!("{HOSTS}/{}", text(&second["id"]));
    for (change, message) in [
        (
            json!({"hostname": "web.example.com"}),
            "SSH host with hostname web.example.com already exists in the project",
        ),
        (
            json!({"alias": "web"}),
            "SSH host with alias web already exists in the project",
        ),
    ] {
        fixture
            .patch(&path, &admin, &change)
            .await
            .fails(400, "BadRequest", message);
    }
    // What failed left nothing behind: the old name is still taken, the new one free.
    let renamed = fixture
        .patch(&path, &admin, &json!({"hostname": "web3.example.com"}))
        .await
        .ok();
    assert_eq!(renamed["hostname"], "web3.example.com");
    fixture
        .patch(
            &path,
            &admin,
            &json!({"hostname": "web2.example.com", "alias": "web2"}),
        )
        .await
        .ok();
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let path = fixture.host_path("");
    let before = fixture.get(&path, &admin).await.ok();
    assert_eq!(fixture.patch(&path, &admin, &json!({})).await.ok(), before);
    let after = fixture.patch(&path, &admin, &json!({"alias": ""})).await.ok();
    assert_eq!(after["alias"], Value::Null);
    assert_eq!(after["loginMappings"], before["loginMappings"]);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after));
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let path = fixture.host_path("");
    let (alias, user_ttl, host_ttl) = (
        json!({"alias": "front"}),
        json!({"userCertTtl": "2h"}),
        json!({"hostCertTtl": "30d"}),
    );
    let (mappings, hostname) = (
        json!({"loginMappings": []}),
        json!({"hostname": "front.example.com"}),
    );
    let answers = tokio::join!(
        fixture.patch(&path, &admin, &alias),
        fixture.patch(&path, &admin, &user_ttl),
        fixture.patch(&path, &admin, &host_ttl),
        fixture.patch(&path, &admin, &mappings),
        fixture.patch(&path, &admin, &hostname),
    );
    for answer in [answers.0, answers.1, answers.2, answers.3, answers.4] {
        answer.ok();
    }
    let host = fixture.get(&path, &admin).await.ok();
    for change in [alias, user_ttl, host_ttl, mappings, hostname] {
        for (name, value) in change.as_object().unwrap() {
            assert_eq!(host[name], *value, "{host}");
        }
    }
}

#[tokio::test]
async fn what_roles_may_not_do_to_hosts() {
    let mut fixture = Fixture::new().await;
    let (bob, machine) = (fixture.user("bob").await, fixture.machine("m-id").await);
    let path = fixture.host_path("");
    fixture.get(&path, &bob).await.ok();
    let denied = |action: &str| format!("You are not allowed to {action} on ssh-hosts");
    fixture
        .get(&path, &machine)
        .await
        .fails(403, "PermissionDenied", &denied("read"));
    fixture
        .delete(&path, &bob)
        .await
        .fails(403, "PermissionDenied", &denied("delete"));
    let answer = fixture.patch(&path, &bob, &json!({"alias": "x"})).await;
    answer.fails(403, "PermissionDenied", &denied("edit"));
    let key = json!({"publicKey": super::fixture::HOST_KEY});
    let answer = fixture
        .post(&fixture.host_path("/issue-host-cert"), &bob, &key)
        .await;
    answer.fails(403, "PermissionDenied", &denied("issue-host-cert"));
    let list = format!("/api/v1/projects/{}/ssh-hosts", fixture.project());
    assert_eq!(fixture.get(&list, &machine).await.ok()["hosts"], json!([]));
    assert_eq!(
        fixture.get(&list, &bob).await.ok()["hosts"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn all_faults_are_reported_together_in_the_order_of_the_schema() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let body = json!({
        "hostname": 1,
        "alias": "A",
        "hostCertTtl": "-1h",
        "loginMappings": [{"allowedPrincipals": {"usernames": [2]}}, "x"],
        "unknown": true,
    });
    fixture.post(HOSTS, &admin, &body).await.fails_validation(&[
        (json!(["projectId"]), "Required"),
        (json!(["hostname"]), "Expected string, received number"),
        (
            json!(["alias"]),
            "alias field can only contain lowercase letters, numbers, and hyphens",
        ),
        (json!(["hostCertTtl"]), "TTL must be a positive number"),
        (json!(["loginMappings", 0, "loginUser"]), "Required"),
        (
            json!(["loginMappings", 0, "allowedPrincipals", "usernames", 0]),
            "Expected string, received number",
        ),
        (json!(["loginMappings", 1]), "Expected object, received string"),
    ]);
}

#[tokio::test]
async fn login_users_that_no_certificate_can_hold_are_refused_at_once() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let mapping = |user: &str| json!({"loginMappings": [{"loginUser": user, "allowedPrincipals": {"groups": ["ops"]}}]});
    let path = fixture.host_path("");
    let place = json!(["loginMappings", 0, "loginUser"]);
    let answer = fixture.patch(&path, &admin, &mapping(" ")).await;
    answer.fails_validation(&[(place.clone(), "String must contain at least 1 character(s)")]);
    for bad in ["a,b", "a\nb"] {
        let answer = fixture.patch(&path, &admin, &mapping(bad)).await;
        let message = "Login user must not hold commas or control characters";
        answer.fails_validation(&[(place.clone(), message)]);
    }
    let twice = json!({"loginMappings": [
        {"loginUser": "root", "allowedPrincipals": {"groups": ["ops"]}},
        {"loginUser": "root ", "allowedPrincipals": {"usernames": ["bob@example.com"]}},
    ]});
    let answer = fixture.patch(&path, &admin, &twice).await;
    answer.fails(400, "BadRequest", "Login user root is listed more than once");
    let outsider = json!({"loginMappings": [
        {"loginUser": "root", "allowedPrincipals": {"usernames": ["eve@example.com"]}},
    ]});
    let answer = fixture.patch(&path, &admin, &outsider).await;
    assert_eq!(answer.json()["error"], "ProjectMembershipNotFound");
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let send = async |content_type: Option<&str>, body: Vec<u8>| {
        let mut request = Request::post(fixture.host_path("/issue-user-cert"))
            .header("authorization", format!("Bearer {alice}"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        fixture.raw(request.body(Body::from(body)).unwrap()).await
    };
    let json = Some("application/json; charset=utf-8");
    for (content_type, body) in [
        (json, b"{".to_vec()),
        (json, b"\xff".to_vec()),
        (json, Vec::new()),
        (Some("text/plain"), b"{}".to_vec()),
        (None, b"{}".to_vec()),
    ] {
        let answer = send(content_type, body).await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty());
        answer.fails(400, "BadRequest", &message);
    }
    let deep = vec![b'['; 100_000];
    assert_eq!(send(json, deep).await.status.as_u16(), 400);
    let large = vec![b' '; (1 << 20) + 1];
    assert_eq!(send(json, large).await.status.as_u16(), 413);
    let body = json!({"loginUser": "ec2-user"}).to_string().into_bytes();
    send(json, body).await.ok();
}
