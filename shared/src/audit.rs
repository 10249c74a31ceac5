//! The log of decisions: one JSON line for each, granted or refused, and no secret in any.

use crate::types::CertType;
use serde::Serialize;
use std::{io::Write, net::IpAddr};

/// One decision.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Decision {
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The id of the request, as the caller was told it.
    pub request_id: String,
    /// The family that the request came through.
    pub family: String,
    /// What was asked, for example `issue`, or the method and path of a request that was denied.
    pub action: String,
    /// `granted`, or the kind of the error.
    pub outcome: &'static str,
    /// Why it was not granted, with all causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked: the accessor of the token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub accessor: String,
    /// Who asked, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// The role.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The authority.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authority: String,
    /// User or host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_type: Option<CertType>,
    /// The principals, as granted or as asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
    /// The key id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_id: String,
    /// The fingerprint of the certified key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject_key: String,
    /// The serial, in decimal as sshd logs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The end of validity, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_before: Option<u64>,
    /// How long the signer took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_ms: Option<u64>,
    /// Which rule of the role refused it, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// Whether it was the signer that failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub signer_failed: bool,
}

/// Where decisions are written.
pub trait AuditLog: Send + Sync {
    /// Writes one decision.
    fn record(&self, decision: &Decision);
}

/// Writes each decision as one line to standard error: CloudWatch's log in a deployment, the terminal locally.
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrLog;

impl AuditLog for StderrLog {
    fn record(&self, decision: &Decision) {
        write_line(decision);
    }
}

fn write_line(content: &impl Serialize) {
    if let Ok(mut line) = serde_json::to_vec(content) {
        line.push(b'\n');
        // A closed log must not stop the service, and there is nowhere to complain to.
        let _ = std::io::stderr().lock().write_all(&line);
    }
}

/// Writes the same lines with metrics in them, in CloudWatch's embedded metric format: the log makes the metrics, so
/// that they cost no call. Lines about anything but certificates and refusals hold none.
///
/// | metric of namespace `Countersign` | dimensions | counts |
/// |---|---|---|
/// | `Issued` | `Deployment`, `Family` | certificates |
/// | `SignLatency`, in milliseconds | `Deployment` | how long the signer took |
/// | `Refused` | `Deployment`, `Reason` | everything that was not granted: the role's rule, or else the kind of the error |
/// | `KmsErrors` | `Deployment` | signers that failed |
///
/// Few dimensions, since CloudWatch charges for each combination.
#[derive(Clone, Debug)]
pub struct MetricLog {
    deployment: String,
}

impl MetricLog {
    /// A log whose metrics have this `Deployment`.
    pub fn new(deployment: impl Into<String>) -> Self {
        Self {
            deployment: deployment.into(),
        }
    }

    /// The line for `decision`.
    fn line<'a>(&'a self, decision: &'a Decision) -> Line<'a> {
        let mut line = Line {
            metadata: None,
            deployment: None,
            family: None,
            reason: None,
            issued: None,
            sign_latency: None,
            refused: None,
            kms_errors: None,
            decision,
        };
        let mut directives = Vec::new();
        if decision.outcome != "granted" {
            line.refused = Some(1);
            line.reason = Some(decision.rule.unwrap_or(decision.outcome));
            directives.push(Directive::new(&["Deployment", "Reason"], "Refused", "Count"));
        } else if decision.serial.is_some() && decision.action != "record" {
            line.issued = Some(1);
            line.family = Some(&decision.family);
            directives.push(Directive::new(&["Deployment", "Family"], "Issued", "Count"));
        }
        if let Some(sign_ms) = decision.sign_ms {
            line.sign_latency = Some(sign_ms);
            directives.push(Directive::new(&["Deployment"], "SignLatency", "Milliseconds"));
        }
        if decision.signer_failed {
            line.kms_errors = Some(1);
            directives.push(Directive::new(&["Deployment"], "KmsErrors", "Count"));
        }
        if !directives.is_empty() {
            line.deployment = Some(&self.deployment);
            line.metadata = Some(Metadata {
                timestamp: decision.time_ms,
                directives,
            });
        }
        line
    }
}

impl AuditLog for MetricLog {
    fn record(&self, decision: &Decision) {
        write_line(&self.line(decision));
    }
}

/// A decision with the members that CloudWatch looks for (its "embedded metric format specification").
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws", skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(rename = "Deployment", skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    #[serde(rename = "Family", skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(rename = "Reason", skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(rename = "Issued", skip_serializing_if = "Option::is_none")]
    issued: Option<u8>,
    #[serde(rename = "SignLatency", skip_serializing_if = "Option::is_none")]
    sign_latency: Option<u64>,
    #[serde(rename = "Refused", skip_serializing_if = "Option::is_none")]
    refused: Option<u8>,
    #[serde(rename = "KmsErrors", skip_serializing_if = "Option::is_none")]
    kms_errors: Option<u8>,
    #[serde(flatten)]
    decision: &'a Decision,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "Timestamp")]
    timestamp: u64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: Vec<Directive>,
}

/// One metric and what it is counted by.
#[derive(Serialize)]
struct Directive {
    #[serde(rename = "Namespace")]
    namespace: &'static str,
    #[serde(rename = "Dimensions")]
    dimensions: [&'static [&'static str]; 1],
    #[serde(rename = "Metrics")]
    metrics: [Metric; 1],
}

#[derive(Serialize)]
struct Metric {
    #[serde(rename = "Name")]
    name: &'static str,
    #[serde(rename = "Unit")]
    unit: &'static str,
}

impl Directive {
    fn new(dimensions: &'static [&'static str], name: &'static str, unit: &'static str) -> Self {
        Self {
            namespace: "Countersign",
            dimensions: [dimensions],
            metrics: [Metric { name, unit }],
        }
    }
}

/// Keeps decisions in memory.
#[cfg(feature = "test-util")]
#[derive(Debug, Default)]
pub struct MemoryLog(std::sync::Mutex<Vec<Decision>>);

#[cfg(feature = "test-util")]
impl MemoryLog {
    /// The decisions so far.
    pub fn decisions(&self) -> Vec<Decision> {
        self.0
            .lock()
            .map(|decisions| decisions.clone())
            .unwrap_or_default()
    }
}

#[cfg(feature = "test-util")]
impl AuditLog for MemoryLog {
    fn record(&self, decision: &Decision) {
        if let Ok(mut decisions) = self.0.lock() {
            decisions.push(decision.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(decision: &Decision) -> String {
        serde_json::to_string(&MetricLog::new("prod").line(decision)).unwrap()
    }

    fn decision(outcome: &'static str) -> Decision {
        Decision {
            time_ms: 1_800_000_000_123,
            request_id: "r".into(),
            family: "vault".into(),
            action: "issue".into(),
            outcome,
            ..Decision::default()
        }
    }

    #[test]
    fn a_certificate_counts_with_the_time_that_its_signature_took() {
        let issued = Decision {
            serial: Some("7".into()),
            sign_ms: Some(12),
            ..decision("granted")
        };
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1800000000123,"CloudWatchMetrics":["#,
            r#"{"Namespace":"Countersign","Dimensions":[["Deployment","Family"]],"Metrics":[{"Name":"Issued","Unit":"Count"}]},"#,
            r#"{"Namespace":"Countersign","Dimensions":[["Deployment"]],"Metrics":[{"Name":"SignLatency","Unit":"Milliseconds"}]}"#,
            r#"]},"Deployment":"prod","Family":"vault","Issued":1,"SignLatency":12,"#,
            r#""time_ms":1800000000123,"request_id":"r","family":"vault","action":"issue","outcome":"granted","#,
            r#""serial":"7","sign_ms":12}"#,
        );
        assert_eq!(line(&issued), expected);
    }

    #[test]
    fn a_refusal_counts_by_its_rule_or_else_by_its_kind() {
        let refused = Decision {
            rule: Some("principal_not_allowed"),
            ..decision("refused")
        };
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1800000000123,"CloudWatchMetrics":["#,
            r#"{"Namespace":"Countersign","Dimensions":[["Deployment","Reason"]],"Metrics":[{"Name":"Refused","Unit":"Count"}]}"#,
            r#"]},"Deployment":"prod","Reason":"principal_not_allowed","Refused":1,"#,
            r#""time_ms":1800000000123,"request_id":"r","family":"vault","action":"issue","outcome":"refused","#,
            r#""rule":"principal_not_allowed"}"#,
        );
        assert_eq!(line(&refused), expected);
        assert!(line(&decision("permission_denied")).contains(r#""Reason":"permission_denied","Refused":1"#));
    }

    #[test]
    fn a_signer_that_fails_counts_as_such() {
        let failed = Decision {
            signer_failed: true,
            sign_ms: Some(3000),
            ..decision("unavailable")
        };
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1800000000123,"CloudWatchMetrics":["#,
            r#"{"Namespace":"Countersign","Dimensions":[["Deployment","Reason"]],"Metrics":[{"Name":"Refused","Unit":"Count"}]},"#,
            r#"{"Namespace":"Countersign","Dimensions":[["Deployment"]],"Metrics":[{"Name":"SignLatency","Unit":"Milliseconds"}]},"#,
            r#"{"Namespace":"Countersign","Dimensions":[["Deployment"]],"Metrics":[{"Name":"KmsErrors","Unit":"Count"}]}"#,
            r#"]},"Deployment":"prod","Reason":"unavailable","SignLatency":3000,"Refused":1,"KmsErrors":1,"#,
            r#""time_ms":1800000000123,"request_id":"r","family":"vault","action":"issue","outcome":"unavailable","#,
            r#""sign_ms":3000,"signer_failed":true}"#,
        );
        assert_eq!(line(&failed), expected);
    }

    #[test]
    fn what_is_no_certificate_and_no_refusal_has_no_metrics() {
        let recorded = Decision {
            action: "record".into(),
            serial: Some("7".into()),
            ..decision("granted")
        };
        assert!(!line(&recorded).contains("_aws"), "it counts once it is signed");
        let expected = r#"{"time_ms":1800000000123,"request_id":"r","family":"vault","action":"issue","outcome":"granted"}"#;
        assert_eq!(line(&decision("granted")), expected);
    }
}
