//! The form of a principal that is asked for through a certificate template.

use crate::error::Problem;

/// The most characters of one.
const MAX_LENGTH: usize = 64;

/// Refuses the first that is malformed.
pub(crate) fn check_all(principals: &[String]) -> Result<(), Problem> {
    match principals.iter().find_map(|principal| fault(principal)) {
        Some(fault) => Err(Problem::bad_request(fault)),
        None => Ok(()),
    }
}

fn fault(principal: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if principal.is_empty() {
        Some("Principal cannot be an empty string.".into())
    } else if principal.contains(['\r', '\n', '\t', '\0']) {
        Some(format!(
            "Principal '{principal}' contains invalid whitespace or control characters."
        ))
    } else if principal.contains(char::is_whitespace) {
        Some(format!("Principal '{principal}' cannot contain whitespace."))
    } else if !principal.chars().all(allowed) {
        Some(format!(
            "Principal '{principal}' contains invalid characters. Allowed: alphanumeric, '.', '_', '-'."
        ))
    } else if principal.starts_with('-') {
        Some(format!("Principal '{principal}' cannot start with a hyphen."))
    } else if principal.len() > MAX_LENGTH {
        Some(format!("Principal '{principal}' is too long."))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_text() {
        for (principal, text) in [
            ("", "cannot be an empty string"),
            ("a\tb", "control characters"),
            ("a b", "cannot contain whitespace"),
            ("alice@example.com", "contains invalid characters"),
            ("*", "contains invalid characters"),
            ("2001:db8::1", "contains invalid characters"),
            ("-a", "cannot start with a hyphen"),
            (&"a".repeat(65), "is too long"),
        ] {
            assert!(
                fault(principal).is_some_and(|fault| fault.contains(text)),
                "{principal}"
            );
        }
        assert_eq!(fault("ec2-user"), None);
        assert_eq!(fault("a.example.com"), None);
    }
}
