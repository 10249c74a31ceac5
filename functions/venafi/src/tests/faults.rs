//! Stores and signers that fail, before and after the deed.

use super::fixture::{Answer, Fixture, NOW};
use crate::{CarriedOut, carry_out_pending, dn::Dn, router, template};
use countersign::{
    certificate_search::{Filter, Found, search},
    certificates,
    signer::faulty::{Failure, Fault as SignerFault, Operation as SignerOperation},
    store::{
        Condition, Table, Write,
        faulty::{Fail, Fault, Operation},
    },
};
use serde_json::{Value, json};

pub(super) const UNAVAILABLE: Failure = Failure::Before(SignerFault::Unavailable);

impl Fixture {
    pub(super) async fn all(&self) -> Vec<Found> {
        search(&self.services, &Filter::default(), None, 100)
            .await
            .unwrap()
            .found
    }

    pub(super) async fn carry_out(&self, limit: usize) -> CarriedOut {
        carry_out_pending(&self.services, limit).await.unwrap()
    }

    /// Another server over the same tables and keys.
    pub(super) fn another_process(&self) -> Self {
        Self {
            router: router(self.services.clone()),
            services: self.services.clone(),
            store: self.store.clone(),
            keyring: self.keyring.clone(),
            clock: self.clock.clone(),
            log: self.log.clone(),
            root: self.root.clone(),
            token: self.token.clone(),
        }
    }

    /// Replaces the record of the certificate that was `requested` by itself.
    pub(super) async fn touch_record(&self, requested: &Value) {
        let name = &requested["DN"];
        let found = self.all().await;
        let found = found.iter().find(|found| found.record.details["object"] == *name);
        let serial = found.unwrap().fields.serial;
        let store = &*self.services.store;
        let (record, stored) = certificates::read_serial(store, serial).await.unwrap().unwrap();
        let write = Write::Put(stored.replaced(&record).unwrap(), Condition::Always);
        store.write(&[write]).await.unwrap();
    }

    /// Announces that the template called `name` is being deleted.
    pub(super) async fn announce_deletion(&self, name: &str) {
        let store = &*self.services.store;
        let dn = Dn::template(name).unwrap();
        let (mut template, stored) = template::by_dn(store, &dn).await.unwrap().unwrap();
        template.deleting_since = Some(NOW);
        let write = Write::Put(stored.replaced(&template).unwrap(), Condition::Always);
        store.write(&[write]).await.unwrap();
    }

    /// How many certificates are signed.
    pub(super) async fn signed(&self) -> usize {
        let all = self.all().await;
        all.iter()
            .filter(|found| found.record.signature.is_some())
            .count()
    }

    /// How many signatures were asked for so far.
    pub(super) fn signatures(&self) -> usize {
        self.keyring.faults().count(SignerOperation::Sign)
    }
}

pub(super) fn status(answer: &Answer) -> Value {
    let body = answer.ok();
    assert_eq!(body["Response"]["Success"], true);
    assert_eq!(
        body["CertificateData"].is_string(),
        body["ProcessingDetails"]["Status"] == "Issued"
    );
    body["ProcessingDetails"]["Status"].clone()
}

#[tokio::test]
async fn a_signer_that_fails_at_the_request_makes_it_pending_and_the_scheduled_function_issues_it() {
    let fixture = Fixture::new().await;
    for (round, failure) in [
        UNAVAILABLE,
        Failure::After(SignerFault::Unavailable),
        Failure::Before(SignerFault::Throttled),
        Failure::Before(SignerFault::KeyUnusable),
        Failure::BitFlip,
        Failure::Garbage,
        Failure::OtherKey,
    ]
    .into_iter()
    .enumerate()
    {
        let named = json!({"KeyId": format!("k{round}"), "ProcessingTimeout": 120});
        fixture.keyring.faults().fail_next(SignerOperation::Sign, failure);
        let requested = fixture.request(named).await;
        assert_eq!(status(&requested), "Pending Issue", "{failure:?}");
        let issued = CarriedOut {
            issued: 1,
            ..CarriedOut::default()
        };
        assert_eq!(fixture.carry_out(10).await, issued, "{failure:?}");
        assert_eq!(fixture.carry_out(10).await, CarriedOut::default());
        let before = fixture.signatures();
        let first = fixture.retrieve(&requested.ok(), json!({})).await.certificate();
        let second = fixture.retrieve(&requested.ok(), json!({})).await.certificate();
        assert_eq!(first, second);
        assert_eq!(fixture.signatures(), before, "what is signed is not signed again");
        assert_eq!(fixture.all().await.len(), round + 1);
    }
}

#[tokio::test]
async fn a_signer_that_is_away_keeps_what_is_asked_for_pending_until_it_is_back() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({})).await;
    assert_eq!(status(&requested), "Pending Issue");
    fixture
        .keyring
        .faults()
        .fail_always(SignerOperation::Sign, UNAVAILABLE);
    for _ in 0..2 {
        let answer = fixture
            .retrieve(&requested.ok(), json!({"IncludeCertificateDetails": true}))
            .await;
        assert_eq!(status(&answer), "Pending Issue");
        assert!(answer.ok().get("CertificateDetails").is_none());
    }
    let waiting = CarriedOut {
        waiting: 1,
        ..CarriedOut::default()
    };
    assert_eq!(fixture.carry_out(10).await, waiting);
    fixture.keyring.faults().clear();
    fixture.retrieve(&requested.ok(), json!({})).await.certificate();
    assert_eq!(fixture.carry_out(10).await, CarriedOut::default());
    assert_eq!(fixture.all().await.len(), 1);
}

#[tokio::test]
async fn a_signer_that_cannot_even_be_opened_does_not_keep_a_request_from_being_recorded() {
    let fixture = Fixture::new().await;
    fixture
        .keyring
        .faults()
        .fail_always(SignerOperation::Signer, UNAVAILABLE);
    let requested = fixture.request(json!({"ProcessingTimeout": 10})).await;
    assert_eq!(status(&requested), "Pending Issue");
    fixture.keyring.faults().clear();
    fixture.retrieve(&requested.ok(), json!({})).await.certificate();
}

#[tokio::test]
async fn a_key_pair_that_cannot_be_kept_is_not_made() {
    let fixture = Fixture::new().await;
    fixture
        .keyring
        .faults()
        .fail_next(SignerOperation::Seal, UNAVAILABLE);
    let answer = fixture.request(json!({"PublicKeyData": null})).await;
    answer.fails(503, 100);
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(fixture.all().await.is_empty());
    let requested = fixture.request(json!({"PublicKeyData": null})).await.ok();
    fixture
        .keyring
        .faults()
        .fail_next(SignerOperation::Open, UNAVAILABLE);
    let include = json!({"IncludePrivateKeyData": true});
    fixture
        .retrieve(&requested, include.clone())
        .await
        .fails(503, 100);
    assert!(fixture.retrieve(&requested, include).await.ok()["PrivateKeyData"].is_string());
}

#[tokio::test]
async fn a_slow_signer_is_waited_for_no_longer_than_asked() {
    let fixture = Fixture::new().await;
    fixture
        .keyring
        .faults()
        .fail_next(SignerOperation::Sign, Failure::Hang);
    let requested = fixture.request(json!({"ProcessingTimeout": 1})).await;
    assert_eq!(status(&requested), "Pending Issue");
    fixture.retrieve(&requested.ok(), json!({})).await.certificate();
    assert_eq!(fixture.all().await.len(), 1);
}

#[tokio::test]
async fn a_store_that_fails_at_any_write_of_a_request_loses_and_doubles_nothing() {
    for timeout in [0, 10] {
        for nth in 1..=2 {
            for fail in [Fail::Before, Fail::After] {
                let fixture = Fixture::new().await;
                // The days of both lists are noted by the first certificate.
                fixture.issue(json!({"KeyId": "first"})).await.certificate();
                fixture
                    .store
                    .fail_nth(Operation::Write, nth, fail, Fault::Unavailable);
                let asked = json!({"ProcessingTimeout": timeout});
                let answer = fixture.request(asked.clone()).await;
                let is_record = nth == 1;
                let case = format!("timeout {timeout}, write {nth}, {fail:?}: {}", answer.text);
                if is_record {
                    answer.fails(503, 100);
                } else {
                    answer.ok();
                }
                fixture.store.heal();
                let known = json!({"DN": r"\VED\Policy\ssh-certificates\alice-laptop"});
                let fetched = fixture.post("Retrieve", &known).await;
                if is_record && fail == Fail::Before {
                    fetched.fails(404, 1);
                    fixture.request(asked).await.ok();
                    fixture.post("Retrieve", &known).await.certificate();
                } else {
                    fetched.certificate();
                }
                assert_eq!(fixture.all().await.len(), 2, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_at_any_write_of_a_retrieve_loses_and_doubles_nothing() {
    for by_schedule in [false, true] {
        for nth in 1..=2 {
            for fail in [Fail::Before, Fail::After] {
                let fixture = Fixture::new().await;
                fixture.issue(json!({"KeyId": "first"})).await.certificate();
                let requested = fixture.request(json!({})).await.ok();
                // As a retirement leaves it that was given up: what it stopped needs its hold again, a write of its
                // own.
                fixture.touch_record(&requested).await;
                fixture
                    .store
                    .fail_nth(Operation::Write, nth, fail, Fault::Unavailable);
                if by_schedule {
                    fixture.carry_out(10).await;
                } else {
                    assert_eq!(
                        status(&fixture.retrieve(&requested, json!({})).await),
                        "Pending Issue"
                    );
                }
                assert!(fixture.store.is_healed());
                let one = fixture.retrieve(&requested, json!({})).await.certificate();
                assert_eq!(fixture.retrieve(&requested, json!({})).await.certificate(), one);
                assert_eq!(fixture.all().await.len(), 2);
                assert_eq!(fixture.carry_out(10).await, CarriedOut::default());
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_refuses_with_a_retry() {
    let fixture = Fixture::new().await;
    for (fault, status) in [
        (Fault::Unavailable, 503),
        (Fault::Throttled, 429),
        (Fault::Unusable, 500),
    ] {
        fixture.store.fail_next(Operation::Read, Fail::Before, fault);
        let answer = fixture.request(json!({})).await;
        answer.fails(status, 100);
        assert_eq!(answer.headers.contains_key("retry-after"), status != 500);
    }
    fixture.store.fail_next(
        Operation::Write.on(Table::Access),
        Fail::Before,
        Fault::Unavailable,
    );
    fixture
        .log_in("ssh:manage")
        .await
        .denies(503, "temporarily_unavailable");
}
