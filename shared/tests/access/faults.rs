//! Every write failed both ways: nothing happened, or it did and nobody was told.

use super::{HOUR, World, with};
use countersign::{
    Error,
    access::{self, Created, Identity, Login, NewSecret, NewToken, TokenType, TtlLimits},
    store::faulty::{Fail, Fault, Operation},
};

const BOTH_WAYS: [Fail; 2] = [Fail::After, Fail::Before];

/// root, child, two grandchildren, one great-grandchild; and a bystander.
async fn family(world: &World) -> Vec<Created> {
    let root = world.root().await;
    let child = world
        .child(
            &root.secret,
            NewToken {
                ttl: HOUR,
                ..with(&["default"])
            },
        )
        .await;
    let first = world.child(&child.secret, with(&[])).await;
    let second = world.child(&child.secret, with(&[])).await;
    let last = world.child(&first.secret, with(&[])).await;
    let bystander = world.child(&root.secret, with(&["default"])).await;
    vec![root, child, first, second, last, bystander]
}

async fn good(world: &World, family: &[Created]) -> Vec<bool> {
    let mut good = Vec::new();
    for created in family {
        good.push(world.is_good(&created.secret).await);
    }
    good
}

#[tokio::test]
async fn a_failed_creation_leaves_a_whole_token_or_none() {
    for fail in BOTH_WAYS {
        let world = World::new().await;
        let root = world.root().await;
        let caller = world.caller(&root.secret).await;
        world.store.fail_next(Operation::Write, fail, Fault::Unavailable);
        let outcome = access::create_child(&world.services, &caller, false, with(&["default"])).await;
        assert!(matches!(outcome, Err(Error::Unavailable(_))));
        let accessors = world.accessors().await;
        assert_eq!(accessors.len(), if fail == Fail::After { 2 } else { 1 });
        // Whatever there is goes with its parent.
        access::revoke(&world.services, &root.token.hash).await.unwrap();
        assert!(world.accessors().await.is_empty());
        assert_eq!(world.token_records(&[&root]).await, 0);
    }
}

#[tokio::test]
async fn a_revocation_counts_from_its_first_write_on() {
    for fail in BOTH_WAYS {
        for nth in 1.. {
            let world = World::new().await;
            let family = family(&world).await;
            let child = &family[1].token.hash;
            world
                .store
                .fail_nth(Operation::Write, nth, fail, Fault::Unavailable);
            let outcome = access::revoke(&world.services, child).await;
            if world.store.is_healed() {
                assert!(matches!(outcome, Err(Error::Unavailable(_))));
            }
            let done = nth > 1 || fail == Fail::After;
            assert_eq!(
                good(&world, &family).await,
                [true, !done, !done, !done, !done, true],
                "{fail:?} {nth}"
            );
            let healed = world.store.is_healed();
            world.store.heal();
            access::revoke(&world.services, child).await.unwrap();
            assert_eq!(
                good(&world, &family).await,
                [true, false, false, false, false, true]
            );
            let all: Vec<&Created> = family.iter().collect();
            // Two tokens, each with its accessor, and the child's entry at its parent.
            assert_eq!(world.token_records(&all).await, 5, "{fail:?} {nth}");
            if !healed {
                assert!(nth > 4, "the revocation wrote less than thought");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_revocation_is_not_softened_to_one_of_the_token_alone() {
    let world = World::new().await;
    let family = family(&world).await;
    let child = &family[1].token.hash;
    world
        .store
        .fail_nth(Operation::Write, 2, Fail::Before, Fault::Unavailable);
    access::revoke(&world.services, child).await.unwrap_err();
    world.store.heal();
    access::revoke_orphan(&world.services, child).await.unwrap();
    assert_eq!(
        good(&world, &family).await,
        [true, false, false, false, false, true]
    );
}

#[tokio::test]
async fn a_revocation_of_one_alone_can_be_taken_up_again() {
    for fail in BOTH_WAYS {
        for nth in 1.. {
            let world = World::new().await;
            let family = family(&world).await;
            // The process knows all of them, and must not go by what it knows.
            good(&world, &family).await;
            let child = &family[1].token.hash;
            world
                .store
                .fail_nth(Operation::Write, nth, fail, Fault::Unavailable);
            let _ = access::revoke_orphan(&world.services, child).await;
            let started = nth > 1 || fail == Fail::After;
            assert_eq!(
                good(&world, &family).await,
                [true, !started, true, true, true, true],
                "{fail:?} {nth}"
            );
            let healed = world.store.is_healed();
            world.store.heal();
            access::revoke_orphan(&world.services, child).await.unwrap();
            assert_eq!(good(&world, &family).await, [true, false, true, true, true, true]);
            let orphan = access::lookup(&world.services, &family[2].secret)
                .await
                .unwrap()
                .unwrap()
                .token;
            assert!(orphan.is_orphan());
            // The orphans' own children still hang on them.
            access::revoke(&world.services, &orphan.hash).await.unwrap();
            assert_eq!(
                good(&world, &family).await,
                [true, false, false, true, false, true]
            );
            if !healed {
                assert!(nth > 4, "the revocation wrote less than thought");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_failed_renewal_can_be_repeated() {
    for fail in BOTH_WAYS {
        let world = World::new().await;
        let family = family(&world).await;
        let stored = access::lookup(&world.services, &family[1].secret)
            .await
            .unwrap()
            .unwrap();
        world.store.fail_next(Operation::Write, fail, Fault::Throttled);
        let outcome = access::renew(&world.services, stored.clone(), 2 * HOUR, TtlLimits::default()).await;
        assert!(matches!(outcome, Err(Error::Throttled { .. })));
        let (token, _) = access::renew(&world.services, stored, 2 * HOUR, TtlLimits::default())
            .await
            .unwrap();
        assert_eq!(token.ttl(super::NOW), 2 * HOUR);
    }
}

#[tokio::test]
async fn a_use_that_may_have_been_counted_lets_nobody_in() {
    for fail in BOTH_WAYS {
        let world = World::new().await;
        let made = access::grant(
            &world.services,
            NewToken {
                num_uses: 1,
                ..with(&["default"])
            },
        )
        .await
        .unwrap();
        world.store.fail_next(Operation::Write, fail, Fault::Unavailable);
        assert!(matches!(
            world.authenticate(&made.secret).await,
            Err(Error::Unavailable(_))
        ));
        assert_eq!(world.is_good(&made.secret).await, fail == Fail::Before);
    }
}

#[tokio::test]
async fn a_failed_login_counts_at_most_one_use() {
    for fail in BOTH_WAYS {
        let world = World::new().await;
        let identity = Identity::draw(&world.services, "realm", "ci").unwrap();
        access::create_identity(&world.services, &identity).await.unwrap();
        let new = NewSecret {
            num_uses: 2,
            ..NewSecret::default()
        };
        let (secret, _) = access::create_secret(&world.services, &identity.id, new)
            .await
            .unwrap();
        let login = Login {
            realm: "realm",
            client_id: &identity.client_id,
            secret: Some(&secret),
            from: None,
            path: "auth/approle/login",
            display_name: "approle",
            name_in_meta: "role_name",
            entity_id: "",
            limits: TtlLimits::default(),
            default_type: TokenType::Service,
            forced_type: None,
        };
        world.store.fail_next(Operation::Write, fail, Fault::Unavailable);
        assert!(matches!(
            access::login(&world.services, &login).await,
            Err(Error::Unavailable(_))
        ));
        let left = access::list_secrets(&world.services, &identity.id).await.unwrap()[0]
            .secret
            .uses_left;
        assert_eq!(left, Some(if fail == Fail::After { 1 } else { 2 }));
        access::login(&world.services, &login).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_that_fails_lets_nobody_in() {
    let world = World::new().await;
    let family = family(&world).await;
    world.is_good(&family[1].secret).await;
    for nth in 1..=2 {
        let services = world.other_process();
        world
            .store
            .fail_nth(Operation::Read, nth, Fail::Before, Fault::Unavailable);
        let outcome = access::authenticate(&services, &family[1].secret, None, &[]).await;
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{nth}");
    }
}
