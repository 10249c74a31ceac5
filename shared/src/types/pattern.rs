use regex::{Regex, RegexBuilder};
use std::fmt;

/// The longest pattern, in bytes.
const MAX_BYTES: usize = 1024;
/// The most memory that a compiled pattern may take, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 18;

/// A regular expression that must match a whole value. It runs in time linear in the value.
#[derive(Clone, Debug)]
pub struct Pattern(Regex, String);

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is not a regular expression, or uses what cannot run in linear time.
    Syntax(String),
    /// It is longer than 1024 bytes, or grows too large when compiled.
    TooLarge,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(reason) => write!(f, "this is not a regular expression that can be used: {reason}"),
            Self::TooLarge => f.write_str("the regular expression is too large"),
        }
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_BYTES {
            return Err(PatternError::TooLarge);
        }
        // Compiled alone first: `a)|(b` must not become valid by the group that is put around it.
        Regex::new(text).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            other => PatternError::Syntax(last_line(&other.to_string())),
        })?;
        let whole = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .size_limit(MAX_COMPILED_BYTES)
            .build();
        whole
            .map(|regex| Self(regex, text.to_owned()))
            .map_err(|_| PatternError::TooLarge)
    }

    /// The pattern that matches `text` alone.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn literal(text: &str) -> Result<Self, PatternError> {
        Self::parse(&regex::escape(text))
    }

    /// Whether the whole of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }

    /// The text it was compiled from.
    pub fn as_str(&self) -> &str {
        &self.1
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl Eq for Pattern {}

fn last_line(text: &str) -> String {
    text.lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_values() {
        let pattern = Pattern::parse("svc-[a-z]+|root").unwrap();
        for (value, expected) in [
            ("svc-web", true),
            ("root", true),
            ("xroot", false),
            ("svc-web\n", false),
        ] {
            assert_eq!(pattern.matches(value), expected, "{value:?}");
        }
        assert!(!Pattern::parse("(?m)^a$").unwrap().matches("a\nb"));
        let literal = Pattern::literal("/bin/x --all [1]").unwrap();
        assert!(literal.matches("/bin/x --all [1]") && !literal.matches("/bin/x --all 1"));
    }

    #[test]
    fn what_cannot_run_in_linear_time_or_is_too_large_is_refused() {
        for bad in ["(", r"(a)\1", "(?=a)", "a)|(b", "[", "(?x)a #"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse(&"a".repeat(1024)).is_ok());
        assert_eq!(Pattern::parse(&"a".repeat(1025)), Err(PatternError::TooLarge));
        assert_eq!(Pattern::parse("(?:a{1000}){1000}"), Err(PatternError::TooLarge));
    }

    #[test]
    fn a_pattern_is_shown_and_compared_by_its_text() {
        let pattern = Pattern::parse("a|b").unwrap();
        assert_eq!(pattern.as_str(), "a|b");
        assert_eq!(pattern, Pattern::parse("a|b").unwrap());
        assert_ne!(pattern, Pattern::parse("b|a").unwrap());
    }

    #[test]
    fn errors_say_what_is_wrong_in_one_line() {
        let refused = |text: &str| Pattern::parse(text).unwrap_err().to_string();
        assert_eq!(
            refused("a("),
            "this is not a regular expression that can be used: unclosed group"
        );
        assert_eq!(refused(&"a".repeat(1025)), "the regular expression is too large");
    }
}
