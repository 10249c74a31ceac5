use std::fmt;

/// The most bytes of a key id (design.md, rulings).
const MAX_BYTES: usize = 1024;

/// A certificate's key id: what sshd writes to its log. 1 to 1024 bytes without control characters, so that it
/// cannot split the log's line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertKeyId(String);

/// Why a text is not a key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertKeyIdError {
    /// It holds a control character.
    ControlCharacter,
    /// It is empty.
    Empty,
    /// It has more than 1024 bytes.
    TooLong,
}

impl fmt::Display for CertKeyIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlCharacter => "a key id may not hold control characters",
            Self::Empty => "a key id may not be empty",
            Self::TooLong => "a key id may not be longer than 1024 bytes",
        })
    }
}

impl std::error::Error for CertKeyIdError {}

impl CertKeyId {
    /// Takes `text` for a key id.
    ///
    /// # Errors
    /// [`CertKeyIdError`].
    pub fn parse(text: impl Into<String>) -> Result<Self, CertKeyIdError> {
        let text = text.into();
        if text.is_empty() {
            return Err(CertKeyIdError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(CertKeyIdError::TooLong);
        }
        if text.chars().any(breaks_a_line) {
            return Err(CertKeyIdError::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and the two separators that some log viewers break lines at.
pub(super) fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

impl fmt::Display for CertKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_have_1_to_1024_bytes_and_no_control_characters() {
        assert!(CertKeyId::parse("Jörg 🔑 vault-root-22608f5e").is_ok());
        assert!(CertKeyId::parse("x".repeat(1024)).is_ok());
        assert_eq!(CertKeyId::parse("x".repeat(1025)), Err(CertKeyIdError::TooLong));
        assert_eq!(CertKeyId::parse(""), Err(CertKeyIdError::Empty));
        for bad in ["a\nb", "a\0", "\u{85}", "a\u{2028}b", "\u{7f}"] {
            assert_eq!(
                CertKeyId::parse(bad),
                Err(CertKeyIdError::ControlCharacter),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_key_id_is_shown_as_it_is_and_errors_say_what_is_wrong() {
        assert_eq!(CertKeyId::parse("Jörg 🔑").unwrap().to_string(), "Jörg 🔑");
        for (text, error) in [
            ("", "a key id may not be empty"),
            ("a\n", "a key id may not hold control characters"),
            (&"x".repeat(1025), "a key id may not be longer than 1024 bytes"),
        ] {
            assert_eq!(CertKeyId::parse(text).unwrap_err().to_string(), error);
        }
    }
}
