//! Other programs: commands with a time limit, servers with an end.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

const POLL: Duration = Duration::from_millis(10);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

impl Outcome {
    /// The outcome of a command that must have succeeded.
    ///
    /// # Errors
    /// Anything but exit status 0, with all that the command printed.
    pub fn success(self) -> Result<Self> {
        ensure!(
            self.status.success(),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }
}

/// Runs a command without standard input, and ends it, with all that it started, at the limit.
///
/// # Errors
/// The command cannot be started, or did not end in time.
pub fn run(command: &mut Command, limit: Duration) -> Result<Outcome> {
    let name = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", name.display()))?;
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let status = wait_within(&mut child, limit)?;
    // Whatever a finished command left running would keep the pipes open.
    signal_group(&child, Signal::KILL);
    let (stdout, stderr) = (joined(stdout), joined(stderr));
    let Some(status) = status else {
        child.wait().context("cannot end the command")?;
        bail!(
            "{} did not end in {limit:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            name.display()
        );
    };
    Ok(Outcome {
        status,
        stdout,
        stderr,
    })
}

fn read_aside(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(reader: thread::JoinHandle<String>) -> String {
    reader.join().unwrap_or_default()
}

fn wait_within(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    poll(limit, || child.try_wait().context("cannot wait for the command"))
}

/// Asks until there is an answer; `None` at the limit.
pub(crate) fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let end = now() + limit;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if now() >= end {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "time limits of real processes: no test's result depends on them"
)]
fn now() -> Instant {
    Instant::now()
}

fn signal_group(child: &Child, signal: Signal) {
    // The group may be gone already, which is what was wanted.
    let _ = kill_process_group(Pid::from_child(child), signal);
}

/// A port on loopback that was free a moment ago; another process may take it first.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

/// Runs a server beside a watcher of its standard input: closing that, as the end of this process does even when it is
/// killed, ends the whole process group. The shell outlasts the signal, to end only when its server has.
const WATCH: &str = r#"exec 3<&0
trap : TERM
"$@" </dev/null 3<&- &
server=$!
(read -r _ <&3; kill -TERM 0) &
wait "$server"
wait "$server""#;

/// A running server and all that it starts. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts the server with standard output and error in the log file.
    pub(crate) fn start(command: &Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut watched = Command::new("/bin/sh");
        watched
            .args(["-c", WATCH, "server"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => watched.env(name, value),
                None => watched.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            watched.current_dir(directory);
        }
        let child = watched
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .context("cannot start /bin/sh")?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// The server ended, or is not ready at the limit: with its log.
    pub(crate) fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let child = &mut self.child;
        let ended = poll(limit, || match child.try_wait()? {
            Some(status) => Ok(Some(Some(status))),
            None => Ok(ready().then_some(None)),
        })?;
        match ended {
            Some(None) => Ok(()),
            Some(Some(status)) => bail!("the server ended at once ({status}):\n{}", self.log()),
            None => bail!("the server was not ready in {limit:?}:\n{}", self.log()),
        }
    }

    /// What the server has written so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal_group(&self.child, Signal::TERM);
        let _ = wait_within(&mut self.child, STOP_LIMIT);
        // What the server left behind, or all of it if it does not listen.
        signal_group(&self.child, Signal::KILL);
        let _ = self.child.wait();
    }
}
