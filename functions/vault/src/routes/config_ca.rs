//! `config/ca`: the CA key of a mount, made, imported or taken from KMS.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler},
    error::Failure,
    mounts::MountType,
    ssh::{
        ca_key::{CaKey, SOURCE_FIELDS, Source},
        issuers::{Issuer, Issuers},
        retiring,
    },
};
use countersign::{
    random,
    store::{Condition, Record, StoreError, TRIES, Write, contended},
};
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "config/ca",
    fields: SOURCE_FIELDS,
    methods: &[
        on(Operation::Delete, Access::Token, handler!(delete)),
        on(Operation::Read, Access::Token, handler!(read)),
        on(Operation::Update, Access::Token, handler!(write)),
    ],
}];

async fn read(call: &Call) -> Result<Answer, Failure> {
    let (issuers, _) = Issuers::read(call).await?;
    let issuer = issuers.default_issuer();
    let issuer = issuer.ok_or_else(|| Failure::user("keys haven't been configured yet"))?;
    Answer::data(json!({ "public_key": issuer.public_key }))
}

async fn write(call: &Call) -> Result<Answer, Failure> {
    let source = Source::parse(&call.fields)?;
    let (issuers, record) = Issuers::read(call).await?;
    if !issuers.issuers.is_empty() {
        return Err(already_configured());
    }
    let is_import = matches!(source, Source::Import { .. });
    let mut key = source.obtain(call).await?;
    store_only_issuer(call, &mut key, record.as_ref()).await?;
    if is_import {
        return Ok(Answer::nothing());
    }
    Answer::data(json!({ "public_key": key.public_key }))
}

/// Makes `key` the mount's only one, and its default.
async fn store_only_issuer(call: &Call, key: &mut CaKey, old: Option<&Record>) -> Result<(), Failure> {
    let id = random::uuid(&*call.services.random)?;
    let issuer = Issuer {
        id: id.clone(),
        name: String::new(),
        authority: key.authority.id.clone(),
        public_key: key.public_key.clone(),
        is_own: key.is_own(),
    };
    let usage = issuer.use_for(call.mount()?);
    let issuers = Issuers {
        issuers: vec![issuer],
        default: Some(id),
    };
    let put = issuers.put(call, old)?;
    for _ in 0..TRIES {
        let [authority, in_use] = key.writes(&usage)?;
        match call.services.store.write(&[put.clone(), authority, in_use]).await {
            Ok(()) => return Ok(()),
            Err(StoreError::ConditionFailed(0)) => {
                key.discard(call).await;
                return Err(already_configured());
            }
            // Another mount, or a change of its description, got in between.
            Err(StoreError::ConditionFailed(_)) => key.read_again(call).await?,
            // The records may be there although the answer was lost, so the key stays.
            Err(error) => return Err(countersign::Error::from(error).into()),
        }
    }
    key.discard(call).await;
    Err(contended("the certificate authority").into())
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    let (issuers, record) = Issuers::read(call).await?;
    if let Some(record) = record {
        let forget = Write::Delete(record.key, Condition::Version(record.version));
        retiring::retire(call, &issuers.issuers, forget).await?;
    }
    Ok(Answer::nothing())
}

fn already_configured() -> Failure {
    Failure::user("keys are already configured; delete them before reconfiguring")
}
