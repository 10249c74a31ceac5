//! The tables of a deployment, worked on from here with AWS credentials: the same routes as the deployment's own,
//! called in this process by an operator whom no header can claim to be.

use crate::client::MAX_ANSWER_BYTES;
use anyhow::{Context, Result, anyhow, bail};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
};
use countersign::{
    Services,
    access::Caller,
    audit::{AuditLog, Decision},
    deployment::Config,
};
use http_body_util::{BodyExt, Limited};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Who works on the tables, in the records.
const OPERATOR: &str = "operator";
const ADVICE: &str = "check --table-prefix, your AWS credentials, and the region (AWS_REGION, AWS_PROFILE)";
/// The variable that names the tables.
const TABLE_PREFIX: &str = "COUNTERSIGN_TABLE_PREFIX";
/// The variable that names the key which seals imported keys.
const SEALING_KEY: &str = "COUNTERSIGN_SEALING_KEY";

/// The deployment whose tables have one prefix.
pub(crate) struct Tables {
    services: Services,
    /// The deployment's routes, for the operator.
    router: Router,
    last_failure: Arc<LastFailure>,
}

impl Tables {
    /// The deployment whose tables have this prefix. Nothing is called before it is needed.
    pub(crate) async fn open(prefix: &str) -> Result<Self> {
        let config = Config::read(|name| match name {
            TABLE_PREFIX => Some(prefix.to_owned()),
            SEALING_KEY => variable(name).or_else(|| Some("unset".into())),
            _ => variable(name),
        })?;
        let mut services = config.operator_services().await;
        let last_failure = Arc::new(LastFailure::default());
        services.audit = last_failure.clone();
        let operator = Caller::operator(&services, OPERATOR).context("the operator cannot be described")?;
        let router = countersign_infisical::router(services.clone())
            .merge(countersign_vault::router(services.clone()))
            .merge(countersign_venafi::router(services.clone()))
            .layer(Extension(operator));
        Ok(Self {
            services,
            router,
            last_failure,
        })
    }

    /// Answers a request as the deployment would.
    ///
    /// # Errors
    /// What went wrong with the tables or KMS, in full: here is nobody who may not know it.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Result<(StatusCode, Bytes)> {
        let answer = self.router.clone().oneshot(request).await?;
        let (head, body) = answer.into_parts();
        if head.status.is_server_error()
            && let Some(reason) = self.last_failure.take()
        {
            bail!("{reason}\n{ADVICE}");
        }
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        Ok((head.status, body.map_err(|error| anyhow!(error))?.to_bytes()))
    }

    /// Makes the mounts that a new account has, unless that was done before.
    pub(crate) async fn seed(&self) -> Result<()> {
        match countersign_vault::mounts::seed(&self.services).await {
            Ok(_) => Ok(()),
            Err(error) => bail!("{}\n{ADVICE}", error.chain()),
        }
    }
}

/// Whether the environment names the key that seals imported keys; nothing else needs it.
pub(crate) fn can_seal() -> bool {
    variable(SEALING_KEY).is_some()
}

#[allow(clippy::disallowed_methods)] // the configuration of a deployment, as its functions read it
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whoever types a command sees what it did; a line for each on the terminal would only hide that. But why something
/// failed is known to the log alone.
#[derive(Default)]
struct LastFailure(Mutex<Option<String>>);

impl LastFailure {
    fn take(&self) -> Option<String> {
        self.0.lock().ok()?.take()
    }
}

impl AuditLog for LastFailure {
    fn record(&self, decision: &Decision) {
        if let Ok(mut last) = self.0.lock() {
            last.clone_from(&decision.reason);
        }
    }
}
