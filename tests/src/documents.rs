//! The commands of the documents, as a reader pastes them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::local_server::countersign;
use crate::process::{Outcome, run};
use crate::python::tests_directory;

const LIMIT: Duration = Duration::from_secs(60);

/// The blocks of a document (its path from the repository on) that are marked `<!-- executed: …::test -->`, in order.
///
/// # Errors
/// The document cannot be read, or marks none so.
pub fn executed_by(document: &str, test: &str) -> Result<Vec<String>> {
    let repository = tests_directory()
        .parent()
        .context("tests lie in the repository")?;
    let text = std::fs::read_to_string(repository.join(document)).context(document.to_owned())?;
    let mark = format!("::{test} -->\n```");
    let blocks = text.split(&mark).skip(1).map(|rest| {
        let block = rest.split_once('\n').map_or("", |(_language, block)| block);
        let end = block.find("\n```").map_or(block.len(), |end| end + 1);
        block[..end].to_owned()
    });
    let blocks: Vec<_> = blocks.collect();
    ensure!(
        !blocks.is_empty(),
        "{document} marks no block as executed by {test}"
    );
    Ok(blocks)
}

/// A reader at a machine of their own: a home directory, the `countersign` command, and a stand-in for Vault's.
#[derive(Debug)]
pub struct Reader {
    home: TempDir,
    path: String,
}

impl Reader {
    /// A new one.
    ///
    /// # Errors
    /// `countersign` cannot be built, or a directory not be made.
    pub fn new() -> Result<Self> {
        let home = TempDir::with_prefix("countersign-reader-")?;
        let command = countersign()?;
        let built = Path::new(command.get_program())
            .parent()
            .context("it lies in a directory")?;
        let stand_ins = tests_directory().join("contract/documents");
        #[allow(
            clippy::disallowed_methods,
            reason = "the programs of this machine, and two more"
        )]
        let path = std::env::var("PATH")?;
        Ok(Self {
            path: format!("{}:{}:{path}", stand_ins.display(), built.display()),
            home,
        })
    }

    /// The home directory, in which the commands start.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Pastes commands into bash, which stops at the first that fails.
    ///
    /// # Errors
    /// One fails: with all that they printed.
    pub fn paste(&self, commands: &str, environment: &[(&str, &str)]) -> Result<Outcome> {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("PATH", &self.path)
            .envs(environment.iter().copied());
        run(&mut bash, LIMIT)?
            .success()
            .with_context(|| commands.to_owned())
    }
}
