//! What the documents say of the sources: the files that they name are there, and ARCHITECTURE.md's four ways lead
//! through them.

use anyhow::{Context, Result, ensure};
use std::{fs, path::Path};

/// What stands between backticks in a text without blocks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether `file` is `path`, or lies below it; `path` may leave out where it begins.
fn is_at(file: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let mut starts = file.match_indices(path).map(|(start, _)| start);
    starts.any(|start| {
        let rest = &file[start + path.len()..];
        (start == 0 || file[..start].ends_with('/')) && (rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether what stands between backticks names a source file, or anything below a directory of the repository.
fn names_a_path(code: &str, files: &[String]) -> bool {
    let is_plain = code
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let is_hidden = code.split('/').any(|segment| segment.starts_with('.'));
    let below = |(top, _): (&str, &str)| files.iter().any(|file| file.starts_with(&format!("{top}/")));
    is_plain && !is_hidden && (code.ends_with(".rs") || code.split_once('/').is_some_and(below))
}

/// Whether each segment of `name` (`Order::parse`) is a word of `source`.
fn has_name(source: &str, name: &str) -> bool {
    let words: Vec<&str> = source.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    name.split("::").all(|segment| words.contains(&segment))
}

/// Holds a cell of ARCHITECTURE.md's table of the four ways against the sources of `family`: its files, below the
/// family's folder or the core's; and the names after each, which are in it.
fn check_way(cell: &str, family: &str, files: &[String], repository: &Path) -> Result<()> {
    let places = [format!("functions/{family}/src/"), "shared/src/".to_owned()];
    let mut read: Vec<&String> = files
        .iter()
        .filter(|file| file.ends_with(".rs") && places.iter().any(|place| file.starts_with(place)))
        .collect();
    for code in code(cell) {
        if code.ends_with(".rs") || code.ends_with('/') {
            let named = |place: &String| {
                files
                    .iter()
                    .filter(move |file| is_below(file, place, code))
                    .collect()
            };
            let found: Vec<Vec<&String>> = places.iter().map(named).collect();
            read = found
                .into_iter()
                .find(|found| !found.is_empty())
                .with_context(|| format!("no {code}"))?;
            continue;
        }
        let mut sources = read.iter().map(|file| fs::read_to_string(repository.join(file)));
        ensure!(
            sources.any(|source| source.is_ok_and(|source| has_name(&source, code))),
            "no {code} where it should be"
        );
    }
    Ok(())
}

/// Whether `file` is `path` below `place`, or lies in it.
fn is_below(file: &str, place: &str, path: &str) -> bool {
    let rest = file.strip_prefix(place).and_then(|rest| rest.strip_prefix(path));
    rest.is_some_and(|rest| rest.is_empty() || path.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::{documents, files, tests::assert_none},
        repository,
    };

    #[test]
    fn the_files_that_the_documents_name_are_there() {
        let files = files(repository()).unwrap();
        let (mut mistakes, mut named) = (Vec::new(), 0);
        for document in documents(repository()).unwrap() {
            let text = fs::read_to_string(repository().join(&document)).unwrap();
            let outside = text.split("```").step_by(2);
            for path in outside.flat_map(code).filter(|code| names_a_path(code, &files)) {
                named += 1;
                if !files.iter().any(|file| is_at(file, path)) {
                    mistakes.push(format!("{document}: there is no {path}"));
                }
            }
        }
        assert_none(&mistakes);
        assert!(named > 100, "{named} files are named");
    }

    #[test]
    fn the_four_ways_are_those_of_the_sources() {
        let files = files(repository()).unwrap();
        let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
        let lines = text
            .lines()
            .skip_while(|line| *line != "### The four ways, side by side");
        let rows: Vec<&str> = lines
            .skip(1)
            .take_while(|line| !line.starts_with('#'))
            .filter(|line| line.starts_with('|'))
            .skip(2)
            .collect();
        assert!(rows.len() > 5, "{rows:?}");
        let mut mistakes = Vec::new();
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            for (cell, family) in cells[2..].iter().zip(["vault", "ngrok", "infisical", "venafi"]) {
                if let Err(error) = check_way(cell, family, &files, repository()) {
                    mistakes.push(format!("{}, {family}: {error}", cells[1]));
                }
            }
        }
        assert_none(&mistakes);
    }

    #[test]
    fn what_names_a_file_is_told_from_other_code() {
        let files = ["a/b/c.rs".to_owned(), "d.md".to_owned()];
        for (code, is_named, is_there) in [
            ("c.rs", true, true),
            ("b/c.rs", true, true),
            ("a/b/", true, true),
            ("a/b", true, true),
            ("x.rs", true, false),
            ("a/x", true, false),
            ("/c.rs", true, false),
            ("b/c", false, false),
            ("a/.state", false, false),
            ("a/<b>", false, false),
            ("*.rs", false, false),
            ("sys/mounts", false, false),
        ] {
            assert_eq!(names_a_path(code, &files), is_named, "{code}");
            if is_named {
                assert_eq!(files.iter().any(|file| is_at(file, code)), is_there, "{code}");
            }
        }
        assert!(has_name("impl Order { fn parse(", "Order::parse") && !has_name("fn parsed()", "parse"));
    }
}
