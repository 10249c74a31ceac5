//! Which sort keys to ask for.
//!
//! DynamoDB takes one condition on the sort key, and a [`Query`] may state two: a prefix, and a place to go on
//! from. Both together are an interval, for strings compare by their bytes, and what starts with a prefix lies
//! between the prefix and the smallest string behind all of it. `BETWEEN` includes both its ends, so the interval
//! may hold two records too many; [`wanted`] drops them.

use super::super::{Query, Record};

/// A sort key has at most 1024 bytes, and a condition on one no more either. What is longer is asked for by its
/// beginning, and [`wanted`] does the rest. The distance leaves room for a last character to grow.
const LONGEST: usize = 1020;

/// A condition on the sort key that every wanted record meets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Range {
    Above(String),
    All,
    Below(String),
    Between(String, String),
    Prefix(String),
}

impl Range {
    /// The range of `query`, if there is anything in it.
    pub(super) fn of(query: &Query) -> Option<Self> {
        let prefix = clip(&query.prefix);
        let whole = || {
            if prefix.is_empty() {
                Self::All
            } else {
                Self::Prefix(prefix.to_owned())
            }
        };
        let Some(after) = query.after.as_deref() else {
            return Some(whole());
        };
        let from = clip(after);

        if query.descending {
            if after <= query.prefix.as_str() {
                return None; // as everything with the prefix is at least the prefix
            }
            if !from.starts_with(prefix) {
                return Some(whole()); // as everything with the prefix is below
            }
            let bound = if from.len() < after.len() {
                successor(from)
            } else {
                Some(from.to_owned())
            };
            return Some(match bound {
                None => whole(),
                Some(bound) if prefix.is_empty() => Self::Below(bound),
                Some(bound) => Self::Between(prefix.to_owned(), bound),
            });
        }
        if from < prefix || from.is_empty() {
            return Some(whole());
        }
        if !from.starts_with(prefix) {
            return None;
        }
        Some(match successor(prefix) {
            Some(end) => Self::Between(from.to_owned(), end),
            None => Self::Above(from.to_owned()),
        })
    }

    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The key condition, with the names `#pk` and `#sk` and the values `:pk` and [`Self::values`].
    pub(super) fn expression(&self) -> &'static str {
        match self {
            Self::Above(_) => "#pk = :pk AND #sk > :a",
            Self::All => "#pk = :pk",
            Self::Below(_) => "#pk = :pk AND #sk < :a",
            Self::Between(..) => "#pk = :pk AND #sk BETWEEN :a AND :b",
            Self::Prefix(_) => "#pk = :pk AND begins_with(#sk, :a)",
        }
    }

    pub(super) fn values(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::All => vec![],
            Self::Above(a) | Self::Below(a) | Self::Prefix(a) => vec![(":a", a)],
            Self::Between(a, b) => vec![(":a", a), (":b", b)],
        }
    }
}

/// Whether `query` asks for `record`, which its range took in.
pub(super) fn wanted(query: &Query, record: &Record) -> bool {
    let sort = match &record.listing {
        Some(listing) if query.index => &listing.sort,
        _ => &record.key.sort,
    };
    sort.starts_with(&query.prefix)
        && query.after.as_ref().is_none_or(|after| {
            if query.descending {
                sort < after
            } else {
                sort > after
            }
        })
}

/// The beginning of `text`, short enough for a condition.
fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// The smallest string behind everything that starts with `prefix`; `None` where there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'), // between them lie the surrogates, which are no characters
            _ => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Key, Table};
    use proptest::prelude::*;

    /// Short strings of few characters, so that they meet, among them the edges of UTF-8's lengths.
    fn text(shortest: usize) -> impl Strategy<Value = String> {
        let character = prop::sample::select(vec![
            '\u{1}',
            'a',
            'b',
            '\u{7f}',
            '\u{80}',
            'é',
            '\u{7ff}',
            '\u{d7ff}',
            '\u{e000}',
            '\u{ffff}',
            '🔑',
            char::MAX,
        ]);
        prop::collection::vec(character, shortest..4).prop_map(String::from_iter)
    }

    fn holds(range: &Range, sort: &str) -> bool {
        match range {
            Range::Above(a) => sort > a.as_str(),
            Range::All => true,
            Range::Below(a) => sort < a.as_str(),
            Range::Between(a, b) => a.as_str() <= sort && sort <= b.as_str(),
            Range::Prefix(a) => sort.starts_with(a.as_str()),
        }
    }

    fn record(sort: &str) -> Record {
        Record {
            key: Key::new(Table::Roles, "p", sort),
            body: "1".into(),
            version: 1,
            expires_at: None,
            listing: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_range_holds_all_that_is_wanted_and_at_most_its_ends_besides(
            prefix in text(0), after in prop::option::of(text(0)), descending: bool, sort in text(1),
        ) {
            let query = Query { prefix, after, descending, ..Query::partition(Table::Roles, "p") };
            let wanted = wanted(&query, &record(&sort));
            match Range::of(&query) {
                None => prop_assert!(!wanted),
                Some(range) if wanted => prop_assert!(holds(&range, &sort), "{range:?}"),
                Some(Range::Between(a, b)) if holds(&Range::Between(a.clone(), b.clone()), &sort) => {
                    prop_assert!(sort == a || sort == b);
                }
                Some(range) => prop_assert!(!holds(&range, &sort), "{range:?}"),
            }
        }

        #[test]
        fn a_successor_is_the_next_string_behind_its_prefix(prefix in text(0), other in text(0)) {
            match successor(&prefix) {
                Some(next) => {
                    prop_assert!(next > prefix && !next.starts_with(&prefix));
                    prop_assert_eq!(other >= prefix && other < next, other.starts_with(&prefix));
                }
                None => prop_assert_eq!(other >= prefix, other.starts_with(&prefix)),
            }
        }

        #[test]
        fn long_strings_are_asked_for_by_their_beginning(
            head in text(0), tail in text(0), other in text(0), descending: bool, in_prefix: bool,
        ) {
            let long = format!("{head}{}{tail}", "x".repeat(LONGEST - 2));
            let sort = format!("{head}{}{other}", "x".repeat(LONGEST - 2));
            let prefix = if in_prefix { long.clone() } else { String::new() };
            let query = Query { prefix, after: Some(long), descending, ..Query::partition(Table::Roles, "p") };
            let range = Range::of(&query);
            if let Some(range) = &range {
                prop_assert!(range.values().iter().all(|(_, value)| value.len() <= 1024));
            }
            if wanted(&query, &record(&sort)) {
                prop_assert!(range.is_some_and(|range| holds(&range, &sort)));
            }
        }
    }
}
