//! The product itself: the built function behind API Gateway, with its keys in KMS and its tables in DynamoDB, all on
//! MiniStack; and a login to a real `sshd` with what it signed.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use countersign::{
    Services, access,
    audit::StderrLog,
    certificates,
    clock::SystemClock,
    random::SystemRandomSource,
    signer::local::LocalKeyring,
    store::dynamodb::{DynamoDb, TableNames, client_config, create_tables},
    types::Serial,
};
use countersign_tests::{
    Identity, KeyType, Ministack, Sshd, current_user, function_zip, make_key, run_python,
};
use serde::Deserialize;
use std::sync::Arc;

const TABLE_PREFIX: &str = "through-lambda";

#[derive(Deserialize)]
struct Signed {
    ca_key: String,
    certificate: String,
    serial: String,
}

/// What an operator has: the tables, and the right to write them.
async fn operator(ministack: &Ministack) -> Result<Services> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(ministack.endpoint())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
    let client = Client::from_conf(client_config(config).build());
    let names = TableNames::with_prefix(TABLE_PREFIX);
    create_tables(&client, &names).await?;
    let random = SystemRandomSource::default();
    let keyring = LocalKeyring::in_memory(&random)?;
    Ok(Services::new(
        Arc::new(DynamoDb::new(client, names)),
        Arc::new(keyring),
        Arc::new(SystemClock),
        Arc::new(random),
        Arc::new(StderrLog),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_the_function_signs_logs_in() -> Result<()> {
    let ministack = Ministack::start()?;
    let services = operator(&ministack).await?;
    let root = access::create_root(&services, None).await?;
    let directory = tempfile::tempdir()?;
    let key = make_key(directory.path(), "key", KeyType::Ed25519)?;
    let user = current_user()?;
    let package = function_zip("vault")?;
    let arguments = [
        &ministack.endpoint(),
        package.to_str().context("the path is text")?,
        TABLE_PREFIX,
        root.secret.reveal(),
        &key.public_line()?,
        &user,
    ];
    let outcome = run_python("contract/vault/through_lambda.py", &arguments, &[])
        .with_context(|| format!("the emulator says\n{}", ministack.log()))?;
    let signed: Signed = serde_json::from_str(&outcome.stdout)?;

    let sshd = Sshd::builder()?.user_ca(&signed.ca_key).start()?;
    let certificate = key.write_certificate(&signed.certificate)?;
    let identity = Identity::File {
        key: key.path(),
        certificate: &certificate,
    };
    sshd.login(identity, "true")?.accepted()?;

    let serial = Serial::parse(u64::from_str_radix(&signed.serial, 16)?).context("a serial is not 0")?;
    let (record, _) = certificates::read_serial(&*services.store, serial)
        .await?
        .context("what was signed is on record")?;
    ensure!(
        (record.family.as_str(), record.role.as_str()) == ("vault", "team/ssh/ops"),
        "{record:?}"
    );
    ensure!(
        record.source_ip.is_some(),
        "the gateway's view of the caller is recorded"
    );
    Ok(())
}
