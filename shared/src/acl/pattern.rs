//! Path patterns: exact paths, prefixes (`*` at the end) and wildcard segments (`+`).

use std::{cmp::Reverse, fmt};

use super::AclError;

/// What a rule's path matches. Two rules are about the same pattern exactly if these are equal.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Pattern {
    /// This path only.
    Exact(String),
    /// Every path that starts so.
    Prefix(String),
    /// Paths segment by segment: `+` stands for any one, a final `*` for anything that follows.
    Segments(String),
}

impl Pattern {
    /// Reads a rule's path.
    ///
    /// A leading slash is dropped. A `*` before the end and a `+` beside other characters stand for themselves.
    pub(super) fn parse(path: &str) -> Result<Self, AclError> {
        if path.contains("{{") {
            let feature = "a templated path".to_owned();
            return Err(AclError::Unsupported {
                path: path.to_owned(),
                feature,
            });
        }
        if path.contains("+*") {
            return Err(AclError::InvalidWildcard {
                path: path.to_owned(),
            });
        }
        Ok(Self::from_checked(path.strip_prefix('/').unwrap_or(path)))
    }

    fn from_checked(path: &str) -> Self {
        if path == "+" || path.starts_with("+/") || path.contains("/+") {
            Self::Segments(path.to_owned())
        } else if let Some(prefix) = path.strip_suffix('*') {
            Self::Prefix(prefix.to_owned())
        } else {
            Self::Exact(path.to_owned())
        }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path.starts_with(prefix),
            Self::Segments(segments) => segments_match(segments, path),
        }
    }

    /// Of several patterns that match, the one with the greatest priority counts, and only that one.
    ///
    /// Source: <https://developer.hashicorp.com/vault/docs/concepts/policies#priority-matching>.
    pub(super) fn priority(&self) -> Priority<'_> {
        match self {
            Self::Exact(text) => Priority::new(usize::MAX, false, 0, text),
            Self::Prefix(text) => Priority::new(text.len(), true, 0, text),
            Self::Segments(text) => {
                let (body, is_prefix) = split_glob(text);
                let wildcards = body.split('/').filter(|segment| *segment == "+").count();
                Priority::new(text.find('+').unwrap_or(text.len()), is_prefix, wildcards, body)
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, glob) = match self {
            Self::Exact(text) | Self::Segments(text) => (text, ""),
            Self::Prefix(text) => (text, "*"),
        };
        // Reading drops one leading slash.
        let slash = if text.starts_with('/') { "/" } else { "" };
        write!(f, "{slash}{text}{glob}")
    }
}

/// How specific a pattern is; the fields are compared in this order.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Priority<'p> {
    /// The later the first wildcard, the better.
    first_wildcard: usize,
    /// Without a final `*` is better.
    is_prefix: Reverse<bool>,
    /// Fewer `+` segments are better.
    wildcards: Reverse<usize>,
    /// Longer is better.
    length: usize,
    /// Never decides in practice: two patterns equal so far and matching the same path are the same.
    text: &'p str,
}

impl<'p> Priority<'p> {
    fn new(first_wildcard: usize, is_prefix: bool, wildcards: usize, text: &'p str) -> Self {
        let (is_prefix, wildcards) = (Reverse(is_prefix), Reverse(wildcards));
        Self {
            first_wildcard,
            is_prefix,
            wildcards,
            length: text.len(),
            text,
        }
    }
}

fn split_glob(text: &str) -> (&str, bool) {
    text.strip_suffix('*').map_or((text, false), |body| (body, true))
}

fn segments_match(pattern: &str, path: &str) -> bool {
    let (body, is_prefix) = split_glob(pattern);
    let mut segments = path.split('/');
    let mut wanted = body.split('/').peekable();
    while let Some(part) = wanted.next() {
        let Some(segment) = segments.next() else {
            return false;
        };
        let is_last = wanted.peek().is_none();
        let fits = part == "+" || part == segment || (is_last && is_prefix && segment.starts_with(part));
        if !fits {
            return false;
        }
    }
    is_prefix || segments.next().is_none()
}
