//! What the template promises and no emulator shows: it makes the store's tables, gives every function what its code
//! calls and no more, and lets nobody else use the keys.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use countersign::store::{EXPIRES_AT, PARTITION, SCHEMA, SORT};
use countersign_tests::{Ministack, run, run_python, venv_python};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/template.yaml");

/// What is allowed with an asterisk in its action or resource, and why there is no narrower way.
const WILDCARDS: &[(&str, &str, &str)] = &[
    (
        "CaKey",
        "AccountAdministersByIam",
        "KMS's own default: without it nobody could change the key; its use is denied below",
    ),
    ("SealingKey", "AccountAdministersByIam", "the same"),
    ("COUNTERSIGN_KEY_POLICY", "AccountAdministersByIam", "the same"),
    ("*", "Trace", "X-Ray knows no resources"),
    (
        "*",
        "MakeCaKeys",
        "a key that does not exist yet has no name: bound to the tags that it must be made with",
    ),
    (
        "*",
        "KeepMadeCaKeys",
        "keys that are made at run time are known by their tag alone",
    ),
    ("*", "SignMadeEd25519", "the same"),
    ("*", "SignMadeDigests", "the same"),
    (
        "*",
        "BindCaKeys",
        "keys that an operator hands over are known by their tag alone",
    ),
    ("*", "SignBoundEd25519", "the same"),
    ("*", "SignBoundDigests", "the same"),
    (
        "*",
        "Subnets",
        "Lambda's own work on network interfaces, which EC2 limits to no resource",
    ),
];

/// The routes that are open whatever a family's callers have to show: hosts ask for a public key, monitors for health.
const OPEN_ROUTES: &[&str] = &["GET /v1/sys/health", "GET /v1/{mount}/public_key"];

struct Template(Value);

impl Template {
    fn read() -> Result<Self> {
        let printed = run_python("contract/infra/template.py", &[TEMPLATE], &[])?.stdout;
        Ok(Self(serde_json::from_str(&printed)?))
    }

    /// The resources of a type, by their logical names.
    fn all(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        resources
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name.as_str(), resource))
            .collect()
    }

    /// The functions: their logical names without `Function`, and their properties.
    fn functions(&self) -> BTreeMap<&str, &Value> {
        let functions = self.all("AWS::Serverless::Function").into_iter();
        functions
            .map(|(name, resource)| (name.strip_suffix("Function").unwrap(), &resource["Properties"]))
            .collect()
    }

    /// The names of the functions. All of them sign.
    fn names(&self) -> Vec<&str> {
        self.functions().into_keys().collect()
    }

    /// Every statement about who may do what, with the logical name of what it stands at.
    fn statements(&self) -> Vec<(&str, &Value)> {
        let mut statements = Vec::new();
        for (name, role) in self.all("AWS::IAM::Role") {
            for policy in role["Properties"]["Policies"].as_array().unwrap() {
                statements.extend(of_document(&policy["PolicyDocument"]).map(|statement| (name, statement)));
            }
        }
        for kind in ["AWS::KMS::Key", "AWS::SNS::TopicPolicy"] {
            for (name, resource) in self.all(kind) {
                let properties = &resource["Properties"];
                let document = ["KeyPolicy", "PolicyDocument"]
                    .iter()
                    .find_map(|member| properties.get(member))
                    .unwrap();
                statements.extend(of_document(document).map(|statement| (name, statement)));
            }
        }
        statements
    }

    /// The statement `sid` of the role of a function.
    fn of_role(&self, function: &str) -> Vec<&Value> {
        let role = format!("{function}Role");
        let statements = self.statements().into_iter();
        statements
            .filter(|(name, _)| *name == role)
            .map(|(_, statement)| statement)
            .collect()
    }

    /// The actions of a service that a function's role may take.
    fn actions(&self, function: &str, service: &str) -> BTreeSet<String> {
        let statements = self.of_role(function).into_iter();
        statements
            .flat_map(|statement| texts(&statement["Action"]))
            .filter(|action| action.starts_with(service))
            .collect()
    }
}

/// The statements of a policy; those that stand under a condition of the template too.
fn of_document(document: &Value) -> impl Iterator<Item = &Value> {
    let statements = document["Statement"].as_array().unwrap().iter();
    statements.map(|statement| statement.get("Fn::If").map_or(statement, |choice| &choice[1]))
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

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
        for (name, resource) in template.all(kind) {
            for member in ["DeletionPolicy", "UpdateReplacePolicy"] {
                assert_eq!(resource[member], "Retain", "{name} {member}");
            }
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
        ensure!(properties.get("ReservedConcurrentExecutions").is_some(), "{name}");
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
fn no_wildcard_stands_without_a_reason() -> Result<()> {
    let template = Template::read()?;
    let policy = made_key_policy(&template)?;
    let mut statements = template.statements();
    statements.extend(of_document(&policy).map(|statement| ("COUNTERSIGN_KEY_POLICY", statement)));
    let mut used = BTreeSet::new();
    for (owner, statement) in statements {
        if statement["Effect"] != "Allow" {
            continue;
        }
        ensure!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none());
        let words = [texts(&statement["Action"]), texts(&statement["Resource"])].concat();
        if !words.iter().any(|word| word.contains('*')) {
            continue;
        }
        let sid = statement["Sid"].as_str().context("a statement has a name")?;
        let listed = WILDCARDS
            .iter()
            .position(|(at, name, _)| *name == sid && (*at == "*" || *at == owner));
        used.insert(listed.with_context(|| format!("{owner} {sid} has a wildcard: {statement}"))?);
        ensure!(
            owner.ends_with("Role") || sid == "AccountAdministersByIam",
            "{owner} {sid}"
        );
        if sid != "AccountAdministersByIam" {
            ensure!(
                !texts(&statement["Action"])
                    .iter()
                    .any(|action| action.contains('*')),
                "{owner} {sid}: no role has an action with an asterisk"
            );
        }
    }
    assert_eq!(
        used.len(),
        WILDCARDS.len(),
        "the list is no longer than it has to be"
    );
    Ok(())
}

/// The operations that code calls on a client of the SDK.
fn called(directory: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for path in sources(&Path::new(REPOSITORY).join(directory))? {
        let text = fs::read_to_string(&path)?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for operation in [
            "batch_get_item",
            "batch_write_item",
            "create_alias",
            "create_grant",
            "create_key",
            "decrypt",
            "delete_item",
            "describe_key",
            "disable_key",
            "enable_key",
            "encrypt",
            "generate_data_key",
            "get_item",
            "get_public_key",
            "put_item",
            "put_key_policy",
            "query",
            "scan",
            "schedule_key_deletion",
            "sign",
            "tag_resource",
            "transact_get_items",
            "transact_write_items",
            "update_item",
        ] {
            if code.contains(&format!(".{operation}()")) {
                found.insert(operation.to_owned());
            }
        }
    }
    Ok(found)
}

/// The Rust files below a directory, without tests.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path)?);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    Ok(found)
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_store_calls_what_the_functions_may_do_with_the_tables() -> Result<()> {
    assert_eq!(
        called("shared/src/store/dynamodb")?,
        // The last stands for PutItem, DeleteItem and ConditionCheckItem, by which IAM judges what is in it.
        set(&[
            "batch_get_item",
            "delete_item",
            "get_item",
            "put_item",
            "query",
            "transact_write_items"
        ])
    );
    let all = set(&[
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
    ]);
    let template = Template::read()?;
    for family in template.names() {
        assert_eq!(template.actions(family, "dynamodb:"), all, "{family}");
    }
    Ok(())
}

#[test]
fn each_family_has_the_kms_actions_that_its_code_leads_to() -> Result<()> {
    assert_eq!(
        called("shared/src/signer/kms")?,
        set(&[
            "create_key",
            "decrypt",
            "describe_key",
            "disable_key",
            "encrypt",
            "get_public_key",
            "sign"
        ])
    );
    let template = Template::read()?;
    for family in template.names() {
        let directory = format!("functions/{}/src", family.to_lowercase());
        let mut code = String::new();
        for path in sources(&Path::new(REPOSITORY).join(directory))? {
            code.push_str(&fs::read_to_string(path)?);
        }
        // Whoever issues may meet an authority whose key is sealed.
        let mut needed = set(&["kms:Sign", "kms:Decrypt"]);
        for (word, actions) in [
            // A key is made with its tags, and disabled where its public half cannot be had.
            (
                "KeySource::New",
                &[
                    "kms:CreateKey",
                    "kms:TagResource",
                    "kms:GetPublicKey",
                    "kms:DisableKey",
                ][..],
            ),
            ("KeySource::Import", &["kms:Encrypt"]),
            ("KeySource::Kms", &["kms:DescribeKey", "kms:GetPublicKey"]),
            ("keyring.seal", &["kms:Encrypt"]),
            ("retire", &["kms:DisableKey"]),
            ("warm_services", &["kms:DescribeKey"]),
        ] {
            if code.contains(word) {
                needed.extend(set(actions));
            }
        }
        assert_eq!(template.actions(family, "kms:"), needed, "{family}");
    }
    Ok(())
}

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
fn made_key_policy(template: &Template) -> Result<Value> {
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

#[test]
fn every_alarm_is_sent_and_every_metric_has_one() -> Result<()> {
    let template = Template::read()?;
    let alarms = template.all("AWS::CloudWatch::Alarm");
    for (name, alarm) in &alarms {
        assert_eq!(
            alarm["Properties"]["AlarmActions"],
            json!([{"Ref": "AlarmTopic"}]),
            "{name}"
        );
    }
    let has = |namespace: &str, metric: &str| {
        alarms.values().any(|alarm| {
            let properties = &alarm["Properties"];
            properties["Namespace"] == namespace && properties["MetricName"] == metric
        })
    };
    for (namespace, metric) in [
        ("AWS/ApiGateway", "5xx"),
        ("AWS/Lambda", "Throttles"),
        ("Countersign", "KmsErrors"),
        ("AWS/Events", "TriggeredRules"),
    ] {
        ensure!(has(namespace, metric), "{namespace} {metric}");
    }
    for function in template.functions().into_keys() {
        ensure!(
            alarms.contains_key(format!("{function}ThrottleAlarm").as_str()),
            "{function}"
        );
    }
    Ok(())
}

#[test]
fn the_gateway_throttles_logs_and_asks_who_calls() -> Result<()> {
    let template = Template::read()?;
    let stage = &template.all("AWS::ApiGatewayV2::Stage")["HttpStage"]["Properties"];
    for limit in ["ThrottlingBurstLimit", "ThrottlingRateLimit"] {
        assert_eq!(stage["DefaultRouteSettings"][limit], json!({"Ref": limit}));
    }
    let format = stage["AccessLogSettings"]["Format"]
        .as_str()
        .context("a format")?;
    let members: Value = serde_json::from_str(format).context("each line is JSON")?;
    ensure!(members["ip"] == "$context.identity.sourceIp" && members["status"] == "$context.status");
    ensure!(!format.contains("query"), "a query can hold a secret");
    for (name, route) in template.all("AWS::ApiGatewayV2::Route") {
        let properties = &route["Properties"];
        let family = properties["Target"]["Fn::Sub"]
            .as_str()
            .and_then(|target| {
                target
                    .strip_prefix("integrations/${")?
                    .strip_suffix("Integration}")
            })
            .with_context(|| format!("{name} leads nowhere"))?;
        if OPEN_ROUTES.contains(&properties["RouteKey"].as_str().unwrap()) {
            assert_eq!(properties["AuthorizationType"], "NONE", "{name}");
        } else {
            assert_eq!(
                properties["AuthorizationType"],
                json!({"Ref": format!("{family}Authorization")}),
                "{name}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_roles_may_do_their_work_and_no_more_where_iam_is_enforced() -> Result<()> {
    let ministack = Ministack::start_with(&[("AUTH", "true")])?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("template.json");
    fs::write(&file, serde_json::to_vec(&Template::read()?.0)?)?;
    let endpoint = ministack.endpoint();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    run_python(
        "contract/infra/roles.py",
        &[file.to_str().context("the path is text")?],
        &environment,
    )?;
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
