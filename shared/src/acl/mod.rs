//! Vault's ACL policy language: which capabilities a token has on which request paths.
//!
//! Every API family judges its requests with it. A [`Policy`] is parsed from HCL or JSON; the policies of one token
//! together make an [`Acl`], which answers for a path. All of it is pure and synchronous.
//!
//! The path given to an [`Acl`] must be the one that the router acts on: percent-decoded once, without the query, and
//! for a list request with its trailing slash. Parameter names must be the ones that the handler reads; where a
//! dialect knows an alias, the caller translates it first, or a rule about the one name would not cover the other.
//!
//! Where the real product would let something slip, this is stricter (never wider):
//!
//! - A list is judged element by element, and a text with commas piece by piece, because that is how handlers read
//!   them: `allowed_parameters = { valid_principals = ["dev-*"] }` refuses `dev-a,root`.
//! - Numbers and booleans are compared with texts by their spelling: `22` and `"22"` are the same value.
//! - `"*"` alone as a denied value denies every value.
//! - Keys that would narrow a rule but have no meaning here (`control_group`, `mfa_methods`), templated paths and
//!   arguments set twice are refused instead of being passed over.
//!
//! Source: <https://developer.hashicorp.com/vault/docs/concepts/policies>.

mod access;
mod capability;
mod error;
mod hcl;
mod json;
mod lexer;
mod parameters;
mod pattern;
mod policy;
mod render;
mod syntax;
#[cfg(test)]
mod tests;
mod wrapping;

pub use access::{AccessRequest, Acl};
pub use capability::Capability;
pub use error::AclError;
pub use policy::Policy;

/// Name of the policy that every token has unless it was made without it.
pub const DEFAULT_POLICY_NAME: &str = "default";

/// Name of the policy that allows everything. It has no text and cannot be written.
pub const ROOT_POLICY_NAME: &str = "root";

/// The longest policy text, in bytes. Ours: a limit on the work that a hostile text can cause.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The deepest nesting of blocks and lists in HCL. A policy needs four.
pub(crate) const MAX_DEPTH: u32 = 32;

/// Text of the built-in `default` policy: what a token may do with itself.
pub const DEFAULT_POLICY: &str = r#"# A token may look at itself, renew itself and give itself up.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# It may ask what it is allowed to do.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
path "sys/internal/ui/resultant-acl" {
  capabilities = ["read"]
}

# It may look up and renew a lease whose id it knows.
path "sys/leases/lookup" {
  capabilities = ["update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}
path "sys/renew" {
  capabilities = ["update"]
}

# It may wrap a value, and open or inspect a wrapping token that it was handed.
path "sys/wrapping/wrap" {
  capabilities = ["update"]
}
path "sys/wrapping/lookup" {
  capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}
"#;
