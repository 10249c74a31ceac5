//! Requests at the same time.

use crate::support::{Answer, World};
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
    let pause = world.keyring.inner().pause_next();
    let deletion = async {
        pause.begun.notified().await;
        // By now the creation has looked, too, and has seen nothing.
        tokio::task::yield_now().await;
        let answer = world.delete(&path).await;
        pause.go_on.notify_one();
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

/// Either the certificate exists and the authority with it, or neither.
async fn assert_consistent(world: &World, authority: &str, made: Vec<Answer>, deleted: Answer) {
    let ca = format!("/ssh_certificate_authorities/{authority}");
    let created = made.iter().filter(|answer| answer.status == 201).count();
    if deleted.status == 204 {
        assert_eq!(created, 0, "a certificate under a deleted authority");
        world.get(&ca).await.expect_not_found();
    } else {
        deleted.expect_error(400, 1964);
        world.get(&ca).await.expect(200);
        assert_ne!(created, 0, "a refusal without a certificate");
    }
    for answer in made.into_iter().filter(|answer| answer.status != 201) {
        answer.expect_error(400, 1951);
    }
    let listed = world
        .get("/ssh_user_certificates")
        .await
        .ids("ssh_user_certificates")
        .len();
    assert_eq!(listed, created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_is_never_deleted_under_a_certificate() {
    for round in 0..60 {
        let world = Arc::new(World::new().await);
        let authority = world.authority("ed25519").await;
        let creations: Vec<_> = (0..2)
            .map(|_| {
                let (world, authority) = (world.clone(), authority.clone());
                tokio::spawn(async move { world.user_certificate(&authority, json!({})).await })
            })
            .collect();
        for _ in 0..round % 10 {
            tokio::task::yield_now().await;
        }
        let deleted = world
            .delete(&format!("/ssh_certificate_authorities/{authority}"))
            .await;
        let mut made = Vec::new();
        for creation in creations {
            made.push(creation.await.unwrap());
        }
        assert_consistent(&world, authority.as_str(), made, deleted).await;
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
