//! The store against MiniStack: over HTTP, and with an engine that is not the embedded one.

use std::sync::Arc;

use anyhow::Result;
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use countersign::store::{
    conformance,
    dynamodb::{DynamoDb, TableNames, client_config, create_tables},
};
use countersign_tests::Ministack;

#[tokio::test(flavor = "multi_thread")]
async fn ministack_conforms() -> Result<()> {
    let ministack = Ministack::start()?;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(ministack.endpoint())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
    let client = Client::from_conf(client_config(config).build());
    let names = TableNames::with_prefix("conformance");
    for _ in 0..2 {
        create_tables(&client, &names).await?;
    }
    conformance::suite(Arc::new(DynamoDb::new(client, names))).await;
    Ok(())
}
