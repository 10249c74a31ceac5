//! `lookup`: which roles lend for a host.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, text},
    error::Failure,
    mounts::MountType,
    ssh::{
        networks,
        role::{PREFIX, VaultRole},
        zero_address::ZeroAddress,
    },
};
use countersign::store::{Query, Table};
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "lookup",
    fields: &[text("ip")],
    methods: &[on(Operation::Update, Access::Token, handler!(lookup))],
}];

async fn lookup(call: &Call) -> Result<Answer, Failure> {
    let ip = match call.fields.text("ip") {
        "" => return Err(Failure::user("Missing ip")),
        // The real product prints what came of the address, which is nothing.
        ip => networks::address(ip).ok_or_else(|| Failure::user("Invalid IP \"<nil>\""))?,
    };
    let mount = call.mount()?;
    let query = Query {
        prefix: PREFIX.into(),
        ..Query::partition(Table::Roles, mount.partition())
    };
    let records = call.services.store.query(&query).await;
    let mut names = Vec::new();
    for record in records.map_err(countersign::Error::from)? {
        // A role that cannot be read, or whose networks cannot, lends nothing.
        let Ok(role) = record.value::<VaultRole>() else {
            continue;
        };
        if networks::contain(role.lending().cidr_list, ip).unwrap_or(false) {
            names.push(record.key.sort[PREFIX.len()..].to_owned());
        }
    }
    let zero_address = call.read_one(&ZeroAddress::key(mount)).await?;
    names.extend(ZeroAddress::from_record(zero_address.as_ref())?.roles);
    // `null`, and no empty list: by that the command line knows that there are none.
    Answer::data(json!({ "roles": (!names.is_empty()).then_some(names) }))
}
