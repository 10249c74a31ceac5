//! The ids of this API: UUIDs in braces.

use countersign::{Error, Services, random};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many characters stand between the hyphens.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// An id. It prints in braces, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Guid(String);

impl Guid {
    /// A new one.
    pub(crate) fn draw(services: &Services) -> Result<Self, Error> {
        Ok(Self(random::uuid(&*services.random)?))
    }

    /// Reads one, in either case, with or without braces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bare = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}')?,
            None => text,
        };
        let mut groups = bare.split('-');
        let fits = GROUPS.iter().all(|length| {
            groups.next().is_some_and(|group| {
                group.len() == *length && group.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        });
        (fits && groups.next().is_none()).then(|| Self(bare.to_ascii_lowercase()))
    }

    /// The one made of the first 32 hexadecimal digits in `text`; zeros where there are fewer.
    pub(crate) fn of_hex(text: &str) -> Self {
        let digits: String = text
            .chars()
            .filter(char::is_ascii_hexdigit)
            .chain(std::iter::repeat('0'))
            .take(32)
            .collect();
        let mut bare = digits.to_ascii_lowercase();
        for place in [20, 16, 12, 8] {
            bare.insert(place, '-');
        }
        Self(bare)
    }

    /// Without braces.
    pub(crate) fn bare(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "{}",
            "{5508941d-5922-406f-be73-2207af1853a0",
            "5508941d-5922-406f-be73-2207af1853a0}",
            "5508941d5922406fbe732207af1853a0",
            "5508941d-5922-406f-be73-2207af1853ag",
            "5508941d-5922-406f-be73-2207af1853a0-",
            "5508941d-5922-406f-be73-2207af1853é",
        ] {
            assert_eq!(Guid::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn either_case_and_braces_are_one(number in any::<u128>()) {
            let guid = Guid::of_hex(&format!("{number:032x}"));
            let text = guid.to_string();
            prop_assert_eq!(Guid::parse(&text), Some(guid.clone()));
            prop_assert_eq!(Guid::parse(&text.to_uppercase()), Some(guid.clone()));
            prop_assert_eq!(Guid::parse(guid.bare()), Some(guid.clone()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = (Guid::parse(&text), Guid::of_hex(&text));
        }
    }
}
