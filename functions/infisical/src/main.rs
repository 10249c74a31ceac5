//! The Lambda function of the Infisical family.

use countersign::{deployment::Config, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let services = Config::from_environment()?
        .warm_services(countersign_infisical::CALLS_AT_ONCE)
        .await;
    let router = countersign_infisical::router(services.clone());
    lambda::run(services, router)
        .await
        .map_err(anyhow::Error::from_boxed)
}
