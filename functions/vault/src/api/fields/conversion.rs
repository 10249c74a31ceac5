//! What may be written for a field of each type: the real product converts weakly, as Go's mapstructure does.

use super::super::json::Json;
use countersign::types::{DurationError, parse_duration};
use std::collections::BTreeMap;

fn unconvertible(wanted: &str, json: &Json) -> String {
    format!(
        "'' expected type '{wanted}', got unconvertible type '{}'",
        json.kind()
    )
}

/// A text. A number is one as it was written; so is a truth value, as a digit.
pub(super) fn to_text(json: &Json) -> Result<String, String> {
    match json {
        Json::Bool(value) => Ok(String::from(if *value { "1" } else { "0" })),
        Json::Null => Ok(String::new()),
        Json::Number(text) | Json::Text(text) => Ok(text.clone()),
        Json::Array(_) | Json::Object(_) => Err(unconvertible("string", json)),
    }
}

/// Reads a truth value as Go's `strconv.ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A truth value, also as a number or a text; nothing is false.
pub(super) fn to_bool(json: &Json) -> Result<bool, String> {
    let unreadable = || "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax".to_owned();
    match json {
        Json::Bool(value) => Ok(*value),
        Json::Null => Ok(false),
        Json::Number(text) => text
            .parse::<i64>()
            .map(|number| number != 0)
            .map_err(|_| unreadable()),
        Json::Text(text) if text.is_empty() => Ok(false),
        Json::Text(text) => parse_bool(text).ok_or_else(unreadable),
        Json::Array(_) | Json::Object(_) => Err(unconvertible("bool", json)),
    }
}

/// A whole number, also as a text; nothing is 0.
pub(super) fn to_int(json: &Json) -> Result<i64, String> {
    let unreadable = || "'' cannot parse value as 'int': strconv.ParseInt: invalid syntax".to_owned();
    match json {
        Json::Bool(value) => Ok((*value).into()),
        Json::Null => Ok(0),
        Json::Number(text) => text.parse().map_err(|_| unreadable()),
        Json::Text(text) if text.is_empty() => Ok(0),
        Json::Text(text) => parse_int(text).ok_or_else(unreadable),
        Json::Array(_) | Json::Object(_) => Err(unconvertible("int", json)),
    }
}

/// Reads a number as Go's `strconv.ParseInt` with base 0 does, so `0x16` and `0o26` too.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// Seconds, as a number or as a text with units.
pub(super) fn to_duration(json: &Json) -> Result<u64, String> {
    let text = match json {
        Json::Number(text) | Json::Text(text) => text,
        Json::Array(_) | Json::Bool(_) | Json::Null | Json::Object(_) => {
            return Err(unconvertible("duration", json));
        }
    };
    if text.is_empty() {
        return Ok(0);
    }
    parse_duration(text).map_err(|error| match error {
        DurationError::Negative => format!("cannot provide negative value '{text}'"),
        DurationError::NotADuration | DurationError::TooLong => error.to_string(),
    })
}

/// A list, also as a text with commas.
pub(super) fn to_list(json: &Json) -> Result<Vec<String>, String> {
    match json {
        Json::Array(items) => items
            .iter()
            .map(|item| Ok(to_text(item)?.trim().to_owned()))
            .collect(),
        Json::Object(_) => Err(unconvertible("[]string", json)),
        _ => Ok(comma_separated(&to_text(json)?)),
    }
}

/// The parts between the commas, trimmed; none of an empty text.
fn comma_separated(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(|part| part.trim().to_owned()).collect()
}

/// An object, also as an array of objects, of which the last has its way.
pub(super) fn to_object(json: &Json) -> Result<BTreeMap<String, Json>, String> {
    match json {
        Json::Array(items) => {
            let mut merged = BTreeMap::new();
            for item in items {
                merged.extend(to_object(item)?);
            }
            Ok(merged)
        }
        Json::Null => Ok(BTreeMap::new()),
        Json::Object(members) => Ok(members.clone()),
        Json::Bool(_) | Json::Number(_) | Json::Text(_) => {
            Err(format!("'' expected a map, got '{}'", json.kind()))
        }
    }
}

/// A map of texts, also as `name=value`, or as an array of either.
pub(super) fn to_pairs(json: &Json) -> Result<BTreeMap<String, String>, String> {
    match json {
        Json::Array(items) => {
            let mut merged = BTreeMap::new();
            for item in items {
                merged.extend(to_pairs(item)?);
            }
            Ok(merged)
        }
        Json::Text(text) if text.is_empty() => Ok(BTreeMap::new()),
        Json::Text(text) => match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(BTreeMap::from([(name.trim().to_owned(), value.to_owned())]))
            }
            _ => Err("'' expected name=value".to_owned()),
        },
        _ => to_map(json),
    }
}

/// An object whose values become texts.
pub(super) fn to_map(json: &Json) -> Result<BTreeMap<String, String>, String> {
    let shown = |value: &Json| match value {
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null => Ok("<nil>".to_owned()),
        _ => to_text(value),
    };
    to_object(json)?
        .into_iter()
        .map(|(name, value)| Ok((name, shown(&value)?)))
        .collect()
}
