//! Builds what the benchmark measures as it is released, and the benchmark itself, and runs it.

use crate::functions::{self, cargo, succeed};
use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the functions' cold starts are held against: a function that does nothing, and is no part of the product.
const HELLO: &str = "hello";

pub(crate) fn run(options: &[&str], repository: &Path) -> Result<()> {
    let functions = build_functions(repository)?;
    for package in ["countersign-cli", "countersign-bench"] {
        eprintln!("building {package} as released");
        // One at a time: together they would be built with each other's features.
        succeed(cargo(repository).args(["build", "--quiet", "--release", "--package", package]))?;
    }
    eprintln!("certificate / (sign + verify)");
    let core_ratio = core_ratio(repository)?;
    let release = repository.join("target/release");
    succeed(
        Command::new(release.join("countersign-bench"))
            .arg("--binary")
            .arg(release.join("countersign"))
            .arg("--functions")
            .arg(&functions)
            .args(["--core-ratio", &core_ratio.to_string()])
            .arg("--samples")
            .arg(repository.join("target/bench-samples.json"))
            .args(options)
            .current_dir(repository),
    )
}

/// Counts the instructions of a signature in each function, which is built as released, but with its symbols.
pub(crate) fn instructions(repository: &Path) -> Result<()> {
    eprintln!("building the functions with their symbols: this takes minutes the first time");
    let profile = "instructions";
    let names = functions::all(repository)?;
    succeed(
        cargo(repository)
            .args(["build", "--quiet", "--bins", "--profile", profile])
            .args(names.iter().map(|name| format!("--package=countersign-{name}"))),
    )?;
    succeed(
        cargo(repository)
            .args([
                "run",
                "--quiet",
                "--package",
                "countersign-bench",
                "--",
                "--instructions",
            ])
            .arg(repository.join("target").join(profile)),
    )
}

/// The functions as they are deployed, and the hello-world: the directory that holds them, each as a program and as a
/// zip.
fn build_functions(repository: &Path) -> Result<PathBuf> {
    eprintln!("building the functions as released: this takes minutes the first time");
    // cargo-lambda lies among the tests' Python programs.
    succeed(Command::new(repository.join("tests/run")).arg("environment"))?;
    let mut names = functions::all(repository)?;
    names.push(HELLO.into());
    let directory = repository.join("target/lambda-release");
    for format in ["binary", "zip"] {
        functions::build(repository, &names, &directory, format, None)?;
    }
    Ok(directory)
}

/// The worst ratio that shared/benches/issuance.rs prints.
fn core_ratio(repository: &Path) -> Result<f64> {
    let arguments = [
        "bench",
        "--quiet",
        "--profile",
        functions::PROFILE,
        "--package",
        "countersign",
        "--bench",
        "issuance",
        "--features",
        "local-key,test-util",
    ];
    let output = cargo(repository)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ratios = text.lines().filter_map(|line| {
        let (figure, _) = line.split_once("(rounds")?;
        figure.split_whitespace().next_back()?.parse::<f64>().ok()
    });
    let worst = ratios.fold(0.0, f64::max);
    ensure!(
        output.status.success() && worst > 0.0,
        "the benchmark of issuance failed\n{text}"
    );
    Ok(worst)
}
