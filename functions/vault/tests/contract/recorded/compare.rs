//! Whether an answer is the recorded one.

use super::{certificates, exchange::Exchange, learned::Learned};
use crate::support::Reply;
use serde_json::Value;
use std::collections::BTreeSet;

/// Members that hold something drawn or counted: the first time they teach us what ours is, later they must agree.
const DRAWN: &[&str] = &[
    "accessor",
    "client_token",
    "cluster_id",
    "cluster_name",
    "default",
    "entity_id",
    "id",
    "issuer_id",
    "key",
    "lease_id",
    "migration_id",
    "request_id",
    "role_id",
    "secret_id",
    "secret_id_accessor",
    "token",
    "uuid",
    "wrapped_accessor",
];

/// Members that hold a time.
const TIMES: &[&str] = &[
    "creation_time",
    "expiration_time",
    "expire_time",
    "issue_time",
    "last_renewal",
    "last_renewal_time",
    "last_updated_time",
    "modified",
    "server_time_utc",
];

/// A recorded `ttl` has been running for at most this long.
const RUNNING_SECS: u64 = 600;

/// What came back, once and now.
#[derive(Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let status = reply.status.as_u16();
        let is_json = reply.headers["content-type"] == "application/json";
        let body = if reply.body.is_empty() {
            Value::Null
        } else if is_json {
            reply.json()
        } else {
            reply.text().into()
        };
        assert_eq!(reply.headers["cache-control"], "no-store");
        Self { status, body }
    }
}

/// A comparison and what it taught.
pub(super) struct Comparison {
    pub(super) learned: Learned,
    pub(super) mismatches: Vec<String>,
    is_about_remaining_time: bool,
}

impl Comparison {
    /// Compares an answer with the one expected.
    pub(super) fn of(exchange: &Exchange, learned: &Learned, expected: &Answer, answer: &Answer) -> Self {
        let running = ["/v1/auth/token/", "/v1/sys/leases/"];
        let mut comparison = Self {
            learned: learned.clone(),
            mismatches: Vec::new(),
            is_about_remaining_time: running.iter().any(|start| exchange.path.starts_with(start)),
        };
        if expected.status == answer.status {
            comparison.compare("", &expected.body, &answer.body);
        } else {
            let (wanted, got) = (expected.status, answer.status);
            comparison.mismatch("status", format!("{wanted} expected, not {got} {}", answer.body));
        }
        comparison
    }

    fn mismatch(&mut self, at: &str, what: String) {
        self.mismatches.push(format!("{at}: {what}"));
    }

    fn compare(&mut self, at: &str, expected: &Value, got: &Value) {
        match (expected, got) {
            (Value::Object(wanted), Value::Object(members)) => {
                let expected: BTreeSet<String> =
                    wanted.keys().map(|name| self.learned.in_text(name)).collect();
                let got: BTreeSet<String> = members.keys().cloned().collect();
                for name in expected.difference(&got) {
                    self.mismatch(at, format!("no member {name}"));
                }
                for name in got.difference(&expected) {
                    self.mismatch(at, format!("an extra member {name}: {}", members[name]));
                }
                for (name, value) in wanted {
                    if let Some(got) = members.get(&self.learned.in_text(name)) {
                        self.compare(&format!("{at}/{name}"), value, got);
                    }
                }
            }
            // What was drawn has another order here.
            (Value::Array(wanted), Value::Array(_)) if self.are_drawn(wanted) => {
                let sorted = |list: &Value| {
                    let mut texts: Vec<String> = list
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(Value::to_string)
                        .collect();
                    texts.sort_unstable();
                    texts
                };
                let wanted = self.learned.in_value(expected);
                if sorted(&wanted) != sorted(got) {
                    self.mismatch(at, format!("{wanted} in any order expected, not {got}"));
                }
            }
            (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
                for (wanted, item) in wanted.iter().zip(items) {
                    self.compare(at, wanted, item);
                }
            }
            (Value::String(wanted), Value::String(text)) => self.compare_texts(at, wanted, text),
            (Value::Number(wanted), Value::Number(number)) => {
                let name = last(at);
                let (wanted, number) = (wanted.as_u64(), number.as_u64());
                let is_close = |wanted, number| number >= wanted && number - wanted <= RUNNING_SECS;
                let is_running = name == "ttl" && self.is_about_remaining_time;
                let agrees = TIMES.contains(&name)
                    || wanted == number
                    || is_running
                        && wanted
                            .zip(number)
                            .is_some_and(|(wanted, number)| is_close(wanted, number));
                if !agrees {
                    self.mismatch(at, format!("{expected} expected, not {got}"));
                }
            }
            _ if expected == got => {}
            _ => self.mismatch(at, format!("{expected} expected, not {got}")),
        }
    }

    /// Whether these are ids that we have learned before.
    fn are_drawn(&self, texts: &[Value]) -> bool {
        !texts.is_empty()
            && texts
                .iter()
                .all(|text| text.as_str().is_some_and(|text| self.learned.knows(text)))
    }

    fn compare_texts(&mut self, at: &str, expected: &str, got: &str) {
        let name = last(at);
        let problem = match name {
            "signed_key" => certificates::compare(&self.learned, expected, got).err(),
            "public_key" | "" => {
                let fits = self.learned.knows(expected) || certificates::same_kind(expected, got);
                self.agree_or_learn(fits, expected, got)
            }
            "serial_number" => {
                let is_hex = u64::from_str_radix(got, 16).is_ok_and(|serial| format!("{serial:x}") == got);
                (!is_hex).then(|| format!("not a serial number: {got}"))
            }
            "private_key" => {
                let header = expected
                    .trim_start_matches('<')
                    .split(',')
                    .next()
                    .unwrap_or_default();
                (!got.starts_with(&format!("-----BEGIN {header}-----\n")) || !got.ends_with('\n'))
                    .then(|| format!("no {header}"))
            }
            name if TIMES.contains(&name) && !expected.starts_with("0001") => {
                let is_time = got.len() >= 20 && got.as_bytes()[10] == b'T' && got.ends_with('Z');
                (!is_time).then(|| format!("not a time: {got}"))
            }
            name if DRAWN.contains(&name) => {
                self.agree_or_learn(expected.is_empty() == got.is_empty(), expected, got)
            }
            _ if self.learned.in_text(expected) == got => None,
            _ => Some(format!("{expected:?} expected, not {got:?}")),
        };
        if let Some(problem) = problem {
            self.mismatch(at, problem);
        }
    }

    fn agree_or_learn(&mut self, fits: bool, expected: &str, got: &str) -> Option<String> {
        let ours = self.learned.ours(expected);
        if self.learned.knows(expected) && ours != got {
            return Some(format!("{expected:?} was {ours:?} before, not {got:?}"));
        }
        if !fits {
            return Some(format!("something like {expected:?} expected, not {got:?}"));
        }
        if !expected.is_empty() {
            self.learned.learn(expected, got);
        }
        None
    }
}

fn last(at: &str) -> &str {
    at.rsplit('/').next().unwrap_or_default()
}
