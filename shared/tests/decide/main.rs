//! What `decide` allows and refuses, by example and by property.

#![allow(missing_docs, clippy::unwrap_used)]

mod keys;
mod lifetime;
mod options;
mod principals;
mod properties;

use countersign::{
    decide::{IssuancePlan, Request, RequestedKeyId, RequestedValidity, decide},
    refusal::Refusal,
    role::{CertTypeRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules, Role},
    ssh::PublicKey,
    types::CertType,
};
use std::collections::BTreeMap;

const NOW: u64 = 1_800_000_000;

fn map(options: &[(&str, &str)]) -> BTreeMap<String, String> {
    options
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn listed(names: &[&str]) -> OptionNames {
    OptionNames::Listed(names.iter().map(|name| (*name).to_owned()).collect())
}

/// A role that allows alice and deploy for an hour.
fn role() -> Role {
    let rules = CertTypeRules {
        principals: PrincipalRules {
            allowed: vec![
                PrincipalMatcher::Exact("alice".into()),
                PrincipalMatcher::Exact("deploy".into()),
            ],
            default: vec!["alice".into()],
        },
        critical_options: OptionRules {
            default: map(&[("force-command", "id")]),
            allowed: listed(&["source-address", "force-command", "verify-required"]),
            ..OptionRules::default()
        },
        extensions: OptionRules {
            default: map(&[("permit-pty", "")]),
            allowed: listed(&["permit-pty", "permit-port-forwarding"]),
            ..OptionRules::default()
        },
    };
    Role {
        user: Some(rules),
        lifetime: LifetimeRules {
            default_ttl_secs: 600,
            max_ttl_secs: 3600,
            backdate_secs: 30,
        },
        ..Role::default()
    }
}

fn host_role(allowed: Vec<PrincipalMatcher>) -> Role {
    let principals = PrincipalRules {
        allowed,
        default: vec![],
    };
    let user = role().user.unwrap();
    Role {
        host: Some(CertTypeRules { principals, ..user }),
        user: None,
        ..role()
    }
}

fn request() -> Request {
    Request {
        subject_key: PublicKey::ed25519([1; 32]),
        cert_type: CertType::User,
        principals: None,
        validity: RequestedValidity::RoleDefault,
        key_id: RequestedKeyId::Default("alice@example.com".into()),
        critical_options: None,
        extensions: None,
    }
}

fn host_request(principal: &str) -> Request {
    Request {
        cert_type: CertType::Host,
        principals: Some(vec![principal.into()]),
        ..request()
    }
}

fn refusal(role: &Role, request: &Request) -> Refusal {
    decide(role, request, NOW).expect_err("this must be refused")
}

fn principals(plan: &IssuancePlan) -> Vec<&str> {
    plan.valid_principals().iter().collect()
}

#[test]
fn a_silent_request_gets_the_defaults_of_the_role() {
    let plan = decide(&role(), &request(), NOW).unwrap();
    assert_eq!(principals(&plan), ["alice"]);
    assert_eq!(plan.key_id().as_str(), "alice@example.com");
    assert_eq!(
        plan.critical_options().iter().collect::<Vec<_>>(),
        [("force-command", "id")]
    );
    assert_eq!(plan.extensions().iter().collect::<Vec<_>>(), [("permit-pty", "")]);
    assert_eq!(
        (plan.validity().valid_after(), plan.validity().valid_before()),
        (NOW - 30, NOW + 600)
    );
}

#[test]
fn what_is_asked_for_replaces_the_defaults_entirely() {
    let request = Request {
        principals: Some(vec!["deploy".into(), "alice".into()]),
        critical_options: Some(map(&[("source-address", "10.1.2.3/8")])),
        extensions: Some(map(&[("permit-port-forwarding", "")])),
        validity: RequestedValidity::Ttl(3600),
        ..request()
    };
    let plan = decide(&role(), &request, NOW).unwrap();
    assert_eq!(
        principals(&plan),
        ["deploy", "alice"],
        "in the order that was asked for"
    );
    assert_eq!(
        plan.critical_options().iter().collect::<Vec<_>>(),
        [("source-address", "10.0.0.0/8")]
    );
    assert_eq!(
        plan.extensions().iter().collect::<Vec<_>>(),
        [("permit-port-forwarding", "")]
    );
    assert_eq!(plan.validity().valid_before(), NOW + 3600);
}

#[test]
fn a_role_allows_only_its_certificate_types() {
    assert_eq!(
        refusal(&role(), &host_request("alice")),
        Refusal::CertTypeNotAllowed(CertType::Host)
    );
    let host_only = host_role(vec![PrincipalMatcher::Any]);
    assert_eq!(
        refusal(&host_only, &request()),
        Refusal::CertTypeNotAllowed(CertType::User)
    );
}
