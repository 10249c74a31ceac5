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
        if let Ok(mut line) = serde_json::to_vec(decision) {
            line.push(b'\n');
            // A closed log must not stop the service, and there is nowhere to complain to.
            let _ = std::io::stderr().lock().write_all(&line);
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
