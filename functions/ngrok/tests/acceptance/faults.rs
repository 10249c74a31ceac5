//! Stores and signers that fail, before and after the deed.

use crate::support::World;
use countersign::{
    grace::GRACE,
    signer::faulty::{Failure, Fault as SignerFault, Operation as SignerOperation},
    store::{
        Table,
        faulty::{Counts, Fail, Fault, Operation},
    },
};
use serde_json::json;

const CERTIFICATES: Table = Table::Certificates;

#[tokio::test]
async fn a_creation_costs_one_read_and_two_writes_and_one_more_read_where_it_is_slow() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    world.user_certificate(&authority, json!({})).await.expect(201);
    world.store.take_counts();
    let made = world.user_certificate(&authority, json!({})).await.expect(201);
    let expected = Counts {
        queries: 0,
        reads: 1,
        writes: 2,
    };
    assert_eq!(world.store.take_counts(), expected);
    world.clock.advance_each_time(GRACE);
    world.user_certificate(&authority, json!({})).await.expect(201);
    let expected = Counts {
        reads: 2, // one beside the signing
        ..expected
    };
    assert_eq!(world.store.take_counts(), expected);
    world.get(made.path()).await.expect(200);
    let expected = Counts {
        reads: 1,
        ..Counts::default()
    };
    assert_eq!(world.store.take_counts(), expected);
}

#[tokio::test]
async fn a_signer_that_fails_leaves_no_certificate_and_no_claim_on_its_authority() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for (fault, status) in [
        (Failure::Before(SignerFault::Unavailable), 503),
        (Failure::After(SignerFault::Unavailable), 503),
        (Failure::BitFlip, 500),
        (Failure::Garbage, 500),
        (Failure::OtherKey, 500),
        (Failure::Before(SignerFault::KeyUnusable), 500),
        (Failure::Before(SignerFault::Throttled), 429),
    ] {
        world.keyring.faults().fail_next(SignerOperation::Sign, fault);
        let answer = world.user_certificate(&authority, json!({})).await.expect(status);
        assert!(!answer.body.to_string().contains("cert-v01"), "{fault:?}");
    }
    assert!(
        world
            .get("/ssh_user_certificates")
            .await
            .ids("ssh_user_certificates")
            .is_empty()
    );
    let outcomes: Vec<_> = world
        .audit
        .decisions()
        .iter()
        .filter(|decision| decision.action == "issue")
        .map(|decision| decision.outcome)
        .collect();
    let expected = [
        "unavailable",
        "unavailable",
        "internal",
        "internal",
        "internal",
        "internal",
        "throttled",
    ];
    assert_eq!(outcomes, expected);
    world
        .delete(&format!("/ssh_certificate_authorities/{authority}"))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_store_that_fails_during_a_creation() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    world.user_certificate(&authority, json!({})).await.expect(201);
    for write in [1, 2] {
        for fail in [Fail::Before, Fail::After] {
            let listed = world
                .get("/ssh_user_certificates")
                .await
                .ids("ssh_user_certificates")
                .len();
            world
                .store
                .fail_nth(Operation::Write.on(CERTIFICATES), write, fail, Fault::Unavailable);
            let answer = world.user_certificate(&authority, json!({})).await.expect(503);
            assert_eq!(answer.headers["retry-after"], "1");
            assert!(world.store.is_healed());
            // A signature that was stored although the answer was lost can be found and deleted.
            let found = usize::from((write, fail) == (2, Fail::After));
            let list = world.get("/ssh_user_certificates").await;
            assert_eq!(list.ids("ssh_user_certificates").len(), listed + found);
        }
    }
    for fault in [Fault::Throttled, Fault::Unusable] {
        let status = if matches!(fault, Fault::Throttled) {
            429
        } else {
            500
        };
        world
            .store
            .fail_next(Operation::Write.on(CERTIFICATES), Fail::Before, fault);
        world.user_certificate(&authority, json!({})).await.expect(status);
    }
    for id in world
        .get("/ssh_user_certificates")
        .await
        .ids("ssh_user_certificates")
    {
        world
            .delete(&format!("/ssh_user_certificates/{id}"))
            .await
            .expect(204);
    }
    world
        .delete(&format!("/ssh_certificate_authorities/{authority}"))
        .await
        .expect(204);
}

#[tokio::test]
async fn nobody_gets_in_while_the_store_is_down() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    world
        .store
        .fail_all(Operation::Read, Fail::Before, Fault::Unavailable);
    world.get("/ssh_user_certificates").await.expect(503);
    world.user_certificate(&authority, json!({})).await.expect(503);
    world.store.heal();
    // The look for a retirement, beside the signing of a creation that is slow, must not be passed over.
    world.clock.advance_each_time(GRACE);
    world.store.fail_nth(
        Operation::Read.on(Table::Roles),
        2,
        Fail::Before,
        Fault::Unavailable,
    );
    world.user_certificate(&authority, json!({})).await.expect(503);
    assert!(world.store.is_healed());
    assert!(
        world
            .get("/ssh_user_certificates")
            .await
            .ids("ssh_user_certificates")
            .is_empty()
    );
}

#[tokio::test]
async fn changes_that_fail_can_be_repeated() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let made = world.user_certificate(&authority, json!({})).await.expect(201);
    let ca = format!("/ssh_certificate_authorities/{authority}");
    for path in [made.path(), &*ca] {
        for (index, fail) in [Fail::Before, Fail::After].into_iter().enumerate() {
            let change = json!({ "description": format!("{index}") });
            world.store.fail_next(Operation::Write, fail, Fault::Unavailable);
            world.patch(path, change.clone()).await.expect(503);
            let changed = world.patch(path, change.clone()).await.expect(200);
            assert_eq!(changed.body["description"], change["description"]);
        }
    }
    world
        .store
        .fail_next(Operation::Write, Fail::Before, Fault::Unavailable);
    world.delete(made.path()).await.expect(503);
    world.get(made.path()).await.expect(200);
    world
        .store
        .fail_next(Operation::Write, Fail::After, Fault::Unavailable);
    world.delete(made.path()).await.expect(503);
    world.delete(made.path()).await.expect_not_found();
    world.delete(&ca).await.expect(204);
}

#[tokio::test]
async fn a_deletion_of_an_authority_that_fails_can_be_repeated() {
    // Each of its reads and writes fails once, both ways, and some of its queries, two for each shard.
    for (operation, step) in [(Operation::Read, 1), (Operation::Write, 1), (Operation::Query, 8)] {
        for fail in [Fail::Before, Fail::After] {
            for nth in (1..).step_by(step) {
                let world = World::new().await;
                let authority = world.authority("ed25519").await;
                let lost = Failure::Before(SignerFault::Unavailable);
                world.keyring.faults().fail_next(SignerOperation::Sign, lost);
                world.user_certificate(&authority, json!({})).await.expect(503);
                let path = format!("/ssh_certificate_authorities/{authority}");
                world.store.fail_nth(operation, nth, fail, Fault::Unavailable);
                let first = world.delete(&path).await;
                if !world.store.is_healed() {
                    first.expect(204);
                    assert!(nth > 1);
                    break;
                }
                first.expect(503);
                let again = world.delete(&path).await;
                assert!([204, 404].contains(&again.status), "{}", again.body);
                world.get(&path).await.expect_not_found();
                assert!(world.retired_keys() > 0);
            }
        }
    }
}

#[tokio::test]
async fn a_failed_deletion_does_not_end_the_use_of_an_authority() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let path = format!("/ssh_certificate_authorities/{authority}");
    // It announces itself, and can then neither look further nor take its announcement back.
    world
        .store
        .fail_nth(Operation::Query, 19, Fail::Before, Fault::Unavailable);
    world
        .store
        .fail_nth(Operation::Write, 2, Fail::Before, Fault::Unavailable);
    world.delete(&path).await.expect(503);
    assert!(world.store.is_healed());
    world.get(&path).await.expect(200);
    world
        .user_certificate(&authority, json!({}))
        .await
        .expect_error(400, 1951);
    world.clock.set(crate::support::NOW + 61);
    world.user_certificate(&authority, json!({})).await.expect(201);
    world.delete(&path).await.expect_error(400, 1964);
}

#[tokio::test]
async fn a_key_that_could_not_be_retired_is_retired_by_the_next_attempt() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let path = format!("/ssh_certificate_authorities/{authority}");
    let down = Failure::Before(SignerFault::Unavailable);
    world.keyring.faults().fail_always(SignerOperation::Retire, down);
    world.delete(&path).await.expect(503);
    world.get(&path).await.expect_not_found();
    world.delete(&path).await.expect(503);
    world.keyring.faults().clear();
    world.delete(&path).await.expect_not_found();
    assert_eq!(world.retired_keys(), 3);
}

#[tokio::test]
async fn an_authority_whose_key_or_record_cannot_be_made_is_not_there() {
    let world = World::new().await;
    let down = Failure::Before(SignerFault::Unavailable);
    world.keyring.faults().fail_next(SignerOperation::Create, down);
    world
        .post("/ssh_certificate_authorities", json!({}))
        .await
        .expect(503);
    world.store.fail_next(
        Operation::Write.on(Table::Roles),
        Fail::Before,
        Fault::Unavailable,
    );
    world
        .post("/ssh_certificate_authorities", json!({}))
        .await
        .expect(503);
    let list = world.get("/ssh_certificate_authorities").await;
    assert!(list.ids("ssh_certificate_authorities").is_empty());
}
