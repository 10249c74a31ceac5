//! The asynchronous path, which loses and doubles nothing, whoever comes and whatever changes meanwhile.

use super::{
    faults::{UNAVAILABLE, status},
    fixture::{Answer, Fixture, KEY, NOW, text},
};
use crate::{CarriedOut, carry_out_pending, dn::Dn, object, pending, router};
use axum::body::Body;
use countersign::{
    Services,
    authority::{self, AuthorityId},
    certificate_search::{Filter, search},
    certificates,
    grace::GRACE,
    signer::faulty::{Failure, Operation as SignerOperation},
    store::{
        Condition, Write,
        embedded::{Embedded, OpenError},
    },
};
use http::Request;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};
use tower::ServiceExt;

#[tokio::test]
async fn however_many_fetch_at_once_there_is_one_certificate() {
    let fixture = Arc::new(Fixture::new().await);
    let hosts = json!({"CADN": "hosts", "Principals": ["h.example.com"], "KeyId": "h"});
    // An ECDSA key signs differently each time.
    let requested = fixture.request(hosts).await.ok();
    let mut running = tokio::task::JoinSet::new();
    for nth in 0..24 {
        let (fixture, requested) = (fixture.clone(), requested.clone());
        running.spawn(async move {
            if nth % 4 == 0 {
                fixture.carry_out(5).await;
            }
            text(&fixture.retrieve(&requested, json!({})).await.ok()["CertificateData"])
        });
    }
    let lines: BTreeSet<String> = running.join_all().await.into_iter().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(fixture.all().await.len(), 1);
}

#[tokio::test]
async fn requests_for_one_name_at_once_leave_one_certificate_and_archive_the_others() {
    let fixture = Arc::new(Fixture::new().await);
    let mut running = tokio::task::JoinSet::new();
    for nth in 0..6 {
        let fixture = fixture.clone();
        running.spawn(async move {
            let asked = json!({"ObjectName": "one", "KeyId": format!("k{nth}")});
            fixture.request(asked).await
        });
    }
    let answers = running.join_all().await;
    let good: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(Answer::ok)
        .collect();
    let names: BTreeSet<String> = good
        .iter()
        .map(|body| format!("{} {}", body["DN"], body["Guid"]))
        .collect();
    assert_eq!(names.len(), 1);
    let certificate = fixture.retrieve(&good[0], json!({})).await.certificate();
    let all = fixture.all().await;
    assert_eq!(all.len(), good.len());
    let current: Vec<_> = all.iter().filter(|found| !found.record.is_archived()).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0].fields.serial, certificate.fields().serial);
    // Those that nobody fetched are not signed any more.
    assert_eq!(fixture.carry_out(100).await, CarriedOut::default());
}

#[tokio::test]
async fn a_certificate_whose_place_another_took_before_it_was_signed_is_rejected() {
    let fixture = Fixture::new().await;
    let earlier = fixture.request(json!({"ObjectName": "one"})).await.ok();
    let dn = Dn::parse(&text(&earlier["DN"])).unwrap();
    let object = object::by_dn(&*fixture.services.store, &dn).await.unwrap();
    let object = object.unwrap().object;
    fixture
        .issue(json!({"ObjectName": "one", "KeyId": "later"}))
        .await
        .certificate();
    // A request that was slow goes on with what it holds.
    let state = pending::carry_out(&fixture.services, &object).await.unwrap();
    assert!(
        matches!(&state, pending::State::Rejected(reason) if reason == "A later certificate took its place."),
        "{state:?}"
    );
    let signed = fixture.all().await;
    let signed = signed.iter().filter(|found| found.record.signature.is_some());
    assert_eq!(signed.count(), 1);
}

#[tokio::test]
async fn one_call_looks_at_no_more_than_it_is_told_to() {
    let fixture = Fixture::new().await;
    for nth in 0..5 {
        fixture.clock.set(NOW + nth);
        fixture.request(json!({"KeyId": format!("k{nth}")})).await.ok();
    }
    for left in [2, 2, 1, 0] {
        assert_eq!(fixture.carry_out(2).await.issued, left);
    }
    // One that cannot be signed now stops the call: the signer is away for the others too.
    for nth in 0..3 {
        fixture.request(json!({"KeyId": format!("l{nth}")})).await.ok();
    }
    fixture
        .keyring
        .faults()
        .fail_always(SignerOperation::Sign, UNAVAILABLE);
    let before = fixture.signatures();
    assert_eq!(fixture.carry_out(10).await.waiting, 1);
    assert_eq!(fixture.signatures(), before + 1);
}

#[tokio::test]
async fn what_cannot_be_signed_keeps_nothing_of_other_templates_waiting() {
    let fixture = Fixture::new().await;
    for nth in 0..3 {
        fixture.request(json!({"KeyId": format!("k{nth}")})).await.ok();
    }
    // It is being deleted, or its key is away: nothing of it can be signed now.
    fixture.announce_deletion("users").await;
    fixture.clock.set(NOW + 1);
    let hosts = json!({"CADN": "hosts", "Principals": ["h.example.com"], "KeyId": "h"});
    let requested = fixture.request(hosts).await.ok();
    let done = CarriedOut {
        issued: 1,
        waiting: 1,
        ..CarriedOut::default()
    };
    assert_eq!(fixture.carry_out(2).await, done);
    let before = fixture.signatures();
    fixture.retrieve(&requested, json!({})).await.certificate();
    assert_eq!(fixture.signatures(), before);
    // One whose record is lost keeps nothing waiting either.
    fixture.clock.set(NOW + 60);
    let lost = fixture
        .all()
        .await
        .into_iter()
        .min_by_key(|found| found.record.id.clone());
    let key = certificates::key(lost.unwrap().fields.serial);
    let delete = Write::Delete(key, Condition::Always);
    fixture.services.store.write(&[delete]).await.unwrap();
    assert_eq!(fixture.carry_out(10).await.issued, 2);
}

#[tokio::test]
async fn what_can_never_be_signed_is_rejected_with_its_reason() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({"ValidityPeriod": "1h"})).await.ok();
    fixture.clock.set(NOW + 3600);
    let answer = fixture.retrieve(&requested, json!({})).await;
    assert_eq!(status(&answer), "Rejected");
    let reason = text(&answer.ok()["ProcessingDetails"]["StatusDescription"]);
    assert!(reason.contains("expired"), "{reason}");
    fixture.clock.set(NOW);
    assert_eq!(
        status(&fixture.retrieve(&requested, json!({})).await),
        "Rejected",
        "for good"
    );

    let retired = fixture.request(json!({"KeyId": "retired"})).await.ok();
    let template = fixture
        .post("Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    let authority = AuthorityId::parse(&text(&template["Authority"])).unwrap();
    authority::retire(&fixture.services, &authority).await.unwrap();
    assert_eq!(fixture.carry_out(10).await.rejected, 1);
    let answer = fixture.retrieve(&retired, json!({})).await.ok();
    assert!(text(&answer["ProcessingDetails"]["StatusDescription"]).contains("retired"));
    let reason = fixture.request(json!({"KeyId": "late"})).await.fails(400, 100);
    assert!(reason.contains("retired"), "{reason}");
}

#[tokio::test]
async fn an_authority_that_is_retired_between_record_and_signature_signs_no_more() {
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({})).await.ok();
    let template = fixture
        .post("Template/Retrieve", &json!({"DN": "users"}))
        .await
        .ok();
    let authority = AuthorityId::parse(&text(&template["Authority"])).unwrap();
    let outcome = countersign::retirement::retire_unused(&fixture.services, &authority)
        .await
        .unwrap();
    assert!(
        matches!(outcome, countersign::retirement::Outcome::Used(_)),
        "the template uses it: {outcome:?}"
    );
    let hosts = fixture
        .post("Template/Retrieve", &json!({"DN": "hosts"}))
        .await
        .ok();
    let update = json!({"Name": "users", "Authority": hosts["Authority"]});
    fixture
        .post_as(&fixture.root, "Template/Update", &update)
        .await
        .ok();
    let outcome = countersign::retirement::retire_unused(&fixture.services, &authority)
        .await
        .unwrap();
    assert_eq!(outcome, countersign::retirement::Outcome::Retired);
    let answer = fixture.retrieve(&requested, json!({})).await;
    assert_eq!(status(&answer), "Rejected");
    // The other way round: what was fetched stands in the way.
    let hosts = json!({"CADN": "hosts", "Principals": ["h"], "KeyId": "h"});
    let requested = fixture.request(hosts).await.ok();
    fixture.retrieve(&requested, json!({})).await.certificate();
    let template = fixture
        .post("Template/Retrieve", &json!({"DN": "hosts"}))
        .await
        .ok();
    let authority = AuthorityId::parse(&text(&template["Authority"])).unwrap();
    let outcome = countersign::retirement::retire_unused(&fixture.services, &authority)
        .await
        .unwrap();
    assert!(
        !matches!(outcome, countersign::retirement::Outcome::Retired),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn nothing_is_issued_while_its_template_is_being_deleted() {
    let fixture = Fixture::new().await;
    fixture.announce_deletion("users").await;
    let requested = fixture.request(json!({"ProcessingTimeout": 10})).await;
    assert_eq!(status(&requested), "Pending Issue");
    assert_eq!(
        status(&fixture.retrieve(&requested.ok(), json!({})).await),
        "Pending Issue"
    );
    // Whoever announced it is gone.
    fixture.clock.set(NOW + 60);
    fixture.retrieve(&requested.ok(), json!({})).await.certificate();
    assert_eq!(fixture.all().await.len(), 1);
}

#[tokio::test]
async fn a_request_makes_one_read_and_one_more_where_it_is_slow() {
    let fixture = Fixture::new().await;
    fixture.issue(json!({})).await.certificate();
    fixture.store.take_counts();
    fixture.issue(json!({})).await.certificate();
    assert_eq!(fixture.store.take_counts().reads, 1);
    fixture.clock.advance_each_time(GRACE);
    fixture.issue(json!({})).await.certificate();
    assert_eq!(fixture.store.take_counts().reads, 2);
}

#[tokio::test]
async fn a_process_that_knows_its_template_issues_nothing_either_while_that_is_being_deleted() {
    let fixture = Fixture::new().await;
    fixture.issue(json!({})).await.certificate();
    fixture.announce_deletion("users").await;
    let requested = fixture.request(json!({"ProcessingTimeout": 10})).await;
    assert_eq!(status(&requested), "Pending Issue");
    assert_eq!(fixture.signed().await, 1);
}

/// A request that has read its template, and a deletion of the template that the request did not see.
async fn deleted_beside(fixture: &Fixture, stands_still: bool) -> (Answer, Answer) {
    // So that it has a hint, and nothing is valid.
    fixture.issue(json!({"ValidityPeriod": "1s"})).await.certificate();
    fixture.clock.set(NOW + 1);
    let name = json!({"Name": "users"});
    let recording = fixture.keyring.faults().pause_next(SignerOperation::Seal);
    let waiting = fixture.clock.pause_next_sleep();
    let (requested, deleted) = tokio::join!(
        async {
            let answer = fixture.issue(json!({"PublicKeyData": null})).await;
            waiting.end();
            answer
        },
        async {
            recording.begun().await;
            let deleting = async {
                let answer = fixture.post_as(&fixture.root, "Template/Delete", &name).await;
                recording.end();
                answer
            };
            let going_on = async {
                waiting.begun().await;
                if stands_still {
                    waiting.end();
                } else {
                    recording.end();
                }
            };
            tokio::join!(deleting, going_on).0
        },
    );
    (requested, deleted)
}

#[tokio::test]
async fn what_is_recorded_after_a_deletion_was_announced_that_it_did_not_see_keeps_its_template() {
    let fixture = Fixture::new().await;
    let (requested, deleted) = deleted_beside(&fixture, false).await;
    requested.certificate();
    deleted.fails(409, 100);
    fixture.issue(json!({})).await.certificate();
}

#[tokio::test]
async fn a_request_that_stands_still_while_its_template_is_deleted_gives_no_certificate() {
    let fixture = Fixture::new().await;
    let (requested, deleted) = deleted_beside(&fixture, true).await;
    deleted.ok();
    assert_eq!(status(&requested), "Rejected");
    assert_eq!(fixture.signed().await, 1);
}

#[tokio::test]
async fn a_name_whose_certificate_another_process_renewed_is_renewed_again() {
    let fixture = Fixture::new().await;
    // Each has its own memory of what a name led to the last time.
    let other = fixture.another_process();
    let mut serials = BTreeSet::new();
    for process in [&fixture, &fixture, &other, &other, &fixture] {
        let renewed = process.issue(json!({})).await.certificate();
        serials.insert(renewed.fields().serial);
    }
    assert_eq!(serials.len(), 5);
    let all = fixture.all().await;
    assert_eq!(all.len(), 5);
    assert_eq!(all.iter().filter(|found| !found.record.is_archived()).count(), 1);
}

#[tokio::test]
async fn a_record_that_was_tampered_with_is_not_signed() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let fixture = Fixture::new().await;
    let requested = fixture.request(json!({})).await.ok();
    let found = fixture.all().await.remove(0);
    let serial = found.fields.serial;
    let (mut record, stored) = countersign::certificates::read_serial(&*fixture.services.store, serial)
        .await
        .unwrap()
        .unwrap();
    let bytes = STANDARD.decode(&record.tbs).unwrap();
    let place = bytes.windows(5).position(|window| window == b"alice").unwrap();
    let mut bytes = bytes;
    bytes[place..place + 5].copy_from_slice(b"admin");
    record.tbs = STANDARD.encode(bytes);
    let write = Write::Put(stored.replaced(&record).unwrap(), Condition::Always);
    fixture.services.store.write(&[write]).await.unwrap();
    let before = fixture.signatures();
    assert_eq!(
        status(&fixture.retrieve(&requested, json!({})).await),
        "Pending Issue"
    );
    assert_eq!(fixture.carry_out(5).await.issued, 0);
    assert_eq!(fixture.signatures(), before);
}

/// A process over the tables in `directory`, as it is after a start.
async fn process(fixture: &Fixture, directory: &std::path::Path) -> Services {
    let store = loop {
        match Embedded::open(directory).await {
            Ok(embedded) => break embedded.store(),
            // What the last process had begun with the store ends on a thread of its own.
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    Services::new(
        Arc::new(store),
        fixture.keyring.clone(),
        fixture.clock.clone(),
        fixture.services.random.clone(),
        fixture.log.clone(),
    )
}

#[tokio::test]
async fn a_process_that_dies_at_any_point_leaves_what_the_next_one_carries_out() {
    let fixture = Fixture::new().await;
    let directory = tempfile::tempdir().unwrap();
    let post = |services: &Services, token: &str, path: &str, body: &Value| {
        let request = Request::post(format!("/vedsdk/SSHCertificates/{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let router = router(services.clone());
        async move {
            let answer = router.oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice::<Value>(&bytes).unwrap())
        }
    };
    let services = process(&fixture, directory.path()).await;
    let root = countersign::access::create_root(&services, None)
        .await
        .unwrap()
        .secret;
    let root = root.reveal();
    assert_eq!(
        post(&services, root, "Template/Create", &super::fixture::users())
            .await
            .0,
        200
    );
    // The signer never answers: the process dies while it waits.
    fixture
        .keyring
        .faults()
        .fail_next(SignerOperation::Sign, Failure::Hang);
    let asked = json!({"CADN": "users", "KeyId": "k", "PublicKeyData": KEY, "ProcessingTimeout": 120});
    let dying = post(&services, root, "Request", &asked);
    {
        let mut dying = Box::pin(dying);
        // Until the signer was asked, and not a step further.
        while fixture.signatures() == 0 {
            tokio::select! {
                biased;
                _ = &mut dying => panic!("it was answered"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    drop(services);
    let services = process(&fixture, directory.path()).await;
    assert_eq!(carry_out_pending(&services, 10).await.unwrap().issued, 1);
    drop(services);
    let services = process(&fixture, directory.path()).await;
    let fetch = json!({"DN": r"\VED\Policy\ssh-certificates\k"});
    let (status, body) = post(&services, root, "Retrieve", &fetch).await;
    assert_eq!(
        (status, &body["ProcessingDetails"]["Status"]),
        (200, &json!("Issued"))
    );
    let all = search(&services, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(all.found.len(), 1);
}
