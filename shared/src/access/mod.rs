//! Who may do what: tokens, the policies that judge them, and the machine identities that log in for one.
//!
//! Every family asks [`authenticate`] who is calling, and the [`Caller`] whether the request is allowed.
//!
//! # What a token needs to be alive
//!
//! Its own record, unexpired by this process's clock and not revoked, and the same of every ancestor: a token names
//! all of them, and authentication reads them along with it. So revoking a token, or its expiry, ends everything
//! that came of it at that very write, whatever becomes of the walk that clears the records away afterwards.
//!
//! A token that belongs to an [`Entity`] also needs that: of one that is disabled or gone no token is good. The entity
//! is read along with the token, and its policies count beside the token's own.
//!
//! # Round trips
//!
//! | operation | reads | writes |
//! |---|---|---|
//! | [`authenticate`] a token that this process has seen | 1 | 0, or 1 where its uses are limited |
//! | … for the first time, or after its policies changed | 2 | as above |
//! | [`create_child`], [`grant`], [`create_root`] | 0 | 1 |
//! | [`admit`] somebody whom the gateway knows | 1 | 0, or 1 every some minutes |
//! | [`login`] | 2 | 1 |
//! | [`lookup`] by token; [`lookup_accessor`] | 1 or 2; 1 more | 0 |
//! | [`renew`] of a looked-up token | 0, or 1 for an identity's | 1 |
//! | [`revoke`] | 2, and for each descendant 2 | 2, and 1 for each descendant |
//!
//! What a process remembers between requests are keys to read along, never what it found there: nothing out of date
//! ever decides.

mod admission;
mod authenticate;
mod client_secret;
mod create;
mod entity;
mod identity;
mod lifetime;
mod lockout;
mod login;
mod lookup;
mod memory;
mod operator;
mod policies;
mod renew;
mod revoke;
mod token;

pub use admission::{Admission, SUBJECT_CLAIMS, Subject, admit};
pub use authenticate::{Caller, acl_of, authenticate};
pub use client_secret::{
    ClientSecret, NewSecret, SecretSettings, StoredSecret, create_secret, destroy_secret, find_secret,
    find_secret_by_accessor, list_secrets,
};
pub use create::{Created, NewToken, create_child, create_first_root, create_root, grant};
pub use entity::{
    Alias, Entity, MAX_ALIASES, StoredEntity, create_entity, delete_entity, entity_by_alias, entity_by_id,
    entity_by_login, entity_by_name, entity_of_login, list_entities, update_entities, update_entity,
};
pub use identity::{
    Identity, IdentityKind, StoredIdentity, TokenSettings, create_identity, delete_identity, delete_realm,
    identity_by_client_id, identity_by_id, identity_by_name, list_identities, note_entity, update_identity,
};
pub use lifetime::{DEFAULT_TTL_SECS, TtlLimits};
pub use lockout::Lockout;
pub use login::{Login, login};
pub use lookup::{Stored, is_alive, list_tokens, lookup, lookup_accessor, lookup_hash};
pub(crate) use memory::Memory;
pub use policies::{StoredPolicy, delete_policy, list_policies, missing_policies, put_policy, read_policy};
pub use renew::renew;
pub use revoke::{hash_of_accessor, revoke, revoke_orphan};
pub use token::{Token, TokenState, TokenType, admits};

/// What every token begins with, by which scanners find one that leaked.
pub const TOKEN_PREFIX: &str = "csn_";
/// What every batch token begins with.
pub const BATCH_TOKEN_PREFIX: &str = "csb_";
/// What every drawn client secret begins with.
pub(crate) const SECRET_PREFIX: &str = "css_";
