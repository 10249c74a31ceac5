//! Where our answers are not the recorded ones, with the reason for each.

use super::{compare::Answer, exchange::Exchange};
use serde_json::{Map, Value, json};

/// What is let pass.
pub(super) enum Allowance {
    /// Another answer is expected: the recorded one, changed.
    Expect(fn(&mut Answer, &Exchange)),
    /// The answer is not compared where it differs.
    #[expect(dead_code, reason = "nothing is skipped any more")]
    Skip,
}

/// One difference.
pub(super) struct Difference {
    pub(super) reason: &'static str,
    /// In which recordings it must occur.
    pub(super) recordings: &'static [&'static str],
    pub(super) applies: fn(&Exchange) -> bool,
    pub(super) allowance: Allowance,
}

const BOTH: &[&str] = &["openbao", "terraform"];
const OPENBAO: &[&str] = &["openbao"];
const TERRAFORM: &[&str] = &["terraform"];

/// All of them. Where several apply to one exchange, they all do, in this order.
pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "dynamic keys are there, which OpenBao has given up: the role and the key are looked at",
        recordings: BOTH,
        applies: |exchange| {
            exchange.path.ends_with("/roles/dyn") && exchange.method == "PUT"
                || exchange.path == "/v1/ssh/keys/k"
        },
        allowance: Allowance::Expect(|answer, exchange| {
            let text = if exchange.path.ends_with("/keys/k") {
                "Invalid key"
            } else if exchange.request["key"].is_string() {
                "invalid 'key': \"k\""
            } else {
                "missing key name"
            };
            refuse(answer, 400, Some(text));
        }),
    },
    // Where Vault and OpenBao differ, the CA key of a mount and the texts of errors are Vault's.
    Difference {
        reason: "Vault's config/ca, sign and issue show no issuer",
        recordings: BOTH,
        applies: |exchange| {
            exchange.status == 200
                && ["/config/ca", "/sign/", "/issue/", "/sys/wrapping/unwrap"]
                    .iter()
                    .any(|part| exchange.path.contains(part))
        },
        allowance: Allowance::Expect(|answer, _| {
            remove(&mut answer.body["data"], &["issuer_id", "issuer_name"])
        }),
    },
    Difference {
        reason: "Vault answers 204 to an imported key and to the end of one",
        recordings: BOTH,
        applies: |exchange| {
            let is_import = exchange.request["private_key"]
                .as_str()
                .is_some_and(|key| !key.is_empty());
            exchange.path.ends_with("/config/ca")
                && exchange.status == 200
                && (is_import || exchange.method == "DELETE")
        },
        allowance: Allowance::Expect(|answer, _| {
            *answer = Answer {
                status: 204,
                body: Value::Null,
            }
        }),
    },
    Difference {
        reason: "Vault knows managed_key_id and managed_key_name",
        recordings: TERRAFORM,
        applies: |exchange| exchange.path.ends_with("/config/ca") && exchange.method == "PUT",
        allowance: Allowance::Expect(|answer, _| {
            if let Some(warnings) = answer.body.get_mut("warnings")
                && warnings.to_string().contains("[managed_key_id managed_key_name]")
            {
                *warnings = Value::Null;
            }
        }),
    },
    Difference {
        reason: "Vault says keys haven't been configured yet, by which the Terraform provider knows it",
        recordings: BOTH,
        applies: |exchange| {
            exchange.method == "GET" && exchange.path.ends_with("/config/ca") && exchange.status == 400
        },
        allowance: Allowance::Expect(|answer, _| {
            refuse(answer, 400, Some("keys haven't been configured yet"))
        }),
    },
    Difference {
        reason: "Vault signs nothing without a key: an internal error",
        recordings: OPENBAO,
        applies: |exchange| exchange.path.contains("/sign/") && is_without_issuer(exchange),
        allowance: Allowance::Expect(|answer, _| {
            refuse(
                answer,
                500,
                Some("1 error occurred:\n\t* error creating signer: no keys configured\n\n"),
            );
        }),
    },
    Difference {
        reason: "Vault has no public_key without a key",
        recordings: OPENBAO,
        applies: |exchange| exchange.path.ends_with("/public_key") && is_without_issuer(exchange),
        allowance: Allowance::Expect(|answer, _| refuse(answer, 404, None)),
    },
    Difference {
        reason: "Vault does not overwrite a CA key",
        recordings: TERRAFORM,
        applies: |exchange| {
            exchange.scenario == "errors-resources"
                && exchange.path.ends_with("/config/ca")
                && exchange.method == "PUT"
        },
        allowance: Allowance::Expect(|answer, _| {
            refuse(
                answer,
                400,
                Some("keys are already configured; delete them before reconfiguring"),
            );
        }),
    },
    Difference {
        reason: "Vault's list of roles names no issuer",
        recordings: OPENBAO,
        applies: |exchange| {
            exchange.path.contains("/roles") && exchange.response["data"]["key_info"].is_object()
        },
        allowance: Allowance::Expect(|answer, _| {
            if let Some(roles) = answer.body["data"]["key_info"].as_object_mut() {
                roles.values_mut().for_each(|role| remove(role, &["issuer_ref"]));
            }
        }),
    },
    Difference {
        reason: "newer Vault's text for a token that is not known",
        recordings: OPENBAO,
        applies: |exchange| {
            let is_bad = exchange.scenario == "bad token" || exchange.scenario.contains("then used");
            is_bad && exchange.status == 403
        },
        allowance: Allowance::Expect(|answer, _| {
            refuse(
                answer,
                403,
                Some("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
            );
        }),
    },
    Difference {
        reason: "Go's words for what is wrong with base64",
        recordings: OPENBAO,
        applies: |exchange| exchange.scenario == "sign, not a key",
        allowance: Allowance::Expect(|answer, _| {
            let text = "failed to parse public_key as SSH key: the key is not valid base64";
            refuse(answer, 400, Some(text));
        }),
    },
    Difference {
        reason: "Vault's text for a body that is not JSON",
        recordings: OPENBAO,
        applies: |exchange| {
            exchange.status == 400
                && exchange
                    .response
                    .to_string()
                    .contains("failed to decode JSON input")
        },
        allowance: Allowance::Expect(|answer, _| refuse(answer, 400, Some("error parsing JSON"))),
    },
    Difference {
        reason: "Vault's answer to a policy has its name and its text",
        recordings: BOTH,
        applies: |exchange| exchange.path.starts_with("/v1/sys/policies/acl/"),
        allowance: Allowance::Expect(|answer, _| {
            let added = [
                "allow_slashes_in_identity_templates",
                "allow_wildcards_in_identity_templates",
            ];
            remove(&mut answer.body["data"], &added);
            remove(&mut answer.body["data"], &["cas_required", "modified", "version"]);
        }),
    },
    Difference {
        reason: "Vault's AppRole has no token_strictly_bind_ip",
        recordings: TERRAFORM,
        applies: |exchange| exchange.path.starts_with("/v1/auth/tf-") && exchange.method == "GET",
        allowance: Allowance::Expect(|answer, _| {
            remove(&mut answer.body["data"], &["token_strictly_bind_ip"])
        }),
    },
    Difference {
        reason: "a mount without options says null, whether null or {} was sent; clients take both alike",
        recordings: TERRAFORM,
        applies: |exchange| is_about_mounts(exchange) && exchange.method == "GET",
        allowance: Allowance::Expect(|answer, _| {
            let null_if_empty = |options: Option<&mut Value>| {
                if let Some(options) = options.filter(|options| **options == json!({})) {
                    *options = Value::Null;
                }
            };
            null_if_empty(answer.body.get_mut("options"));
            null_if_empty(answer.body["data"].get_mut("options"));
        }),
    },
    Difference {
        reason: "a mount moves at once: nothing is queued",
        recordings: TERRAFORM,
        applies: |exchange| exchange.path == "/v1/sys/remount",
        allowance: Allowance::Expect(|answer, _| answer.body["warnings"] = Value::Null),
    },
    Difference {
        reason: "the version is ours, and Vault's members stand beside it",
        recordings: BOTH,
        applies: |exchange| {
            ["/v1/sys/seal-status", "/v1/sys/health", "/v1/sys/leader"].contains(&exchange.path.as_str())
        },
        allowance: Allowance::Expect(|answer, exchange| {
            let body = &mut answer.body;
            match exchange.path.rsplit('/').next() {
                Some("health") => {
                    body["enterprise"] = false.into();
                    body["performance_standby"] = false.into();
                }
                Some("leader") => {
                    for (name, value) in [
                        ("is_self", json!(false)),
                        ("leader_address", json!("")),
                        ("leader_cluster_address", json!("")),
                        ("performance_standby", json!(false)),
                    ] {
                        body[name] = value;
                    }
                    return;
                }
                _ => {
                    remove(body, &["commit_date"]);
                    body["build_date"] = "".into();
                    body["storage_type"] = "dynamodb".into();
                }
            }
            body["version"] = "1.20.0+countersign".into();
        }),
    },
    Difference {
        reason: "the version of a mount's engine is ours",
        recordings: BOTH,
        applies: |exchange| is_about_mounts(exchange) && exchange.status == 200,
        allowance: Allowance::Expect(|answer, _| rename_engine_versions(&mut answer.body)),
    },
    Difference {
        reason: "there are no mounts of identities, of the system and of cubbyholes to list",
        recordings: OPENBAO,
        applies: |exchange| exchange.path == "/v1/sys/mounts",
        allowance: Allowance::Expect(|answer, _| {
            let others = ["cubbyhole/", "identity/", "sys/", "secret/"];
            remove(&mut answer.body, &others);
            remove(&mut answer.body["data"], &others);
        }),
    },
];

fn is_about_mounts(exchange: &Exchange) -> bool {
    let starts = ["/v1/sys/mounts", "/v1/sys/internal/ui/mounts"];
    starts.iter().any(|start| exchange.path.starts_with(start))
}

fn is_without_issuer(exchange: &Exchange) -> bool {
    exchange.response == json!({ "errors": ["no default issuer currently configured"] })
}

fn refuse(answer: &mut Answer, status: u16, text: Option<&str>) {
    let errors: Vec<&str> = text.into_iter().collect();
    *answer = Answer {
        status,
        body: json!({ "errors": errors }),
    };
}

fn remove(object: &mut Value, names: &[&str]) {
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
}

fn rename_engine_versions(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        let renamed: Map<String, Value> = std::mem::take(members)
            .into_iter()
            .map(|(name, mut value)| {
                if name == "running_plugin_version" {
                    value = "v1.20.0+builtin.countersign".into();
                }
                rename_engine_versions(&mut value);
                (name, value)
            })
            .collect();
        *members = renamed;
    }
}
