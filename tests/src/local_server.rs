//! `countersign serve`, as a newcomer starts it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::{Server, run};

const READY_LIMIT: Duration = Duration::from_secs(20);
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// The last words of what it prints at its start.
const LAST_WORDS: &str = "Ctrl-C ends this server.\n";

/// A running local server. Dropping it ends it.
#[derive(Debug)]
pub struct LocalServer {
    // Fields drop in order: the server ends before its directory goes.
    server: Server,
    _directory: TempDir,
    banner: String,
}

impl LocalServer {
    /// Starts it on a free port with these further arguments.
    ///
    /// # Errors
    /// The binary cannot be built, or the server does not come up: with its log.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let directory = TempDir::with_prefix("countersign-serve-")?;
        let mut command = countersign()?;
        command
            .current_dir(directory.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments);
        let mut server = Server::start(&command, &directory.path().join("log"))?;
        let log = directory.path().join("log");
        let banner = || std::fs::read_to_string(&log).unwrap_or_default();
        server
            .wait_until(READY_LIMIT, || banner().contains(LAST_WORDS))
            .context("countersign serve did not start")?;
        let text = banner();
        let end = text
            .find(LAST_WORDS)
            .map_or(text.len(), |start| start + LAST_WORDS.len());
        Ok(Self {
            banner: text[..end].to_owned(),
            server,
            _directory: directory,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// It did not say so.
    pub fn url(&self) -> Result<String> {
        let start = self.banner.find("http").context("an address")?;
        let rest = &self.banner[start..];
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        Ok(rest[..end].trim_end_matches(['/', '.', ',']).to_owned())
    }

    /// All that it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// What it printed at its start.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.banner
    }
}

/// The `countersign` command, for arguments.
///
/// # Errors
/// It cannot be built.
pub fn countersign() -> Result<Command> {
    Ok(Command::new(binary()?))
}

/// The binary beside the tests; built where only the tests were.
fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test
        .ancestors()
        .nth(2)
        .context("tests lie in a target directory")?;
    let path = target.join("countersign");
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--package", "countersign-cli"]);
        run(&mut build, BUILD_LIMIT)?
            .success()
            .context("cannot build countersign")?;
    }
    ensure!(path.exists(), "{} is missing: cargo build", path.display());
    Ok(path)
}
