//! The two halves of issuing: the record now, the signature when its caller comes for it.

use super::{NOW, Setup, authority, is_retryable, log, origin, records, request, role, setup, signatures};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    Error,
    authority::KeySpec,
    certificates::{self, CertificateRecord},
    issue::{Completion, Issuance, Issued, Pending, complete, record},
    refusal::Refusal,
    retirement::{self, Outcome},
    signer::faulty::{Failure, Fault, Operation},
    store::{Condition, Key, Record, Store, Table, Write, faulty, read_one},
    types::Ksuid,
};
use std::collections::BTreeMap;

/// A family that adds nothing.
const ALONE: Completion<'static> = Completion {
    also: &[],
    keys: &[],
    check: &|_| Ok(()),
};

async fn record_with(
    setup: &Setup,
    also: impl Fn(&CertificateRecord) -> Result<Vec<Write>, Error> + Send + Sync,
) -> Result<Pending, Error> {
    let issuance = Issuance {
        authority: &setup.authority,
        role: &role(),
        request: &request(),
        origin: &origin(),
        id: None,
        keep_signature: true,
        in_service: None,
        details: BTreeMap::new(),
    };
    record(&setup.services, &issuance, also).await
}

async fn record_one(setup: &Setup) -> Pending {
    record_with(setup, |_| Ok(Vec::new())).await.unwrap()
}

async fn complete_one(setup: &Setup, pending: &Pending) -> Result<Issued, Error> {
    complete(&setup.services, &setup.authority, pending.clone(), &ALONE).await
}

/// As it lies in the table now.
async fn read(setup: &Setup, pending: &Pending) -> Option<(CertificateRecord, Record)> {
    let id = Ksuid::parse(&pending.record.id).unwrap();
    certificates::read(&*setup.services.store, id).await.unwrap()
}

async fn put(setup: &Setup, record: Record) {
    let write = [Write::Put(record, Condition::Always)];
    setup.store.inner().write(&write).await.unwrap();
}

fn family_record(name: &str) -> Record {
    Record::new(Key::new(Table::Roles, "family", name), &name).unwrap()
}

#[tokio::test]
async fn what_was_recorded_is_signed_when_its_caller_comes() {
    let setup = setup().await;
    let pending = record_one(&setup).await;
    assert_eq!(signatures(&setup), 0);
    assert_eq!(records(&setup).await, std::slice::from_ref(&pending.record));
    let tbs = STANDARD.decode(&pending.record.tbs).unwrap();
    let hash: String = digest(&SHA256, &tbs)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(pending.tbs_hash, hash);

    setup.clock.set(NOW + 60);
    let issued = complete_one(&setup, &pending).await.unwrap();
    assert!(issued.certificate.bytes().starts_with(&tbs), "to the byte");
    let (kept, stored) = read(&setup, &pending).await.unwrap();
    assert_eq!((&kept, &stored), (&issued.record, &issued.stored));
    assert_eq!(
        kept.certificate_line().unwrap(),
        Some(issued.certificate.to_line())
    );
    assert_eq!(signatures(&setup), 1);

    let fields = issued.certificate.fields();
    let recorded = serde_json::json!({
        "time_ms": NOW * 1000,
        "request_id": "request-1",
        "family": "vault",
        "action": "record",
        "outcome": "granted",
        "accessor": "accessor-1",
        "display_name": "token-alice",
        "source_ip": "192.0.2.1",
        "role": "ops",
        "authority": setup.authority.id.as_str(),
        "cert_type": "user",
        "principals": ["alice"],
        "key_id": "alice",
        "subject_key": request().subject_key.fingerprint(),
        "serial": fields.serial.to_string(),
        "valid_before": NOW + 600,
    });
    let mut signed = recorded.clone();
    signed["time_ms"] = ((NOW + 60) * 1000).into();
    signed["action"] = "issue".into();
    signed["sign_ms"] = 0.into();
    assert_eq!(log(&setup), [recorded, signed], "a line for each half");
}

#[tokio::test]
async fn a_warm_process_makes_one_write_for_each_half() {
    let setup = setup().await;
    complete_one(&setup, &record_one(&setup).await).await.unwrap();
    setup.store.take_counts();
    let pending = record_one(&setup).await;
    let recorded = setup.store.take_counts();
    assert_eq!((recorded.reads, recorded.writes, recorded.queries), (0, 1, 0));
    complete_one(&setup, &pending).await.unwrap();
    let completed = setup.store.take_counts();
    assert_eq!((completed.reads, completed.writes, completed.queries), (1, 1, 0));
}

#[tokio::test]
async fn whoever_completes_later_gets_the_signature_that_was_kept() {
    let mut setup = setup().await;
    // No two signatures of such a key are the same.
    setup.authority = authority(&setup.services, KeySpec::P256).await;
    let pending = record_one(&setup).await;
    let issued = complete_one(&setup, &pending).await.unwrap();
    let as_it_lies = Pending {
        record: issued.record.clone(),
        stored: issued.stored.clone(),
        ..pending.clone()
    };
    let again = complete_one(&setup, &as_it_lies).await.unwrap();
    assert_eq!(signatures(&setup), 1, "what has a signature is not signed again");
    let late = complete_one(&setup, &pending).await.unwrap();
    for other in [again, late] {
        assert_eq!(other.certificate, issued.certificate);
        assert_eq!(
            (other.record, other.stored),
            (issued.record.clone(), issued.stored.clone())
        );
    }
}

#[tokio::test]
async fn nothing_is_signed_but_what_was_committed_for_this_authority() {
    let setup = setup().await;
    let pending = record_one(&setup).await;
    let other_bytes = Pending {
        tbs_hash: "0".repeat(64),
        ..pending.clone()
    };
    let error = complete_one(&setup, &other_bytes).await.unwrap_err();
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    let other = authority(&setup.services, KeySpec::Ed25519).await;
    let error = complete(&setup.services, &other, pending, &ALONE)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    assert_eq!(signatures(&setup), 0);
}

#[tokio::test]
async fn a_record_that_became_another_is_a_conflict() {
    let setup = setup().await;
    let changed = record_one(&setup).await;
    put(&setup, changed.stored.replaced(&changed.record).unwrap()).await;

    let swapped = record_one(&setup).await;
    let foreign = complete_one(&setup, &record_one(&setup).await).await.unwrap();
    let foreign = CertificateRecord {
        id: swapped.record.id.clone(),
        ..foreign.record
    };
    put(&setup, swapped.stored.replaced(&foreign).unwrap()).await;

    let gone = record_one(&setup).await;
    let delete = [Write::Delete(gone.stored.key.clone(), Condition::Always)];
    setup.store.inner().write(&delete).await.unwrap();

    for (what, pending) in [("unsigned", changed), ("foreign", swapped), ("gone", gone)] {
        let error = complete_one(&setup, &pending).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(_)), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn what_would_have_ended_is_not_signed() {
    let setup = setup().await;
    let (last_second, too_late) = (record_one(&setup).await, record_one(&setup).await);
    setup.clock.set(NOW + 599);
    complete_one(&setup, &last_second).await.unwrap();
    setup.clock.set(NOW + 600);
    let error = complete_one(&setup, &too_late).await.unwrap_err();
    assert!(
        matches!(error, Error::Refused(Refusal::AlreadyExpired)),
        "{error:?}"
    );
    assert_eq!(signatures(&setup), 1);
}

#[tokio::test]
async fn what_a_family_adds_is_written_with_each_half_or_not_at_all() {
    let setup = setup().await;
    let place = family_record("place");
    let taking = |_: &CertificateRecord| Ok(vec![Write::Put(family_record("place"), Condition::Absent)]);
    let pending = record_with(&setup, taking).await.unwrap();
    assert_eq!(
        read_one(&*setup.services.store, &place.key).await.unwrap(),
        Some(place.clone())
    );
    put(&setup, place.replaced(&"taken").unwrap()).await;
    let error = record_with(&setup, taking).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!(records(&setup).await.len(), 1, "no record without it");

    let leaving = |condition| Completion {
        also: Box::leak(Box::new([Write::Delete(family_record("place").key, condition)])),
        ..ALONE
    };
    let stale = leaving(Condition::Version(1));
    let error = complete(&setup.services, &setup.authority, pending.clone(), &stale)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!(read(&setup, &pending).await.unwrap().0.signature, None);
    let current = leaving(Condition::Version(2));
    complete(&setup.services, &setup.authority, pending, &current)
        .await
        .unwrap();
    assert_eq!(read_one(&*setup.services.store, &place.key).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_family_sees_while_the_signer_works_can_stop_it() {
    let setup = setup().await;
    let pending = record_one(&setup).await;
    let there = family_record("there");
    put(&setup, there.clone()).await;
    let keys = [there.key.clone(), family_record("gone").key];
    let refusing = Completion {
        keys: &keys,
        check: &|found| {
            assert_eq!(found, [Some(there.clone()), None]);
            Err(Error::Conflict("the template is leaving".into()))
        },
        ..ALONE
    };
    let error = complete(&setup.services, &setup.authority, pending.clone(), &refusing)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the template is leaving");
    assert_eq!(read(&setup, &pending).await.unwrap().0.signature, None);
    assert_eq!(setup.log.decisions()[1].outcome, "conflict");
    complete_one(&setup, &pending)
        .await
        .expect("it can be tried again");
}

#[tokio::test]
async fn a_record_does_not_wait_for_the_signer_but_a_key_that_is_wrong_stops_it() {
    let setup = setup().await;
    let faults = setup.keyring.faults();
    for fault in [Fault::Throttled, Fault::Unavailable] {
        faults.fail_next(Operation::Signer, Failure::Before(fault));
        let pending = record_one(&setup).await;
        complete_one(&setup, &pending).await.unwrap();
    }
    faults.fail_next(Operation::Signer, Failure::Before(Fault::KeyUnusable));
    let error = record_with(&setup, |_| Ok(Vec::new())).await.unwrap_err();
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    assert_eq!(records(&setup).await.len(), 2);
}

#[tokio::test]
async fn a_signer_that_fails_can_be_asked_again_and_the_log_says_whose_fault_it_was() {
    for (operation, fault, signer_failed) in [
        (Operation::Signer, Fault::Throttled, true),
        (Operation::Signer, Fault::Unavailable, true),
        (Operation::Sign, Fault::Throttled, true),
        (Operation::Sign, Fault::Unavailable, true),
        (Operation::Sign, Fault::KeyUnusable, true),
        (Operation::Sign, Fault::CannotSign, false),
    ] {
        let setup = setup().await;
        let pending = record_one(&setup).await;
        let faults = setup.keyring.faults();
        faults.fail_next(operation, Failure::Before(fault));
        let of_the_half = complete_one(&setup, &pending).await.unwrap_err();
        faults.fail_next(operation, Failure::Before(fault));
        let of_the_whole = super::issue_one(&setup, false).await.unwrap_err();
        let retryable = matches!(fault, Fault::Throttled | Fault::Unavailable);
        for error in [of_the_half, of_the_whole] {
            assert_eq!(is_retryable(&error), retryable, "{operation:?} {error:?}");
            let of_the_request = matches!(error, Error::InvalidRequest { .. });
            assert_eq!(of_the_request, !signer_failed, "{operation:?} {error:?}");
        }
        for decision in &setup.log.decisions()[1..] {
            assert_eq!(decision.signer_failed, signer_failed, "{operation:?} {fault:?}");
        }
        assert_eq!(read(&setup, &pending).await.unwrap().0.signature, None);
        complete_one(&setup, &pending)
            .await
            .expect("the next attempt works");
    }
}

/// A retirement that gave up had taken the holds of what waits for its signature.
#[tokio::test]
async fn what_is_signed_after_a_retirement_that_gave_up_holds_its_authority_again() {
    let setup = setup().await;
    let pending = record_one(&setup).await;
    // It announces itself, stops what waits, and cannot carry out its last write.
    let writes = faulty::Operation::Write.on(Table::Roles);
    setup.authority.create(&*setup.services.store).await.unwrap();
    setup
        .store
        .fail_nth(writes, 2, faulty::Fail::Before, faulty::Fault::Unavailable);
    let error = retirement::retire_unused(&setup.services, &setup.authority.id)
        .await
        .unwrap_err();
    assert!(is_retryable(&error), "{error:?}");
    let (record, stored) = read(&setup, &pending).await.unwrap();
    let pending = Pending {
        record,
        stored,
        ..pending
    };
    complete_one(&setup, &pending).await.unwrap();
    let outcome = retirement::retire_unused(&setup.services, &setup.authority.id)
        .await
        .unwrap();
    assert_eq!(outcome, Outcome::Kept);
}
