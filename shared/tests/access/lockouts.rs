//! Logins that failures close for a while.

use super::{NOW, World};
use countersign::{
    Error,
    access::Lockout,
    store::{
        Key, Table,
        faulty::{Fail, Fault, Operation},
        read_one,
    },
};

const LOCKOUT: Lockout = Lockout {
    realm: "mount-1",
    max_failures: 3,
    window_secs: 100,
    lock_secs: 60,
};

impl World {
    async fn fails(&self, who: &str, at: u64) {
        self.clock.set(NOW + at);
        LOCKOUT.count(&self.services, who).await.unwrap();
    }

    async fn is_closed(&self, who: &str, at: u64) -> bool {
        self.clock.set(NOW + at);
        LOCKOUT.is_closed(&self.services, who).await.unwrap()
    }
}

#[tokio::test]
async fn as_many_failures_within_the_window_close_the_login_for_a_while() {
    let world = World::new().await;
    for at in [0, 1] {
        world.fails("bob", at).await;
        assert!(!world.is_closed("bob", at).await, "{at}");
    }
    world.fails("bob", 99).await;
    assert!(world.is_closed("bob", 99).await && !world.is_closed("amy", 99).await);
    assert!(world.is_closed("bob", 99 + 59).await);
    assert!(!world.is_closed("bob", 99 + 60).await);
    // Counting begins anew.
    for (at, closed) in [(160, false), (161, false), (162, true)] {
        world.fails("bob", at).await;
        assert_eq!(world.is_closed("bob", at).await, closed, "{at}");
    }
}

#[tokio::test]
async fn failures_further_apart_do_not_count_together() {
    let world = World::new().await;
    for at in [0, 50, 100] {
        world.fails("bob", at).await;
        assert!(!world.is_closed("bob", at).await, "{at}");
    }
    world.fails("bob", 149).await;
    assert!(world.is_closed("bob", 149).await, "50, 100 and 149");
}

#[tokio::test]
async fn failures_are_remembered_as_long_as_they_count() {
    let world = World::new().await;
    world.fails("bob", 7).await;
    let key = Key::new(Table::Access, "mount-1/lockout/bob", "lockout");
    let record = read_one(&*world.services.store, &key).await.unwrap().unwrap();
    assert_eq!(record.expires_at, Some(NOW + 7 + 100));
}

#[tokio::test]
async fn a_failure_that_another_forestalled_is_counted_again() {
    let world = World::new().await;
    let (write, forestalled) = (Operation::Write, Fault::ConditionFailed(0));
    for at in [0, 1, 2] {
        world.store.fail_next(write, Fail::Before, forestalled);
        world.fails("bob", at).await;
    }
    assert!(world.is_closed("bob", 2).await);
    world.store.fail_all(write, Fail::Before, forestalled);
    let error = LOCKOUT.count(&world.services, "bob").await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
}
