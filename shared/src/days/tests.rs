//! What listings cost, and that they never lose a record, on the embedded store.

#![allow(clippy::unwrap_used)] // a helper of a test fails as a test does

use super::*;
use crate::{
    audit::MemoryLog,
    authority::AuthorityId,
    certificates::{self, CertificateRecord},
    clock::FixedClock,
    random::SystemRandomSource,
    signer::local::LocalKeyring,
    ssh::{CertificateFields, PublicKey, TbsCertificate},
    store::{
        dynamodb::DynamoDb,
        embedded::Embedded,
        faulty::{Counts, Faulty},
    },
    types::{CertKeyId, CertType, Principals, Serial, ValidityWindow},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::BTreeMap, sync::Arc};

/// Noon, so that an hour before is the same day.
const NOW: u64 = 20_000 * SECS_PER_DAY + SECS_PER_DAY / 2;
const KEPT: CertificateList = CertificateList {
    cert_type: CertType::User,
    signature_kept: true,
};
/// What one write set takes.
const AT_ONCE: usize = 100;

struct World {
    services: Services,
    store: Arc<Faulty<DynamoDb>>,
    clock: Arc<FixedClock>,
    record: CertificateRecord,
}

impl World {
    async fn new() -> Self {
        let random = SystemRandomSource::default();
        let store = Arc::new(Faulty::new(Embedded::in_memory().await));
        let clock = Arc::new(FixedClock::at(NOW));
        let services = Services::new(
            store.clone(),
            Arc::new(LocalKeyring::in_memory(&random).unwrap()),
            clock.clone(),
            Arc::new(random),
            Arc::new(MemoryLog::default()),
        );
        Self {
            record: record(&services),
            services,
            store,
            clock,
        }
    }

    /// Writes `count` records whose ids begin at `time` and are a second apart.
    async fn add(&self, time: u64, count: usize) {
        let mut writes = Vec::new();
        for index in 0..count {
            let time = time + index as u64;
            let id = self.id(time);
            let record = CertificateRecord {
                id: id.to_string(),
                ..self.record.clone()
            };
            let stored = Record::new(certificates::key(certificates::serial_of(id).unwrap()), &record);
            writes.push(Write::Put(
                stored.unwrap().listed(KEPT.place(id)),
                Condition::Absent,
            ));
        }
        for writes in writes.chunks(AT_ONCE) {
            self.services.store.write(writes).await.unwrap();
        }
        for day in time / SECS_PER_DAY..=(time + count as u64) / SECS_PER_DAY {
            self.note_at(day).await;
        }
    }

    fn id(&self, time: u64) -> Ksuid {
        let random = &*self.services.random;
        CertificateRecord::draw_id(1000 * time, Serial::draw(random).unwrap(), random).unwrap()
    }

    /// Notes `day` as a process of that day would have.
    async fn note_at(&self, day: u64) {
        let time = day * SECS_PER_DAY;
        let entry = Record {
            key: Key::new(Table::Certificates, partition(KEPT), of(self.id(time))),
            body: "{}".into(),
            version: 1000 * time,
            expires_at: None,
            listing: None,
        };
        let write = Write::Put(entry, Condition::Always);
        self.services.store.write(&[write]).await.unwrap();
    }

    async fn entries(&self) -> Vec<u64> {
        let entries = before(&*self.services.store, KEPT, None, usize::MAX)
            .await
            .unwrap();
        entries
            .iter()
            .map(|entry| entry.key.sort.parse().unwrap())
            .collect()
    }

    /// A page, the id that the next one begins before, and what it took.
    async fn page(&self, before: Option<Ksuid>, limit: usize) -> (Vec<String>, Option<Ksuid>, Counts) {
        self.store.take_counts();
        let found = certificates::list(&self.services, KEPT, before, limit)
            .await
            .unwrap();
        let counts = self.store.take_counts();
        let ids: Vec<_> = found.into_iter().map(|(record, _)| record.id).collect();
        let next = ids.last().map(|id| Ksuid::parse(id).unwrap());
        (ids, next, counts)
    }
}

/// The record of a certificate, whose id is to be changed.
fn record(services: &Services) -> CertificateRecord {
    let key = PublicKey::ed25519([7; 32]);
    let tbs = TbsCertificate::encode(CertificateFields {
        subject_key: key.clone(),
        nonce: vec![1; 32],
        serial: Serial::parse(1).unwrap(),
        cert_type: CertType::User,
        key_id: CertKeyId::parse("id").unwrap(),
        valid_principals: Principals::parse(["alice".to_owned()]).unwrap(),
        validity: ValidityWindow::parse(NOW, NOW + 60).unwrap(),
        critical_options: Default::default(),
        extensions: Default::default(),
        signature_key: key,
    });
    CertificateRecord {
        id: String::new(),
        created_at: NOW,
        authority: AuthorityId::draw(NOW, &*services.random).unwrap(),
        family: "ngrok".into(),
        role: String::new(),
        accessor: String::new(),
        display_name: String::new(),
        source_ip: None,
        request_id: String::new(),
        tbs: STANDARD.encode(tbs.bytes()),
        signature: Some(String::new()),
        details: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_page_of_very_many_certificates_costs_what_a_page_of_few_costs() {
    let mut costs = Vec::new();
    for count in [150, 4_000] {
        let world = World::new().await;
        // On one day.
        world.add(NOW - SECS_PER_DAY / 2, count).await;
        let mut pages = Vec::new();
        let (mut before, mut walked) = (None, Vec::new());
        for _ in 0..3 {
            let (ids, next, counts) = world.page(before, 40).await;
            pages.push(counts);
            walked.extend(ids);
            before = next;
        }
        assert_eq!(walked.len(), 120);
        assert!(walked.is_sorted_by(|newer, older| newer > older));
        costs.push(pages);
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].iter().all(|counts| *counts == costs[0][0]), "{costs:?}");
    let Counts { queries, .. } = costs[0][0];
    assert_eq!(
        queries,
        1 + certificates::SHARDS as usize,
        "the directory, and each shard"
    );
}

#[tokio::test]
async fn a_walk_over_hundreds_of_certificates_finds_each_once() {
    let world = World::new().await;
    for days_ago in [1, 2, 5, 300, 301] {
        world.add(NOW - days_ago * SECS_PER_DAY, 150).await;
    }
    let (mut before, mut walked) = (None, Vec::new());
    loop {
        let (ids, next, _) = world.page(before, 100).await;
        if ids.is_empty() {
            break;
        }
        before = next;
        walked.extend(ids);
    }
    assert_eq!(walked.len(), 750);
    assert!(walked.is_sorted_by(|newer, older| newer > older));
}

#[tokio::test]
async fn days_that_became_empty_cost_once() {
    let world = World::new().await;
    world.add(NOW - 200 * SECS_PER_DAY, 5).await;
    let today = NOW / SECS_PER_DAY;
    for day in today - 199..today - 3 {
        world.note_at(day).await;
    }
    let (ids, _, first) = world.page(None, 5).await;
    assert_eq!(ids.len(), 5);
    // Each was looked at, and taken from the directory.
    assert_eq!(first.writes, 196);
    assert_eq!(world.entries().await, [today - 200]);
    let (ids, _, second) = world.page(None, 5).await;
    assert_eq!(ids.len(), 5);
    assert_eq!((second.queries, second.writes), (17, 0));
}

#[tokio::test]
async fn a_day_that_may_still_be_written_to_stays_in_the_directory() {
    let world = World::new().await;
    let today = NOW / SECS_PER_DAY;
    for day in today - 4..=today {
        world.note_at(day).await;
    }
    assert!(world.page(None, 1).await.0.is_empty());
    assert_eq!(world.entries().await, [today, today - 1, today - 2]);
    // Where a listing begins within a day, it says nothing about the rest of it.
    world.add(NOW - 3 * SECS_PER_DAY, 1).await;
    world.clock.set(NOW + 90 * SECS_PER_DAY);
    let before = world.id((today - 3) * SECS_PER_DAY);
    assert!(world.page(Some(before), 1).await.0.is_empty());
    assert!(world.entries().await.contains(&(today - 3)));
    assert_eq!(world.page(None, 1).await.0.len(), 1);
    assert_eq!(world.entries().await, [today - 3]);
}

#[tokio::test]
async fn a_day_that_is_noted_again_meanwhile_is_not_forgotten() {
    let world = World::new().await;
    let old = world.id(NOW - 30 * SECS_PER_DAY);
    world.note_at(NOW / SECS_PER_DAY - 30).await;
    let read = before(&*world.services.store, KEPT, None, 1).await.unwrap();
    // A record of that day comes, although this process remembers to have noted the day.
    world.services.remember_day(KEPT, of(old));
    note(&world.services, KEPT, old).await.unwrap();
    forget(&world.services, &[&read[0]]).await;
    assert_eq!(world.entries().await, [NOW / SECS_PER_DAY - 30]);
    // Nor does a listing do so that finds it empty right afterwards: the index may lag behind.
    assert!(world.page(None, 1).await.0.is_empty());
    assert_eq!(world.entries().await, [NOW / SECS_PER_DAY - 30]);
}

#[tokio::test]
async fn a_day_of_now_is_noted_once_by_each_process() {
    let world = World::new().await;
    let writes = |world: &World| world.store.take_counts().writes;
    for (time, expected) in [(NOW, 1), (NOW - 60, 0), (NOW - SECS_PER_DAY, 1), (NOW - 7, 0)] {
        note(&world.services, KEPT, world.id(time)).await.unwrap();
        assert_eq!(writes(&world), expected, "{time}");
    }
    // One that is not new any more is noted every time.
    for _ in 0..2 {
        note(&world.services, KEPT, world.id(NOW - SECS_PER_DAY))
            .await
            .unwrap();
        assert_eq!(writes(&world), 1);
    }
}
