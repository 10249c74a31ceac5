use std::fmt;

/// The most principals that OpenSSH reads (`SSHKEY_CERT_MAX_PRINCIPALS`).
const MAX_PRINCIPALS: usize = 256;
/// The most bytes of one: a DNS name has 253, a login name 32.
const MAX_BYTES: usize = 512;

/// The login or host names that a certificate is good for: 1 to 256, in the order of the certificate. Never empty:
/// an empty list once meant "anyone" (CVE-2024-7594).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principals(Vec<String>);

/// Why a list is not one of principals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalsError {
    /// There is none.
    Empty,
    /// There are more than 256.
    TooMany(usize),
    /// This one is empty, too long, or holds a comma or a control character.
    Unacceptable(String),
}

impl fmt::Display for PrincipalsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a certificate needs at least one principal"),
            Self::TooMany(count) => write!(f, "a certificate has at most 256 principals, not {count}"),
            Self::Unacceptable(name) => write!(
                f,
                "{name:?} is not a principal: 1 to {MAX_BYTES} bytes without commas and control characters"
            ),
        }
    }
}

impl std::error::Error for PrincipalsError {}

impl Principals {
    /// Takes `names` for principals, in this order.
    ///
    /// # Errors
    /// [`PrincipalsError`].
    pub fn parse<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, PrincipalsError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        match names.len() {
            0 => return Err(PrincipalsError::Empty),
            count if count > MAX_PRINCIPALS => return Err(PrincipalsError::TooMany(count)),
            _ => {}
        }
        match names.iter().find(|name| !is_acceptable(name)) {
            Some(name) => Err(PrincipalsError::Unacceptable(name.chars().take(64).collect())),
            None => Ok(Self(names)),
        }
    }

    /// The names, in the order of the certificate.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn is_acceptable(name: &str) -> bool {
    let forbidden = |c: char| c == ',' || super::key_id::breaks_a_line(c);
    !name.is_empty() && name.len() <= MAX_BYTES && !name.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_1_to_256_principals() {
        assert_eq!(
            Principals::parse(Vec::<String>::new()),
            Err(PrincipalsError::Empty)
        );
        assert!(Principals::parse(vec!["x"; 256]).is_ok());
        assert_eq!(
            Principals::parse(vec!["x"; 257]),
            Err(PrincipalsError::TooMany(257))
        );
    }

    #[test]
    fn commas_and_control_characters_are_refused_and_the_order_is_kept() {
        let principals = Principals::parse(["root", "ec2-user", "Jörg"]).unwrap();
        assert_eq!(
            principals.iter().collect::<Vec<_>>(),
            ["root", "ec2-user", "Jörg"]
        );
        for bad in ["", "a,b", "a\0b", "a\n", &"x".repeat(513)] {
            assert!(
                matches!(
                    Principals::parse(["ok", bad]),
                    Err(PrincipalsError::Unacceptable(_))
                ),
                "{bad:?}"
            );
        }
        assert!(Principals::parse(["x".repeat(512)]).is_ok());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let refused = |names: Vec<&str>| Principals::parse(names).unwrap_err().to_string();
        assert_eq!(refused(vec![]), "a certificate needs at least one principal");
        assert_eq!(
            refused(vec!["x"; 257]),
            "a certificate has at most 256 principals, not 257"
        );
        assert_eq!(
            refused(vec!["a,b"]),
            "\"a,b\" is not a principal: 1 to 512 bytes without commas and control characters"
        );
    }
}
