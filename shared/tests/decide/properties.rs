//! What holds for every role and every request.

use super::NOW;
use countersign::{
    decide::{Request, RequestedKeyId, RequestedValidity, decide},
    role::{CertTypeRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules, Role},
    ssh::PublicKey,
    types::{CertType, Pattern},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

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
