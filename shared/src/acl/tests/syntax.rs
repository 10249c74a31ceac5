//! What is read, and what is refused with which words.

use super::policy;
use crate::acl::{AclError, MAX_DEPTH, MAX_TEXT_BYTES, Policy};

const PLAIN: &str = r#"path "a/*" { capabilities = ["list", "read"] }"#;

#[test]
fn ways_to_write_the_same() {
    for text in [
        "path \"a/*\" {\n  capabilities = [\"read\", \"list\",]\n}\n",
        "\u{feff}# one\n// two\n/* three\n * four */ path \"a/*\" /* here */ {\n capabilities = [ # and here\n \"read\",\n \"list\" ]}",
        "\"path\" \"a/*\" { \"capabilities\" = [\"read\", \"list\"] }",
        "path \"a/*\" { policy = \"read\" }",
        "path \"a/*\" { policy = \"read\", capabilities = [\"list\"] }",
        "path \"/a/*\" { policy = \"read\" }",
        "path \"\\x61\\057\\u002a\" { policy = \"re\\U00000061d\" }",
        "name = \"ignored\"\npath \"a/*\" { policy = \"read\" comment = <<EOT\nany } text\nEOT\n}",
        "name = <<-EOT\r\n   x\r\n  EOT\r\npath \"a/*\" {\r\n policy = \"read\"\r\n}\r\n",
        "path \"a/*\" { allowed_parameters = {} required_parameters = [] min_wrapping_ttl = \"\" policy = \"read\" }",
        "path { \"a/*\" { policy = \"read\" } }",
        r#"{"path": {"a/*": {"capabilities": ["read", "list"]}}}"#,
        "\n {\"path\": [{\"a/*\": {\"policy\": \"read\"}}], \"name\": \"x\"}",
        r#"{"path": {"/a/*": [{"policy": "read"}]}}"#,
    ] {
        assert_eq!(policy(text), policy(PLAIN), "{text}");
    }
}

#[test]
fn old_words() {
    for (word, capabilities) in [
        ("deny", r#"["deny"]"#),
        ("read", r#"["list", "read"]"#),
        (
            "sudo",
            r#"["create", "delete", "list", "read", "sudo", "update"]"#,
        ),
        ("write", r#"["create", "delete", "list", "read", "update"]"#),
    ] {
        let rendered = policy(&format!("path \"a\" {{ policy = \"{word}\" }}")).to_string();
        assert_eq!(
            rendered,
            format!("path \"a\" {{\n  capabilities = {capabilities}\n}}\n")
        );
    }
}

#[test]
fn rendered() {
    let text = r#"path "a/*" {
  capabilities = ["create", "read"]
  allowed_parameters = {
    "a" = ["x", 1, true, [2, "y"], { "b" = "z" }]
    "b" = []
  }
  denied_parameters = {
    "c" = ["\u000a\x24\"\\"]
  }
  required_parameters = ["a", "b"]
  min_wrapping_ttl = 1
  max_wrapping_ttl = "1s500ms"
}
"#;
    assert_eq!(policy(text).to_string(), text);
}

#[test]
fn repeated_blocks() {
    let hcl = policy("path \"a\" { policy = \"read\" }\npath \"a\" { policy = \"write\" }\npath \"b\" {}");
    let json = r#"{"path": {"a": {"policy": "read"}, "a": {"policy": "write"}, "b": {}}}"#;
    let list = r#"{"path": [{"a": [{"policy": "read"}, {"policy": "write"}]}, {"b": {}}]}"#;
    assert_eq!(policy(json), hcl);
    assert_eq!(policy(list), hcl);
}

#[test]
fn texts() {
    for (quoted, path) in [
        (r#""a\"b\\c""#, "a\"b\\c"),
        (r#""\a\b\f\n\r\t\v""#, "\x07\x08\x0c\n\r\t\x0b"),
        (r#""\u00e9\xc3\xa9é""#, "ééé"),
        (r#""${a "b\n" {c}}d""#, "${a \"b\\n\" {c}}d"),
        ("\"$\"", "$"),
        ("\"\"", ""),
    ] {
        let read = policy(&format!("path {quoted} {{}}"));
        let json = policy(&serde_json::json!({"path": {path: {}}}).to_string());
        assert_eq!(read, json, "{quoted}");
    }
}

/// With `-`, the indentation of the closing marker goes from every line, if every line has it.
#[test]
fn heredocs() {
    for (heredoc, text) in [
        ("<<E\n  one\n  two\n  E\n", "  one\n  two\n"),
        ("<<-E\n    one\n      two\n    E\n", "one\n  two\n"),
        ("<<-E\n    one\n  two\n    E\n", "    one\n  two\n"),
        ("<<-E\r\n\t\tone\r\n\t\tE\r\n", "one\r\n"),
        ("<<end_of_2\nend\nend_of_2\n", "end\n"),
        ("<<E\nE\n", ""),
    ] {
        let read = policy(&format!(
            "path \"x\" {{ allowed_parameters = {{ a = [{heredoc}] }} }}"
        ));
        let parameters = serde_json::json!({"allowed_parameters": {"a": [text]}});
        let json = policy(&serde_json::json!({"path": {"x": parameters}}).to_string());
        assert_eq!(read, json, "{heredoc}");
    }
}

#[test]
fn empty_policies() {
    for text in [
        "",
        "  \n",
        "# nothing",
        "{}",
        "name = \"x\"",
        "{\"path\": {}}",
        "{\"path\": []}",
    ] {
        assert_eq!(policy(text).to_string(), "", "{text:?}");
    }
}

/// Texts in the words of the real product, where it has some.
#[test]
fn refused() {
    for (text, expected) in [
        (
            "path \"x\" { capabilities = [\"y\"] }",
            r#"path "x": invalid capability "y""#,
        ),
        (
            "path \"x\" { capabilities = [\"root\"] }",
            r#"path "x": invalid capability "root""#,
        ),
        (
            "path \"x\" { capabilities = [\"deny\", \"y\"] }",
            r#"path "x": invalid capability "y""#,
        ),
        ("path \"x\" { policy = \"y\" }", r#"path "x": invalid policy "y""#),
        (
            "path \"x\" {\n\n capability = [] }",
            r#"path "x": invalid key "capability" on line 3"#,
        ),
        ("\npaths \"x\" {}", r#"invalid key "paths" on line 2"#),
        (r#"{"paths": {}}"#, r#"invalid key "paths""#),
        (
            "path \"a/+*\" {}",
            r#"path "a/+*": invalid use of wildcards ('+*' is forbidden)"#,
        ),
        (
            "path \"x\" { control_group = {} }",
            r#"path "x": control_group is not supported"#,
        ),
        (
            "path \"a/{{identity.entity.id}}\" {}",
            r#"path "a/{{identity.entity.id}}": a templated path is not supported"#,
        ),
        (
            "path \"x\" {\n policy = \"read\"\n policy = \"deny\" }",
            r#"path "x": the argument "policy" on line 3 was already set; each argument can only be defined once"#,
        ),
        (
            "path \"x\" { denied_parameters = { a = []\n A = [] } }",
            r#"path "x": the argument "A" on line 2 was already set; each argument can only be defined once"#,
        ),
        (
            "path \"x\" { capabilities = \"read\" }",
            r#"path "x": invalid value for "capabilities" on line 1: expected a list of texts"#,
        ),
        (
            "path \"x\" { capabilities = [1] }",
            r#"path "x": invalid value for "capabilities" on line 1: expected a list of texts"#,
        ),
        (
            "path \"x\" { allowed_parameters = { a = \"b\" } }",
            r#"path "x": invalid value for "allowed_parameters" on line 1: expected lists of values by parameter name"#,
        ),
        (
            "path \"x\" { min_wrapping_ttl = \"1 week\" }",
            r#"path "x": invalid value for "min_wrapping_ttl" on line 1: expected a duration"#,
        ),
        (
            "path \"x\" { min_wrapping_ttl = 2 max_wrapping_ttl = 1 }",
            r#"path "x": max_wrapping_ttl cannot be less than min_wrapping_ttl"#,
        ),
        (
            "name = 1",
            r#"invalid value for "name" on line 1: expected a text"#,
        ),
        (
            "path = \"x\"",
            r#"invalid value for "path" on line 1: expected a path and a block"#,
        ),
        (
            "path \"x\" \"y\" {}",
            r#"invalid value for "path" on line 1: expected one path before a block"#,
        ),
        (
            r#"{"path": {"x": 1}}"#,
            r#"path "x": invalid value for "path": expected a block"#,
        ),
        (
            r#"{"path": {"x": {"allowed_parameters": {"a": [null]}}}}"#,
            r#"path "x": invalid value for "allowed_parameters": expected lists of values by parameter name"#,
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn not_hcl() {
    for (text, line, expected) in [
        ("path", 1, "'=' or '{' after a key"),
        ("path \"x\"", 1, "'{' after a label"),
        ("path \"x\" = {}", 1, "'{' after a label"),
        ("path \"x\" {", 1, "'}' at the end of a block"),
        ("path \"x\" {}\n}", 2, "a key"),
        ("= 1", 1, "a key"),
        ("name = ", 1, "a value"),
        ("name = null", 1, "a value"),
        ("name = x", 1, "a value"),
        ("path \"x\" { capabilities [] }", 1, "'=' or '{' after a key"),
        (
            "path \"x\" {\n capabilities = [\"a\" \"b\"] }",
            2,
            "',' or ']' after a list element",
        ),
        ("path \"x\" { capabilities = [,] }", 1, "a value"),
        (
            "path \"x\" { capabilities = [\"a\"",
            1,
            "',' or ']' after a list element",
        ),
        ("path \"x", 1, "'\"' at the end of a string"),
        ("path \"x\n\" {}", 1, "'\"' at the end of a string"),
        (r#"path "\q" {}"#, 1, "an escape that HCL knows"),
        (r#"path "\xg0" {}"#, 1, "a digit of an escape"),
        (r#"path "\777" {}"#, 1, "an escape of at most 255"),
        (r#"path "\xff" {}"#, 1, "escapes that make UTF-8"),
        (r#"path "\ud800" {}"#, 1, "a Unicode character"),
        ("path \"${x\" {}", 1, "'}' after \"${\""),
        ("\n/* x", 2, "\"*/\" after a comment"),
        ("/ x", 1, "a key, a value or a bracket"),
        ("name = <x", 1, "\"<<\" before a heredoc"),
        ("name = <<\nx", 1, "a heredoc marker and a line end"),
        ("name = <<E x\nE\n", 1, "a heredoc marker and a line end"),
        ("name = <<E\r\r\nE\n", 1, "a heredoc marker and a line end"),
        ("name = <<EOT\nx\n", 3, "the marker that ends a heredoc"),
        ("name = 0x1f", 1, "a decimal number"),
        ("name = -", 1, "a decimal number"),
        ("path 'x' {}", 1, "a key, a value or a bracket"),
    ] {
        match Policy::parse("test", text) {
            Err(AclError::Syntax {
                line: at,
                expected: what,
                ..
            }) => assert_eq!((at, what), (line, expected), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(
        refusal("path \"x\" {\n  capabilities = }"),
        "error parsing: line 2: expected a value, found '}'"
    );
    for (text, found) in [
        ("path \"x", "the end of the text"),
        ("path \"x\n", "the end of the line"),
        (r#"path "\q""#, "'q'"),
        (r#"path "\777" {}"#, "something else"),
        (r#"path "\777"#, "the end of the text"),
    ] {
        assert!(
            refusal(text).ends_with(&format!(", found {found}")),
            "{text}: {}",
            refusal(text)
        );
    }
}

#[test]
fn not_json() {
    for text in ["{", "{\"path\": }", "{\"path\": {}} x", "{\"a\": 1e999}"] {
        assert!(
            matches!(Policy::parse("test", text), Err(AclError::Json { .. })),
            "{text}"
        );
    }
    assert_eq!(
        refusal("{\"path\":\n]"),
        "error parsing JSON: expected value at line 2 column 1"
    );
}

#[test]
fn root_cannot_be_written() {
    assert_eq!(Policy::parse("root", ""), Err(AclError::ReservedName));
    assert_eq!(
        AclError::ReservedName.to_string(),
        "cannot update \"root\" policy"
    );
}

#[test]
fn size_and_depth_are_bounded() {
    let padded = |length: usize| format!("{PLAIN}{}", " ".repeat(length - PLAIN.len()));
    assert!(Policy::parse("test", &padded(MAX_TEXT_BYTES)).is_ok());
    assert_eq!(
        Policy::parse("test", &padded(MAX_TEXT_BYTES + 1)),
        Err(AclError::TooLarge)
    );

    let nested = |open: &str, depth: usize| format!("name = {}", open.repeat(depth));
    let too_deep = Err(AclError::TooDeep { line: 1 });
    for open in ["[", "{ a = ", "[{ a = "] {
        assert_eq!(
            Policy::parse("test", &nested(open, MAX_TEXT_BYTES / 8)),
            too_deep,
            "{open}"
        );
    }
    assert!(matches!(
        Policy::parse("test", &nested("[", MAX_DEPTH as usize - 1)),
        Err(AclError::Syntax { .. })
    ));
    let json = format!("{{\"name\": {}", "[".repeat(MAX_TEXT_BYTES / 2));
    assert!(matches!(Policy::parse("test", &json), Err(AclError::Json { .. })));
}

/// The largest texts of every shape are read in time that grows with their length.
#[test]
fn long_texts_are_read() {
    for unit in [
        "path \"a\" {}\n",
        "# comment\n",
        "/**/",
        "\n",
        "path \"a/+\" { policy = \"read\" }\n",
    ] {
        let text = unit.repeat(MAX_TEXT_BYTES / unit.len());
        assert!(Policy::parse("test", &text).is_ok(), "{unit}");
    }
    let texts = [
        "<<a\n", "\"", "${", "\\", "<", "{", "[", "]", "/*", "-", "a ", "path \"", "path {\n",
    ];
    for unit in texts {
        let text = format!("name = \"{}", unit.repeat(MAX_TEXT_BYTES / (2 * unit.len())));
        assert!(Policy::parse("test", &text).is_err(), "{unit}");
        let text = unit.repeat(MAX_TEXT_BYTES / unit.len());
        assert!(Policy::parse("test", &text).is_err(), "{unit}");
    }
}

fn refusal(text: &str) -> String {
    match Policy::parse("test", text) {
        Ok(policy) => panic!("{text}: {policy:?}"),
        Err(error) => error.to_string(),
    }
}
