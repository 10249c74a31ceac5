//! Nobody else uses the keys.

use crate::document::{Template, of_document, texts};
use crate::permissions::may_sign_with_bound_keys;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn signatures_are_bound_to_algorithm_and_message_type() -> Result<()> {
    let template = Template::read()?;
    let mut signing = BTreeSet::new();
    for (owner, statement) in template.statements() {
        if statement["Effect"] != "Allow" || !texts(&statement["Action"]).contains(&"kms:Sign".into()) {
            continue;
        }
        let condition = &statement["Condition"]["StringEquals"];
        let algorithms = texts(&condition["kms:SigningAlgorithm"]);
        match condition["kms:MessageType"].as_str() {
            Some("RAW") => assert_eq!(algorithms, ["ED25519_SHA_512"], "{owner}"),
            Some("DIGEST") => assert_eq!(
                algorithms,
                [
                    "ECDSA_SHA_256",
                    "ECDSA_SHA_384",
                    "ECDSA_SHA_512",
                    "RSASSA_PKCS1_V1_5_SHA_256",
                    "RSASSA_PKCS1_V1_5_SHA_512"
                ],
                "{owner}"
            ),
            other => anyhow::bail!("{owner}: {other:?}"),
        }
        let tags: Vec<&String> = condition
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| key.starts_with("aws:ResourceTag/countersign:"))
            .collect();
        assert_eq!(tags.len(), 1, "{owner}: only keys with one of our tags");
        let tag = tags[0].trim_start_matches("aws:ResourceTag/countersign:");
        let message = condition["kms:MessageType"].as_str().unwrap();
        signing.insert((owner.to_owned(), tag.to_owned(), message.to_owned()));
    }
    let mut expected = BTreeSet::new();
    for family in template.names() {
        let kinds: &[&str] = match may_sign_with_bound_keys(family)? {
            true => &["managed", "bound"],
            false => &["managed"],
        };
        for kind in kinds {
            for message in ["RAW", "DIGEST"] {
                expected.insert((format!("{family}Role"), (*kind).to_owned(), message.to_owned()));
            }
        }
    }
    assert_eq!(signing, expected);
    for (owner, statement) in template.statements() {
        let seals = texts(&statement["Action"])
            .iter()
            .any(|action| action == "kms:Decrypt");
        if seals && owner.ends_with("Role") {
            let condition = &statement["Condition"]["StringEquals"];
            ensure!(
                condition
                    .get("kms:EncryptionContext:countersign:purpose")
                    .is_some(),
                "{owner}"
            );
            assert_eq!(statement["Resource"], sealing_key());
        }
    }
    Ok(())
}

/// The sealing key wherever the template names it: the one that the stack makes, or the one that it was given.
fn sealing_key() -> Value {
    json!({"Fn::If": ["MakesSealingKey", {"Fn::GetAtt": ["SealingKey", "Arn"]}, {"Ref": "SealingKeyArn"}]})
}

/// A new stack over kept tables can go on with the sealing key of the old one.
#[test]
fn a_sealing_key_that_is_given_takes_the_place_of_a_new_one_everywhere() -> Result<()> {
    let template = Template::read()?;
    assert_eq!(template.0["Parameters"]["SealingKeyArn"]["Default"], "");
    assert_eq!(
        template.0["Conditions"]["MakesSealingKey"],
        json!({"Fn::Equals": [{"Ref": "SealingKeyArn"}, ""]})
    );
    assert_eq!(
        template.all("AWS::KMS::Key")["SealingKey"]["Condition"],
        "MakesSealingKey"
    );
    let variables = &template.0["Globals"]["Function"]["Environment"]["Variables"];
    assert_eq!(variables["COUNTERSIGN_SEALING_KEY"], sealing_key());
    assert_eq!(template.0["Outputs"]["SealingKeyArn"]["Value"], sealing_key());
    let text = template.0.to_string();
    let times = |part: &str| text.matches(part).count();
    assert_eq!(
        times(r#"["SealingKey","Arn"]"#),
        times(&sealing_key().to_string()),
        "nothing names the key that was not made"
    );
    assert_eq!(times("${SealingKey"), 0);
    Ok(())
}

/// A function that is taken over can tag keys of the account, but not make or disable any that encrypt.
#[test]
fn only_keys_that_sign_are_made_tagged_and_disabled() -> Result<()> {
    let template = Template::read()?;
    let mut seen = BTreeSet::new();
    for (owner, statement) in template.statements() {
        if statement["Effect"] != "Allow" || !owner.ends_with("Role") {
            continue;
        }
        for action in texts(&statement["Action"]) {
            let operator = match action.as_str() {
                "kms:CreateKey" => "StringEquals",
                // Whether a request to tag names the usage of a key that is being made is not documented.
                "kms:TagResource" | "kms:DisableKey" => "StringEqualsIfExists",
                _ => continue,
            };
            assert_eq!(
                statement["Condition"][operator]["kms:KeyUsage"], "SIGN_VERIFY",
                "{owner} {action}"
            );
            seen.insert(action);
        }
    }
    assert_eq!(seen.len(), 3);
    Ok(())
}

/// The policy of the keys that functions make, with the template's variables as they stand.
pub(crate) fn made_key_policy(template: &Template) -> Result<Value> {
    let variables = &template.0["Globals"]["Function"]["Environment"]["Variables"];
    let text = variables["COUNTERSIGN_KEY_POLICY"]["Fn::Sub"]
        .as_str()
        .context("a text")?;
    Ok(serde_json::from_str(text)?)
}

#[test]
fn nobody_but_the_issuing_functions_can_sign_whatever_iam_says() -> Result<()> {
    let template = Template::read()?;
    let functions = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/countersign/${TablePrefix}/*";
    let made = made_key_policy(&template)?;
    let keys = template.all("AWS::KMS::Key");
    let of_key = |name: &str| &keys[name]["Properties"]["KeyPolicy"];
    for (name, policy, actions) in [
        ("CaKey", of_key("CaKey"), vec!["kms:Sign"]),
        ("COUNTERSIGN_KEY_POLICY", &made, vec!["kms:Sign"]),
        (
            "SealingKey",
            of_key("SealingKey"),
            vec!["kms:Decrypt", "kms:ReEncryptFrom"],
        ),
    ] {
        let denials: Vec<&Value> = of_document(policy)
            .filter(|statement| statement["Effect"] == "Deny")
            .collect();
        let [denial] = denials.as_slice() else {
            anyhow::bail!("{name}: {denials:?}")
        };
        assert_eq!(texts(&denial["Action"]), actions, "{name}");
        assert_eq!(
            (&denial["Principal"], &denial["Resource"]),
            (&json!("*"), &json!("*")),
            "{name}"
        );
        let excepted = &denial["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
        let excepted = excepted.get("Fn::Sub").unwrap_or(excepted);
        assert_eq!(excepted, functions, "{name}");
        assert_eq!(denial["Condition"].as_object().unwrap().len(), 1, "{name}");
    }
    for (name, role) in template.all("AWS::IAM::Role") {
        let path = "/countersign/${TablePrefix}/";
        assert_eq!(role["Properties"]["Path"], json!({"Fn::Sub": path}), "{name}");
    }
    Ok(())
}

#[test]
fn whoever_else_signs_is_noticed() -> Result<()> {
    let template = Template::read()?;
    let rule = &template.all("AWS::Events::Rule")["ForeignSignatures"]["Properties"];
    assert_eq!(rule["State"], "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS");
    let detail = &rule["EventPattern"]["detail"];
    assert_eq!(detail["eventName"], json!(["Sign"]));
    let known = detail["$or"][0].to_string();
    for family in template.names() {
        ensure!(
            known.contains(&json!({"Fn::GetAtt": [format!("{family}Role"), "Arn"]}).to_string()),
            "{family} is not among {known}"
        );
    }
    Ok(())
}
