//! The whole deployment on this machine, as `localstack/up` makes it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::local_server::countersign;
use crate::process::{Outcome, run};
use crate::python::{run_python, tests_directory};

/// More than a build from nothing takes, which `tests/run` has done before.
const UP_LIMIT: Duration = Duration::from_secs(1800);
const LIMIT: Duration = Duration::from_secs(120);
/// Where `localstack/up` deploys to unless it is told.
const REGION: &str = "us-east-1";

/// A deployed stack. Dropping it ends what `localstack/up` left running.
#[derive(Debug)]
pub struct Stack {
    state: TempDir,
    name: String,
    endpoint: Option<String>,
    url: String,
    token: String,
}

impl Stack {
    /// Deploys from scratch, to an emulator of its own.
    ///
    /// # Errors
    /// `localstack/up` failed, or broke its promise on its last lines: with all that it printed.
    pub fn up() -> Result<Self> {
        Self::start(None, "countersign")
    }

    /// Deploys a stack called `name` to the emulator at `endpoint`.
    ///
    /// # Errors
    /// As [`Stack::up`].
    pub fn up_at(endpoint: &str, name: &str) -> Result<Self> {
        Self::start(Some(endpoint.to_owned()), name)
    }

    fn start(endpoint: Option<String>, name: &str) -> Result<Self> {
        let mut stack = Self {
            state: TempDir::with_prefix("countersign-stack-")?,
            name: name.to_owned(),
            endpoint,
            url: String::new(),
            token: String::new(),
        };
        stack.up_again()?;
        Ok(stack)
    }

    /// Runs `localstack/up` once more.
    ///
    /// # Errors
    /// As [`Stack::up`].
    pub fn up_again(&mut self) -> Result<()> {
        let printed = self.script("up", UP_LIMIT)?.success()?.stdout;
        let mut lines = printed.lines().rev();
        let mut last = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            line.map(str::to_owned)
                .with_context(|| format!("no {name} in {printed:?}"))
        };
        self.token = last("COUNTERSIGN_TOKEN=")?;
        self.url = last("COUNTERSIGN_URL=")?;
        Ok(())
    }

    /// Runs `localstack/down`.
    ///
    /// # Errors
    /// It failed.
    pub fn down(&self) -> Result<()> {
        self.script("down", LIMIT)?.success()?;
        Ok(())
    }

    fn script(&self, name: &str, limit: Duration) -> Result<Outcome> {
        let mut command = Command::new(repository().join("localstack").join(name));
        command
            .env("COUNTERSIGN_LOCALSTACK_STATE", self.state_directory())
            .env("COUNTERSIGN_STACK", &self.name)
            .env("COUNTERSIGN_COMMAND", countersign()?.get_program())
            .env_remove("AWS_REGION")
            .env_remove("AWS_ENDPOINT_URL");
        for name in of_cargo() {
            command.env_remove(name);
        }
        if let Some(endpoint) = &self.endpoint {
            command.env("AWS_ENDPOINT_URL", endpoint);
        }
        run(&mut command, limit)
    }

    fn state_directory(&self) -> PathBuf {
        self.state.path().join("state")
    }

    /// Where it answers: a bare origin.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A root token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The emulator's endpoint.
    ///
    /// # Errors
    /// Nothing runs.
    pub fn endpoint(&self) -> Result<String> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let noted = std::fs::read_to_string(self.state_directory().join("endpoint"))?;
        Ok(noted.trim().to_owned())
    }

    /// What its own emulator has written so far, and with it the functions.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.state_directory().join("ministack.log"))
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// Runs a script of the tests that talks to the emulator as an operator with AWS credentials does.
    ///
    /// # Errors
    /// The script failed: with all that it printed, and the log of the emulator.
    pub fn run_python(&self, script: &str, arguments: &[&str], more: &[(&str, &str)]) -> Result<Outcome> {
        let endpoint = self.endpoint()?;
        let environment = [self.aws(&endpoint).as_slice(), more].concat();
        run_python(script, arguments, &environment).with_context(|| {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            format!(
                "the emulator says\n{}",
                tail.into_iter().rev().collect::<Vec<_>>().join("\n")
            )
        })
    }

    /// Runs a command of `countersign` on the tables of the stack.
    ///
    /// # Errors
    /// The command failed.
    pub fn countersign(&self, arguments: &[&str]) -> Result<Outcome> {
        let endpoint = self.endpoint()?;
        let mut command = countersign()?;
        command
            .args(arguments)
            .args(["--table-prefix", &self.name])
            .env_remove("COUNTERSIGN_URL")
            .envs(self.aws(&endpoint));
        run(&mut command, LIMIT)?.success()
    }

    fn aws<'a>(&self, endpoint: &'a str) -> [(&'static str, &'a str); 5] {
        [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("localstack/down: {error:#}");
        }
    }
}

/// What cargo tells the tests. A cargo below would take it for a change of its own, and build much anew.
fn of_cargo() -> Vec<String> {
    #[allow(
        clippy::disallowed_methods,
        reason = "what the tests hand on, not what they depend on"
    )]
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let told = |name: &String| {
        let is_cargos = name.starts_with("CARGO") && name != "CARGO_HOME";
        is_cargos || ["AWS_LC_SYS_NO_JITTER_ENTROPY", "LD_LIBRARY_PATH"].contains(&name.as_str())
    };
    names.filter(told).collect()
}

fn repository() -> &'static Path {
    tests_directory().parent().unwrap_or(tests_directory())
}
