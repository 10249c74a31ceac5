//! The HTTPS client of the functions: the SDK's own, but for the root certificates that it trusts, and for its
//! connections, which can be opened ahead of the first request.
//!
//! The SDK reads every root certificate of the system before its first connection. That was most of what a cold start
//! did (`docs/performance.md`), for some hundred and forty authorities of which five sign for AWS. This client trusts
//! those five wherever they suffice.

use aws_smithy_http_client::{
    ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use http_body_util::BodyExt;
use std::time::Duration;

/// How long a start waits for connections. A request that finds none opens its own.
const OPENING: Duration = Duration::from_secs(2);
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

/// Whose certificates a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// Amazon Trust Services, and nobody else.
    Amazon,
    /// Whom the system trusts.
    System,
}

/// A client for all services: whoever asks it gets the same connections. A clone shares them.
#[derive(Clone, Debug)]
pub(super) struct Https(SharedHttpConnector);

impl Https {
    /// A client that waits so long for a connection.
    pub(super) fn new(roots: Roots, connect: Duration) -> Self {
        let mut context = TlsContext::builder();
        if roots == Roots::Amazon {
            context = context.with_trust_store(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS));
        }
        let settings = HttpConnectorSettings::builder().connect_timeout(connect);
        let connector = ConnectorBuilder::default()
            .connector_settings(settings.build())
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(
                context
                    .build()
                    .expect("certificates are all that a context needs"),
            )
            .build();
        Self(SharedHttpConnector::new(connector))
    }

    /// Opens a connection to `url`, or fails to: that is for requests to find out. One that the SDK made would do the
    /// same, and cost six times as much before it is sent: this one is not signed and asks nothing. A service is
    /// expected to answer it with a word of welcome or an error, and to keep the connection, as HTTP/1.1 has it; where
    /// one does not, the first request opens another.
    pub(super) async fn open(&self, url: &str) {
        let Ok(request) = HttpRequest::get(url) else {
            return;
        };
        let opening = async {
            if let Ok(answer) = self.0.call(request).await {
                // A connection whose answer was not read is not used again.
                let _ = answer.into_body().collect().await;
            }
        };
        let _ = tokio::time::timeout(OPENING, opening).await;
    }
}

impl HttpClient for Https {
    // The settings are those of our own clients: a connection may take `CONNECT_TIMEOUT`, which this one knows, and an
    // attempt is timed by the SDK itself.
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::sha256_hex;
    use base64::{Engine, engine::general_purpose::STANDARD};

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

    /// Source: the fingerprints at <https://www.amazontrust.com/repository/>.
    #[test]
    fn the_roots_are_the_five_of_amazon_trust_services() {
        let text = std::str::from_utf8(AMAZON_ROOTS).unwrap();
        let certificates = text.split("-----BEGIN CERTIFICATE-----").skip(1).map(|rest| {
            let (body, _) = rest.split_once("-----END CERTIFICATE-----").unwrap();
            let body: String = body.split_whitespace().collect();
            sha256_hex(&STANDARD.decode(body).unwrap())
        });
        assert_eq!(
            certificates.collect::<Vec<_>>(),
            [
                "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
                "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
                "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
                "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
                "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
            ]
        );
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
            .http_client(Https::new(Roots::Amazon, Duration::from_secs(2)))
            .build();
        let answer = aws_sdk_kms::Client::from_conf(config).list_keys().send().await;
        assert!(
            answer.unwrap_err().as_service_error().is_none(),
            "nobody listens there"
        );
    }
}
