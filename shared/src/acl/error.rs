//! Why a policy text was refused.

/// Why a policy text was refused. The display text is safe for the caller, who wrote the policy.
///
/// Where the real product has a text for the case, this is the same one, without its lead `failed to parse policy: `.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AclError {
    /// One argument is set twice in one block.
    #[error("{}the argument {key:?}{} was already set; each argument can only be defined once", at_path(.path), on_line(.line))]
    DuplicateKey {
        /// The rule, where it stands in one.
        path: Option<String>,
        /// The argument.
        key: String,
        /// The line, where the syntax tells.
        line: Option<u32>,
    },
    /// A capability that does not exist.
    #[error("path {path:?}: invalid capability {capability:?}")]
    InvalidCapability {
        /// The rule.
        path: String,
        /// The word given.
        capability: String,
    },
    /// A key that has no meaning where it stands.
    #[error("{}invalid key {key:?}{}", at_path(.path), on_line(.line))]
    InvalidKey {
        /// The rule, where it stands in one.
        path: Option<String>,
        /// The key.
        key: String,
        /// The line, where the syntax tells.
        line: Option<u32>,
    },
    /// An old-style `policy` that is not `deny`, `read`, `sudo` or `write`.
    #[error("path {path:?}: invalid policy {policy:?}")]
    InvalidPolicy {
        /// The rule.
        path: String,
        /// The word given.
        policy: String,
    },
    /// A value of the wrong type or form.
    #[error("{}invalid value for {key:?}{}: expected {expected}", at_path(.path), on_line(.line))]
    InvalidValue {
        /// The rule, where it stands in one.
        path: Option<String>,
        /// The key.
        key: String,
        /// The line, where the syntax tells.
        line: Option<u32>,
        /// What should stand there.
        expected: &'static str,
    },
    /// A `+` straight before the final `*`.
    #[error("path {path:?}: invalid use of wildcards ('+*' is forbidden)")]
    InvalidWildcard {
        /// The rule.
        path: String,
    },
    /// The text starts as JSON and is not.
    #[error("error parsing JSON: {reason}")]
    Json {
        /// What the JSON reader said, with its position.
        reason: String,
    },
    /// The policy `root` is built in and cannot be written.
    #[error("cannot update \"root\" policy")]
    ReservedName,
    /// The text is not HCL.
    #[error("error parsing: line {line}: expected {expected}, found {found}")]
    Syntax {
        /// The line, from 1.
        line: u32,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Blocks or lists lie too deep in each other.
    #[error("error parsing: line {line}: nested deeper than {} levels", super::MAX_DEPTH)]
    TooDeep {
        /// The line, from 1.
        line: u32,
    },
    /// The text is longer than [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
    #[error("policy is longer than {} bytes", super::MAX_TEXT_BYTES)]
    TooLarge,
    /// Something of the real product that would narrow a rule and does not exist here.
    #[error("path {path:?}: {feature} is not supported")]
    Unsupported {
        /// The rule.
        path: String,
        /// What it is.
        feature: String,
    },
    /// The longest wrapping lifetime is shorter than the shortest.
    #[error("path {path:?}: max_wrapping_ttl cannot be less than min_wrapping_ttl")]
    WrappingTtlOrder {
        /// The rule.
        path: String,
    },
}

fn at_path(path: &Option<String>) -> String {
    path.as_ref()
        .map(|path| format!("path {path:?}: "))
        .unwrap_or_default()
}

fn on_line(line: &Option<u32>) -> String {
    line.map(|line| format!(" on line {line}")).unwrap_or_default()
}
