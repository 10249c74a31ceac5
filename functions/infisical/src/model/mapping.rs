//! Login mappings: who may log in as whom.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who may log in as one login user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginMapping {
    pub(crate) login_user: String,
    pub(crate) usernames: Vec<String>,
    pub(crate) groups: Vec<String>,
}

impl LoginMapping {
    /// Whether it admits the user called `username` who is in `groups`.
    pub(crate) fn admits(&self, username: &str, groups: &[String]) -> bool {
        self.usernames.iter().any(|name| name == username)
            || self.groups.iter().any(|slug| groups.contains(slug))
    }
}

/// Where a mapping stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Host,
    HostGroup,
}

/// A mapping as it holds on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) mapping: LoginMapping,
    pub(crate) source: Source,
}

/// The mappings of a host: its own, then those of its groups, put together by login user within each source.
pub(crate) fn effective<'a>(
    own: &'a [LoginMapping],
    inherited: impl IntoIterator<Item = &'a LoginMapping>,
) -> Vec<Effective> {
    let mut all: Vec<Effective> = grouped(own, Source::Host);
    all.extend(grouped(inherited, Source::HostGroup));
    all
}

fn grouped<'a>(mappings: impl IntoIterator<Item = &'a LoginMapping>, source: Source) -> Vec<Effective> {
    let mut places = BTreeMap::new();
    let mut grouped: Vec<Effective> = Vec::new();
    for mapping in mappings {
        let place = *places.entry(mapping.login_user.as_str()).or_insert(grouped.len());
        match grouped.get_mut(place) {
            None => grouped.push(Effective {
                mapping: mapping.clone(),
                source,
            }),
            Some(known) => {
                merge(&mut known.mapping.usernames, &mapping.usernames);
                merge(&mut known.mapping.groups, &mapping.groups);
            }
        }
    }
    grouped
}

fn merge(known: &mut Vec<String>, more: &[String]) {
    for name in more {
        if !known.contains(name) {
            known.push(name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(login_user: &str, usernames: &[&str], groups: &[&str]) -> LoginMapping {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        LoginMapping {
            login_user: login_user.into(),
            usernames: owned(usernames),
            groups: owned(groups),
        }
    }

    #[test]
    fn mappings_are_put_together_within_their_source_only() {
        let own = [mapping("root", &["a"], &[])];
        let inherited = [
            mapping("root", &["a"], &["ops"]),
            mapping("root", &["b", "a"], &[]),
            mapping("deploy", &["b"], &[]),
        ];
        let all = effective(&own, &inherited);
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].source, &all[0].mapping), (Source::Host, &own[0]));
        assert_eq!(all[1].mapping, mapping("root", &["a", "b"], &["ops"]));
        assert_eq!(all[2].source, Source::HostGroup);
    }

    #[test]
    fn a_mapping_admits_by_exact_name_or_group() {
        let mapping = mapping("root", &["a@example.com"], &["ops"]);
        assert!(mapping.admits("a@example.com", &[]));
        assert!(mapping.admits("b@example.com", &["dev".into(), "ops".into()]));
        assert!(!mapping.admits("A@example.com", &["op".into()]));
    }
}
