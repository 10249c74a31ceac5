//! Tokens, policies, authorities and identities, against a running server.

use crate::support::{Server, countersign, failure, text};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};
use tempfile::TempDir;

const ROOT: &str = "root";

fn server() -> Server {
    Server::start(&["--memory", "--root-token", ROOT])
}

#[test]
fn tokens_are_made_looked_up_listed_and_revoked() {
    let server = server();
    let create = [
        "token",
        "create",
        "--policy",
        "signer",
        "--ttl",
        "8h",
        "--display-name",
        "ci",
    ];
    let made = server.json(ROOT, &create);
    let (token, accessor) = (
        made["client_token"].as_str().unwrap(),
        made["accessor"].as_str().unwrap(),
    );
    assert_eq!(made["policies"], json!(["default", "signer"]));
    assert_eq!(made["lease_duration"], 28_800);

    let own = server.says(token, &["token", "lookup"]);
    assert!(
        own.contains(accessor) && own.contains("token-ci") && !own.contains(token),
        "{own}"
    );
    assert_eq!(
        server.json(ROOT, &["token", "lookup", "--accessor", accessor])["accessor"],
        accessor
    );
    assert_eq!(
        server.json(ROOT, &["token", "lookup", token])["accessor"],
        accessor
    );

    let listed = server.json(ROOT, &["token", "list"]);
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 2);
    let listed = server.says(ROOT, &["token", "list"]);
    assert!(listed.contains(accessor) && !listed.contains(token), "{listed}");

    server.says(ROOT, &["token", "revoke", "--accessor", accessor]);
    assert!(failure(&server.administer(token, &["token", "lookup"])).contains("permission denied"));
    let error = failure(&server.administer(ROOT, &["token", "lookup", "--accessor", accessor]));
    assert!(error.contains("countersign token list"), "{error}");
    assert!(!server.log().contains(token), "no secret is logged");
}

#[test]
fn a_root_token_is_made_only_when_asked_for() {
    let server = server();
    let made = server.json(ROOT, &["token", "create", "--root"]);
    assert_eq!(made["policies"], json!(["root"]));
    assert!(failure(&server.administer(ROOT, &["token", "create"])).contains("--policy"));
    let limited = server.json(ROOT, &["token", "create", "--policy", "signer"]);
    let limited = limited["client_token"].as_str().unwrap();
    assert!(
        !server
            .administer(limited, &["token", "create", "--root"])
            .status
            .success()
    );
    let error = failure(&server.administer(limited, &["token", "list"]));
    assert!(
        error.contains("permission denied") && error.contains("countersign token lookup"),
        "{error}"
    );
}

#[test]
fn policies_are_written_from_files_and_from_standard_input() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let policy = "path \"ssh/sign/me\" {\n  capabilities = [\"update\"]\n}\n";
    let file = directory.path().join("policy.hcl");
    fs::write(&file, policy).unwrap();
    server.says(ROOT, &["policy", "write", "from-file", file.to_str().unwrap()]);
    assert_eq!(server.says(ROOT, &["policy", "read", "from-file"]), policy);

    let mut command = countersign();
    command.args([
        "policy",
        "write",
        "from-stdin",
        "-",
        "--url",
        &server.url,
        "--token",
        ROOT,
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(policy.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(
        server.json(ROOT, &["policy", "read", "from-stdin"])["policy"],
        policy
    );

    let names = server.json(ROOT, &["policy", "list"])["policies"].clone();
    assert_eq!(names, json!(["default", "from-file", "from-stdin", "root"]));
    server.says(ROOT, &["policy", "delete", "from-file"]);
    let error = failure(&server.administer(ROOT, &["policy", "read", "from-file"]));
    assert!(error.contains("there is no policy from-file"), "{error}");
    fs::write(&file, "path {").unwrap();
    assert!(
        !server
            .administer(ROOT, &["policy", "write", "bad", file.to_str().unwrap()])
            .status
            .success()
    );
}

#[test]
fn authorities_are_made_imported_shown_and_retired() {
    let server = server();
    assert!(
        server
            .says(ROOT, &["authority", "list"])
            .contains("countersign authority create")
    );
    for (spec, prefix) in [
        ("ED25519", "ssh-ed25519 "),
        ("p521", "ecdsa-sha2-nistp521 "),
        ("RSA_2048", "ssh-rsa "),
    ] {
        let made = server.json(ROOT, &["authority", "create", "--key-spec", spec]);
        assert!(made["public_key"].as_str().unwrap().starts_with(prefix), "{made}");
    }
    let directory = TempDir::new().unwrap();
    let key = crate::support::make_key(directory.path());
    let private = key.with_extension("");
    let imported = server.json(
        ROOT,
        &[
            "authority",
            "import",
            private.to_str().unwrap(),
            "--description",
            "the old CA",
        ],
    );
    let public = fs::read_to_string(&key).unwrap();
    assert_eq!(imported["public_key"], public.trim());
    assert_eq!(imported["description"], "the old CA");

    let id = imported["id"].as_str().unwrap();
    assert_eq!(server.json(ROOT, &["authority", "show", id]), imported);
    assert_eq!(
        server.json(ROOT, &["authority", "list"])["authorities"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(
        server.json(ROOT, &["authority", "retire", id])["state"],
        "retired"
    );
    assert!(server.says(ROOT, &["authority", "list"]).contains("retired"));

    let error = failure(&server.administer(ROOT, &["authority", "bind", "alias/x"]));
    assert!(error.contains("KMS"), "{error}");
    let error = failure(&server.administer(ROOT, &["authority", "show", "sshca_x"]));
    assert!(error.contains("countersign authority list"), "{error}");
}

#[test]
fn an_identity_logs_in_with_what_its_creation_printed() {
    let server = server();
    assert!(server.says(ROOT, &["identity", "list"]).contains("no identities"));
    let made = server.json(
        ROOT,
        &["identity", "create", "ci", "--policy", "signer", "--ttl", "20m"],
    );
    let more = server.json(ROOT, &["identity", "secret", "create", "ci"]);
    assert_ne!(made["client_secret"], more["client_secret"]);
    for secret in [&made, &more] {
        let login = json!({"role_id": secret["client_id"], "secret_id": secret["client_secret"]});
        let (status, answer) = server
            .request("POST", "auth/approle/login", None, &login.to_string())
            .unwrap();
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["auth"]["policies"], json!(["default", "signer"]));
        assert_eq!(answer["auth"]["lease_duration"], 1200);
        assert!(
            !server.log().contains(secret["client_secret"].as_str().unwrap()),
            "no secret is logged"
        );
    }
    let shown = server.says(ROOT, &["identity", "show", "ci"]);
    assert!(
        shown.contains("signer") && shown.contains(made["client_id"].as_str().unwrap()),
        "{shown}"
    );
    assert_eq!(
        server.json(ROOT, &["identity", "list"]),
        json!({"identities": ["ci"]})
    );
    let error = failure(&server.administer(ROOT, &["identity", "create", "ci", "--policy", "signer"]));
    assert!(error.contains("identity secret create ci"), "{error}");

    server.says(ROOT, &["identity", "delete", "ci"]);
    let error = failure(&server.administer(ROOT, &["identity", "show", "ci"]));
    assert!(error.contains("there is no identity ci"), "{error}");
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    let server = server();
    for (arguments, reason) in [
        (&["token", "revoke", "nope"][..], "there is no such token"),
        (
            &["token", "revoke", "--accessor", "nope"],
            "no token has the accessor nope",
        ),
        (&["policy", "delete", "nope"], "there is no policy nope"),
        (&["identity", "delete", "nope"], "there is no identity nope"),
        (&["admission", "delete", "nope"], "there is no admission nope"),
        (
            &["admission", "delete", "0123456789abcdef0123456789abcdef"],
            "there is no admission 0123",
        ),
    ] {
        let error = failure(&server.administer(ROOT, arguments));
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
    // What is there can be, by whoever may do nothing else.
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("policy.hcl");
    let rule = |path: &str, may: &str| format!("path \"{path}\" {{ capabilities = [\"{may}\"] }}\n");
    let rules = rule("sys/policies/acl/other", "delete") + &rule("auth/token/revoke", "update");
    fs::write(&file, rules).unwrap();
    for name in ["remover", "other"] {
        server.says(ROOT, &["policy", "write", name, file.to_str().unwrap()]);
    }
    let token = |policy: &str| {
        let made = server.json(ROOT, &["token", "create", "--policy", policy]);
        made["client_token"].as_str().unwrap().to_owned()
    };
    let (remover, other) = (token("remover"), token("other"));
    server.says(&remover, &["policy", "delete", "other"]);
    server.says(&remover, &["token", "revoke", &other]);
    let error = failure(&server.administer(ROOT, &["token", "revoke", &other]));
    assert!(error.contains("there is no such token"), "{error}");
}

#[test]
fn a_policy_that_is_not_there_is_warned_of() {
    let server = server();
    let arn = "arn:aws:iam::123456789012:role/deployer";
    for create in [
        &["token", "create"][..],
        &["identity", "create", "ci"],
        &["admission", "create", "--iam", arn],
    ] {
        let create = [create, &["--policy", "default", "--policy", "missing"]].concat();
        let said = server.says(ROOT, &create);
        assert_eq!(said.matches("does not exist").count(), 1, "{said}");
        assert!(said.contains("Policy \"missing\" does not exist"), "{said}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let run = |arguments: &[&str]| failure(&countersign().args(arguments).output().unwrap());
    assert!(run(&["token", "list"]).contains("--url"));
    assert!(run(&["token", "list", "--url", "http://127.0.0.1:1"]).contains("--token"));
    let error = run(&["token", "list", "--url", "http://127.0.0.1:1", "--token", "x"]);
    assert!(error.contains("countersign serve"), "{error}");
    assert!(run(&["token", "list", "--url", "ftp://x", "--token", "x"]).contains("http://HOST:PORT"));
}

#[test]
fn the_environment_names_server_and_token() {
    let server = server();
    let mut command: Command = countersign();
    command.args(["policy", "list", "--json"]);
    command
        .env("COUNTERSIGN_URL", &server.url)
        .env("COUNTERSIGN_TOKEN", ROOT);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let policies: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(policies, json!({"policies": ["default", "root"]}));
}

#[test]
fn admissions_are_made_listed_shown_and_deleted() {
    let server = server();
    let nobody = server.says(ROOT, &["admission", "list"]);
    assert!(nobody.contains("Nobody is admitted"), "{nobody}");
    let arn = "arn:aws:iam::123456789012:role/team/deployer";
    let made = server.json(
        ROOT,
        &["admission", "create", "--iam", arn, "--policy", "default"],
    );
    assert_eq!(made["arn"], "arn:aws:iam::123456789012:role/deployer", "{made}");
    let jwt = [
        "admission",
        "create",
        "--jwt-issuer",
        "https://issuer.example.com",
        "--claim",
        "repository=acme/deploy",
        "--require",
        "ref=refs/heads/main",
        "--policy",
        "signer",
    ];
    let token = server.json(ROOT, &jwt);
    assert_eq!(token["claims"], json!({"ref": "refs/heads/main"}), "{token}");
    let listed = server.says(ROOT, &["admission", "list"]);
    for text in ["role/deployer", "repository=acme/deploy", "ref=refs/heads/main"] {
        assert!(listed.contains(text), "{text:?} is not in {listed}");
    }
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.json(ROOT, &["admission", "show", id]), made);
    server.says(ROOT, &["admission", "delete", id]);
    let listed = server.json(ROOT, &["admission", "list"]);
    assert_eq!(listed["admissions"].as_array().map(Vec::len), Some(1), "{listed}");
}
