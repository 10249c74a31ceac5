//! Distinguished names: the places of templates, folders and certificates, as paths with backslashes.

use countersign::types::sha256_hex;
use std::fmt;

/// Where templates lie.
pub(crate) const TEMPLATES: &str = r"\VED\Certificate Authority\SSH\Templates";
/// Where the key pairs of templates lie.
pub(crate) const KEY_PAIRS: &str = r"\VED\Certificate Authority\SSH\Key Pairs";
/// Where folders lie.
pub(crate) const FOLDERS: &str = r"\VED\Policy";
/// The first part of every name.
const FIRST: &str = "VED";
/// The most bytes of a name and of one of its parts. A key id, which names its object, has at most 1024.
const MAX_BYTES: usize = 2048;
const MAX_PART_BYTES: usize = 1024;

/// A distinguished name: `\VED\Policy\…`. Two that differ only in case are the same.
#[derive(Clone, Debug)]
pub(crate) struct Dn(String);

/// Why a text is not a distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DnError {
    /// A part holds a control character or a backslash.
    Character,
    /// A part is empty.
    EmptyPart,
    /// It does not begin with `\VED\`.
    Root,
    /// It is too long, or a part of it is.
    TooLong,
}

impl fmt::Display for DnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => {
                "a part of a distinguished name may hold neither backslashes nor control characters"
            }
            Self::EmptyPart => "a part of the distinguished name is empty",
            Self::Root => r"a distinguished name begins with \VED\",
            Self::TooLong => "the distinguished name is too long: at most 2048 bytes, 1024 in each part",
        })
    }
}

impl Dn {
    /// Reads a name. The backslash at its beginning may be missing, as it is in a published example.
    pub(crate) fn parse(text: &str) -> Result<Self, DnError> {
        let mut parts = text.strip_prefix('\\').unwrap_or(text).split('\\');
        let first = parts.next().unwrap_or_default();
        if !first.eq_ignore_ascii_case(FIRST) {
            return Err(DnError::Root);
        }
        let mut dn = format!("\\{FIRST}");
        let mut count = 0;
        for part in parts {
            check_part(part)?;
            dn.push('\\');
            dn.push_str(part);
            count += 1;
        }
        match (count, dn.len()) {
            (0, _) => Err(DnError::EmptyPart),
            (_, length) if length > MAX_BYTES => Err(DnError::TooLong),
            _ => Ok(Self(dn)),
        }
    }

    /// The template that `text` names: by its distinguished name, or by what stands last in it.
    ///
    /// The Go client puts the place of templates before every name that does not begin with it, letter by letter, so
    /// a whole name in another case arrives behind it.
    pub(crate) fn template(text: &str) -> Result<Self, DnError> {
        let root = format!("{TEMPLATES}\\");
        let inner = match text.get(..root.len()) {
            Some(start) if start.eq_ignore_ascii_case(&root) => text[root.len()..].trim_start_matches('\\'),
            _ => text,
        };
        if is_whole(inner) {
            return Self::parse(inner);
        }
        if is_whole(text) {
            return Self::parse(text);
        }
        Self::parse(TEMPLATES)?.child(text)
    }

    /// What lies below this name as `part`.
    pub(crate) fn child(&self, part: &str) -> Result<Self, DnError> {
        check_part(part)?;
        let dn = format!("{}\\{part}", self.0);
        if dn.len() > MAX_BYTES {
            return Err(DnError::TooLong);
        }
        Ok(Self(dn))
    }

    /// The text, as it was spelled.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands last in it.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('\\').next().unwrap_or_default()
    }

    /// The form by which two names are compared.
    pub(crate) fn folded(&self) -> String {
        self.0.chars().flat_map(char::to_lowercase).collect()
    }

    /// The SHA-256 of the folded form, in hex: a key of a table has less room than a name.
    pub(crate) fn hash(&self) -> String {
        sha256_hex(self.folded().as_bytes())
    }

    /// Whether it is `root` or lies below it.
    pub(crate) fn is_within(&self, root: &str) -> bool {
        let (own, root) = (self.folded(), root.to_lowercase());
        own.strip_prefix(&root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Dn {}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` begins as a whole name does.
fn is_whole(text: &str) -> bool {
    let text = text.strip_prefix('\\').unwrap_or(text);
    text.get(..FIRST.len() + 1)
        .is_some_and(|start| start.eq_ignore_ascii_case("VED\\"))
}

fn check_part(part: &str) -> Result<(), DnError> {
    if part.is_empty() {
        return Err(DnError::EmptyPart);
    }
    if part.len() > MAX_PART_BYTES {
        return Err(DnError::TooLong);
    }
    if part.contains(|c: char| c == '\\' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(DnError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let one = Dn::parse(r"\VED\Policy\Ünits\A").unwrap();
        let other = Dn::parse(r"ved\policy\üNITS\a").unwrap();
        assert_eq!(one, other);
        assert_eq!(one.hash(), other.hash());
        assert_eq!((one.name(), other.name()), ("A", "a"));
        assert!(other.is_within(FOLDERS) && !other.is_within(r"\VED\Pol"));
    }

    #[test]
    fn a_template_is_named_in_each_way_of_the_clients() {
        let expected = Dn::parse(r"\VED\Certificate Authority\SSH\Templates\users").unwrap();
        for text in [
            "users",
            r"\VED\Certificate Authority\SSH\Templates\users",
            r"VED\Certificate Authority\SSH\Templates\USERS",
            r"\ved\certificate authority\ssh\templates\users",
            r"\VED\Certificate Authority\SSH\Templates\ved\certificate authority\ssh\templates\users",
            r"\VED\Certificate Authority\SSH\Templates\\ved\certificate authority\ssh\templates\users",
        ] {
            assert_eq!(Dn::template(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("", DnError::Root),
            (r"\Policy\a", DnError::Root),
            (r"\VED", DnError::EmptyPart),
            (r"\VED\", DnError::EmptyPart),
            (r"\VED\\a", DnError::EmptyPart),
            ("\\VED\\a\nb", DnError::Character),
            (&format!("\\VED\\{}", "x".repeat(1025)), DnError::TooLong),
            (&format!("\\VED{}", "\\xxx".repeat(600)), DnError::TooLong),
        ] {
            assert_eq!(Dn::parse(text), Err(error), "{text}");
        }
        assert_eq!(Dn::template(""), Err(DnError::EmptyPart));
        assert_eq!(Dn::template(r"a\b"), Err(DnError::Character));
    }

    proptest! {
        #[test]
        fn a_name_is_read_back(parts in prop::collection::vec("[^\\\\\\p{C}\u{2028}\u{2029}]{1,12}", 1..5)) {
            let text = format!("\\VED\\{}", parts.join("\\"));
            let dn = Dn::parse(&text).unwrap();
            prop_assert_eq!(dn.as_str(), &text);
            prop_assert_eq!(Dn::parse(dn.as_str()), Ok(dn));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", tail in "\\PC*") {
            let _ = (Dn::parse(&text), Dn::template(&text), Dn::template(&format!("{TEMPLATES}\\{tail}")));
        }
    }
}
