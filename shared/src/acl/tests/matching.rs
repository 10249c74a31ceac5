//! Which rule counts for a path.

use super::{acl, rules};
use crate::acl::{Acl, Capability, DEFAULT_POLICY_NAME, Policy};
use Capability::{Create, Delete, Deny, List, Patch, Read, Root, Sudo, Update};

/// The examples of the real product's documentation of policies.
const DOCUMENTED: &str = r#"
path "secret/*" {
  capabilities = ["create", "read", "update", "patch", "delete", "list"]
}
path "secret/super-secret" {
  capabilities = ["deny"]
}
path "exact/foo" {
  capabilities = ["read"]
}
path "glob/bar/*" {
  capabilities = ["read"]
}
path "glob/zip-*" {
  capabilities = ["read"]
}
path "teams/+/teamb" {
  capabilities = ["read"]
}
path "deep/+/+/teamb" {
  capabilities = ["read"]
}
"#;

#[test]
fn documented_examples() {
    let acl = acl(&[DOCUMENTED]);
    for (path, capability, allowed) in [
        ("secret/anything", Create, true),
        ("secret/anything/below", Patch, true),
        ("secret/anything", Sudo, false),
        ("secret", Read, false),
        ("secret/super-secret", Read, false),
        ("secret/super-secret/below", Read, true),
        ("exact/foo", Read, true),
        ("exact/foo", Update, false),
        ("exact/food", Read, false),
        ("exact/foo/bar", Read, false),
        ("glob/bar/zip", Read, true),
        ("glob/bar/zip/zap", Read, true),
        ("glob/bars/zip", Read, false),
        ("glob/zip-zap", Read, true),
        ("glob/zip-zap/zong", Read, true),
        ("glob/zip/zap", Read, false),
        ("teams/foo/teamb", Read, true),
        ("teams/foo/bar/teamb", Read, false),
        ("teams/teamb", Read, false),
        ("teams/foo/teamb/x", Read, false),
        ("deep/foo/bar/teamb", Read, true),
        ("deep/foo/teamb", Read, false),
        ("elsewhere", Read, false),
    ] {
        assert_eq!(acl.allows(path, capability), allowed, "{capability} {path}");
    }
}

/// Each line: a path, the pattern that must win, and one that must lose.
#[test]
fn priority() {
    for (path, winner, loser) in [
        // An exact path before everything.
        ("a/b", "a/b", "a/+"),
        ("a/b", "a/b", "a/b*"),
        ("a/b", "a/b", "*"),
        // The later first wildcard.
        ("foo/abc", "foo/a*", "foo/+"),
        ("foo/bar/x/baz", "foo/bar/+/baz", "foo/+/bar/baz"),
        ("foo/bar/x/baz", "foo/bar/+/baz", "foo/+/x/baz"),
        ("a/b/c", "a/b/*", "a/*"),
        ("a/b/c", "a/b/*", "a/+/c"),
        ("a/b", "a/*", "*"),
        // Without a final `*`.
        ("foo/x/bar", "foo/+/bar", "foo/+/ba*"),
        ("foo/x", "foo/+", "foo/*"),
        ("secret/x/y/foo/z", "secret/+/+/foo/+", "secret/+/+/foo/*"),
        // Fewer `+` segments. The second line is the documentation's own example.
        ("foo/x/bar/baz", "foo/+/bar/baz", "foo/+/+/baz"),
        ("secret/x/y/foo/z", "secret/*", "secret/+/+/foo/*"),
        // The longer one.
        ("foo/x/bar/baz", "foo/+/bar/ba*", "foo/+/bar/b*"),
        ("foo/x/bar/y", "foo/+/bar/+", "foo/+/+/y"),
        ("foo/x/yy/z", "foo/+/yy/+", "foo/+/+/z"),
    ] {
        for text in [
            format!("{winner} read\n{loser} update"),
            format!("{loser} update\n{winner} read"),
        ] {
            assert_eq!(
                acl(&[&rules(&text)]).capabilities(path),
                [Read],
                "{winner} before {loser}"
            );
        }
    }
}

#[test]
fn patterns() {
    for (pattern, path, matched) in [
        ("*", "anything/at/all", true),
        ("*", "", true),
        ("+", "one", true),
        ("+", "one/two", false),
        ("+/b", "a/b", true),
        ("a/+/*", "a/b/c/d", true),
        ("a/+/*", "a/b/", true),
        ("a/+/*", "a/b", false),
        ("a/+/c*", "a/b/cd/e", true),
        ("a/+/c*", "a/b/d", false),
        ("a/+/c*", "a/b/c/e", true),
        ("a/+/c", "a/b/cd", false),
        ("a/+/c", "a/b/d", false),
        ("a/+/c/d*", "a/b/ce/d", false),
        ("a/+", "a/", true),
        ("a/+", "a", false),
        // Only a final `*` and a `+` of its own are wildcards.
        ("a/*/c", "a/b/c", false),
        ("a/*/c", "a/*/c", true),
        ("a/b+", "a/bc", false),
        ("a/b+", "a/b+", true),
        ("a/+b/c", "a/xb/c", false),
        ("a/+b/c", "a/+b/c", true),
        ("a**", "a*b", true),
        ("a**", "ab", false),
        // One leading slash is dropped from the pattern, all of them from the path.
        ("/a/b", "a/b", true),
        ("a/b", "//a/b", true),
        ("a/b", "a//b", false),
        // Case and trailing slashes matter.
        ("a/B", "a/b", false),
        ("a/b", "a/b/", false),
        ("a/b/", "a/b", false),
    ] {
        let acl = acl(&[&rules(&format!("{pattern} read"))]);
        assert_eq!(acl.allows(path, Read), matched, "{pattern} on {path}");
    }
}

/// A list path ends in a slash. The rule may do without; but what `a/*` allows below `a/`, it allows on `a/` itself.
#[test]
fn list_requests() {
    for (text, path, allowed) in [
        ("a/b list", "a/b/", true),
        ("a/b/ list", "a/b/", true),
        ("a/b/ list", "a/b", false),
        ("a/b list\na/b/ deny", "a/b/", false),
        ("a/b deny\na/b/ list", "a/b/", true),
        ("a/* list", "a/", true),
        ("a/* list", "a", false),
        ("a/+ list", "a/b/", true),
        // Without the slash first: `a/+` is about `a/b`, though `a/b*` would win on `a/b/`.
        ("a/+ deny\na/b/* list", "a/b/", false),
        ("+ list\na/* deny", "a/", true),
        ("* list\na/* deny", "a/", true),
        ("a/b deny\na/* list", "a/b/", false),
        ("a/+/ list", "a/b/", true),
    ] {
        assert_eq!(
            acl(&[&rules(text)]).allows(path, List),
            allowed,
            "{text:?} on {path}"
        );
    }
    // Only for listing.
    assert!(!acl(&[&rules("a/b read")]).allows("a/b/", Read));
    assert_eq!(acl(&[&rules("a/b read")]).capabilities("a/b/"), [Read]);
}

#[test]
fn policies_of_one_token_add_up() {
    let (one, two) = (
        rules("a read\nb/* list\nc/+ read"),
        rules("a update\nb/x delete\nc/+ deny"),
    );
    let acl = acl(&[&one, &two]);
    assert_eq!(acl.capabilities("a"), [Read, Update]);
    // Only rules about the same pattern add up.
    assert_eq!(acl.capabilities("b/x"), [Delete]);
    assert_eq!(acl.capabilities("b/y"), [List]);
    assert_eq!(acl.capabilities("c/x"), [Deny]);
}

#[test]
fn deny_wins_for_its_pattern() {
    for text in [
        "a deny\na read",
        "a read\na deny",
        "a read deny sudo",
        "a deny\na deny",
    ] {
        let acl = acl(&[&rules(text)]);
        assert_eq!(acl.capabilities("a"), [Deny], "{text:?}");
        assert!(!acl.allows("a", Read), "{text:?}");
    }
    // But a more specific pattern goes before it.
    assert!(acl(&[&rules("a/* deny\na/b read")]).allows("a/b", Read));
}

#[test]
fn a_rule_without_capabilities_hides_broader_ones() {
    let acl = acl(&["path \"a/b\" {}\npath \"a/*\" { policy = \"write\" }"]);
    assert_eq!(acl.capabilities("a/b"), [Deny]);
    assert_eq!(acl.capabilities("a/c"), [Create, Delete, List, Read, Update]);
}

#[test]
fn capabilities_are_sorted() {
    let acl = acl(&[&rules("a update sudo read patch list delete create read")]);
    let names: Vec<_> = acl
        .capabilities("a")
        .into_iter()
        .map(Capability::as_str)
        .collect();
    assert_eq!(
        names,
        ["create", "delete", "list", "patch", "read", "sudo", "update"]
    );
    assert_eq!(Update.to_string(), "update");
    assert!(acl.allows("a", Sudo));
    assert!(!acl.allows("a", Deny));
    assert!(!acl.allows("a", Root));
}

#[test]
fn root_may_do_everything() {
    let (root, other) = (Policy::root(), super::policy(&rules("* deny")));
    assert!(root.is_root());
    for acl in [
        Acl::new(&[&root]),
        Acl::new(&[&other, &root]),
        Acl::new(&[&root, &other]),
    ] {
        assert!(acl.is_root());
        assert_eq!(acl.capabilities("a"), [Root]);
        for capability in [Create, Delete, List, Patch, Read, Root, Sudo, Update] {
            assert!(acl.allows("any/path", capability));
        }
    }
}

#[test]
fn nothing_is_allowed_without_policies() {
    let acl = Acl::new(&[]);
    assert!(!acl.is_root());
    assert_eq!(acl.capabilities("a"), [Deny]);
    assert!(!acl.allows("a", Read));
}

#[test]
fn builtin_default() {
    let default = Policy::builtin_default();
    assert_eq!(default.name(), DEFAULT_POLICY_NAME);
    assert!(!default.is_root());
    let acl = Acl::new(&[&default]);
    for (path, capability) in [
        ("auth/token/lookup-self", Read),
        ("auth/token/renew-self", Update),
        ("auth/token/revoke-self", Update),
        ("sys/capabilities-self", Update),
        ("sys/leases/lookup", Update),
        ("sys/leases/renew", Update),
        ("sys/wrapping/lookup", Update),
        ("sys/wrapping/unwrap", Update),
    ] {
        assert!(acl.allows(path, capability), "{path}");
    }
    assert!(!acl.allows("auth/token/lookup", Update));
    assert!(!acl.allows("ssh/sign/role", Update));
    assert!(!acl.allows("sys/leases/revoke", Update));
}
