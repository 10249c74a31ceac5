//! Query strings: read strictly, since a filter that is passed over would show more than was asked for.

use crate::error::Failure;

/// The size of a page, and the most that can be asked for.
const MAX_LIMIT: i64 = 100;

/// What a list may be asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Only items older than this one.
    pub(crate) before_id: Option<String>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// Reads the query of a list; `filter` says whether the list knows that parameter.
pub(crate) fn page(query: Option<&str>, filter: bool) -> Result<Page, Failure> {
    let names: &[&str] = if filter {
        &["before_id", "filter", "limit"]
    } else {
        &["before_id", "limit"]
    };
    let parameters = parameters(query, names)?;
    let value = |name: &str| {
        let found = parameters.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    if value("filter").is_some() {
        return Err(Failure::invalid(
            250,
            "This server does not support filter expressions.",
        ));
    }
    Ok(Page {
        before_id: value("before_id").map(str::to_owned),
        limit: limit(value("limit"))?,
    })
}

/// Makes sure that a route without parameters is given none.
pub(crate) fn none(query: Option<&str>) -> Result<(), Failure> {
    parameters(query, &[]).map(drop)
}

fn limit(text: Option<&str>) -> Result<usize, Failure> {
    let Some(text) = text else {
        return Ok(MAX_LIMIT as usize);
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::invalid(244, "The parameter 'limit' must be a number."));
    }
    match text.parse::<i64>() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit as usize),
        _ => Err(Failure::invalid(
            233,
            "The parameter 'limit' must be between 1 and 100.",
        )),
    }
}

fn parameters(query: Option<&str>, names: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    let mut found: Vec<(String, String)> = Vec::new();
    for part in query
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
    {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(Failure::invalid(230, "The query string cannot be parsed."));
        };
        let shown: String = name.chars().take(64).collect();
        if !names.contains(&name.as_str()) {
            return Err(Failure::invalid(
                231,
                format!("The query parameter {shown:?} is not known here."),
            ));
        }
        if found.iter().any(|(known, _)| *known == name) {
            return Err(Failure::invalid(
                232,
                format!("The query parameter {shown:?} is given more than once."),
            ));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// Undoes percent-encoding, and `+` for a blank; `None` where what follows a percent sign is not two hex digits, or
/// the bytes are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(query: &str) -> Option<u16> {
        page(Some(query), false).err().and_then(|failure| failure.code())
    }

    #[test]
    fn each_mistake_has_its_code() {
        for (query, expected) in [
            ("limit=0", 233),
            ("limit=101", 233),
            ("limit=-1", 233),
            ("limit=99999999999999999999", 233),
            ("limit=abc", 244),
            ("limit=1.5", 244),
            ("limit=+5", 244),
            ("limit=-", 244),
            ("order=asc", 231),
            ("filter=true", 231),
            ("limit=1&limit=2", 232),
            ("before_id=%zz", 230),
            ("before_id=%", 230),
            ("before_id=%ff", 230),
        ] {
            assert_eq!(code(query), Some(expected), "{query}");
        }
        let filtered = page(Some("filter=obj.id%20%3D%3D%20''"), true);
        assert_eq!(filtered.unwrap_err().code(), Some(250));
    }

    #[test]
    fn nothing_and_empty_values_are_the_first_page() {
        let first = Page {
            before_id: None,
            limit: 100,
        };
        for query in [
            None,
            Some(""),
            Some("before_id="),
            Some("before_id=&limit="),
            Some("&"),
        ] {
            assert_eq!(page(query, false).unwrap(), first, "{query:?}");
        }
        assert_eq!(page(Some("filter="), true).unwrap(), first);
        let given = page(Some("limit=2&before%5Fid=sucrt%5Fx"), false).unwrap();
        assert_eq!((given.limit, given.before_id.as_deref()), (2, Some("sucrt_x")));
    }

    #[test]
    fn routes_without_parameters_take_none() {
        assert!(none(None).is_ok() && none(Some("")).is_ok());
        assert_eq!(none(Some("limit=1")).unwrap_err().code(), Some(231));
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in ".*") {
            let _ = page(Some(&query), true);
        }
    }
}
