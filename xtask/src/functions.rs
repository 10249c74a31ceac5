//! The Lambda functions: which there are, and how they are built as they are released.

use anyhow::{Context, Result, ensure};
use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// The profile of `Cargo.toml` that functions are released with.
pub(crate) const PROFILE: &str = "function";

/// The functions of a deployment: each folder with a `main.rs` is the package `countersign-<folder>` with the binary
/// `<folder>`.
pub(crate) fn all(repository: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(repository.join("functions"))? {
        let path = entry?.path();
        if path.join("src/main.rs").exists()
            && let Some(name) = path.file_name()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Builds `names` with cargo-lambda into `directory`, each as a `binary` or a `zip`, by `format`; for `architecture`
/// (`arm64` or `x86-64`), or else for this machine.
pub(crate) fn build(
    repository: &Path,
    names: &[String],
    directory: &Path,
    format: &str,
    architecture: Option<&str>,
) -> Result<()> {
    let mut command = cargo(repository);
    command
        .env("PATH", search_path(repository)?)
        .args(["lambda", "build", "--profile", PROFILE, "--output-format", format])
        .arg("--lambda-dir")
        .arg(directory)
        .args(architecture.map(|architecture| format!("--{architecture}")))
        .args(
            names
                .iter()
                .flat_map(|name| [format!("--package=countersign-{name}"), format!("--bin={name}")]),
        );
    if env::var_os("CI").is_some_and(|value| value == "true") {
        command.arg("--locked");
    }
    succeed(&mut command).context("where cargo-lambda is missing: pip install cargo-lambda ziglang")
}

/// With the programs of the tests' Python environment, where there is one: cargo-lambda is among them.
fn search_path(repository: &Path) -> Result<OsString> {
    let own = env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(repository.join("tests/.venv/bin")).chain(env::split_paths(&own));
    Ok(env::join_paths(paths)?)
}

/// The cargo that runs this task.
pub(crate) fn cargo(repository: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository);
    command
}

/// Runs it with what it prints where this task's output goes.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(status.success(), "{}: {status}", command.get_program().display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[test]
    fn every_function_of_the_repository_is_found() {
        assert_eq!(
            all(repository()).unwrap(),
            ["infisical", "ngrok", "reaper", "vault", "venafi"]
        );
    }
}
