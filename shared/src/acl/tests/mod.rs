//! Tests of the policy language: matching, parameters, syntax, and properties of all of it.

mod constraints;
mod matching;
mod properties;
mod syntax;

use super::{Acl, Policy};

fn policy(text: &str) -> Policy {
    Policy::parse("test", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn acl(texts: &[&str]) -> Acl {
    let policies: Vec<_> = texts.iter().map(|text| policy(text)).collect();
    Acl::new(&policies.iter().collect::<Vec<_>>())
}

/// A policy of one rule a line: a path and its capabilities, parted by blanks.
fn rules(lines: &str) -> String {
    let rule = |line: &str| {
        let mut words = line.split_whitespace();
        let path = words.next()?;
        Some(format!(
            "path {path:?} {{ capabilities = {:?} }}\n",
            words.collect::<Vec<_>>()
        ))
    };
    lines.lines().filter_map(rule).collect()
}
