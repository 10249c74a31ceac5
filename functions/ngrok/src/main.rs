//! The Lambda function of the ngrok family.

use countersign::{deployment::Config, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let services = Config::from_environment()?
        .warm_services(countersign_ngrok::CALLS_AT_ONCE)
        .await;
    let router = countersign_ngrok::standalone(services.clone());
    lambda::run(services, router)
        .await
        .map_err(anyhow::Error::from_boxed)
}
