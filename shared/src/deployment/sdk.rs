//! What the SDK's clients of a function are made of.
//!
//! A function has its region, its credentials and its endpoints in the environment, where Lambda and the template put them.
//! The SDK's own search would look into files, metadata services and STS besides: a good part of the program, and time of
//! every cold start, for places that a function has not.

use super::https;
use aws_config::{BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

/// How the environment of a function says that AWS is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sdk {
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

    /// The beginnings of the two clients, over one HTTPS client.
    pub(super) fn clients(&self) -> (aws_sdk_dynamodb::config::Builder, aws_sdk_kms::config::Builder) {
        let common = self.common();
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&common);
        dynamodb.set_endpoint_url(self.dynamodb_endpoint.clone());
        let mut kms = aws_sdk_kms::config::Builder::from(&common);
        kms.set_endpoint_url(self.kms_endpoint.clone());
        (dynamodb, kms)
    }

    fn common(&self) -> SdkConfig {
        let credentials = EnvironmentVariableCredentialsProvider::new();
        let mut common = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone().map(Region::new))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack);
        if self.certified_by_amazon() {
            common.set_http_client(Some(https::client()));
        }
        common.build()
    }
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
