//! What every store promises, as a suite of checks to run against each: see [`Store`].
//!
//! The checks keep to partitions with names drawn at random, so they can be run against tables that hold other
//! records, and again and again against the same ones.

use super::{Condition, Key, Listing, Query, Record, Store, StoreError, Table, Write, read_one};
use crate::random::{self, SystemRandomSource};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

const TABLES: [Table; 3] = [Table::Access, Table::Certificates, Table::Roles];
/// So many callers at once.
const CALLERS: usize = 50;
/// An index may lag behind its table so long, in steps of [`LAG_STEP`].
const LAG_STEPS: usize = 100;
const LAG_STEP: Duration = Duration::from_millis(50);

/// Runs all checks against `store`.
///
/// # Panics
/// At the first promise that is not kept.
pub async fn suite(store: Arc<dyn Store>) {
    let run = random::bytes::<8>(&SystemRandomSource::default()).expect("there are random bytes");
    let at = Place {
        store,
        run: format!("conformance-{:016x}", u64::from_be_bytes(run)),
    };
    macro_rules! check {
        ($($name:ident)*) => {
            $(
                eprintln!("{}", stringify!($name));
                $name(&at.within(stringify!($name))).await;
            )*
        };
    }
    check! {
        a_record_comes_back_as_it_was_written
        absent_holds_only_where_nothing_lies
        present_and_version_hold_only_for_what_lies_there
        a_failed_condition_changes_nothing
        deletes_hold_to_their_conditions
        a_check_alone_is_judged
        a_set_is_carried_out_whole_or_not_at_all
        the_first_failure_of_a_set_is_named
        a_put_repeated_finds_itself_and_succeeds
        a_set_of_puts_repeated_finds_itself_and_succeeds
        a_set_is_not_explained_by_a_part_of_it
        records_are_read_in_the_order_of_their_keys
        a_hundred_records_fit_one_set_and_one_read
        many_large_records_are_read_and_listed_whole
        listings_keep_order_prefix_place_and_limit
        the_index_lists_what_is_listed
        what_is_not_there_is_an_empty_answer
        of_many_deletes_at_once_one_succeeds
        of_many_first_puts_at_once_one_succeeds
        of_many_replacements_at_once_one_succeeds
        of_many_sets_at_once_one_succeeds
    }
}

/// A store, and partitions in it that nobody else uses.
struct Place {
    store: Arc<dyn Store>,
    run: String,
}

impl Place {
    fn within(&self, name: &str) -> Self {
        Self {
            store: self.store.clone(),
            run: format!("{}-{name}", self.run),
        }
    }

    fn key(&self, sort: &str) -> Key {
        Key::new(Table::Certificates, &self.run, sort)
    }

    fn record(&self, sort: &str, content: &str) -> Record {
        Record::new(self.key(sort), &content).expect("a string has a JSON form")
    }

    fn listed(&self, sort: &str, place: &str) -> Record {
        self.record(sort, sort).listed(Listing {
            partition: self.run.clone(),
            sort: place.into(),
        })
    }

    async fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.store.write(writes).await
    }

    async fn put(&self, record: &Record) {
        self.write(&[Write::Put(record.clone(), Condition::Always)])
            .await
            .expect("an unconditional put succeeds");
    }

    async fn at(&self, sort: &str) -> Option<Record> {
        read_one(&*self.store, &self.key(sort))
            .await
            .expect("a read succeeds")
    }

    async fn list(&self, query: &Query) -> Vec<Record> {
        self.store.query(query).await.expect("a query succeeds")
    }

    fn query(&self) -> Query {
        Query::partition(Table::Certificates, &self.run)
    }

    /// The keys' sorts that `query` gives, once they are `expected`, or at the last look.
    async fn sorts_by_and_by(&self, query: &Query, expected: &[&str]) -> Vec<String> {
        let mut sorts = Vec::new();
        for step in 0..LAG_STEPS {
            if step > 0 {
                tokio::time::sleep(LAG_STEP).await;
            }
            sorts = self
                .list(query)
                .await
                .into_iter()
                .map(|record| record.key.sort)
                .collect();
            if sorts == expected || !query.index {
                break;
            }
        }
        sorts
    }
}

#[track_caller]
fn assert_failed(outcome: Result<(), StoreError>, index: usize) {
    match outcome {
        Err(StoreError::ConditionFailed(failed)) => assert_eq!(failed, index, "another condition failed"),
        outcome => panic!("the condition of write {index} should have failed: {outcome:?}"),
    }
}

fn put(record: &Record, condition: Condition) -> Write {
    Write::Put(record.clone(), condition)
}

async fn a_record_comes_back_as_it_was_written(at: &Place) {
    let plain = at.record("plain", "content");
    let full = at.listed("full", "place").expiring(Some(u64::MAX));
    let odd = at.record(
        "odd \u{1}\t\"\\' é 🔑 \u{10ffff}",
        "\u{0}\u{7f}\u{2028} é 🔑 \"quoted\"",
    );
    let latest = Record {
        version: u64::MAX,
        ..at.record("latest", "")
    };
    let longest = at.record(&"é".repeat(512), "content");
    for record in [plain, full, odd, latest, longest] {
        assert!(
            at.write(&[put(&record, Condition::Absent)]).await.is_ok(),
            "{record:?}"
        );
        assert_eq!(at.at(&record.key.sort).await, Some(record));
    }
    // What DynamoDB takes for words of its own is an ordinary key.
    for table in TABLES {
        for word in ["bucket", "version", "body", "SELECT", "#a", ":v"] {
            let key = Key::new(table, format!("{}-{word}", at.run), word);
            let record = Record::new(key, &word).expect("a string has a JSON form");
            assert!(
                at.write(&[put(&record, Condition::Absent)]).await.is_ok(),
                "{word}"
            );
            let read = read_one(&*at.store, &record.key).await;
            assert_eq!(read.expect("a read succeeds"), Some(record));
        }
    }
    // A replacement leaves nothing behind.
    at.put(&at.record("full", "replaced")).await;
    assert_eq!(at.at("full").await, Some(at.record("full", "replaced")));
    // The limits of a version are conditions too.
    let (latest, other) = (Condition::Version(u64::MAX), at.record("latest", "other"));
    assert_failed(
        at.write(&[put(&other, Condition::Version(u64::MAX - 1))]).await,
        0,
    );
    assert!(at.write(&[put(&other, latest)]).await.is_ok());
}

async fn absent_holds_only_where_nothing_lies(at: &Place) {
    let (first, second) = (at.record("a", "first"), at.record("a", "second"));
    assert!(at.write(&[put(&first, Condition::Absent)]).await.is_ok());
    assert_failed(at.write(&[put(&second, Condition::Absent)]).await, 0);
    assert_eq!(at.at("a").await, Some(first));
    assert!(
        at.write(&[put(&at.record("b", "second"), Condition::Absent)])
            .await
            .is_ok()
    );
}

async fn present_and_version_hold_only_for_what_lies_there(at: &Place) {
    let first = at.record("a", "first");
    assert_failed(at.write(&[put(&first, Condition::Present)]).await, 0);
    assert_failed(at.write(&[put(&first, Condition::Version(1))]).await, 0);
    assert_eq!(at.at("a").await, None);
    at.put(&first).await;
    let second = first.replaced(&"second").expect("a string has a JSON form");
    assert!(at.write(&[put(&second, Condition::Version(1))]).await.is_ok());
    assert_eq!(at.at("a").await.map(|record| record.version), Some(2));
    let third = second.replaced(&"third").expect("a string has a JSON form");
    assert_failed(at.write(&[put(&third, Condition::Version(1))]).await, 0);
    assert_failed(at.write(&[put(&third, Condition::Version(20))]).await, 0);
    assert!(at.write(&[put(&third, Condition::Present)]).await.is_ok());
    assert_eq!(at.at("a").await, Some(third));
}

async fn a_failed_condition_changes_nothing(at: &Place) {
    let old = at.listed("a", "old").expiring(Some(7));
    at.put(&old).await;
    let new = at.listed("a", "new").expiring(Some(8));
    assert_failed(at.write(&[put(&new, Condition::Absent)]).await, 0);
    assert_failed(at.write(&[put(&new, Condition::Version(2))]).await, 0);
    assert_failed(
        at.write(&[Write::Delete(old.key.clone(), Condition::Version(2))])
            .await,
        0,
    );
    assert_eq!(at.at("a").await, Some(old));
}

async fn deletes_hold_to_their_conditions(at: &Place) {
    let delete = async |condition| at.write(&[Write::Delete(at.key("a"), condition)]).await;
    assert!(
        delete(Condition::Always).await.is_ok(),
        "there is nothing to remove, and nothing was required"
    );
    assert!(delete(Condition::Absent).await.is_ok());
    assert_failed(delete(Condition::Present).await, 0);
    assert_failed(delete(Condition::Version(1)).await, 0);
    for condition in [Condition::Always, Condition::Present, Condition::Version(1)] {
        at.put(&at.record("a", "content")).await;
        assert_failed(delete(Condition::Absent).await, 0);
        assert_failed(delete(Condition::Version(2)).await, 0);
        assert!(at.at("a").await.is_some());
        assert!(delete(condition).await.is_ok());
        assert_eq!(at.at("a").await, None);
    }
}

async fn a_check_alone_is_judged(at: &Place) {
    let check = async |condition| at.write(&[Write::Check(at.key("a"), condition)]).await;
    assert!(check(Condition::Always).await.is_ok());
    assert!(check(Condition::Absent).await.is_ok());
    assert_failed(check(Condition::Present).await, 0);
    at.put(&at.record("a", "content")).await;
    assert_failed(check(Condition::Absent).await, 0);
    assert_failed(check(Condition::Version(2)).await, 0);
    assert!(check(Condition::Present).await.is_ok());
    assert!(check(Condition::Version(1)).await.is_ok());
    assert_eq!(at.at("a").await, Some(at.record("a", "content")));
}

async fn a_set_is_carried_out_whole_or_not_at_all(at: &Place) {
    let other_table = Record {
        key: Key::new(Table::Roles, &at.run, "r"),
        ..at.record("r", "content")
    };
    at.put(&at.record("old", "content")).await;
    let set = |last| {
        [
            put(&at.record("new", "content"), Condition::Absent),
            put(&other_table, Condition::Always),
            Write::Delete(at.key("old"), Condition::Present),
            Write::Check(at.key("old2"), last),
        ]
    };
    assert_failed(at.write(&set(Condition::Present)).await, 3);
    assert_eq!(at.at("new").await, None);
    assert!(at.at("old").await.is_some());
    let read = async || {
        read_one(&*at.store, &other_table.key)
            .await
            .expect("a read succeeds")
    };
    assert_eq!(read().await, None);

    assert!(at.write(&set(Condition::Absent)).await.is_ok());
    assert!(at.at("new").await.is_some());
    assert_eq!(at.at("old").await, None);
    assert_eq!(at.at("old2").await, None);
    assert_eq!(read().await, Some(other_table.clone()));
}

async fn the_first_failure_of_a_set_is_named(at: &Place) {
    at.put(&at.record("there", "content")).await;
    at.put(&at.record("there too", "content")).await;
    let passing = put(&at.record("new", "content"), Condition::Absent);
    let put_fails = put(&at.record("there", "other"), Condition::Absent);
    let delete_fails = Write::Delete(at.key("there too"), Condition::Version(7));
    let check_fails = Write::Check(at.key("missing"), Condition::Present);
    let nothing = Write::Check(at.key("whatever"), Condition::Always);
    let failing = [&put_fails, &delete_fails, &check_fails];
    for first in 0..3 {
        let (first, second) = (failing[first].clone(), failing[(first + 1) % 3].clone());
        let set = [passing.clone(), first.clone(), second.clone()];
        assert_failed(at.write(&set).await, 1);
        let set = [nothing.clone(), passing.clone(), first, second];
        assert_failed(at.write(&set).await, 2);
    }
    assert_eq!(at.at("new").await, None);
}

async fn a_put_repeated_finds_itself_and_succeeds(at: &Place) {
    let first = at.listed("a", "place").expiring(Some(4_000_000_000));
    let second = first.replaced(&"second").expect("a string has a JSON form");
    for (record, condition) in [(&first, Condition::Absent), (&second, Condition::Version(1))] {
        for _ in 0..3 {
            assert!(at.write(&[put(record, condition)]).await.is_ok());
            assert_eq!(at.at("a").await.as_ref(), Some(record));
        }
    }
    // Anything else about the record makes it another one.
    let others = [
        Record {
            body: "\"third\"".into(),
            ..second.clone()
        },
        Record {
            version: 3,
            ..second.clone()
        },
        Record {
            expires_at: None,
            ..second.clone()
        },
        Record {
            listing: None,
            ..second.clone()
        },
        second.clone().listed(Listing {
            partition: at.run.clone(),
            sort: "elsewhere".into(),
        }),
        first,
    ];
    for other in others {
        assert_failed(at.write(&[put(&other, Condition::Version(1))]).await, 0);
        assert_failed(at.write(&[put(&other, Condition::Absent)]).await, 0);
    }
    assert_eq!(at.at("a").await, Some(second));
}

async fn a_set_of_puts_repeated_finds_itself_and_succeeds(at: &Place) {
    at.put(&at.record("checked", "content")).await;
    at.put(&at.record("b", "old")).await;
    let replacement = at
        .record("b", "old")
        .replaced(&"new")
        .expect("a string has a JSON form");
    let set = [
        put(&at.record("a", "content"), Condition::Absent),
        Write::Check(at.key("checked"), Condition::Version(1)),
        put(&replacement, Condition::Version(1)),
    ];
    for _ in 0..3 {
        assert!(at.write(&set).await.is_ok());
    }
    // A check that holds no longer is not explained by the puts.
    let other = at
        .record("checked", "content")
        .replaced(&"other")
        .expect("a string has a JSON form");
    at.put(&other).await;
    assert_failed(at.write(&set).await, 1);
}

async fn a_set_is_not_explained_by_a_part_of_it(at: &Place) {
    let (own, new) = (at.record("own", "content"), at.record("new", "content"));
    at.put(&own).await;
    at.put(&at.record("there", "content")).await;
    let own = put(&own, Condition::Absent);
    let rests = [
        put(&new, Condition::Absent),
        put(&new, Condition::Always),
        Write::Delete(at.key("there"), Condition::Present),
        Write::Delete(at.key("there"), Condition::Always),
    ];
    for rest in rests {
        assert_failed(at.write(&[own.clone(), rest.clone()]).await, 0);
        assert_failed(at.write(&[rest, own.clone()]).await, 1);
    }
    // What fails by itself is the first failure: an own record in its place is none.
    let foreign = put(&at.record("there", "other"), Condition::Absent);
    assert_failed(at.write(&[own.clone(), foreign]).await, 1);
    assert_failed(
        at.write(&[own, Write::Delete(at.key("gone"), Condition::Present)])
            .await,
        1,
    );
    assert_eq!(at.at("new").await, None);
    assert!(at.at("there").await.is_some());
}

async fn records_are_read_in_the_order_of_their_keys(at: &Place) {
    let records = TABLES.map(|table| {
        let record = Record::new(Key::new(table, &at.run, "s"), &format!("{table:?}"));
        record.expect("a string has a JSON form")
    });
    for record in &records {
        at.put(record).await;
    }
    let [access, certificates, roles] = records;
    let missing = at.key("missing");
    let keys = [
        &roles.key,
        &missing,
        &access.key,
        &roles.key,
        &certificates.key,
        &missing,
    ]
    .map(Clone::clone);
    let read = at.store.read(&keys).await.expect("a read succeeds");
    assert_eq!(
        read,
        [
            Some(roles.clone()),
            None,
            Some(access),
            Some(roles.clone()),
            Some(certificates),
            None
        ]
    );
    let twice = at
        .store
        .read(&[roles.key.clone(), roles.key.clone()])
        .await
        .expect("a read succeeds");
    assert_eq!(twice, [Some(roles.clone()), Some(roles)]);
}

async fn a_hundred_records_fit_one_set_and_one_read(at: &Place) {
    let records: Vec<Record> = (0..100)
        .map(|number| at.record(&format!("{number:03}"), "content"))
        .collect();
    let set: Vec<Write> = records
        .iter()
        .map(|record| put(record, Condition::Absent))
        .collect();
    assert!(at.write(&set).await.is_ok());
    let keys: Vec<Key> = records.iter().map(|record| record.key.clone()).rev().collect();
    let read = at.store.read(&keys).await.expect("a read succeeds");
    assert!(read.iter().map(Option::as_ref).eq(records.iter().rev().map(Some)));
    // More than one round trip takes, with duplicates: all the same.
    let many: Vec<Key> = (0..250)
        .map(|number| at.key(&format!("{:03}", number % 125)))
        .collect();
    let read = at.store.read(&many).await.expect("a read succeeds");
    for (number, record) in read.iter().enumerate() {
        assert_eq!(record.as_ref(), records.get(number % 125));
    }
}

async fn many_large_records_are_read_and_listed_whole(at: &Place) {
    // Some 2.4 MB, where a page of a query holds 1 MB.
    let content = "0123456789".repeat(10_000);
    let large = |sort: &str| {
        let record = at
            .listed(sort, sort)
            .replaced(&content)
            .expect("a string has a JSON form");
        Record { version: 1, ..record }
    };
    let records: Vec<Record> = (0..24).map(|number| large(&format!("{number:03}"))).collect();
    for record in &records {
        at.put(record).await;
    }
    let keys: Vec<Key> = records.iter().map(|record| record.key.clone()).collect();
    let read = at.store.read(&keys).await.expect("a read succeeds");
    assert!(read.iter().map(Option::as_ref).eq(records.iter().map(Some)));
    assert!(at.list(&at.query()).await == records);
    let tail = Query {
        after: Some("005".into()),
        limit: 15,
        ..at.query()
    };
    assert!(at.list(&tail).await == records[6..21]);
    let backwards = Query {
        descending: true,
        limit: 23,
        ..at.query()
    };
    assert!(at.list(&backwards).await.iter().eq(records[1..].iter().rev()));
    let sorts: Vec<&str> = keys.iter().map(|key| key.sort.as_str()).collect();
    assert_eq!(
        at.sorts_by_and_by(
            &Query {
                index: true,
                ..at.query()
            },
            &sorts
        )
        .await,
        sorts
    );
}

async fn listings_keep_order_prefix_place_and_limit(at: &Place) {
    let mut places = [
        "A",
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/c",
        "aé",
        "a\u{10ffff}",
        "a\u{10ffff}x",
        "b",
        "é",
        "\u{e000}",
        "🔑",
    ];
    places.sort_unstable();
    for place in places {
        at.put(&at.listed(place, place)).await;
    }
    // Neighbours that must not be listed.
    let elsewhere = format!("{}-", at.run);
    let neighbour = Record {
        key: Key::new(Table::Certificates, &elsewhere, "a/b"),
        ..at.record("", "content")
    };
    at.put(&neighbour.listed(Listing {
        partition: elsewhere,
        sort: "a/b".into(),
    }))
    .await;

    let prefixes = ["", "a", "a/", "a\u{10ffff}", "zz"];
    let afters = [
        None,
        Some(""),
        Some("a"),
        Some("a/b"),
        Some("a/bb"),
        Some("c"),
        Some("🔑🔑"),
    ];
    for index in [false, true] {
        at.sorts_by_and_by(&Query { index, ..at.query() }, &places).await;
        for prefix in prefixes {
            for after in afters {
                for descending in [false, true] {
                    for limit in [1, 3, usize::MAX] {
                        let query = Query {
                            index,
                            prefix: prefix.into(),
                            after: after.map(Into::into),
                            descending,
                            limit,
                            ..at.query()
                        };
                        let listed = at.list(&query).await;
                        let sorts: Vec<&str> = listed.iter().map(|record| record.key.sort.as_str()).collect();
                        assert_eq!(sorts, expected(&places, &query), "{query:?}");
                    }
                }
            }
        }
    }
}

/// What `query` gives from `sorted` records, by the words of its documentation.
fn expected<'a>(sorted: &[&'a str], query: &Query) -> Vec<&'a str> {
    let mut sorts = sorted.to_vec();
    if query.descending {
        sorts.reverse();
    }
    sorts.retain(|sort| sort.starts_with(&query.prefix));
    if let Some(after) = query.after.as_deref() {
        sorts.retain(|sort| {
            if query.descending {
                *sort < after
            } else {
                *sort > after
            }
        });
    }
    sorts.truncate(query.limit);
    sorts
}

async fn the_index_lists_what_is_listed(at: &Place) {
    let index = Query {
        index: true,
        ..at.query()
    };
    at.put(&at.record("unlisted", "content")).await;
    at.put(&at.listed("first", "2")).await;
    at.put(&at.listed("second", "1")).await;
    assert_eq!(
        at.sorts_by_and_by(&index, &["second", "first"]).await,
        ["second", "first"]
    );
    let listed = at.list(&index).await;
    assert_eq!(
        listed,
        [at.listed("second", "1"), at.listed("first", "2")],
        "the index holds whole records"
    );
    // Records move within it, leave it, and go.
    at.put(&at.listed("second", "3")).await;
    assert_eq!(
        at.sorts_by_and_by(&index, &["first", "second"]).await,
        ["first", "second"]
    );
    at.put(&at.record("first", "content")).await;
    assert_eq!(at.sorts_by_and_by(&index, &["second"]).await, ["second"]);
    let gone = at
        .write(&[Write::Delete(at.key("second"), Condition::Present)])
        .await;
    assert!(gone.is_ok());
    assert!(at.sorts_by_and_by(&index, &[]).await.is_empty());
}

async fn what_is_not_there_is_an_empty_answer(at: &Place) {
    assert_eq!(at.store.read(&[]).await.expect("a read of nothing succeeds"), []);
    assert_eq!(at.at("missing").await, None);
    // Nor is what could not be there.
    for (partition, sort) in [
        ("p".repeat(2049), "s".to_owned()),
        ("p".to_owned(), "s".repeat(1025)),
    ] {
        let key = Key::new(Table::Access, partition, sort);
        for keys in [
            vec![key.clone()],
            vec![key.clone(), Key::new(Table::Access, "p", "s")],
        ] {
            let found = at.store.read(&keys).await.expect("a read of a long key succeeds");
            assert!(found.iter().all(Option::is_none));
        }
    }
    for index in [false, true] {
        for descending in [false, true] {
            assert_eq!(
                at.list(&Query {
                    index,
                    descending,
                    ..at.query()
                })
                .await,
                []
            );
        }
    }
    at.put(&at.record("a", "content")).await;
    assert_eq!(
        at.list(&Query {
            prefix: "b".into(),
            ..at.query()
        })
        .await,
        []
    );
    assert_eq!(
        at.list(&Query {
            after: Some("a".into()),
            ..at.query()
        })
        .await,
        []
    );
    assert_eq!(
        at.list(&Query {
            after: Some("a".into()),
            descending: true,
            ..at.query()
        })
        .await,
        []
    );
    // Longer than any key.
    let long = "a".repeat(3000);
    assert_eq!(
        at.list(&Query {
            prefix: long.clone(),
            ..at.query()
        })
        .await,
        []
    );
    assert_eq!(
        at.list(&Query {
            after: Some(long.clone()),
            ..at.query()
        })
        .await,
        []
    );
    let before = Query {
        after: Some(long),
        descending: true,
        ..at.query()
    };
    assert_eq!(at.list(&before).await, [at.record("a", "content")]);
}

/// How many of the sets that `set` makes for each of [`CALLERS`] succeed when all are written at once. The others
/// must have failed their condition, or been told to come again where `may_conflict`.
async fn successes(at: &Place, may_conflict: bool, set: impl Fn(usize) -> Vec<Write>) -> usize {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, set) = (at.store.clone(), set(caller));
        callers.spawn(async move { store.write(&set).await });
    }
    let mut successes = 0;
    for outcome in callers.join_all().await {
        match outcome {
            Ok(()) => successes += 1,
            Err(StoreError::ConditionFailed(0)) => {}
            Err(StoreError::Throttled) if may_conflict => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    successes
}

async fn of_many_deletes_at_once_one_succeeds(at: &Place) {
    for condition in [Condition::Present, Condition::Version(1)] {
        at.put(&at.record("a", "content")).await;
        let delete = |_| vec![Write::Delete(at.key("a"), condition)];
        assert_eq!(successes(at, false, delete).await, 1);
        assert_eq!(at.at("a").await, None);
    }
}

async fn of_many_first_puts_at_once_one_succeeds(at: &Place) {
    let first = |caller: usize| vec![put(&at.record("a", &caller.to_string()), Condition::Absent)];
    assert_eq!(successes(at, false, first).await, 1);
}

async fn of_many_replacements_at_once_one_succeeds(at: &Place) {
    at.put(&at.record("a", "content")).await;
    let replace = |caller: usize| {
        let record = at
            .record("a", "content")
            .replaced(&caller)
            .expect("a number has a JSON form");
        vec![put(&record, Condition::Version(1))]
    };
    assert_eq!(successes(at, false, replace).await, 1);
    assert_eq!(at.at("a").await.map(|record| record.version), Some(2));
}

async fn of_many_sets_at_once_one_succeeds(at: &Place) {
    at.put(&at.record("once", "content")).await;
    let set = |caller: usize| {
        vec![
            Write::Delete(at.key("once"), Condition::Present),
            put(&at.record(&format!("won/{caller}"), "content"), Condition::Absent),
        ]
    };
    // Where all conflict with each other none may have won yet.
    let mut won = successes(at, true, set).await;
    if won == 0 {
        won = usize::from(at.write(&set(CALLERS)).await.is_ok());
    }
    assert_eq!(won, 1);
    assert_eq!(
        at.list(&Query {
            prefix: "won/".into(),
            ..at.query()
        })
        .await
        .len(),
        1
    );
}
