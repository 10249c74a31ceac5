//! The tasks that cargo lacks: `cargo xtask help` lists them.

#![allow(clippy::disallowed_methods, reason = "tasks read the environment")]

mod bench;
mod coverage;
#[cfg(test)]
mod documents;
mod functions;
mod package;
mod test_functions;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{env, fs, path::Path};

const USAGE: &str = "usage: cargo xtask TASK
  openapi                    write the families' OpenAPI documents anew
  coverage [--check]         write, or only check, which tests show what the founding documents name (docs/coverage.md)
  bench [--quick] [--json]   measure everything as it is released (docs/performance.md)
  instructions               count the instructions of a signature, with valgrind
  package [--x86-64]         build the Lambda functions as they are released, for arm64 or x86-64

example: cargo xtask bench --quick --json";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["openapi"] => openapi(),
        ["coverage"] | ["coverage", "--check"] => coverage::run(&arguments[1..], repository()),
        ["bench", options @ ..]
            if options
                .iter()
                .all(|option| ["--quick", "--json"].contains(option)) =>
        {
            bench::run(options, repository())
        }
        ["instructions"] => bench::instructions(repository()),
        ["package"] => package::run("arm64", repository()),
        ["package", "--x86-64"] => package::run("x86-64", repository()),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!(USAGE),
    }
}

fn openapi() -> Result<()> {
    write("infisical", &countersign_infisical::openapi::document())?;
    write("ngrok", &countersign_ngrok::openapi::document())?;
    write("venafi", &countersign_venafi::openapi::document())
}

/// Keeps the document of a family.
fn write(family: &str, document: &Value) -> Result<()> {
    let path = repository().join(format!("functions/{family}/openapi.json"));
    let text = serde_json::to_string_pretty(document)?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn repository() -> &'static Path {
    let task = Path::new(env!("CARGO_MANIFEST_DIR"));
    task.parent().unwrap_or(task)
}
