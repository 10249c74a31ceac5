//! What goes wrong between Countersign and AWS, as AWS spells it.

use axum::http::HeaderMap;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use super::lock;

/// What every attempt of one call of the SDK has in common.
const CALL_ID: &str = "amz-sdk-invocation-id";

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is refused with this status and body; nothing happens.
    Answer(u16, Value),
    /// DynamoDB cancels the transaction, with this code for the first of its writes; nothing happens.
    Cancelled(&'static str),
    /// It happens, and the connection is cut before the answer.
    Lost,
    /// It does not happen, and nothing is ever answered.
    Silence,
}

impl Failure {
    /// The error called `code`, as the services with JSON bodies spell it.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Self::Answer(
            status,
            json!({"__type": code, "message": "a fault that a test asked for"}),
        )
    }

    /// What is answered to `request`, where anything is without its being carried out.
    pub(super) fn answer(&self, request: &[u8]) -> Option<(u16, String)> {
        match self {
            Self::Answer(status, body) => Some((*status, body.to_string())),
            Self::Cancelled(code) => Some((400, cancelled(code, request).to_string())),
            Self::Lost | Self::Silence => None,
        }
    }
}

fn cancelled(code: &str, request: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let writes = request["TransactItems"].as_array().map_or(0, Vec::len);
    let mut reasons = vec![json!({"Code": "None"}); writes];
    if let Some(first) = reasons.first_mut() {
        *first = json!({"Code": code, "Message": "a fault that a test asked for"});
    }
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    })
}

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The operation, as in `PutItem`.
    pub operation: String,
    /// How many calls of the operation are carried out before the first that fails.
    pub after: usize,
    /// How many calls fail from then on.
    pub calls: usize,
    /// How many attempts at each of them fail: the SDK makes a few.
    pub attempts: usize,
    /// How they fail.
    pub failure: Failure,
}

#[derive(Default)]
pub(super) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// For each call: its place among those of the operation, and how many attempts there were.
    seen: HashMap<String, (usize, usize)>,
    failed: usize,
}

impl Faults {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.state() = State {
            fault,
            ..State::default()
        };
    }

    /// How many attempts failed.
    pub(super) fn failed(&self) -> usize {
        self.state().failed
    }

    /// How the attempt with these headers at `operation` fails, if it does.
    pub(super) fn judge(&self, operation: &str, headers: &HeaderMap) -> Option<Failure> {
        let mut state = self.state();
        let fault = state.fault.clone()?;
        if fault.operation != operation {
            return None;
        }
        let call = headers.get(CALL_ID)?.to_str().ok()?;
        let next = state.seen.len();
        let (place, attempts) = state.seen.entry(call.to_owned()).or_insert((next, 0));
        *attempts += 1;
        let falls_on = fault.after..fault.after.saturating_add(fault.calls);
        if !falls_on.contains(place) || *attempts > fault.attempts {
            return None;
        }
        state.failed += 1;
        Some(fault.failure)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}
