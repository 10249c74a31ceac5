//! Vault's SSH secrets engine and what its clients need beside it.

pub mod mounts;
