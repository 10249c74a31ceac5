//! Requests that wait at the same moment share one operation: one batched read, one set of writes with one commit.
//!
//! For a store that does one thing at a time, such as the embedded engine, where every write syncs a file. A request
//! that is alone goes at once; those that come while an operation is under way wait for its end and then go together.
//! So nobody waits for company, and the more there are, the less each costs.
//!
//! The contract of [`Store`] holds for each of them as if it were alone:
//! - a read begins after everybody who shares it has asked, so it sees what any of them has seen answered;
//! - sets of writes that touch the same record never go together, and keep the order in which they came;
//! - where the gathered set fails, whoever caused it is judged alone, and the others go again without it.

use super::{Key, Query, Record, Store, StoreError, Write};
use crate::{error::Cause, lock};
use async_trait::async_trait;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{runtime::Handle, sync::oneshot};

/// So many keys fit one batched read, and so many writes one set: what [`Store`] promises to take in one round trip.
const MOST: usize = 100;

/// A store whose waiting requests share operations of the one behind it.
#[derive(Clone)]
pub struct Gathering {
    inner: Arc<dyn Store>,
    reads: Arc<Line<Reading>>,
    writes: Arc<Line<Writing>>,
}

struct Reading {
    keys: Vec<Key>,
    answer: oneshot::Sender<Result<Vec<Option<Record>>, StoreError>>,
}

struct Writing {
    writes: Vec<Write>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Gathering {
    /// `inner`, asked for as little as its callers allow.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            reads: Arc::default(),
            writes: Arc::default(),
        }
    }
}

#[async_trait]
impl Store for Gathering {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let reading = Reading {
            keys: keys.to_vec(),
            answer,
        };
        if let Some(turn) = Turn::of(&self.reads, reading) {
            let inner = self.inner.clone();
            serve(async move {
                while let Some(together) = turn.next(reads_together) {
                    read(&*inner, together).await;
                }
            });
        }
        answered.await.unwrap_or_else(|_| Err(abandoned()))
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let writing = Writing {
            writes: writes.to_vec(),
            answer,
        };
        if let Some(turn) = Turn::of(&self.writes, writing) {
            let inner = self.inner.clone();
            serve(async move {
                while let Some(together) = turn.next(writes_together) {
                    write(&*inner, together).await;
                }
            });
        }
        answered.await.unwrap_or_else(|_| Err(abandoned()))
    }

    async fn query(&self, query: &Query) -> Result<Vec<Record>, StoreError> {
        self.inner.query(query).await
    }
}

/// Runs `turn` to its end: apart from whoever called, who may give up and must not take the others' answers along, and
/// on a thread of its own, where a store may block. A task would stand in the runtime's queue behind the very requests that
/// wait for it.
fn serve(turn: impl Future<Output = ()> + Send + 'static) {
    tokio::task::spawn_blocking(|| Handle::current().block_on(turn));
}

fn abandoned() -> StoreError {
    StoreError::Unavailable("the operation ended without an answer".into())
}

/// How many from the front may share one read: at least the first, and as many as keep to [`MOST`] different keys.
fn reads_together(waiting: &VecDeque<Reading>) -> usize {
    let mut keys = HashSet::new();
    let fitting = waiting.iter().take_while(|reading| {
        keys.extend(&reading.keys);
        keys.len() <= MOST
    });
    fitting.count().max(1)
}

/// How many from the front may share one set: at least the first, and as many as keep to [`MOST`] writes of
/// different records.
fn writes_together(waiting: &VecDeque<Writing>) -> usize {
    let mut keys = HashSet::new();
    let fitting = waiting.iter().take_while(|writing| {
        let are_new = writing.writes.iter().all(|write| keys.insert(write.key()));
        are_new && keys.len() <= MOST
    });
    fitting.count().max(1)
}

async fn read(inner: &dyn Store, together: Vec<Reading>) {
    if together.len() > 1 {
        match read_at_once(inner, &together).await {
            Ok(records) => {
                for reading in together {
                    let own = reading.keys.iter().map(|key| records.get(key).cloned()).collect();
                    let _ = reading.answer.send(Ok(own)); // whoever asked may have gone
                }
                return;
            }
            Err(StoreError::Unusable(_)) => {} // perhaps for one of them only
            Err(error) => {
                for (reading, error) in together.into_iter().zip(repeated(error)) {
                    let _ = reading.answer.send(Err(error));
                }
                return;
            }
        }
    }
    for reading in together {
        let _ = reading.answer.send(inner.read(&reading.keys).await);
    }
}

async fn read_at_once(inner: &dyn Store, together: &[Reading]) -> Result<HashMap<Key, Record>, StoreError> {
    let mut seen = HashSet::new();
    let keys: Vec<Key> = together
        .iter()
        .flat_map(|reading| &reading.keys)
        .filter(|key| seen.insert(*key))
        .cloned()
        .collect();
    let records = inner.read(&keys).await?;
    let found = keys.into_iter().zip(records);
    Ok(found.filter_map(|(key, record)| Some((key, record?))).collect())
}

async fn write(inner: &dyn Store, mut together: Vec<Writing>) {
    while together.len() > 1 {
        let all: Vec<Write> = together
            .iter()
            .flat_map(|writing| &writing.writes)
            .cloned()
            .collect();
        let failed = match inner.write(&all).await {
            Ok(()) => {
                for writing in together {
                    let _ = writing.answer.send(Ok(())); // whoever asked may have gone
                }
                return;
            }
            Err(StoreError::ConditionFailed(index)) => holder(&together, index),
            Err(StoreError::Unusable(_)) => break, // perhaps for one of them only
            Err(error) => {
                for (writing, error) in together.into_iter().zip(repeated(error)) {
                    let _ = writing.answer.send(Err(error));
                }
                return;
            }
        };
        // It may have found its own record in place, which is no failure: only the store can tell.
        let failed = together.remove(failed);
        let _ = failed.answer.send(inner.write(&failed.writes).await);
    }
    for writing in together {
        let _ = writing.answer.send(inner.write(&writing.writes).await);
    }
}

/// Whose write has this index among the writes of all.
fn holder(together: &[Writing], index: usize) -> usize {
    let mut end = 0;
    let position = together.iter().position(|writing| {
        end += writing.writes.len();
        index < end
    });
    position.unwrap_or(0)
}

/// `error` for everybody: the cause is shared, since it is one.
fn repeated(error: StoreError) -> impl Iterator<Item = StoreError> {
    let shared = Arc::new(error);
    std::iter::repeat_with(move || {
        let cause = || Cause::from(Shared(shared.clone()));
        match &*shared {
            StoreError::ConditionFailed(index) => StoreError::ConditionFailed(*index),
            StoreError::Throttled => StoreError::Throttled,
            StoreError::Unavailable(_) => StoreError::Unavailable(cause()),
            StoreError::Unusable(_) => StoreError::Unusable(cause()),
        }
    })
}

/// One error as the cause of several.
#[derive(Debug, thiserror::Error)]
#[error("an operation shared with other requests failed")]
struct Shared(#[source] Arc<StoreError>);

/// Who waits for an operation of one kind, and whether somebody sees to it.
struct Line<T>(Mutex<State<T>>);

struct State<T> {
    waiting: VecDeque<T>,
    is_served: bool,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            is_served: false,
        };
        Self(Mutex::new(state))
    }
}

impl<T> Line<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.0)
    }
}

/// The duty to serve a line until nobody waits in it. There is at most one for each line.
struct Turn<T>(Arc<Line<T>>);

impl<T> Turn<T> {
    /// Lets `one` wait in `line`; where nobody serves it, that falls to the caller.
    fn of(line: &Arc<Line<T>>, one: T) -> Option<Self> {
        let mut state = line.lock();
        state.waiting.push_back(one);
        if state.is_served {
            return None;
        }
        state.is_served = true;
        Some(Self(line.clone()))
    }

    /// Those to be served next, as many as `together` says of those who wait; `None` ends the duty.
    fn next(&self, together: impl FnOnce(&VecDeque<T>) -> usize) -> Option<Vec<T>> {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.is_served = false;
            return None;
        }
        let count = together(&state.waiting);
        Some(state.waiting.drain(..count).collect())
    }
}

impl<T> Drop for Turn<T> {
    /// A turn that a panic ends leaves nobody waiting for it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.is_served = false;
            state.waiting.clear();
        }
    }
}
