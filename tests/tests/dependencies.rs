//! docs/dependencies.md names every direct dependency, and none that is not there.

#![allow(missing_docs)]

use anyhow::{Context, Result};
use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> Result<String> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(repository.join(path)).with_context(|| format!("{path} is missing"))
}

/// The crates of the workspace's table, but for our own.
fn direct() -> Result<BTreeSet<String>> {
    let manifest = read("Cargo.toml")?;
    let (_, table) = manifest
        .split_once("[workspace.dependencies]\n")
        .context("no table")?;
    let table = table.lines().take_while(|line| !line.starts_with('['));
    let rows = table.filter_map(|line| line.split_once(" = "));
    let others = rows.filter(|(name, value)| !name.starts_with('#') && !value.contains("path ="));
    Ok(others.map(|(name, _)| name.to_owned()).collect())
}

/// The crates in the first column of the document's tables with two columns.
fn documented() -> Result<BTreeSet<String>> {
    let document = read("docs/dependencies.md")?;
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 1);
    let names = rows.filter_map(|row| row.split(" | ").next());
    let quoted = names.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    Ok(quoted.map(str::to_owned).collect())
}

#[test]
fn every_direct_dependency_has_its_reason() -> Result<()> {
    assert_eq!(documented()?, direct()?);
    Ok(())
}
