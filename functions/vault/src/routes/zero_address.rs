//! `config/zeroaddress`: the roles that lend for every address.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, handler},
    error::Failure,
    mounts::MountType,
    ssh::{role::VaultRole, zero_address::ZeroAddress},
};
use countersign::store::{Condition, StoreError, Write};
use serde_json::json;
use std::collections::BTreeSet;

/// One write holds a check for each role: ours.
const MAX_ROLES: usize = 90;

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "config/zeroaddress",
    fields: &[Field::new("roles", Kind::CommaList)],
    methods: &[
        on(Operation::Delete, Access::Token, handler!(delete)),
        on(Operation::Read, Access::Token, handler!(read)),
        on(Operation::Update, Access::Token, handler!(write)),
    ],
}];

async fn write(call: &Call) -> Result<Answer, Failure> {
    let mount = call.mount()?;
    let roles = call.fields.list("roles").unwrap_or_default();
    if roles.iter().all(String::is_empty) {
        return Err(Failure::user("Missing roles"));
    }
    let names: Vec<&String> = roles.iter().collect::<BTreeSet<_>>().into_iter().collect();
    if names.len() > MAX_ROLES {
        return Err(Failure::user(format!("roles: at most {MAX_ROLES}")));
    }
    let unknown = |name: &str| Failure::user(format!("Role \"{name}\" does not exist"));
    let mut writes = Vec::new();
    for name in &names {
        if name.is_empty() {
            return Err(unknown(name));
        }
        writes.push(Write::Check(VaultRole::key(mount, name), Condition::Present));
    }
    writes.push(ZeroAddress::read(call).await?.replaced(roles.to_vec())?);
    match call.services.store.write(&writes).await {
        Ok(()) => Ok(Answer::nothing()),
        Err(StoreError::ConditionFailed(index)) if index < names.len() => Err(unknown(names[index])),
        Err(error) => Err(countersign::Error::from(error).into()),
    }
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let zero_address = ZeroAddress::read(call).await?;
    if !zero_address.is_set() {
        return Err(Failure::absent());
    }
    Answer::data(json!({ "roles": zero_address.roles }))
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    let key = ZeroAddress::key(call.mount()?);
    call.write(&[Write::Delete(key, Condition::Always)]).await?;
    Ok(Answer::nothing())
}
