//! `sys/policies/acl`, and `sys/policy`, its older name with older answers.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Kind, MAX_RECORD_BYTES, Method, Operation, Route, Scope, handler},
    error::Failure,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::access::{StoredPolicy, delete_policy, list_policies, put_policy, read_policy};
use serde_json::json;

const METHODS: [Method; 3] = [
    on(Operation::Delete, Access::Token, handler!(delete)),
    on(Operation::Read, Access::Token, handler!(read)),
    on(Operation::Update, Access::Token, handler!(write)),
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/policies/acl/*name",
        fields: &[Field::new("policy", Kind::LongText)],
        methods: &METHODS,
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/policies/acl",
        fields: &[],
        methods: &[on(Operation::List, Access::Token, handler!(list))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/policy/*name",
        fields: &[Field::aliased("policy", "rules", Kind::LongText)],
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read_old)),
            on(Operation::Update, Access::Token, handler!(write)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/policy",
        fields: &[],
        methods: &[
            on(Operation::List, Access::Token, handler!(list_old)),
            on(Operation::Read, Access::Token, handler!(list_old)),
        ],
    },
];

async fn write(call: &Call) -> Result<Answer, Failure> {
    let name = call.captured("name");
    let text = call.fields.text("policy");
    if text.is_empty() {
        return Err(Failure::user("'policy' parameter not supplied or empty"));
    }
    // Some clients send the text in base64; no policy is valid base64 itself.
    let decoded = STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = decoded.as_deref().unwrap_or(text);
    if json!(text).to_string().len() > MAX_RECORD_BYTES {
        return Err(Failure::user(
            "failed to parse policy: it is too large to be kept",
        ));
    }
    put_policy(&call.services, name, text)
        .await
        .map_err(|error| match error {
            countersign::Error::InvalidRequest {
                field: "policy",
                reason,
            } => Failure::user(format!("failed to parse policy: {reason}")),
            other => Failure::plain(other),
        })?;
    let stored = name.trim().to_lowercase();
    Ok(if stored == name {
        Answer::nothing()
    } else {
        Answer::nothing().warn(format!("policy name was converted to {stored}"))
    })
}

async fn find(call: &Call) -> Result<StoredPolicy, Failure> {
    let found = read_policy(&*call.services.store, call.captured("name")).await?;
    found.ok_or_else(Failure::absent)
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let StoredPolicy { name, text, .. } = find(call).await?;
    Answer::data(json!({ "name": name, "policy": text }))
}

async fn read_old(call: &Call) -> Result<Answer, Failure> {
    let StoredPolicy { name, text, .. } = find(call).await?;
    Answer::mirrored(json!({ "name": name, "rules": text }))
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    delete_policy(&*call.services.store, call.captured("name"))
        .await
        .map_err(Failure::plain)?;
    Ok(Answer::nothing())
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    Answer::list(names(call).await?, None)
}

async fn list_old(call: &Call) -> Result<Answer, Failure> {
    let names = names(call).await?;
    Answer::mirrored(json!({ "keys": names, "policies": names }))
}

/// In the order of the real product: `root`, which is not stored, comes last.
async fn names(call: &Call) -> Result<Vec<String>, Failure> {
    let mut names = list_policies(&*call.services.store).await?;
    names.sort_by_key(|name| name == "root");
    Ok(names)
}
