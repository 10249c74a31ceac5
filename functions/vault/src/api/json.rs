//! JSON as Vault reads it: numbers keep their spelling, since a string field takes a number's text.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The deepest nesting. No field of this API needs more than three.
const MAX_DEPTH: usize = 16;
/// The most values. Every one costs memory, long before anybody has shown a token.
const MAX_VALUES: usize = 100_000;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Array(Vec<Json>),
    Bool(bool),
    Null,
    /// As it was spelled.
    Number(String),
    Object(BTreeMap<String, Json>),
    Text(String),
}

/// The bytes are not JSON, or nested too deep, or too many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

impl From<serde_json::Error> for NotJson {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl Json {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NotJson> {
        // Each value but the first follows one of these; counting those within texts too does no harm.
        let may_begin_value = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
        if bytes.iter().filter(may_begin_value).count() > MAX_VALUES {
            return Err(NotJson);
        }
        Self::read(serde_json::from_slice(bytes)?, 0)
    }

    fn read(raw: &RawValue, depth: usize) -> Result<Self, NotJson> {
        let text = raw.get();
        if depth > MAX_DEPTH {
            return Err(NotJson);
        }
        Ok(match text.as_bytes().first() {
            Some(b'{') => Self::Object(
                serde_json::from_str::<BTreeMap<String, &RawValue>>(text)?
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::read(value, depth + 1)?)))
                    .collect::<Result<_, NotJson>>()?,
            ),
            Some(b'[') => Self::Array(
                serde_json::from_str::<Vec<&RawValue>>(text)?
                    .into_iter()
                    .map(|value| Self::read(value, depth + 1))
                    .collect::<Result<_, NotJson>>()?,
            ),
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    /// The same value, for an answer. A number that has no place in 64 bits is rounded.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Bool(value) => (*value).into(),
            Self::Null => Value::Null,
            Self::Number(text) => serde_json::from_str(text).unwrap_or_default(),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.to_value()))
                .collect(),
            Self::Text(text) => text.clone().into(),
        }
    }

    /// How many bytes it takes, about.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Array(items) => items.iter().map(|item| item.size_bytes() + 8).sum(),
            Self::Bool(_) | Self::Null => 8,
            Self::Number(text) | Self::Text(text) => text.len(),
            Self::Object(members) => {
                let member = |(name, value): (&String, &Self)| name.len() + value.size_bytes() + 8;
                members.iter().map(member).sum()
            }
        }
    }

    /// What a refusal calls it, as a Go program would.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Array(_) => "[]interface {}",
            Self::Bool(_) => "bool",
            Self::Null => "nil",
            Self::Number(_) => "json.Number",
            Self::Object(_) => "map[string]interface {}",
            Self::Text(_) => "string",
        }
    }
}

/// For the policies, which compare numbers by their spelling too.
impl From<&Json> for serde_json::Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Json::Bool(value) => Self::Bool(*value),
            Json::Null => Self::Null,
            Json::Number(text) | Json::Text(text) => Self::String(text.clone()),
            Json::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), Self::from(value)))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_spelling() {
        let json = Json::parse(br#" {"a": 22.0, "b": [12345678901234567890123, "x"]} "#).unwrap();
        let expected = BTreeMap::from([
            ("a".to_owned(), Json::Number("22.0".into())),
            (
                "b".to_owned(),
                Json::Array(vec![
                    Json::Number("12345678901234567890123".into()),
                    Json::Text("x".into()),
                ]),
            ),
        ]);
        assert_eq!(json, Json::Object(expected));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for bad in [
            "",
            "{",
            "{\"a\":}",
            "[1,]",
            "nul",
            "a=1",
            "{} {}",
            "\"\\ud800\"",
            &deep,
        ] {
            assert_eq!(Json::parse(bad.as_bytes()), Err(NotJson), "{bad}");
        }
        assert_eq!(Json::parse(b"\"\xff\""), Err(NotJson));
        let wide = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert_eq!(Json::parse(wide.as_bytes()), Err(NotJson));
    }
}
