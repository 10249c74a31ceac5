//! Requests that wait at the same moment share operations of the store, and none notices.

#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use countersign::store::{
    Condition, Key, Query, Record, Store, StoreError, Table, Write, conformance, embedded::Embedded,
    gathering::Gathering,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinHandle};

#[tokio::test(flavor = "multi_thread")]
async fn a_gathering_store_conforms() {
    let embedded = Embedded::ephemeral().await;
    for store in [embedded.store(), embedded.in_process()] {
        conformance::suite(Arc::new(Gathering::new(Arc::new(store)))).await;
    }
}

/// A store whose operations each wait for leave, and are written down: how many keys or writes they had.
struct Gated {
    inner: Arc<dyn Store>,
    leave: Semaphore,
    log: Mutex<Vec<(&'static str, usize)>>,
    /// Answers sets that hold this key as the store answers what it cannot take.
    poison: Option<Key>,
    /// Answers every write so.
    fault: Mutex<Option<StoreError>>,
}

impl Gated {
    async fn pass(&self, operation: &'static str, size: usize) {
        self.log.lock().unwrap().push((operation, size));
        self.leave.acquire().await.unwrap().forget();
    }

    fn log(&self) -> Vec<(&'static str, usize)> {
        self.log.lock().unwrap().clone()
    }

    fn open(&self) {
        self.leave.add_permits(1_000);
    }
}

#[async_trait]
impl Store for Gated {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.pass("read", keys.len()).await;
        if keys.iter().any(|key| Some(key) == self.poison.as_ref()) {
            return Err(StoreError::Unusable("poison".into()));
        }
        self.inner.read(keys).await
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.pass("write", writes.len()).await;
        if let Some(fault) = self.fault.lock().unwrap().take() {
            return Err(fault);
        }
        if writes
            .iter()
            .any(|write| Some(write.key()) == self.poison.as_ref())
        {
            return Err(StoreError::Unusable("poison".into()));
        }
        self.inner.write(writes).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Record>, StoreError> {
        self.inner.query(query).await
    }
}

struct Fixture {
    gated: Arc<Gated>,
    store: Gathering,
}

impl Fixture {
    async fn new(poison: Option<Key>) -> Self {
        let gated = Arc::new(Gated {
            inner: Arc::new(Embedded::in_memory().await),
            leave: Semaphore::new(0),
            log: Mutex::default(),
            poison,
            fault: Mutex::default(),
        });
        Self {
            store: Gathering::new(gated.clone()),
            gated,
        }
    }

    /// Starts a write and returns once it waits: the first at the gate, each later one in the line behind it.
    async fn write(&self, writes: Vec<Write>) -> JoinHandle<Result<(), StoreError>> {
        let store = self.store.clone();
        let write = tokio::spawn(async move { store.write(&writes).await });
        self.until_one_has_come_to_the_gate("write").await;
        write
    }

    async fn read(&self, keys: Vec<Key>) -> JoinHandle<Result<Vec<Option<Record>>, StoreError>> {
        let store = self.store.clone();
        let read = tokio::spawn(async move { store.read(&keys).await });
        self.until_one_has_come_to_the_gate("read").await;
        read
    }

    async fn until_one_has_come_to_the_gate(&self, operation: &str) {
        // The runtime has one thread and nothing else to do: whoever was started has asked.
        tokio::task::yield_now().await;
        let coming = async {
            while self.gated.log().iter().all(|(name, _)| *name != operation) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), coming)
            .await
            .expect("an operation that is alone goes at once");
    }
}

impl Drop for Fixture {
    /// Whoever still waits at the gate has a thread, for whose end the runtime waits.
    fn drop(&mut self) {
        self.gated.open();
    }
}

fn record(sort: &str) -> Record {
    Record::new(Key::new(Table::Access, "p", sort), &sort).unwrap()
}

fn create(sort: &str) -> Write {
    Write::Put(record(sort), Condition::Absent)
}

#[tokio::test]
async fn one_alone_goes_at_once_and_those_who_wait_go_together() {
    let fixture = Fixture::new(None).await;
    let mut writes = vec![fixture.write(vec![create("alone")]).await];
    assert_eq!(fixture.gated.log(), [("write", 1)]);
    for n in 0..20 {
        writes.push(fixture.write(vec![create(&n.to_string())]).await);
    }
    assert_eq!(
        fixture.gated.log(),
        [("write", 1)],
        "the first is still under way"
    );
    fixture.gated.open();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(fixture.gated.log(), [("write", 1), ("write", 20)]);

    let wanted = |n: i32| {
        vec![
            record(&n.to_string()).key,
            record("alone").key,
            record("none").key,
        ]
    };
    let store = &fixture.store;
    let reads = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.read(&wanted(n)).await })
    });
    for (n, read) in reads.collect::<Vec<_>>().into_iter().enumerate() {
        let own = record(&n.to_string());
        assert_eq!(
            read.await.unwrap().unwrap(),
            [Some(own), Some(record("alone")), None]
        );
    }
    let reads = fixture.gated.log().len() - 2;
    assert!(reads <= 2, "{:?}", fixture.gated.log());
}

#[tokio::test]
async fn whose_condition_fails_fails_alone() {
    let fixture = Fixture::new(None).await;
    fixture.gated.inner.write(&[create("taken")]).await.unwrap();
    let other = Record::new(record("taken").key, &"other").unwrap();
    let taken = Write::Put(other, Condition::Absent);

    let first = fixture.write(vec![create("first")]).await;
    let good = fixture.write(vec![create("a"), create("b")]).await;
    let bad = fixture.write(vec![create("c"), taken]).await;
    let repeated = fixture.write(vec![create("taken")]).await;
    let last = fixture.write(vec![create("d")]).await;
    fixture.gated.open();

    first.await.unwrap().unwrap();
    good.await.unwrap().unwrap();
    let failed = bad.await.unwrap().unwrap_err();
    assert!(matches!(failed, StoreError::ConditionFailed(1)), "{failed}");
    // The same bytes are there already: an attempt that is repeated, which has succeeded.
    repeated.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    let there = ["a", "b", "c", "d"].map(|sort| record(sort).key);
    let found = fixture.store.read(&there).await.unwrap();
    assert_eq!(
        found.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, true, false, true],
        "nothing of the set that failed"
    );
}

#[tokio::test]
async fn what_the_store_cannot_take_harms_nobody_else() {
    let fixture = Fixture::new(Some(record("poison").key)).await;
    let first = fixture.write(vec![create("first")]).await;
    let poison = fixture.write(vec![create("poison")]).await;
    let good = fixture.write(vec![create("good")]).await;
    let first_read = fixture.read(vec![record("first").key]).await;
    let poisoned_read = fixture.read(vec![record("poison").key]).await;
    let good_read = fixture.read(vec![record("none").key]).await;
    fixture.gated.open();
    first.await.unwrap().unwrap();
    let refused = poison.await.unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::Unusable(_)), "{refused}");
    good.await.unwrap().unwrap();
    first_read.await.unwrap().unwrap();
    let refused = poisoned_read.await.unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::Unusable(_)), "{refused}");
    assert_eq!(good_read.await.unwrap().unwrap(), [None]);
}

#[tokio::test]
async fn a_store_that_is_not_available_is_so_for_all_who_asked_it() {
    let fixture = Fixture::new(None).await;
    let first = fixture.write(vec![create("first")]).await;
    let second = fixture.write(vec![create("second")]).await;
    let third = fixture.write(vec![create("third")]).await;
    fixture.gated.leave.add_permits(1);
    first.await.unwrap().unwrap();
    *fixture.gated.fault.lock().unwrap() = Some(StoreError::Unavailable("no answer".into()));
    fixture.gated.open();
    for write in [second, third] {
        let error = write.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let chain = countersign::Error::from(error).chain();
        assert!(chain.contains("no answer"), "{chain}");
    }
}

#[tokio::test]
async fn sets_that_touch_one_record_keep_their_order() {
    let fixture = Fixture::new(None).await;
    let first = fixture.write(vec![create("first")]).await;
    let one = fixture.write(vec![create("x")]).await;
    let next = record("x").replaced(&"next").unwrap();
    let two = fixture
        .write(vec![Write::Put(next.clone(), Condition::Version(1))])
        .await;
    let three = fixture.write(vec![create("y")]).await;
    fixture.gated.open();
    for write in [first, one, two, three] {
        write.await.unwrap().unwrap();
    }
    assert_eq!(
        fixture.gated.log(),
        [("write", 1), ("write", 1), ("write", 2)],
        "the second change of x waits for the first"
    );
    assert_eq!(
        fixture.store.read(std::slice::from_ref(&next.key)).await.unwrap(),
        [Some(next)]
    );
}

#[tokio::test]
async fn more_than_one_operation_takes_go_in_several() {
    let fixture = Fixture::new(None).await;
    let mut writes = vec![fixture.write(vec![create("first")]).await];
    for n in 0..150 {
        writes.push(fixture.write(vec![create(&n.to_string())]).await);
    }
    let keys = |n: usize| {
        (n..n + 40)
            .map(|n| record(&n.to_string()).key)
            .collect::<Vec<_>>()
    };
    let mut reads = vec![fixture.read(keys(0)).await];
    for n in [0, 40, 80, 120] {
        reads.push(fixture.read(keys(n)).await);
    }
    fixture.gated.open();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    for read in reads {
        read.await.unwrap().unwrap();
    }
    let sizes = |operation| {
        let log = fixture.gated.log().into_iter();
        log.filter_map(|(name, size)| (name == operation).then_some(size))
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes("write"), [1, 100, 50]);
    assert_eq!(sizes("read"), [40, 80, 80]);
}

#[tokio::test]
async fn a_caller_who_gives_up_takes_nothing_from_the_others() {
    let fixture = Fixture::new(None).await;
    let first = fixture.write(vec![create("first")]).await;
    let gone = fixture.write(vec![create("gone")]).await;
    let patient = fixture.write(vec![create("patient")]).await;
    first.abort();
    gone.abort();
    fixture.gated.open();
    patient.await.unwrap().unwrap();
    let there = ["first", "gone", "patient"].map(|sort| record(sort).key);
    let found = fixture.store.read(&there).await.unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
}

/// Blocks its thread until it is told to go on, as a file that is synced does.
struct Blocking(Mutex<mpsc::Receiver<()>>);

impl Blocking {
    fn block<T>(&self, answer: T) -> Result<T, StoreError> {
        let waited = self.0.lock().unwrap().recv_timeout(Duration::from_secs(5));
        let told = waited.map_err(|_| StoreError::Unavailable("nobody could tell it to go on".into()));
        told.map(|()| answer)
    }
}

#[async_trait]
impl Store for Blocking {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.block(vec![None; keys.len()])
    }

    async fn write(&self, _: &[Write]) -> Result<(), StoreError> {
        self.block(())
    }

    async fn query(&self, _: &Query) -> Result<Vec<Record>, StoreError> {
        self.block(Vec::new())
    }
}

/// The runtime has one thread: a turn that blocked it would keep this test from going on.
#[tokio::test]
async fn a_store_that_blocks_does_not_stop_the_runtime() {
    let (go_on, told) = mpsc::channel();
    let store = Gathering::new(Arc::new(Blocking(Mutex::new(told))));
    let (reading, writing) = (store.clone(), store);
    let read = tokio::spawn(async move { reading.read(&[record("a").key]).await });
    let write = tokio::spawn(async move { writing.write(&[create("a")]).await });
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert_eq!(read.await.unwrap().unwrap(), [None]);
    write.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_one_record_one_gets_it() {
    let store = Gathering::new(Arc::new(Embedded::in_memory().await));
    let tries = (0..64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let own = Record::new(record("wanted").key, &n).unwrap();
            tokio::time::timeout(
                Duration::from_secs(30),
                store.write(&[create(&n.to_string()), Write::Put(own, Condition::Absent)]),
            )
            .await
            .unwrap()
        })
    });
    let mut successes = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(()) => successes += 1,
            Err(StoreError::ConditionFailed(1)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(successes, 1);
}
