use super::{NOW, World, with};
use countersign::{
    Error,
    access::{self, Alias, Entity, NewToken},
    acl::Capability,
    store::faulty::{Counts, Fail, Fault, Operation},
};

/// An entity with this policy that logs in as `bob`, and a token of it.
async fn entity(world: &World, policy: &str) -> (Entity, access::Created) {
    let mut entity = Entity::draw(&world.services, "bob").unwrap();
    entity.policies = vec![policy.into()];
    entity.aliases = vec![Alias::draw(&world.services, "auth_userpass_1", "bob").unwrap()];
    access::create_entity(&world.services, &entity).await.unwrap();
    let new = NewToken {
        entity_id: entity.id.clone(),
        ..with(&["own"])
    };
    let token = access::grant(&world.services, new).await.unwrap();
    (entity, token)
}

#[tokio::test]
async fn the_policies_of_an_entity_count_beside_the_tokens_own() {
    let world = World::new().await;
    for (name, path) in [("own", "a"), ("common", "b")] {
        let text = format!("path \"{path}\" {{ capabilities = [\"read\"] }}");
        access::put_policy(&world.services, name, &text).await.unwrap();
    }
    let (entity, token) = entity(&world, "common").await;
    let caller = world.caller(&token.secret).await;
    assert_eq!(caller.entity(), Some(&entity));
    assert_eq!(caller.entity_id(), entity.id);
    assert_eq!((entity.created_at, entity.updated_at), (NOW, NOW));
    let alias = &entity.aliases[0];
    assert_eq!((alias.created_at, alias.updated_at), (NOW, NOW));
    assert_eq!(entity.alias_at("auth_userpass_1"), Some(alias));
    assert_eq!(entity.alias_at("auth_userpass_2"), None);
    assert!(caller.allows("a", Capability::Read) && caller.allows("b", Capability::Read));
    let acl = access::acl_of(&world.services, &token.token).await.unwrap();
    assert!(acl.allows("b", Capability::Read));
    // One read, once the process knows what to read along.
    world.store.take_counts();
    world.caller(&token.secret).await;
    let one_read = Counts {
        queries: 0,
        reads: 1,
        writes: 0,
    };
    assert_eq!(world.store.take_counts(), one_read);
    // A change counts at once.
    let stored = access::entity_by_id(&*world.services.store, &entity.id)
        .await
        .unwrap()
        .unwrap();
    let changed = Entity {
        policies: Vec::new(),
        ..entity
    };
    access::update_entity(&world.services, &stored, &changed)
        .await
        .unwrap();
    assert!(!world.caller(&token.secret).await.allows("b", Capability::Read));
}

#[tokio::test]
async fn another_policy_of_an_entity_costs_one_read_more_and_only_once() {
    let world = World::new().await;
    let (entity, token) = entity(&world, "common").await;
    world.caller(&token.secret).await;
    let stored = access::entity_by_id(&*world.services.store, &entity.id)
        .await
        .unwrap()
        .unwrap();
    let changed = Entity {
        policies: vec!["other".into()],
        ..entity
    };
    access::update_entity(&world.services, &stored, &changed)
        .await
        .unwrap();
    world.store.take_counts();
    for reads in [2, 1, 1] {
        world.caller(&token.secret).await;
        assert_eq!(world.store.take_counts().reads, reads);
    }
}

#[tokio::test]
async fn no_token_of_an_entity_that_is_disabled_or_gone_is_good() {
    let world = World::new().await;
    let (entity, token) = entity(&world, "common").await;
    assert!(world.is_good(&token.secret).await);
    let store = &*world.services.store;
    assert_eq!(
        access::list_entities(store).await.unwrap(),
        std::slice::from_ref(&entity)
    );
    let stored = access::entity_by_name(store, "BOB").await.unwrap().unwrap();
    let disabled = Entity {
        disabled: true,
        ..entity.clone()
    };
    access::update_entity(&world.services, &stored, &disabled)
        .await
        .unwrap();
    assert!(!world.is_good(&token.secret).await);
    let stored = access::entity_by_login(store, "auth_userpass_1", "bob")
        .await
        .unwrap()
        .unwrap();
    access::update_entity(&world.services, &stored, &entity)
        .await
        .unwrap();
    assert!(world.is_good(&token.secret).await);
    access::delete_entity(&world.services, &entity).await.unwrap();
    assert!(!world.is_good(&token.secret).await);
    assert!(access::list_entities(store).await.unwrap().is_empty());
    let alias = &entity.aliases[0].id;
    assert!(access::entity_by_alias(store, alias).await.unwrap().is_none());
}

#[tokio::test]
async fn names_and_aliases_are_one_entitys_each() {
    let world = World::new().await;
    let (first, _) = entity(&world, "common").await;
    let taken = Entity::draw(&world.services, "Bob").unwrap();
    assert!(matches!(
        access::create_entity(&world.services, &taken).await,
        Err(Error::Conflict(_))
    ));
    let mut second = Entity::draw(&world.services, "").unwrap();
    second.aliases = vec![Alias::draw(&world.services, "auth_userpass_1", "bob").unwrap()];
    assert!(matches!(
        access::create_entity(&world.services, &second).await,
        Err(Error::Conflict(_))
    ));
    // Of two changes of one entity the later one is refused.
    let stored = access::entity_by_id(&*world.services.store, &first.id)
        .await
        .unwrap()
        .unwrap();
    access::update_entity(&world.services, &stored, &first)
        .await
        .unwrap();
    let other = Entity {
        disabled: true,
        ..first
    };
    let again = access::update_entity(&world.services, &stored, &other).await;
    assert!(matches!(again, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn an_alias_that_moves_takes_nobody_elses_place() {
    let world = World::new().await;
    let store = &*world.services.store;
    let (first, _) = entity(&world, "common").await;
    let make = async |name: &str, login: &str| {
        let mut entity = Entity::draw(&world.services, name).unwrap();
        entity.aliases = vec![Alias::draw(&world.services, "auth_ldap_1", login).unwrap()];
        access::create_entity(&world.services, &entity).await.unwrap();
        access::entity_by_id(store, &entity.id).await.unwrap().unwrap()
    };
    let (second, third) = (make("second", "bob").await, make("third", "carol").await);
    // The second's alias goes to the first, once under the third's name, and once under its own.
    let from = Entity {
        aliases: Vec::new(),
        ..second.entity.clone()
    };
    let move_as = async |name: &str| {
        let stored = access::entity_by_id(store, &first.id).await.unwrap().unwrap();
        let mut to = first.clone();
        to.aliases.push(Alias {
            name: name.into(),
            ..second.entity.aliases[0].clone()
        });
        access::update_entities(&world.services, (&second, &from), (&stored, &to)).await
    };
    assert!(matches!(move_as("carol").await, Err(Error::Conflict(_))));
    let holder = async |name: &str| {
        let stored = access::entity_by_login(store, "auth_ldap_1", name).await.unwrap();
        stored.map(|stored| stored.entity.id)
    };
    assert_eq!(holder("carol").await.as_ref(), Some(&third.entity.id));
    assert_eq!(holder("bob").await.as_ref(), Some(&second.entity.id));
    move_as("bob").await.unwrap();
    assert_eq!(holder("bob").await.as_ref(), Some(&first.id));
    let alias = &second.entity.aliases[0].id;
    let stored = access::entity_by_alias(store, alias).await.unwrap().unwrap();
    assert_eq!(stored.entity.id, first.id);
}

#[tokio::test]
async fn a_login_finds_its_entity_or_makes_it_once() {
    let world = World::new().await;
    let login = |name: &'static str| access::entity_of_login(&world.services, "auth_approle_1", name);
    world
        .store
        .fail_next(Operation::Write, Fail::Before, Fault::Unavailable);
    assert!(login("ci").await.is_err());
    world
        .store
        .fail_next(Operation::Write, Fail::After, Fault::Unavailable);
    assert!(login("ci").await.is_err());
    let made = login("ci").await.unwrap();
    assert_eq!(
        (made.name.clone(), made.aliases.len()),
        (format!("entity_{}", made.id), 1)
    );
    assert_eq!(login("ci").await.unwrap().id, made.id);
    assert_ne!(login("other").await.unwrap().id, made.id);
    // Many at once for the first time have one.
    let (one, two, three) = tokio::join!(login("new"), login("new"), login("new"));
    let ids = [one, two, three].map(|entity| entity.unwrap().id);
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    // What was deleted never comes back: its tokens stay dead.
    access::delete_entity(&world.services, &made).await.unwrap();
    assert_ne!(login("ci").await.unwrap().id, made.id);
}
