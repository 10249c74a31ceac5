//! What the server prints at its start: where it is, and the commands that lead from there to a login.

use countersign::{hosts::shell_word, types::SecretToken};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

/// The commands from a root token to a login, for bash. A test runs this very text.
pub(crate) const FIRST_LOGIN: &str = include_str!("first_login.sh");

/// The text of the start.
pub(crate) struct Banner<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) directory: Option<&'a Path>,
    /// The self-signed certificate that clients must be told of.
    pub(crate) certificate: Option<&'a Path>,
    pub(crate) is_https: bool,
    pub(crate) token: Option<&'a SecretToken>,
}

impl Banner<'_> {
    /// The address as a client on this machine writes it.
    fn url(&self) -> String {
        let host = match self.address.ip() {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            address => address,
        };
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}", SocketAddr::new(host, self.address.port()))
    }

    /// How to a root token where the directory has one that nobody but its owner knows.
    fn another_token(&self) -> String {
        let trust = self.certificate.map(|path| {
            let path = path.display().to_string();
            format!(" --ca-cert {}", shell_word(&path))
        });
        format!(
            "# Root token: the one from the first start. For one more, start with --root-token TOKEN; or, with a root token \
             that you have:\n#   countersign token create --root --url {}{} --token TOKEN",
            self.url(),
            trust.unwrap_or_default()
        )
    }

    fn exports(&self, token: &SecretToken) -> String {
        let token = shell_word(token.reveal());
        let mut text = format!(
            "export VAULT_ADDR={} VAULT_TOKEN={token}\n",
            shell_word(&self.url())
        );
        text.push_str("export COUNTERSIGN_URL=\"$VAULT_ADDR\" COUNTERSIGN_TOKEN=\"$VAULT_TOKEN\"\n");
        if let Some(path) = self.certificate {
            let path = shell_word(&path.display().to_string());
            text.push_str(&format!(
                "export VAULT_CACERT={path} COUNTERSIGN_CA_CERT={path} CURL_CA_BUNDLE={path}\n"
            ));
        }
        text
    }
}

/// The whole text is a script for bash: what is not a command is a comment.
impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Countersign {} answers at {}",
            env!("CARGO_PKG_VERSION"),
            self.url()
        )?;
        match self.directory {
            Some(directory) => writeln!(f, "# Keys and records: {}", directory.display())?,
            None => writeln!(f, "# Keys and records: in memory, gone when this ends")?,
        }
        if let Some(certificate) = self.certificate {
            writeln!(f, "# TLS certificate to trust: {}", certificate.display())?;
        }
        // Without a token the commands could not work.
        let Some(token) = self.token else {
            return writeln!(f, "{}\n# Ctrl-C ends this server.", self.another_token());
        };
        writeln!(f, "# Root token: {}", token.reveal())?;
        writeln!(
            f,
            "\n# Paste this into another bash: to whom the commands talk, and as whom.\n{}",
            self.exports(token)
        )?;
        writeln!(
            f,
            "{FIRST_LOGIN}\n# That was a login by certificate. Ctrl-C ends this server."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(address: &str) -> Banner<'_> {
        Banner {
            address: address.parse().unwrap(),
            directory: None,
            certificate: None,
            is_https: false,
            token: None,
        }
    }

    #[test]
    fn the_address_is_one_that_a_client_can_call() {
        for (address, url) in [
            ("127.0.0.1:8200", "http://127.0.0.1:8200"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("192.0.2.1:80", "http://192.0.2.1:80"),
        ] {
            assert_eq!(banner(address).url(), url);
        }
    }

    #[test]
    fn an_old_directory_says_how_to_get_a_token() {
        let text = banner("127.0.0.1:8200").to_string();
        assert!(text.contains("--root-token TOKEN"), "{text}");
        assert!(
            text.contains("token create --root --url http://127.0.0.1:8200 --token TOKEN"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    }
}
