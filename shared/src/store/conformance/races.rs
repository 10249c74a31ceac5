//! Callers at the same time.

use super::{Place, put};
use crate::store::{Condition, Query, StoreError, Write};
use tokio::task::JoinSet;

/// So many callers at once.
const CALLERS: usize = 50;

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

pub(super) async fn of_many_deletes_at_once_one_succeeds(at: &Place) {
    for condition in [Condition::Present, Condition::Version(1)] {
        at.put(&at.record("a", "content")).await;
        let delete = |_| vec![Write::Delete(at.key("a"), condition)];
        assert_eq!(successes(at, false, delete).await, 1);
        assert_eq!(at.at("a").await, None);
    }
}

pub(super) async fn of_many_first_puts_at_once_one_succeeds(at: &Place) {
    let first = |caller: usize| vec![put(&at.record("a", &caller.to_string()), Condition::Absent)];
    assert_eq!(successes(at, false, first).await, 1);
}

pub(super) async fn of_many_replacements_at_once_one_succeeds(at: &Place) {
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

pub(super) async fn of_many_sets_at_once_one_succeeds(at: &Place) {
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
