//! The acceptance cases of the reference, by number: hosts and who logs in to them. Those of templates stand in
//! [`super::acceptance_templates`]; case 52, a login to a real sshd, is `tests/tests/infisical_client.rs`.

use super::fixture::{Fixture, HOST_KEY, NOW, text};
use crate::algorithm::comment_of;
use countersign::types::CertType;
use serde_json::{Value, json};

const HOSTS: &str = "/api/v1/ssh/hosts";

pub(super) fn is_uuid(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.as_bytes()[14] == b'4'
}

fn host(fixture: &Fixture, fields: Value) -> Value {
    let mut host = json!({"projectId": fixture.project(), "hostname": "db.example.com"});
    for (name, value) in fields.as_object().unwrap() {
        host[name] = value.clone();
    }
    host
}

async fn create(fixture: &mut Fixture, fields: Value) -> super::Answer {
    let admin = fixture.user("admin").await;
    fixture.post(HOSTS, &admin, &host(fixture, fields)).await
}

#[tokio::test]
async fn case_01_login_with_id_and_secret() {
    let fixture = Fixture::new().await;
    let answer = fixture.universal_login("m-id", "m-secret").await.ok();
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["accessToken", "accessTokenMaxTTL", "expiresIn", "tokenType"]
    );
    assert_eq!(answer["tokenType"], "Bearer");
    assert_eq!(answer["expiresIn"].as_u64(), Some(2_592_000));
    assert_eq!(answer["accessTokenMaxTTL"].as_u64(), Some(2_592_000));
}

#[tokio::test]
async fn case_02_login_with_a_final_slash() {
    let fixture = Fixture::new().await;
    let body = json!({"clientId": " m-id ", "clientSecret": " m-secret "});
    let path = "/api/v1/auth/universal-auth/login/";
    fixture.send("POST", path, None, Some(&body)).await.ok();
}

#[tokio::test]
async fn case_03_login_with_a_wrong_secret() {
    let fixture = Fixture::new().await;
    for (id, secret) in [("m-id", "wrong"), ("nobody", "m-secret"), ("", "")] {
        let answer = fixture.universal_login(id, secret).await;
        answer.fails(401, "UnauthorizedError", "Invalid credentials");
    }
}

#[tokio::test]
async fn case_04_login_without_a_secret() {
    let fixture = Fixture::new().await;
    let path = "/api/v1/auth/universal-auth/login";
    let answer = fixture
        .send("POST", path, None, Some(&json!({"clientId": "m-id"})))
        .await;
    answer.fails_validation(&[(json!(["clientSecret"]), "Required")]);
    assert_eq!(answer.json()["message"][0]["code"], "invalid_type");
    assert_eq!(answer.json()["message"][0]["received"], "undefined");
}

#[tokio::test]
async fn case_05_renew() {
    let fixture = Fixture::new().await;
    let token = fixture.machine("m-id").await;
    fixture.clock.set(NOW + 60);
    let path = "/api/v1/auth/token/renew";
    let body = json!({"accessToken": token});
    let renewed = fixture.send("POST", path, None, Some(&body)).await.ok();
    assert_eq!(renewed["tokenType"], "Bearer");
    let renewed = text(&renewed["accessToken"]);
    let body = host(&fixture, json!({}));
    fixture.post(HOSTS, &renewed, &body).await.ok();
}

#[tokio::test]
async fn case_06_renew_something_else() {
    let fixture = Fixture::new().await;
    let path = "/api/v1/auth/token/renew";
    let answer = fixture
        .send("POST", path, None, Some(&json!({"accessToken": "abc"})))
        .await;
    assert_eq!(answer.status.as_u16(), 403);
    assert_eq!(answer.json()["error"], "TokenError");
}

#[tokio::test]
async fn case_07_register_a_host() {
    let fixture = Fixture::new().await;
    let token = fixture.machine("m-id").await;
    let body = host(&fixture, json!({}));
    let host = fixture.post(HOSTS, &token, &body).await.ok();
    assert_eq!(host["userCertTtl"], "8h");
    assert_eq!(host["hostCertTtl"], "1y");
    assert_eq!(host["alias"], Value::Null);
    assert_eq!(host["loginMappings"], json!([]));
    for id in ["id", "userSshCaId", "hostSshCaId"] {
        assert!(is_uuid(&host[id]), "{host}");
    }
    assert_ne!(host["userSshCaId"], host["hostSshCaId"]);
}

#[tokio::test]
async fn case_08_an_alias_that_is_no_slug() {
    let mut fixture = Fixture::new().await;
    let answer = create(&mut fixture, json!({"alias": "Db_1"})).await;
    let text = "alias field can only contain lowercase letters, numbers, and hyphens";
    answer.fails_validation(&[(json!(["alias"]), text)]);
}

#[tokio::test]
async fn case_09_localhost() {
    let mut fixture = Fixture::new().await;
    let answer = create(&mut fixture, json!({"hostname": "localhost"})).await;
    answer.fails_validation(&[(json!(["hostname"]), "Hostname must be a valid hostname")]);
}

#[tokio::test]
async fn case_10_an_address() {
    let mut fixture = Fixture::new().await;
    let host = create(&mut fixture, json!({"hostname": "10.0.0.5"})).await.ok();
    assert_eq!(host["hostname"], "10.0.0.5");
}

#[tokio::test]
async fn case_11_blanks_around_a_hostname() {
    let mut fixture = Fixture::new().await;
    let host = create(&mut fixture, json!({"hostname": "  api.example.com  "}))
        .await
        .ok();
    assert_eq!(host["hostname"], "api.example.com");
}

#[tokio::test]
async fn case_12_a_lifetime_that_is_none() {
    let mut fixture = Fixture::new().await;
    let answer = create(&mut fixture, json!({"userCertTtl": "abc"})).await;
    answer.fails_validation(&[(json!(["userCertTtl"]), "TTL must be a positive number")]);
}

#[tokio::test]
async fn case_13_an_empty_lifetime() {
    let mut fixture = Fixture::new().await;
    let answer = create(&mut fixture, json!({"userCertTtl": ""})).await;
    answer.fails(400, "BadRequest", "Invalid date format string: ");
}

#[tokio::test]
async fn case_14_a_mapping_for_nobody() {
    let mut fixture = Fixture::new().await;
    let mappings = json!([{"loginUser": "root", "allowedPrincipals": {}}]);
    let answer = create(&mut fixture, json!({"loginMappings": mappings})).await;
    let path = json!(["loginMappings", 0, "allowedPrincipals", "allowedPrincipals"]);
    answer.fails_validation(&[(path, "At least one username or group must be provided")]);
}

#[tokio::test]
async fn case_15_a_mapping_for_an_unknown_account() {
    let mut fixture = Fixture::new().await;
    let mappings = json!([{"loginUser": "root", "allowedPrincipals": {"usernames": ["nobody@example.com"]}}]);
    let answer = create(&mut fixture, json!({"loginMappings": mappings})).await;
    answer.fails(400, "BadRequest", "Invalid username: nobody@example.com");
    let admin = fixture.user("admin").await;
    let path = format!("/api/v1/projects/{}/ssh-hosts", fixture.project());
    let hosts = fixture.get(&path, &admin).await.ok();
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn case_16_a_mapping_for_an_unknown_group() {
    let mut fixture = Fixture::new().await;
    let mappings = json!([{"loginUser": "root", "allowedPrincipals": {"groups": ["nope"]}}]);
    let answer = create(&mut fixture, json!({"loginMappings": mappings})).await;
    answer.fails(400, "BadRequest", "Invalid group slugs: nope");
}

#[tokio::test]
async fn case_17_a_username_twice() {
    let mut fixture = Fixture::new().await;
    let usernames = ["alice@example.com", " alice@example.com "];
    let mappings = json!([{"loginUser": "root", "allowedPrincipals": {"usernames": usernames}}]);
    let host = create(&mut fixture, json!({"loginMappings": mappings}))
        .await
        .ok();
    let expected = json!([{
        "loginUser": "root",
        "allowedPrincipals": {"usernames": ["alice@example.com"], "groups": []},
        "source": "host",
    }]);
    assert_eq!(host["loginMappings"], expected);
}

#[tokio::test]
async fn case_18_an_unknown_ca() {
    let mut fixture = Fixture::new().await;
    let id = "3a2b1c0d-4e5f-4071-8293-a4b5c6d7e8f9";
    let message = format!(
        "User SSH CA with ID '{id}' not found in project '{}'",
        fixture.project()
    );
    let answer = create(&mut fixture, json!({"userSshCaId": id, "hostSshCaId": "x"})).await;
    answer.fails(400, "BadRequest", &message);
}

#[tokio::test]
async fn case_19_register_as_a_member() {
    let mut fixture = Fixture::new().await;
    let bob = fixture.user("bob").await;
    let body = host(&fixture, json!({}));
    let answer = fixture.post(HOSTS, &bob, &body).await;
    answer.fails(
        403,
        "PermissionDenied",
        "You are not allowed to create on ssh-hosts",
    );
    assert!(answer.json()["details"].is_array());
}

#[tokio::test]
async fn case_20_the_user_ca_key() {
    let fixture = Fixture::new().await;
    let path = fixture.host_path("/user-ca-public-key");
    let answer = fixture.send("GET", &path, None, None).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.content_type, "text/plain; charset=utf-8");
    assert!(answer.text.starts_with("ssh-ed25519 "));
    assert!(!answer.text.contains('"') && !answer.text.ends_with('\n'));
}

#[tokio::test]
async fn case_21_a_host_certificate() {
    let fixture = Fixture::new().await;
    let token = fixture.machine("m-id").await;
    let body = json!({"publicKey": HOST_KEY});
    let answer = fixture
        .post(&fixture.host_path("/issue-host-cert"), &token, &body)
        .await;
    let certificate = answer.certificate();
    let fields = certificate.fields();
    assert_eq!(fields.cert_type, CertType::Host);
    assert_eq!(
        fields.valid_principals.iter().collect::<Vec<_>>(),
        ["web.example.com"]
    );
    assert_eq!(fields.key_id.as_str(), format!("host-{}", fixture.host()));
    assert!(fields.extensions.is_empty() && fields.critical_options.is_empty());
    assert_eq!(fields.validity.valid_before(), NOW + 31_557_600);
    assert_eq!(fields.signature_key, fixture.ca_key("host").await);
    assert_eq!(
        comment_of(answer.json()["signedKey"].as_str().unwrap()),
        "root@web"
    );
    assert_eq!(answer.json().as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn case_22_and_23_keys_that_are_refused() {
    let fixture = Fixture::new().await;
    let token = fixture.machine("m-id").await;
    let path = fixture.host_path("/issue-host-cert");
    for (key, reason) in [
        ("ecdsa-sha2-nistp521 AAAA", "unsupported key type."),
        (" ssh-ed25519 AAAA", "unsupported key type."),
        ("ssh-ed25519 !!!", "could not be parsed."),
    ] {
        let answer = fixture.post(&path, &token, &json!({"publicKey": key})).await;
        let message = format!("Failed to validate SSH public key format: {reason}");
        answer.fails(400, "BadRequest", &message);
    }
}

#[tokio::test]
async fn case_24_to_26_my_hosts() {
    let mut fixture = Fixture::new().await;
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let mine = fixture.get(HOSTS, &alice).await.ok();
    assert_eq!(mine.as_array().unwrap().len(), 1);
    assert_eq!(mine[0]["id"], fixture.host());
    assert_eq!(mine[0]["alias"], "web");
    let principals = json!({"usernames": ["alice@example.com"]});
    let mapping = |user: &str| json!({"loginUser": user, "allowedPrincipals": principals, "source": "host"});
    assert_eq!(
        mine[0]["loginMappings"],
        json!([mapping("ec2-user"), mapping("root")])
    );
    assert_eq!(fixture.get(HOSTS, &bob).await.ok(), json!([]));
    let machine = fixture.machine("m-id").await;
    let message = "You are not allowed to access this resource";
    let error = "Forbidden access to /api/v1/ssh/hosts";
    fixture.get(HOSTS, &machine).await.fails(403, error, message);
}

#[tokio::test]
async fn case_27_a_user_certificate() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let answer = fixture.issue_user(&alice, "ec2-user").await;
    let body = answer.ok();
    assert_eq!(body.as_object().unwrap().len(), 5);
    assert_eq!(body["keyAlgorithm"], "ED25519");
    let certificate = answer.certificate();
    let fields = certificate.fields();
    assert_eq!(fields.cert_type, CertType::User);
    let principals: Vec<&str> = fields.valid_principals.iter().collect();
    assert_eq!(principals, ["alice@example.com", "ec2-user"]);
    assert_eq!(
        fields.key_id.as_str(),
        format!("user-{}", fixture.user_id("alice"))
    );
    assert_eq!(fields.key_id.as_str().len(), 41);
    let extensions: Vec<(&str, &str)> = fields.extensions.iter().collect();
    let expected = [
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-port-forwarding",
        "permit-pty",
        "permit-user-rc",
    ];
    assert_eq!(extensions, expected.map(|name| (name, "")));
    assert!(fields.critical_options.is_empty());
    assert_eq!(fields.validity.valid_before(), NOW + 28_800);
    // 59 seconds before 08:00:30, at the beginning of that minute.
    assert_eq!(fields.validity.valid_after(), 1_799_999_940);
    assert_eq!(fields.signature_key, fixture.ca_key("user").await);
    let private_key = ssh_key::PrivateKey::from_openssh(body["privateKey"].as_str().unwrap()).unwrap();
    assert!(
        body["privateKey"]
            .as_str()
            .unwrap()
            .ends_with("-----END OPENSSH PRIVATE KEY-----\n")
    );
    let public_key = private_key.public_key().to_bytes().unwrap();
    assert_eq!(public_key, fields.subject_key.to_blob());
    let line = body["publicKey"].as_str().unwrap();
    assert!(line.starts_with(&fields.subject_key.to_line()) && line.ends_with('\n'));
}

#[tokio::test]
async fn case_28_by_group() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let certificate = fixture.issue_user(&alice, "root").await.certificate();
    let principals: Vec<&str> = certificate.fields().valid_principals.iter().collect();
    assert_eq!(principals, ["alice@example.com", "root"]);
}

#[tokio::test]
async fn case_29_to_31_logins_that_no_mapping_grants() {
    let mut fixture = Fixture::new().await;
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    for (token, login_user) in [
        (&alice, "ubuntu"),
        (&alice, "EC2-USER"),
        (&alice, " ec2-user"),
        (&alice, ""),
        (&alice, "ec2-user,root"),
        (&alice, "alice@example.com"),
        (&bob, "ec2-user"),
        (&bob, "bob@example.com"),
    ] {
        let message = format!("You are not allowed to login as {login_user} on this host");
        let answer = fixture.issue_user(token, login_user).await;
        answer.fails(401, "UnauthorizedError", &message);
    }
}

#[tokio::test]
async fn case_32_a_user_outside_the_project() {
    let mut fixture = Fixture::new().await;
    let eve = fixture.user("eve").await;
    let message = format!(
        "You are not a member of this project with ID {}. Please assign this user to the project with the appropriate \
         permissions, then try again.",
        fixture.project()
    );
    let answer = fixture.issue_user(&eve, "ec2-user").await;
    answer.fails(403, "ProjectMembershipNotFound", &message);
}

#[tokio::test]
async fn case_33_a_machine() {
    let fixture = Fixture::new().await;
    let machine = fixture.machine("m-id").await;
    let error = format!("Forbidden access to {}", fixture.host_path("/issue-user-cert"));
    let answer = fixture.issue_user(&machine, "ec2-user").await;
    answer.fails(403, &error, "You are not allowed to access this resource");
}

#[tokio::test]
async fn case_34_no_token() {
    let fixture = Fixture::new().await;
    let path = fixture.host_path("/issue-user-cert");
    // Also with a bad body: who is calling is asked first.
    for body in [json!({"loginUser": "ec2-user"}), json!({})] {
        let answer = fixture.send("POST", &path, None, Some(&body)).await;
        answer.fails(401, "UnauthorizedError", "Token missing");
    }
}

#[tokio::test]
async fn case_35_no_login_user() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let path = fixture.host_path("/issue-user-cert");
    let answer = fixture.post(&path, &alice, &json!({})).await;
    answer.fails_validation(&[(json!(["loginUser"]), "Required")]);
    let answer = fixture.post(&path, &alice, &json!({"loginUser": 1})).await;
    answer.fails_validation(&[(json!(["loginUser"]), "Expected string, received number")]);
    let answer = fixture.send("POST", &path, Some(&alice), None).await;
    answer.fails_validation(&[(json!([]), "Expected object, received null")]);
    let answer = fixture.post(&path, &alice, &json!([])).await;
    answer.fails_validation(&[(json!([]), "Expected object, received array")]);
}

#[tokio::test]
async fn case_36_a_lifetime_cannot_be_asked_for() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let body = json!({"loginUser": "ec2-user", "ttl": "99y"});
    let path = fixture.host_path("/issue-user-cert");
    let certificate = fixture.post(&path, &alice, &body).await.certificate();
    assert_eq!(certificate.fields().validity.valid_before(), NOW + 28_800);
}

#[tokio::test]
async fn case_37_an_unknown_host() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    for id in ["3a2b1c0d-4e5f-4071-8293-a4b5c6d7e8f9", "web.example.com", "%FF"] {
        let path = format!("{HOSTS}/{id}/issue-user-cert");
        let answer = fixture
            .post(&path, &alice, &json!({"loginUser": "ec2-user"}))
            .await;
        let shown = if id == "%FF" { "" } else { id };
        answer.fails(404, "NotFound", &format!("SSH host with ID {shown} not found"));
    }
}

#[tokio::test]
async fn case_38_two_calls() {
    let mut fixture = Fixture::new().await;
    let alice = fixture.user("alice").await;
    let first = fixture.issue_user(&alice, "ec2-user").await.ok();
    let second = fixture.issue_user(&alice, "ec2-user").await.ok();
    assert_ne!(first["serialNumber"], second["serialNumber"]);
    assert_ne!(first["publicKey"], second["publicKey"]);
}

#[tokio::test]
async fn case_39_another_lifetime() {
    let mut fixture = Fixture::new().await;
    let (admin, alice) = (fixture.user("admin").await, fixture.user("alice").await);
    fixture.issue_user(&alice, "ec2-user").await.ok();
    let path = fixture.host_path("");
    let host = fixture
        .patch(&path, &admin, &json!({"userCertTtl": "10m"}))
        .await
        .ok();
    assert_eq!(host["userCertTtl"], "10m");
    assert_eq!(host["loginMappings"].as_array().unwrap().len(), 2);
    let certificate = fixture.issue_user(&alice, "ec2-user").await.certificate();
    assert_eq!(certificate.fields().validity.valid_before(), NOW + 600);
}

#[tokio::test]
async fn case_40_no_mappings_any_more() {
    let mut fixture = Fixture::new().await;
    let (admin, alice) = (fixture.user("admin").await, fixture.user("alice").await);
    fixture.issue_user(&alice, "ec2-user").await.ok();
    let path = fixture.host_path("");
    let host = fixture
        .patch(&path, &admin, &json!({"loginMappings": []}))
        .await
        .ok();
    assert_eq!(host["loginMappings"], json!([]));
    let answer = fixture.issue_user(&alice, "ec2-user").await;
    let message = "You are not allowed to login as ec2-user on this host";
    answer.fails(401, "UnauthorizedError", message);
    assert_eq!(fixture.get(HOSTS, &alice).await.ok(), json!([]));
}

#[tokio::test]
async fn case_41_a_mapping_of_a_group() {
    let mut fixture = Fixture::new().await;
    let (admin, bob) = (fixture.user("admin").await, fixture.user("bob").await);
    // Known to this process before it was in a group.
    fixture.issue_user(&bob, "deploy").await;
    let mappings = json!([{"loginUser": "deploy", "allowedPrincipals": {"usernames": ["bob@example.com"]}}]);
    let group = json!({"projectId": fixture.project(), "name": "web-servers", "loginMappings": mappings});
    let group = fixture.post("/api/v1/ssh/host-groups", &admin, &group).await.ok();
    assert_eq!(group["loginMappings"][0].get("source"), None);
    let path = format!(
        "/api/v1/ssh/host-groups/{}/hosts/{}",
        text(&group["id"]),
        fixture.host()
    );
    let before = fixture.send("POST", &path, Some(&admin), None).await.ok();
    assert_eq!(before["loginMappings"].as_array().unwrap().len(), 2);
    let certificate = fixture.issue_user(&bob, "deploy").await.certificate();
    let principals: Vec<&str> = certificate.fields().valid_principals.iter().collect();
    assert_eq!(principals, ["bob@example.com", "deploy"]);
    let host = fixture.get(&fixture.host_path(""), &admin).await.ok();
    assert_eq!(host["loginMappings"][2]["loginUser"], "deploy");
    assert_eq!(host["loginMappings"][2]["source"], "hostGroup");
    let mine = fixture.get(HOSTS, &bob).await.ok();
    assert_eq!(mine[0]["loginMappings"][0]["source"], "hostGroup");
}

#[tokio::test]
async fn case_50_a_removed_host() {
    let mut fixture = Fixture::new().await;
    let (admin, alice) = (fixture.user("admin").await, fixture.user("alice").await);
    fixture.issue_user(&alice, "ec2-user").await.ok();
    let host = fixture.delete(&fixture.host_path(""), &admin).await.ok();
    assert_eq!(host["id"], fixture.host());
    let message = format!("SSH host with ID {} not found", fixture.host());
    let answer = fixture.issue_user(&alice, "ec2-user").await;
    answer.fails(404, "NotFound", &message);
    fixture
        .get(&fixture.host_path(""), &admin)
        .await
        .fails(404, "NotFound", &message);
    let quoted = format!("SSH host with ID '{}' not found", fixture.host());
    fixture
        .delete(&fixture.host_path(""), &admin)
        .await
        .fails(404, "NotFound", &quoted);
    // Its name is free again, its certificates stay listed.
    create(
        &mut fixture,
        json!({"hostname": "web.example.com", "alias": "web"}),
    )
    .await
    .ok();
    let path = format!("/api/v1/projects/{}/ssh-certificates", fixture.project());
    assert_eq!(fixture.get(&path, &alice).await.ok()["totalCount"], 1);
}

#[tokio::test]
async fn case_51_no_such_route() {
    let fixture = Fixture::new().await;
    for (method, path) in [
        ("GET", "/api/v1/ssh/nope"),
        ("PUT", HOSTS),
        ("GET", "/api/v1/ssh/nope?a=b"),
    ] {
        let answer = fixture.send(method, path, None, None).await;
        assert_eq!(answer.status.as_u16(), 404);
        let message = format!("Route {method}:{path} not found");
        let expected = json!({"message": message, "error": "Not Found", "statusCode": 404});
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.content_type, "application/json; charset=utf-8");
    }
}
