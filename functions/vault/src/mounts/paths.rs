//! The paths of mounts: which are allowed, and which of them a request can be for.

use super::Mount;
use countersign::{Error, store::Key};

/// At most so many segments in a path: each is one more record to look for on every request. Ours.
const MAX_SEGMENTS: usize = 6;
/// First segments that are taken: the system's own, and the other families' (all of them share one address).
const RESERVED: [&str; 11] = [
    "api",
    "audit",
    "auth",
    "cubbyhole",
    "identity",
    "ssh_certificate_authorities",
    "ssh_host_certificates",
    "ssh_user_certificates",
    "sys",
    "vedauth",
    "vedsdk",
];
/// The auth method that is always there and cannot be touched.
pub(super) const TOKEN_PATH: &str = "auth/token";

/// The keys of every mount that a request for `path` (without leading slash) can be for.
pub fn candidates(path: &str) -> Vec<Key> {
    let path = path.trim_end_matches('/');
    // Neither `auth` nor anything within `sys` is a mount.
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    ends.take(MAX_SEGMENTS)
        .map(|end| &path[..end])
        .filter(|part| !part.is_empty() && *part != "auth" && !is_below(part, "sys"))
        .map(Mount::key)
        .collect()
}

/// Whether `path` is `above` or lies below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Refuses a path that lies below one of `mounts`, or above it; `except` is passed over.
pub(super) fn check_free(mounts: &[Mount], path: &str, except: Option<&str>) -> Result<(), Error> {
    let others = mounts.iter().filter(|mount| Some(mount.path.as_str()) != except);
    for Mount { path: taken, .. } in others {
        if is_below(path, taken) || is_below(taken, path) {
            // An auth method's conflict is named without its prefix, as the real product does.
            let taken = taken.strip_prefix("auth/").unwrap_or(taken);
            return Err(Error::Conflict(format!("path is already in use at {taken}/")));
        }
    }
    Ok(())
}

/// Refuses a path that no mount may have: one has a few plain segments, the first one not taken.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    let (first, below_auth) = match path.strip_prefix("auth/") {
        Some(rest) => (rest, true),
        None => (path, false),
    };
    let first = first.split('/').next().unwrap_or_default();
    if !below_auth && RESERVED.iter().any(|taken| taken.eq_ignore_ascii_case(first)) || path == TOKEN_PATH {
        return Err(Error::invalid("path", format!("cannot mount \"{path}/\"")));
    }
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment
                .chars()
                .all(|c| !c.is_control() && !c.is_whitespace() && !"?#%+*\\".contains(c))
    };
    if !path.split('/').all(plain) || path.len() > 256 || path.split('/').count() > MAX_SEGMENTS {
        let reason = format!(
            "a mount path has 1 to {MAX_SEGMENTS} segments between single slashes and at most 256 bytes, without \
             blanks, control characters, `.`, `..` and any of ? # % + * \\"
        );
        return Err(Error::invalid("path", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leading_part_may_be_a_mount() {
        let parts = |path: &str| {
            let keys = candidates(path);
            keys.into_iter().map(|key| key.sort).collect::<Vec<_>>()
        };
        assert_eq!(parts("ssh/sign/r"), ["ssh", "ssh/sign", "ssh/sign/r"]);
        assert_eq!(
            parts("auth/approle/login"),
            ["auth/approle", "auth/approle/login"]
        );
        assert_eq!(parts("ssh/"), ["ssh"]);
        assert_eq!(parts("1/2/3/4/5/6/7/8").len(), MAX_SEGMENTS);
        for nothing in ["", "/", "auth", "sys", "sys/mounts/ssh"] {
            assert!(parts(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn paths_are_plain() {
        for good in ["ssh", "team/a/ssh", "auth/approle", "a-b_c.d", "sys2", "auth/sys"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a//b",
            "a/",
            "auth/",
            "auth/token",
            "sys",
            "sys/a",
            "API",
            "a b",
            "a/../b",
            "a/.",
            "a*",
            "a+b",
            "a?b",
            "a%2f",
            "a\nb",
            "a#",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert!(check_path(&"a".repeat(257)).is_err());
    }

    #[test]
    fn only_whole_segments_lie_below() {
        assert!(is_below("a/b", "a") && is_below("a", "a"));
        assert!(!is_below("ab", "a") && !is_below("a", "a/b"));
    }
}
