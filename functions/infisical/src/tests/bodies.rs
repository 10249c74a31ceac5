//! Any JSON, read as any body: a value or a list of faults, never a panic.

use crate::{
    input::{
        CreateCa, CreateHost, CreateHostGroup, CreateProject, CreateTemplate, Document, Input,
        IssueCredentials, IssueHostCert, IssueUserCert, PresentedToken, SelectOrganization, SignKey,
        UniversalLogin, UpdateCa, UpdateHost, UpdateHostGroup, UpdateSshConfig, UpdateTemplate, UserLogin,
    },
    validation::Reader,
};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The names of all fields that bodies have.
fn names() -> Vec<String> {
    fn collect(schema: &Value, names: &mut BTreeSet<String>) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    names.extend(properties.keys().cloned());
                }
                members.values().for_each(|member| collect(member, names));
            }
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(&crate::openapi::document(), &mut names);
    names.into_iter().collect()
}

fn text() -> impl Strategy<Value = String> {
    let telling = [
        "",
        " ",
        "1h",
        "100y",
        "-1s",
        "99999999999999999999d",
        "*",
        "*.example.com",
        "a,b",
        "web.example.com",
        "ED25519",
        "user",
        "host",
        "active",
        "disabled",
        "internal",
        "external",
        "ssh",
        "admin",
        "ec2-user",
        "a@example.com",
        "\u{0}",
        "ssh-ed25519 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ];
    prop_oneof![
        proptest::sample::select(telling.to_vec()).prop_map(str::to_owned),
        any::<String>(),
        "[a-z0-9-]{0,70}",
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let names = proptest::sample::select(names());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 12, move |inner| {
        let name = prop_oneof![9 => names.clone(), 1 => any::<String>()];
        let members = proptest::collection::vec((name, inner.clone()), 0..12);
        prop_oneof![
            members.prop_map(|members| Value::Object(Map::from_iter(members))),
            proptest::collection::vec(inner, 0..6).prop_map(Value::from),
        ]
    })
}

/// Reads `body` as one kind of input; where that succeeds, every field was sound.
fn read<T: Input>(body: &Value) {
    let mut reader = Reader::new(body);
    let input = T::read(&mut reader);
    let is_clean = reader.is_clean();
    assert_eq!(reader.finish(input).is_ok(), is_clean);
}

proptest! {
    #[test]
    fn no_body_makes_a_reader_panic(body in json()) {
        read::<CreateCa>(&body);
        read::<CreateHost>(&body);
        read::<CreateHostGroup>(&body);
        read::<CreateProject>(&body);
        read::<CreateTemplate>(&body);
        read::<Document>(&body);
        read::<IssueCredentials>(&body);
        read::<IssueHostCert>(&body);
        read::<IssueUserCert>(&body);
        read::<PresentedToken>(&body);
        read::<SelectOrganization>(&body);
        read::<SignKey>(&body);
        read::<UniversalLogin>(&body);
        read::<UpdateCa>(&body);
        read::<UpdateHost>(&body);
        read::<UpdateHostGroup>(&body);
        read::<UpdateSshConfig>(&body);
        read::<UpdateTemplate>(&body);
        read::<UserLogin>(&body);
    }
}

#[test]
fn the_names_of_the_fields_are_known() {
    let names = names();
    for name in ["loginUser", "allowedPrincipals", "maxTTL", "clientSecret"] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
}
