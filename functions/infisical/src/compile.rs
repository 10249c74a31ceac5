//! What the things of this API become in the core: a neutral role, whatever certificate is asked for through them.

use crate::{
    duration,
    model::{Effective, Host, Template},
    names::{HOST_PATTERN, USER_PATTERN},
};
use countersign::{
    Error,
    decide::RequestedValidity,
    role::{
        CertTypeRules, KeyIdRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules,
        Role, SubjectKeyRule, SubjectKeyRules,
    },
    ssh::KeyKind,
    types::Pattern,
};
use std::collections::BTreeMap;

/// What every user certificate has; there is no way to ask for others.
const USER_EXTENSIONS: [&str; 5] = [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
];
/// A certificate begins 59 seconds ago, at the beginning of that minute.
const BACKDATE_SECS: u64 = 59;
/// The most that comes of it, with room for a clock that moves on while the request is answered.
const MAX_BACKDATE_SECS: u64 = 180;
/// What a key id that the caller chooses may hold.
const KEY_ID_PATTERN: &str = "[A-Za-z0-9:.-]*";

/// Who asks for a user certificate, and for which login user.
pub(crate) struct Login<'a> {
    pub(crate) username: &'a str,
    pub(crate) groups: &'a [String],
    pub(crate) login_user: &'a str,
}

impl Login<'_> {
    /// The login user and the caller's own name stand in the certificate, in this order, even if they are the same.
    pub(crate) fn principals(&self) -> Vec<String> {
        vec![self.username.to_owned(), self.login_user.to_owned()]
    }
}

/// What a host allows for one caller: the login users of all mappings that admit the caller, and, together with one
/// of them, the caller's own name.
pub(crate) fn login(host: &Host, mappings: &[Effective], login: &Login<'_>) -> Result<Role, Error> {
    let admitting = mappings
        .iter()
        .filter(|effective| effective.mapping.admits(login.username, login.groups));
    let mut allowed: Vec<&str> = admitting
        .map(|effective| effective.mapping.login_user.as_str())
        .collect();
    if allowed.contains(&login.login_user) {
        allowed.push(login.username);
    }
    Ok(Role {
        user: Some(user_rules(allowed.into_iter().map(exact).collect())),
        lifetime: lifetime(seconds(&host.user_cert_ttl)?, None),
        ..Role::default()
    })
}

/// What a host allows for its own key: its name, and no other.
pub(crate) fn host_key(host: &Host) -> Result<Role, Error> {
    Ok(Role {
        subject_keys: subject_keys(),
        host: Some(host_rules(vec![exact(&host.hostname)])),
        lifetime: lifetime(seconds(&host.host_cert_ttl)?, None),
        ..Role::default()
    })
}

/// What a template allows.
pub(crate) fn template(template: &Template) -> Result<Role, Error> {
    let users = template.allowed_users.iter().map(|user| match user.as_str() {
        "*" => pattern(USER_PATTERN).map(PrincipalMatcher::Pattern),
        user => Ok(exact(user)),
    });
    let hosts = template
        .allowed_hosts
        .iter()
        .map(|host| match (host.as_str(), host.strip_prefix("*.")) {
            ("*", _) => pattern(HOST_PATTERN).map(PrincipalMatcher::Pattern),
            (_, Some(base)) => Ok(PrincipalMatcher::Subdomain(base.to_owned())),
            (host, None) => Ok(exact(host)),
        });
    let users = users.collect::<Result<Vec<_>, _>>()?;
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    Ok(Role {
        subject_keys: subject_keys(),
        user: template.allow_user_certificates.then(|| user_rules(users)),
        host: template.allow_host_certificates.then(|| host_rules(hosts)),
        key_ids: if template.allow_custom_key_ids {
            KeyIdRules::Matching(vec![pattern(KEY_ID_PATTERN)?])
        } else {
            KeyIdRules::Default
        },
        lifetime: lifetime(seconds(&template.ttl)?, Some(seconds(&template.max_ttl)?)),
        ..Role::default()
    })
}

/// From the beginning of the minute of 59 seconds ago until `ttl_secs` from now.
pub(crate) fn validity(now: u64, ttl_secs: u64) -> RequestedValidity {
    let earlier = now.saturating_sub(BACKDATE_SECS);
    RequestedValidity::Window {
        valid_after: earlier - earlier % 60,
        valid_before: now.saturating_add(ttl_secs),
    }
}

/// The seconds of a stored lifetime.
pub(crate) fn seconds(text: &str) -> Result<u64, Error> {
    duration::parse(text).map_err(|_| Error::internal(format!("the stored lifetime {text:?} is none")))
}

fn exact(name: &str) -> PrincipalMatcher {
    PrincipalMatcher::Exact(name.to_owned())
}

fn pattern(text: &str) -> Result<Pattern, Error> {
    Pattern::parse(text).map_err(Error::internal)
}

fn user_rules(allowed: Vec<PrincipalMatcher>) -> CertTypeRules {
    let extensions = USER_EXTENSIONS.map(|name| (name.to_owned(), String::new()));
    CertTypeRules {
        principals: PrincipalRules {
            allowed,
            default: Vec::new(),
        },
        critical_options: no_options(),
        extensions: OptionRules {
            default: extensions.into(),
            ..no_options()
        },
    }
}

fn host_rules(allowed: Vec<PrincipalMatcher>) -> CertTypeRules {
    CertTypeRules {
        principals: PrincipalRules {
            allowed,
            default: Vec::new(),
        },
        critical_options: no_options(),
        extensions: no_options(),
    }
}

fn no_options() -> OptionRules {
    OptionRules {
        default: BTreeMap::new(),
        allowed: OptionNames::default(),
        values: BTreeMap::new(),
    }
}

/// The kinds that this API takes; it knows no keys of authenticators, and no larger curve.
fn subject_keys() -> SubjectKeyRules {
    let rule = |kind, sizes: Option<&[u32]>| SubjectKeyRule {
        kind,
        sizes: sizes.map(<[u32]>::to_vec),
    };
    SubjectKeyRules::Listed(vec![
        rule(KeyKind::Ed25519, None),
        rule(KeyKind::Rsa, None),
        rule(KeyKind::Ecdsa, Some(&[256, 384])),
    ])
}

fn lifetime(default_ttl_secs: u64, max_ttl_secs: Option<u64>) -> LifetimeRules {
    LifetimeRules {
        default_ttl_secs,
        max_ttl_secs: max_ttl_secs.unwrap_or(default_ttl_secs),
        backdate_secs: MAX_BACKDATE_SECS,
    }
}
