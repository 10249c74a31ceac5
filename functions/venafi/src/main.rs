//! The Lambda function of the Venafi family.

use countersign::{deployment::Config, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let services = Config::from_environment()?
        .warm_services(countersign_venafi::CALLS_AT_ONCE)
        .await;
    let router = countersign_venafi::standalone(services.clone());
    lambda::run(services, router)
        .await
        .map_err(anyhow::Error::from_boxed)
}
