//! `keys/:key_name`: the private keys that hosts are logged in to with. They are never read again. And
//! `tidy/dynamic-keys`, which removes those that nothing names any more.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, text},
    error::Failure,
    leases::{self, Lent},
    mounts::MountType,
    ssh::{
        host_login,
        role::{self, VaultRole},
    },
};
use countersign::{
    signer::private_key::parse_private_key,
    store::{Condition, Query, Table, Write},
};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Mount(MountType::Ssh),
        pattern: "keys/~key_name",
        fields: &[text("key")],
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Update, Access::Token, handler!(write)),
        ],
    },
    Route {
        scope: Scope::Mount(MountType::Ssh),
        pattern: "tidy/dynamic-keys",
        fields: &[],
        methods: &[on(Operation::Delete, Access::Token, handler!(tidy))],
    },
];

async fn write(call: &Call) -> Result<Answer, Failure> {
    let key = parse_private_key(call.fields.text("key")).map_err(|error| Failure {
        reason: Some(error.to_string()),
        ..Failure::user("Invalid key")
    })?;
    let name = call.captured("key_name");
    let record = host_login::record(&call.services, call.mount()?, name, &key).await?;
    call.write(&[Write::Put(record, Condition::Always)]).await?;
    Ok(Answer::nothing())
}

/// Roles that name the key are not looked at: they fail later.
async fn delete(call: &Call) -> Result<Answer, Failure> {
    let key = host_login::key(call.mount()?, call.captured("key_name"));
    call.write(&[Write::Delete(key, Condition::Always)]).await?;
    Ok(Answer::nothing())
}

/// Removes the keys that no role names, and no lease whose key still has to be taken off its host.
async fn tidy(call: &Call) -> Result<Answer, Failure> {
    let mount = call.mount()?;
    let mut named = BTreeSet::new();
    for role in role::list(call).await? {
        if let VaultRole::Dynamic(role) = role {
            named.insert(role.key);
        }
    }
    for stored in leases::below(&call.services, &mount.path).await? {
        if let Lent::DynamicKey { key, .. } = &stored.lease.lent {
            named.insert(key.admin_key().to_owned());
        }
    }
    let query = Query {
        prefix: host_login::PREFIX.into(),
        ..Query::partition(Table::Roles, mount.partition())
    };
    let records = call.services.store.query(&query).await;
    let records = records.map_err(countersign::Error::from)?;
    let is_left_over = |key: &str| {
        key.strip_prefix(host_login::PREFIX)
            .is_some_and(|name| !named.contains(name))
    };
    let left_over = records.iter().filter(|record| is_left_over(&record.key.sort));
    let (mut removed, mut found) = (0, 0);
    for record in left_over {
        found += 1;
        call.write(&[Write::Delete(record.key.clone(), Condition::Always)])
            .await?;
        removed += 1;
    }
    Answer::data(json!({ "message": format!("Removed {removed} of {found} host keys.") }))
}
