//! `cargo xtask coverage`: which test shows what each founding document names.
//!
//! The documents are listed row by row in `xtask/coverage/`; `docs/coverage.md` is written from there, with the files
//! in which the tests are found.

mod rows;

use crate::test_functions::{TestFunction, TestFunctions};
use anyhow::{Context, Result, bail};
use rows::{Document, Row};
use std::{fmt::Write as _, fs, path::Path};

/// The founding documents, in the order of `docs/coverage.md`.
const DOCUMENTS: [&str; 5] = [
    "vault-ssh-api",
    "ngrok-ssh-user-certificates",
    "ngrok-ssh-user-certificates-get",
    "infisical-issue-user-cert",
    "venafi-sshcertificates-request",
];

const PREFACE: &str = "\
# Coverage of the founding documents

Every endpoint, parameter, response field, status and error of the five documents that the project was founded on, with
the tests that show it. Where the real product or a rule of ours decides against the document, the last column says so,
and the test is that of the decision; [DIVERGENCES.md](DIVERGENCES.md) has the reasons.

Written by `cargo xtask coverage` from `xtask/coverage/`: do not edit it by hand.
";

/// Writes `docs/coverage.md`, or with `--check` compares it.
///
/// # Errors
/// Every row without a test, and every name that is none; a row that cannot be read; a document that is not up to date.
pub(crate) fn run(options: &[&str], repository: &Path) -> Result<()> {
    let text = report(repository)?;
    let path = repository.join("docs/coverage.md");
    if options.contains(&"--check") {
        if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        bail!("docs/coverage.md is out of date: run `cargo xtask coverage`");
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The text of `docs/coverage.md`.
fn report(repository: &Path) -> Result<String> {
    let functions = TestFunctions::find(repository)?;
    let mut text = PREFACE.to_owned();
    let mut mistakes = Vec::new();
    for name in DOCUMENTS {
        let path = repository.join(format!("xtask/coverage/{name}.txt"));
        let listed = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let document = Document::parse(name, &listed).with_context(|| path.display().to_string())?;
        table(&document, &functions, &mut text, &mut mistakes);
    }
    if !mistakes.is_empty() {
        bail!("not everything is shown by a test:\n{}", mistakes.join("\n"));
    }
    Ok(text)
}

fn table(document: &Document, functions: &TestFunctions, text: &mut String, mistakes: &mut Vec<String>) {
    let Document { title, rows, .. } = document;
    let heading = format!(
        "\n## {title}\n\n{} rows.\n\n| kind | item | shown by | decided otherwise |\n|---|---|---|---|\n",
        rows.len()
    );
    text.push_str(&heading);
    for row in rows {
        match shown_by(row, document, functions) {
            Ok(tests) => {
                let Row {
                    kind, item, ruling, ..
                } = row;
                let ruling = ruling.as_deref().unwrap_or_default();
                let _ = writeln!(text, "| {kind} | {item} | {tests} | {ruling} |");
            }
            Err(error) => mistakes.push(format!("{}:{}: {error}", document.name, row.line)),
        }
    }
}

/// The tests of a row as links to their files.
fn shown_by(row: &Row, document: &Document, functions: &TestFunctions) -> Result<String> {
    let Row {
        kind, item, tests, ..
    } = row;
    if tests.is_empty() {
        bail!("{kind} {item}: no test");
    }
    let mut links = Vec::new();
    for test in tests {
        let found = functions
            .named(test, &document.places)
            .with_context(|| format!("{kind} {item}"))
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        for TestFunction { name, file } in found {
            let link = format!("[`{name}`](../{file})");
            if !links.contains(&link) {
                links.push(link);
            }
        }
    }
    Ok(links.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_the_founding_documents_is_shown_by_a_test() {
        run(&["--check"], crate::repository()).unwrap();
    }

    #[test]
    fn rows_without_a_test_are_named() {
        let functions = TestFunctions::read("a/tests/x.rs", "#[test]\nfn it_works() {}\n");
        let listed = "title: T\nplaces: a\nerror | e1 |\nstatus | s1 | it_fails\nstatus | s2 | it_w\n";
        let document = Document::parse("d", listed).unwrap();
        let (mut text, mut mistakes) = (String::new(), Vec::new());
        table(&document, &functions, &mut text, &mut mistakes);
        assert_eq!(
            mistakes,
            [
                "d:3: error e1: no test",
                "d:4: status s1: no test is named it_fails"
            ]
        );
        assert!(
            text.ends_with("| status | s2 | [`it_works`](../a/tests/x.rs) |  |\n"),
            "{text}"
        );
    }
}
