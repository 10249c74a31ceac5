//! Capabilities and sets of them.

use std::fmt;

/// One thing that a rule can permit on a path, in the order of their names.
///
/// Source: <https://developer.hashicorp.com/vault/docs/concepts/policies#capabilities>.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Capability {
    /// Make something that is not there yet.
    Create,
    /// Remove.
    Delete,
    /// Nothing at all, whatever else the rule says.
    Deny,
    /// Name what lies below the path.
    List,
    /// Change in part.
    Patch,
    /// Read.
    Read,
    /// Everything. Only ever an answer: no policy text can grant it.
    Root,
    /// Use a path that is kept for administrators, beside the capability for the operation itself.
    Sudo,
    /// Change or act. Most writes need this one.
    Update,
}

impl Capability {
    /// Every capability, sorted.
    pub(super) const ALL: [Self; 9] = [
        Self::Create,
        Self::Delete,
        Self::Deny,
        Self::List,
        Self::Patch,
        Self::Read,
        Self::Root,
        Self::Sudo,
        Self::Update,
    ];

    /// The name in policies and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Deny => "deny",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Read => "read",
            Self::Root => "root",
            Self::Sudo => "sudo",
            Self::Update => "update",
        }
    }

    /// A capability as a policy text names it; `root` is none.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|capability| *capability != Self::Root && capability.as_str() == name)
    }

    /// Whether parameter rules apply: only to operations that take parameters. Deleting and listing do not.
    pub(super) fn takes_parameters(self) -> bool {
        matches!(self, Self::Create | Self::Patch | Self::Read | Self::Update)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of capabilities, one bit each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct CapabilitySet(u16);

impl CapabilitySet {
    pub(super) const DENY: Self = Self(1 << Capability::Deny as u16);

    pub(super) fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }

    pub(super) fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u16;
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .into_iter()
            .filter(move |capability| self.contains(*capability))
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let mut set = Self::default();
        capabilities
            .into_iter()
            .for_each(|capability| set.insert(capability));
        set
    }
}
