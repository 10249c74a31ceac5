//! What every store promises, as a suite of checks to run against each: see [`Store`].
//!
//! The checks keep to partitions with names drawn at random, so they can be run against tables that hold other
//! records, and again and again against the same ones.

mod races;
mod reads;
mod writes;

use super::{Condition, Key, Listing, Query, Record, Store, StoreError, Table, Write, read_one};
use crate::random::{self, SystemRandomSource};
use std::{sync::Arc, time::Duration};

const TABLES: [Table; 3] = [Table::Access, Table::Certificates, Table::Roles];
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
        ($($subject:ident { $($name:ident)* })*) => {
            $($(
                eprintln!("{}", stringify!($name));
                $subject::$name(&at.within(stringify!($name))).await;
            )*)*
        };
    }
    check! {
        writes {
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
        }
        reads {
            records_are_read_in_the_order_of_their_keys
            a_hundred_records_fit_one_set_and_one_read
            many_large_records_are_read_and_listed_whole
            listings_keep_order_prefix_place_and_limit
            the_index_lists_what_is_listed
            what_is_not_there_is_an_empty_answer
        }
        races {
            of_many_deletes_at_once_one_succeeds
            of_many_first_puts_at_once_one_succeeds
            of_many_replacements_at_once_one_succeeds
            of_many_sets_at_once_one_succeeds
        }
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

fn put(record: &Record, condition: Condition) -> Write {
    Write::Put(record.clone(), condition)
}
