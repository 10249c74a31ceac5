//! The SSH secrets engine: what a mount of it keeps, and how that becomes the core's words.

pub(crate) mod ca_key;
pub(crate) mod compile;
pub(crate) mod host_keys;
pub(crate) mod host_login;
pub(crate) mod issuers;
pub(crate) mod key_id;
pub(crate) mod key_lengths;
pub(crate) mod key_words;
pub(crate) mod networks;
pub(crate) mod retiring;
pub(crate) mod role;
pub(crate) mod signing;
pub(crate) mod subject_key;
pub(crate) mod templates;
pub(crate) mod zero_address;
