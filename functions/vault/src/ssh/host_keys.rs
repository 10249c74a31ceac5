//! `host_key` of a role: which keys its hosts may show, in the form of `known_hosts`.

use countersign::{
    hosts::{HostKey, HostKeys},
    ssh::PublicKey,
};
use std::net::SocketAddr;

const AUTHORITY: &str = "@cert-authority";
/// The most lines of one role.
const MAX_LINES: usize = 256;

/// Which hosts a line is about: all of them where it names none.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    All,
    These(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    names: Names,
    key: HostKey,
}

/// The lines of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownHosts(Vec<Line>);

impl KnownHosts {
    /// Reads lines of `known_hosts`, of which the host names may be left out. Blank lines and comments are passed over.
    ///
    /// # Errors
    /// What is wrong with which line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<Line> = lines
            .map(|(index, line)| {
                parse_line(line).map_err(|reason| format!("line {} of host_key: {reason}", index + 1))
            })
            .collect::<Result<_, _>>()?;
        if lines.len() > MAX_LINES {
            return Err(format!("host_key has more than {MAX_LINES} lines"));
        }
        Ok(Self(lines))
    }

    /// Whether there is no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the host at `address` may show.
    pub(crate) fn of(&self, address: SocketAddr) -> HostKeys {
        let ip = address.ip().to_string();
        let with_port = format!("[{ip}]:{}", address.port());
        let is_about = |line: &&Line| match &line.names {
            Names::All => true,
            Names::These(names) => names.iter().any(|name| *name == ip || *name == with_port),
        };
        HostKeys::Known(
            self.0
                .iter()
                .filter(is_about)
                .map(|line| line.key.clone())
                .collect(),
        )
    }
}

fn parse_line(line: &str) -> Result<Line, String> {
    let (is_authority, rest) = match line.split_once(char::is_whitespace) {
        Some((AUTHORITY, rest)) => (true, rest.trim_start()),
        Some((marker, _)) if marker.starts_with('@') => {
            return Err(format!("{AUTHORITY} is the only marker that is known"));
        }
        _ => (false, line),
    };
    let key = |key: PublicKey| {
        if is_authority {
            HostKey::Authority(key)
        } else {
            HostKey::Key(key)
        }
    };
    if let Ok(found) = PublicKey::from_line(rest) {
        return Ok(Line {
            names: Names::All,
            key: key(found),
        });
    }
    let Some((names, rest)) = rest.split_once(char::is_whitespace) else {
        return Err("it is neither a public key nor a line of known_hosts".into());
    };
    let found = PublicKey::from_line(rest.trim_start()).map_err(|error| error.to_string())?;
    Ok(Line {
        names: parse_names(names)?,
        key: key(found),
    })
}

fn parse_names(names: &str) -> Result<Names, String> {
    if names == "*" {
        return Ok(Names::All);
    }
    if names.contains(['*', '?', '!', '|']) {
        return Err(
            "hosts are named by address, or all of them by *; no other patterns and no hashes".into(),
        );
    }
    Ok(Names::These(names.split(',').map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIBAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

    fn of(text: &str, address: &str) -> Vec<HostKey> {
        match KnownHosts::parse(text).unwrap().of(address.parse().unwrap()) {
            HostKeys::Known(keys) => keys,
            HostKeys::Any => panic!("any"),
        }
    }

    #[test]
    fn lines_name_hosts_or_all_of_them() {
        let key = PublicKey::from_line(KEY).unwrap();
        let plain = vec![HostKey::Key(key.clone())];
        let authority = vec![HostKey::Authority(key)];
        for line in [
            KEY.to_owned(),
            format!("{KEY} comment"),
            format!("192.0.2.1 {KEY}"),
            format!("* {KEY}"),
            format!("# from ssh-keyscan\n\n192.0.2.7,192.0.2.1 {KEY}\n"),
            format!("[192.0.2.1]:22 {KEY}"),
        ] {
            assert_eq!(of(&line, "192.0.2.1:22"), plain, "{line}");
        }
        for line in [
            format!("@cert-authority {KEY}"),
            format!("@cert-authority * {KEY} ca"),
        ] {
            assert_eq!(of(&line, "192.0.2.1:22"), authority, "{line}");
        }
        assert_eq!(of(&format!("192.0.2.2 {KEY}"), "192.0.2.1:22"), []);
        assert_eq!(of(&format!("[192.0.2.1]:2222 {KEY}"), "192.0.2.1:22"), []);
        assert!(KnownHosts::parse("").unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        for bad in [
            "nonsense".to_owned(),
            format!("@revoked * {KEY}"),
            format!("*.example.com {KEY}"),
            format!("|1|abc|def {KEY}"),
            "192.0.2.1 ssh-ed25519 AAAA".to_owned(),
            "@cert-authority".to_owned(),
        ] {
            assert!(KnownHosts::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        use proptest::prelude::*;
        proptest!(|(text in "[@a-z0-9*|!,\\[\\]: \n+/=-]{0,120}|\\PC{0,80}")| {
            let _ = KnownHosts::parse(&text);
        });
    }
}
