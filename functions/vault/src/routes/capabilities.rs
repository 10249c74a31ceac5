//! `sys/capabilities`: what a token's policies grant on given paths.

use super::{auth_block, on};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, handler, text},
    error::Failure,
};
use countersign::{
    access::{self, acl_of, lookup_accessor},
    acl::Acl,
};
use http::StatusCode;
use serde_json::{Map, Value, json};

const PATHS: Field = Field::aliased("paths", "path", Kind::CommaList);

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/capabilities-self",
        fields: &[PATHS, text("token")],
        methods: &[on(Operation::Update, Access::Token, handler!(of_self))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/capabilities",
        fields: &[PATHS, text("token")],
        methods: &[on(Operation::Update, Access::Token, handler!(of_token))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/capabilities-accessor",
        fields: &[PATHS, text("accessor")],
        methods: &[on(Operation::Update, Access::Token, handler!(of_accessor))],
    },
];

async fn of_self(call: &Call) -> Result<Answer, Failure> {
    answer(call, call.caller()?.acl())
}

async fn of_token(call: &Call) -> Result<Answer, Failure> {
    let secret =
        auth_block::secret(call.fields.text("token")).ok_or_else(|| Failure::server("no token found"))?;
    let found = access::lookup(&call.services, &secret).await?;
    let found = found.ok_or_else(|| Failure::framed(StatusCode::BAD_REQUEST, "invalid token"))?;
    answer(call, &*acl_of(&call.services, &found.token).await?)
}

async fn of_accessor(call: &Call) -> Result<Answer, Failure> {
    let accessor = call.fields.text("accessor");
    if accessor.is_empty() {
        return Err(Failure::user("missing accessor"));
    }
    let found = lookup_accessor(&call.services, accessor).await?;
    let found = found.ok_or_else(|| Failure::framed(StatusCode::BAD_REQUEST, "invalid accessor"))?;
    answer(call, &*acl_of(&call.services, &found.token).await?)
}

fn answer(call: &Call, acl: &Acl) -> Result<Answer, Failure> {
    let paths = call.fields.list("paths").unwrap_or_default();
    if paths.is_empty() {
        return Err(Failure::user("paths must be supplied"));
    }
    let capabilities = |path: &String| -> Value {
        let names = acl
            .capabilities(path)
            .into_iter()
            .map(|capability| capability.as_str());
        json!(names.collect::<Vec<_>>())
    };
    let mut data: Map<String, Value> = paths
        .iter()
        .map(|path| (path.clone(), capabilities(path)))
        .collect();
    if let [path] = paths {
        data.insert("capabilities".into(), capabilities(path));
    }
    Answer::mirrored(data)
}
