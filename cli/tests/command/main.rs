//! The `countersign` command as its users meet it: the real binary, started and asked.

mod administration;
mod certificates;
mod restart;
mod server;
mod support;
mod tls;
