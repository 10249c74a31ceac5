//! Access control against the embedded engine: what tokens, policies and identities may do, what it costs in round
//! trips, and what is left where a write fails.

#![allow(clippy::unwrap_used)] // a helper of a test fails as a test does
mod admissions;
mod entities;
mod faults;
mod identities;
mod lockouts;
mod model;
mod policies;
mod tokens;

use countersign::{
    Error, Services,
    access::{self, Caller, Created, NewToken},
    audit::MemoryLog,
    clock::FixedClock,
    random::SystemRandomSource,
    signer::local::LocalKeyring,
    store::{Query, Store, Table, dynamodb::DynamoDb, embedded::Embedded, faulty::Faulty},
    types::SecretToken,
};
use std::sync::Arc;

/// When every test begins.
const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

/// A certificate authority of its own for one test.
struct World {
    store: Arc<Faulty<DynamoDb>>,
    clock: Arc<FixedClock>,
    services: Services,
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(Faulty::new(Embedded::in_memory().await));
        let clock = Arc::new(FixedClock::at(NOW));
        let services = process(&store, &clock);
        Self {
            store,
            clock,
            services,
        }
    }

    /// Another process on the same tables: it remembers nothing.
    fn other_process(&self) -> Services {
        process(&self.store, &self.clock)
    }

    async fn root(&self) -> Created {
        access::create_root(&self.services, None).await.unwrap()
    }

    async fn caller(&self, token: &SecretToken) -> Caller {
        self.authenticate(token).await.unwrap()
    }

    async fn authenticate(&self, token: &SecretToken) -> Result<Caller, Error> {
        access::authenticate(&self.services, token, None, &[])
            .await
            .map(|(caller, _)| caller)
    }

    async fn is_good(&self, token: &SecretToken) -> bool {
        match self.authenticate(token).await {
            Ok(_) => true,
            Err(Error::Unauthenticated) => false,
            Err(error) => panic!("{}", error.chain()),
        }
    }

    async fn child(&self, parent: &SecretToken, new: NewToken) -> Created {
        let caller = self.caller(parent).await;
        access::create_child(&self.services, &caller, false, new)
            .await
            .unwrap()
    }

    /// The accessors of all tokens that are alive.
    async fn accessors(&self) -> Vec<String> {
        let tokens = access::list_tokens(&self.services).await.unwrap();
        tokens.into_iter().map(|token| token.accessor).collect()
    }

    /// How many records of tokens there are, with those that lead to them.
    async fn token_records(&self, tokens: &[&Created]) -> usize {
        let mut count = 0;
        for created in tokens {
            let partition = format!("token/{}", created.token.hash);
            count += self
                .store
                .inner()
                .query(&Query::partition(Table::Access, partition))
                .await
                .unwrap()
                .len();
        }
        for digit in "0123456789abcdef".chars() {
            let query = Query::partition(Table::Access, format!("accessor/{digit}"));
            count += self.store.inner().query(&query).await.unwrap().len();
        }
        count
    }
}

fn process(store: &Arc<Faulty<DynamoDb>>, clock: &Arc<FixedClock>) -> Services {
    Services::new(
        store.clone(),
        Arc::new(LocalKeyring::new(&[7; 32])),
        clock.clone(),
        Arc::new(SystemRandomSource::default()),
        Arc::new(MemoryLog::default()),
    )
}

/// A token with these policies.
fn with(policies: &[&str]) -> NewToken {
    NewToken {
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        ..NewToken::default()
    }
}

/// The reason of an `InvalidRequest`.
fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome.unwrap_err() {
        Error::InvalidRequest { reason, .. } => reason,
        error => panic!("{}", error.chain()),
    }
}
