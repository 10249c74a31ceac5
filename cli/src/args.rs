//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

use crate::admin::{admission, authority, certificate, identity, infisical, policy, token, venafi};

/// A serverless SSH certificate authority: the local server, and the administration of servers and deployments.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  countersign serve"
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
    /// Access tokens: who may call the certificate authority.
    #[command(after_help = "Example:\n  countersign token list --url http://127.0.0.1:8200")]
    Token(Administration<token::Command>),
    /// Policies: what a token may do.
    #[command(after_help = "Example:\n  countersign policy list")]
    Policy(Administration<policy::Command>),
    /// Authorities: the CA keys.
    #[command(after_help = "Example:\n  countersign authority list")]
    Authority(Administration<authority::Command>),
    /// Admissions: callers whom API Gateway knows, and what they may do without a token.
    #[command(after_help = "Example:\n  countersign admission list")]
    Admission(Administration<admission::Command>),
    /// Machine identities: client ids with secrets, exchanged for short-lived tokens.
    #[command(after_help = "Example:\n  countersign identity list")]
    Identity(Administration<identity::Command>),
    /// Certificates: who got what, when, and through which family and role.
    #[command(after_help = "Example:\n  countersign certificate list --principal alice")]
    Certificate(Administration<certificate::Command>),
    /// Infisical: projects with their people, machines, groups and hosts.
    #[command(after_help = "Example:\n  countersign infisical apply setup.json")]
    Infisical(Administration<infisical::Command>),
    /// Venafi: the templates by which its clients get certificates.
    #[command(after_help = "Example:\n  countersign venafi template list")]
    Venafi(Administration<venafi::Command>),
}

/// An administration command, and whom it talks to.
#[derive(Debug, Args)]
pub(crate) struct Administration<C: Subcommand> {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: C,
}

/// The heading of these options in the help of every verb.
const TARGET: &str = "Whom to talk to";

/// Whom an administration command talks to.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Talk to the running server at this address, for example http://127.0.0.1:8200 [env: COUNTERSIGN_URL]
    #[arg(long, global = true, help_heading = TARGET, conflicts_with = "table_prefix")]
    pub(crate) url: Option<String>,
    /// The access token for the server [env: COUNTERSIGN_TOKEN]
    #[arg(long, global = true, help_heading = TARGET)]
    pub(crate) token: Option<String>,
    /// Trust the certificate authority or the self-signed certificate in this PEM file, and no other, when the
    /// address is https [env: COUNTERSIGN_CA_CERT]
    #[arg(long, global = true, help_heading = TARGET, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Work on the tables of the deployment with this prefix, with your AWS credentials [env:
    /// COUNTERSIGN_TABLE_PREFIX]
    #[arg(long, global = true, help_heading = TARGET, value_name = "PREFIX")]
    pub(crate) table_prefix: Option<String>,
    /// Print JSON
    #[arg(long, global = true, help_heading = TARGET)]
    pub(crate) json: bool,
}

/// Vault's port, so that its clients need no more than its address.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:8200";

/// How the local server runs.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Listen on this address
    #[arg(
        long,
        env = "COUNTERSIGN_LISTEN",
        default_value = DEFAULT_LISTEN,
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
    pub(crate) ca_cert: Option<String>,
    pub(crate) data_dir: Option<String>,
    pub(crate) root_token: Option<String>,
    pub(crate) table_prefix: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) url: Option<String>,
}

impl Environment {
    /// Reads it. An empty variable counts as none.
    #[allow(clippy::disallowed_methods)] // this is where the command reads its environment
    pub(crate) fn read() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            ca_cert: variable("COUNTERSIGN_CA_CERT"),
            data_dir: variable("COUNTERSIGN_DATA_DIR"),
            root_token: variable("COUNTERSIGN_ROOT_TOKEN"),
            table_prefix: variable("COUNTERSIGN_TABLE_PREFIX"),
            token: variable("COUNTERSIGN_TOKEN"),
            url: variable("COUNTERSIGN_URL"),
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
        assert!(refused(&[
            "token",
            "list",
            "--url",
            "http://x",
            "--table-prefix",
            "p"
        ]));
    }

    #[test]
    fn the_target_stands_before_or_after_the_verb() {
        for arguments in [
            ["token", "--url", "http://x", "list"],
            ["token", "list", "--url", "http://x"],
        ] {
            let parsed = Arguments::try_parse_from([&["countersign"][..], &arguments].concat()).unwrap();
            let Command::Token(token) = parsed.command else {
                panic!("token")
            };
            assert_eq!(token.target.url.as_deref(), Some("http://x"));
        }
    }

    /// The commands of a text: each line from `countersign` on, with lines that end in a backslash put together.
    fn commands(text: &str) -> Vec<String> {
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim);
        let last = |line: &str| line.rsplit(" | ").next().unwrap_or_default().to_owned();
        lines
            .map(last)
            .filter(|line| line.starts_with("countersign "))
            .collect()
    }

    /// The words of a command as the shell divides them, as far as quotes go here.
    fn words(command: &str) -> Vec<String> {
        let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
        for letter in command.chars() {
            match letter {
                '\'' => is_quoted = !is_quoted,
                '#' | '<' | '>' | '&' if !is_quoted && word.is_empty() => break,
                ' ' if !is_quoted => {
                    words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()))
                }
                letter => word.push(letter),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }

    #[test]
    fn every_verb_has_an_example_that_can_be_typed() {
        fn check(command: &clap::Command, path: &str) {
            for inner in command.get_subcommands() {
                let path = format!("{path} {}", inner.get_name());
                let help = inner.get_after_help().map(ToString::to_string);
                let examples = commands(&help.unwrap_or_default());
                assert!(!examples.is_empty(), "{path} has no example");
                for example in examples {
                    assert!(example.starts_with(&path), "{path}: {example}");
                    let parsed = Arguments::try_parse_from(words(&example));
                    assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
                }
                check(inner, &path);
            }
        }
        let command = Arguments::command();
        let help = command.get_after_help().map(ToString::to_string);
        let examples = commands(&help.unwrap_or_default());
        assert!(!examples.is_empty(), "countersign has no example");
        for example in examples {
            Arguments::try_parse_from(words(&example)).unwrap();
        }
        check(&command, "countersign");
    }

    fn document(name: &str) -> String {
        let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::read_to_string(repository.join(name)).unwrap()
    }

    /// In blocks whole, in a sentence perhaps without their arguments.
    #[test]
    fn every_command_in_the_documents_is_one() {
        use clap::error::ErrorKind;
        let mut seen = 0;
        for name in [
            "README.md",
            "SECURITY.md",
            "CHANGELOG.md",
            "infra/README.md",
            "localstack/README.md",
            "docs/one-time-passwords.md",
            "docs/DIVERGENCES.md",
        ] {
            let text = document(name);
            let quoted = text.split('`').filter(|part| !part.contains('\n'));
            let quoted = quoted.flat_map(commands);
            for command in quoted.chain(commands(&text)) {
                if command.contains('[') {
                    continue; // a synopsis
                }
                seen += 1;
                let Err(error) = Arguments::try_parse_from(words(&command)) else {
                    continue;
                };
                let is_short = [
                    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::MissingSubcommand,
                ];
                assert!(is_short.contains(&error.kind()), "{name}: {command}: {error}");
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn the_readme_shows_every_flag_of_serve() {
        let text = document("README.md");
        let mark = format!("::{} -->\n```\n", "the_readme_shows_every_flag_of_serve");
        let (_, block) = text.split_once(&mark).unwrap();
        let (block, _) = block.split_once("\n```").unwrap();
        let shown: std::collections::BTreeSet<_> = block
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
            .filter_map(|word| word.strip_prefix("--"))
            .collect();
        let command = Arguments::command();
        let serve = command.find_subcommand("serve").unwrap();
        let flags = serve.get_arguments().filter_map(|argument| argument.get_long());
        assert_eq!(shown, flags.collect());
    }
}
