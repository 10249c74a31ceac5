//! What real clients asked and a real server (OpenBao 2.6.2) answered, asked again of our router: the same requests in
//! the same order, and then the same statuses, members, types, texts and, where nothing random is in them, values.
//!
//! `tests/recorded/vault` holds the recordings, with tokens and private keys blanked. What differs on purpose, or is
//! not there yet, stands in [`differences`] with its reason; an entry there that no exchange needs fails the test.

mod certificates;
mod compare;
mod differences;
mod exchange;
mod learned;

use crate::support::{ROOT, Server};
use axum::body::Body;
use compare::{Answer, Comparison};
use differences::{Allowance, DIFFERENCES};
use exchange::Exchange;
use learned::Learned;
use serde_json::Value;
use std::io::Write;

#[tokio::test]
async fn openbao_and_its_command_line() {
    let mut replay = Replay::new("openbao").await;
    for exchange in exchange::load("openbao") {
        let token = match exchange.scenario.as_str() {
            "bad token" => "bad".to_owned(),
            // The scenarios of the token that may do no more than sign.
            scenario if scenario.starts_with("limited token") => replay.learned.ours("s.<token 2>"),
            _ => ROOT.to_owned(),
        };
        replay.play(&exchange, &token).await;
    }
    replay.conclude();
}

#[tokio::test]
async fn opentofu_with_the_vault_provider() {
    let mut replay = Replay::new("terraform").await;
    let mut token = ROOT.to_owned();
    let mut scenario = String::new();
    for exchange in exchange::load("terraform") {
        if scenario != exchange.scenario {
            scenario = exchange.scenario.clone();
            token = ROOT.to_owned();
            replay.act_outside(&scenario).await;
        }
        // Each run asks who it is with the token that it was given, and goes on with a child of it.
        if exchange.path == "/v1/auth/token/lookup-self" && !scenario.starts_with("provider-auth-login") {
            token = ROOT.to_owned();
        }
        let answer = replay.play(&exchange, &token).await;
        let text = exchange.request.to_string();
        let is_new = exchange.path.ends_with("/login") || text.contains(r#""display_name":"terraform""#);
        if let (true, Some(new)) = (is_new, answer.body["auth"]["client_token"].as_str()) {
            token = new.to_owned();
        }
    }
    replay.conclude();
}

/// A recording being played to a server.
struct Replay {
    recording: &'static str,
    server: Server,
    learned: Learned,
    compared: usize,
    /// For each of [`DIFFERENCES`]: how many exchanges needed it.
    needed: Vec<usize>,
    mismatches: Vec<String>,
}

impl Replay {
    async fn new(recording: &'static str) -> Self {
        let server = Server::new().await;
        // The recorded server had no such mount at the start.
        countersign_vault::mounts::delete(&server.services, "ssh")
            .await
            .unwrap();
        let mut learned = Learned::default();
        learned.learn("s.<token 1>", ROOT);
        Self {
            recording,
            server,
            learned,
            compared: 0,
            needed: vec![0; DIFFERENCES.len()],
            mismatches: Vec::new(),
        }
    }

    /// What happened between two scenarios without being recorded.
    async fn act_outside(&mut self, scenario: &str) {
        let (method, path) = match scenario {
            "plan-role-deleted-outside" => ("DELETE", "tf-ssh/roles/host"),
            "plan-ca-deleted-outside" => ("DELETE", "tf-ssh/config/ca"),
            "plan-mount-deleted-outside" => ("DELETE", "sys/mounts/tf-ssh"),
            "provider-auth-login-approle-no-token-create-right" => {
                ("PUT", "auth/tf-approle/role/ci/secret-id")
            }
            _ => return,
        };
        let reply = self.server.call(method, path, Body::empty()).await;
        if path.ends_with("/secret-id") {
            let data = reply.data();
            self.learned
                .learn("<secret_id 2>", data["secret_id"].as_str().unwrap());
        } else {
            reply.expect(204);
        }
    }

    /// Asks what was asked, and compares the answer.
    async fn play(&mut self, exchange: &Exchange, token: &str) -> Answer {
        let request = exchange.to_request(&mut self.learned, token).await;
        let reply = self.server.send(request).await;
        let content_type = reply.headers["content-type"].to_str().unwrap().to_owned();
        let answer = Answer::from(reply);
        let recorded = Answer {
            status: exchange.status,
            body: exchange.response.clone(),
        };
        let strictly = Comparison::of(exchange, &self.learned, &recorded, &answer);
        let comparison = if strictly.mismatches.is_empty() {
            Some(strictly)
        } else {
            self.compare_with_differences(exchange, &recorded, &answer)
        };
        if let Some(comparison) = comparison {
            self.compared += 1;
            self.learned = comparison.learned;
            self.mismatches.extend(
                comparison
                    .mismatches
                    .iter()
                    .map(|mismatch| format!("{exchange}: {mismatch}")),
            );
            if exchange
                .content_type
                .as_ref()
                .is_some_and(|recorded| *recorded != content_type)
            {
                self.mismatches
                    .push(format!("{exchange}: content type {content_type}"));
            }
        }
        self.replace_ca_key(exchange, &answer).await;
        self.learn_issuer(exchange).await;
        answer
    }

    /// OpenBao's config/ca says which issuer it has made; ours is asked for.
    async fn learn_issuer(&mut self, exchange: &Exchange) {
        let Some(path) = exchange
            .path
            .strip_prefix("/v1/")
            .and_then(|path| path.strip_suffix("/config/ca"))
        else {
            return;
        };
        if let Some(recorded) = exchange.response["data"]["issuer_id"].as_str()
            && !self.learned.knows(recorded)
        {
            let data = self.server.read(&format!("{path}/config/issuers")).await.data();
            self.learned.learn(recorded, data["default"].as_str().unwrap());
        }
    }

    /// Compares with what the listed differences make of the recorded answer; not at all where one says so.
    fn compare_with_differences(
        &mut self,
        exchange: &Exchange,
        recorded: &Answer,
        answer: &Answer,
    ) -> Option<Comparison> {
        let mut expected = recorded.clone();
        for (entry, needed) in DIFFERENCES.iter().zip(&mut self.needed) {
            if !(entry.applies)(exchange) {
                continue;
            }
            let before = expected.clone();
            match entry.allowance {
                Allowance::Skip => {
                    *needed += 1;
                    return None;
                }
                Allowance::Expect(change) => change(&mut expected, exchange),
            }
            if expected != before {
                *needed += 1;
            }
        }
        Some(Comparison::of(exchange, &self.learned, &expected, answer))
    }

    /// OpenBao takes a further CA key where there is one, and the recording goes on with it. Here as in Vault, the old
    /// one has to be deleted first.
    async fn replace_ca_key(&mut self, exchange: &Exchange, answer: &Answer) {
        if !answer.body.to_string().contains("keys are already configured") {
            return;
        }
        let path = exchange.path.strip_prefix("/v1/").unwrap();
        self.server.delete(path).await.expect(204);
        let request = exchange.to_request(&mut self.learned, ROOT).await;
        let data = self.server.send(request).await.data();
        let recorded = exchange.response["data"]["public_key"].as_str().unwrap();
        self.learned.learn(recorded, data["public_key"].as_str().unwrap());
    }

    /// Says what was compared, and fails for every surprise.
    fn conclude(mut self) {
        let entries = || DIFFERENCES.iter().zip(&self.needed);
        let skips = || entries().filter(|(entry, _)| matches!(entry.allowance, Allowance::Skip));
        let skipped: usize = skips().map(|(_, count)| count).sum();
        let mut report = format!(
            "{}: compared {}, skipped {skipped}\n",
            self.recording, self.compared
        );
        for (entry, count) in skips().filter(|(_, count)| **count > 0) {
            report += &format!("  skipped {count}: {}\n", entry.reason);
        }
        for (entry, count) in entries().filter(|(_, count)| **count > 0) {
            if matches!(entry.allowance, Allowance::Expect(_)) {
                report += &format!("  compared {count} but for this: {}\n", entry.reason);
            }
        }
        // Past the capture of the test harness: the counts are there for whoever runs the tests.
        std::io::stderr().write_all(report.as_bytes()).unwrap();

        for (entry, count) in DIFFERENCES.iter().zip(&self.needed) {
            if *count == 0 && entry.recordings.contains(&self.recording) {
                self.mismatches
                    .push(format!("not needed any more: {}", entry.reason));
            }
        }
        let count = self.mismatches.len();
        assert!(count == 0, "{count} differences:\n{}", self.mismatches.join("\n"));
    }
}

/// Whether a private key was here.
fn is_blanked(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with('<'))
}
