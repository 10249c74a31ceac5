//! Issuances that look for a retirement with their first read, and need no second look while that holds.

use super::{NOW, Setup, origin, records, request, role, setup, signatures};
use countersign::{
    Error,
    authority::{Authority, AuthorityState},
    grace::GRACE,
    issue::{Completion, Issuance, Issued, Pending, complete, issue, record},
    retirement::{InService, Look, Outcome, retire_unused},
    signer::faulty::Operation as SignerOperation,
    store::{
        Condition, Store, Table, Write,
        faulty::{Fail, Fault, Operation},
        read_one,
    },
};
use std::{collections::BTreeMap, time::Duration};

/// An authority that is on record.
async fn enrolled() -> Setup {
    let setup = setup().await;
    setup.authority.create(&*setup.services.store).await.unwrap();
    setup
}

/// Proof of the present, as a family has it from its first read.
async fn look(setup: &Setup) -> Option<InService> {
    let look = Look::begin(&setup.services, &setup.authority.id);
    let announced = read_one(setup.store.inner(), &look.key()).await.unwrap();
    look.found(announced.as_ref()).unwrap()
}

fn issuance<'a>(setup: &'a Setup, parts: &'a Parts, in_service: Option<InService>) -> Issuance<'a> {
    Issuance {
        authority: &setup.authority,
        role: &parts.role,
        request: &parts.request,
        origin: &parts.origin,
        id: None,
        keep_signature: true,
        in_service,
        details: BTreeMap::new(),
    }
}

struct Parts {
    role: countersign::role::Role,
    request: countersign::decide::Request,
    origin: countersign::issue::Origin,
}

fn parts() -> Parts {
    Parts {
        role: role(),
        request: request(),
        origin: origin(),
    }
}

async fn issue_with(setup: &Setup, in_service: Option<InService>) -> Result<Issued, Error> {
    issue(&setup.services, issuance(setup, &parts(), in_service)).await
}

async fn record_with(setup: &Setup, in_service: Option<InService>) -> Pending {
    let parts = parts();
    let issuance = issuance(setup, &parts, in_service);
    record(&setup.services, &issuance, |_| Ok(Vec::new()))
        .await
        .unwrap()
}

/// Completes it for a family whose own check refuses everything.
async fn complete_refusing(setup: &Setup, pending: Pending) -> Result<Issued, Error> {
    let refusing = Completion {
        also: &[],
        keys: &[],
        check: &|_| Err(Error::Conflict("the family looked".into())),
    };
    complete(&setup.services, &setup.authority, pending, &refusing).await
}

async fn retire(setup: &Setup) -> Result<Outcome, Error> {
    retire_unused(&setup.services, &setup.authority.id).await
}

async fn state(setup: &Setup) -> AuthorityState {
    let found = Authority::read(setup.store.inner(), &setup.authority.id).await;
    found.unwrap().unwrap().0.state
}

async fn kept_signatures(setup: &Setup) -> usize {
    let all = records(setup).await;
    all.iter().filter(|record| record.signature.is_some()).count()
}

#[tokio::test]
async fn a_look_holds_until_the_grace_is_over_and_for_its_own_authority() {
    let millisecond = Duration::from_millis(1);
    let setup = enrolled().await;
    issue_with(&setup, None).await.expect("the days are noted");
    for (passed, reads) in [(Duration::ZERO, 0), (GRACE - millisecond, 0), (GRACE, 1)] {
        let proof = look(&setup).await;
        setup.clock.advance(passed);
        setup.store.take_counts();
        issue_with(&setup, proof.clone()).await.unwrap();
        assert_eq!(setup.store.take_counts().reads, reads, "{passed:?}");
        let pending = record_with(&setup, proof).await;
        assert_eq!(setup.store.take_counts().reads, 0);
        assert_eq!(complete_refusing(&setup, pending).await.is_ok(), reads == 0);
        assert_eq!(setup.store.take_counts().reads, reads, "{passed:?}");
    }

    let proof = look(&setup).await;
    setup.clock.set(NOW - 1);
    setup.store.take_counts();
    issue_with(&setup, proof).await.unwrap();
    assert_eq!(setup.store.take_counts().reads, 1, "a clock that went back");

    let proof = look(&setup).await;
    setup.clock.advance(2 * GRACE);
    setup.clock.set_back(2 * GRACE - millisecond);
    setup.store.take_counts();
    issue_with(&setup, proof).await.unwrap();
    assert_eq!(
        setup.store.take_counts().reads,
        1,
        "a clock that was set back on the way"
    );

    let other = Look::begin(
        &setup.services,
        &super::authority(&setup.services, countersign::authority::KeySpec::Ed25519)
            .await
            .id,
    );
    let proof = other.found(None).unwrap();
    assert!(proof.is_some());
    setup.store.take_counts();
    issue_with(&setup, proof).await.unwrap();
    assert_eq!(setup.store.take_counts().reads, 1, "another's");
}

#[tokio::test]
async fn a_record_that_changed_since_is_looked_at_again() {
    let setup = enrolled().await;
    let pending = record_with(&setup, look(&setup).await).await;
    let other = record_with(&setup, look(&setup).await).await;
    let stored = pending.stored.replaced(&pending.record).unwrap();
    let write = Write::Put(stored.clone(), Condition::Always);
    setup.store.inner().write(&[write]).await.unwrap();
    let changed = Pending { stored, ..pending };
    let lent = Pending {
        seen: other.seen.clone(),
        ..record_with(&setup, None).await
    };
    for pending in [changed, lent] {
        let error = complete_refusing(&setup, pending).await.unwrap_err();
        assert_eq!(error.to_string(), "the family looked");
    }
    complete_refusing(&setup, other).await.unwrap();
}

#[tokio::test]
async fn nothing_but_a_withdrawn_announcement_is_proof() {
    let setup = enrolled().await;
    assert!(look(&setup).await.is_some(), "nobody ever announced");
    // It cannot look at what stands under the authority, nor take its announcement back.
    let fail = |operation, nth| {
        setup
            .store
            .fail_nth(operation, nth, Fail::Before, Fault::Unavailable)
    };
    fail(Operation::Write.on(Table::Roles), 2);
    retire(&setup).await.unwrap_err();
    assert!(
        look(&setup).await.is_some(),
        "its last write failed, and it took the announcement back"
    );
    fail(Operation::Write.on(Table::Roles), 2);
    fail(Operation::Write.on(Table::Roles), 3);
    retire(&setup).await.unwrap_err();
    assert!(look(&setup).await.is_none(), "announced");
    assert_eq!(retire(&setup).await.unwrap(), Outcome::Retired);
    assert!(look(&setup).await.is_none(), "completed");
}

#[tokio::test]
async fn a_retirement_that_is_refused_at_its_first_look_does_not_wait() {
    let setup = enrolled().await;
    issue_with(&setup, None).await.unwrap();
    assert_eq!(retire(&setup).await.unwrap(), Outcome::Kept);
    assert_eq!(setup.services.clock.now_ms(), NOW * 1000);
}

#[tokio::test]
async fn what_is_recorded_after_an_announcement_that_it_did_not_see_is_found_by_the_retirement() {
    let setup = enrolled().await;
    let proof = look(&setup).await;
    let waiting = setup.clock.pause_next_sleep();
    let signing = setup.keyring.faults().pause_next(SignerOperation::Sign);
    let (outcome, issued, ()) = tokio::join!(
        async {
            let outcome = retire(&setup).await;
            signing.end();
            outcome
        },
        async {
            waiting.begun().await;
            issue_with(&setup, proof).await
        },
        async {
            signing.begun().await;
            waiting.end();
        },
    );
    assert_eq!(outcome.unwrap(), Outcome::Retired);
    let error = issued.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!((signatures(&setup), kept_signatures(&setup).await), (1, 0));
}

#[tokio::test]
async fn what_is_signed_after_an_announcement_that_it_did_not_see_refuses_the_retirement() {
    let setup = enrolled().await;
    let proof = look(&setup).await;
    let waiting = setup.clock.pause_next_sleep();
    let (outcome, issued) = tokio::join!(retire(&setup), async {
        waiting.begun().await;
        let issued = issue_with(&setup, proof).await;
        waiting.end();
        issued
    });
    assert_eq!(outcome.unwrap(), Outcome::Kept);
    issued.unwrap();
    assert_eq!(state(&setup).await, AuthorityState::Active);
    assert_eq!(kept_signatures(&setup).await, 1);
}

#[tokio::test]
async fn an_issuance_that_stands_still_while_its_authority_is_retired_gives_no_certificate() {
    let setup = enrolled().await;
    let proof = look(&setup).await;
    assert_eq!(retire(&setup).await.unwrap(), Outcome::Retired);
    let error = issue_with(&setup, proof.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    let pending = record_with(&setup, proof).await;
    let alone = Completion {
        also: &[],
        keys: &[],
        check: &|_| Ok(()),
    };
    let error = complete(&setup.services, &setup.authority, pending, &alone)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!(kept_signatures(&setup).await, 0);
}
