//! `roles/:role` and `roles`.

use crate::{
    api::{Access, Answer, Call, Method, Operation, Route, Scope, handler, int, text},
    error::Failure,
    mounts::MountType,
    ssh::role::{FIELDS, PREFIX, VaultRole},
};
use countersign::store::{Condition, Query, Record, Table, Write};
use serde_json::{Map, json};

const SCOPE: Scope = Scope::Mount(MountType::Ssh);

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: SCOPE,
        pattern: "roles/:role",
        fields: FIELDS,
        methods: &[
            Method {
                operation: Operation::Delete,
                access: Access::Token,
                handler: handler!(delete),
            },
            Method {
                operation: Operation::Read,
                access: Access::Token,
                handler: handler!(read),
            },
            Method {
                operation: Operation::Update,
                access: Access::Token,
                handler: handler!(write),
            },
        ],
    },
    Route {
        scope: SCOPE,
        pattern: "roles",
        fields: &[text("after"), int("limit")],
        methods: &[Method {
            operation: Operation::List,
            access: Access::Token,
            handler: handler!(list),
        }],
    },
];

async fn write(call: &Call) -> Result<Answer, Failure> {
    let role = VaultRole::parse(&call.fields)?;
    let record = Record::new(VaultRole::key(call.mount()?, call.captured("role")), &role)?;
    call.write(&[Write::Put(record, Condition::Always)]).await?;
    Ok(Answer::nothing())
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let record = call
        .read_one(&VaultRole::key(call.mount()?, call.captured("role")))
        .await?;
    let role: VaultRole = record.ok_or_else(Failure::absent)?.value()?;
    Answer::data(role)
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    let key = VaultRole::key(call.mount()?, call.captured("role"));
    call.write(&[Write::Delete(key, Condition::Always)]).await?;
    Ok(Answer::nothing())
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
