//! The Lambda function of the Vault family.

use countersign::{deployment::Config, lambda::with_client_address};
use countersign_hosts::SshHosts;
use std::sync::Arc;
use tower::util::MapRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let mut services = Config::from_environment()?.warm_services().await;
    services.hosts = Arc::new(SshHosts::new(services.clock.clone()));
    let router = countersign_vault::standalone(services);
    lambda_http::run(MapRequest::new(router, with_client_address))
        .await
        .map_err(anyhow::Error::from_boxed)
}
