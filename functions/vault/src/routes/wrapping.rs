//! `sys/wrapping`: answers that were wrapped, and whatever a caller wants wrapped.

use super::{auth_block, on};
use crate::{
    api::{ANY, Access, Answer, Call, Field, Operation, Route, Scope, handler, text},
    error::Failure,
    wrapping,
};
use countersign::types::SecretToken;
use serde_json::{Map, Value};

const TOKEN: &[Field] = &[text("token")];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/wrapping/lookup",
        fields: TOKEN,
        // Whoever has the token may ask when and where it was made.
        methods: &[
            on(Operation::Read, Access::Public, handler!(lookup)),
            on(Operation::Update, Access::Public, handler!(lookup)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/wrapping/rewrap",
        fields: TOKEN,
        methods: &[on(Operation::Update, Access::Unwraps, handler!(rewrap))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/wrapping/unwrap",
        fields: TOKEN,
        methods: &[on(Operation::Update, Access::Unwraps, handler!(unwrap))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/wrapping/wrap",
        fields: &[ANY],
        methods: &[on(Operation::Update, Access::Token, handler!(wrap))],
    },
];

/// The token in the body, or else the one that was sent along.
fn token(call: &Call) -> Result<SecretToken, Failure> {
    let given = auth_block::secret(call.fields.text("token"));
    given
        .or_else(|| call.token.clone())
        .ok_or_else(|| Failure::user("missing \"token\" value in input"))
}

/// The same, where a stranger may have only the one that was sent along.
fn own_or_given(call: &Call) -> Result<SecretToken, Failure> {
    if call.caller.is_none() && !call.fields.text("token").is_empty() {
        // A wrapping token is good for its own answer, and nothing else.
        return Err(Failure::no_token());
    }
    token(call)
}

async fn lookup(call: &Call) -> Result<Answer, Failure> {
    Answer::data(wrapping::lookup(&call.services, &token(call)?).await?)
}

async fn unwrap(call: &Call) -> Result<Answer, Failure> {
    wrapping::unwrap(&call.services, &own_or_given(call)?).await
}

async fn rewrap(call: &Call) -> Result<Answer, Failure> {
    let info = wrapping::rewrap(&call.services, &own_or_given(call)?).await?;
    Ok(Answer::wrapped(info))
}

/// Gives back what was sent; the header has it wrapped.
async fn wrap(call: &Call) -> Result<Answer, Failure> {
    if call.wrap_ttl.is_none() {
        return Err(Failure::user("endpoint requires response wrapping to be used"));
    }
    let data: Map<String, Value> = call
        .parameters
        .iter()
        .map(|(name, json)| (name.clone(), json.to_value()))
        .collect();
    Answer::data(data)
}
