//! The table of paths: what a row says, and how a request finds its row.

use super::{Answer, Call, fields::Field, request::Operation};
use crate::{error::Failure, mounts::MountType};
use std::{future::Future, pin::Pin};

/// One path with its operations.
pub(crate) struct Route {
    /// Where the pattern begins.
    pub(crate) scope: Scope,
    /// Segments: literal; `:name` for a name that may hold `@`; `~name` for one that may not; `*name`, as the last or
    /// with literals after it, for one or more segments of anything.
    pub(crate) pattern: &'static str,
    /// The fields that it knows, apart from what the pattern captures.
    pub(crate) fields: &'static [Field],
    /// What can be done there.
    pub(crate) methods: &'static [Method],
}

/// Where a pattern begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// At every mount of this type.
    Mount(MountType),
    /// At `/v1/`.
    Root,
}

/// One operation of a path.
pub(crate) struct Method {
    pub(crate) operation: Operation,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
}

/// Who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, without a token. Logged, because it decides something: a login, a one-time password.
    Decides,
    /// Everybody, without a token.
    Public,
    /// Whoever has the operation's capability, and `sudo`.
    Sudo,
    /// Whoever has the operation's capability.
    Token,
    /// Whoever calls with a wrapping token for a token, which the handler looks at; and whoever has the operation's
    /// capability.
    Unwraps,
    /// Whoever has `create` or `update`: the handler knows which of them it takes, and asks for it.
    Upsert,
}

impl Access {
    /// Whether no token is needed.
    pub(crate) fn is_public(self) -> bool {
        matches!(self, Self::Decides | Self::Public)
    }
}

/// What a handler returns.
pub(crate) type Outcome<'c> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'c>>;

/// What answers a call.
pub(crate) type Handler = for<'c> fn(&'c Call) -> Outcome<'c>;

/// Makes a [`Handler`] of an `async fn(&Call) -> Result<Answer, Failure>`.
macro_rules! handler {
    ($function:path) => {
        |call| Box::pin($function(call))
    };
}
pub(crate) use handler;

impl Route {
    /// The row's method for `operation`.
    pub(crate) fn method(&self, operation: Operation) -> Option<&Method> {
        self.methods.iter().find(|method| method.operation == operation)
    }

    /// A path that it fits.
    pub(crate) fn example(&self) -> String {
        let segment = |part: &'static str| {
            if part.starts_with([':', '~', '*']) {
                "x"
            } else {
                part
            }
        };
        let below = self.pattern.split('/').map(segment).collect::<Vec<_>>().join("/");
        match self.scope {
            Scope::Mount(MountType::Ssh) => format!("ssh/{below}"),
            Scope::Mount(mount_type) => format!("auth/{}/{below}", mount_type.as_str()),
            Scope::Root => below,
        }
    }

    /// The names of its operations, and whether each needs no token.
    pub(crate) fn operations(&self) -> Vec<(&'static str, bool)> {
        let operation = |method: &Method| (method.operation.name(), method.access.is_public());
        self.methods.iter().map(operation).collect()
    }
}

/// What the parts of a path were captured as.
pub(crate) type Captures = Vec<(&'static str, String)>;

/// A row that fits a path.
#[derive(Clone)]
pub(crate) struct Match {
    pub(crate) route: &'static Route,
    /// The path of the mount; empty at `/v1/`.
    pub(crate) mount_path: String,
    pub(crate) captures: Captures,
}

/// The rows of `table` that fit `path`: the first one at `/v1/`, or else one for each place where a mount may end.
pub(crate) fn find(table: &'static [&'static [Route]], path: &str) -> Vec<Match> {
    let segments: Vec<&str> = path.split('/').collect();
    let routes = || table.iter().flat_map(|rows| rows.iter());
    let at_root = routes()
        .filter(|route| route.scope == Scope::Root)
        .find_map(|route| {
            let captures = captures(route.pattern, &segments)?;
            Some(Match {
                route,
                mount_path: String::new(),
                captures,
            })
        });
    if let Some(found) = at_root {
        return vec![found];
    }
    let at_mount = |split: usize| {
        let (mount, rest) = segments.split_at(split);
        let mounted = routes().filter(|route| route.scope != Scope::Root);
        mounted.filter_map(move |route| {
            let captures = captures(route.pattern, rest)?;
            Some(Match {
                route,
                mount_path: mount.join("/"),
                captures,
            })
        })
    };
    // The longest mount first.
    (1..segments.len()).rev().flat_map(at_mount).collect()
}

fn captures(pattern: &'static str, segments: &[&str]) -> Option<Captures> {
    let mut captures = Vec::new();
    let mut segments = segments;
    let mut parts = pattern.split('/');
    while let Some(part) = parts.next() {
        let mut taken = 1;
        let segment = segments.first()?;
        if let Some(name) = part.strip_prefix(':') {
            is_name(segment, true).then(|| captures.push((name, (*segment).to_owned())))?;
        } else if let Some(name) = part.strip_prefix('~') {
            is_name(segment, false).then(|| captures.push((name, (*segment).to_owned())))?;
        } else if let Some(name) = part.strip_prefix('*') {
            let after = parts.clone().count();
            taken = segments.len().checked_sub(after).filter(|taken| *taken > 0)?;
            captures.push((name, segments[..taken].join("/")));
        } else if part != *segment {
            return None;
        }
        segments = &segments[taken..];
    }
    segments.is_empty().then_some(captures)
}

/// The grammar of names: word characters at the ends, dots and dashes inside too, and `at_sign`s where allowed.
pub(crate) fn is_name(text: &str, at_sign: bool) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_inner = |c: char| is_word(c) || matches!(c, '-' | '.') || (at_sign && c == '@');
    text.starts_with(is_word) && text.ends_with(is_word) && text.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(pattern: &'static str, path: &str) -> Option<Vec<String>> {
        let segments: Vec<&str> = path.split('/').collect();
        Some(
            captures(pattern, &segments)?
                .into_iter()
                .map(|(_, text)| text)
                .collect(),
        )
    }

    #[test]
    fn patterns_capture_whole_segments() {
        let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(captured("sign/:role", "sign/a.b@c"), some(&["a.b@c"]));
        assert_eq!(captured("keys/~name", "keys/a@b"), None);
        assert_eq!(captured("sign/:role", "sign/a/b"), None);
        assert_eq!(captured("sign/:role", "sign"), None);
        assert_eq!(captured("sys/mounts/*path", "sys/mounts/a/b"), some(&["a/b"]));
        assert_eq!(
            captured("sys/mounts/*path/tune", "sys/mounts/a/b/tune"),
            some(&["a/b"])
        );
        assert_eq!(captured("sys/mounts/*path/tune", "sys/mounts/tune"), None);
    }

    #[test]
    fn names_begin_and_end_with_a_word_character() {
        for good in ["a", "_", "web-1.x", "a@b"] {
            assert!(is_name(good, true), "{good}");
        }
        for bad in ["", "-a", "a-", ".a", "a b", "é", "a/b"] {
            assert!(!is_name(bad, true), "{bad}");
        }
        assert!(!is_name("a@b", false));
    }
}
