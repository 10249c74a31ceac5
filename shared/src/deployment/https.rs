//! The HTTPS client of the functions: the SDK's own, but for the root certificates that it trusts.
//!
//! The SDK reads every root certificate of the system before its first connection. That was most of what a cold start did
//! (`docs/performance.md`), for some hundred and forty authorities of which five sign for AWS. This client trusts those five.

use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");
/// What the names of the regions begin with that Amazon Trust Services certify.
const REGIONS: [&str; 9] = ["af-", "ap-", "ca-", "eu-", "il-", "me-", "mx-", "sa-", "us-"];
/// And of those that begin likewise but belong to other partitions.
const OTHER_PARTITIONS: [&str; 3] = ["eu-isoe-", "us-gov-", "us-iso"];

/// Whether Amazon Trust Services certify everything in `region`.
pub(super) fn certify(region: &str) -> bool {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| region.starts_with(prefix));
    begins(&REGIONS) && !begins(&OTHER_PARTITIONS)
}

/// A client that trusts Amazon's roots and no other.
pub(super) fn client() -> SharedHttpClient {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let context = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .expect("a trust store of certificates is a complete context");
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commercial_regions_need_no_other_root() {
        for region in ["us-east-1", "eu-central-1", "ap-southeast-7", "mx-central-1"] {
            assert!(certify(region), "{region}");
        }
        for region in [
            "cn-north-1",
            "eusc-de-east-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "",
        ] {
            assert!(!certify(region), "{region}");
        }
    }

    /// The roots are read when the first connection is made: one that cannot be read would stop the function there.
    #[tokio::test]
    async fn the_roots_can_be_read() {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_kms::config::Region::new("eu-west-1"))
            .credentials_provider(aws_sdk_kms::config::Credentials::for_tests())
            .retry_config(aws_sdk_kms::config::retry::RetryConfig::disabled())
            .endpoint_url("https://127.0.0.1:1")
            .http_client(client())
            .build();
        let answer = aws_sdk_kms::Client::from_conf(config).list_keys().send().await;
        assert!(
            answer.unwrap_err().as_service_error().is_none(),
            "nobody listens there"
        );
    }
}
