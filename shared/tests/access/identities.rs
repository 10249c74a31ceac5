use super::{HOUR, NOW, World};
use countersign::{
    Error,
    access::{
        self, Created, Identity, Login, NewSecret, SecretSettings, TokenSettings, TokenType, TtlLimits,
    },
    store::faulty::Counts,
    types::SecretToken,
};
use std::net::IpAddr;

const REALM: &str = "mount-1";

async fn identity(world: &World, change: impl FnOnce(&mut Identity)) -> Identity {
    let mut identity = Identity::draw(&world.services, REALM, "ci").unwrap();
    identity.policies = vec!["signer".into()];
    change(&mut identity);
    access::create_identity(&world.services, &identity).await.unwrap();
    identity
}

async fn secret(world: &World, identity: &Identity, new: NewSecret) -> SecretToken {
    access::create_secret(&world.services, &identity.id, new)
        .await
        .unwrap()
        .0
}

async fn login(
    world: &World,
    client_id: &str,
    secret: Option<&SecretToken>,
    from: Option<IpAddr>,
) -> Result<Created, Error> {
    let login = Login {
        realm: REALM,
        client_id,
        secret,
        from,
        path: "auth/approle/login",
        display_name: "approle",
        name_in_meta: "role_name",
        entity_id: "",
        limits: TtlLimits::default(),
        default_type: TokenType::Service,
        forced_type: None,
    };
    access::login(&world.services, &login)
        .await
        .map(|(_, created)| created)
}

#[tokio::test]
async fn a_login_gives_a_token_of_the_identity() {
    let world = World::new().await;
    let identity = identity(&world, |identity| {
        identity.token = TokenSettings {
            ttl: HOUR,
            max_ttl: 2 * HOUR,
            ..TokenSettings::default()
        };
    })
    .await;
    assert_eq!((identity.created_at, identity.updated_at), (NOW, NOW));
    let metadata = [("team".to_owned(), "a".to_owned())].into();
    let secret = secret(
        &world,
        &identity,
        NewSecret {
            metadata,
            ..NewSecret::default()
        },
    )
    .await;
    assert!(secret.reveal().starts_with("css_"));
    world.store.take_counts();
    let made = login(&world, &identity.client_id, Some(&secret), None)
        .await
        .unwrap();
    assert_eq!(
        world.store.take_counts(),
        Counts {
            reads: 2,
            writes: 1,
            queries: 0
        }
    );
    assert_eq!(made.token.policies, ["default", "signer"]);
    assert_eq!(made.token.expires_at, Some(NOW + HOUR));
    assert!(made.token.is_orphan() && made.token.renewable);
    let meta = made.token.meta.clone().unwrap();
    assert_eq!((meta["role_name"].as_str(), meta["team"].as_str()), ("ci", "a"));

    // Renewals follow the identity as it is now.
    let caller = world.caller(&made.secret).await;
    let (token, _) = access::renew(
        &world.services,
        caller.stored().clone(),
        5 * HOUR,
        TtlLimits::default(),
    )
    .await
    .unwrap();
    assert_eq!(token.expires_at, Some(NOW + 2 * HOUR));
    access::delete_identity(&*world.services.store, &identity)
        .await
        .unwrap();
    assert!(world.is_good(&made.secret).await, "the token itself stays");
    let caller = world.caller(&made.secret).await;
    assert!(
        access::renew(&world.services, caller.stored().clone(), 0, TtlLimits::default())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_token_of_a_login_is_as_the_identity_says() {
    let world = World::new().await;
    let identity = identity(&world, |identity| {
        identity.token = TokenSettings {
            ttl: HOUR,
            max_ttl: 4 * HOUR,
            explicit_max_ttl: 3 * HOUR,
            period: 2 * HOUR,
            num_uses: 5,
            token_type: None,
            no_default_policy: true,
            bound_cidrs: vec!["10.0.0.0/8".into()],
        };
    })
    .await;
    let secret = secret(&world, &identity, NewSecret::default()).await;
    let token = login(&world, &identity.client_id, Some(&secret), None)
        .await
        .unwrap()
        .token;
    assert_eq!(token.policies, ["signer"]);
    assert_eq!((token.creation_ttl, token.period), (2 * HOUR, 2 * HOUR));
    assert_eq!((token.max_ttl, token.explicit_max_ttl), (4 * HOUR, 3 * HOUR));
    assert_eq!(token.uses_left, Some(5));
    assert_eq!(token.bound_cidrs, ["10.0.0.0/8"]);
    assert_eq!(
        (token.path.as_str(), token.display_name.as_str()),
        ("auth/approle/login", "approle")
    );
    assert_eq!((token.identity_id, token.created_at), (identity.id, NOW));
}

#[tokio::test]
async fn a_secret_is_good_until_it_ends() {
    let world = World::new().await;
    let identity = identity(&world, |_| {}).await;
    let new = NewSecret {
        ttl: HOUR,
        ..NewSecret::default()
    };
    let secret = secret(&world, &identity, new).await;
    for (at, good) in [(0, true), (HOUR - 1, true), (HOUR, false)] {
        world.clock.set(NOW + at);
        let outcome = login(&world, &identity.client_id, Some(&secret), None).await;
        assert_eq!(outcome.is_ok(), good, "{at}");
    }
}

#[tokio::test]
async fn the_type_of_a_logins_token_is_the_forced_one_the_identitys_or_the_default() {
    let world = World::new().await;
    let (batch, service) = (TokenType::Batch, TokenType::Service);
    for (forced, own, default, expected) in [
        (None, None, batch, batch),
        (None, None, service, service),
        (None, Some(batch), service, batch),
        (Some(service), Some(batch), batch, service),
    ] {
        let mut identity =
            Identity::draw(&world.services, REALM, &format!("{forced:?} {own:?} {default:?}")).unwrap();
        identity.secret.required = false;
        identity.token.token_type = own;
        access::create_identity(&world.services, &identity).await.unwrap();
        let login = Login {
            realm: REALM,
            client_id: &identity.client_id,
            secret: None,
            from: None,
            path: "auth/approle/login",
            display_name: "approle",
            name_in_meta: "role_name",
            entity_id: "some entity",
            limits: TtlLimits::tuned(60, 120),
            default_type: default,
            forced_type: forced,
        };
        let token = access::login(&world.services, &login).await.unwrap().1.token;
        assert_eq!(token.token_type, expected, "{forced:?} {own:?} {default:?}");
        assert_eq!(
            (token.entity_id.as_str(), token.creation_ttl),
            ("some entity", 60)
        );
    }
}

#[tokio::test]
async fn whoever_proves_nothing_learns_nothing() {
    let world = World::new().await;
    let identity = identity(&world, |_| {}).await;
    let good = secret(
        &world,
        &identity,
        NewSecret {
            ttl: HOUR,
            ..NewSecret::default()
        },
    )
    .await;
    let other = Identity::draw(&world.services, "another", "ci").unwrap();
    access::create_identity(&world.services, &other).await.unwrap();
    let others = secret(&world, &other, NewSecret::default()).await;
    let wrong = SecretToken::new("wrong");
    for (client_id, secret) in [
        ("unknown", Some(&good)),
        ("", Some(&good)),
        (identity.client_id.as_str(), None),
        (identity.client_id.as_str(), Some(&wrong)),
        (identity.client_id.as_str(), Some(&others)),
        (other.client_id.as_str(), Some(&others)),
        (identity.id.as_str(), Some(&good)),
    ] {
        let outcome = login(&world, client_id, secret, None).await;
        assert!(matches!(outcome, Err(Error::Unauthenticated)), "{client_id}");
    }
    world.clock.set(NOW + HOUR);
    assert!(
        login(&world, &identity.client_id, Some(&good), None)
            .await
            .is_err(),
        "the secret is over"
    );
    assert!(
        access::list_secrets(&world.services, &identity.id)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_login_may_need_no_secret() {
    let world = World::new().await;
    let identity = identity(&world, |identity| {
        identity.secret = SecretSettings {
            required: false,
            bound_cidrs: vec!["10.0.0.0/8".into()],
            ..SecretSettings::default()
        };
    })
    .await;
    assert!(
        login(&world, &identity.client_id, None, "10.1.1.1".parse().ok())
            .await
            .is_ok()
    );
    assert!(
        login(&world, &identity.client_id, None, "11.1.1.1".parse().ok())
            .await
            .is_err()
    );
    assert!(login(&world, &identity.client_id, None, None).await.is_err());
}

#[tokio::test]
async fn a_secret_may_be_bound_to_networks_and_bind_its_tokens() {
    let world = World::new().await;
    let identity = identity(&world, |_| {}).await;
    let new = NewSecret {
        bound_cidrs: vec!["10.0.0.0/8".into()],
        token_bound_cidrs: vec!["10.1.0.0/16".into()],
        ..NewSecret::default()
    };
    let secret = secret(&world, &identity, new).await;
    assert!(
        login(
            &world,
            &identity.client_id,
            Some(&secret),
            "11.1.1.1".parse().ok()
        )
        .await
        .is_err()
    );
    let made = login(
        &world,
        &identity.client_id,
        Some(&secret),
        "10.2.1.1".parse().ok(),
    )
    .await
    .unwrap();
    let from = async |address: &str| {
        access::authenticate(&world.services, &made.secret, address.parse().ok(), &[])
            .await
            .is_ok()
    };
    assert!(from("10.1.0.1").await && !from("10.2.0.1").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logins_at_the_same_time_share_no_use_of_a_secret() {
    let world = std::sync::Arc::new(World::new().await);
    let identity = identity(&world, |_| {}).await;
    let secret = secret(
        &world,
        &identity,
        NewSecret {
            num_uses: 3,
            ..NewSecret::default()
        },
    )
    .await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (world, client_id, secret) = (world.clone(), identity.client_id.clone(), secret.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                match login(&world, &client_id, Some(&secret), None).await {
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
    assert_eq!(good, 3);
    assert_eq!(world.accessors().await.len(), 3);
    assert!(
        access::list_secrets(&world.services, &identity.id)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn secrets_are_found_and_destroyed() {
    let world = World::new().await;
    let identity = identity(&world, |_| {}).await;
    let new = NewSecret {
        text: Some(SecretToken::new("my-own")),
        num_uses: 2,
        ..NewSecret::default()
    };
    let (text, made) = access::create_secret(&world.services, &identity.id, new.clone())
        .await
        .unwrap();
    let again = access::create_secret(&world.services, &identity.id, new).await;
    assert!(matches!(again, Err(Error::Conflict(_))));
    let gone = access::create_secret(&world.services, "nobody", NewSecret::default()).await;
    assert!(matches!(gone, Err(Error::NotFound(_))));
    let found = access::find_secret(&world.services, &identity.id, &text)
        .await
        .unwrap()
        .unwrap()
        .secret;
    assert_eq!(found, made);
    let found = access::find_secret_by_accessor(&world.services, &identity.id, &made.accessor)
        .await
        .unwrap()
        .unwrap();
    access::destroy_secret(&*world.services.store, &identity.id, &found.secret)
        .await
        .unwrap();
    assert!(
        access::find_secret(&world.services, &identity.id, &text)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        login(&world, &identity.client_id, Some(&text), None)
            .await
            .is_err()
    );
    let stored = access::identity_by_client_id(&*world.services.store, &identity.client_id)
        .await
        .unwrap()
        .unwrap();
    assert!(!format!("{stored:?}{made:?}").contains("my-own"));
}

#[tokio::test]
async fn ids_and_names_can_change_and_are_unique() {
    let world = World::new().await;
    let store = &*world.services.store;
    let first = identity(&world, |_| {}).await;
    let secret = secret(&world, &first, NewSecret::default()).await;
    let mut second = Identity::draw(&world.services, REALM, "ci").unwrap();
    assert!(matches!(
        access::create_identity(&world.services, &second).await,
        Err(Error::Conflict(_))
    ));
    second.name = "cd".into();
    access::create_identity(&world.services, &second).await.unwrap();
    let names = async || {
        let all = access::list_identities(store, REALM).await.unwrap();
        all.into_iter()
            .map(|stored| stored.identity.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["cd", "ci"]);

    let stored = access::identity_by_name(store, REALM, "ci")
        .await
        .unwrap()
        .unwrap();
    let taken = Identity {
        client_id: second.client_id.clone(),
        ..first.clone()
    };
    assert!(matches!(
        access::update_identity(&world.services, &stored, &taken).await,
        Err(Error::Conflict(_))
    ));
    let moved = Identity {
        client_id: "my-role-id".into(),
        name: "build".into(),
        ..first.clone()
    };
    access::update_identity(&world.services, &stored, &moved)
        .await
        .unwrap();
    assert!(
        login(&world, &first.client_id, Some(&secret), None)
            .await
            .is_err()
    );
    assert!(login(&world, "my-role-id", Some(&secret), None).await.is_ok());
    assert_eq!(names().await, ["build", "cd"]);
    assert!(
        access::identity_by_name(store, REALM, "ci")
            .await
            .unwrap()
            .is_none()
    );

    access::delete_realm(store, REALM).await.unwrap();
    assert!(names().await.is_empty());
    assert!(login(&world, "my-role-id", Some(&secret), None).await.is_err());
}
