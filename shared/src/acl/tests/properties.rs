//! What holds for every text, every policy and every path.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use crate::acl::{AccessRequest, Acl, Capability, Policy};

/// Any word of the language, so that random texts get past the first character.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "path ",
        "\"a/*\"",
        "\"+\"",
        " {",
        "}",
        "[",
        "]",
        "=",
        ",",
        "\n",
        "capabilities",
        "policy",
        "\"read\"",
        "\"deny\"",
        "allowed_parameters",
        "<<E\n",
        "E\n",
        "<<-E\n",
        "/*",
        "*/",
        "#",
        "//",
        "\"",
        "\\",
        "${",
        "1",
        "-",
        "true",
        "name",
    ];
    prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

/// Few segments, so that paths and patterns meet.
fn path() -> impl Strategy<Value = String> {
    let segment = proptest::sample::select(vec!["a", "b", "ab", ""]);
    vec(segment, 1..4).prop_map(|segments| segments.join("/"))
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = proptest::sample::select(vec!["a", "b", "ab", "+"]);
    let end = proptest::sample::select(vec!["", "/", "/*", "/a*"]);
    (vec(segment, 1..4), end).prop_map(|(segments, end)| segments.join("/") + end)
}

fn capability() -> impl Strategy<Value = Capability> {
    let capabilities = Capability::ALL
        .into_iter()
        .filter(|capability| *capability != Capability::Root);
    proptest::sample::select(capabilities.collect::<Vec<_>>())
}

fn parameter_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text()
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let object = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            object.prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![any::<String>(), "[ab*,$\\{\"]{0,4}".prop_map(|text| text)].prop_map(Value::from)
}

fn values_by_name() -> impl Strategy<Value = Value> {
    let name = proptest::sample::select(vec!["a", "b", "*", "é\n$"]);
    let entries = proptest::collection::btree_map(name, vec(parameter_value(), 0..3), 0..3);
    entries.prop_map(|entries| {
        entries
            .into_iter()
            .map(|(name, values)| (name.to_owned(), json!(values)))
            .collect()
    })
}

/// The body of a rule, as JSON.
fn body() -> impl Strategy<Value = Value> {
    let capabilities = vec(capability(), 0..4);
    (
        capabilities,
        values_by_name(),
        values_by_name(),
        vec("[a-c]", 0..3),
        0..3_u64,
        3..9_u64,
    )
        .prop_map(|(capabilities, allowed, denied, required, min, max)| {
            json!({
                "capabilities": capabilities.into_iter().map(Capability::as_str).collect::<Vec<_>>(),
                "allowed_parameters": allowed,
                "denied_parameters": denied,
                "required_parameters": required,
                "min_wrapping_ttl": min,
                "max_wrapping_ttl": format!("{max}ms"),
            })
        })
}

fn policy(max_rules: usize) -> impl Strategy<Value = Policy> {
    let path = prop_oneof![3 => pattern(), 1 => any::<String>().prop_filter("refused", |path| {
        !path.contains("+*") && !path.contains("{{")
    })];
    // Seconds before milliseconds: a lower bound of whole seconds would never fit.
    let body = body().prop_map(|mut body| {
        body["min_wrapping_ttl"] = json!(0);
        body
    });
    vec((path, body), 0..max_rules).prop_map(|rules| {
        let blocks: Vec<_> = rules
            .into_iter()
            .map(|(path, body)| json!({ path: body }))
            .collect();
        Policy::parse("random", &json!({ "path": blocks }).to_string()).expect("a valid policy was made")
    })
}

/// A policy without rules on parameters and wrapping.
fn plain_policy() -> impl Strategy<Value = String> {
    vec((pattern(), vec(capability(), 0..3)), 0..6).prop_map(|rules| {
        let rule = |(path, capabilities): (String, Vec<Capability>)| {
            let names: Vec<_> = capabilities.into_iter().map(Capability::as_str).collect();
            format!("path {path:?} {{ capabilities = {names:?} }}\n")
        };
        rules.into_iter().map(rule).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = Policy::parse("random", &text);
        let _ = Policy::parse("random", &format!("{{{text}"));
    }

    #[test]
    fn any_words_are_read_or_refused(words in vec(word(), 0..24)) {
        if let Ok(policy) = Policy::parse("random", &words.concat()) {
            prop_assert_eq!(Policy::parse("random", &policy.to_string()), Ok(policy));
        }
    }

    #[test]
    fn rendered_policies_read_the_same(policy in policy(4)) {
        let rendered = policy.to_string();
        prop_assert_eq!(Policy::parse("random", &rendered), Ok(policy), "{}", rendered);
    }

    #[test]
    fn a_deny_never_widens(policies in vec(policy(5), 1..3), denied in pattern(), path in path(), slash in any::<bool>()) {
        let deny = Policy::parse("deny", &format!("path {denied:?} {{ policy = \"deny\" }}")).expect("a valid policy");
        let without: Vec<_> = policies.iter().collect();
        let with: Vec<_> = policies.iter().chain([&deny]).collect();
        let (without, with) = (Acl::new(&without), Acl::new(&with));
        let path = if slash { path + "/" } else { path };
        for capability in Capability::ALL {
            for parameters in [json!({}), json!({"a": "a"}), json!({"b": ["a,b"], "c": 1})] {
                let Value::Object(parameters) = parameters else { unreachable!("written as objects") };
                let wrap_ttl = Some(std::time::Duration::from_millis(3));
                let request = AccessRequest { path: &path, capability, parameters: &parameters, wrap_ttl };
                prop_assert!(without.permits(&request) || !with.permits(&request));
            }
        }
    }

    #[test]
    fn the_order_of_policies_does_not_matter(one in plain_policy(), two in plain_policy(), path in path()) {
        let (one, two) = (super::policy(&one), super::policy(&two));
        let (there, back) = (Acl::new(&[&one, &two]), Acl::new(&[&two, &one]));
        prop_assert_eq!(there.capabilities(&path), back.capabilities(&path));
    }

    #[test]
    fn capabilities_say_what_is_allowed(text in plain_policy(), path in path()) {
        let acl = super::acl(&[&text]);
        let listed = acl.capabilities(&path);
        prop_assert!(listed.is_sorted());
        for capability in Capability::ALL {
            let asked = path.trim_end_matches('/');
            if asked == path && capability != Capability::Deny {
                prop_assert_eq!(acl.allows(&path, capability), listed.contains(&capability));
            }
        }
    }

    /// What the parameters say can only take away.
    #[test]
    fn parameters_never_add(policies in vec(policy(5), 1..3), path in path(), value in parameter_value()) {
        let acl = Acl::new(&policies.iter().collect::<Vec<_>>());
        let parameters: Map<String, Value> = [("a".to_owned(), value)].into_iter().collect();
        for capability in Capability::ALL {
            let request = AccessRequest { path: &path, capability, parameters: &parameters, wrap_ttl: None };
            let granted = acl.find_capability(&path, capability);
            prop_assert!(granted || !acl.permits(&request));
        }
    }
}

impl Acl {
    /// Whether the rule for a path names a capability, whatever else it says.
    fn find_capability(&self, path: &str, capability: Capability) -> bool {
        let found = self.find(path, capability == Capability::List);
        found.is_some_and(|permissions| permissions.capabilities.contains(capability))
    }
}
