//! What the template promises and no emulator shows: it makes the store's tables, gives every function what its code
//! calls and no more, and lets nobody else use the keys.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

mod document;
mod keys;
mod operation;
mod outputs;
mod permissions;

use anyhow::{Context, Result, ensure};
use countersign::store::{EXPIRES_AT, PARTITION, SCHEMA, SORT};
use countersign_tests::{run, venv_python};
use document::{TEMPLATE, Template};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn the_tables_have_the_keys_of_the_store_and_are_protected() -> Result<()> {
    let template = Template::read()?;
    let tables = template.all("AWS::DynamoDB::Table");
    ensure!(tables.len() == SCHEMA.len());
    for table in &SCHEMA {
        let name = format!("${{TablePrefix}}-{}", table.suffix);
        let (_, found) = tables
            .iter()
            .find(|(_, found)| found["Properties"]["TableName"] == json!({"Fn::Sub": name}))
            .with_context(|| format!("no table {name}"))?;
        let properties = &found["Properties"];
        let keys = |partition: &str, sort: &str| {
            json!([
                {"AttributeName": partition, "KeyType": "HASH"},
                {"AttributeName": sort, "KeyType": "RANGE"},
            ])
        };
        assert_eq!(properties["KeySchema"], keys(PARTITION, SORT), "{name}");
        let indexes: Vec<Value> = table
            .index
            .iter()
            .map(|(index, partition, sort)| {
                json!({
                    "IndexName": index, "KeySchema": keys(partition, sort), "Projection": {"ProjectionType": "ALL"}
                })
            })
            .collect();
        let declared = properties.get("GlobalSecondaryIndexes").cloned();
        assert_eq!(declared.unwrap_or(json!([])), json!(indexes), "{name}");
        assert_eq!(
            properties["TimeToLiveSpecification"],
            json!({"AttributeName": EXPIRES_AT, "Enabled": true}),
            "{name}"
        );
        for (member, expected) in [
            ("BillingMode", json!("PAY_PER_REQUEST")),
            ("DeletionProtectionEnabled", json!(true)),
            (
                "PointInTimeRecoverySpecification",
                json!({"PointInTimeRecoveryEnabled": true}),
            ),
            ("SSESpecification", json!({"SSEEnabled": true})),
        ] {
            assert_eq!(properties[member], expected, "{name} {member}");
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_made_again_outlives_the_stack() -> Result<()> {
    let template = Template::read()?;
    for kind in ["AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup"] {
        // A table's name is fixed: one that a failed first deployment left would be in the way of the next.
        let when_deleted = match kind {
            "AWS::DynamoDB::Table" => "RetainExceptOnCreate",
            _ => "Retain",
        };
        for (name, resource) in template.all(kind) {
            assert_eq!(resource["DeletionPolicy"], when_deleted, "{name}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
        }
    }
    Ok(())
}

#[test]
fn every_function_of_the_repository_has_its_own_role_and_log() -> Result<()> {
    let template = Template::read()?;
    let functions = template.functions();
    let mut built = BTreeSet::new();
    for entry in fs::read_dir(Path::new(REPOSITORY).join("functions"))? {
        let directory = entry?.path();
        if directory.join("src/main.rs").exists() {
            built.insert(directory.file_name().unwrap().to_string_lossy().to_lowercase());
        }
    }
    let named: BTreeSet<String> = functions.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(named, built);
    for (name, properties) in functions {
        let uri = format!("../target/lambda/{}/bootstrap.zip", name.to_lowercase());
        assert_eq!(properties["CodeUri"], uri.as_str());
        assert_eq!(
            properties["Role"],
            json!({"Fn::GetAtt": [format!("{name}Role"), "Arn"]}),
            "{name}"
        );
        assert_eq!(
            properties["LoggingConfig"],
            json!({"LogGroup": {"Ref": format!("{name}Logs")}}),
            "{name}"
        );
        ensure!(
            properties.get("Policies").is_none(),
            "{name}: SAM adds nothing of its own"
        );
        let reserved = json!({
            "Fn::If": ["HasReservedConcurrency", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]
        });
        assert_eq!(
            properties.get("ReservedConcurrentExecutions"),
            (name != "Reaper").then_some(&reserved),
            "{name}: a new account can reserve nothing"
        );
    }
    let globals = &template.0["Globals"]["Function"];
    assert_eq!(globals["Tracing"], "Active");
    assert_eq!(globals["Runtime"], "provided.al2023");
    assert_eq!(template.0["Parameters"]["Architecture"]["Default"], "arm64");
    for (name, group) in template.all("AWS::Logs::LogGroup") {
        assert_eq!(
            group["Properties"]["RetentionInDays"],
            json!({"Ref": "LogRetentionDays"}),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn the_linters_have_nothing_to_say() -> Result<()> {
    let bin = venv_python()?.parent().context("a directory")?.to_owned();
    for (program, arguments) in [
        ("cfn-lint", &[TEMPLATE][..]),
        ("sam", &["validate", "--lint", "--template-file", TEMPLATE]),
    ] {
        let mut command = Command::new(bin.join(program));
        command
            .args(arguments)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", "eu-central-1");
        run(&mut command, Duration::from_secs(120))?
            .success()
            .with_context(|| format!("{program} objects"))?;
    }
    Ok(())
}
