use crate::{
    acl::ROOT_POLICY_NAME,
    error::Error,
    store::{Condition, Key, Record, Table, Write},
    types::CidrList,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};

/// How many generations a token may lie below an orphan: each is one more record to read on every request.
pub(super) const MAX_ANCESTORS: usize = 16;
/// The sort key of what lies alone in its partition.
const SORT: &str = "token";
/// What the sort keys of the entries of a token's children begin with.
pub(super) const CHILD: &str = "child/";
/// Accessors lie in sixteen partitions, by their first hexadecimal digit: one would be written to by every login.
pub(super) const ACCESSOR_PARTITIONS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];

/// The two types of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Without accessor and children; neither renewed nor revoked by itself. It ends with its time or its parent.
    Batch,
    /// The usual one.
    #[default]
    Service,
}

impl TokenType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Service => "service",
        }
    }
}

/// Whether a token still counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// It does.
    #[default]
    Active,
    /// It is being revoked by itself: it authenticates nobody, and its children are about to be orphans.
    Orphaning,
    /// It is revoked, and so is everything below it.
    Revoked,
}

/// The record of a token. Lifetimes are in seconds, 0 where there is none; times are in Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// The hash of the secret: the token's key.
    pub hash: String,
    /// A public handle by which it can be looked up and revoked, not used. Empty for a batch token.
    pub accessor: String,
    /// Who uses it, for people.
    pub display_name: String,
    /// The names of its policies, sorted.
    pub policies: Vec<String>,
    /// Free text by name.
    pub meta: Option<BTreeMap<String, String>>,
    /// The path of the request that made it.
    pub path: String,
    /// Its type.
    pub token_type: TokenType,
    /// When it was made.
    pub created_at: u64,
    /// The lifetime that it was made with.
    pub creation_ttl: u64,
    /// The end, from which on it is dead; `None`: it has none.
    pub expires_at: Option<u64>,
    /// How long after its creation nothing can keep it alive.
    pub explicit_max_ttl: u64,
    /// The same, as the role that it was made by had it.
    pub max_ttl: u64,
    /// How long each renewal lasts; with a period there is no end to renewals but `explicit_max_ttl`.
    pub period: u64,
    /// How often it can still be used; `None`: always.
    pub uses_left: Option<u64>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// When it was renewed last.
    pub renewed_at: Option<u64>,
    /// The hashes of its parent, grandparent and so on. Empty for an orphan.
    pub ancestors: Vec<String>,
    /// The entity that it belongs to, if any.
    pub entity_id: String,
    /// The identity that logged in for it, if any.
    pub identity_id: String,
    /// The networks that it may be used from; empty: from anywhere.
    pub bound_cidrs: Vec<String>,
    /// Whether it still counts.
    pub state: TokenState,
    /// Differs with every counted use, so that no request takes another's use for its own.
    pub mark: String,
}

impl Token {
    /// Where the token with `hash` lies.
    pub fn key(hash: &str) -> Key {
        Key::new(Table::Access, partition(hash), SORT)
    }

    /// Whether it has no parent.
    pub fn is_orphan(&self) -> bool {
        self.ancestors.is_empty()
    }

    /// Whether the root policy is among its policies.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|name| name == ROOT_POLICY_NAME)
    }

    /// How long it still lives, 0 where it has no end.
    pub fn ttl(&self, now: u64) -> u64 {
        self.expires_at.map_or(0, |end| end.saturating_sub(now))
    }

    /// Whether it authenticates, as far as its own record tells.
    pub(super) fn is_active(&self, now: u64) -> bool {
        self.state == TokenState::Active && !self.is_expired(now) && self.uses_left != Some(0)
    }

    /// Whether what descends from it may live.
    pub(super) fn carries(&self, now: u64) -> bool {
        self.state != TokenState::Revoked && !self.is_expired(now)
    }

    fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The records of this token beside its own: those by which it is found. Their lives end with the token's, so
    /// they are written again with every renewal.
    pub(super) fn pointers(&self) -> Result<Vec<Record>, Error> {
        let mut pointers = Vec::new();
        for key in self.pointer_keys() {
            pointers.push(
                Record::new(
                    key,
                    &Pointer {
                        hash: self.hash.clone(),
                    },
                )?
                .expiring(self.expires_at),
            );
        }
        Ok(pointers)
    }

    fn pointer_keys(&self) -> impl Iterator<Item = Key> {
        let accessor = (!self.accessor.is_empty()).then(|| accessor_key(&self.accessor));
        let child = self.ancestors.first().map(|parent| child_key(parent, &self.hash));
        accessor.into_iter().chain(child)
    }

    /// Removes this token and the records by which it is found.
    pub(super) fn deletes(&self, condition: Condition) -> Vec<Write> {
        let mut writes = vec![Write::Delete(Self::key(&self.hash), condition)];
        writes.extend(
            self.pointer_keys()
                .map(|key| Write::Delete(key, Condition::Always)),
        );
        writes
    }

    /// This token in place of `record`.
    pub(super) fn replacing(&self, record: &Record) -> Result<Record, Error> {
        Ok(record.replaced(self)?.expiring(self.expires_at))
    }
}

/// Leads to a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pointer {
    pub(super) hash: String,
}

pub(super) fn partition(hash: &str) -> String {
    format!("token/{hash}")
}

pub(super) fn child_key(parent: &str, child: &str) -> Key {
    Key::new(Table::Access, partition(parent), format!("{CHILD}{child}"))
}

pub(super) fn accessor_partition(digit: char) -> String {
    format!("accessor/{digit}")
}

pub(super) fn accessor_key(accessor: &str) -> Key {
    // What is no accessor of ours has no record in any partition.
    let digit = accessor
        .chars()
        .next()
        .filter(|digit| ACCESSOR_PARTITIONS.contains(digit));
    Key::new(
        Table::Access,
        accessor_partition(digit.unwrap_or('0')),
        format!("accessor/{accessor}"),
    )
}

/// Whether a request from `address` may use what is bound to `networks`: all addresses where there are none. A
/// request whose address is unknown, and a list that cannot be read, are refused.
pub fn admits(networks: &[String], address: Option<IpAddr>) -> bool {
    networks.is_empty()
        || address.is_some_and(|address| {
            CidrList::parse(&networks.join(",")).is_ok_and(|list| list.contains(address))
        })
}
