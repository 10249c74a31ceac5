//! The Vault family in a process of its own, over tables that it shares with others: the test executable, run again.

use anyhow::{Context, Result};
use axum::Extension;
use countersign::{
    Services, audit::MemoryLog, clock::SystemClock, random::SystemRandomSource,
    request_context::ClientAddress,
};
use countersign_hosts::SshHosts;
use countersign_tests::AwsDouble;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::spawn_blocking};

/// A file in the directory of such a process: the endpoint of its tables.
const ENDPOINT: &str = "endpoint";
const SAID: &str = "serving at ";

/// What serves the tables at `endpoint`.
pub(crate) fn services(endpoint: &str) -> Services {
    let mut services = Services::new(
        Arc::new(AwsDouble::store_at(endpoint)),
        Arc::new(AwsDouble::keyring_at(endpoint)),
        Arc::new(SystemClock),
        Arc::new(SystemRandomSource::default()),
        Arc::new(MemoryLog::default()),
    );
    services.hosts = Arc::new(SshHosts::new(services.clock.clone()));
    services
}

/// A running server. Dropping it kills it.
pub(crate) struct ServerProcess {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl ServerProcess {
    /// Starts one over these tables.
    pub(crate) fn start(tables: &AwsDouble) -> Result<Self> {
        let directory = TempDir::with_prefix("countersign-server-")?;
        fs::write(directory.path().join(ENDPOINT), tables.endpoint())?;
        let mut child = Command::new(std::env::current_exe()?)
            .args([
                "--exact",
                "server_process::serves_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("an output")?);
        let mut server = Self {
            child,
            address: String::new(),
            _directory: directory,
        };
        for line in output.lines() {
            if let Some((_, address)) = line?.split_once(SAID) {
                server.address = address.to_owned();
                return Ok(server);
            }
        }
        anyhow::bail!("it ended")
    }

    /// Its address and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "what ServerProcess starts"]
async fn serves_until_it_is_killed() {
    let Ok(endpoint) = fs::read_to_string(ENDPOINT) else {
        return;
    };
    let address = ClientAddress(Some(Ipv4Addr::LOCALHOST.into()));
    let router = countersign_vault::standalone(services(&endpoint)).layer(Extension(address));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("\n{SAID}{}", listener.local_addr().unwrap());
    // It ends with who started it, too.
    let parent = spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = axum::serve(listener, router) => served.unwrap(),
        _ = parent => {}
    }
}
