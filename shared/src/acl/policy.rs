//! Policies and their rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    AclError, Capability, DEFAULT_POLICY, DEFAULT_POLICY_NAME, MAX_TEXT_BYTES, ROOT_POLICY_NAME,
    capability::CapabilitySet,
    hcl, json,
    parameters::{ParameterRules, ValuesByName},
    pattern::Pattern,
    syntax::{Item, Value},
    wrapping::{WrappingTtls, parse_ttl},
};

/// A named set of rules about paths.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    name: String,
    pub(super) grants: Grants,
}

/// What a policy grants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Grants {
    Everything,
    Rules(Vec<PathRule>),
}

/// One `path` block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PathRule {
    pub(super) pattern: Pattern,
    pub(super) permissions: Permissions,
}

/// What one pattern permits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Permissions {
    pub(super) capabilities: CapabilitySet,
    pub(super) parameters: ParameterRules,
    pub(super) wrapping: WrappingTtls,
}

impl Policy {
    /// Reads a policy: JSON if the first character that is not blank is `{`, else HCL.
    ///
    /// A `name` in the text is read over, as the real product does: `name` is what counts.
    ///
    /// # Errors
    ///
    /// [`AclError`] says what is wrong and, for HCL, on which line.
    pub fn parse(name: &str, text: &str) -> Result<Self, AclError> {
        if name == ROOT_POLICY_NAME {
            return Err(AclError::ReservedName);
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(AclError::TooLarge);
        }
        let items = if text.trim_start().starts_with('{') {
            json::parse(text)?
        } else {
            hcl::parse(text)?
        };
        Ok(Self {
            name: name.to_owned(),
            grants: Grants::Rules(rules(items)?),
        })
    }

    /// The built-in policy that allows everything.
    pub fn root() -> Self {
        Self {
            name: ROOT_POLICY_NAME.to_owned(),
            grants: Grants::Everything,
        }
    }

    /// The built-in [`DEFAULT_POLICY`].
    pub(crate) fn builtin_default() -> Self {
        Self::parse(DEFAULT_POLICY_NAME, DEFAULT_POLICY).expect("a test parses the built-in text")
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the built-in policy that allows everything.
    pub fn is_root(&self) -> bool {
        self.grants == Grants::Everything
    }
}

impl Permissions {
    /// Adds what another policy says about the same pattern. A deny on either side leaves nothing else.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.is_deny() {
            return;
        }
        if other.is_deny() {
            *self = Self::deny();
            return;
        }
        self.capabilities = self.capabilities.union(other.capabilities);
        self.parameters.merge(&other.parameters);
        self.wrapping.merge(other.wrapping);
    }

    fn is_deny(&self) -> bool {
        self.capabilities.contains(Capability::Deny)
    }

    fn deny() -> Self {
        Self {
            capabilities: CapabilitySet::DENY,
            ..Self::default()
        }
    }
}

fn rules(items: Vec<Item>) -> Result<Vec<PathRule>, AclError> {
    let mut rules = Vec::new();
    for item in items {
        match item.key.as_str() {
            "name" => check_name(item)?,
            "path" => add_path_rules(&mut rules, item)?,
            _ => {
                return Err(AclError::InvalidKey {
                    path: None,
                    key: item.key,
                    line: item.line,
                });
            }
        }
    }
    Ok(rules)
}

fn check_name(item: Item) -> Result<(), AclError> {
    let (key, line) = (item.key, item.line);
    let invalid = AclError::InvalidValue {
        path: None,
        key,
        line,
        expected: "a text",
    };
    item.value
        .into_text()
        .filter(|_| item.labels.is_empty())
        .map(drop)
        .ok_or(invalid)
}

/// `path "p" { ... }` in HCL, `"path": { "p": { ... } }` in JSON.
fn add_path_rules(rules: &mut Vec<PathRule>, item: Item) -> Result<(), AclError> {
    match item.labels.as_slice() {
        [] => add_nested_rules(rules, item.value, item.line),
        [path] => add_blocks(rules, path, item.value, item.line),
        _ => Err(invalid_path(item.line, "one path before a block")),
    }
}

fn add_nested_rules(rules: &mut Vec<PathRule>, value: Value, line: Option<u32>) -> Result<(), AclError> {
    let blocks = value
        .into_objects()
        .ok_or_else(|| invalid_path(line, "a path and a block"))?;
    for item in blocks.into_iter().flatten() {
        if !item.labels.is_empty() {
            return Err(invalid_path(item.line, "one path before a block"));
        }
        add_blocks(rules, &item.key, item.value, item.line)?;
    }
    Ok(())
}

fn invalid_path(line: Option<u32>, expected: &'static str) -> AclError {
    AclError::InvalidValue {
        path: None,
        key: "path".to_owned(),
        line,
        expected,
    }
}

fn add_blocks(
    rules: &mut Vec<PathRule>,
    path: &str,
    value: Value,
    line: Option<u32>,
) -> Result<(), AclError> {
    let (key, expected) = ("path".to_owned(), "a block");
    let invalid = AclError::InvalidValue {
        path: Some(path.to_owned()),
        key,
        line,
        expected,
    };
    for items in value.into_objects().ok_or(invalid)? {
        rules.push(PathRule {
            pattern: Pattern::parse(path)?,
            permissions: Block::read(path, items)?,
        });
    }
    Ok(())
}

/// A `path` block while it is read.
struct Block<'p> {
    path: &'p str,
    seen: BTreeSet<String>,
    permissions: Permissions,
}

impl<'p> Block<'p> {
    fn read(path: &'p str, items: Vec<Item>) -> Result<Permissions, AclError> {
        let mut block = Self {
            path,
            seen: BTreeSet::new(),
            permissions: Permissions::default(),
        };
        for item in items {
            block.check_key(&item)?;
            block.set(item)?;
        }
        block.finish()
    }

    fn check_key(&mut self, item: &Item) -> Result<(), AclError> {
        if !item.labels.is_empty() {
            return Err(self.invalid(&item.key, item.line, "no label"));
        }
        if !self.seen.insert(item.key.clone()) {
            let (path, key) = (Some(self.path.to_owned()), item.key.clone());
            return Err(AclError::DuplicateKey {
                path,
                key,
                line: item.line,
            });
        }
        Ok(())
    }

    fn set(&mut self, item: Item) -> Result<(), AclError> {
        let Item { key, line, value, .. } = item;
        match key.as_str() {
            "allowed_parameters" => {
                self.permissions.parameters.allowed = self.values_by_name(&key, line, value)?
            }
            "capabilities" => self.add_capabilities(&key, line, value)?,
            "comment" => drop(self.text(&key, line, value)?),
            "denied_parameters" => {
                self.permissions.parameters.denied = self.values_by_name(&key, line, value)?
            }
            "max_wrapping_ttl" => self.permissions.wrapping.max = self.ttl(&key, line, &value)?,
            "min_wrapping_ttl" => self.permissions.wrapping.min = self.ttl(&key, line, &value)?,
            "policy" => self.add_old_policy(&key, line, value)?,
            "required_parameters" => self.permissions.parameters.required = self.names(&key, line, value)?,
            "control_group" | "mfa_methods" => return Err(self.unsupported(key)),
            _ => {
                return Err(AclError::InvalidKey {
                    path: Some(self.path.to_owned()),
                    key,
                    line,
                });
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Permissions, AclError> {
        if self.permissions.is_deny() {
            return Ok(Permissions::deny());
        }
        if self.permissions.wrapping.is_inverted() {
            return Err(AclError::WrappingTtlOrder {
                path: self.path.to_owned(),
            });
        }
        Ok(self.permissions)
    }

    fn add_capabilities(&mut self, key: &str, line: Option<u32>, value: Value) -> Result<(), AclError> {
        let names = value
            .into_texts()
            .ok_or_else(|| self.invalid(key, line, "a list of texts"))?;
        for name in names {
            let Some(capability) = Capability::parse(&name) else {
                return Err(AclError::InvalidCapability {
                    path: self.path.to_owned(),
                    capability: name,
                });
            };
            self.permissions.capabilities.insert(capability);
        }
        Ok(())
    }

    fn add_old_policy(&mut self, key: &str, line: Option<u32>, value: Value) -> Result<(), AclError> {
        let policy = self.text(key, line, value)?;
        let Some(capabilities) = old_policy(&policy) else {
            return Err(AclError::InvalidPolicy {
                path: self.path.to_owned(),
                policy,
            });
        };
        self.permissions.capabilities = self.permissions.capabilities.union(capabilities);
        Ok(())
    }

    fn values_by_name(&self, key: &str, line: Option<u32>, value: Value) -> Result<ValuesByName, AclError> {
        let invalid = || self.invalid(key, line, "lists of values by parameter name");
        let mut values = BTreeMap::new();
        for item in value.into_objects().ok_or_else(invalid)?.into_iter().flatten() {
            let listed = item
                .value
                .into_list()
                .filter(|_| item.labels.is_empty())
                .ok_or_else(invalid)?;
            let listed = listed
                .into_iter()
                .map(Value::into_json)
                .collect::<Option<_>>()
                .ok_or_else(invalid)?;
            if values.insert(item.key.to_lowercase(), listed).is_some() {
                let (path, key) = (Some(self.path.to_owned()), item.key);
                return Err(AclError::DuplicateKey {
                    path,
                    key,
                    line: item.line,
                });
            }
        }
        Ok(values)
    }

    fn names(&self, key: &str, line: Option<u32>, value: Value) -> Result<BTreeSet<String>, AclError> {
        let names = value
            .into_texts()
            .ok_or_else(|| self.invalid(key, line, "a list of texts"))?;
        Ok(names.iter().map(|name| name.to_lowercase()).collect())
    }

    fn text(&self, key: &str, line: Option<u32>, value: Value) -> Result<String, AclError> {
        value.into_text().ok_or_else(|| self.invalid(key, line, "a text"))
    }

    fn ttl(&self, key: &str, line: Option<u32>, value: &Value) -> Result<Option<Duration>, AclError> {
        parse_ttl(value).ok_or_else(|| self.invalid(key, line, "a duration"))
    }

    fn invalid(&self, key: &str, line: Option<u32>, expected: &'static str) -> AclError {
        AclError::InvalidValue {
            path: Some(self.path.to_owned()),
            key: key.to_owned(),
            line,
            expected,
        }
    }

    fn unsupported(&self, feature: String) -> AclError {
        AclError::Unsupported {
            path: self.path.to_owned(),
            feature,
        }
    }
}

/// What the one-word policies of Vault before 0.5 stand for.
fn old_policy(policy: &str) -> Option<CapabilitySet> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    let capabilities: &[Capability] = match policy {
        "deny" => &[Deny],
        "read" => &[List, Read],
        "sudo" => &[Create, Delete, List, Read, Sudo, Update],
        "write" => &[Create, Delete, List, Read, Update],
        _ => return None,
    };
    Some(capabilities.iter().copied().collect())
}
