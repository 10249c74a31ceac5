//! The Lambda function of the Vault family.

use countersign::{deployment::Config, lambda};
use countersign_hosts::SshHosts;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let mut services = Config::from_environment()?
        .warm_services(countersign_vault::CALLS_AT_ONCE)
        .await;
    services.hosts = Arc::new(SshHosts::new(services.clock.clone()));
    let router = countersign_vault::standalone(services.clone());
    lambda::run(services, router)
        .await
        .map_err(anyhow::Error::from_boxed)
}
