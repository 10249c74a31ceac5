//! Starting the binary, and talking to it.

use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How often, and how long after one another, a server is asked whether it is ready.
const TRIES: usize = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// The binary, knowing nothing of the environment that the tests run in.
pub(crate) fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// What a finished command said.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The text of the error of a command that must fail.
pub(crate) fn failure(output: &Output) -> String {
    assert!(!output.status.success(), "it succeeded: {}", text(&output.stdout));
    text(&output.stderr)
}

/// A running `countersign serve`. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// What it printed at its start.
    pub(crate) banner: String,
    pub(crate) url: String,
    log: PathBuf,
    stdout: BufReader<ChildStdout>,
    _files: TempDir,
}

impl Server {
    /// Starts it on a free port, with these further arguments, and waits until it has printed all it prints.
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: &[S]) -> Self {
        Self::start_command(
            countersign()
                .arg("serve")
                .args(["--listen", "127.0.0.1:0"])
                .args(arguments),
        )
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let files = TempDir::new().unwrap();
        let log = files.path().join("log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            let read = stdout.read_line(&mut banner).unwrap();
            assert!(
                read > 0,
                "it ended: {banner}{}",
                std::fs::read_to_string(&log).unwrap()
            );
        }
        let url = banner
            .split_whitespace()
            .find(|word| word.starts_with("http"))
            .unwrap()
            .to_owned();
        let server = Self {
            child,
            banner,
            url,
            log,
            stdout,
            _files: files,
        };
        if server.url.starts_with("http:") {
            server.wait_until_ready();
        }
        server
    }

    fn wait_until_ready(&self) {
        for _ in 0..TRIES {
            if self
                .request("GET", "sys/health", None, "")
                .is_some_and(|(status, _)| status == 200)
            {
                return;
            }
            thread::sleep(PAUSE);
        }
        panic!("it is not ready: {}", self.log());
    }

    /// The root token that it printed.
    pub(crate) fn root_token(&self) -> Option<String> {
        let line = self
            .banner
            .lines()
            .find_map(|line| line.strip_prefix("# Root token: csn_"));
        line.map(|rest| format!("csn_{rest}"))
    }

    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// One HTTP request below `/v1/`; `None` where no answer comes.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Option<(u16, Value)> {
        let address = self.url.strip_prefix("http://").unwrap();
        let token = token
            .map(|token| format!("X-Vault-Token: {token}\r\n"))
            .unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: {address}\r\n{token}Content-Length: {length}\r\nConnection: \
             close\r\n\r\n{body}"
        );
        let (status, body) = exchange(address, request.as_bytes())?;
        Some((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    /// A request of the owner of `token` that must succeed.
    pub(crate) fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = self.request(method, path, Some(token), &body).expect("an answer");
        assert!(matches!(status, 200 | 204), "{method} {path}: {status} {answer}");
        answer
    }

    /// Runs an administration command against it.
    pub(crate) fn administer(&self, token: &str, arguments: &[&str]) -> Output {
        let mut command = countersign();
        command
            .args(arguments)
            .args(["--url", &self.url, "--token", token]);
        command.output().unwrap()
    }

    /// The text that an administration command prints.
    pub(crate) fn says(&self, token: &str, arguments: &[&str]) -> String {
        let output = self.administer(token, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The JSON that an administration command prints.
    pub(crate) fn json(&self, token: &str, arguments: &[&str]) -> Value {
        let text = self.says(token, &[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Makes a CA and a role `me` that signs for alice.
    pub(crate) fn make_ca(&self, token: &str) {
        self.call(
            token,
            "POST",
            "ssh/config/ca",
            &serde_json::json!({"generate_signing_key": true, "key_type": "ed25519"}),
        );
        let role = serde_json::json!({
            "key_type": "ca", "allow_user_certificates": true, "allowed_users": "alice", "default_user": "alice",
            "default_extensions": {"permit-pty": ""}, "ttl": "30m",
        });
        self.call(token, "POST", "ssh/roles/me", &role);
    }

    /// Kills it, while others may still be talking to it.
    pub(crate) fn kill(&self) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-KILL", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Ends it: what it printed after its start.
    pub(crate) fn said_later(mut self) -> String {
        self.kill();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        said
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(mut self, signal: &str) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads status and body of the answer.
pub(crate) fn exchange(address: &str, request: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A new Ed25519 key, by ssh-keygen: the path of its public half.
pub(crate) fn make_key(directory: &Path) -> PathBuf {
    let path = directory.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&path)
        .status();
    assert!(
        made.expect("ssh-keygen is missing: apt-get install openssh-client")
            .success()
    );
    path.with_extension("pub")
}
