//! Requests at the same time.

use crate::{
    sharing::mount,
    support::{BASE, Turns, World},
};
use countersign::{
    authority::{Authority, AuthorityId, AuthorityState},
    signer::faulty::Operation,
};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn two_updates_at_the_same_time_both_take_effect() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let made = world.user_certificate(&authority, json!({})).await.expect(201);
    let ca = format!("/ssh_certificate_authorities/{authority}");
    for path in [made.path(), &*ca] {
        for round in 0..10 {
            let (a, b) = (format!("a{round}"), format!("b{round}"));
            let (first, second) = tokio::join!(
                world.patch(path, json!({ "description": a })),
                world.patch(path, json!({ "metadata": b })),
            );
            first.expect(200);
            second.expect(200);
            let now = world.get(path).await;
            assert_eq!((now.text("description"), now.text("metadata")), (&*a, &*b));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_by_many_threads_lose_nothing() {
    let world = Arc::new(World::new().await);
    let authority = world.authority("ed25519").await;
    let path = world
        .user_certificate(&authority, json!({}))
        .await
        .expect(201)
        .path()
        .to_owned();
    let update = |field: &'static str, count: usize| {
        let (world, path) = (world.clone(), path.clone());
        tokio::spawn(async move {
            for index in 0..count {
                let change = json!({ field: format!("{index}") });
                world.patch(&path, change).await.expect(200);
            }
        })
    };
    let (one, two) = (update("description", 30), update("metadata", 30));
    one.await.unwrap();
    two.await.unwrap();
    let now = world.get(&path).await;
    assert_eq!((now.text("description"), now.text("metadata")), ("29", "29"));
}

#[tokio::test]
async fn an_authority_deleted_during_the_signing_gives_no_certificate() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let path = format!("/ssh_certificate_authorities/{authority}");
    let pause = world.keyring.faults().pause_next(Operation::Sign);
    let deletion = async {
        pause.begun().await;
        // By now the creation has looked, too, and has seen nothing.
        tokio::task::yield_now().await;
        let answer = world.delete(&path).await;
        pause.end();
        answer
    };
    let (made, deleted) = tokio::join!(world.user_certificate(&authority, json!({})), deletion);
    deleted.expect(204);
    made.expect_error(400, 1951);
    assert!(
        world
            .get("/ssh_user_certificates")
            .await
            .ids("ssh_user_certificates")
            .is_empty()
    );
}

/// Both find out who calls, and read the authority.
const FIRST: &str = "cdd";
/// Then the steps of a creation: record, keep, and where it was slow, look between the two; and of a deletion: look at
/// holds, uses and what was handed out, read the announcement, announce, wait, look, read what was found, stop it,
/// complete. With the wait the clock moves on, so that creations on both sides of it are slow, or not.
const STEPS: (usize, usize) = (3, 10);

/// Every order of so many steps of a creation and of a deletion.
fn orders(creation: usize, deletion: usize) -> Vec<String> {
    if creation == 0 || deletion == 0 {
        return vec!["c".repeat(creation) + &"d".repeat(deletion)];
    }
    let creation_first = orders(creation - 1, deletion)
        .into_iter()
        .map(|rest| format!("c{rest}"));
    let deletion_first = orders(creation, deletion - 1)
        .into_iter()
        .map(|rest| format!("d{rest}"));
    creation_first.chain(deletion_first).collect()
}

#[tokio::test]
async fn an_authority_is_never_deleted_under_a_certificate() {
    let mut turns = None;
    let world = World::with(|services| turns = Some(Turns::among(services))).await;
    let turns = turns.unwrap();
    let warm = world.authority("ed25519").await;
    world.user_certificate(&warm, json!({})).await.expect(201);
    let (mut kept, mut deleted) = (1, 0);
    for order in orders(STEPS.0, STEPS.1) {
        let authority = world.authority("ed25519").await;
        let path = format!("/ssh_certificate_authorities/{authority}");
        turns.begin(&format!("{FIRST}{order}"));
        let (creation, deletion) = tokio::join!(
            turns.run('c', world.user_certificate(&authority, json!({}))),
            turns.run('d', world.delete(&path)),
        );
        match (creation.status, deletion.status) {
            (201, 400) => {
                deletion.expect_error(400, 1964);
                kept += 1;
            }
            (400, 204) => {
                creation.expect_error(400, 1951);
                deleted += 1;
            }
            other => panic!("{order}: {other:?}"),
        }
    }
    assert!(kept > 20 && deleted > 20, "{kept}, {deleted}");
    assert_eq!(listed(&world, "ssh_user_certificates").await, kept);
    assert_eq!(listed(&world, "ssh_certificate_authorities").await, kept);
}

#[tokio::test]
async fn a_deletion_that_comes_late_does_not_take_back_that_the_authority_is_deleted() {
    let mut turns = None;
    let world = World::with(|services| turns = Some(Turns::among(services))).await;
    let turns = turns.unwrap();
    let warm = world.authority("ed25519").await;
    world.user_certificate(&warm, json!({})).await.expect(201);
    let authority = world.authority("ed25519").await;
    let path = format!("/ssh_certificate_authorities/{authority}");
    // All read the authority; one deletes it, the other tries to; only then is the certificate recorded.
    turns.begin(&format!("cddee{}{}ccc", "d".repeat(9), "e".repeat(12)));
    let (made, (first, second)) = tokio::join!(
        turns.run('c', world.user_certificate(&authority, json!({}))),
        async {
            tokio::join!(
                turns.run('d', world.delete(&path)),
                turns.run('e', world.delete(&path)),
            )
        }
    );
    first.expect(204);
    second.expect_not_found();
    made.expect_error(400, 1951);
}

#[tokio::test]
async fn an_authority_is_never_deleted_under_a_mount() {
    let mut turns = None;
    let world = World::with(|services| turns = Some(Turns::among(services))).await;
    let turns = turns.unwrap();
    let (mut used, mut deleted) = (0, 0);
    // A mount reads the authority, and binds it; a deletion finds out who calls, reads the authority, and goes on as
    // above, but finds nothing to be stopped.
    for order in orders(2, 10) {
        let authority = world.authority("ed25519").await;
        let path = format!("/ssh_certificate_authorities/{authority}");
        turns.begin(&order);
        let (bound, deletion) = tokio::join!(
            turns.run('c', bind(&world, &authority)),
            turns.run('d', world.delete(&path)),
        );
        match (bound, deletion.status) {
            (true, 409) => used += 1,
            (false, 204) => deleted += 1,
            other => panic!("{order}: {other:?}"),
        }
    }
    assert!(used > 10 && deleted > 3, "{used}, {deleted}");
}

/// Whether a mount of another family could take the authority into use.
async fn bind(world: &World, id: &AuthorityId) -> bool {
    let store = &*world.services.store;
    let (authority, stored) = Authority::read(store, id).await.unwrap().unwrap();
    if authority.state == AuthorityState::Retired {
        return false;
    }
    let writes = mount().of_existing(&authority, &stored).unwrap();
    store.write(&writes).await.is_ok()
}

/// How many a list holds, on all its pages.
async fn listed(world: &World, list: &str) -> usize {
    let (mut count, mut path) = (0, format!("/{list}"));
    loop {
        let page = world.get(&path).await.expect(200);
        count += page.ids(list).len();
        match page.body["next_page_uri"].as_str() {
            Some(next) => path = next.strip_prefix(BASE).unwrap().to_owned(),
            None => return count,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deletions_at_the_same_time_delete_once() {
    for _ in 0..20 {
        let world = Arc::new(World::new().await);
        let authority = world.authority("ed25519").await;
        let path = format!("/ssh_certificate_authorities/{authority}");
        let deletions: Vec<_> = (0..2)
            .map(|_| {
                let (world, path) = (world.clone(), path.clone());
                tokio::spawn(async move { world.delete(&path).await.status })
            })
            .collect();
        let mut statuses = Vec::new();
        for deletion in deletions {
            statuses.push(deletion.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404]);
    }
}
