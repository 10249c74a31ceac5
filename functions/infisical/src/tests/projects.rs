//! Projects and their settings.

use super::fixture::{Fixture, text};
use serde_json::json;

#[tokio::test]
async fn everybody_sees_their_own_projects() {
    let mut fixture = Fixture::new().await;
    let (alice, eve) = (fixture.user("alice").await, fixture.user("eve").await);
    let machine = fixture.machine("m-id").await;
    for (token, name) in [(&alice, "prod"), (&eve, "other"), (&machine, "prod")] {
        let projects = fixture.get("/api/v1/projects?type=ssh", token).await.ok();
        assert_eq!(projects["projects"].as_array().unwrap().len(), 1);
        assert_eq!(projects["projects"][0]["name"], name);
        let workspaces = fixture.get("/api/v1/workspace", token).await.ok();
        assert_eq!(workspaces["workspaces"], projects["projects"]);
    }
    let all = fixture.get("/api/v1/projects", &fixture.root).await.ok();
    assert_eq!(all["projects"].as_array().unwrap().len(), 2);
    let one = fixture
        .get(&format!("/api/v1/projects/{}", fixture.project()), &alice)
        .await
        .ok();
    assert_eq!(one["project"]["_id"], one["project"]["id"]);
    assert_eq!(one["project"]["orgId"], fixture.applied["organizationId"]);
    assert_eq!(one["project"]["type"], "ssh");
    let workspace = fixture
        .get(&format!("/api/v1/workspace/{}", fixture.project()), &alice)
        .await
        .ok();
    assert_eq!(workspace["workspace"], one["project"]);
    let none = fixture
        .get("/api/v1/projects?type=secret-manager", &alice)
        .await
        .ok();
    assert_eq!(none["projects"], json!([]));
    fixture
        .get("/api/v1/projects/nope", &alice)
        .await
        .fails(404, "NotFound", "Project with nope not found");
}

#[tokio::test]
async fn whoever_makes_a_project_administers_it() {
    let mut fixture = Fixture::new().await;
    let bob = fixture.user("bob").await;
    let made = fixture
        .post(
            "/api/v2/workspace",
            &bob,
            &json!({"projectName": "mine", "type": "ssh"}),
        )
        .await
        .ok();
    let id = text(&made["project"]["id"]);
    assert!(text(&made["project"]["slug"]).starts_with("mine-"));
    let host = json!({"projectId": id, "hostname": "a.example.com"});
    fixture.post("/api/v1/ssh/hosts", &bob, &host).await.ok();
    let alice = fixture.user("alice").await;
    let answer = fixture.get(&format!("/api/v1/projects/{id}"), &alice).await;
    assert_eq!(answer.json()["error"], "ProjectMembershipNotFound");
    let answer = fixture
        .post(
            "/api/v1/projects",
            &bob,
            &json!({"projectName": "x", "type": "kms"}),
        )
        .await;
    let message = "The project is of type kms. Operations of type ssh are not allowed.";
    answer.fails(400, "BadRequest", message);
}

#[tokio::test]
async fn the_settings_choose_the_cas_of_new_hosts() {
    let mut fixture = Fixture::new().await;
    let (admin, bob) = (fixture.user("admin").await, fixture.user("bob").await);
    let ca = json!({"projectId": fixture.project(), "friendlyName": "p256", "keyAlgorithm": "EC_prime256v1"});
    let ca = fixture.post("/api/v1/ssh/ca", &admin, &ca).await.ok()["ca"]["id"].clone();
    for prefix in ["projects", "workspace"] {
        let path = format!("/api/v1/{prefix}/{}/ssh-config", fixture.project());
        let before = fixture.get(&path, &admin).await.ok();
        let after = fixture
            .patch(&path, &admin, &json!({"defaultUserSshCaId": ca}))
            .await
            .ok();
        assert_eq!(after["defaultUserSshCaId"], ca);
        assert_eq!(after["defaultHostSshCaId"], before["defaultHostSshCaId"]);
        let answer = fixture
            .patch(&path, &admin, &json!({"defaultHostSshCaId": "x"}))
            .await;
        let message = format!(
            "Host SSH CA with ID 'x' not found in project '{}'",
            fixture.project()
        );
        answer.fails(400, "BadRequest", &message);
        let message = "You are not allowed to read on settings";
        fixture
            .get(&path, &bob)
            .await
            .fails(403, "PermissionDenied", message);
    }
    let host = json!({"projectId": fixture.project(), "hostname": "new.example.com"});
    let host = fixture.post("/api/v1/ssh/hosts", &admin, &host).await.ok();
    assert_eq!(host["userSshCaId"], ca);
}
