//! `allowed_user_key_lengths`: which kinds and sizes of keys a role certifies.

use super::key_words;
use crate::{
    api::{Json, parse_int},
    error::Failure,
};
use countersign::{
    role::{SubjectKeyRule, SubjectKeyRules},
    ssh::KeyKind,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of key types, each with the sizes that were written for it; an empty list reads back as `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyLengths(BTreeMap<String, Option<Vec<i64>>>);

impl KeyLengths {
    /// Reads the field: for each name an int, a text of ints between commas, or a list of both.
    ///
    /// # Errors
    /// Where a value is something else.
    pub(crate) fn parse(field: Option<&BTreeMap<String, Json>>) -> Result<Self, Failure> {
        let mut lengths = BTreeMap::new();
        for (name, json) in field.into_iter().flatten() {
            let sizes = sizes(json).ok_or_else(|| {
                Failure::user(format!(
                    "error processing allowed_user_key_lengths: {name} needs a length or a list of them"
                ))
            })?;
            lengths.insert(name.clone(), Some(sizes).filter(|sizes| !sizes.is_empty()));
        }
        Ok(Self(lengths))
    }

    /// Whether every key is allowed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sizes under any of `names`; `None` where none of them is there.
    pub(crate) fn listed(&self, names: &[&str]) -> Option<Vec<i64>> {
        let found: Vec<_> = names.iter().filter_map(|name| self.0.get(*name)).collect();
        (!found.is_empty()).then(|| found.into_iter().flatten().flatten().copied().collect())
    }

    /// These lengths for a key that is made here, where a listed 0 stands for the type's default size.
    pub(crate) fn of_generated(&self) -> Self {
        let lengths = self.0.iter().map(|(name, sizes)| {
            let sizes = sizes.iter().flatten();
            let sizes: Vec<_> = sizes.map(|size| key_words::or_default(name, *size)).collect();
            (name.clone(), Some(sizes).filter(|sizes| !sizes.is_empty()))
        });
        Self(lengths.collect())
    }

    /// What this means for a key to be certified. Sizes count where a key of that type has several; keys in FIDO
    /// authenticators count as the plain ones.
    pub(crate) fn rules(&self) -> SubjectKeyRules {
        if self.is_empty() {
            return SubjectKeyRules::Any;
        }
        let rules = self.0.iter().flat_map(|(name, sizes)| {
            let sizes = sizes.as_deref().unwrap_or_default();
            rules_of(name, sizes)
        });
        SubjectKeyRules::Listed(rules.collect())
    }
}

fn rules_of(name: &str, sizes: &[i64]) -> Vec<SubjectKeyRule> {
    let exactly = || {
        sizes
            .iter()
            .filter_map(|size| u32::try_from(*size).ok())
            .collect::<Vec<_>>()
    };
    // A size is only a sign that the type is allowed.
    let fixed = |bits: u32| if sizes.is_empty() { Vec::new() } else { vec![bits] };
    let rule = |kind, sizes| SubjectKeyRule {
        kind,
        sizes: Some(sizes),
    };
    match name {
        "ec" | "ecdsa" => vec![rule(KeyKind::Ecdsa, exactly()), rule(KeyKind::SkEcdsa, exactly())],
        "ecdsa-sha2-nistp256" => vec![
            rule(KeyKind::Ecdsa, fixed(256)),
            rule(KeyKind::SkEcdsa, fixed(256)),
        ],
        "ecdsa-sha2-nistp384" => vec![rule(KeyKind::Ecdsa, fixed(384))],
        "ecdsa-sha2-nistp521" => vec![rule(KeyKind::Ecdsa, fixed(521))],
        "ed25519" | "ssh-ed25519" => {
            vec![
                rule(KeyKind::Ed25519, fixed(256)),
                rule(KeyKind::SkEd25519, fixed(256)),
            ]
        }
        "rsa" | "ssh-rsa" => vec![rule(KeyKind::Rsa, exactly())],
        _ => Vec::new(),
    }
}

fn sizes(json: &Json) -> Option<Vec<i64>> {
    match json {
        Json::Array(items) => {
            let parts: Option<Vec<_>> = items.iter().map(sizes).collect();
            Some(parts?.concat())
        }
        Json::Number(text) => Some(vec![text.parse().ok()?]),
        Json::Text(text) => text.split(',').map(|part| parse_int(part.trim())).collect(),
        Json::Bool(_) | Json::Null | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<KeyLengths, Failure> {
        match Json::parse(json.as_bytes()) {
            Ok(Json::Object(members)) => KeyLengths::parse(Some(&members)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_form_reads_back_as_lists_in_order() {
        let lengths = parse(r#"{"rsa": [4096, "2048"], "ec": "256,384", "ed25519": 0, "dsa": []}"#).unwrap();
        let shown = serde_json::to_string(&lengths).unwrap();
        assert_eq!(
            shown,
            r#"{"dsa":null,"ec":[256,384],"ed25519":[0],"rsa":[4096,2048]}"#
        );
        for bad in [
            r#"{"rsa": "x"}"#,
            r#"{"rsa": 1.5}"#,
            r#"{"rsa": {}}"#,
            r#"{"rsa": null}"#,
            r#"{"rsa": true}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_map_of_unknown_names_allows_no_key() {
        assert_eq!(
            parse(r#"{"x": 1}"#).unwrap().rules(),
            SubjectKeyRules::Listed(vec![])
        );
        assert_eq!(KeyLengths::default().rules(), SubjectKeyRules::Any);
    }
}
