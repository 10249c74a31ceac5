//! The hosts that the certificate authority itself logs in to, for those who want a key on a host rather than a
//! certificate.

use crate::{signer::Pkcs8Key, ssh::PublicKey};
use async_trait::async_trait;
use std::{fmt, net::SocketAddr};

/// `text` as one word of a shell, whatever stands in it.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A login on a host.
#[derive(Debug)]
pub struct HostLogin {
    /// Where its SSH server listens.
    pub address: SocketAddr,
    /// Whom to log in as.
    pub user: String,
    /// The private key to log in with.
    pub key: Pkcs8Key,
    /// How the host proves that it is the right one.
    pub host_keys: HostKeys,
}

/// How a host proves that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// It need not.
    Any,
    /// By one of these.
    Known(Vec<HostKey>),
}

/// One proof that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// A host certificate for its address, signed with this key.
    Authority(PublicKey),
    /// This key.
    Key(PublicKey),
}

/// Why nothing was done on a host, or perhaps something was. `Display` is fit for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    /// The command failed: its exit status. None where the connection broke first.
    Command(Option<u32>),
    /// Somebody else's key, with this fingerprint.
    HostKey(String),
    /// The host takes the user or the key for a stranger's.
    Login,
    /// It took too long. The command may have run.
    TimedOut,
    /// There is no connection, so nothing was run: the reason.
    Unreachable(String),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(Some(status)) => write!(f, "the command ended with status {status}"),
            Self::Command(None) => f.write_str("the connection broke before the command ended"),
            Self::HostKey(fingerprint) => write!(
                f,
                "the host showed the key {fingerprint}, which is not one that the role's host_key vouches for"
            ),
            Self::Login => f.write_str("the host refused the login of the admin user"),
            Self::TimedOut => f.write_str("the host did not answer in time"),
            Self::Unreachable(reason) => write!(f, "the host cannot be reached: {reason}"),
        }
    }
}

impl std::error::Error for HostError {}

/// Runs commands on hosts.
#[async_trait]
pub trait Hosts: Send + Sync {
    /// Logs in, and runs `command` with `input` on its standard input. Answers within half a minute; the command may
    /// go on then.
    ///
    /// # Errors
    /// [`HostError`]; also where the command's exit status is not 0.
    async fn run(&self, login: &HostLogin, command: &str, input: &[u8]) -> Result<(), HostError>;
}

/// What reaches no host, as most functions.
#[derive(Clone, Copy, Debug)]
pub struct NoHosts;

#[async_trait]
impl Hosts for NoHosts {
    async fn run(&self, _: &HostLogin, _: &str, _: &[u8]) -> Result<(), HostError> {
        Err(HostError::Unreachable("this program connects to no hosts".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_word_of_a_shell() {
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
    }
}
