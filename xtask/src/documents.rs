//! What the documents say of the tests: each block of commands names the test that executes it, or why none does; each
//! row of SECURITY.md's boundaries names the tests that prove it.

mod sources;

use crate::test_functions::TestFunctions;
use anyhow::{Context, Result, bail, ensure};
use std::{fs, path::Path};

/// A fenced block, and the comment before it.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    /// The number of the line that opens it, from 1.
    line: usize,
    /// What stands behind the fence.
    language: &'a str,
    /// The text of an HTML comment on the line before.
    mark: Option<&'a str>,
}

impl Block<'_> {
    /// Whether somebody would paste it into a shell.
    fn has_commands(&self) -> bool {
        ["", "bash", "console", "sh", "shell"].contains(&self.language)
    }

    /// Holds the mark against the tests.
    fn check(&self, document: &str, repository: &Path, functions: &TestFunctions) -> Result<()> {
        let Some(mark) = self.mark else {
            ensure!(
                !self.has_commands(),
                "commands without `<!-- executed: FILE::TEST -->` or `<!-- not executed: why -->` before them"
            );
            return Ok(());
        };
        if let Some(reason) = mark.strip_prefix("not executed:") {
            ensure!(!reason.trim().is_empty(), "not executed for no reason");
            return Ok(());
        }
        let test = mark
            .strip_prefix("executed:")
            .with_context(|| format!("what does `{mark}` mean?"))?;
        let (file, test) = test.trim().split_once("::").context("FILE::TEST is missing")?;
        functions.in_file(test, file)?;
        let source = fs::read_to_string(repository.join(file))?;
        ensure!(
            source.contains(&format!("\"{document}\"")) && source.contains(&format!("\"{test}\"")),
            "{file} does not read the blocks of \"{document}\" that are marked with \"{test}\""
        );
        Ok(())
    }
}

/// The fenced blocks of a Markdown text.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let (mut is_open, mut before) = (false, "");
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(language) = text.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                let comment = before
                    .strip_prefix("<!--")
                    .and_then(|rest| rest.strip_suffix("-->"));
                found.push(Block {
                    line,
                    language: language.trim(),
                    mark: comment.map(str::trim),
                });
            }
        }
        before = text;
    }
    found
}

/// The Markdown files of the repository, from there on.
fn documents(repository: &Path) -> Result<Vec<String>> {
    let mut found = files(repository)?;
    found.retain(|file| file.ends_with(".md"));
    Ok(found)
}

/// The files of the repository, from there on: neither hidden ones, nor what was built or fetched.
fn files(repository: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(repository.join(&directory))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{directory}{name}");
            let is_ours = !name.starts_with('.') && !["node_modules", "target"].contains(&name.as_str());
            if entry.file_type()?.is_dir() {
                directories.extend(is_ours.then(|| format!("{path}/")));
            } else if is_ours {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The last column of the table below `heading`, with the number of each row's line.
fn last_column<'a>(text: &'a str, heading: &str) -> Vec<(usize, &'a str)> {
    let lines = (1..).zip(text.lines());
    let section = lines
        .skip_while(|(_, line)| *line != heading)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('#'));
    let rows = section.filter(|(_, line)| line.starts_with('|')).skip(2);
    let cell = |row: &'a str| row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    rows.map(|(number, row)| (number, cell(row))).collect()
}

/// Holds a cell of links `[`test`](file)` against the tests.
fn check_links(cell: &str, functions: &TestFunctions) -> Result<()> {
    let links: Vec<&str> = cell.trim().split(", ").collect();
    for link in links {
        let parts = link
            .strip_prefix("[`")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|rest| rest.split_once("`]("));
        match parts {
            Some((test, file)) => functions.in_file(test, file)?,
            None => bail!("`{link}` is no link to a test: [`name`](file)"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    pub(super) fn assert_none(mistakes: &[String]) {
        assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
    }

    #[test]
    fn every_block_of_commands_is_executed_or_says_why_not() {
        let functions = TestFunctions::find(repository()).unwrap();
        let (mut mistakes, mut executed) = (Vec::new(), 0);
        for document in documents(repository()).unwrap() {
            let text = fs::read_to_string(repository().join(&document)).unwrap();
            for block in blocks(&text) {
                executed += usize::from(block.mark.is_some_and(|mark| mark.starts_with("executed:")));
                if let Err(error) = block.check(&document, repository(), &functions) {
                    mistakes.push(format!("{document}:{}: {error:#}", block.line));
                }
            }
        }
        assert_none(&mistakes);
        assert!(executed > 0, "the documents were not found");
    }

    #[test]
    fn every_boundary_names_the_tests_that_prove_it() {
        let functions = TestFunctions::find(repository()).unwrap();
        let text = fs::read_to_string(repository().join("SECURITY.md")).unwrap();
        let rows = last_column(&text, "## Boundaries");
        assert!(rows.len() > 10, "{rows:?}");
        let check = |(line, cell): &(usize, &str)| {
            let error = check_links(cell, &functions).err()?;
            Some(format!("SECURITY.md:{line}: {error:#}"))
        };
        assert_none(&rows.iter().filter_map(check).collect::<Vec<_>>());
    }

    #[test]
    fn blocks_are_found_with_their_marks() {
        let text =
            "<!-- executed: a.rs::b -->\n```sh\n# ```\n```\n\n```text\n```\n<!-- x -->\n\n```\nls\n```\n";
        let found = blocks(text);
        let marks: Vec<_> = found.iter().map(|block| (block.line, block.mark)).collect();
        assert_eq!(marks, [(2, Some("executed: a.rs::b")), (6, None), (10, None)]);
        let commands: Vec<_> = found.iter().map(Block::has_commands).collect();
        assert_eq!(commands, [true, false, true]);
    }

    #[test]
    fn marks_that_are_not_true_are_refused() {
        let functions = TestFunctions::read("xtask/src/documents.rs", "#[test]\nfn known() {}\n");
        let refused = |language, mark| {
            let block = Block {
                line: 1,
                language,
                mark,
            };
            block.check("D.md", repository(), &functions).is_err()
        };
        for mark in [
            None,
            Some("executed:"),
            Some("executed: xtask/src/documents.rs::unknown"),
            Some("executed: xtask/src/main.rs::known"),
            Some("not executed:"),
            Some("later"),
        ] {
            assert!(refused("", mark), "{mark:?}");
        }
        // This file names both, as one that reads the blocks does.
        let _reads = ("D.md", "known");
        assert!(!refused("", Some("executed: xtask/src/documents.rs::known")));
        assert!(!refused("", Some("not executed: needs an account")));
        assert!(!refused("text", None));
    }

    #[test]
    fn rows_without_a_test_that_is_there_are_refused() {
        let functions = TestFunctions::read("a/b.rs", "#[test]\nfn known() {}\n");
        let text = "## A\n|x|\n|-|\n| no |\n## B\n\n| x | y |\n|---|---|\n| 1 | [`known`](a/b.rs) |\n| 2 |  |\n\nend\n";
        let rows = last_column(text, "## B");
        assert_eq!(rows, [(9, " [`known`](a/b.rs) "), (10, "  ")]);
        assert!(check_links(rows[0].1, &functions).is_ok());
        for cell in [
            "  ",
            "known",
            "[`known`](a/c.rs)",
            "[`other`](a/b.rs)",
            "[`known`](a/b.rs), x",
        ] {
            assert!(check_links(cell, &functions).is_err(), "{cell}");
        }
    }
}
