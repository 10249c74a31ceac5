//! Critical options and extensions.

use super::{NOW, host_request, host_role, map, refusal, request, role};
use countersign::{
    decide::{Request, decide},
    refusal::Refusal,
    role::{HostNames, OptionNames, PrincipalMatcher, Role, ValueRule},
    ssh::{OptionsError, PublicKey},
    types::{CidrList, CidrListError, Pattern},
};

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
