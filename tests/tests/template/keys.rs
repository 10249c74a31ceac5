//! Nobody else uses the keys.

use crate::document::{Template, of_document, texts};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[test]
fn signatures_are_bound_to_algorithm_and_message_type() -> Result<()> {
    let template = Template::read()?;
    let mut count = 0;
    for (owner, statement) in template.statements() {
        if statement["Effect"] != "Allow" || !texts(&statement["Action"]).contains(&"kms:Sign".into()) {
            continue;
        }
        count += 1;
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
    }
    assert_eq!(count, 4 * template.names().len());
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
            assert_eq!(
                statement["Resource"],
                json!({"Fn::GetAtt": ["SealingKey", "Arn"]})
            );
        }
    }
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
