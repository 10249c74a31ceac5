//! What the local server keeps: the tables and the CA keys, in a directory or in memory.

use super::advice::AdvisingLog;
use anyhow::{Result, anyhow, ensure};
use countersign::{
    Services,
    clock::SystemClock,
    random::SystemRandomSource,
    signer::local::{LocalKeyring, LocalKeyringError, SEALING_KEY_FILE},
    store::{
        embedded::{DATABASE_FILE, Embedded, OpenError},
        gathering::Gathering,
    },
};
use countersign_hosts::SshHosts;
use std::{path::Path, sync::Arc, time::Duration};

/// How often records are dropped whose life is over.
const DROP_INTERVAL: Duration = Duration::from_secs(600);
/// How often that is ended which does not end by itself. In a deployment a schedule does it every minute.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The state of one local server.
pub(crate) struct State {
    pub(crate) services: Services,
    embedded: Embedded,
}

impl State {
    /// The state in `directory`, which is made where it is missing; or a new one in memory.
    pub(crate) async fn open(directory: Option<&Path>) -> Result<Self> {
        let random = SystemRandomSource::default();
        let (embedded, keyring) = match directory {
            None => (Embedded::ephemeral().await, LocalKeyring::in_memory(&random)?),
            Some(directory) => {
                check_sealing_key(directory)?;
                let embedded = Embedded::open(directory)
                    .await
                    .map_err(|error| advise(error, directory))?;
                let keyring = LocalKeyring::open(directory).map_err(|error| advise_key(error, directory))?;
                (embedded, keyring)
            }
        };
        let mut services = Services::new(
            Arc::new(Gathering::new(Arc::new(embedded.in_process()))),
            Arc::new(keyring),
            Arc::new(SystemClock),
            Arc::new(random),
            Arc::new(AdvisingLog::default()),
        );
        services.hosts = Arc::new(SshHosts::new(services.clock.clone()));
        countersign_vault::mounts::seed(&services).await?;
        Ok(Self { services, embedded })
    }

    /// Drops records whose life is over, as DynamoDB does by itself; and does the reaper's work.
    pub(crate) fn sweep_in_background(&self) {
        let embedded = self.embedded.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(DROP_INTERVAL).await;
                // Nothing reads such a record as if it were alive; the next time will do.
                let _ = embedded.sweep_expired().await;
            }
        });
        let services = self.services.clone();
        tokio::spawn(async move {
            loop {
                // What fails is in the log, and tried again.
                let _ = countersign_reaper::sweep(&services).await;
                tokio::time::sleep(SWEEP_INTERVAL).await;
            }
        });
    }
}

/// A new sealing key beside old records would leave every CA key shut, and nobody would notice before the next
/// signature.
fn check_sealing_key(directory: &Path) -> Result<()> {
    let is_lost = directory.join(DATABASE_FILE).exists() && !directory.join(SEALING_KEY_FILE).exists();
    ensure!(
        !is_lost,
        "{SEALING_KEY_FILE} is missing from {}, and only it opens the CA keys there\nput it back, or start anew in another \
         directory with --data-dir",
        directory.display()
    );
    Ok(())
}

fn advise(error: OpenError, directory: &Path) -> anyhow::Error {
    match error {
        OpenError::InUse(_) => anyhow!(
            "{} is in use by another countersign process\nstop that, or choose another directory with --data-dir",
            directory.display()
        ),
        error => anyhow::Error::new(error).context(format!(
            "cannot keep anything in {}: check who owns it, or choose another directory with --data-dir",
            directory.display()
        )),
    }
}

fn advise_key(error: LocalKeyringError, directory: &Path) -> anyhow::Error {
    let mut text = format!("the CA keys in {} cannot be opened", directory.display());
    let is_damaged = matches!(error, LocalKeyringError::NotAKey { .. });
    if is_damaged {
        text = format!("{text}: restore {SEALING_KEY_FILE}, or begin with another --data-dir");
    }
    anyhow::Error::new(error).context(text)
}
