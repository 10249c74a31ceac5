//! Python with the packages of `tests/requirements.txt`, and the Node that is among them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{Outcome, run};

const LIMIT: Duration = Duration::from_secs(120);

/// The interpreter of `tests/.venv`.
///
/// # Errors
/// The environment has not been made.
pub fn venv_python() -> Result<PathBuf> {
    let python = tests_directory().join(".venv/bin/python");
    ensure!(
        python.exists(),
        "{} is missing: run `tests/run setup` once (it makes the Python environment of the tests)",
        python.display()
    );
    Ok(python)
}

/// Runs a script of the tests (a path relative to `tests/`), which must succeed within two minutes.
///
/// # Errors
/// No environment, or the script failed: with all that it printed.
pub fn run_python(script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Outcome> {
    let mut command = Command::new(venv_python()?);
    command
        .arg(tests_directory().join(script))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(environment.iter().copied());
    run(&mut command, LIMIT)?
        .success()
        .with_context(|| format!("{script} failed"))
}

/// Runs a script of the tests in Node (a path relative to `tests/`), which must succeed within two minutes.
///
/// # Errors
/// No environment, no modules, or the script failed: with all that it printed.
pub fn run_node(script: &str, environment: &[(&str, &str)]) -> Result<Outcome> {
    let node = venv_python()?.with_file_name("node");
    let script = tests_directory().join(script);
    let modules = script.with_file_name("node_modules");
    for needed in [&node, &modules] {
        ensure!(
            needed.exists(),
            "{} is missing: run `tests/run setup` once",
            needed.display()
        );
    }
    let mut command = Command::new(node);
    command.arg(&script).envs(environment.iter().copied());
    run(&mut command, LIMIT)?
        .success()
        .with_context(|| format!("{} failed", script.display()))
}

pub(crate) fn tests_directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
