//! A store and a clock whose operations take turns: two requests at the same time, in every order of their steps.

use async_trait::async_trait;
use countersign::{
    Services,
    certificates::SHARDS,
    clock::Clock,
    store::{Key, Query, Record, Store, StoreError, Write},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::yield_now;

tokio::task_local! {
    /// Which request an operation belongs to. Operations of none pass.
    static WHO: char;
}

/// Wraps a store.
pub(crate) struct Turns {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    order: VecDeque<char>,
    ended: HashSet<char>,
    rounds: HashMap<char, Rounds>,
}

/// Of one request: the queries for holds that it has made, and how many times sixteen of them have had their turn.
#[derive(Default)]
struct Rounds {
    queries: u64,
    open: u64,
}

impl Turns {
    /// Takes the place of the store and of the clock of `services`.
    pub(crate) fn among(services: &mut Services) -> Arc<Self> {
        let turns = Arc::new(Self {
            inner: services.store.clone(),
            state: Mutex::default(),
        });
        services.store = turns.clone();
        services.clock = Arc::new(TurnsClock {
            inner: services.clock.clone(),
            turns: turns.clone(),
        });
        turns
    }

    /// Sets the order in which requests take their steps; when it is used up, or a request has ended, others go on.
    pub(crate) fn begin(&self, order: &str) {
        *self.state.lock().unwrap() = State {
            order: order.chars().collect(),
            ..State::default()
        };
    }

    /// Runs a request under a name.
    pub(crate) async fn run<T>(&self, who: char, request: impl Future<Output = T>) -> T {
        let output = WHO.scope(who, request).await;
        self.state.lock().unwrap().ended.insert(who);
        output
    }

    async fn turn(&self) {
        if let Ok(who) = WHO.try_with(|who| *who) {
            while !self.state.lock().unwrap().takes(who) {
                yield_now().await;
            }
        }
    }

    /// One turn for the queries of all shards of an authority's holds, which are asked for together.
    async fn round(&self) {
        let Ok(who) = WHO.try_with(|who| *who) else {
            return;
        };
        let place = {
            let mut state = self.state.lock().unwrap();
            let rounds = state.rounds.entry(who).or_default();
            rounds.queries += 1;
            rounds.queries - 1
        };
        if place.is_multiple_of(SHARDS) {
            self.turn().await;
            self.state.lock().unwrap().rounds.entry(who).or_default().open += 1;
        } else {
            while self.state.lock().unwrap().rounds[&who].open <= place / SHARDS {
                yield_now().await;
            }
        }
    }
}

impl State {
    fn takes(&mut self, who: char) -> bool {
        while self.order.front().is_some_and(|next| self.ended.contains(next)) {
            self.order.pop_front();
        }
        match self.order.front() {
            Some(next) if *next != who => false,
            _ => {
                self.order.pop_front();
                true
            }
        }
    }
}

#[async_trait]
impl Store for Turns {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.turn().await;
        self.inner.read(keys).await
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.turn().await;
        self.inner.write(writes).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Record>, StoreError> {
        if query.partition.starts_with("holds#") {
            self.round().await;
        } else {
            self.turn().await;
        }
        self.inner.query(query).await
    }
}

/// A clock by which a sleep is a turn.
struct TurnsClock {
    inner: Arc<dyn Clock>,
    turns: Arc<Turns>,
}

#[async_trait]
impl Clock for TurnsClock {
    fn now_ms(&self) -> u64 {
        self.inner.now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.inner.monotonic_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.turns.turn().await;
        self.inner.sleep(duration).await;
    }
}
