//! Key algorithms and public keys as this API names and takes them.

use crate::error::Problem;
use countersign::{
    authority::KeySpec,
    ssh::{Curve, KeyKind, PublicKey},
};
use serde::{Deserialize, Serialize};

/// An algorithm and a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "openapi"), derive(schemars::JsonSchema))]
pub(crate) enum KeyAlgorithm {
    #[serde(rename = "RSA_2048")]
    Rsa2048,
    #[serde(rename = "RSA_4096")]
    Rsa4096,
    #[serde(rename = "EC_prime256v1")]
    P256,
    #[serde(rename = "EC_secp384r1")]
    P384,
    #[default]
    #[serde(rename = "ED25519")]
    Ed25519,
}

impl KeyAlgorithm {
    /// All of them, by their names, in the order of the published schema.
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("RSA_2048", Self::Rsa2048),
        ("RSA_4096", Self::Rsa4096),
        ("EC_prime256v1", Self::P256),
        ("EC_secp384r1", Self::P384),
        ("ED25519", Self::Ed25519),
    ];

    /// What the core calls it.
    pub(crate) fn spec(self) -> KeySpec {
        match self {
            Self::Ed25519 => KeySpec::Ed25519,
            Self::P256 => KeySpec::P256,
            Self::P384 => KeySpec::P384,
            Self::Rsa2048 => KeySpec::Rsa2048,
            Self::Rsa4096 => KeySpec::Rsa4096,
        }
    }

    /// The nearest name for `key`: any RSA key that has not 2048 bits counts as 4096. `None` where this API has no
    /// name near it.
    pub(crate) fn of(key: &PublicKey) -> Option<Self> {
        match (key.kind(), key.curve()) {
            (KeyKind::Ed25519, _) => Some(Self::Ed25519),
            (KeyKind::Ecdsa, Some(Curve::P256)) => Some(Self::P256),
            (KeyKind::Ecdsa, Some(Curve::P384)) => Some(Self::P384),
            (KeyKind::Rsa, _) if key.bits() == 2048 => Some(Self::Rsa2048),
            (KeyKind::Rsa, _) => Some(Self::Rsa4096),
            _ => None,
        }
    }
}

/// A public key and its comment.
#[derive(Clone, Debug)]
pub(crate) struct SubjectKey {
    pub(crate) key: PublicKey,
    pub(crate) comment: String,
}

/// How a line must begin. The blank belongs to it.
const KEY_TYPES: [&str; 4] = [
    "ssh-rsa ",
    "ssh-ed25519 ",
    "ecdsa-sha2-nistp256 ",
    "ecdsa-sha2-nistp384 ",
];

impl SubjectKey {
    /// Reads the text of a `.pub` file.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if !KEY_TYPES.iter().any(|name| text.starts_with(name)) {
            return Err(Problem::bad_request(
                "Failed to validate SSH public key format: unsupported key type.",
            ));
        }
        let unparsable =
            || Problem::bad_request("Failed to validate SSH public key format: could not be parsed.");
        let line = text.trim_end();
        if line.contains(['\n', '\r']) {
            return Err(unparsable());
        }
        let key = PublicKey::from_line(line).map_err(|_| unparsable())?;
        Ok(Self {
            key,
            comment: comment_of(line).to_owned(),
        })
    }
}

/// What stands behind the type and the base64 of a line.
pub(crate) fn comment_of(line: &str) -> &str {
    let after_type = line
        .trim()
        .split_once(' ')
        .map_or("", |(_, rest)| rest.trim_start());
    after_type
        .split_once(' ')
        .map_or("", |(_, comment)| comment.trim())
}

/// `line` with its comment, if there is one, and the final newline that clients write to disk.
pub(crate) fn file_line(line: &str, comment: &str) -> String {
    if comment.is_empty() {
        format!("{line}\n")
    } else {
        format!("{line} {comment}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZKiNscNHE771M5RGtfk3QIELkt5t+bbnsUZSfeA4JN";

    #[test]
    fn a_pub_file_is_taken_whole() {
        let read = SubjectKey::parse(&format!("{KEY} root@web server\n")).unwrap();
        assert_eq!(read.comment, "root@web server");
        assert_eq!(
            file_line(&read.key.to_line(), &read.comment),
            format!("{KEY} root@web server\n")
        );
        assert_eq!(SubjectKey::parse(KEY).unwrap().comment, "");
    }

    #[test]
    fn other_texts_are_refused_in_the_words_of_the_original() {
        let message = |text: &str| SubjectKey::parse(text).unwrap_err().message.to_string();
        let leading_blank = format!(" {KEY}");
        let two = format!("{KEY}\n{KEY}");
        for (text, expected) in [
            (leading_blank.as_str(), "unsupported key type"),
            ("ecdsa-sha2-nistp521 AAAA", "unsupported key type"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA", "unsupported key type"),
            ("", "unsupported key type"),
            ("ssh-ed25519 !!!", "could not be parsed"),
            ("ssh-ed25519 ", "could not be parsed"),
            (two.as_str(), "could not be parsed"),
        ] {
            assert!(message(text).contains(expected), "{text}: {}", message(text));
        }
    }
}
