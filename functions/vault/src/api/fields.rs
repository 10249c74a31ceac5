//! The fields of a request: what a path declares, and what a caller may write for it.
//!
//! Whether a field was sent matters beside its value, so the values are only those that were sent.

mod conversion;

pub(crate) use conversion::{parse_bool, parse_int};

use super::json::Json;
use conversion::{to_bool, to_duration, to_int, to_list, to_map, to_object, to_pairs, to_text};
use std::collections::{BTreeMap, BTreeSet};

/// The longest value of a field. The longest that anybody needs is a private key or a list of users; ten such fields
/// fit into one record of the store.
const MAX_FIELD_BYTES: usize = 32 * 1024;
/// The longest text of a policy: with a few more bytes for its line ends it fits into one record.
const MAX_LONG_TEXT_BYTES: usize = 256 * 1024;

/// A field that a path knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Another spelling, taken for this one where this one is not sent.
    pub(crate) alias: Option<&'static str>,
}

/// What may be written for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// A text with commas, or an array.
    CommaList,
    /// Seconds, or a text with units. `null` is as good as not sent.
    Duration,
    /// The same, and an empty text is as good as not sent too.
    OptionalDuration,
    Int,
    /// A text as long as a policy's.
    LongText,
    /// An object whose values become texts, or an array of such objects.
    Map,
    /// An object with any values.
    Object,
    /// A map of texts: an object, or `name=value`, or an array of either.
    Pairs,
    Text,
}

impl Field {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            alias: None,
        }
    }

    pub(crate) const fn aliased(name: &'static str, alias: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            alias: Some(alias),
        }
    }
}

/// Shorthands for tables of fields.
pub(crate) const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}
pub(crate) const fn flag(name: &'static str) -> Field {
    Field::new(name, Kind::Bool)
}
pub(crate) const fn int(name: &'static str) -> Field {
    Field::new(name, Kind::Int)
}
pub(crate) const fn duration(name: &'static str) -> Field {
    Field::new(name, Kind::Duration)
}
pub(crate) const fn map(name: &'static str) -> Field {
    Field::new(name, Kind::Map)
}

/// Stands among the fields of a path that takes any others too, and looks at them itself.
pub(crate) const ANY: Field = Field::new("*", Kind::Text);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bool(bool),
    DurationSecs(u64),
    Int(i64),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
    Object(BTreeMap<String, Json>),
    Text(String),
}

/// The fields that were sent, each of the type that its path declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(BTreeMap<&'static str, Value>);

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    name: &'static str,
    reason: String,
}

impl std::fmt::Display for FieldError {
    /// In the words of the real product, but without the value, which could be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, reason } = self;
        write!(
            f,
            "Field validation failed: error converting input for field \"{name}\": {reason}"
        )
    }
}

/// The raw parameters of a request.
pub(crate) type Parameters = BTreeMap<String, Json>;

/// Gives each parameter that stands under an alias its proper name.
pub(crate) fn resolve_aliases(declared: &[Field], parameters: &mut Parameters) {
    for field in declared {
        let Some(alias) = field.alias else { continue };
        if !parameters.contains_key(field.name)
            && let Some(value) = parameters.remove(alias)
        {
            parameters.insert(field.name.to_owned(), value);
        }
    }
}

/// The warnings that an answer with data carries: about names that the path does not know, and about names that the
/// path itself gives.
pub(crate) fn warnings(
    declared: &[Field],
    captures: &[(&'static str, String)],
    sent: &Parameters,
) -> Vec<String> {
    let captured = |name: &str| captures.iter().any(|(capture, _)| *capture == name);
    let known = |name: &str| {
        declared
            .iter()
            .any(|field| field.name == name || field.name == ANY.name)
    };
    let listed = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" ");
    let names = || sent.keys().map(String::as_str);
    let ignored: BTreeSet<_> = names().filter(|name| !known(name) && !captured(name)).collect();
    let replaced: BTreeSet<_> = names().filter(|name| captured(name)).collect();
    let mut warnings = Vec::new();
    if !ignored.is_empty() {
        warnings.push(format!(
            "Endpoint ignored these unrecognized parameters: [{}]",
            listed(ignored)
        ));
    }
    if !replaced.is_empty() {
        warnings.push(format!(
            "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [{}]",
            listed(replaced)
        ));
    }
    warnings
}

impl Fields {
    /// Takes the `sent` parameters that the path has `declared`.
    pub(crate) fn parse(declared: &[Field], sent: &Parameters) -> Result<Self, FieldError> {
        let mut values = BTreeMap::new();
        for field in declared {
            let Some(json) = sent.get(field.name) else {
                continue;
            };
            let refuse = |reason| FieldError {
                name: field.name,
                reason,
            };
            if let Some(value) = convert(field.kind, json).map_err(refuse)? {
                check_size(field.kind, &value).map_err(refuse)?;
                values.insert(field.name, value);
            }
        }
        Ok(Self(values))
    }

    /// Whether the field was sent, with whatever value.
    pub(crate) fn was_sent(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text, empty where it was not sent.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The switch, if it was sent.
    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The switch, off where it was not sent.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.bool(name).unwrap_or_default()
    }

    /// The number, if it was sent.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The duration in seconds, if it was sent.
    pub(crate) fn duration_secs(&self, name: &str) -> Option<u64> {
        match self.0.get(name) {
            Some(Value::DurationSecs(secs)) => Some(*secs),
            _ => None,
        }
    }

    /// The list, if it was sent.
    pub(crate) fn list(&self, name: &str) -> Option<&[String]> {
        match self.0.get(name) {
            Some(Value::List(items)) => Some(items),
            _ => None,
        }
    }

    /// The map, if it was sent.
    pub(crate) fn map(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        match self.0.get(name) {
            Some(Value::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// The object, if it was sent.
    pub(crate) fn object(&self, name: &str) -> Option<&BTreeMap<String, Json>> {
        match self.0.get(name) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        }
    }
}

fn convert(kind: Kind, json: &Json) -> Result<Option<Value>, String> {
    Ok(Some(match kind {
        Kind::Bool => Value::Bool(to_bool(json)?),
        Kind::CommaList => Value::List(to_list(json)?),
        Kind::Duration | Kind::OptionalDuration => match json {
            Json::Null => return Ok(None),
            Json::Text(text) if text.is_empty() && kind == Kind::OptionalDuration => return Ok(None),
            _ => Value::DurationSecs(to_duration(json)?),
        },
        Kind::Int => Value::Int(to_int(json)?),
        Kind::Map => Value::Map(to_map(json)?),
        Kind::Object => Value::Object(to_object(json)?),
        Kind::Pairs => Value::Map(to_pairs(json)?),
        Kind::LongText | Kind::Text => Value::Text(to_text(json)?),
    }))
}

/// Refuses a value that is longer than any of its kind needs to be.
fn check_size(kind: Kind, value: &Value) -> Result<(), String> {
    let max_bytes = match kind {
        Kind::LongText => MAX_LONG_TEXT_BYTES,
        _ => MAX_FIELD_BYTES,
    };
    if value.size_bytes() > max_bytes {
        return Err(format!("'' longer than {max_bytes} bytes"));
    }
    Ok(())
}

impl Value {
    /// How many bytes it takes, about.
    fn size_bytes(&self) -> usize {
        match self {
            Self::Bool(_) | Self::DurationSecs(_) | Self::Int(_) => 8,
            Self::List(items) => items.iter().map(|item| item.len() + 8).sum(),
            Self::Map(map) => map.iter().map(|(name, value)| name.len() + value.len() + 8).sum(),
            Self::Object(members) => members
                .iter()
                .map(|(name, json)| name.len() + json.size_bytes())
                .sum(),
            Self::Text(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Kind, json: &str) -> Result<Option<Value>, String> {
        convert(kind, &Json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn every_accepted_encoding_is_read() {
        let ok = |value| Ok(Some(value));
        let text = |text: &str| ok(Value::Text(text.into()));
        assert_eq!(one(Kind::Text, "22"), text("22"));
        assert_eq!(one(Kind::Text, "true"), text("1"));
        assert_eq!(one(Kind::Text, "null"), text(""));
        for json in ["true", "\"true\"", "\"1\"", "1", "\"t\""] {
            assert_eq!(one(Kind::Bool, json), ok(Value::Bool(true)), "{json}");
        }
        for json in ["false", "\"\"", "null", "0"] {
            assert_eq!(one(Kind::Bool, json), ok(Value::Bool(false)), "{json}");
        }
        for (json, number) in [
            ("22", 22),
            ("\"22\"", 22),
            ("\"\"", 0),
            ("null", 0),
            ("\"0x16\"", 22),
            ("true", 1),
        ] {
            assert_eq!(one(Kind::Int, json), ok(Value::Int(number)), "{json}");
        }
        for (json, secs) in [
            ("60", 60),
            ("\"60\"", 60),
            ("\"1h30m\"", 5400),
            ("\"500ms\"", 0),
            ("\"\"", 0),
        ] {
            assert_eq!(one(Kind::Duration, json), ok(Value::DurationSecs(secs)), "{json}");
        }
        assert_eq!(one(Kind::Duration, "null"), Ok(None));
        assert_eq!(one(Kind::OptionalDuration, "\"\""), Ok(None));
        let list = |items: &[&str]| ok(Value::List(items.iter().map(|item| (*item).to_owned()).collect()));
        assert_eq!(one(Kind::CommaList, "\"a, b\""), list(&["a", "b"]));
        assert_eq!(one(Kind::CommaList, "[\" a,b\", \"c\"]"), list(&["a,b", "c"]));
        assert_eq!(one(Kind::CommaList, "\"\""), list(&[]));
        let merged = ok(Value::Map(BTreeMap::from(
            [("a", "1"), ("b", "true"), ("c", "<nil>")].map(|(name, value)| (name.into(), value.into())),
        )));
        let pairs = ok(Value::Map(BTreeMap::from(
            [("a", "1=2"), ("b", "x"), ("c", "3")].map(|(name, value)| (name.into(), value.into())),
        )));
        assert_eq!(one(Kind::Pairs, r#"["a=1=2", {"b": "x", "c": 3}]"#), pairs);
        assert_eq!(one(Kind::Pairs, "\"\""), ok(Value::Map(BTreeMap::new())));
        assert_eq!(
            one(Kind::Map, r#"[{"a": 2, "b": true}, {"a": 1, "c": null}]"#),
            merged
        );
    }

    #[test]
    fn what_is_too_long_is_refused_by_name() {
        let declared = [
            text("a"),
            Field::new("b", Kind::LongText),
            Field::new("c", Kind::CommaList),
            map("d"),
        ];
        let parse = |name: &str, json: String| {
            let sent = Parameters::from([(name.to_owned(), Json::parse(json.as_bytes()).unwrap())]);
            Fields::parse(&declared, &sent).map(drop)
        };
        let quoted = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(
            parse("a", quoted(MAX_FIELD_BYTES)).is_ok() && parse("b", quoted(MAX_LONG_TEXT_BYTES)).is_ok()
        );
        for (name, json) in [
            ("a", quoted(MAX_FIELD_BYTES + 1)),
            ("b", quoted(MAX_LONG_TEXT_BYTES + 1)),
            ("c", format!("[{}\"x\"]", "\"\",".repeat(10_000))),
            ("d", format!("{{{}: 1}}", quoted(MAX_FIELD_BYTES))),
        ] {
            let error = parse(name, json).unwrap_err().to_string();
            assert!(
                error.contains(&format!("for field \"{name}\": '' longer than")),
                "{error}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (kind, json) in [
            (Kind::Text, "[]"),
            (Kind::Text, "{}"),
            (Kind::Bool, "\"yes\""),
            (Kind::Int, "22.0"),
            (Kind::Int, "\"x\""),
            (Kind::Int, "99999999999999999999"),
            (Kind::Duration, "22.0"),
            (Kind::Duration, "\"1d12h\""),
            (Kind::Duration, "-5"),
            (Kind::Duration, "true"),
            (Kind::Map, "\"a=b\""),
            (Kind::Map, "{\"a\": {}}"),
            (Kind::Object, "[1]"),
            (Kind::Pairs, "\"a\""),
            (Kind::Pairs, "[\"=a\"]"),
            (Kind::Pairs, "1"),
        ] {
            assert!(one(kind, json).is_err(), "{kind:?} {json}");
        }
        let negative = one(Kind::Duration, "\"-5\"").unwrap_err();
        assert_eq!(negative, "cannot provide negative value '-5'");
    }
}
