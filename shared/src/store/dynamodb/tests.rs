//! The store against scripted answers: what the embedded engine never says.

use super::*;
use crate::store::{Condition, Listing, Table};
use aws_sdk_dynamodb::{
    Config,
    config::{
        BehaviorVersion, Credentials, HttpClient, Region, RuntimeComponents, SharedHttpClient,
        http::{HttpRequest, HttpResponse},
        retry::{RetryPartition, TokenBucket},
    },
    error::ConnectorError,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

const SECRET: &str = "the body of a record";

/// What comes back for one attempt.
#[derive(Clone, Debug)]
enum Answer {
    /// The connection breaks.
    Broken,
    /// Nothing, ever.
    Silence,
    /// A response with this status and body.
    Status(u16, String),
}

fn ok(body: Value) -> Answer {
    Answer::Status(200, body.to_string())
}

fn error(status: u16, code: &str) -> Answer {
    Answer::Status(
        status,
        json!({"__type": format!("com.amazonaws#{code}"), "message": "why"}).to_string(),
    )
}

fn condition_failed(item: Value) -> Answer {
    let body = json!({"__type": "a#ConditionalCheckFailedException", "message": "why", "Item": item});
    Answer::Status(400, body.to_string())
}

fn cancelled(reasons: Value) -> Answer {
    let body =
        json!({"__type": "a#TransactionCanceledException", "Message": "why", "CancellationReasons": reasons});
    Answer::Status(400, body.to_string())
}

/// Gives its answers in order, the last one again and again, and keeps what it was asked.
#[derive(Clone, Debug)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn store(answers: impl IntoIterator<Item = Answer>) -> (DynamoDb, Self) {
        let (client, script) = Self::client(answers);
        (DynamoDb::new(client, TableNames::with_prefix("t")), script)
    }

    fn client(answers: impl IntoIterator<Item = Answer>) -> (Client, Self) {
        let script = Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            asked: Arc::default(),
        };
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(SharedHttpClient::new(script.clone()))
            .endpoint_url("http://scripted.invalid")
            .region(Region::from_static("local"))
            .credentials_provider(Credentials::new("local", "local", None, None, "scripted"))
            // Clients of one process share an allowance of retries, which these tests would use up.
            .retry_partition(
                RetryPartition::custom("scripted")
                    .token_bucket(TokenBucket::unlimited())
                    .build(),
            );
        (Client::from_conf(client_config(config).build()), script)
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    fn attempts(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl HttpClient for Script {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.strip_prefix("DynamoDB_20120810.").unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.asked.lock().unwrap().push((operation, body));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        match answer.unwrap() {
            Answer::Broken => HttpConnectorFuture::ready(Err(ConnectorError::io("connection reset".into()))),
            Answer::Silence => HttpConnectorFuture::new(std::future::pending()),
            Answer::Status(status, body) => {
                let status = status.try_into().unwrap();
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
            }
        }
    }
}

fn key(table: Table, sort: &str) -> Key {
    Key::new(table, "p", sort)
}

fn record(sort: &str) -> Record {
    Record::new(key(Table::Roles, sort), &SECRET).unwrap()
}

fn item(record: &Record) -> Value {
    json!({
        "pk": {"S": record.key.partition},
        "sk": {"S": record.key.sort},
        "body": {"S": record.body},
        "version": {"N": record.version.to_string()},
    })
}

fn put(sort: &str) -> Write {
    Write::Put(record(sort), Condition::Absent)
}

fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::ConditionFailed(_) => "condition",
        StoreError::Throttled => "throttled",
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Unusable(_) => "unusable",
    }
}

fn written(error: &StoreError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(" {error:?} {error}");
        cause = error.source();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn every_error_has_its_meaning_in_every_operation() {
    let cases = [
        (error(400, "AccessDeniedException"), "unusable", 1),
        (
            error(400, "ItemCollectionSizeLimitExceededException"),
            "unusable",
            1,
        ),
        (
            error(400, "ProvisionedThroughputExceededException"),
            "throttled",
            3,
        ),
        (error(400, "RequestLimitExceeded"), "throttled", 3),
        (error(400, "ResourceNotFoundException"), "unusable", 1),
        (error(400, "SerializationException"), "unusable", 1),
        (error(400, "ThrottlingException"), "throttled", 3),
        (error(400, "UnrecognizedClientException"), "unusable", 1),
        (error(400, "ValidationException"), "unusable", 1),
        (error(500, "InternalServerError"), "unavailable", 3),
        (error(503, "ServiceUnavailable"), "unavailable", 3),
        (Answer::Status(502, "<html>".into()), "unavailable", 3),
        (Answer::Status(200, "<html>".into()), "unavailable", 1),
        (Answer::Broken, "unavailable", 3),
        (Answer::Silence, "unavailable", 3),
    ];
    for (answer, meaning, attempts) in cases {
        let (store, script) = Script::store([answer.clone()]);
        let outcomes = [
            store.read(&[key(Table::Roles, "a")]).await.map(drop),
            store
                .read(&[key(Table::Roles, "a"), key(Table::Roles, "b")])
                .await
                .map(drop),
            store.query(&Query::partition(Table::Roles, "p")).await.map(drop),
            store.write(&[put("a")]).await,
            store
                .write(&[Write::Delete(key(Table::Roles, "a"), Condition::Present)])
                .await,
            store.write(&[put("a"), put("b")]).await,
        ];
        let operations = outcomes.len();
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(kind(&error), meaning, "{answer:?}: {error:?}");
            assert!(!written(&error).contains(SECRET), "{error:?}");
        }
        assert_eq!(script.attempts(), attempts * operations, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_between_transactions_may_be_tried_again_later() {
    for (code, meaning) in [
        ("TransactionConflictException", "throttled"),
        ("TransactionInProgressException", "unavailable"),
    ] {
        let (store, _) = Script::store([error(400, code)]);
        assert_eq!(
            kind(&store.write(&[put("a"), put("b")]).await.unwrap_err()),
            meaning
        );
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_within_five_seconds() {
    let (store, _) = Script::store([Answer::Silence]);
    let start = tokio::time::Instant::now();
    let error = store.write(&[put("a")]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_goes_unseen() {
    for passing in [
        Answer::Broken,
        Answer::Silence,
        error(500, "InternalServerError"),
        error(400, "ThrottlingException"),
    ] {
        let (store, script) = Script::store([passing.clone(), passing, ok(json!({}))]);
        store.write(&[put("a")]).await.unwrap();
        assert_eq!(script.attempts(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_attempt_a_failed_condition_says_nothing() {
    let other = Record {
        version: 9,
        ..record("a")
    };
    let delete = [Write::Delete(key(Table::Roles, "a"), Condition::Present)];
    let failed = json!([{"Code": "ConditionalCheckFailed", "Item": item(&other)}, {"Code": "None"}]);
    for lost in [Answer::Broken, Answer::Silence, error(500, "InternalServerError")] {
        let (store, _) = Script::store([lost.clone(), condition_failed(item(&other))]);
        assert_eq!(kind(&store.write(&[put("a")]).await.unwrap_err()), "unavailable");
        assert_eq!(
            kind(&store.write(&[put("a")]).await.unwrap_err()),
            "condition",
            "a new call starts afresh"
        );
        let (store, _) = Script::store([lost.clone(), condition_failed(json!({}))]);
        assert_eq!(kind(&store.write(&delete).await.unwrap_err()), "unavailable");
        let (store, _) = Script::store([lost.clone(), cancelled(failed.clone())]);
        assert_eq!(
            kind(&store.write(&[put("a"), put("b")]).await.unwrap_err()),
            "unavailable"
        );
        let (store, _) = Script::store([lost.clone(), error(400, "ThrottlingException")]);
        assert_eq!(kind(&store.write(&delete).await.unwrap_err()), "unavailable");
        // What shows that the lost attempt did its work is a success.
        let (store, _) = Script::store([lost, condition_failed(item(&record("a")))]);
        store.write(&[put("a")]).await.unwrap();
    }
    // A throttled attempt is not lost.
    let (store, _) = Script::store([error(400, "ThrottlingException"), condition_failed(item(&other))]);
    assert_eq!(kind(&store.write(&[put("a")]).await.unwrap_err()), "condition");
}

#[tokio::test(start_paused = true)]
async fn all_attempts_at_a_set_bear_one_token() {
    let (store, script) = Script::store([Answer::Broken, Answer::Silence, ok(json!({})), ok(json!({}))]);
    store.write(&[put("a"), put("b")]).await.unwrap();
    store.write(&[put("a"), put("b")]).await.unwrap();
    let tokens: Vec<Value> = script
        .asked()
        .iter()
        .map(|(_, body)| body["ClientRequestToken"].clone())
        .collect();
    assert!(tokens[0].is_string());
    assert!(
        tokens[0] == tokens[1] && tokens[0] == tokens[2] && tokens[0] != tokens[3],
        "{tokens:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_reason_decides_about_a_set() {
    let fails = json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"});
    let own = json!({"Code": "ConditionalCheckFailed", "Item": item(&record("a"))});
    let (none, reason) = (json!({"Code": "None"}), |code: &str| json!({"Code": code}));
    let cases = [
        (json!([none, fails, fails]), "condition"),
        (json!([none, reason("TransactionConflict"), fails]), "throttled"),
        (json!([none, reason("ThrottlingError"), none]), "throttled"),
        (
            json!([none, reason("ProvisionedThroughputExceeded"), none]),
            "throttled",
        ),
        (
            json!([none, reason("ItemCollectionSizeLimitExceeded"), none]),
            "unusable",
        ),
        (json!([none, reason("ValidationError"), none]), "unusable"),
        (json!([own, reason("TransactionConflict"), none]), "throttled"),
        (json!([none, none, none]), "unusable"),
        (json!([]), "unusable"),
    ];
    for (reasons, meaning) in cases {
        let (store, script) = Script::store([cancelled(reasons.clone())]);
        let nothing = Write::Check(key(Table::Access, "x"), Condition::Always);
        let error = store
            .write(&[nothing, put("a"), put("b"), put("c")])
            .await
            .unwrap_err();
        assert_eq!(kind(&error), meaning, "{reasons}");
        if let StoreError::ConditionFailed(index) = error {
            assert_eq!(index, 2, "an index into the whole set");
        }
        assert_eq!(script.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_of_somebody_elses_making_is_no_record() {
    for broken in ["body", "version", "sk"] {
        let mut damaged = item(&record("a"));
        damaged[broken] = json!({"BOOL": true});
        let (store, _) = Script::store([ok(json!({"Item": damaged}))]);
        let error = store.read(&[key(Table::Roles, "a")]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)));
        assert!(
            written(&error).contains(broken) && !written(&error).contains(SECRET),
            "{error:?}"
        );
        // Nor is it taken for our own.
        let (store, _) = Script::store([condition_failed(damaged)]);
        assert_eq!(kind(&store.write(&[put("a")]).await.unwrap_err()), "condition");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_consistent_request_without_duplicates() {
    let (store, script) = Script::store([ok(json!({"Responses": {}, "UnprocessedKeys": {}}))]);
    let mut keys: Vec<Key> = (0..97)
        .map(|number| key(Table::Roles, &number.to_string()))
        .collect();
    keys.extend(
        [Table::Access, Table::Certificates, Table::Access, Table::Access].map(|table| key(table, "x")),
    );
    keys.push(key(Table::Roles, "0"));
    assert!(store.read(&keys).await.unwrap().iter().all(Option::is_none));
    let [(operation, body)] = &script.asked()[..] else {
        panic!("one round trip")
    };
    assert_eq!(operation, "BatchGetItem");
    for (table, keys) in [("t-access", 1), ("t-certificates", 1), ("t-roles", 97)] {
        let table = &body["RequestItems"][table];
        assert_eq!(table["ConsistentRead"], true);
        assert_eq!(table["Keys"].as_array().unwrap().len(), keys);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_are_consistent_except_of_the_index() {
    let (store, script) = Script::store([ok(json!({}))]);
    store.read(&[key(Table::Roles, "a")]).await.unwrap();
    let query = Query::partition(Table::Certificates, "p");
    store.query(&query).await.unwrap();
    store.query(&Query { index: true, ..query }).await.unwrap();
    let consistent: Vec<Value> = script
        .asked()
        .iter()
        .map(|(_, body)| body["ConsistentRead"].clone())
        .collect();
    assert_eq!(consistent, [json!(true), json!(true), json!(false)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_over_is_asked_for_again() {
    let left = |sorts: &[&str]| {
        let keys: Vec<Value> = sorts
            .iter()
            .map(|sort| json!({"pk": {"S": "p"}, "sk": {"S": sort}}))
            .collect();
        json!({"t-roles": {"Keys": keys, "ConsistentRead": true}})
    };
    let answer = |found: &[&str], over: &[&str]| {
        let found: Vec<Value> = found.iter().map(|sort| item(&record(sort))).collect();
        let over = if over.is_empty() { json!({}) } else { left(over) };
        ok(json!({"Responses": {"t-roles": found}, "UnprocessedKeys": over}))
    };
    let keys = ["a", "b", "c"].map(|sort| key(Table::Roles, sort));
    let (store, script) = Script::store([
        answer(&["b"], &["a", "c"]),
        answer(&[], &["a", "c"]),
        answer(&["c"], &["a"]),
        answer(&["a"], &[]),
    ]);
    let expected = ["a", "b", "c"].map(|sort| Some(record(sort)));
    assert_eq!(store.read(&keys).await.unwrap(), expected);
    assert_eq!(script.asked()[3].1["RequestItems"], left(&["a"]));
    // But not for ever.
    let (store, script) = Script::store([answer(&["b"], &["a", "c"]), answer(&[], &["a", "c"])]);
    assert_eq!(kind(&store.read(&keys).await.unwrap_err()), "throttled");
    assert_eq!(script.attempts(), 1 + FRUITLESS_ROUNDS as usize);
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_on_while_pages_are_empty_and_stops_when_it_has_enough() {
    let last = json!({"pk": {"S": "p"}, "sk": {"S": "x"}});
    let page = |sorts: &[&str], more: bool| {
        let items: Vec<Value> = sorts.iter().map(|sort| item(&record(sort))).collect();
        if more {
            ok(json!({"Items": items, "LastEvaluatedKey": last}))
        } else {
            ok(json!({"Items": items}))
        }
    };
    let pages = [
        page(&["a"], true),
        page(&[], true),
        page(&["b", "c"], true),
        page(&["d"], false),
    ];
    for (limit, attempts) in [(1, 1), (2, 3), (3, 3), (4, 4), (9, 4), (usize::MAX, 4)] {
        let (store, script) = Script::store(pages.clone());
        let query = Query {
            limit,
            ..Query::partition(Table::Roles, "p")
        };
        let expected: Vec<Record> = ["a", "b", "c", "d"].into_iter().take(limit).map(record).collect();
        assert_eq!(store.query(&query).await.unwrap(), expected);
        assert_eq!(script.attempts(), attempts);
        let asked = script.asked();
        assert_eq!(asked[0].1.get("ExclusiveStartKey"), None);
        assert!(
            asked[1..]
                .iter()
                .all(|(_, body)| body["ExclusiveStartKey"] == last)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_cannot_exist_is_refused_before_it_is_sent() {
    let (store, script) = Script::store([ok(json!({}))]);
    let listed = record("a").listed(Listing {
        partition: "l".into(),
        sort: "s".into(),
    });
    assert_eq!(
        kind(
            &store
                .write(&[Write::Put(listed, Condition::Always)])
                .await
                .unwrap_err()
        ),
        "unusable"
    );
    assert_eq!(script.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_there_are_left_alone_and_new_ones_waited_for() {
    let status = |status: &str| ok(json!({"Table": {"TableStatus": status}}));
    let ttl = |status: &str| ok(json!({"TimeToLiveDescription": {"TimeToLiveStatus": status}}));
    let (client, script) = Script::client([
        ok(json!({})),
        error(400, "ResourceNotFoundException"),
        status("CREATING"),
        status("ACTIVE"),
        ttl("DISABLED"),
        ok(json!({})),
        error(400, "ResourceInUseException"),
        status("ACTIVE"),
        ttl("ENABLED"),
        error(400, "ResourceInUseException"),
        status("ACTIVE"),
        ttl("ENABLING"),
    ]);
    let names = TableNames::with_prefix("t");
    create_tables(&client, &names).await.unwrap();
    let asked: Vec<String> = script
        .asked()
        .into_iter()
        .map(|(operation, _)| operation)
        .collect();
    let there = ["CreateTable", "DescribeTable", "DescribeTimeToLive"];
    let new = ["CreateTable", "DescribeTable", "DescribeTable", "DescribeTable"];
    assert_eq!(
        asked,
        [
            &new[..],
            &["DescribeTimeToLive", "UpdateTimeToLive"],
            &there,
            &there
        ]
        .concat()
    );
}

#[test]
fn tables_are_named_by_their_suffix() {
    let names = TableNames::with_prefix("prod");
    let tables = [Table::Access, Table::Certificates, Table::Roles];
    assert_eq!(
        tables.map(|table| names.of(table)),
        ["prod-access", "prod-certificates", "prod-roles"]
    );
    assert_eq!(names.table("prod-roles"), Some(Table::Roles));
    assert_eq!(names.table("test-roles"), None);
}
