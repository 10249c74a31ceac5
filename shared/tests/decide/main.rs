//! What `decide` allows and refuses, by example and by property.

#![allow(missing_docs, clippy::unwrap_used)]

use countersign::{
    decide::{IssuancePlan, Request, RequestedKeyId, RequestedValidity, decide},
    refusal::Refusal,
    role::{
        CertTypeRules, HostNames, KeyIdRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher,
        PrincipalRules, Role, SubjectKeyRule, SubjectKeyRules, ValueRule,
    },
    ssh::{Curve, KeyKind, OptionsError, PublicKey},
    types::{CertKeyIdError, CertType, CidrList, CidrListError, Pattern, PrincipalsError, ValidityError},
};
use proptest::prelude::*;
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

#[test]
fn nobody_is_anyone() {
    let with_rules = |allowed: Vec<PrincipalMatcher>, default: Vec<String>| {
        let mut role = role();
        role.user.as_mut().unwrap().principals = PrincipalRules { allowed, default };
        role
    };
    let nobody = Refusal::Principals(PrincipalsError::Empty);
    let anyone = with_rules(vec![PrincipalMatcher::Any], vec![]);
    assert_eq!(refusal(&anyone, &request()), nobody);
    assert_eq!(
        refusal(
            &anyone,
            &Request {
                principals: Some(vec![]),
                ..request()
            }
        ),
        nobody
    );
    assert_eq!(
        refusal(
            &role(),
            &Request {
                principals: Some(vec![]),
                ..request()
            }
        ),
        nobody
    );
    let no_one = with_rules(vec![], vec!["alice".into()]);
    assert_eq!(refusal(&no_one, &request()), Refusal::PrincipalsNotConfigured);
}

#[test]
fn a_default_principal_must_be_allowed_too() {
    let mut role = role();
    role.user.as_mut().unwrap().principals.default = vec!["mallory".into()];
    assert_eq!(
        refusal(&role, &request()),
        Refusal::PrincipalNotAllowed("mallory".into())
    );
}

#[test]
fn principals_are_compared_byte_for_byte() {
    for name in ["Alice", "alice ", "*", "alice,deploy", ""] {
        let request = Request {
            principals: Some(vec![name.into()]),
            ..request()
        };
        assert_eq!(
            refusal(&role(), &request),
            Refusal::PrincipalNotAllowed(name.into())
        );
    }
}

#[test]
fn a_host_name_may_be_a_subdomain_at_any_depth_but_not_the_domain_itself() {
    let role = host_role(vec![PrincipalMatcher::Subdomain("example.com".into())]);
    for name in ["a.example.com", "a.b.example.com"] {
        assert!(decide(&role, &host_request(name), NOW).is_ok(), "{name}");
    }
    for name in [
        "example.com",
        ".example.com",
        "badexample.com",
        "a.example.org",
        "example.com.evil.org",
    ] {
        assert_eq!(
            refusal(&role, &host_request(name)),
            Refusal::PrincipalNotAllowed(name.into())
        );
    }
}

#[test]
fn a_host_pattern_passes_only_where_the_role_has_that_very_text() {
    let matchers = [
        PrincipalMatcher::Any,
        PrincipalMatcher::Subdomain("example.com".into()),
        PrincipalMatcher::Pattern(Pattern::parse(".*").unwrap()),
    ];
    for matcher in matchers {
        let role = host_role(vec![matcher]);
        for name in ["*.example.com", "?.example.com"] {
            assert_eq!(
                refusal(&role, &host_request(name)),
                Refusal::PrincipalNotAllowed(name.into())
            );
        }
    }
    let exact = host_role(vec![PrincipalMatcher::Exact("*.example.com".into())]);
    assert!(decide(&exact, &host_request("*.example.com"), NOW).is_ok());
}

#[test]
fn host_certificates_have_no_critical_options() {
    let role = host_role(vec![PrincipalMatcher::Any]);
    let plan = decide(&role, &host_request("web.example.com"), NOW).unwrap();
    assert!(
        plan.critical_options().is_empty(),
        "the role's default is left out"
    );
    let none = Request {
        critical_options: Some(map(&[])),
        ..host_request("web.example.com")
    };
    assert!(decide(&role, &none, NOW).is_ok(), "none is what it gets");
    let asked = Request {
        critical_options: Some(map(&[("force-command", "id")])),
        ..host_request("web")
    };
    assert_eq!(
        refusal(&role, &asked),
        Refusal::HostCriticalOptions(vec!["force-command".into()])
    );
}

#[test]
fn the_lifetime_never_exceeds_the_maximum() {
    let with = |validity| Request {
        validity,
        ..request()
    };
    let window = |valid_after, valid_before| {
        with(RequestedValidity::Window {
            valid_after,
            valid_before,
        })
    };
    for request in [
        with(RequestedValidity::Ttl(3601)),
        with(RequestedValidity::Ttl(u64::MAX)),
        with(RequestedValidity::Until(NOW + 3601)),
        window(NOW, NOW + 3601),
        window(NOW - 31, NOW + 3600),
        window(NOW + 10, NOW + 3611),
        window(0, u64::MAX),
    ] {
        assert_eq!(
            refusal(&role(), &request),
            Refusal::TtlTooLong(3600),
            "{:?}",
            request.validity
        );
    }
    for request in [
        with(RequestedValidity::Ttl(3600)),
        with(RequestedValidity::Until(NOW + 3600)),
        window(NOW - 30, NOW + 3600),
        window(NOW + 10, NOW + 3610),
    ] {
        assert!(decide(&role(), &request, NOW).is_ok(), "{:?}", request.validity);
    }
}

#[test]
fn a_default_lifetime_is_cut_to_the_maximum() {
    let mut role = role();
    role.lifetime.default_ttl_secs = 1_000_000;
    assert_eq!(
        decide(&role, &request(), NOW).unwrap().validity().valid_before(),
        NOW + 3600
    );
}

#[test]
fn certificates_that_are_never_valid_are_refused() {
    let with = |validity| {
        refusal(
            &role(),
            &Request {
                validity,
                ..request()
            },
        )
    };
    assert_eq!(with(RequestedValidity::Ttl(0)), Refusal::AlreadyExpired);
    assert_eq!(with(RequestedValidity::Until(NOW)), Refusal::AlreadyExpired);
    let inverted = RequestedValidity::Window {
        valid_after: NOW + 20,
        valid_before: NOW + 10,
    };
    assert_eq!(with(inverted), Refusal::Validity(ValidityError::Empty));
}

#[test]
fn a_backdate_before_1970_is_cut() {
    assert_eq!(
        decide(&role(), &request(), 10).unwrap().validity().valid_after(),
        0
    );
}

#[test]
fn the_caller_chooses_a_key_id_only_where_the_role_lets_it() {
    let chosen = |text: &str| Request {
        key_id: RequestedKeyId::Chosen(text.into()),
        ..request()
    };
    let with = |key_ids| Role { key_ids, ..role() };
    assert_eq!(
        refusal(&with(KeyIdRules::Default), &chosen("x")),
        Refusal::KeyIdNotAllowed
    );
    assert_eq!(
        decide(&with(KeyIdRules::Any), &chosen("x"), NOW)
            .unwrap()
            .key_id()
            .as_str(),
        "x"
    );
    let pattern = with(KeyIdRules::Matching(vec![Pattern::parse("svc-.+").unwrap()]));
    assert!(decide(&pattern, &chosen("svc-web"), NOW).is_ok());
    assert_eq!(refusal(&pattern, &chosen("web")), Refusal::KeyIdNotAllowed);
    let newline = refusal(&with(KeyIdRules::Any), &chosen("a\nb"));
    assert_eq!(newline, Refusal::KeyId(CertKeyIdError::ControlCharacter));
}

#[test]
fn subject_keys_are_held_to_their_kind_and_exact_size() {
    let p256 = SubjectKeyRule {
        kind: KeyKind::Ecdsa,
        sizes: Some(vec![256]),
    };
    let rsa = SubjectKeyRule {
        kind: KeyKind::Rsa,
        sizes: Some(vec![4096]),
    };
    let role = Role {
        subject_keys: SubjectKeyRules::Listed(vec![p256, rsa]),
        ..role()
    };
    let rsa_2048 = PublicKey::rsa(&[1, 0, 1], &[0xff; 256]).unwrap();
    let rsa_4096 = PublicKey::rsa(&[1, 0, 1], &[0xff; 512]).unwrap();
    let with = |subject_key| Request {
        subject_key,
        ..request()
    };
    assert_eq!(
        refusal(&role, &request()),
        Refusal::SubjectKeyKind(KeyKind::Ed25519)
    );
    assert_eq!(
        refusal(&role, &with(rsa_2048)),
        Refusal::SubjectKeySize(KeyKind::Rsa, 2048)
    );
    assert!(decide(&role, &with(rsa_4096), NOW).is_ok());
    let nothing = Role {
        subject_keys: SubjectKeyRules::Listed(vec![]),
        ..role
    };
    assert_eq!(
        refusal(&nothing, &request()),
        Refusal::SubjectKeyKind(KeyKind::Ed25519)
    );
}

#[test]
fn options_outside_the_list_are_refused_by_name() {
    let critical = Request {
        critical_options: Some(map(&[("a@b", ""), ("c@d", "")])),
        ..request()
    };
    assert_eq!(
        refusal(&role(), &critical),
        Refusal::CriticalOptionsNotAllowed(vec!["a@b".into(), "c@d".into()])
    );
    let extension = Request {
        extensions: Some(map(&[("permit-X11-forwarding", "")])),
        ..request()
    };
    assert_eq!(
        refusal(&role(), &extension),
        Refusal::ExtensionsNotAllowed(vec!["permit-X11-forwarding".into()])
    );
}

#[test]
fn a_restriction_never_goes_where_sshd_ignores_it() {
    let mut role = role();
    role.user.as_mut().unwrap().extensions.allowed = OptionNames::Any;
    for name in ["force-command", "source-address", "verify-required"] {
        let request = Request {
            extensions: Some(map(&[(name, "x")])),
            ..request()
        };
        assert_eq!(
            refusal(&role, &request),
            Refusal::Extensions(OptionsError::WrongTable(name.into()))
        );
    }
    role.user.as_mut().unwrap().extensions.default = map(&[("source-address", "10.0.0.0/8")]);
    let refused = Refusal::Extensions(OptionsError::WrongTable("source-address".into()));
    assert_eq!(refusal(&role, &request()), refused, "a default neither");
}

#[test]
fn verify_required_needs_a_key_that_can_verify() {
    let asked = Request {
        critical_options: Some(map(&[("verify-required", "")])),
        ..request()
    };
    assert_eq!(refusal(&role(), &asked), Refusal::VerifyRequiredNeedsSecurityKey);
    let line = concat!(
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
        "AQEBAQEBAQEBAAAABHNzaDo="
    );
    let subject_key = PublicKey::from_line(line).unwrap();
    assert!(decide(&role(), &Request { subject_key, ..asked }, NOW).is_ok());
}

#[test]
fn option_values_are_held_to_their_rules() {
    let mut role = role();
    let rules = &mut role.user.as_mut().unwrap().critical_options;
    let networks = |names| ValueRule::Networks {
        within: Some(CidrList::parse("10.0.0.0/8").unwrap()),
        names,
    };
    rules
        .values
        .insert("source-address".into(), networks(HostNames::None));
    rules.values.insert(
        "force-command".into(),
        ValueRule::Matching(vec![Pattern::parse("/opt/.+").unwrap()]),
    );
    let with = |name: &str, value: &str| Request {
        critical_options: Some(map(&[(name, value)])),
        ..request()
    };
    assert!(decide(&role, &with("source-address", "10.2.0.0/16"), NOW).is_ok());
    assert!(decide(&role, &with("force-command", "/opt/backup"), NOW).is_ok());
    for (name, value) in [
        ("source-address", "11.0.0.0/8"),
        ("source-address", "0.0.0.0/0"),
        ("force-command", "sh /opt/x"),
    ] {
        assert_eq!(
            refusal(&role, &with(name, value)),
            Refusal::OptionValueNotAllowed(name.into()),
            "{value}"
        );
    }
    let name = with("source-address", "bastion.example.com");
    let not_a_network = Refusal::SourceAddress(CidrListError::NotANetwork("bastion.example.com".into()));
    assert_eq!(refusal(&role, &name), not_a_network);
    let rules = &mut role.user.as_mut().unwrap().critical_options;
    rules
        .values
        .insert("source-address".into(), networks(HostNames::Any));
    assert_eq!(
        refusal(&role, &name),
        not_a_network,
        "a name cannot be held to a network"
    );
    let rules = &mut role.user.as_mut().unwrap().critical_options;
    rules.values.insert(
        "source-address".into(),
        ValueRule::Networks {
            within: None,
            names: HostNames::Any,
        },
    );
    let source_address = |role: &Role, asked: &Request| {
        let plan = decide(role, asked, NOW).unwrap();
        plan.critical_options()
            .value("source-address")
            .map(str::to_owned)
            .unwrap()
    };
    assert_eq!(source_address(&role, &name), "bastion.example.com");
    let mixed = with("source-address", "bastion.example.com, 10.1.2.3/8");
    assert_eq!(source_address(&role, &mixed), "10.0.0.0/8,bastion.example.com");
    assert!(matches!(
        refusal(&role, &with("source-address", "a b,10.0.0.0/8")),
        Refusal::SourceAddress(_)
    ));
    let rules = &mut role.user.as_mut().unwrap().critical_options;
    let listed = HostNames::Listed(["bastion.example.com".to_owned()].into());
    rules.values.insert("source-address".into(), networks(listed));
    assert_eq!(source_address(&role, &mixed), "10.0.0.0/8,bastion.example.com");
    for value in [
        "other.example.com",
        "bastion.example.com,11.0.0.0/8",
        "10.0.0.1,,bastion.example.com",
    ] {
        assert_eq!(
            refusal(&role, &with("source-address", value)),
            Refusal::OptionValueNotAllowed("source-address".into()),
            "{value}"
        );
    }
}

// --- Properties

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab*?.]{0,4}", 0..4)
}

fn matcher() -> impl Strategy<Value = PrincipalMatcher> {
    prop_oneof![
        Just(PrincipalMatcher::Any),
        "[ab*?.]{0,4}".prop_map(PrincipalMatcher::Exact),
        "[ab.]{0,2}".prop_map(PrincipalMatcher::Subdomain),
        "[ab.]{1,3}[*]?".prop_map(|text| PrincipalMatcher::Pattern(Pattern::parse(&text).unwrap())),
    ]
}

fn options() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = prop_oneof![
        Just("permit-pty"),
        Just("force-command"),
        Just("source-address"),
        Just("verify-required"),
        Just("x@y")
    ];
    let value = prop_oneof![Just(""), Just("10.1.1.1/8"), Just("id")];
    prop::collection::btree_map(name.prop_map(str::to_owned), value.prop_map(str::to_owned), 0..3)
}

fn option_rules() -> impl Strategy<Value = OptionRules> {
    (options(), prop::option::of(options())).prop_map(|(default, allowed)| OptionRules {
        default,
        allowed: allowed.map_or(OptionNames::Any, |names| {
            OptionNames::Listed(names.into_keys().collect())
        }),
        values: BTreeMap::new(),
    })
}

fn rules() -> impl Strategy<Value = CertTypeRules> {
    (
        prop::collection::vec(matcher(), 0..4),
        names(),
        option_rules(),
        option_rules(),
    )
        .prop_map(|(allowed, default, critical_options, extensions)| CertTypeRules {
            principals: PrincipalRules { allowed, default },
            critical_options,
            extensions,
        })
}

fn any_role() -> impl Strategy<Value = Role> {
    let lifetime = (0..5000u64, 0..5000u64, 0..100u64);
    (prop::option::of(rules()), prop::option::of(rules()), lifetime).prop_map(|(user, host, lifetime)| Role {
        user,
        host,
        lifetime: LifetimeRules {
            default_ttl_secs: lifetime.0,
            max_ttl_secs: lifetime.1,
            backdate_secs: lifetime.2,
        },
        ..Role::default()
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    let validity = prop_oneof![
        Just(RequestedValidity::RoleDefault),
        (0..6000u64).prop_map(RequestedValidity::Ttl),
        (0..6000u64).prop_map(|secs| RequestedValidity::Until(NOW + secs)),
        (0..6000u64, 0..6000u64).prop_map(|(a, b)| RequestedValidity::Window {
            valid_after: NOW - 3000 + a,
            valid_before: NOW - 3000 + b
        }),
    ];
    let parts = (any::<bool>(), prop::option::of(names()), validity);
    (parts, prop::option::of(options()), prop::option::of(options())).prop_map(
        |((host, principals, validity), critical_options, extensions)| Request {
            subject_key: PublicKey::ed25519([1; 32]),
            cert_type: if host { CertType::Host } else { CertType::User },
            principals,
            validity,
            key_id: RequestedKeyId::Default("id".into()),
            critical_options,
            extensions,
        },
    )
}

proptest! {
    /// Whatever is granted lies within the role.
    #[test]
    fn a_plan_never_exceeds_its_role(role in any_role(), request in any_request()) {
        let Ok(plan) = decide(&role, &request, NOW) else { return Ok(()) };
        let rules = role.rules(request.cert_type).expect("the type is allowed");
        prop_assert!((1..=256).contains(&plan.valid_principals().iter().len()));
        for name in plan.valid_principals().iter() {
            prop_assert!(rules.principals.allowed.iter().any(|rule| rule.matches(request.cert_type, name)));
            prop_assert!(!name.is_empty() && !name.contains(','));
        }
        let limits = role.lifetime;
        prop_assert!(plan.validity().length_secs() <= limits.max_ttl_secs + limits.backdate_secs);
        prop_assert!(plan.validity().valid_before() > NOW);
        for (name, _) in plan.critical_options().iter() {
            prop_assert!(request.cert_type == CertType::User, "hosts have no critical options");
            let options = &rules.critical_options;
            prop_assert!(options.allowed.allows(name) || options.default.contains_key(name));
            prop_assert!(name != "verify-required" && name != "permit-pty");
        }
        for (name, _) in plan.extensions().iter() {
            let options = &rules.extensions;
            prop_assert!(options.allowed.allows(name) || options.default.contains_key(name));
            prop_assert!(!["force-command", "source-address", "verify-required"].contains(&name));
        }
    }

    /// Taking something away from a role never lets more through.
    #[test]
    fn a_narrower_role_never_grants_more(role in any_role(), request in any_request(), cut in 0usize..4) {
        let mut narrow = role.clone();
        for rules in [&mut narrow.user, &mut narrow.host].into_iter().flatten() {
            match cut {
                0 => { rules.principals.allowed.pop(); }
                1 => rules.extensions.allowed = OptionNames::Listed(Default::default()),
                2 => rules.critical_options.allowed = OptionNames::Listed(Default::default()),
                _ => {}
            }
        }
        if cut == 3 {
            narrow.host = None;
        }
        if let Ok(plan) = decide(&narrow, &request, NOW) {
            prop_assert_eq!(decide(&role, &request, NOW), Ok(plan));
        }
    }
}

#[test]
fn p256_points_are_told_apart_from_security_keys() {
    // The two kinds share a curve, and a role tells them apart.
    let rule = SubjectKeyRule {
        kind: KeyKind::SkEcdsa,
        sizes: None,
    };
    let g = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let point: Vec<u8> = (0..g.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&g[i..i + 2], 16).unwrap())
        .collect();
    assert!(!rule.allows(&PublicKey::ecdsa(Curve::P256, &point).unwrap()));
}
