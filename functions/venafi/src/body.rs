//! JSON bodies as clients of this API send them: names in any case, and absent values in any form.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::fmt;

/// How many characters of the reason why a body is refused are told.
const MAX_REASON: usize = 200;

/// The members that an object may have.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Their names as they are documented, and what objects among them may have.
    pub(crate) members: &'static [(&'static str, Option<&'static Shape>)],
    /// Whether others are refused. The product's own routes pass over them.
    pub(crate) is_strict: bool,
}

/// Why a body is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// This member: what is wrong with it.
    Field(String, String),
    /// It is not one JSON object.
    NotAnObject(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name, reason) => write!(f, "{name}: {reason}"),
            Self::NotAnObject(reason) => write!(f, "The body is not a JSON object: {reason}"),
        }
    }
}

/// The members of `body`, under their documented names. `""`, `null`, `[]` and `{}` mean that a member is not given.
pub(crate) fn members(body: &[u8], shape: &Shape) -> Result<Map<String, Value>, BodyError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| BodyError::NotAnObject(error.to_string()))?;
    match value {
        Value::Object(members) => named(members, shape, ""),
        _ => Err(BodyError::NotAnObject("it does not begin with a brace".into())),
    }
}

/// `members` as a `T`.
pub(crate) fn read<T: DeserializeOwned>(members: &Map<String, Value>) -> Result<T, BodyError> {
    let value = Value::Object(members.clone());
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string().chars().take(MAX_REASON).collect();
        BodyError::Field(path, reason)
    })
}

fn named(members: Map<String, Value>, shape: &Shape, place: &str) -> Result<Map<String, Value>, BodyError> {
    let mut all = Map::new();
    for (name, value) in members {
        let known = shape
            .members
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let Some((name, inner)) = known else {
            if shape.is_strict {
                let name = name.chars().take(100).collect::<String>();
                return Err(BodyError::Field(
                    format!("{place}{name}"),
                    "it is not known here".into(),
                ));
            }
            continue;
        };
        let place = format!("{place}{name}");
        let value = match (value, inner) {
            (Value::Object(members), Some(inner)) => {
                Value::Object(named(members, inner, &format!("{place}."))?)
            }
            (value, _) => value,
        };
        if is_absent(&value) {
            continue;
        }
        if all.insert((*name).to_owned(), value).is_some() {
            return Err(BodyError::Field(place, "it is given twice".into()));
        }
    }
    Ok(all)
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Reads `true` and `false`, also as texts.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Ok(Some(flag)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(serde::de::Error::custom("give true or false")),
    }
}

/// Reads a text or a list of texts.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(vec![text]),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(serde::de::Error::custom("give a list of texts")),
            })
            .collect(),
        _ => Err(serde::de::Error::custom("give a list of texts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const INNER: Shape = Shape {
        members: &[("One", None)],
        is_strict: true,
    };
    const OUTER: Shape = Shape {
        members: &[("KeyId", None), ("Inner", Some(&INNER))],
        is_strict: false,
    };

    fn read(text: &str) -> Result<Value, BodyError> {
        members(text.as_bytes(), &OUTER).map(Value::Object)
    }

    #[test]
    fn names_are_read_in_any_case_and_absent_values_left_out() {
        assert_eq!(
            read(r#"{"KEYID":"x","inner":{"ONE":1},"other":2}"#).unwrap(),
            json!({"KeyId": "x", "Inner": {"One": 1}})
        );
        for absent in ["\"\"", "null", "[]", "{}"] {
            assert_eq!(read(&format!(r#"{{"KeyId":{absent}}}"#)).unwrap(), json!({}));
        }
    }

    #[test]
    fn mistakes_are_named_by_their_place() {
        for (text, error) in [
            (r#"{"KeyId":"a","keyid":"b"}"#, "KeyId: it is given twice"),
            (r#"{"Inner":{"Two":2}}"#, "Inner.Two: it is not known here"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), error);
        }
        for text in ["", "{", "null", "[]", "1", "\"x\"", "{} {}"] {
            assert!(matches!(read(text), Err(BodyError::NotAnObject(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), text in "[{}\\[\\]\",:a-zA-Z0-9]{0,40}") {
            let _ = (members(&bytes, &OUTER), members(text.as_bytes(), &OUTER));
        }
    }
}
