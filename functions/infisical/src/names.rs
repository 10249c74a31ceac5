//! The names that this API accepts: slugs, host names, and the patterns of certificate templates.

use countersign::types::{Pattern, Principals};
use std::{net::IpAddr, sync::LazyLock};

/// The most characters of a host name or host pattern.
const MAX_HOSTNAME: usize = 255;
/// A user name that a template's `*` admits.
pub(crate) const USER_PATTERN: &str = "[A-Za-z_][A-Za-z0-9_-]{0,31}";
/// A host that a template's `*` admits: IPv4, or a name whose last label is of letters.
pub(crate) const HOST_PATTERN: &str = concat!(
    r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])",
    r"|(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
);

static USER: LazyLock<Pattern> = LazyLock::new(|| pattern(USER_PATTERN));
static HOST_NAME: LazyLock<Pattern> =
    LazyLock::new(|| pattern(r"(?:\*\.)?(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"));

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("the patterns of this module compile: a test does so")
}

/// Lower-case letters, digits and single inner hyphens; also the empty text, whose length is judged elsewhere.
pub(crate) fn is_slug(text: &str) -> bool {
    text.is_empty()
        || text.split('-').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// `text` as a slug: what cannot stand in one becomes a hyphen.
pub(crate) fn slugify(text: &str) -> String {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// At least two labels of 1 to 63 characters, none with a hyphen at either end. IPv4 addresses pass.
pub(crate) fn is_hostname(text: &str) -> bool {
    let label_is_sound = |label: &str| {
        (1..=63).contains(&label.chars().count())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(is_label_char)
    };
    text.chars().count() <= MAX_HOSTNAME && text.contains('.') && text.split('.').all(label_is_sound)
}

/// Blanks, control characters and punctuation beyond ASCII are no part of a name either.
fn is_label_char(c: char) -> bool {
    c == '-' || c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric())
}

/// Whether a certificate could have it for a principal: the core is asked.
pub(crate) fn is_principal(text: &str) -> bool {
    text.is_empty() || Principals::parse([text]).is_ok()
}

/// An entry of a template's `allowedUsers`.
pub(crate) fn is_user_pattern(text: &str) -> bool {
    text == "*" || USER.matches(text)
}

/// An entry of a template's `allowedHosts`: `*`, an address, a name, or `*.name`.
pub(crate) fn is_host_pattern(text: &str) -> bool {
    text == "*" || text.parse::<IpAddr>().is_ok() || (text.len() <= MAX_HOSTNAME && HOST_NAME.matches(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for good in ["web", "a", "a-b-1", "1"] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["-a", "a-", "a--b", "Db_1", "a.b", "ä", "a b"] {
            assert!(!is_slug(bad), "{bad}");
        }
        assert_eq!(slugify(" My Project, v2! "), "my-project-v2");
    }

    #[test]
    fn hostnames() {
        let long = format!("{}.example.com", "a".repeat(63));
        for good in [
            "web.example.com",
            "Web.Example.COM",
            "10.0.0.5",
            "a.b",
            "münchen.example",
            "xn--a.b",
            &long,
        ] {
            assert!(is_hostname(good), "{good}");
        }
        let too_long_label = format!("{}.example.com", "a".repeat(64));
        let too_long = format!("{}com", "abc.".repeat(64));
        for bad in [
            "",
            "localhost",
            "a_b.c",
            "*.example.com",
            "a:1.b",
            "::1",
            "a .b",
            "a.b.",
            ".a.b",
            "-a.b",
            "a-.b",
            "a..b",
            "a\u{2028}.b",
            "a,b.c",
            &too_long_label,
            &too_long,
        ] {
            assert!(!is_hostname(bad), "{bad}");
        }
    }

    #[test]
    fn patterns_of_templates() {
        for good in ["*", "ec2-user", "_svc", "A1"] {
            assert!(is_user_pattern(good), "{good}");
        }
        for bad in ["", "john.doe", "1a", "-a", "a*", &"a".repeat(33)] {
            assert!(!is_user_pattern(bad), "{bad}");
        }
        for good in ["*", "*.example.com", "a.example.com", "10.0.0.1", "2001:db8::1"] {
            assert!(is_host_pattern(good), "{good}");
        }
        for bad in ["", "localhost", "*.*.com", "a.b.c1", "a.*.com", "*.c", "a_b.com"] {
            assert!(!is_host_pattern(bad), "{bad}");
        }
        let admitted = Pattern::parse(HOST_PATTERN).unwrap();
        assert!(admitted.matches("10.0.0.1") && admitted.matches("a.example.com"));
        assert!(!admitted.matches("10.0.0.256") && !admitted.matches("web"));
    }
}
