//! Host groups.

use super::fixture::{Fixture, text};
use serde_json::{Value, json};

const GROUPS: &str = "/api/v1/ssh/host-groups";

async fn group(fixture: &Fixture, admin: &str, name: &str) -> String {
    let body = json!({"projectId": fixture.project(), "name": name});
    text(&fixture.post(GROUPS, admin, &body).await.ok()["id"])
}

#[tokio::test]
async fn names_are_unique_in_the_organization() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    group(&fixture, &admin, "web").await;
    let other = text(&fixture.applied["projects"][1]["id"]);
    let body = json!({"projectId": other, "name": "web"});
    let message = "SSH host group with name 'web' already exists in the organization";
    fixture
        .post(GROUPS, &fixture.root, &body)
        .await
        .fails(400, "BadRequest", message);
    let second = group(&fixture, &admin, "db").await;
    let path = format!("{GROUPS}/{second}");
    fixture
        .patch(&path, &admin, &json!({"name": "web"}))
        .await
        .fails(400, "BadRequest", message);
    let renamed = fixture.patch(&path, &admin, &json!({"name": "cache"})).await.ok();
    assert_eq!(renamed["name"], "cache");
    group(&fixture, &admin, "db").await;
}

#[tokio::test]
async fn hosts_join_and_leave() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let id = group(&fixture, &admin, "web").await;
    let host = fixture.host();
    let path = format!("{GROUPS}/{id}/hosts/{host}");
    let absent = format!("SSH host with ID {host} not found in SSH host group with ID {id}");
    fixture
        .delete(&path, &admin)
        .await
        .fails(404, "NotFound", &absent);
    fixture.post(&path, &admin, &json!({})).await.ok();
    let again = fixture.post(&path, &admin, &json!({})).await;
    assert_eq!(again.status.as_u16(), 400);
    let list = |filter: &str| format!("{GROUPS}/{id}/hosts{filter}");
    for (filter, count) in [
        ("", 1),
        ("?filter=group-members", 1),
        ("?filter=non-group-members", 0),
    ] {
        let hosts = fixture.get(&list(filter), &admin).await.ok();
        assert_eq!(hosts["totalCount"], count, "{filter}");
    }
    let hosts = fixture.get(&list(""), &admin).await.ok();
    let expected = json!([{
        "id": host, "hostname": "web.example.com", "alias": "web", "isPartOfGroup": true,
        "joinedGroupAt": "2027-01-15T08:00:30.000Z",
    }]);
    assert_eq!(hosts["hosts"], expected);
    let answer = fixture.get(&list("?filter=all"), &admin).await;
    assert_eq!(answer.json()["message"][0]["code"], "invalid_enum_value");
    let groups = format!("/api/v1/projects/{}/ssh-host-groups", fixture.project());
    assert_eq!(
        fixture.get(&groups, &admin).await.ok()["groups"][0]["hostCount"],
        1
    );
    fixture.delete(&path, &admin).await.ok();
    let hosts = fixture.get(&list(""), &admin).await.ok();
    assert_eq!(hosts["hosts"][0]["joinedGroupAt"], Value::Null);
}

#[tokio::test]
async fn a_removed_group_gives_nothing_any_more() {
    let mut fixture = Fixture::new().await;
    let (admin, bob) = (fixture.user("admin").await, fixture.user("bob").await);
    let id = group(&fixture, &admin, "web").await;
    let mapping = json!([{"loginUser": "deploy", "allowedPrincipals": {"usernames": ["bob@example.com"]}}]);
    let path = format!("{GROUPS}/{id}");
    fixture
        .patch(&path, &admin, &json!({"loginMappings": mapping}))
        .await
        .ok();
    fixture
        .post(&format!("{path}/hosts/{}", fixture.host()), &admin, &json!({}))
        .await
        .ok();
    fixture.issue_user(&bob, "deploy").await.ok();
    fixture.delete(&path, &admin).await.ok();
    assert_eq!(fixture.issue_user(&bob, "deploy").await.status.as_u16(), 401);
    let message = format!("SSH host group with ID '{id}' not found");
    fixture.get(&path, &admin).await.fails(404, "NotFound", &message);
    assert_eq!(
        fixture.get(&fixture.host_path(""), &admin).await.ok()["loginMappings"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_host_of_another_project_cannot_join() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.user("admin").await;
    let id = group(&fixture, &admin, "web").await;
    let other = text(&fixture.applied["projects"][1]["id"]);
    let body = json!({"projectId": other, "hostname": "far.example.com"});
    let host = text(&fixture.post("/api/v1/ssh/hosts", &fixture.root, &body).await.ok()["id"]);
    let path = format!("{GROUPS}/{id}/hosts/{host}");
    let message = format!(
        "SSH host with ID {host} not found in project {}",
        fixture.project()
    );
    fixture
        .post(&path, &admin, &json!({}))
        .await
        .fails(400, "BadRequest", &message);
}
