//! `cargo xtask package`: every Lambda function as it is released, packed, and checked for its size.

use crate::functions;
use anyhow::{Context, Result, bail};
use std::{fs, path::Path};

/// What a package may have at most: a larger one starts slower.
const MAX_BYTES: u64 = 5_000_000;

/// Builds for `architecture` (`arm64` or `x86-64`), with cargo-lambda.
pub(crate) fn run(architecture: &str, repository: &Path) -> Result<()> {
    let names = functions::all(repository)?;
    let directory = repository.join("target/lambda");
    functions::build(repository, &names, &directory, "zip", Some(architecture))?;
    let mut too_large = Vec::new();
    for name in &names {
        let package = directory.join(name).join("bootstrap.zip");
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
