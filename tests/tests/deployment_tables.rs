//! The administration commands on the tables of a deployment, with AWS credentials and no server: MiniStack's.

#![allow(missing_docs)]

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use countersign::{
    Services,
    access::lookup,
    audit::MemoryLog,
    authority::{KeySource, KeySpec, enrol},
    clock::SystemClock,
    decide::{Request, RequestedKeyId, RequestedValidity},
    issue::{Issuance, Origin, issue},
    random::SystemRandomSource,
    role::{CertTypeRules, LifetimeRules, PrincipalMatcher, PrincipalRules, Role},
    signer::local::LocalKeyring,
    ssh::PublicKey,
    store::dynamodb::{DynamoDb, TableNames, client_config, create_tables},
    types::{CertType, SecretToken},
};
use countersign_tests::{KeyType, Ministack, Outcome, countersign, executed_by, make_key, run};
use serde_json::{Value, json};

const PREFIX: &str = "by-hand";
const REGION: &str = "eu-central-1";
const LIMIT: Duration = Duration::from_secs(60);

struct Deployment {
    ministack: Ministack,
    services: Services,
    sealing_key: String,
}

impl Deployment {
    async fn start() -> Result<Self> {
        let ministack = Ministack::start()?;
        let credentials = || Credentials::new("test", "test", None, None, "tests");
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(ministack.endpoint())
            .region(Region::from_static(REGION))
            .credentials_provider(credentials());
        let client = aws_sdk_dynamodb::Client::from_conf(client_config(config).build());
        let names = TableNames::with_prefix(PREFIX);
        create_tables(&client, &names).await?;
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(ministack.endpoint())
            .region(Region::from_static(REGION))
            .credentials_provider(credentials());
        let kms = aws_sdk_kms::Client::from_conf(config.build());
        let sealing_key = kms
            .create_key()
            .send()
            .await?
            .key_metadata
            .context("no key")?
            .key_id;
        let random = SystemRandomSource::default();
        let services = Services::new(
            Arc::new(DynamoDb::new(client, names)),
            Arc::new(LocalKeyring::in_memory(&random)?),
            Arc::new(SystemClock),
            Arc::new(random),
            Arc::new(MemoryLog::default()),
        );
        Ok(Self {
            ministack,
            services,
            sealing_key,
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut command = countersign()?;
        command
            .args(arguments)
            .env_remove("COUNTERSIGN_URL")
            .env("COUNTERSIGN_TABLE_PREFIX", PREFIX)
            .env("COUNTERSIGN_SEALING_KEY", &self.sealing_key)
            .env("AWS_ENDPOINT_URL", self.ministack.endpoint())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        run(&mut command, LIMIT)
    }

    fn says(&self, arguments: &[&str]) -> Result<String> {
        Ok(self.run(arguments)?.success()?.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.says(&[arguments, &["--json"]].concat())?,
        )?)
    }

    /// A certificate for alice, as a family's function would issue it: its serial.
    async fn certify(&self) -> Result<String> {
        let authority = enrol(&self.services, KeySource::New(KeySpec::Ed25519), String::new()).await?;
        let principals = PrincipalRules {
            allowed: vec![PrincipalMatcher::Any],
            default: Vec::new(),
        };
        let role = Role {
            user: Some(CertTypeRules {
                principals,
                ..CertTypeRules::default()
            }),
            lifetime: LifetimeRules {
                default_ttl_secs: 60,
                max_ttl_secs: 60,
                backdate_secs: 0,
            },
            ..Role::default()
        };
        let request = Request {
            subject_key: PublicKey::ed25519([7; 32]),
            cert_type: CertType::User,
            principals: Some(vec!["alice".into()]),
            validity: RequestedValidity::RoleDefault,
            key_id: RequestedKeyId::Default("id".into()),
            critical_options: None,
            extensions: None,
        };
        let origin = Origin {
            family: "vault",
            role: "ssh/me".into(),
            ..Origin::default()
        };
        let issuance = Issuance {
            authority: &authority,
            role: &role,
            request: &request,
            origin: &origin,
            id: None,
            keep_signature: false,
            in_service: None,
            details: BTreeMap::new(),
        };
        let issued = issue(&self.services, issuance).await?;
        Ok(issued.certificate.fields().serial.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_administered_with_credentials_alone() -> Result<()> {
    let deployment = Deployment::start().await?;
    first_tokens(&deployment).await?;
    policies_and_identities(&deployment)?;
    authorities(&deployment)?;
    certificates(&deployment).await?;
    Ok(())
}

async fn first_tokens(deployment: &Deployment) -> Result<()> {
    let blocks = executed_by(
        "infra/README.md",
        "a_deployment_is_administered_with_credentials_alone",
    )?;
    let command = blocks.concat().replace("--table-prefix countersign", "");
    let root = deployment.json(&command.split_whitespace().skip(1).collect::<Vec<_>>())?;
    let secret = SecretToken::new(root["client_token"].as_str().context("no token")?);
    let stored = lookup(&deployment.services, &secret)
        .await?
        .context("the token is not there")?;
    ensure!(stored.token.is_root() && stored.token.expires_at.is_none() && stored.token.is_orphan());
    let limited = deployment.json(&["token", "create", "--policy", "ops", "--ttl", "8h"])?;
    let secret = SecretToken::new(limited["client_token"].as_str().context("no token")?);
    ensure!(
        lookup(&deployment.services, &secret).await?.is_some(),
        "an operator's token has no parent to die with"
    );
    let accessor = limited["accessor"].as_str().context("no accessor")?;
    ensure!(deployment.says(&["token", "list"])?.contains(accessor));
    deployment.says(&["token", "revoke", "--accessor", accessor])?;
    ensure!(lookup(&deployment.services, &secret).await?.is_none());
    let refused = deployment.run(&["token", "lookup"])?;
    ensure!(
        !refused.status.success() && refused.stderr.contains("--accessor"),
        "{refused:?}"
    );
    Ok(())
}

fn policies_and_identities(deployment: &Deployment) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("ops.hcl");
    fs::write(&file, "path \"ssh/sign/ops\" { capabilities = [\"update\"] }")?;
    deployment.says(&["policy", "write", "ops", file.to_str().context("a path")?])?;
    ensure!(
        deployment
            .says(&["policy", "read", "ops"])?
            .contains("ssh/sign/ops")
    );
    let made = deployment.json(&["identity", "create", "ci", "--policy", "ops"])?;
    ensure!(made["client_secret"].is_string());
    ensure!(deployment.json(&["identity", "list"])? == json!({"identities": ["ci"]}));
    Ok(())
}

fn authorities(deployment: &Deployment) -> Result<()> {
    let made = deployment.json(&["authority", "create", "--key-spec", "P256"])?;
    ensure!(made["custody"] == "kms", "{made}");
    let kms_key = made["kms_key"].as_str().context("no KMS key")?;
    // One key is one authority, or whoever may use the one could use the other.
    let again = deployment.run(&["authority", "bind", kms_key])?;
    let id = made["id"].as_str().context("no id")?;
    ensure!(
        again
            .stderr
            .contains(&format!("this key is the authority {id} already")),
        "{again:?}"
    );
    let directory = tempfile::tempdir()?;
    let key = make_key(directory.path(), "ca", KeyType::Ed25519)?;
    let imported = deployment.json(&["authority", "import", key.path().to_str().context("a path")?])?;
    ensure!(imported["custody"] == "sealed", "{imported}");
    ensure!(deployment.json(&["authority", "retire", id])?["state"] == "retired");
    let listed = deployment.json(&["authority", "list"])?;
    ensure!(
        listed["authorities"].as_array().map(Vec::len) == Some(2),
        "{listed}"
    );
    Ok(())
}

async fn certificates(deployment: &Deployment) -> Result<()> {
    let serial = deployment.certify().await?;
    let listed = deployment.json(&["certificate", "list", "--principal", "alice"])?;
    ensure!(
        listed["certificates"][0]["serial_number"] == serial.as_str(),
        "{listed}"
    );
    let shown = deployment.says(&["certificate", "show", &serial])?;
    ensure!(
        shown.contains("ssh-ed25519-cert-v01@openssh.com user certificate"),
        "{shown}"
    );
    ensure!(shown.contains("alice") && shown.contains("ssh/me"), "{shown}");
    let wrong = deployment.run(&["certificate", "list", "--table-prefix", "nobodys"])?;
    ensure!(
        !wrong.status.success() && wrong.stderr.contains("--table-prefix"),
        "{wrong:?}"
    );
    Ok(())
}
