//! What the SDK's clients of a function are made of.
//!
//! A function has its region, its credentials and its endpoints in the environment, where Lambda and the template put
//! them. The SDK's own search would look into files, metadata services and STS besides: a good part of the program, and
//! time of every cold start, for places that a function has not.

use super::https::{self, Https, Roots};
use crate::{join, join_all, store::dynamodb::CONNECT_TIMEOUT};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use std::iter;

/// How the environment of a function says that AWS is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sdk {
    credentials: Option<Credentials>,
    region: Option<String>,
    dynamodb_endpoint: Option<String>,
    kms_endpoint: Option<String>,
    use_fips: bool,
    use_dual_stack: bool,
    has_own_roots: bool,
}

impl Sdk {
    /// The variables are the SDK's: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>.
    pub(super) fn read(value: impl Fn(&str) -> Option<String>) -> Self {
        let endpoint = |service: &str| {
            value(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| value("AWS_ENDPOINT_URL"))
        };
        let is_true = |name: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            credentials: credentials(&value),
            region: value("AWS_REGION").or_else(|| value("AWS_DEFAULT_REGION")),
            dynamodb_endpoint: endpoint("DYNAMODB"),
            kms_endpoint: endpoint("KMS"),
            use_fips: is_true("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
            has_own_roots: value("SSL_CERT_FILE").or_else(|| value("SSL_CERT_DIR")).is_some(),
        }
    }

    /// Whether Amazon's roots suffice: not where something else may answer.
    fn certified_by_amazon(&self) -> bool {
        let mut endpoints = [&self.dynamodb_endpoint, &self.kms_endpoint]
            .into_iter()
            .flatten();
        !self.has_own_roots
            && endpoints.all(|url| url.starts_with("http://"))
            && self.region.as_deref().is_some_and(https::certify)
    }

    /// The HTTPS client of all services.
    pub(super) fn https(&self) -> Https {
        let roots = match self.certified_by_amazon() {
            true => Roots::Amazon,
            false => Roots::System,
        };
        Https::new(roots, CONNECT_TIMEOUT)
    }

    /// The beginnings of the two clients, over one HTTPS client.
    pub(super) fn clients(
        &self,
        https: &Https,
    ) -> (aws_sdk_dynamodb::config::Builder, aws_sdk_kms::config::Builder) {
        let common = self.common(https);
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&common);
        dynamodb.set_endpoint_url(self.dynamodb_endpoint.clone());
        let mut kms = aws_sdk_kms::config::Builder::from(&common);
        kms.set_endpoint_url(self.kms_endpoint.clone());
        (dynamodb, kms)
    }

    /// Opens one connection to KMS and so many to DynamoDB, all at the same time. Whether anybody answers is no concern
    /// of this.
    pub(super) async fn open_connections(&self, https: &Https, dynamodb_connections: usize) {
        let (dynamodb, kms) = join(self.dynamodb_url(), self.kms_url()).await;
        let dynamodb = iter::repeat_n(dynamodb, dynamodb_connections);
        let urls: Vec<String> = dynamodb.chain(iter::once(kms)).flatten().collect();
        join_all(urls.iter().map(|url| https.open(url))).await;
    }

    /// Where DynamoDB is: at its endpoint if that is set, otherwise where the SDK's own rules find it. None where they
    /// find nothing, as its requests will say.
    async fn dynamodb_url(&self) -> Option<String> {
        use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        if self.dynamodb_endpoint.is_some() {
            return self.dynamodb_endpoint.clone();
        }
        let params = Params::builder()
            .set_region(self.region.clone())
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .build()
            .ok()?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
        Some(endpoint.url().to_owned())
    }

    /// The same of KMS.
    async fn kms_url(&self) -> Option<String> {
        use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        if self.kms_endpoint.is_some() {
            return self.kms_endpoint.clone();
        }
        let params = Params::builder()
            .set_region(self.region.clone())
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .build()
            .ok()?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
        Some(endpoint.url().to_owned())
    }

    fn common(&self, https: &Https) -> SdkConfig {
        let credentials = self.credentials.clone().map(SharedCredentialsProvider::new);
        let mut common = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone().map(Region::new))
            .http_client(https.clone())
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack);
        common.set_credentials_provider(credentials);
        common.build()
    }
}

/// The credentials that Lambda puts into the environment. They are good for as long as the process may live.
fn credentials(value: impl Fn(&str) -> Option<String>) -> Option<Credentials> {
    let (id, secret) = (value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?);
    Some(Credentials::new(
        id,
        secret,
        value("AWS_SESSION_TOKEN"),
        None,
        "environment",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Sdk {
        Sdk::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn an_endpoint_of_one_service_goes_before_that_of_all() {
        let sdk = read(&[
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:4599"),
            ("AWS_USE_FIPS_ENDPOINT", "TRUE"),
        ]);
        assert_eq!(
            sdk,
            Sdk {
                region: Some("eu-west-1".into()),
                dynamodb_endpoint: Some("http://127.0.0.1:4566".into()),
                kms_endpoint: Some("http://127.0.0.1:4599".into()),
                use_fips: true,
                ..Sdk::default()
            }
        );
    }

    #[test]
    fn wherever_something_else_may_answer_the_roots_are_the_systems() {
        let with = |name, value| read(&[("AWS_REGION", "eu-west-1"), (name, value)]).certified_by_amazon();
        assert!(with("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"));
        assert!(with("AWS_USE_FIPS_ENDPOINT", "true"));
        for (name, value) in [
            ("SSL_CERT_FILE", "/opt/roots.pem"),
            ("SSL_CERT_DIR", "/opt/roots"),
            ("AWS_ENDPOINT_URL", "https://aws.example.com"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb.example.com"),
            (
                "AWS_ENDPOINT_URL_KMS",
                "https://vpce-0123.kms.eu-west-1.vpce.amazonaws.com",
            ),
        ] {
            assert!(!with(name, value), "{name} {value}");
        }
        assert!(!read(&[]).certified_by_amazon());
    }
}
