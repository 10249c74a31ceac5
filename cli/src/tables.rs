//! The tables of a deployment, worked on from here with AWS credentials: the same routes as the deployment's own, called
//! in this process by an operator whom no header can claim to be.

use anyhow::{Context, Result};
use axum::{Extension, Router};
use countersign::{
    access::Caller,
    audit::{AuditLog, Decision},
    deployment::Config,
};
use std::sync::Arc;

/// Who works on the tables, in the records.
const OPERATOR: &str = "operator";
/// The variable that names the tables.
const TABLE_PREFIX: &str = "COUNTERSIGN_TABLE_PREFIX";
/// The variable that names the key which seals imported keys.
const SEALING_KEY: &str = "COUNTERSIGN_SEALING_KEY";

/// The routes of the deployment whose tables have this prefix.
pub(crate) async fn router(prefix: &str) -> Result<Router> {
    let config = Config::read(|name| match name {
        TABLE_PREFIX => Some(prefix.to_owned()),
        SEALING_KEY => variable(name).or_else(|| Some("unset".into())),
        _ => variable(name),
    })?;
    let mut services = config.services().await;
    services.audit = Arc::new(Silent);
    let operator = Caller::operator(&services, OPERATOR).context("the operator cannot be described")?;
    Ok(countersign_vault::router(services).layer(Extension(operator)))
}

/// Whether the environment names the key that seals imported keys; nothing else needs it.
pub(crate) fn can_seal() -> bool {
    variable(SEALING_KEY).is_some()
}

#[allow(clippy::disallowed_methods)] // the configuration of a deployment, as its functions read it
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whoever types a command sees what it did; a line for each on the terminal would only hide that.
struct Silent;

impl AuditLog for Silent {
    fn record(&self, _: &Decision) {}
}
