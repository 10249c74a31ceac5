//! What a document names, row by row: `kind | item | tests | ruling: why`.

use anyhow::{Context, Result, bail, ensure};
use std::{collections::BTreeSet, fmt};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Endpoint,
    Error,
    Parameter,
    ResponseField,
    Status,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Endpoint,
        Self::Error,
        Self::Parameter,
        Self::ResponseField,
        Self::Status,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Error => "error",
            Self::Parameter => "parameter",
            Self::ResponseField => "response field",
            Self::Status => "status",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One thing that a document names.
#[derive(Debug)]
pub(super) struct Row {
    /// The number of its line, from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// As the document spells it, behind its endpoint.
    pub(super) item: String,
    /// Names of tests, or what they begin with.
    pub(super) tests: Vec<String>,
    /// What decides against the document.
    pub(super) ruling: Option<String>,
}

/// One founding document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) title: String,
    /// The directories in which its tests lie.
    pub(super) places: Vec<String>,
    pub(super) rows: Vec<Row>,
}

impl Document {
    /// Reads a list: `title:` and `places:`, then rows. Empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is none of these, by its number; a row that is there twice; a list without a title, places
    /// or rows.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        let (mut title, mut places, mut rows) = (String::new(), Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(rest) = text.strip_prefix("title:") {
                title = rest.trim().to_owned();
            } else if let Some(rest) = text.strip_prefix("places:") {
                places = rest.split_whitespace().map(str::to_owned).collect();
            } else {
                let row = Row::parse(line, text).with_context(|| format!("line {line}"))?;
                ensure!(
                    seen.insert((row.kind, row.item.clone())),
                    "line {line}: {} {} is there twice",
                    row.kind,
                    row.item
                );
                rows.push(row);
            }
        }
        ensure!(
            !title.is_empty() && !places.is_empty() && !rows.is_empty(),
            "a title, places and rows are needed"
        );
        let name = name.to_owned();
        Ok(Self {
            name,
            title,
            places,
            rows,
        })
    }
}

impl Row {
    fn parse(line: usize, text: &str) -> Result<Self> {
        let columns: Vec<&str> = text.split('|').map(str::trim).collect();
        let (kind, item, tests, ruling) = match columns.as_slice() {
            [kind, item, tests] => (*kind, *item, *tests, None),
            [kind, item, tests, ruling] => {
                let reason = ruling.strip_prefix("ruling:").map(str::trim);
                let reason = reason.filter(|reason| !reason.is_empty());
                (
                    *kind,
                    *item,
                    *tests,
                    Some(reason.context("the fourth column is `ruling: why`")?),
                )
            }
            _ => bail!("three or four columns are needed: {text}"),
        };
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
        ensure!(!item.is_empty(), "the item is missing");
        Ok(Self {
            line,
            kind: kind.with_context(|| format!("what kind is this: {text}"))?,
            item: item.to_owned(),
            tests: tests
                .split(',')
                .map(str::trim)
                .filter(|test| !test.is_empty())
                .map(str::to_owned)
                .collect(),
            ruling: ruling.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let text =
            "# c\ntitle: T t\nplaces: a b\n\nendpoint | POST /x | one, two\nerror | e | | ruling: not ours\n";
        let document = Document::parse("d", text).unwrap();
        assert_eq!((document.title.as_str(), document.places.len()), ("T t", 2));
        let [first, second] = document.rows.as_slice() else {
            panic!("{document:?}");
        };
        assert_eq!(
            (first.kind, first.tests.len(), first.line),
            (Kind::Endpoint, 2, 5)
        );
        assert_eq!(
            (second.tests.len(), second.ruling.as_deref()),
            (0, Some("not ours"))
        );
    }

    #[test]
    fn lines_that_are_no_rows_are_refused() {
        let head = "title: T\nplaces: a\n";
        for bad in [
            "",
            "error | e",
            "mistake | e | t",
            "error | | t",
            "error | e | t | because",
            "error | e | t | ruling:",
            "error | e | t | ruling: a | b",
            "error | e | t\nerror | e | u",
        ] {
            assert!(Document::parse("d", &format!("{head}{bad}")).is_err(), "{bad}");
        }
        assert!(Document::parse("d", "title: T\nerror | e | t").is_err());
    }
}
