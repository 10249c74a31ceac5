//! What runs in AWS: the one place that reads the environment and makes the clients.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `COUNTERSIGN_TABLE_PREFIX` | the tables are called `<prefix>-access`, `<prefix>-certificates`, `<prefix>-roles` | `countersign` |
//! | `COUNTERSIGN_SEALING_KEY` | the symmetric KMS key (id, ARN or alias) that seals imported keys and secrets | required |
//! | `COUNTERSIGN_RETENTION_DAYS` | how long the record of a certificate stays after its end | `400` |
//! | `COUNTERSIGN_PRIVATE_KEY_HOURS` | how long a private key that was made for a caller can be fetched (Venafi) | `168` |
//! | `COUNTERSIGN_KEEP_SIGNATURES` | `all`, or `required`: only those that a dialect must return again | `required` |
//! | `COUNTERSIGN_KEY_POLICY` | the key policy, in JSON, of the KMS keys that are made | KMS's own |
//! | `COUNTERSIGN_METRICS` | `embedded`: the log of decisions holds metrics for CloudWatch, or `none` | `none` |
//!
//! Region, credentials and endpoints (`AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_KMS`, …) are the AWS SDK's.

mod https;
mod sdk;

use crate::{
    audit::{AuditLog, MetricLog, StderrLog},
    clock::SystemClock,
    random::SystemRandomSource,
    services::{Services, Settings},
    signer::kms::{self, KmsKeyring},
    store::dynamodb::{DynamoDb, TableNames, client_config},
};
use https::Https;
use sdk::Sdk;
use serde_json::Value;
use std::{fmt, sync::Arc};

const SECS_PER_DAY: u64 = 86_400;
const SECS_PER_HOUR: u64 = 3_600;

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the names of the tables begin with.
    pub table_prefix: String,
    /// The KMS key that seals.
    pub sealing_key: String,
    /// How records are kept.
    pub settings: Settings,
    /// The key policy of the KMS keys that are made.
    pub key_policy: Option<String>,
    /// Whether the log of decisions holds metrics.
    pub metrics: bool,
    /// How a function reaches AWS.
    sdk: Sdk,
}

/// Why the environment does not make a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// This variable has to be set.
    Missing(&'static str),
    /// This variable holds something else than what it is for.
    Unusable(&'static str, &'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the environment variable {name} has to be set"),
            Self::Unusable(name, wanted) => write!(f, "the environment variable {name} has to be {wanted}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_environment() -> Result<Self, ConfigError> {
        #[allow(clippy::disallowed_methods)] // this is where the environment is read
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables by `lookup`. An empty one is as good as none.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let value = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut settings = Settings::default();
        if let Some(days) = value("COUNTERSIGN_RETENTION_DAYS") {
            let secs = days
                .parse()
                .ok()
                .and_then(|days: u64| days.checked_mul(SECS_PER_DAY));
            settings.retention_secs = secs.ok_or(ConfigError::Unusable(
                "COUNTERSIGN_RETENTION_DAYS",
                "a number of days",
            ))?;
        }
        if let Some(hours) = value("COUNTERSIGN_PRIVATE_KEY_HOURS") {
            let secs = hours
                .parse()
                .ok()
                .and_then(|hours: u64| hours.checked_mul(SECS_PER_HOUR));
            settings.private_key_secs = secs.ok_or(ConfigError::Unusable(
                "COUNTERSIGN_PRIVATE_KEY_HOURS",
                "a number of hours",
            ))?;
        }
        settings.keep_signatures = match value("COUNTERSIGN_KEEP_SIGNATURES").as_deref() {
            None | Some("required") => false,
            Some("all") => true,
            Some(_) => {
                return Err(ConfigError::Unusable(
                    "COUNTERSIGN_KEEP_SIGNATURES",
                    "all or required",
                ));
            }
        };
        let key_policy = value("COUNTERSIGN_KEY_POLICY");
        if let Some(text) = &key_policy
            && !serde_json::from_str::<Value>(text).is_ok_and(|policy| policy.is_object())
        {
            return Err(ConfigError::Unusable("COUNTERSIGN_KEY_POLICY", "a JSON object"));
        }
        let metrics = match value("COUNTERSIGN_METRICS").as_deref() {
            None | Some("none") => false,
            Some("embedded") => true,
            Some(_) => {
                return Err(ConfigError::Unusable("COUNTERSIGN_METRICS", "embedded or none"));
            }
        };
        Ok(Self {
            sdk: Sdk::read(value),
            key_policy,
            metrics,
            table_prefix: value("COUNTERSIGN_TABLE_PREFIX").unwrap_or_else(|| "countersign".into()),
            sealing_key: value("COUNTERSIGN_SEALING_KEY")
                .ok_or(ConfigError::Missing("COUNTERSIGN_SEALING_KEY"))?,
            settings,
        })
    }

    /// The services as an operator's command has them: region, credentials and endpoints are found as every AWS tool
    /// finds them. Nothing is called before it is needed.
    pub async fn operator_services(&self) -> Services {
        let aws = aws_config::load_from_env().await;
        let (store, keyring) = self.clients(((&aws).into(), (&aws).into()));
        self.over(store, keyring)
    }

    /// The services of a function. Nothing is called before it is needed.
    pub fn services(&self) -> Services {
        self.services_through(&self.sdk.https())
    }

    /// The services of a function, with the connections open that its first request needs: one to KMS, and one to
    /// DynamoDB for each of the `calls` that it makes there at the same moment. Whether either answers is for the
    /// requests to find out.
    pub async fn warm_services(&self, calls: usize) -> Services {
        let https = self.sdk.https();
        // The services are made while the connections are on their way.
        let making = async { self.services_through(&https) };
        crate::join(self.sdk.open_connections(&https, calls), making)
            .await
            .1
    }

    fn services_through(&self, https: &Https) -> Services {
        let (store, keyring) = self.clients(self.sdk.clients(https));
        self.over(store, keyring)
    }

    fn clients(
        &self,
        (dynamodb, kms): (aws_sdk_dynamodb::config::Builder, aws_sdk_kms::config::Builder),
    ) -> (DynamoDb, KmsKeyring) {
        let store = DynamoDb::new(
            aws_sdk_dynamodb::Client::from_conf(client_config(dynamodb).build()),
            TableNames::with_prefix(&self.table_prefix),
        );
        let keyring =
            KmsKeyring::new(kms::client(kms), &self.sealing_key).with_key_policy(self.key_policy.clone());
        (store, keyring)
    }

    fn over(&self, store: DynamoDb, keyring: KmsKeyring) -> Services {
        let audit: Arc<dyn AuditLog> = match self.metrics {
            true => Arc::new(MetricLog::new(&self.table_prefix)),
            false => Arc::new(StderrLog),
        };
        let mut services = Services::new(
            Arc::new(store),
            Arc::new(keyring),
            Arc::new(SystemClock),
            Arc::new(SystemRandomSource::default()),
            audit,
        );
        services.settings = self.settings;
        services
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn only_the_sealing_key_has_to_be_set() {
        let config = read(&[
            ("COUNTERSIGN_SEALING_KEY", "alias/x"),
            ("COUNTERSIGN_TABLE_PREFIX", ""),
        ])
        .unwrap();
        assert_eq!(config.table_prefix, "countersign");
        assert_eq!(config.settings, Settings::default());
        assert_eq!((config.key_policy, config.metrics), (None, false));
        assert_eq!(read(&[]), Err(ConfigError::Missing("COUNTERSIGN_SEALING_KEY")));
    }

    #[test]
    fn what_is_set_must_make_sense() {
        let with = |name, value| read(&[("COUNTERSIGN_SEALING_KEY", "k"), (name, value)]);
        assert_eq!(
            with("COUNTERSIGN_RETENTION_DAYS", "7")
                .unwrap()
                .settings
                .retention_secs,
            604_800
        );
        assert!(
            with("COUNTERSIGN_KEEP_SIGNATURES", "all")
                .unwrap()
                .settings
                .keep_signatures
        );
        assert!(with("COUNTERSIGN_METRICS", "embedded").unwrap().metrics);
        assert_eq!(
            with("COUNTERSIGN_KEY_POLICY", "{}")
                .unwrap()
                .key_policy
                .as_deref(),
            Some("{}")
        );
        for (name, value) in [
            ("COUNTERSIGN_RETENTION_DAYS", "-1"),
            ("COUNTERSIGN_RETENTION_DAYS", "99999999999999999999"),
            ("COUNTERSIGN_PRIVATE_KEY_HOURS", "a day"),
            ("COUNTERSIGN_KEEP_SIGNATURES", "true"),
            ("COUNTERSIGN_KEY_POLICY", "default"),
            ("COUNTERSIGN_KEY_POLICY", "[]"),
            ("COUNTERSIGN_METRICS", "true"),
        ] {
            assert!(with(name, value).is_err(), "{name} {value}");
        }
    }
}
