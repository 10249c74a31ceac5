//! A certificate authority in memory, for tests: an embedded store, keys in this process, and nothing outside.

use crate::{
    Services,
    audit::MemoryLog,
    clock::{FixedClock, SystemClock},
    random::SystemRandomSource,
    signer::{faulty::FaultyKeyring, local::LocalKeyring},
    store::{dynamodb::DynamoDb, embedded::Embedded, faulty::Faulty},
};
use std::sync::Arc;

/// The services of one authority, and a hold on each of them.
pub struct InMemory {
    /// All of them, as a router takes them.
    pub services: Services,
    /// Its store, which fails on demand.
    pub store: Arc<Faulty<DynamoDb>>,
    /// Its keys, which fail on demand.
    pub keyring: Arc<FaultyKeyring<LocalKeyring>>,
    /// Its time, which stands still until it is set.
    pub clock: Arc<FixedClock>,
    /// What it wrote to the log of decisions.
    pub log: Arc<MemoryLog>,
}

impl InMemory {
    /// An empty one, at this Unix second.
    ///
    /// # Panics
    /// Where there are no random bytes.
    pub async fn at(now: u64) -> Self {
        let random = SystemRandomSource::default();
        let keyring = LocalKeyring::in_memory(&random).expect("there are random bytes");
        let store = Arc::new(Faulty::new(Embedded::in_memory().await));
        let keyring = Arc::new(FaultyKeyring::new(keyring));
        let clock = Arc::new(FixedClock::at(now));
        let log = Arc::new(MemoryLog::default());
        let services = Services::new(
            store.clone(),
            keyring.clone(),
            clock.clone(),
            Arc::new(random),
            log.clone(),
        );
        Self {
            services,
            store,
            keyring,
            clock,
            log,
        }
    }
}

/// The services of an empty one whose time goes on.
///
/// # Panics
/// As [`InMemory::at`].
pub async fn services() -> Services {
    let mut services = InMemory::at(0).await.services;
    services.clock = Arc::new(SystemClock);
    services
}
