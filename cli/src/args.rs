//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A serverless SSH certificate authority, on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a certificate authority on this machine, with its keys and its records in one directory.
    #[command(after_help = "Example:\n  countersign serve --data-dir ./ca --tls")]
    Serve(ServeArguments),
}

/// How the local server runs.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Listen on this address
    #[arg(
        long,
        env = "COUNTERSIGN_LISTEN",
        default_value = "127.0.0.1:8200",
        value_name = "ADDRESS:PORT"
    )]
    pub(crate) listen: String,
    /// Keep everything in this directory, created where it is missing [env: COUNTERSIGN_DATA_DIR] [default:
    /// ./countersign-data]
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep everything in memory, until the server ends
    #[arg(long)]
    pub(crate) memory: bool,
    /// Make this text a root token. Without it, a new directory gets a random one [env: COUNTERSIGN_ROOT_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) root_token: Option<String>,
    /// Speak HTTPS with a self-signed certificate, kept as tls.pem in the directory
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(crate) tls: bool,
    /// Speak HTTPS with this PEM certificate chain
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The PEM private key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// What the environment says where the command line does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) data_dir: Option<String>,
    pub(crate) root_token: Option<String>,
}

impl Environment {
    /// Reads it. An empty variable counts as none.
    #[allow(clippy::disallowed_methods)] // this is where the command reads its environment
    pub(crate) fn read() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            data_dir: variable("COUNTERSIGN_DATA_DIR"),
            root_token: variable("COUNTERSIGN_ROOT_TOKEN"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn refused(arguments: &[&str]) -> bool {
        Arguments::try_parse_from([&["countersign"], arguments].concat()).is_err()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn choices_that_exclude_each_other_are_refused() {
        assert!(refused(&["serve", "--memory", "--data-dir", "d"]));
        assert!(refused(&["serve", "--tls", "--tls-cert", "c", "--tls-key", "k"]));
        assert!(refused(&["serve", "--tls-cert", "c"]));
        assert!(refused(&["serve", "--tls-key", "k"]));
    }

    #[test]
    fn every_verb_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            for inner in command.get_subcommands() {
                let path = format!("{path} {}", inner.get_name());
                let example = inner
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let is_noun = inner.has_subcommands();
                assert!(is_noun || example.contains(&path), "{path} has no example");
                check(inner, &path);
            }
        }
        check(&Arguments::command(), "countersign");
    }
}
