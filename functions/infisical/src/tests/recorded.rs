//! The requests of the real command-line client, in the order in which they were recorded, against this server: the
//! same statuses, the same keys and kinds of values, and for errors the same texts, as the answers which that client
//! took.

use super::fixture::{Answer, Fixture, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const RECORDED: &str = include_str!("../../../../tests/recorded/infisical/cli.jsonl");
/// The ids of the recording that requests name before an answer does.
const PROJECT: &str = "5e0c6f2a-1b7d-4a3e-9c85-d2f47b6a9013";
const TEMPLATE: &str = "c4d5e6f7-0819-4a2b-8c3d-4e5f60718293";

struct Replay {
    fixture: Fixture,
    /// What stands here for a text of the recording.
    known: BTreeMap<String, String>,
    tokens: BTreeMap<&'static str, String>,
}

impl Replay {
    async fn new() -> Self {
        let (mut fixture, template) = Fixture::with_template().await;
        let admin = fixture.user("admin").await;
        fixture.delete(&fixture.host_path(""), &admin).await.ok();
        let path = format!("/api/v1/ssh/certificate-templates/{template}");
        let users = json!({"allowedUsers": ["ec2-user", "deploy"]});
        fixture.patch(&path, &admin, &users).await.ok();
        let tokens = BTreeMap::from([
            ("admin", admin),
            ("alice", fixture.user("alice").await),
            ("bob", fixture.user("bob").await),
            ("bootstrapper", fixture.machine("m-id").await),
            ("signer", fixture.machine("signer-id").await),
        ]);
        let known = BTreeMap::from([
            (PROJECT.to_owned(), fixture.project()),
            (TEMPLATE.to_owned(), template),
            ("<client id>".to_owned(), "m-id".to_owned()),
            ("<client secret>".to_owned(), "m-secret".to_owned()),
            ("<password>".to_owned(), "a long password".to_owned()),
            ("o-1".to_owned(), text(&fixture.applied["organizationId"])),
            // The recording keeps only the beginning of this key.
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOCQHc7VBH1spiIK… me@laptop".to_owned(),
                super::fixture::HOST_KEY.trim().to_owned(),
            ),
        ]);
        Self {
            fixture,
            known,
            tokens,
        }
    }

    /// `recorded` with the names of this server.
    fn translated(&self, recorded: &str) -> String {
        self.known
            .iter()
            .fold(recorded.to_owned(), |text, (theirs, ours)| {
                text.replace(theirs, ours)
            })
    }

    fn token(&self, exchange: &Value) -> Option<&str> {
        let scenario = exchange["scenario"].as_str().unwrap();
        exchange["request_headers"].get("authorization")?;
        if scenario.contains("--token abc") {
            return Some("abc");
        }
        let who = if scenario.contains("no host open") {
            "bob"
        } else if scenario.contains("ssh add-host") && scenario.contains("user token") {
            "admin"
        } else if scenario.contains("ssh add-host") || scenario.contains("connect --token <identity") {
            "bootstrapper"
        } else if scenario.contains("identity token") || scenario.contains("unknown") {
            "signer"
        } else {
            "alice"
        };
        self.tokens.get(who).map(String::as_str)
    }

    async fn ask(&mut self, exchange: &Value) -> Answer {
        let scenario = exchange["scenario"].as_str().unwrap();
        let path = self.translated(exchange["path"].as_str().unwrap());
        // The stage of a gateway is not the function's to know.
        let path = path.strip_prefix("/prod").unwrap_or(&path).to_owned();
        let mut body: Value =
            serde_json::from_str(&self.translated(&exchange["request"].to_string())).unwrap();
        if scenario.contains("wrong secret") {
            body["clientSecret"] = json!("wrong");
        }
        if path.ends_with("/token/renew") {
            body["accessToken"] = json!(self.tokens["bootstrapper"]);
        }
        let token = if path.ends_with("select-organization") {
            let login = json!({"email": "alice@example.com", "password": "a long password"});
            let login = self
                .fixture
                .send("POST", "/api/v3/auth/login", None, Some(&login))
                .await;
            Some(text(&login.ok()["accessToken"]))
        } else {
            self.token(exchange).map(str::to_owned)
        };
        let method = exchange["method"].as_str().unwrap();
        let body = Some(&body).filter(|body| !body.is_null());
        self.fixture.send(method, &path, token.as_deref(), body).await
    }

    /// The mappings that the recorded hosts have once somebody connects to them.
    async fn map_logins(&mut self) {
        let admin = &self.tokens["admin"];
        for (theirs, login_users) in [
            ("b7b0bc1c-45fa-40d7-ad56-0c9123b37c41", vec!["ec2-user"]),
            ("f4af10d8-875a-49ab-a7ac-9c1548d4b13b", vec!["root", "ec2-user"]),
        ] {
            let mapping = |login_user: &&str| json!({"loginUser": login_user, "allowedPrincipals": {"usernames": ["alice@example.com"]}});
            let mappings: Vec<Value> = login_users.iter().map(mapping).collect();
            let path = format!("/api/v1/ssh/hosts/{}", self.known[theirs]);
            let change = json!({"loginMappings": mappings});
            self.fixture.patch(&path, admin, &change).await.ok();
        }
    }

    /// Remembers the ids that an answer gives to what the recording knows by others.
    fn learn(&mut self, recorded: &Value, ours: &Value) {
        if let (Some(theirs), Some(ours)) = (recorded["id"].as_str(), ours["id"].as_str()) {
            self.known.insert(theirs.to_owned(), ours.to_owned());
        }
    }
}

/// Same keys, same kinds of values.
fn assert_same_shape(recorded: &Value, ours: &Value, place: &str) {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(recorded), keys(ours), "{place}");
            for (name, value) in recorded {
                assert_same_shape(value, &ours[name], &format!("{place}.{name}"));
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => {
            assert_eq!(recorded.len(), ours.len(), "{place}");
            for (recorded, ours) in recorded.iter().zip(ours) {
                assert_same_shape(recorded, ours, place);
            }
        }
        (recorded, ours) => assert_eq!(
            std::mem::discriminant(recorded),
            std::mem::discriminant(ours),
            "{place}: {recorded} {ours}"
        ),
    }
}

#[tokio::test]
async fn the_command_line_client_gets_the_answers_that_it_takes() {
    let mut replay = Replay::new().await;
    let (mut compared, mut skipped) = (0, Vec::new());
    let mut is_mapped = false;
    for line in RECORDED.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let scenario = text(&exchange["scenario"]);
        if exchange["method"].is_null() {
            skipped.push(format!("{scenario}: the client refuses by itself"));
            continue;
        }
        if scenario.contains("ssh connect") && !scenario.contains("no host open") && !is_mapped {
            replay.map_logins().await;
            is_mapped = true;
        }
        let answer = replay.ask(&exchange).await;
        assert_eq!(
            exchange["status"],
            answer.status.as_u16(),
            "{scenario}: {}",
            answer.text
        );
        assert_eq!(
            exchange["response_content_type"], *answer.content_type,
            "{scenario}"
        );
        let recorded = &exchange["response"];
        if answer.content_type.starts_with("text/plain") {
            let blob = answer.text.split(' ').nth(1).unwrap();
            assert!(
                answer.text.starts_with("ssh-ed25519 ") && blob.len() == 68,
                "{}",
                answer.text
            );
        } else {
            let ours = answer.json();
            assert_same_shape(recorded, &ours, &scenario);
            replay.learn(recorded, &ours);
            if answer.status.as_u16() >= 400 {
                let same = |name: &str| {
                    let theirs = replay.translated(&recorded[name].to_string());
                    assert_eq!(theirs, ours[name].to_string(), "{scenario}");
                };
                same("error");
                same("message");
            }
        }
        compared += 1;
    }
    println!(
        "compared {compared} exchanges, skipped {}: {skipped:#?}",
        skipped.len()
    );
    assert_eq!((compared, skipped.len()), (55, 1));
}
