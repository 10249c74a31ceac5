//! What the real products' own tests and clients expect, asked of the router in process. A test's name begins with the
//! numbers of the cases in the reference that it holds us to.

#![allow(clippy::unwrap_used)] // helpers of tests stop tests

mod approle;
mod bad_input;
mod ca;
mod dynamic_keys;
mod extensions;
mod http;
mod identity;
mod issue;
mod issuers;
mod key_policy;
mod leases;
mod lifetime;
mod mounts;
mod numbers;
mod one_time_passwords;
mod policies;
mod principals;
mod recorded;
mod roles;
mod round_trips;
mod routes;
mod status;
mod support;
mod tokens;
mod unauthenticated;
mod wrapping;
