//! The policies of one token together, and what they say about a request.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    Capability, Policy,
    pattern::Pattern,
    policy::{Grants, PathRule, Permissions},
};

/// A request, as far as policies look at it.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'r> {
    /// The path without a leading slash; for a list request, with its trailing slash.
    pub path: &'r str,
    /// The capability that the operation needs.
    pub capability: Capability,
    /// The parameters of body or query, under the names that the handler reads.
    pub parameters: &'r Map<String, Value>,
    /// How long the response is to be wrapped for, if it is.
    pub wrap_ttl: Option<Duration>,
}

/// The policies of one token, merged.
///
/// What no rule covers is refused. Rules of several policies about the same pattern add up, and a deny among them
/// leaves nothing; of different patterns that match a path, only the most specific counts.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    is_root: bool,
    exact: HashMap<String, Permissions>,
    wildcards: Vec<(Pattern, Permissions)>,
}

impl Acl {
    /// Merges policies. With the root policy among them, the others do not matter.
    pub fn new(policies: &[&Policy]) -> Self {
        let mut merged = BTreeMap::new();
        let mut is_root = false;
        for policy in policies {
            match &policy.grants {
                Grants::Everything => is_root = true,
                Grants::Rules(rules) => rules.iter().for_each(|rule| merge(&mut merged, rule)),
            }
        }
        Self::from_merged(is_root, merged)
    }

    fn from_merged(is_root: bool, merged: BTreeMap<&Pattern, Permissions>) -> Self {
        let mut acl = Self {
            is_root,
            ..Self::default()
        };
        for (pattern, permissions) in merged {
            match pattern {
                Pattern::Exact(path) => drop(acl.exact.insert(path.clone(), permissions)),
                Pattern::Prefix(_) | Pattern::Segments(_) => {
                    acl.wildcards.push((pattern.clone(), permissions))
                }
            }
        }
        acl
    }

    /// Whether the root policy is among the policies.
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Whether a request without parameters and without wrapping is allowed.
    ///
    /// For a request that carries parameters ask [`Acl::permits`], or rules about them would not be looked at.
    /// `Sudo` is asked for beside the operation's own capability, where a path needs it. `Deny` is never allowed, and
    /// `Root` only to root.
    pub fn allows(&self, path: &str, capability: Capability) -> bool {
        self.permits(&AccessRequest {
            path,
            capability,
            parameters: &Map::new(),
            wrap_ttl: None,
        })
    }

    /// Whether a request is allowed, with its parameters and its wrapping.
    pub fn permits(&self, request: &AccessRequest<'_>) -> bool {
        let capability = request.capability;
        if self.is_root || matches!(capability, Capability::Deny | Capability::Root) {
            return self.is_root && capability != Capability::Deny;
        }
        let Some(permissions) = self.find(request.path, capability == Capability::List) else {
            return false;
        };
        if capability == Capability::Sudo || !permissions.capabilities.contains(capability) {
            return permissions.capabilities.contains(capability);
        }
        permissions.wrapping.permit(request.wrap_ttl)
            && (!capability.takes_parameters() || permissions.parameters.permit(request.parameters))
    }

    /// What the policies grant on a path, sorted: `[Root]` for root, `[Deny]` for nothing.
    ///
    /// Source: <https://developer.hashicorp.com/vault/api-docs/system/capabilities-self>.
    pub fn capabilities(&self, path: &str) -> Vec<Capability> {
        if self.is_root {
            return vec![Capability::Root];
        }
        // As a list request, as the real product answers: the rule for `a` speaks for `a/` too.
        let found = self
            .find(path, true)
            .map(|permissions| permissions.capabilities)
            .unwrap_or_default();
        let capabilities: Vec<_> = found.iter().collect();
        if capabilities.is_empty() {
            vec![Capability::Deny]
        } else {
            capabilities
        }
    }

    /// The rule that counts for a path. A list request is tried without its trailing slash too: the exact path after
    /// the one with the slash, wildcards before it, as the real product does.
    pub(super) fn find(&self, path: &str, list: bool) -> Option<&Permissions> {
        let path = path.trim_start_matches('/');
        let bare = path.strip_suffix('/').filter(|_| list);
        let exact = self.exact.get(path).or_else(|| self.exact.get(bare?));
        exact
            .or_else(|| self.find_wildcard(bare?))
            .or_else(|| self.find_wildcard(path))
    }

    fn find_wildcard(&self, path: &str) -> Option<&Permissions> {
        let matching = self.wildcards.iter().filter(|(pattern, _)| pattern.matches(path));
        matching
            .max_by_key(|(pattern, _)| pattern.priority())
            .map(|(_, permissions)| permissions)
    }
}

fn merge<'p>(merged: &mut BTreeMap<&'p Pattern, Permissions>, rule: &'p PathRule) {
    merged
        .entry(&rule.pattern)
        .and_modify(|permissions| permissions.merge(&rule.permissions))
        .or_insert_with(|| rule.permissions.clone());
}
