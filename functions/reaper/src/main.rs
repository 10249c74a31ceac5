//! The Lambda function that a schedule calls. What the event says does not matter.

use countersign::deployment::Config;
use countersign_hosts::SshHosts;
use lambda_http::{
    Error,
    lambda_runtime::{LambdaEvent, run, service_fn},
};
use serde_json::Value;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let mut services = Config::from_environment()?.services();
    services.hosts = Arc::new(SshHosts::new(services.clock.clone()));
    let services = &services;
    run(service_fn(async |_: LambdaEvent<Value>| {
        countersign_reaper::sweep(services).await.map_err(Error::from)
    }))
    .await
    .map_err(anyhow::Error::from_boxed)
}
