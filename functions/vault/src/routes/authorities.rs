//! `sys/countersign/authorities`: the CA keys of the account, which all families share. Ours: Vault has no such path.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, text},
    error::Failure,
};
use countersign::{
    Error,
    authority::{self, Authority, AuthorityId, Custody, KeySource, KeySpec},
    signer::private_key::parse_private_key,
};
use serde_json::{Value, json};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/authorities",
        fields: &[
            text("description"),
            text("key_spec"),
            text("kms_key"),
            text("private_key"),
        ],
        methods: &[
            on(Operation::Read, Access::Token, handler!(list)),
            on(Operation::Update, Access::Token, handler!(create)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/authorities/:id",
        fields: &[],
        methods: &[on(Operation::Read, Access::Token, handler!(show))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/authorities/:id/retire",
        fields: &[],
        methods: &[on(Operation::Update, Access::Token, handler!(retire))],
    },
];

async fn list(call: &Call) -> Result<Answer, Failure> {
    let authorities = Authority::list(&*call.services.store).await?;
    let shown: Vec<Value> = authorities
        .iter()
        .map(|(authority, _)| describe(authority))
        .collect::<Result<_, Error>>()?;
    Answer::data(json!({ "authorities": shown }))
}

async fn create(call: &Call) -> Result<Answer, Failure> {
    let description = call.fields.text("description").to_owned();
    let authority = authority::enrol(&call.services, key_source(call)?, description).await?;
    Answer::data(describe(&authority)?)
}

/// The key that exactly one of three fields names.
fn key_source(call: &Call) -> Result<KeySource, Failure> {
    let field = |name| Some(call.fields.text(name)).filter(|text| !text.is_empty());
    match (field("key_spec"), field("kms_key"), field("private_key")) {
        (Some(name), None, None) => KeySpec::from_name(name).map(KeySource::New).ok_or_else(|| {
            Failure::user(format!(
                "key_spec: one of {}",
                KeySpec::ALL.map(KeySpec::name).join(", ")
            ))
        }),
        (None, Some(key), None) => Ok(KeySource::Kms(key.to_owned())),
        (None, None, Some(key)) => parse_private_key(key)
            .map(KeySource::Import)
            .map_err(|error| Failure::user(format!("private_key: {error}"))),
        _ => Err(Failure::user("give one of key_spec, kms_key and private_key")),
    }
}

async fn show(call: &Call) -> Result<Answer, Failure> {
    let found = Authority::read(&*call.services.store, &id(call)?).await?;
    let (authority, _) = found.ok_or_else(Failure::absent)?;
    Answer::data(describe(&authority)?)
}

async fn retire(call: &Call) -> Result<Answer, Failure> {
    let retired = authority::retire(&call.services, &id(call)?).await?;
    Answer::data(describe(&retired.ok_or_else(Failure::absent)?)?)
}

/// What is not an id names nothing.
fn id(call: &Call) -> Result<AuthorityId, Failure> {
    AuthorityId::parse(call.captured("id")).map_err(|_| Failure::absent())
}

/// An authority without its sealed key.
fn describe(authority: &Authority) -> Result<Value, Error> {
    let (custody, kms_key) = match &authority.custody {
        Custody::Kms { key, .. } => ("kms", Some(key)),
        Custody::Local { .. } => ("local", None),
        Custody::Sealed { .. } => ("sealed", None),
    };
    Ok(json!({
        "algorithm": authority.algorithm()?.name(),
        "created_at": authority.created_at,
        "custody": custody,
        "description": authority.description,
        "fingerprint": authority.ca_key()?.fingerprint(),
        "id": authority.id,
        "kms_key": kms_key,
        "metadata": authority.metadata,
        "public_key": authority.public_key,
        "state": authority.state,
    }))
}
