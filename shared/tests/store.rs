//! The store against the embedded engine: the suite that every store passes, and a comparison with a model.

use countersign::store::{
    Condition, Key, Listing, Query, Record, Store, StoreError, Table, Write, conformance,
    embedded::{Embedded, OpenError},
};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_in_memory_conforms() {
    conformance::suite(Arc::new(Embedded::in_memory().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_in_a_file_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(&directory.path().join("made/for/it"))
        .await
        .unwrap();
    conformance::suite(Arc::new(embedded.store())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sdk_it_conforms_as_well() {
    conformance::suite(Arc::new(Embedded::ephemeral().await.in_process())).await;
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(directory.path()).await.unwrap();
    conformance::suite(Arc::new(embedded.in_process())).await;
}

/// A batched read gives at most 16 MB at once; the rest has to be asked for again.
#[tokio::test]
async fn records_that_do_not_fit_one_answer_are_read_all_the_same() {
    let embedded = Embedded::ephemeral().await;
    let large = "x".repeat(350_000);
    let records: Vec<Record> = (0..60)
        .map(|n| Record::new(Key::new(Table::Access, "p", n.to_string()), &large).unwrap())
        .collect();
    let keys: Vec<Key> = records.iter().map(|record| record.key.clone()).collect();
    let expected: Vec<Option<Record>> = records.iter().cloned().map(Some).collect();
    for record in &records {
        let write = Write::Put(record.clone(), Condition::Absent);
        embedded.in_process().write(&[write]).await.unwrap();
    }
    assert!(embedded.in_process().read(&keys).await.unwrap() == expected);
    assert!(embedded.store().read(&keys).await.unwrap() == expected);
}

fn record(sort: &str) -> Record {
    Record::new(Key::new(Table::Access, "p", sort), &sort).expect("a string has a JSON form")
}

#[tokio::test]
async fn a_directory_keeps_its_records_and_has_one_user() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(directory.path()).await.unwrap();
    let store = embedded.store();
    store
        .write(&[Write::Put(record("a"), Condition::Absent)])
        .await
        .unwrap();

    drop(embedded);
    let second = Embedded::open(directory.path()).await.unwrap_err();
    assert!(
        matches!(second, OpenError::InUse(_)),
        "a store still uses the directory"
    );
    assert!(
        second
            .to_string()
            .ends_with("is in use by another countersign process")
    );

    drop(store);
    let store = Embedded::open(directory.path()).await.unwrap().store();
    assert_eq!(store.read(&[record("a").key]).await.unwrap(), [Some(record("a"))]);
}

/// SQLite itself carries its log over to the file when it has 4,000 pages, each behind 24 bytes, and when the file is closed.
const LOG_OF_SQLITE: u64 = 4_000 * (4_096 + 24);

#[tokio::test]
async fn the_log_is_carried_over_to_the_file_before_a_commit_has_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(directory.path()).await.unwrap().in_process();
    let file = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    let holds = |file: &[u8], text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    let first = "the first of many records";
    for n in 0..200 {
        let key = Key::new(Table::Access, "p", n.to_string());
        let record = Record::new(key, &if n == 0 { first } else { "another" }).unwrap();
        store
            .write(&[Write::Put(record, Condition::Absent)])
            .await
            .unwrap();
    }
    let carried = async {
        while !holds(&file("countersign.db"), first) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), carried).await;
    in_time.expect("the file holds the record");
    assert!((file("countersign.db-wal").len() as u64) < LOG_OF_SQLITE);
}

/// Marks the directory in which [`a_writer_to_be_killed`] is to write.
const MARK: &str = "write-here";

#[tokio::test]
async fn what_was_answered_survives_a_killed_process() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(MARK), "").unwrap();
    for round in 1..=3 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_writer_to_be_killed", "--ignored", "--nocapture"])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let answered: Vec<String> = lines
            .map(Result::unwrap)
            .filter_map(|line| Some(line.split_once("answered ")?.1.to_owned()))
            .take(50)
            .collect();
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert_eq!(answered.len(), 50);
        let store = Embedded::open(directory.path()).await.unwrap().in_process();
        for sort in answered {
            let found = store.read(&[record(&sort).key]).await.unwrap();
            assert_eq!(found, [Some(record(&sort))], "round {round}");
        }
    }
}

#[tokio::test]
#[ignore = "runs until it is killed, by what_was_answered_survives_a_killed_process"]
async fn a_writer_to_be_killed() {
    if !Path::new(MARK).exists() {
        return;
    }
    let store = Embedded::open(Path::new(".")).await.unwrap().in_process();
    let start = store
        .query(&Query::partition(Table::Access, "p"))
        .await
        .unwrap()
        .len();
    for number in start.. {
        let sort = number.to_string();
        if store
            .write(&[Write::Put(record(&sort), Condition::Absent)])
            .await
            .is_ok()
        {
            println!("answered {sort}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    let embedded = Embedded::open(&directory).await.unwrap();
    embedded
        .store()
        .write(&[Write::Put(record("a"), Condition::Always)])
        .await
        .unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
}

#[tokio::test]
async fn an_unusable_directory_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(
        Embedded::open(&file).await,
        Err(OpenError::Directory(..))
    ));
    std::fs::write(
        directory.path().join("countersign.db"),
        "no database, and longer than nothing".repeat(99),
    )
    .unwrap();
    assert!(matches!(
        Embedded::open(directory.path()).await,
        Err(OpenError::Database(..))
    ));
}

#[tokio::test]
async fn a_sweep_drops_what_has_expired() {
    let embedded = Embedded::ephemeral().await;
    let store = embedded.store();
    let records = [
        record("expired").expiring(Some(1)),
        record("lives").expiring(Some(1 << 40)),
        record("stays"),
    ];
    for record in &records {
        store
            .write(&[Write::Put(record.clone(), Condition::Absent)])
            .await
            .unwrap();
    }
    let list = async || store.query(&Query::partition(Table::Access, "p")).await.unwrap();
    assert_eq!(
        list().await,
        records,
        "the reader judges the time until the store drops the record"
    );
    assert_eq!(embedded.sweep_expired().await.unwrap(), 1);
    assert_eq!(list().await, records[1..]);
}

#[tokio::test]
async fn misuse_is_refused() {
    let embedded = Embedded::ephemeral().await;
    for store in [embedded.store(), embedded.in_process()] {
        misuse_of(store).await;
    }
}

async fn misuse_of(store: impl Store) {
    let key = || Key::new(Table::Roles, "p", "s");
    let put = |key: Key| {
        Write::Put(
            Record::new(key, &1).expect("a number has a JSON form"),
            Condition::Always,
        )
    };
    let listing = Listing {
        partition: "p".into(),
        sort: "s".into(),
    };
    let listed = Write::Put(
        Record::new(key(), &1)
            .expect("a number has a JSON form")
            .listed(listing),
        Condition::Always,
    );
    let sets = [
        vec![],
        vec![put(key()), put(key())],
        vec![put(key()), Write::Check(key(), Condition::Present)],
        vec![put(Key::new(Table::Roles, "", "s"))],
        vec![put(Key::new(Table::Roles, "p", ""))],
        vec![put(Key::new(Table::Roles, "p", "s".repeat(1025)))],
        vec![listed],
        (0..101)
            .map(|number| put(Key::new(Table::Roles, "p", number.to_string())))
            .collect(),
    ];
    for set in sets {
        assert!(
            matches!(store.write(&set).await, Err(StoreError::Unusable(_))),
            "{set:?}"
        );
    }
    let index = Query {
        index: true,
        ..Query::partition(Table::Roles, "p")
    };
    assert!(matches!(store.query(&index).await, Err(StoreError::Unusable(_))));
    assert_eq!(
        store
            .query(&Query::partition(Table::Roles, "p"))
            .await
            .expect("the table can be listed"),
        []
    );
}

/// What a store should do, in a few lines.
#[derive(Default)]
struct Model(BTreeMap<Key, Record>);

impl Model {
    fn holds(&self, key: &Key, condition: Condition) -> bool {
        let record = self.0.get(key);
        match condition {
            Condition::Absent => record.is_none(),
            Condition::Always => true,
            Condition::Present => record.is_some(),
            Condition::Version(version) => record.is_some_and(|record| record.version == version),
        }
    }

    fn write(&mut self, writes: &[Write]) -> Result<(), usize> {
        let failing = |write: &&Write| match write {
            Write::Check(key, condition) | Write::Delete(key, condition) => !self.holds(key, *condition),
            Write::Put(record, condition) => !self.holds(&record.key, *condition),
        };
        let own = |write: &&Write| matches!(write, Write::Put(record, _) if failing(write) && self.0.get(&record.key) == Some(record));
        let is_check = |write: &&Write| matches!(write, Write::Check(..));
        if let Some(place) = writes.iter().position(|write| failing(&write) && !own(&write)) {
            return Err(place);
        }
        if let Some(place) = writes.iter().position(|write| own(&write)) {
            let explained = writes.iter().all(|write| own(&write) || is_check(&write));
            return if explained { Ok(()) } else { Err(place) };
        }
        for write in writes {
            match write {
                Write::Check(..) => {}
                Write::Delete(key, _) => drop(self.0.remove(key)),
                Write::Put(record, _) => drop(self.0.insert(record.key.clone(), record.clone())),
            }
        }
        Ok(())
    }

    fn query(&self, query: &Query) -> Vec<Record> {
        let place = |record: &Record| match &record.listing {
            Some(listing) if query.index => Some((listing.partition.clone(), listing.sort.clone())),
            _ if query.index => None,
            _ => Some((record.key.partition.clone(), record.key.sort.clone())),
        };
        let mut found: Vec<(String, Record)> = self
            .0
            .values()
            .filter(|record| record.key.table == query.table)
            .filter_map(|record| Some((place(record)?, record)))
            .filter(|((partition, _), _)| *partition == query.partition)
            .map(|((_, sort), record)| (sort, record.clone()))
            .filter(|(sort, _)| sort.starts_with(&query.prefix))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        if query.descending {
            found.reverse();
        }
        if let Some(after) = &query.after {
            found.retain(|(sort, _)| {
                if query.descending {
                    sort < after
                } else {
                    sort > after
                }
            });
        }
        found
            .into_iter()
            .take(query.limit)
            .map(|(_, record)| record)
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Query(Query),
    Read(Vec<Key>),
    Write(Vec<Write>),
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a/", "a/b", "b", "é", "🔑", "a\u{10ffff}"]).prop_map(Into::into)
}

fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(vec![Table::Access, Table::Certificates])
}

fn key() -> impl Strategy<Value = Key> {
    (table(), text()).prop_map(|(table, sort)| Key::new(table, "p", sort))
}

fn any_record() -> impl Strategy<Value = Record> {
    (key(), 0..2u8, 1..3u64, prop::option::of(0..2u64), any::<bool>()).prop_map(
        |(key, content, version, expires_at, listed)| {
            // One place in the index for each record: the order of two in one place is not promised.
            let listing = Listing {
                partition: "l".into(),
                sort: key.sort.clone(),
            };
            let listing = (listed && key.table == Table::Certificates).then_some(listing);
            Record {
                key,
                body: content.to_string(),
                version,
                expires_at,
                listing,
            }
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Absent),
        Just(Condition::Always),
        Just(Condition::Present),
        (1..3u64).prop_map(Condition::Version),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        1 => (key(), condition()).prop_map(|(key, condition)| Write::Check(key, condition)),
        1 => (key(), condition()).prop_map(|(key, condition)| Write::Delete(key, condition)),
        4 => (any_record(), condition()).prop_map(|(record, condition)| Write::Put(record, condition)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let distinct = |writes: Vec<Write>| {
        let mut writes: Vec<(Key, Write)> = writes
            .into_iter()
            .map(|write| match &write {
                Write::Check(key, _) | Write::Delete(key, _) => (key.clone(), write),
                Write::Put(record, _) => (record.key.clone(), write),
            })
            .collect();
        writes.sort_by(|(a, _), (b, _)| a.cmp(b));
        writes.dedup_by(|(a, _), (b, _)| a == b);
        Step::Write(writes.into_iter().map(|(_, write)| write).collect())
    };
    let query = (
        table(),
        any::<bool>(),
        text(),
        0..3usize,
        prop::option::of(text()),
        any::<bool>(),
        1..9usize,
    );
    let query = query.prop_map(|(table, index, prefix, characters, after, descending, limit)| {
        let index = index && table == Table::Certificates;
        let prefix = prefix.chars().take(characters).collect();
        let partition = if index { "l" } else { "p" };
        Step::Query(Query {
            index,
            prefix,
            after,
            descending,
            limit,
            ..Query::partition(table, partition)
        })
    });
    prop_oneof![
        3 => prop::collection::vec(write(), 1..5).prop_map(distinct),
        1 => query,
        1 => prop::collection::vec(key(), 0..6).prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_store_does_as_the_model(steps in prop::collection::vec(step(), 1..60), by_the_sdk: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let embedded = Embedded::ephemeral().await;
            let store = if by_the_sdk { embedded.store() } else { embedded.in_process() };
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Query(query) => {
                        prop_assert_eq!(store.query(&query).await.unwrap(), model.query(&query), "{:?}", query);
                    }
                    Step::Read(keys) => {
                        let expected: Vec<_> = keys.iter().map(|key| model.0.get(key).cloned()).collect();
                        prop_assert_eq!(store.read(&keys).await.unwrap(), expected);
                    }
                    Step::Write(writes) => match (store.write(&writes).await, model.write(&writes)) {
                        (Ok(()), Ok(())) => {}
                        (Err(StoreError::ConditionFailed(failed)), Err(expected)) => {
                            prop_assert_eq!(failed, expected, "{:?}", writes);
                        }
                        (outcome, expected) => prop_assert!(false, "{outcome:?} is not {expected:?}: {writes:?}"),
                    },
                }
            }
            Ok(())
        })?;
    }
}
