//! Rules about parameters and wrapping.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::acl;
use crate::acl::{AccessRequest, Acl, Capability, Policy};

fn permits(acl: &Acl, capability: Capability, parameters: &Value) -> bool {
    let none = Map::new();
    let parameters = parameters.as_object().unwrap_or(&none);
    acl.permits(&AccessRequest {
        path: "p",
        capability,
        parameters,
        wrap_ttl: None,
    })
}

fn rule(body: &str) -> String {
    format!("path \"p\" {{\n  capabilities = [\"update\", \"delete\", \"list\"]\n  {body}\n}}")
}

fn check(body: &str, cases: &[(Value, bool)]) {
    let acl = acl(&[&rule(body)]);
    for (parameters, allowed) in cases {
        assert_eq!(
            permits(&acl, Capability::Update, parameters),
            *allowed,
            "{body}: {parameters}"
        );
    }
}

#[test]
fn required() {
    check(
        r#"required_parameters = ["Name", "id"]"#,
        &[
            (json!({"name": 1, "id": 2}), true),
            (json!({"name": 1, "id": 2, "other": 3}), true),
            (json!({"name": 1}), false),
            (json!({}), false),
        ],
    );
}

#[test]
fn allowed() {
    check(
        r#"allowed_parameters = { "foo" = [], "Bar" = ["zip", "zap"] }"#,
        &[
            (json!({}), true),
            (json!({"foo": "anything", "bar": "zip"}), true),
            (json!({"FOO": {"a": 1}}), true),
            (json!({"bar": "zop"}), false),
            (json!({"bar": null}), false),
            (json!({"bar": {"zip": 1}}), false),
            (json!({"bar": "zip", "other": 1}), false),
        ],
    );
    check(
        r#"allowed_parameters { "bar" = ["zip"] "*" = [] }"#,
        &[
            (json!({"other": 1, "bar": "zip"}), true),
            (json!({"bar": "zap"}), false),
        ],
    );
    check(r#"allowed_parameters = {}"#, &[(json!({"other": 1}), true)]);
    check(
        r#"allowed_parameters = { "*" = [] }"#,
        &[(json!({"other": 1}), true)],
    );
}

#[test]
fn objects_are_compared_whole() {
    check(
        r#"allowed_parameters = { "a" = [{ b = 1, c = ["x"] }] }"#,
        &[
            (json!({"a": {"b": 1, "c": ["x"]}}), true),
            (json!({"a": {"b": 2, "c": ["x"]}}), false),
            (json!({"a": {"b": 1}}), false),
            (json!({"a": {}}), false),
        ],
    );
    let labelled = rule(r#"allowed_parameters = { "a" = [{ b "label" { c = 1 } }] }"#);
    assert!(Policy::parse("test", &labelled).is_err());
}

#[test]
fn denied() {
    check(
        r#"denied_parameters = { "foo" = [], "bar" = ["zip", 22, true, "x*"] }"#,
        &[
            (json!({}), true),
            (json!({"other": 1}), true),
            (json!({"Foo": "anything"}), false),
            (json!({"bar": "ok"}), true),
            (json!({"bar": "zip"}), false),
            (json!({"BAR": "zip"}), false),
            (json!({"bar": 22}), false),
            (json!({"bar": "22"}), false),
            (json!({"bar": "true"}), false),
            (json!({"bar": "xyz"}), false),
        ],
    );
    check(
        r#"denied_parameters = { "*" = [] }"#,
        &[(json!({"a": 1}), false), (json!({}), true)],
    );
    check(
        r#"denied_parameters = { "a" = ["*"] }"#,
        &[(json!({"a": 1}), false), (json!({"b": 1}), true)],
    );
}

#[test]
fn denied_goes_before_allowed() {
    check(
        r#"allowed_parameters = { "a" = [] }
  denied_parameters = { "a" = ["x"] }"#,
        &[
            (json!({"a": "y"}), true),
            (json!({"a": "x"}), false),
            (json!({"b": "y"}), false),
        ],
    );
}

#[test]
fn globs() {
    check(
        r#"allowed_parameters = { "a" = ["foo-*", "*-bar", "*mid*", "*"] }"#,
        &[
            (json!({"a": "foo-1"}), true),
            (json!({"a": "1-bar"}), true),
            (json!({"a": "xmidy"}), true),
            (json!({"a": "mid"}), true),
            (json!({"a": "*"}), true),
            (json!({"a": "other"}), false),
        ],
    );
}

#[test]
fn lists_are_judged_by_element() {
    let body = r#"allowed_parameters = { "valid_principals" = ["dev-*", "ops,adm", ["p", "q"]] }"#;
    check(
        body,
        &[
            (json!({"valid_principals": ["dev-a", "dev-b"]}), true),
            (json!({"valid_principals": "dev-a,dev-b"}), true),
            (json!({"valid_principals": "dev-a, dev-b"}), true),
            (json!({"valid_principals": "ops,adm"}), true),
            (json!({"valid_principals": ["p", "q"]}), true),
            (json!({"valid_principals": ["p"]}), false),
            (json!({"valid_principals": ["dev-a", "root"]}), false),
            (json!({"valid_principals": "dev-a,root"}), false),
            (json!({"valid_principals": "dev-a,"}), false),
            (json!({"valid_principals": ["dev-a", ["root"]]}), false),
            (json!({"valid_principals": []}), false),
        ],
    );
    check(
        r#"denied_parameters = { "valid_principals" = ["root"] }"#,
        &[
            (json!({"valid_principals": "alice,bob"}), true),
            (json!({"valid_principals": "rooted"}), true),
            (json!({"valid_principals": "alice, root"}), false),
            (json!({"valid_principals": ["alice", "root"]}), false),
            (json!({"valid_principals": ["alice", "bob,root"]}), false),
            (json!({"valid_principals": []}), true),
        ],
    );
}

#[test]
fn only_where_the_operation_takes_parameters() {
    let acl = acl(&[&rule(r#"denied_parameters = { "*" = [] }"#)]);
    assert!(!permits(&acl, Capability::Update, &json!({"a": 1})));
    assert!(permits(&acl, Capability::Delete, &json!({"a": 1})));
    assert!(permits(&acl, Capability::List, &json!({"a": 1})));
    assert!(!permits(&acl, Capability::Read, &json!({})));
}

#[test]
fn a_request_without_parameters_can_miss_required_ones() {
    let acl = acl(&[&rule(r#"required_parameters = ["a"]"#)]);
    assert!(!acl.allows("p", Capability::Update));
    assert_eq!(acl.capabilities("p").len(), 3);
}

#[test]
fn merging() {
    let one = rule(r#"allowed_parameters = { "a" = ["x"], "b" = ["x"], "c" = ["x"] }"#);
    let two = rule(r#"allowed_parameters = { "a" = ["y"], "b" = [] } required_parameters = ["a"]"#);
    for texts in [[&one, &two], [&two, &one]] {
        let acl = acl(&texts.map(String::as_str));
        for (parameters, allowed) in [
            (json!({"a": "x"}), true),
            (json!({"a": "y"}), true),
            (json!({"a": "z"}), false),
            (json!({"a": "x", "b": "anything"}), true),
            (json!({"a": "x", "c": "y"}), false),
            (json!({"b": "x"}), false),
        ] {
            assert_eq!(
                permits(&acl, Capability::Update, &parameters),
                allowed,
                "{parameters}"
            );
        }
    }
    // A rule that restricts parameters restricts them for the other policy's capabilities too, as in the real product.
    let both = acl(&[&one, "path \"p\" { capabilities = [\"create\"] }"]);
    assert!(!permits(&both, Capability::Create, &json!({"d": 1})));
}

#[test]
fn wrapping() {
    let permits = |acl: &Acl, secs: Option<u64>| {
        let (parameters, wrap_ttl) = (&Map::new(), secs.map(Duration::from_secs));
        acl.permits(&AccessRequest {
            path: "p",
            capability: Capability::Update,
            parameters,
            wrap_ttl,
        })
    };
    let (min, max) = ("min_wrapping_ttl = \"1s\"", "max_wrapping_ttl = 90");
    for (body, secs, allowed) in [
        (min, None, false),
        (min, Some(0), false),
        (min, Some(1), true),
        (max, None, false),
        (max, Some(90), true),
        (max, Some(91), false),
        ("min_wrapping_ttl = 0", None, true),
        ("", Some(5), true),
    ] {
        assert_eq!(permits(&acl(&[&rule(body)]), secs), allowed, "{body} {secs:?}");
    }
    // Merging takes the lower value of each.
    let (low, high) = (
        rule("max_wrapping_ttl = \"1m\""),
        rule("min_wrapping_ttl = \"90s\" max_wrapping_ttl = \"2m\""),
    );
    let merged = acl(&[&low, &high]);
    assert!(!permits(&merged, Some(60)));
    assert!(!permits(&merged, Some(90)));
}

#[test]
fn wrapping_durations() {
    for (text, expected) in [
        ("90", "90"),
        ("\"90\"", "90"),
        ("\"1h30m\"", "5400"),
        ("\"2d\"", "172800"),
        ("\"1500ms\"", "\"1s500ms\""),
    ] {
        let policy = super::policy(&rule(&format!("max_wrapping_ttl = {text}")));
        let rendered = policy.to_string();
        assert!(
            rendered.contains(&format!("max_wrapping_ttl = {expected}\n")),
            "{text}: {rendered}"
        );
    }
}
