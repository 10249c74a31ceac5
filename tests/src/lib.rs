//! Support for the tests of the whole: the real programs that Countersign must get on with, started and asked.
//!
//! Every server listens on loopback, on a free port, and ends with the value that started it, or with the test process.
//! What is missing on the machine is an error that says what to install; no test passes because it could not run.

mod authenticator;
mod aws;
mod documents;
mod local_server;
mod login;
mod ministack;
mod process;
mod python;
mod signatures;
mod ssh_keygen;
mod sshd;
mod stack;
mod wire;

pub use authenticator::{Presence, SkKeyType, SoftwareAuthenticator};
pub use aws::{AwsDouble, Call, Failure, Fault, depth};
pub use documents::{Reader, executed_by};
pub use local_server::{LocalServer, countersign};
pub use login::{Identity, LoginOutcome};
pub use ministack::{Ministack, function_zip};
pub use process::{Outcome, run};
pub use python::{run_node, run_python, venv_python};
pub use signatures::{Ask, Family};
pub use ssh_keygen::{KeyFile, KeyType, certify, decode_certificate, fingerprint, make_key, ssh_keygen};
pub use sshd::{Sshd, SshdBuilder, current_user};
pub use stack::Stack;
