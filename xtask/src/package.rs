//! `cargo xtask package`: every Lambda function as it is released, packed, and checked for its size.

use anyhow::{Context, Result, bail, ensure};
use std::{env, fs, path::Path, process::Command};

/// What a package may have at most: a larger one starts slower.
const MAX_BYTES: u64 = 5_000_000;

/// Builds for `architecture` (`arm64` or `x86-64`), with cargo-lambda.
pub(crate) fn run(architecture: &str, repository: &Path) -> Result<()> {
    let functions = functions(repository)?;
    let mut command = Command::new("cargo");
    command
        .current_dir(repository)
        .env("PATH", search_path(repository)?)
        .args(["lambda", "build", "--release", "--output-format", "zip"])
        .args(["--lambda-dir", "target/lambda", "--locked"])
        .arg(format!("--{architecture}"));
    for name in &functions {
        command
            .arg(format!("--package=countersign-{name}"))
            .arg(format!("--bin={name}"));
    }
    let status = command.status().context("cargo cannot be started")?;
    ensure!(
        status.success(),
        "cargo lambda failed; where it is missing: pip install cargo-lambda ziglang"
    );
    let mut too_large = Vec::new();
    for name in &functions {
        let package = repository.join("target/lambda").join(name).join("bootstrap.zip");
        let bytes = fs::metadata(&package)
            .with_context(|| format!("{} is missing", package.display()))?
            .len();
        println!("{name:<10} {:>5.2} MB", bytes as f64 / 1e6);
        if bytes > MAX_BYTES {
            too_large.push(name.as_str());
        }
    }
    if !too_large.is_empty() {
        bail!("larger than {MAX_BYTES} bytes: {}", too_large.join(", "));
    }
    Ok(())
}

/// The functions: each folder with a `main.rs` is the package `countersign-<folder>` with the binary `<folder>`.
fn functions(repository: &Path) -> Result<Vec<String>> {
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

/// With the programs of the tests' Python environment, where there is one.
fn search_path(repository: &Path) -> Result<std::ffi::OsString> {
    let own = env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(repository.join("tests/.venv/bin")).chain(env::split_paths(&own));
    Ok(env::join_paths(paths)?)
}
