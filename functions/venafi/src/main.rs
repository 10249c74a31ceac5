//! The Lambda function of the Venafi family.

use countersign::{deployment::Config, lambda::with_client_address};
use tower::util::MapRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    lambda_http::tracing::init_default_subscriber();
    let services = Config::from_environment()?.warm_services().await;
    let router = countersign_venafi::standalone(services);
    lambda_http::run(MapRequest::new(router, with_client_address))
        .await
        .map_err(anyhow::Error::from_boxed)
}
