//! The `countersign` command as its users meet it: the real binary, started and asked.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod administration;
mod certificates;
mod infisical;
mod refusals;
mod restart;
mod server;
mod support;
mod tls;
mod venafi;
