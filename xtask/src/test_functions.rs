//! The test functions of the workspace, as their sources have them.

use anyhow::{Context, Result, bail};
use std::{fs, path::Path};

/// Where tests lie, from the repository on.
const SOURCES: [&str; 4] = ["cli", "functions", "shared", "tests"];

/// A function that `cargo test` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestFunction {
    pub(crate) name: String,
    /// From the repository on, with slashes.
    pub(crate) file: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct TestFunctions(Vec<TestFunction>);

impl TestFunctions {
    /// Reads every source below [`SOURCES`].
    ///
    /// # Errors
    /// A file or directory that cannot be read.
    pub(crate) fn find(repository: &Path) -> Result<Self> {
        let mut found = Self::default();
        for source in SOURCES {
            found.walk(repository, source)?;
        }
        Ok(found)
    }

    fn walk(&mut self, repository: &Path, directory: &str) -> Result<()> {
        let path = repository.join(directory);
        let mut entries = fs::read_dir(&path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read {}", path.display()))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let file = format!("{directory}/{name}");
            if entry.file_type()?.is_dir() {
                // Neither the virtual environment nor what was built.
                if !name.starts_with('.') && !["node_modules", "target"].contains(&name.as_str()) {
                    self.walk(repository, &file)?;
                }
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(entry.path()).with_context(|| format!("cannot read {file}"))?;
                self.0.extend(Self::read(&file, &text).0);
            }
        }
        Ok(())
    }

    /// The test functions of one source. One that is ignored is none.
    pub(crate) fn read(file: &str, text: &str) -> Self {
        let mut found = Vec::new();
        let (mut is_test, mut is_ignored) = (false, false);
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if line.starts_with("#[ignore") {
                is_ignored = true;
            } else if let Some(name) = function(line) {
                if is_test && !is_ignored {
                    found.push(TestFunction {
                        name: name.to_owned(),
                        file: file.to_owned(),
                    });
                }
                (is_test, is_ignored) = (false, false);
            }
        }
        Self(found)
    }

    /// Makes sure that `file` has the test `name`.
    ///
    /// # Errors
    /// It has not.
    #[cfg(test)]
    pub(crate) fn in_file(&self, name: &str, file: &str) -> Result<()> {
        let is_there = |function: &TestFunction| function.name == name && function.file == file;
        if self.0.iter().any(is_there) {
            return Ok(());
        }
        bail!("{file} has no test {name}")
    }

    /// The functions below `places` that `test` names: the one with that very name; or the only one whose name begins
    /// so; or, for the number of a case (`case_61_`), all whose names do. `file::test` looks into files of that name
    /// only.
    ///
    /// # Errors
    /// A name that no function has, or that more than one begins with.
    pub(crate) fn named(&self, test: &str, places: &[String]) -> Result<Vec<&TestFunction>> {
        let (file, start) = match test.split_once("::") {
            Some((file, start)) => (Some(format!("/{file}.rs")), start),
            None => (None, test),
        };
        let known: Vec<_> = self
            .0
            .iter()
            .filter(|function| {
                let lies_below = |place: &String| {
                    let rest = function.file.strip_prefix(place.as_str());
                    rest.is_some_and(|rest| rest.starts_with('/'))
                };
                places.iter().any(lies_below)
                    && file
                        .as_ref()
                        .is_none_or(|file| function.file.ends_with(file.as_str()))
                    && function.name.starts_with(start)
            })
            .collect();
        let exact: Vec<_> = known
            .iter()
            .copied()
            .filter(|found| found.name == start)
            .collect();
        let found = if exact.is_empty() { known } else { exact };
        match found.len() {
            0 => bail!("no test is named {test}"),
            1 => Ok(found),
            _ if is_number_of_a_case(start) => Ok(found),
            _ => {
                let found: Vec<_> = found
                    .iter()
                    .map(|found| format!("{} ({})", found.name, found.file))
                    .collect();
                bail!("{test} is the beginning of more than one: {}", found.join(", "))
            }
        }
    }
}

/// `case_61_`, `case_1_to_8_`.
fn is_number_of_a_case(start: &str) -> bool {
    let numbers = start
        .strip_prefix("case_")
        .and_then(|rest| rest.strip_suffix('_'));
    numbers.is_some_and(|numbers| {
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        numbers.split('_').all(|part| is_digits(part) || part == "to")
    })
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        #[test]
        fn case_1_one() {}
        #[tokio::test(flavor = \"multi_thread\")]
        #[allow(unused)]
        async fn case_1_two() {}
        #[test]
        #[ignore = \"slow\"]
        fn case_1_ignored() {}
        // #[test]
        fn helper() {}
        #[test]
        fn a_b() {}
        #[test]
        fn a_b_c() {}
    ";

    fn names(test: &str, place: &str) -> Option<Vec<String>> {
        let mut functions = TestFunctions::read("x/tests/one.rs", SOURCE);
        functions
            .0
            .extend(TestFunctions::read("x/tests/two.rs", "#[test]\nfn a_b_d() {}").0);
        let found = functions.named(test, &[place.to_owned()]).ok()?;
        Some(found.iter().map(|found| found.name.clone()).collect())
    }

    #[test]
    fn tests_are_found_by_name_beginning_and_number() {
        for (test, expected) in [
            ("case_1_", &["case_1_one", "case_1_two"][..]),
            ("case_1_t", &["case_1_two"]),
            ("a_b", &["a_b"]),
            ("a_b_d", &["a_b_d"]),
            ("two::a_b", &["a_b_d"]),
        ] {
            assert_eq!(names(test, "x").unwrap(), expected, "{test}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for test in ["case_1", "a_", "helper", "case_1_i", "two::case_1_", "z"] {
            assert_eq!(names(test, "x"), None, "{test}");
        }
        assert_eq!(names("a_b", "y"), None);
        assert_eq!(names("a_b", "x/test"), None, "only whole names of directories");
    }
}
