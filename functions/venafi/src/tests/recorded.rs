//! The requests of the real command-line client, in the order in which they were recorded, against this server: the
//! same statuses, and in each answer at least the members, of the same kinds, that the client took.

use super::fixture::{Answer, Fixture, KEY, PASSWORD, USERNAME, text, users};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../../../../tests/recorded/venafi/vcert-cli.jsonl");

/// Commands whose recorded answers were made up to see what the client does with them, or cannot be had here: a part of
/// the command, and what is answered instead.
const DIFFERENT: &[(&str, u16, &str)] = &[
    (
        "two pending answers first",
        200,
        "the first retrieve is answered with the certificate",
    ),
    (
        "one pending answer first",
        200,
        "the first retrieve is answered with the certificate",
    ),
    (
        "pending",
        200,
        "the first retrieve is answered with the certificate",
    ),
    (
        "Issued inline",
        200,
        "without ProcessingTimeout the answer is pending",
    ),
    ("unknown status word", 200, "there are no other words"),
    (
        "--id x2 (404)",
        400,
        "an unknown template is a 400, whose text the client shows",
    ),
    (
        "200, Status Rejected",
        200,
        "what is refused is a 400; this request is allowed",
    ),
    ("code 29", 200, "the template here allows this key"),
    ("--p12-file", 400, "no client certificates"),
];

struct Replay {
    fixture: Fixture,
    /// What stands for `<token>` and the others in the commands that follow.
    refresh_token: Value,
    used_refresh_token: Value,
}

impl Replay {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        for (name, principals) in [("user-template", vec!["alice", "bob"]), ("dev users", vec![])] {
            let mut document = users();
            document["Name"] = json!(name);
            document["AccessControl"]["DefaultPrincipals"] = json!(principals);
            fixture.create_template(&document).await.ok();
        }
        let plus = json!({"Name": "a+b & c#d é", "CAKeyPair": {"KeyAlgorithm": "ED25519"}});
        fixture.create_template(&plus).await.ok();
        Self {
            fixture,
            refresh_token: Value::Null,
            used_refresh_token: Value::Null,
        }
    }

    /// The token that a command was given.
    async fn token(&self, scenario: &str, path: &str) -> String {
        if scenario.contains("<unknown token>") || scenario.contains("<revoked token>") {
            return "unknown".into();
        }
        if scenario.contains("without ssh:manage") {
            let granted = self.fixture.log_in("certificate:manage,revoke").await.ok();
            return text(&granted["access_token"]);
        }
        // The command that ends a token takes one of its own.
        if path.contains("revoke") {
            return text(&self.fixture.log_in("ssh:manage").await.ok()["access_token"]);
        }
        self.fixture.token.clone()
    }

    /// A recorded body with the names and keys of this server.
    fn body(&self, scenario: &str, recorded: &Value, guid: Option<&Value>) -> Value {
        let mut body = recorded.clone();
        let Some(members) = body.as_object_mut() else {
            return body;
        };
        for (name, value) in members.iter_mut() {
            match name.as_str() {
                "username" | "Username" => *value = json!(USERNAME),
                "password" | "Password" if scenario.contains("<wrong password>") => *value = json!("wrong"),
                "password" | "Password" => *value = json!(PASSWORD),
                "refresh_token" if scenario.contains("used already") => {
                    *value = self.used_refresh_token.clone()
                }
                "refresh_token" => *value = self.refresh_token.clone(),
                "Guid" if value != "" => {
                    if let Some(guid) = guid {
                        *value = guid.clone();
                    }
                }
                // The recording keeps only the beginning of most keys.
                "PublicKeyData" => {
                    let line = value.as_str().unwrap().to_owned();
                    if countersign::ssh::PublicKey::from_line(&line).is_err() {
                        let comment = line.splitn(3, ' ').nth(2).unwrap_or_default();
                        let key: Vec<&str> = KEY.split(' ').take(2).collect();
                        *value = json!(format!("{} {comment}", key.join(" ")));
                    }
                }
                _ => {}
            }
        }
        body
    }

    async fn send(&self, line: &Value, body: &Value, path: &str) -> Answer {
        let scenario = line["scenario"].as_str().unwrap();
        let mut request = Request::builder()
            .method(line["method"].as_str().unwrap())
            .uri(path);
        for (name, value) in line["request_headers"].as_object().unwrap() {
            let value = match name.as_str() {
                "authorization" => format!("Bearer {}", self.token(scenario, path).await),
                "x-venafi-api-key" => self.fixture.token.clone(),
                _ => text(value),
            };
            request = request.header(name, value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.fixture.raw(request.body(body).unwrap()).await
    }
}

/// The id of an object or a template of this server, in place of a recorded one.
async fn guid(replay: &Replay, line: &Value) -> Option<Value> {
    let fixture = &replay.fixture;
    if line["scenario"].as_str()?.contains("sshgetconfig") {
        let template = fixture
            .post("Template/Retrieve", &json!({"DN": "user-template"}))
            .await
            .ok();
        return Some(template["Guid"].clone());
    }
    let dn = line["response"]["DN"].as_str()?;
    let known = fixture.post("Retrieve", &json!({"DN": dn})).await;
    Some(known.json()["Guid"].clone())
}

/// Whether all members of `theirs` stand in `ours`, of the same kinds. One of them may be null.
fn compare(theirs: &Value, ours: &Value, place: &str, faults: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                // Which extensions there are is the template's to say.
                if place.ends_with("Extensions") {
                    continue;
                }
                match ours.get(name) {
                    Some(found) => compare(value, found, &format!("{place}.{name}"), faults),
                    None => faults.push(format!("{place}.{name} is missing")),
                }
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ if std::mem::discriminant(theirs) != std::mem::discriminant(ours) => {
            faults.push(format!("{place}: {theirs} became {ours}"));
        }
        _ if theirs != ours
            && [".ErrorCode", ".error", ".Status"]
                .iter()
                .any(|word| place.ends_with(word)) =>
        {
            faults.push(format!("{place}: {theirs} became {ours}"));
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_recorded_requests_are_answered_as_the_client_takes_it() {
    let mut replay = Replay::new().await;
    let (mut compared, mut different, mut unsent) = (0, 0, 0);
    let mut faults = Vec::new();
    for line in RECORDED.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let scenario = text(&line["scenario"]);
        let Some(path) = line["path"].as_str() else {
            unsent += 1;
            continue;
        };
        let guid = if line["request"]["Guid"]
            .as_str()
            .is_some_and(|guid| !guid.is_empty())
            || path.contains("guid=")
        {
            guid(&replay, &line).await
        } else {
            None
        };
        let path = match (path.split_once("guid="), &guid) {
            (Some((before, _)), Some(guid)) => {
                let bare = guid.as_str().unwrap().trim_matches(['{', '}']);
                format!("{before}guid=%7B{bare}%7D")
            }
            _ => path.to_owned(),
        };
        // The recording has one refresh token for all clients; here each has its own.
        if scenario.contains("-t <refresh token>") && !scenario.contains("used already") {
            let login = json!({
                "client_id": line["request"]["client_id"], "username": USERNAME, "password": PASSWORD,
                "scope": "ssh:manage",
            });
            let granted = replay
                .fixture
                .send("POST", "/vedauth/authorize/oauth", None, Some(&login))
                .await;
            replay.refresh_token = granted.ok()["refresh_token"].clone();
        }
        let body = replay.body(&scenario, &line["request"], guid.as_ref());
        let answer = replay.send(&line, &body, &path).await;
        if path.starts_with("/vedauth/authorize") && answer.status == 200 && line["method"] == "POST" {
            replay.used_refresh_token = replay.refresh_token.clone();
            replay.refresh_token = answer.json()["refresh_token"].clone();
        }
        let expected = DIFFERENT.iter().find(|(part, ..)| {
            let is_ping = path == "/vedsdk/";
            scenario.contains(part) && !is_ping
        });
        if let Some((_, status, _)) = expected {
            assert_eq!(answer.status.as_u16(), *status, "{scenario}: {}", answer.text);
            different += 1;
            continue;
        }
        compared += 1;
        let status = u16::try_from(line["status"].as_u64().unwrap()).unwrap();
        if answer.status.as_u16() != status {
            faults.push(format!(
                "{scenario}: {path}: {status} became {}: {}",
                answer.status, answer.text
            ));
            continue;
        }
        if line["response"].is_object() {
            let mut found = Vec::new();
            compare(&line["response"], &answer.json(), "", &mut found);
            faults.extend(
                found
                    .into_iter()
                    .map(|fault| format!("{scenario}: {path}: {fault}")),
            );
        }
    }
    println!("recorded requests: {compared} compared, {different} answered differently, {unsent} never sent");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!((compared + different + unsent, unsent), (108, 5));
}
