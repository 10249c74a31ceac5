//! Reads and listings.

use super::{Place, TABLES, put};
use crate::store::{Condition, Key, Listing, Query, Record, Table, Write};

pub(super) async fn records_are_read_in_the_order_of_their_keys(at: &Place) {
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

pub(super) async fn a_hundred_records_fit_one_set_and_one_read(at: &Place) {
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

pub(super) async fn many_large_records_are_read_and_listed_whole(at: &Place) {
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

pub(super) async fn listings_keep_order_prefix_place_and_limit(at: &Place) {
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

pub(super) async fn the_index_lists_what_is_listed(at: &Place) {
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

pub(super) async fn what_is_not_there_is_an_empty_answer(at: &Place) {
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
