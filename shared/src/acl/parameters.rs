//! Rules about the parameters of a request.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Map, Value};

/// The name that stands for every parameter.
const ANY_NAME: &str = "*";

/// Values by lower-case parameter name; an empty list stands for every value.
pub(super) type ValuesByName = BTreeMap<String, Vec<Value>>;

/// What a rule says about the parameters of a request.
///
/// Source: <https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints>.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ParameterRules {
    /// If any are named, nothing else may be sent.
    pub(super) allowed: ValuesByName,
    /// Goes before `allowed`.
    pub(super) denied: ValuesByName,
    /// Names in lower case.
    pub(super) required: BTreeSet<String>,
}

impl ParameterRules {
    pub(super) fn permit(&self, parameters: &Map<String, Value>) -> bool {
        let complete = self.required.iter().all(|name| parameters.contains_key(name));
        complete && (parameters.is_empty() || (!self.deny(parameters) && self.allow(parameters)))
    }

    /// Adds the rules of another policy for the same pattern, as the real product does: lists grow, and an empty list
    /// on either side stays the empty list.
    pub(super) fn merge(&mut self, other: &Self) {
        merge_values(&mut self.allowed, &other.allowed);
        merge_values(&mut self.denied, &other.denied);
        self.required.extend(other.required.iter().cloned());
    }

    fn deny(&self, parameters: &Map<String, Value>) -> bool {
        let denied = |(name, value): (&String, &Value)| {
            values_of(&self.denied, name).is_some_and(|values| denies(values, value))
        };
        self.denied.contains_key(ANY_NAME) || parameters.iter().any(denied)
    }

    fn allow(&self, parameters: &Map<String, Value>) -> bool {
        let others = self.allowed.is_empty() || self.allowed.contains_key(ANY_NAME);
        let allowed = |(name, value): (&String, &Value)| {
            values_of(&self.allowed, name).map_or(others, |values| allows(values, value))
        };
        parameters.iter().all(allowed)
    }
}

fn values_of<'v>(rules: &'v ValuesByName, name: &str) -> Option<&'v [Value]> {
    rules.get(&name.to_lowercase()).map(Vec::as_slice)
}

fn merge_values(into: &mut ValuesByName, from: &ValuesByName) {
    for (name, values) in from {
        match into.get_mut(name) {
            None => {
                into.insert(name.clone(), values.clone());
            }
            Some(merged) if merged.is_empty() || values.is_empty() => merged.clear(),
            Some(merged) => merged.extend_from_slice(values),
        }
    }
}

fn allows(values: &[Value], sent: &Value) -> bool {
    if values.is_empty() || values.contains(sent) {
        return true;
    }
    match sent {
        Value::Array(elements) => {
            !elements.is_empty() && elements.iter().all(|element| allows(values, element))
        }
        scalar => text_of(scalar).is_some_and(|text| allows_text(values, &text)),
    }
}

/// A handler may read commas as separators, so each piece has to be allowed, unless the whole text is listed as it is.
fn allows_text(values: &[Value], text: &str) -> bool {
    let globbed = |text: &str| values.iter().any(|value| value_matches(value, text));
    values.iter().any(|value| is_text(value, text))
        || (globbed(text) && text.split(',').all(|piece| globbed(piece.trim())))
}

fn denies(values: &[Value], sent: &Value) -> bool {
    if values.is_empty() || values.contains(sent) || values.iter().any(|value| value == ANY_NAME) {
        return true;
    }
    match sent {
        Value::Array(elements) => elements.iter().any(|element| denies(values, element)),
        scalar => text_of(scalar).is_some_and(|text| denies_text(values, &text)),
    }
}

fn denies_text(values: &[Value], text: &str) -> bool {
    let globbed = |text: &str| values.iter().any(|value| value_matches(value, text));
    globbed(text) || text.split(',').any(|piece| globbed(piece.trim()))
}

fn is_text(value: &Value, text: &str) -> bool {
    text_of(value).is_some_and(|value| value == text)
}

fn value_matches(value: &Value, text: &str) -> bool {
    text_of(value).is_some_and(|pattern| glob_matches(&pattern, text))
}

/// `*` at either end; a lone `*` stands for itself.
fn glob_matches(pattern: &str, text: &str) -> bool {
    if pattern.len() < 2 {
        return pattern == text;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(suffix), None) => text.ends_with(suffix),
        (None, Some(prefix)) => text.starts_with(prefix),
        (None, None) => pattern == text,
    }
}

/// How a text, number or boolean is spelled. Lists, objects and null have no spelling.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Array(_) | Value::Null | Value::Object(_) => None,
    }
}
