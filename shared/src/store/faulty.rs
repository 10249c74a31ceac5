//! A store that fails on demand and counts what it is asked, for tests.

use super::{Key, Query, Record, Store, StoreError, Table, Write};
use crate::{fault_plans::FaultPlans, lock};
use async_trait::async_trait;
use std::sync::{Mutex, MutexGuard};

/// What a store is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Store::query`].
    Query,
    /// [`Store::read`].
    Read,
    /// [`Store::write`].
    Write,
}

impl Operation {
    /// This operation where it touches `table`, perhaps among others.
    pub fn on(self, table: Table) -> Matching {
        Matching {
            operation: self,
            table: Some(table),
        }
    }
}

/// Which operations a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matching {
    operation: Operation,
    table: Option<Table>,
}

impl Matching {
    fn covers(&self, operation: Operation, tables: &[Table]) -> bool {
        self.operation == operation && self.table.is_none_or(|table| tables.contains(&table))
    }
}

impl From<Operation> for Matching {
    fn from(operation: Operation) -> Self {
        Self {
            operation,
            table: None,
        }
    }
}

/// The two ways to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    /// The operation took place all the same: its answer was lost.
    After,
    /// Nothing happened.
    Before,
}

/// The error that a fault gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`StoreError::ConditionFailed`] of the write with this index.
    ConditionFailed(usize),
    /// [`StoreError::Throttled`].
    Throttled,
    /// [`StoreError::Unavailable`].
    Unavailable,
    /// [`StoreError::Unusable`].
    Unusable,
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::ConditionFailed(index) => Self::ConditionFailed(index),
            Fault::Throttled => Self::Throttled,
            Fault::Unavailable => Self::Unavailable("a fault asked for by a test".into()),
            Fault::Unusable => Self::Unusable("a fault asked for by a test".into()),
        }
    }
}

/// How many operations of each kind there were: so many round trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`Store::query`].
    pub queries: usize,
    /// Calls of [`Store::read`].
    pub reads: usize,
    /// Calls of [`Store::write`].
    pub writes: usize,
}

/// Wraps a store. Each operation counts, those that fail included, and is then held against the faults in the
/// order in which they were asked for; the first that is due takes effect.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    plans: FaultPlans<Matching, (Fail, Fault)>,
}

impl<S> Faulty<S> {
    /// `inner`, without any faults yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// The store within, past faults and counts.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Fails the next matching operation.
    pub fn fail_next(&self, matching: impl Into<Matching>, fail: Fail, fault: Fault) {
        self.fail_nth(matching, 1, fail, fault);
    }

    /// Fails the `nth` matching operation from now on; 1 is the next.
    ///
    /// # Panics
    /// Where `nth` is 0.
    pub fn fail_nth(&self, matching: impl Into<Matching>, nth: usize, fail: Fail, fault: Fault) {
        self.state().plans.nth(matching.into(), nth, (fail, fault));
    }

    /// Fails every matching operation until [`heal`](Self::heal).
    pub fn fail_all(&self, matching: impl Into<Matching>, fail: Fail, fault: Fault) {
        self.state().plans.always(matching.into(), (fail, fault));
    }

    /// Forgets all faults, those that never came due included.
    pub fn heal(&self) {
        self.state().plans.clear();
    }

    /// Whether every fault asked for has taken effect.
    pub fn is_healed(&self) -> bool {
        self.state().plans.is_empty()
    }

    /// The operations since the start, or since the last [`take_counts`](Self::take_counts).
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// The operations so far; counting starts again at zero.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Counts an operation and says how it fails, if it does.
    fn enter(&self, operation: Operation, tables: &[Table]) -> Option<(Fail, Fault)> {
        let mut state = self.state();
        let count = match operation {
            Operation::Query => &mut state.counts.queries,
            Operation::Read => &mut state.counts.reads,
            Operation::Write => &mut state.counts.writes,
        };
        *count += 1;
        state.plans.next(|matching| matching.covers(operation, tables))
    }

    async fn run<T>(
        &self,
        operation: Operation,
        tables: &[Table],
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.enter(operation, tables) {
            None => call.await,
            Some((Fail::Before, fault)) => Err(fault.into()),
            Some((Fail::After, fault)) => {
                let _lost = call.await;
                Err(fault.into())
            }
        }
    }
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let tables: Vec<Table> = keys.iter().map(|key| key.table).collect();
        self.run(Operation::Read, &tables, self.inner.read(keys)).await
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let table = |write: &Write| match write {
            Write::Check(key, _) | Write::Delete(key, _) => key.table,
            Write::Put(record, _) => record.key.table,
        };
        let tables: Vec<Table> = writes.iter().map(table).collect();
        self.run(Operation::Write, &tables, self.inner.write(writes))
            .await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Record>, StoreError> {
        self.run(Operation::Query, &[query.table], self.inner.query(query))
            .await
    }
}

#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests {
    use super::*;
    use crate::store::{Condition, embedded::Embedded, read_one};

    fn put(sort: &str) -> Write {
        Write::Put(
            Record::new(Key::new(Table::Roles, "p", sort), &1).unwrap(),
            Condition::Absent,
        )
    }

    async fn is_there(store: &Faulty<impl Store>, sort: &str) -> bool {
        read_one(store.inner(), &Key::new(Table::Roles, "p", sort))
            .await
            .unwrap()
            .is_some()
    }

    #[tokio::test]
    async fn a_fault_before_leaves_nothing_and_one_after_leaves_the_write() {
        let store = Faulty::new(Embedded::in_memory().await);
        store.fail_next(Operation::Write, Fail::Before, Fault::Throttled);
        assert!(matches!(
            store.write(&[put("a")]).await,
            Err(StoreError::Throttled)
        ));
        assert!(!is_there(&store, "a").await);
        store.fail_next(Operation::Write, Fail::After, Fault::Unavailable);
        assert!(matches!(
            store.write(&[put("a")]).await,
            Err(StoreError::Unavailable(_))
        ));
        assert!(is_there(&store, "a").await);
        assert!(store.is_healed());
        assert_eq!(
            store.take_counts(),
            Counts {
                writes: 2,
                ..Counts::default()
            }
        );
        assert_eq!(store.counts(), Counts::default());
    }

    #[tokio::test]
    async fn the_nth_matching_operation_fails_and_others_pass() {
        let store = Faulty::new(Embedded::in_memory().await);
        store.fail_nth(
            Operation::Read.on(Table::Access),
            2,
            Fail::Before,
            Fault::Unusable,
        );
        let read = async |table| store.read(&[Key::new(table, "p", "s")]).await.is_ok();
        assert!(read(Table::Access).await);
        assert!(read(Table::Roles).await);
        assert!(!read(Table::Access).await);
        assert!(read(Table::Access).await);
        assert_eq!(store.counts().reads, 4);
    }

    #[tokio::test]
    async fn a_lasting_fault_ends_when_healed() {
        let store = Faulty::new(Embedded::in_memory().await);
        store.fail_all(Operation::Query, Fail::Before, Fault::ConditionFailed(3));
        let query = Query::partition(Table::Roles, "p");
        for _ in 0..2 {
            assert!(matches!(
                store.query(&query).await,
                Err(StoreError::ConditionFailed(3))
            ));
        }
        store.heal();
        assert!(store.query(&query).await.is_ok());
        assert_eq!(store.counts().queries, 3);
    }
}
