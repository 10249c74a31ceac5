//! One recorded request with its answer.

use super::{is_blanked, learned::Learned};
use crate::support::request;
use axum::{body::Body, extract::Request};
use countersign::{authority::KeySpec, signer::private_key::GeneratedKey};
use serde_json::{Map, Value};
use std::fmt;

/// One line of a recording.
pub(super) struct Exchange {
    pub(super) index: usize,
    pub(super) scenario: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) request: Value,
    pub(super) status: u16,
    pub(super) response: Value,
    /// Not every recording has it.
    pub(super) content_type: Option<String>,
    has_token: bool,
    headers: Map<String, Value>,
}

/// All exchanges of a recording, in order.
pub(super) fn load(recording: &'static str) -> Vec<Exchange> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/recorded/vault");
    let text = std::fs::read_to_string(format!("{directory}/{recording}.jsonl")).unwrap();
    let line = |(index, line): (usize, &str)| {
        let mut fields: Map<String, Value> = serde_json::from_str(line).unwrap();
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        let text = |value: Value| value.as_str().unwrap().to_owned();
        Exchange {
            index,
            scenario: text(take("scenario")),
            method: text(take("method")),
            path: text(take("path")),
            request: take("request"),
            status: u16::try_from(take("status").as_u64().unwrap()).unwrap(),
            response: take("response"),
            content_type: take("response_headers")["Content-Type"]
                .as_str()
                .map(str::to_owned),
            has_token: take("token").as_bool().unwrap(),
            headers: take("request_headers").as_object().unwrap().clone(),
        }
    };
    text.lines().enumerate().map(line).collect()
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            scenario,
            method,
            path,
            ..
        } = self;
        write!(f, "{index} ({scenario}) {method} {path}")
    }
}

impl Exchange {
    /// The request, with our own values where the recorded server had made up others.
    pub(super) async fn to_request(&self, learned: &mut Learned, token: &str) -> Request {
        let path = learned.in_text(self.path.strip_prefix("/v1/").unwrap());
        let mut request = request(&self.method, &path);
        if self.has_token {
            request = request.header("x-vault-token", token);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.as_str().unwrap());
        }
        let body = match &self.request {
            Value::Null => Body::empty(),
            Value::String(malformed) => Body::from(malformed.clone()),
            value => Body::from(self.body(value.clone(), learned).await.to_string()),
        };
        request.body(body).unwrap()
    }

    /// The body; where the recording blanks an imported private key, it gets a pair of ours.
    async fn body(&self, mut body: Value, learned: &mut Learned) -> Value {
        let imported = body["public_key"].as_str().map(str::to_owned);
        if let Some(line) = imported
            && is_blanked(&body["private_key"])
        {
            if !learned.knows(&line) {
                let (_, comment) = line.rsplit_once(' ').unwrap();
                let pair = GeneratedKey::generate(KeySpec::Ed25519).await.unwrap();
                learned.learn(&line, &format!("{} {comment}", pair.public_key().to_line()));
                learned.learn(&format!("private key of {line}"), pair.to_pem().as_str());
            }
            body["private_key"] = learned.ours(&format!("private key of {line}")).into();
        }
        learned.in_value(&body)
    }
}
