//! Writes: their conditions, their sets, and their repetition.

use super::{Place, TABLES, put};
use crate::store::{Condition, Key, Listing, Record, StoreError, Table, Write, read_one};

#[track_caller]
fn assert_failed(outcome: Result<(), StoreError>, index: usize) {
    match outcome {
        Err(StoreError::ConditionFailed(failed)) => assert_eq!(failed, index, "another condition failed"),
        outcome => panic!("the condition of write {index} should have failed: {outcome:?}"),
    }
}

pub(super) async fn a_record_comes_back_as_it_was_written(at: &Place) {
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

pub(super) async fn absent_holds_only_where_nothing_lies(at: &Place) {
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

pub(super) async fn present_and_version_hold_only_for_what_lies_there(at: &Place) {
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

pub(super) async fn a_failed_condition_changes_nothing(at: &Place) {
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

pub(super) async fn deletes_hold_to_their_conditions(at: &Place) {
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

pub(super) async fn a_check_alone_is_judged(at: &Place) {
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

pub(super) async fn a_set_is_carried_out_whole_or_not_at_all(at: &Place) {
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

pub(super) async fn the_first_failure_of_a_set_is_named(at: &Place) {
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

pub(super) async fn a_put_repeated_finds_itself_and_succeeds(at: &Place) {
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

pub(super) async fn a_set_of_puts_repeated_finds_itself_and_succeeds(at: &Place) {
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

pub(super) async fn a_set_is_not_explained_by_a_part_of_it(at: &Place) {
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
