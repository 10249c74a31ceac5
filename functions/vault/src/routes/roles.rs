//! `roles/:role` and `roles`.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, int, text},
    error::Failure,
    mounts::MountType,
    ssh::{
        host_login,
        role::{DynamicRole, FIELDS, PREFIX, VaultRole},
        zero_address::ZeroAddress,
    },
};
use countersign::store::{Condition, Query, Record, StoreError, TRIES, Table, Write, contended};
use serde_json::{Map, json};

const SCOPE: Scope = Scope::Mount(MountType::Ssh);

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: SCOPE,
        pattern: "roles/:role",
        fields: FIELDS,
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Token, handler!(write)),
        ],
    },
    Route {
        scope: SCOPE,
        pattern: "roles",
        fields: &[text("after"), int("limit")],
        methods: &[on(Operation::List, Access::Token, handler!(list))],
    },
];

async fn write(call: &Call) -> Result<Answer, Failure> {
    let mount = call.mount()?;
    let (role, warnings) = match VaultRole::parse(&call.fields)? {
        VaultRole::Dynamic(role) => {
            if call.read_one(&host_login::key(mount, &role.key)).await?.is_none() {
                return Err(Failure::user(format!("invalid 'key': \"{}\"", role.key)));
            }
            let role = role.checked()?;
            let warnings = warnings(call, &role);
            (VaultRole::Dynamic(role), warnings)
        }
        role => (role, Vec::new()),
    };
    let record = Record::new(VaultRole::key(mount, call.captured("role")), &role)?;
    call.write(&[Write::Put(record, Condition::Always)]).await?;
    Ok(warnings.into_iter().fold(Answer::nothing(), Answer::warn))
}

/// What whoever wrote a role of type `dynamic` may not expect.
fn warnings(call: &Call, role: &DynamicRole) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if call.fields.int("key_bits") == Some(1024) {
        warnings.push("RSA keys of 1024 bits are not made: key_bits is 2048");
    }
    if role.accept_any_host_key {
        warnings.push(
            "accept_any_host_key is set: whoever answers at a host's address gets the new key, and is trusted",
        );
    } else if role.host_key.trim().is_empty() {
        warnings.push(
            "this role has no host_key, by which to know its hosts: creds will be refused until it has, or until \
             accept_any_host_key is set",
        );
    }
    warnings
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let record = call
        .read_one(&VaultRole::key(call.mount()?, call.captured("role")))
        .await?;
    let role: VaultRole = record.ok_or_else(Failure::absent)?.value()?;
    Answer::data(role)
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    let mount = call.mount()?;
    let name = call.captured("role");
    let delete = Write::Delete(VaultRole::key(mount, name), Condition::Always);
    for _ in 0..TRIES {
        let mut writes = ZeroAddress::read(call).await?.without(name)?;
        writes.push(delete.clone());
        match call.services.store.write(&writes).await {
            Ok(()) => return Ok(Answer::nothing()),
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(countersign::Error::from(error).into()),
        }
    }
    Err(contended("config/zeroaddress").into())
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let after = call.fields.text("after");
    let limit = call
        .fields
        .int("limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let query = Query {
        prefix: PREFIX.into(),
        after: (!after.is_empty()).then(|| format!("{PREFIX}{after}")),
        limit: limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX),
        ..Query::partition(Table::Roles, call.mount()?.partition())
    };
    let records = call
        .services
        .store
        .query(&query)
        .await
        .map_err(countersign::Error::from)?;
    let mut keys = Vec::new();
    let mut key_info = Map::new();
    for record in records {
        let name = record
            .key
            .sort
            .strip_prefix(PREFIX)
            .unwrap_or_default()
            .to_owned();
        // A role that cannot be read is still listed, so that it can be deleted.
        if let Ok(role) = record.value::<VaultRole>() {
            key_info.insert(name.clone(), json!({ "key_type": role.key_type() }));
        }
        keys.push(name);
    }
    Answer::list(keys, Some(key_info))
}
