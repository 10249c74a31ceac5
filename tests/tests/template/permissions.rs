//! Who may do what: no more than the code calls.

use crate::document::{Template, of_document, texts};
use crate::{REPOSITORY, keys::made_key_policy};
use anyhow::{Context, Result, ensure};
use countersign_tests::{Ministack, run_python};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

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
        "TagCaKeys",
        "the same: IAM cannot tell a key that is being made from another",
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

/// Every variable is a name, a number or a policy; whoever adds one looks here whether it is a secret.
#[test]
fn the_environment_of_a_function_holds_names_and_no_secret() -> Result<()> {
    let template = Template::read()?;
    let variables = |properties: &Value| -> BTreeSet<String> {
        let variables = properties["Environment"]["Variables"].as_object();
        variables
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let mut all = variables(&template.0["Globals"]["Function"]);
    for properties in template.functions().values() {
        all.extend(variables(properties));
    }
    let known = [
        "COUNTERSIGN_KEEP_SIGNATURES",
        "COUNTERSIGN_KEY_POLICY",
        "COUNTERSIGN_METRICS",
        "COUNTERSIGN_PRIVATE_KEY_HOURS",
        "COUNTERSIGN_RETENTION_DAYS",
        "COUNTERSIGN_SEALING_KEY",
        "COUNTERSIGN_TABLE_PREFIX",
    ];
    assert_eq!(all, set(&known));
    let text = template.0.to_string();
    ensure!(
        !text.contains("{{resolve:"),
        "no secret is filled in from elsewhere"
    );
    ensure!(!text.contains("NoEcho"), "no parameter is a secret");
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
            // A call of the client, or a request that is built to be sent with it.
            if code.contains(&format!(".{operation}()"))
                || code.contains(&format!("operation::{operation}::builders::"))
            {
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

/// The code of a function, without tests.
fn code_of(function: &str) -> Result<String> {
    let directory = format!("functions/{}/src", function.to_lowercase());
    let mut code = String::new();
    for path in sources(&Path::new(REPOSITORY).join(directory))? {
        code.push_str(&fs::read_to_string(path)?);
    }
    Ok(code)
}

/// Whether a function meets authorities whose KMS keys an operator made: it binds such keys itself, it serves every
/// authority of the account, or it signs on behalf of a family that does.
pub(crate) fn may_sign_with_bound_keys(function: &str) -> Result<bool> {
    let code = code_of(function)?;
    if code.contains("KeySource::Kms") || code.contains("Authority::page") {
        return Ok(true);
    }
    match code.contains("countersign_venafi::carry_out_pending") {
        true => may_sign_with_bound_keys("Venafi"),
        false => Ok(false),
    }
}

/// Whether a function reads certificates in the order in which they were issued: what the table's index is for.
fn lists_certificates(function: &str) -> Result<bool> {
    let code = code_of(function)?;
    Ok(code.contains("certificates::list(") || code.contains("certificate_search::"))
}

#[test]
fn only_families_that_list_certificates_may_read_their_index() -> Result<()> {
    let template = Template::read()?;
    for function in template.names() {
        let statements = template.of_role(function).into_iter();
        let reads = statements
            .flat_map(|statement| texts(&statement["Resource"]))
            .any(|resource| resource.contains("/index/"));
        assert_eq!(reads, lists_certificates(function)?, "{function}");
    }
    ensure!(lists_certificates("Vault")? && lists_certificates("Ngrok")?);
    Ok(())
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
        let code = code_of(family)?;
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
fn the_roles_may_do_their_work_and_no_more_where_iam_is_enforced() -> Result<()> {
    let ministack = Ministack::start_with(&[("AUTH", "true")])?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("template.json");
    let template = Template::read()?;
    fs::write(&file, serde_json::to_vec(&template.0)?)?;
    let (mut bound, mut listing) = (Vec::new(), Vec::new());
    for function in template.names() {
        let role = format!("{function}Role");
        if may_sign_with_bound_keys(function)? {
            bound.push(role.clone());
        }
        if lists_certificates(function)? {
            listing.push(role);
        }
    }
    let endpoint = ministack.endpoint();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    run_python(
        "contract/infra/roles.py",
        &[
            file.to_str().context("the path is text")?,
            &bound.join(","),
            &listing.join(","),
        ],
        &environment,
    )?;
    Ok(())
}
