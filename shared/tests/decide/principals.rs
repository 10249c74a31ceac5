//! Whom a certificate may be for.

use super::{NOW, host_request, host_role, refusal, request, role};
use countersign::{
    decide::{Request, decide},
    refusal::Refusal,
    role::{PrincipalMatcher, PrincipalRules},
    types::{Pattern, PrincipalsError},
};

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
