//! `countersign infisical apply`, against a running server.

use crate::support::{Server, exchange, failure, text};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

const ROOT: &str = "root";

fn document() -> Value {
    json!({"projects": [{
        "name": "prod",
        "users": [{"email": "a@example.com", "password": "a long password", "role": "admin"}],
        "identities": [{"name": "ci"}],
        "groups": [{"slug": "ops", "users": ["a@example.com"]}],
        "hosts": [{
            "hostname": "web.example.com",
            "loginMappings": [{"loginUser": "ubuntu", "allowedPrincipals": {"groups": ["ops"]}}],
        }],
    }]})
}

fn log_in(server: &Server, body: &str) -> (u16, String) {
    let address = server.url.strip_prefix("http://").unwrap();
    let request = format!(
        "POST /api/v1/auth/universal-auth/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    exchange(address, request.as_bytes()).unwrap()
}

#[test]
fn a_document_is_applied_as_often_as_one_likes() {
    let server = Server::start(&["--memory", "--root-token", ROOT]);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("setup.json");
    fs::write(&file, document().to_string()).unwrap();
    let apply = ["infisical", "apply", file.to_str().unwrap()];
    let said = server.says(ROOT, &apply);
    let first: Value = serde_json::from_str(&said).unwrap();
    let project = &first["projects"][0];
    assert!(first["organizationId"].is_string() && project["hosts"][0]["id"].is_string());
    let identity = &project["identities"][0];
    let login = json!({"clientId": identity["clientId"], "clientSecret": identity["clientSecret"]});
    let (status, answer) = log_in(&server, &login.to_string());
    assert_eq!(status, 200, "{answer}");
    let mut second: Value = serde_json::from_str(&server.says(ROOT, &apply)).unwrap();
    let again = second["projects"][0]["identities"][0].as_object_mut().unwrap();
    assert!(
        again
            .insert("clientSecret".into(), identity["clientSecret"].clone())
            .is_none()
    );
    assert_eq!(second, first);
}

#[test]
fn mistakes_are_named_by_their_place() {
    let server = Server::start(&["--memory", "--root-token", ROOT]);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("setup.json");
    let file_name = file.to_str().unwrap();
    let apply = ["infisical", "apply", file_name];
    fs::write(&file, r#"{"projects":[{"hosts":[{"hostname":"localhost"}]}]}"#).unwrap();
    let said = failure(&server.administer(ROOT, &apply));
    assert!(said.contains("projects.0.name: Required"), "{said}");
    assert!(
        said.contains("projects.0.hosts.0.hostname: Hostname must be a valid hostname"),
        "{said}"
    );
    fs::write(&file, "{").unwrap();
    let said = failure(&server.administer(ROOT, &apply));
    assert!(said.contains("is not JSON"), "{said}");
    fs::write(&file, "{}").unwrap();
    let output = server.administer("nobody", &apply);
    assert!(!output.status.success() && text(&output.stdout).is_empty());
}
