//! The cases of the products' own tests, 1 to 185: each is the number of a test, or stands in docs/DIVERGENCES.md with
//! the reason why not.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const CASES: std::ops::RangeInclusive<u32> = 1..=185;

/// Where tests of this family lie, from this crate on.
const SOURCES: [&str; 4] = ["src", "tests", "../reaper", "../../tests/tests"];

/// Other families count their cases by themselves.
fn is_another_familys(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    ["infisical", "ngrok", "venafi"]
        .iter()
        .any(|family| name.starts_with(family))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if is_another_familys(&path) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The numbers that a test's name begins with: `case_1_3_to_5_name` has 1, 3, 4 and 5.
fn numbers(name: &str) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    let mut parts = name.split('_').peekable();
    let mut last = None;
    while let Some(part) = parts.next() {
        if let Ok(number) = part.parse() {
            numbers.insert(number);
            last = Some(number);
        } else if let ("to", Some(from), Some(Ok(to))) =
            (part, last, parts.peek().map(|part| part.parse::<u32>()))
        {
            numbers.extend(from..=to);
        } else {
            break;
        }
    }
    numbers
}

fn tested() -> BTreeSet<u32> {
    let mut files = Vec::new();
    for source in SOURCES {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(source), &mut files);
    }
    let mut tested = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for line in text.lines() {
            let line = line.trim_start();
            let function = line.strip_prefix("async ").unwrap_or(line);
            if let Some(name) = function.strip_prefix("fn case_") {
                tested.extend(numbers(name));
            }
        }
    }
    tested
}

/// The numbers in the first column of the table that says which are no tests.
fn listed() -> BTreeSet<u32> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DIVERGENCES.md")).unwrap();
    let (_, section) = text
        .split_once("### Cases of the products' tests that are none here")
        .unwrap();
    let section = section.split("\n#").next().unwrap();
    let first = |row: &str| {
        row.trim_start_matches('|')
            .split('|')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let numbers = rows.map(first).collect::<Vec<_>>().join(",");
    numbers
        .split(',')
        .filter_map(|number| number.trim().parse().ok())
        .collect()
}

#[test]
fn every_case_is_a_test_or_has_a_reason() {
    let (tested, listed) = (tested(), listed());
    let missing: Vec<_> = CASES
        .filter(|case| !tested.contains(case) && !listed.contains(case))
        .collect();
    assert!(
        missing.is_empty(),
        "no test has these numbers, and docs/DIVERGENCES.md no reason: {missing:?}"
    );
    let twice: Vec<_> = listed.intersection(&tested).collect();
    assert!(
        twice.is_empty(),
        "these are tests: take them out of docs/DIVERGENCES.md: {twice:?}"
    );
    assert!(!listed.is_empty() && listed.iter().chain(&tested).all(|case| CASES.contains(case)));
}

#[test]
fn numbers_are_read_from_names() {
    for (name, expected) in [
        ("7_and_no_more_8()", &[7][..]),
        ("1_3_to_5_name()", &[1, 3, 4, 5]),
        ("2_to_the_point()", &[2]),
        ("x()", &[]),
    ] {
        assert_eq!(numbers(name).into_iter().collect::<Vec<_>>(), expected, "{name}");
    }
}
