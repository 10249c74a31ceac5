use super::{HOUR, NOW, World, reason, with};
use countersign::{
    Error,
    access::{self, Caller, DEFAULT_TTL_SECS, NewToken, TokenType, TtlLimits},
    acl::Capability,
    store::{
        Key, Table,
        faulty::{Counts, Fail, Fault, Operation},
    },
    types::SecretToken,
};
use std::net::IpAddr;

#[tokio::test]
async fn root_may_do_everything_for_ever() {
    let world = World::new().await;
    let root = world.root().await;
    assert!(root.secret.reveal().starts_with("csn_"));
    world.clock.set(NOW + 1_000_000 * HOUR);
    let caller = world.caller(&root.secret).await;
    assert!(caller.is_root() && caller.allows("sys/anything", Capability::Sudo));
    assert_eq!(
        (caller.display_name(), caller.policies()),
        ("root", &["root".to_owned()][..])
    );
    let token = caller.token();
    assert!(token.is_orphan() && token.expires_at.is_none() && !token.renewable);
    assert_eq!((token.path.as_str(), token.created_at), ("auth/token/root", NOW));
    assert_eq!(
        reason(access::renew(&world.services, caller.stored().clone(), 0, TtlLimits::default()).await),
        "invalid lease ID"
    );
}

#[tokio::test]
async fn a_caller_shows_what_its_token_holds_and_may_do() {
    let world = World::new().await;
    let text = r#"path "a" { capabilities = ["read"] }"#;
    access::put_policy(&world.services, "reader", text).await.unwrap();
    let root = world.root().await;
    let new = NewToken {
        display_name: "alice".into(),
        ..with(&["reader"])
    };
    let made = world.child(&root.secret, new).await;
    let caller = world.caller(&made.secret).await;
    assert_eq!(caller.token(), &made.token);
    assert_eq!(
        (caller.accessor(), caller.display_name(), caller.entity_id()),
        (made.token.accessor.as_str(), "alice", "")
    );
    assert_eq!(caller.policies(), ["default", "reader"]);
    assert!(!caller.is_root() && caller.entity().is_none());
    for (path, allowed) in [("a", true), ("b", false)] {
        assert_eq!(caller.acl().allows(path, Capability::Read), allowed, "{path}");
        assert_eq!(caller.require(path, Capability::Read).is_ok(), allowed, "{path}");
    }
    let refused = caller.require("a", Capability::Update).unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied));
    assert!(world.caller(&root.secret).await.acl().is_root());
}

#[tokio::test]
async fn a_given_root_token_is_taken_again_and_again() {
    let world = World::new().await;
    let text = SecretToken::new("dev-root");
    let first = access::create_root(&world.services, Some(text.clone()))
        .await
        .unwrap();
    let again = access::create_root(&world.services, Some(text.clone()))
        .await
        .unwrap();
    assert_eq!(first.token.accessor, again.token.accessor);
    access::revoke(&world.services, &text.hash()).await.unwrap();
    assert!(!world.is_good(&text).await);
    access::create_root(&world.services, Some(text.clone()))
        .await
        .unwrap();
    assert!(world.is_good(&text).await);

    let taken = NewToken {
        id: Some(SecretToken::new("mine")),
        ..with(&["default"])
    };
    world.child(&text, taken).await;
    let outcome = access::create_root(&world.services, Some(SecretToken::new("mine"))).await;
    assert_eq!(reason(outcome), "cannot create a token with a duplicate ID");
    for bad in ["", "with blank", "ü"] {
        assert!(
            access::create_root(&world.services, Some(SecretToken::new(bad)))
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn the_first_root_token_is_made_once() {
    let world = World::new().await;
    let first = access::create_first_root(&world.services, None)
        .await
        .unwrap()
        .unwrap();
    assert!(world.is_good(&first.secret).await);
    assert!(
        access::create_first_root(&world.services, None)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn what_nobody_has_made_authenticates_nobody() {
    let world = World::new().await;
    let root = world.root().await;
    for text in ["", "x", "csn_", &root.token.accessor, &root.token.hash] {
        assert!(!world.is_good(&SecretToken::new(text)).await, "{text}");
    }
}

#[tokio::test]
async fn a_child_gets_what_its_parent_may_give() {
    let world = World::new().await;
    let root = world.root().await;
    access::put_policy(
        &world.services,
        "Maker",
        r#"path "auth/token/create" { capabilities = ["update", "sudo"] }"#,
    )
    .await
    .unwrap();
    let policies = |created: &access::Created| created.token.policies.join(",");

    // Root gives anything; `default` comes along.
    assert_eq!(policies(&world.child(&root.secret, with(&[])).await), "root");
    let plain = world.child(&root.secret, with(&["b", " A "])).await;
    assert_eq!(policies(&plain), "a,b,default");
    let bare = NewToken {
        no_default_policy: true,
        ..with(&["a", "default"])
    };
    assert_eq!(policies(&world.child(&root.secret, bare).await), "a");

    // Without sudo only what the parent has.
    assert_eq!(
        policies(&world.child(&plain.secret, with(&[])).await),
        "a,b,default"
    );
    assert_eq!(
        policies(&world.child(&plain.secret, with(&["b"])).await),
        "b,default"
    );
    let bare = NewToken {
        no_default_policy: true,
        ..with(&["a", "b"])
    };
    let bare = world.child(&root.secret, bare).await;
    assert_eq!(
        policies(&world.child(&bare.secret, with(&["b"])).await),
        "b",
        "not even default, where the parent lacks it"
    );
    let caller = world.caller(&plain.secret).await;
    let refused =
        async |new: NewToken| reason(access::create_child(&world.services, &caller, false, new).await);
    assert_eq!(
        refused(with(&["c"])).await,
        "child policies must be subset of parent"
    );
    assert_eq!(
        refused(with(&["root"])).await,
        "child policies must be subset of parent"
    );
    let id = NewToken {
        id: Some(SecretToken::new("chosen")),
        ..with(&[])
    };
    assert_eq!(
        refused(id).await,
        "root or sudo privileges required to specify token id"
    );
    let orphan = NewToken {
        no_parent: true,
        ..with(&[])
    };
    assert_eq!(
        refused(orphan).await,
        "root or sudo privileges required to create orphan token"
    );
    let periodic = NewToken {
        period: 60,
        ..with(&[])
    };
    assert_eq!(
        refused(periodic).await,
        "root or sudo privileges required to create periodic token"
    );

    // Sudo gives any policy but root.
    let sudo = world.child(&root.secret, with(&["maker"])).await;
    assert_eq!(
        policies(&world.child(&sudo.secret, with(&["c"])).await),
        "c,default"
    );
    let caller = world.caller(&sudo.secret).await;
    let outcome = access::create_child(&world.services, &caller, false, with(&["root"])).await;
    assert_eq!(
        reason(outcome),
        "root tokens may not be created without parent token being root"
    );
}

#[tokio::test]
async fn batch_tokens_are_bare() {
    let world = World::new().await;
    let root = world.root().await;
    let batch = |new: NewToken| NewToken {
        token_type: TokenType::Batch,
        ..new
    };
    let made = world.child(&root.secret, batch(with(&["default"]))).await;
    assert!(made.secret.reveal().starts_with("csb_"));
    assert!(made.token.accessor.is_empty() && !made.token.renewable);
    let names = [&made, &root].map(|created| created.token.token_type.as_str());
    assert_eq!(names, ["batch", "service"]);
    let caller = world.caller(&made.secret).await;
    let outcome = access::create_child(&world.services, &caller, false, with(&[])).await;
    assert_eq!(reason(outcome), "batch tokens cannot create more tokens");
    let outcome = access::renew(&world.services, caller.stored().clone(), 0, TtlLimits::default()).await;
    assert_eq!(reason(outcome), "batch tokens cannot be renewed");

    let caller = world.caller(&root.secret).await;
    let refused =
        async |new: NewToken| reason(access::create_child(&world.services, &caller, false, batch(new)).await);
    assert_eq!(
        refused(with(&["root"])).await,
        "batch tokens cannot be root tokens"
    );
    assert_eq!(
        refused(NewToken {
            num_uses: 1,
            ..with(&["a"])
        })
        .await,
        "batch tokens cannot have \"num_uses\" set"
    );
    assert_eq!(
        refused(NewToken {
            period: 1,
            ..with(&["a"])
        })
        .await,
        "batch tokens cannot have \"period\" set"
    );
    assert_eq!(
        refused(NewToken {
            explicit_max_ttl: 1,
            ..with(&["a"])
        })
        .await,
        "batch tokens cannot have \"explicit_max_ttl\" set"
    );

    access::revoke(&world.services, &root.token.hash).await.unwrap();
    assert!(!world.is_good(&made.secret).await, "it ends with its parent");
}

#[tokio::test]
async fn a_token_ends_on_time_and_takes_its_children_along() {
    let world = World::new().await;
    let root = world.root().await;
    let short = world
        .child(
            &root.secret,
            NewToken {
                ttl: HOUR,
                ..with(&["default"])
            },
        )
        .await;
    let long = world
        .child(
            &short.secret,
            NewToken {
                ttl: 5 * HOUR,
                ..with(&[])
            },
        )
        .await;
    let orphan = access::create_child(
        &world.services,
        &world.caller(&short.secret).await,
        true,
        with(&[]),
    )
    .await
    .unwrap();
    assert_eq!(orphan.token.creation_ttl, DEFAULT_TTL_SECS);

    world.clock.set(NOW + HOUR - 1);
    assert!(world.is_good(&short.secret).await && world.is_good(&long.secret).await);
    world.clock.set(NOW + HOUR);
    assert!(!world.is_good(&short.secret).await && !world.is_good(&long.secret).await);
    assert!(world.is_good(&orphan.secret).await);
    assert!(
        access::lookup(&world.services, &long.secret)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        access::lookup_accessor(&world.services, &long.token.accessor)
            .await
            .unwrap()
            .is_none()
    );
    let mut alive = world.accessors().await;
    let mut expected = vec![root.token.accessor, orphan.token.accessor];
    alive.sort();
    expected.sort();
    assert_eq!(alive, expected);
}

#[tokio::test]
async fn a_token_is_as_large_as_it_may_be_and_no_larger() {
    let world = World::new().await;
    let root = world.root().await;
    let caller = world.caller(&root.secret).await;
    for (policies, id_bytes, is_made) in [(64, 1024, true), (65, 8, false), (1, 1025, false)] {
        let new = NewToken {
            policies: (0..policies).map(|number| format!("p{number}")).collect(),
            no_default_policy: true,
            id: Some(SecretToken::new("x".repeat(id_bytes))),
            ..NewToken::default()
        };
        let outcome = access::create_child(&world.services, &caller, false, new).await;
        assert_eq!(outcome.is_ok(), is_made, "{policies} {id_bytes}");
    }
}

#[tokio::test]
async fn an_operator_may_do_everything_and_what_it_makes_has_no_parent() {
    let world = World::new().await;
    let operator = Caller::operator(&world.services, "alice").unwrap();
    assert!(operator.is_root());
    let token = operator.token();
    assert_eq!(
        (token.display_name.as_str(), token.path.as_str()),
        ("alice", "operator")
    );
    assert_eq!(
        (&token.policies[..], token.created_at),
        (&["root".to_owned()][..], NOW)
    );
    let made = access::create_child(&world.services, &operator, false, with(&["a"]))
        .await
        .unwrap();
    assert!(made.token.is_orphan() && world.is_good(&made.secret).await);
    let hash = access::hash_of_accessor(&world.services, &made.token.accessor);
    assert_eq!(hash.await.unwrap(), Some(made.token.hash));
    let unknown = access::hash_of_accessor(&world.services, "0123");
    assert_eq!(unknown.await.unwrap(), None);
}

#[tokio::test]
async fn root_tokens_may_end() {
    let world = World::new().await;
    let root = world.root().await;
    let ending = world
        .child(
            &root.secret,
            NewToken {
                ttl: HOUR,
                ..with(&["root"])
            },
        )
        .await;
    assert!(ending.token.renewable && ending.token.expires_at == Some(NOW + HOUR));
    let endless = world.child(&root.secret, with(&["root"])).await;
    assert!(!endless.token.renewable && endless.token.expires_at.is_none());
    let caller = world.caller(&ending.secret).await;
    let outcome = access::create_child(&world.services, &caller, false, with(&["root"])).await;
    assert_eq!(
        reason(outcome),
        "expiring root tokens cannot create non-expiring root tokens"
    );
    let capped = world
        .child(
            &root.secret,
            NewToken {
                explicit_max_ttl: 60,
                ..with(&["root"])
            },
        )
        .await;
    assert_eq!(capped.token.expires_at, Some(NOW + 60));
}

#[tokio::test]
async fn renewals_stop_at_the_maximum() {
    let world = World::new().await;
    let root = world.root().await;
    let new = NewToken {
        ttl: HOUR,
        explicit_max_ttl: 3 * HOUR,
        ..with(&["default"])
    };
    let made = world.child(&root.secret, new).await;
    let renew = async |increment| {
        let stored = access::lookup(&world.services, &made.secret)
            .await
            .unwrap()
            .unwrap();
        access::renew(&world.services, stored, increment, TtlLimits::default()).await
    };
    world.clock.set(NOW + HOUR / 2);
    let (token, warnings) = renew(0).await.unwrap();
    assert_eq!(
        (token.expires_at, token.renewed_at),
        (Some(NOW + HOUR * 3 / 2), Some(NOW + HOUR / 2))
    );
    assert!(warnings.is_empty());
    let (token, warnings) = renew(10 * HOUR).await.unwrap();
    assert_eq!(token.expires_at, Some(NOW + 3 * HOUR));
    assert_eq!(warnings.len(), 1);
    // What leads to the token lives as long.
    let accessor = Key::new(
        Table::Access,
        format!("accessor/{}", &token.accessor[..1]),
        format!("accessor/{}", token.accessor),
    );
    let pointer = countersign::store::read_one(&*world.services.store, &accessor)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pointer.expires_at, token.expires_at);
    world.clock.set(NOW + 3 * HOUR);
    assert!(!world.is_good(&made.secret).await);

    let fixed = world
        .child(
            &root.secret,
            NewToken {
                renewable: false,
                ..with(&["default"])
            },
        )
        .await;
    let stored = access::lookup(&world.services, &fixed.secret)
        .await
        .unwrap()
        .unwrap();
    let outcome = access::renew(&world.services, stored, 0, TtlLimits::default()).await;
    assert_eq!(reason(outcome), "lease is not renewable");
}

#[tokio::test]
async fn a_period_renews_for_ever() {
    let world = World::new().await;
    let root = world.root().await;
    let made = world
        .child(
            &root.secret,
            NewToken {
                period: HOUR,
                ..with(&["default"])
            },
        )
        .await;
    let mut now = NOW;
    for _ in 0..20 {
        // Each time almost at the end, and soon far beyond what a token without a period could live.
        now += HOUR - 1;
        world.clock.set(now);
        let stored = access::lookup(&world.services, &made.secret)
            .await
            .unwrap()
            .unwrap();
        let (token, _) = access::renew(&world.services, stored, 5, TtlLimits::tuned(HOUR, 2 * HOUR))
            .await
            .unwrap();
        assert_eq!(token.expires_at, Some(now + HOUR));
    }
}

#[tokio::test]
async fn limited_uses_are_counted_one_by_one() {
    let world = World::new().await;
    let root = world.root().await;
    let made = world
        .child(
            &root.secret,
            NewToken {
                num_uses: 3,
                ..with(&["default"])
            },
        )
        .await;
    assert_eq!(world.caller(&made.secret).await.token().uses_left, Some(2));
    let caller = world.caller(&made.secret).await;
    let outcome = access::create_child(&world.services, &caller, false, with(&[])).await;
    assert_eq!(
        reason(outcome),
        "restricted use token cannot generate child tokens"
    );
    assert_eq!(world.caller(&made.secret).await.token().uses_left, Some(0));
    assert!(!world.is_good(&made.secret).await);
    assert_eq!(
        world.token_records(&[&made]).await,
        1,
        "only root's accessor is left"
    );
}

#[tokio::test]
async fn a_use_that_another_request_forestalled_is_counted_again() {
    let world = World::new().await;
    let root = world.root().await;
    let new = NewToken {
        num_uses: 4,
        ..with(&["default"])
    };
    let made = world.child(&root.secret, new).await;
    let forestalled = Fault::ConditionFailed(0);
    world.store.fail_next(Operation::Write, Fail::Before, forestalled);
    assert_eq!(world.caller(&made.secret).await.token().uses_left, Some(3));
    // The other request took one as well.
    world.store.fail_next(Operation::Write, Fail::After, forestalled);
    assert_eq!(world.caller(&made.secret).await.token().uses_left, Some(1));
    // And now it took the last one.
    world.store.fail_next(Operation::Write, Fail::After, forestalled);
    assert!(!world.is_good(&made.secret).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_the_same_time_share_no_use() {
    let world = World::new().await;
    let root = world.root().await;
    let made = world
        .child(
            &root.secret,
            NewToken {
                num_uses: 5,
                ..with(&["default"])
            },
        )
        .await;
    let mut tasks = Vec::new();
    for _ in 0..12 {
        let (services, secret) = (world.other_process(), made.secret.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                match access::authenticate(&services, &secret, None, &[]).await {
                    Err(Error::Conflict(_)) => {}
                    outcome => return outcome.is_ok(),
                }
            }
        }));
    }
    let mut good = 0;
    for task in tasks {
        good += usize::from(task.await.unwrap());
    }
    assert_eq!(good, 5);
}

#[tokio::test]
async fn a_token_may_be_bound_to_networks() {
    let world = World::new().await;
    let bound = NewToken {
        bound_cidrs: vec!["10.0.0.0/8".into(), "2001:db8::/32".into()],
        ..with(&["default"])
    };
    let made = access::grant(&world.services, bound).await.unwrap();
    let from = async |address: Option<&str>| {
        let address = address.map(|text| text.parse::<IpAddr>().unwrap());
        access::authenticate(&world.services, &made.secret, address, &[])
            .await
            .is_ok()
    };
    assert!(
        from(Some("10.1.2.3")).await
            && from(Some("::ffff:10.1.2.3")).await
            && from(Some("2001:db8::1")).await
    );
    assert!(!from(Some("11.1.2.3")).await && !from(None).await);
    // A child is bound as its parent is.
    let caller = access::authenticate(&world.services, &made.secret, "10.1.2.3".parse().ok(), &[])
        .await
        .unwrap()
        .0;
    let child = access::create_child(&world.services, &caller, false, with(&[]))
        .await
        .unwrap();
    assert_eq!(child.token.bound_cidrs, made.token.bound_cidrs);
}

#[tokio::test]
async fn a_login_gives_no_root_token() {
    let world = World::new().await;
    let outcome = access::grant(&world.services, with(&["a", "root"])).await;
    assert_eq!(
        reason(outcome),
        "authentication backends cannot create root tokens"
    );
}

#[tokio::test]
async fn generations_end_somewhere() {
    let world = World::new().await;
    let mut last = world.root().await;
    for _ in 0..16 {
        last = world.child(&last.secret, with(&[])).await;
    }
    let caller = world.caller(&last.secret).await;
    let outcome = access::create_child(&world.services, &caller, false, with(&[])).await;
    assert!(reason(outcome).contains("make an orphan"));
    access::create_child(&world.services, &caller, true, with(&[]))
        .await
        .unwrap();
}

#[tokio::test]
async fn round_trips_are_as_documented() {
    let world = World::new().await;
    let counts = |reads, writes, queries| Counts {
        queries,
        reads,
        writes,
    };
    let root = world.root().await;
    assert_eq!(world.store.take_counts(), counts(0, 1, 0));
    let caller = world.caller(&root.secret).await;
    assert_eq!(
        world.store.take_counts(),
        counts(1, 0, 0),
        "root has nothing to read beside"
    );
    let made = access::create_child(&world.services, &caller, false, with(&["a"]))
        .await
        .unwrap();
    assert_eq!(world.store.take_counts(), counts(0, 1, 0));

    let also = [Key::new(Table::Roles, "mount", "ssh")];
    let authenticate = async || {
        access::authenticate(&world.services, &made.secret, None, &also)
            .await
            .unwrap()
    };
    let (_, others) = authenticate().await;
    assert_eq!(others, [None]);
    assert_eq!(world.store.take_counts(), counts(2, 0, 0), "cold");
    authenticate().await;
    assert_eq!(world.store.take_counts(), counts(1, 0, 0), "warm");

    let stored = access::lookup(&world.services, &made.secret)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.store.take_counts(), counts(2, 0, 0));
    access::renew(&world.services, stored, 0, TtlLimits::default())
        .await
        .unwrap();
    assert_eq!(world.store.take_counts(), counts(0, 1, 0));
    access::lookup_accessor(&world.services, &made.token.accessor)
        .await
        .unwrap();
    assert_eq!(world.store.take_counts(), counts(3, 0, 0));

    let used = world
        .child(
            &root.secret,
            NewToken {
                num_uses: 9,
                ..with(&["a"])
            },
        )
        .await;
    world.is_good(&used.secret).await;
    world.store.take_counts();
    world.is_good(&used.secret).await;
    assert_eq!(
        world.store.take_counts(),
        counts(1, 1, 0),
        "warm, with limited uses"
    );

    access::revoke(&world.services, &made.token.hash).await.unwrap();
    assert_eq!(world.store.take_counts(), counts(2, 2, 1));
    // After the revocation a warm process knows at once.
    assert!(!world.is_good(&made.secret).await);
}
