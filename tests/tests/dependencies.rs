//! docs/dependencies.md names every direct dependency, and none that is not there; deny.toml says what is true of all.

#![allow(missing_docs)]

use anyhow::{Context, Result, ensure};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(repository().join(path)).with_context(|| format!("{path} is missing"))
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

/// The crates in the first column of the document's tables.
fn documented() -> Result<BTreeSet<String>> {
    let document = read("docs/dependencies.md")?;
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let names = rows.filter_map(|row| row.split(" | ").next());
    let quoted = names.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    Ok(quoted.map(str::to_owned).collect())
}

/// A crate that cargo builds, for any of our own crates and their tests.
struct Package {
    name: String,
    version: String,
    licence: String,
}

fn built() -> Result<Vec<Package>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--offline", "--workspace", "--all-features"])
        .args(["--edges=normal,build,dev", "--prefix=none", "--format={p}|{l}"])
        .current_dir(repository())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout)?;
    let lines: BTreeSet<&str> = listed
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    let package = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        Some(Package {
            name: words.next()?.to_owned(),
            version: words.next()?.strip_prefix('v')?.to_owned(),
            licence: licence.to_owned(),
        })
    };
    let packages = lines.into_iter().map(package).collect::<Option<Vec<_>>>();
    packages.context("cargo tree prints other lines")
}

/// The lines of a list of deny.toml.
fn rules(list: &str) -> Result<Vec<String>> {
    let rules = read("deny.toml")?;
    let (_, rest) = rules
        .split_once(&format!("\n{list} = [\n"))
        .with_context(|| format!("no {list}"))?;
    let (lines, _) = rest.split_once("\n]").context("the list has no end")?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// The first quoted text of each line of a list of deny.toml.
fn quoted(list: &str) -> Result<BTreeSet<String>> {
    let lines = rules(list)?;
    let texts = lines.iter().map(|line| line.split('"').nth(1).map(str::to_owned));
    texts.collect::<Option<_>>().context("a line without a text")
}

/// Whether `allowed` licences are enough for an SPDX expression.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    const MET: &str = "met";
    let met = |expression: &str| {
        expression.split(" OR ").any(|terms| {
            let mut terms = terms.split(" AND ").map(str::trim);
            terms.all(|term| term == MET || allowed.contains(term))
        })
    };
    let mut expression = expression.replace('/', " OR ");
    while let Some(open) = expression.rfind('(')
        && let Some(len) = expression[open..].find(')')
    {
        let inner = met(&expression[open + 1..open + len]);
        expression.replace_range(open..=open + len, if inner { MET } else { "not met" });
    }
    met(&expression)
}

#[test]
fn every_direct_dependency_has_its_reason() -> Result<()> {
    assert_eq!(documented()?, direct()?);
    Ok(())
}

/// At finer levels libraries write whole requests to the log, tokens and passwords among them.
#[test]
fn what_a_released_function_could_log_below_info_is_not_compiled_in() -> Result<()> {
    let functions = repository().join("functions");
    for function in fs::read_dir(functions)? {
        let name = function?.file_name().to_string_lossy().into_owned();
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "tree",
                "--locked",
                "--offline",
                "--edges=normal",
                "--prefix=none",
                "--format={p} {f}",
            ])
            .arg(format!("--package=countersign-{name}"))
            .current_dir(repository())
            .output()?;
        let listed = String::from_utf8(output.stdout)?;
        let mut tracing = listed
            .lines()
            .filter(|line| line.starts_with("tracing v"))
            .peekable();
        assert!(tracing.peek().is_some(), "{name} has no log");
        assert!(
            tracing.all(|line| line.contains("release_max_level_info")),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn every_second_version_has_its_reason() -> Result<()> {
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in built()? {
        versions.entry(package.name).or_default().insert(package.version);
    }
    let mut unexplained: BTreeMap<_, _> = versions.iter().map(|(name, all)| (name, all.len() - 1)).collect();
    for rule in quoted("skip")? {
        let (name, older) = rule.split_once('@').context("a rule without a version")?;
        let all = versions
            .get(name)
            .with_context(|| format!("{name} is not built"))?;
        let covered = all
            .iter()
            .filter(|version| format!("{version}.").starts_with(&format!("{older}.")));
        assert_eq!(covered.count(), 1, "{rule}: {all:?}");
        let left = unexplained.get_mut(&name.to_owned()).context("it is built")?;
        *left = left
            .checked_sub(1)
            .with_context(|| format!("{name} has one version only"))?;
    }
    unexplained.retain(|_, left| *left > 0);
    assert!(unexplained.is_empty(), "not in deny.toml: {unexplained:?}");
    Ok(())
}

#[test]
fn every_licence_is_allowed_and_no_crate_is_banned() -> Result<()> {
    let (allowed, banned) = (quoted("allow")?, quoted("deny")?);
    for Package { name, licence, .. } in built()? {
        assert!(is_allowed(&licence, &allowed), "{name}: {licence}");
        assert!(!banned.contains(&name), "{name}");
    }
    Ok(())
}

#[test]
fn every_crate_comes_from_crates_io() -> Result<()> {
    const CRATES_IO: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let lock = read("Cargo.lock")?;
    let mut sources = lock.lines().filter(|line| line.starts_with("source = "));
    assert!(sources.all(|source| source == CRATES_IO));
    Ok(())
}

#[test]
fn licences_are_read_as_spdx_has_them() {
    let allowed = BTreeSet::from(["MIT", "ISC"].map(str::to_owned));
    for expression in [
        "MIT",
        "GPL-3.0 OR MIT",
        "Apache-2.0/MIT",
        "(GPL-3.0 OR ISC) AND MIT",
    ] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    for expression in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (GPL-3.0 OR Apache-2.0)",
        "MIT WITH something",
    ] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}
