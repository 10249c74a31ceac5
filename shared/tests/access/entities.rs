use super::{World, with};
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
async fn no_token_of_an_entity_that_is_disabled_or_gone_is_good() {
    let world = World::new().await;
    let (entity, token) = entity(&world, "common").await;
    assert!(world.is_good(&token.secret).await);
    let store = &*world.services.store;
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
async fn a_login_finds_its_entity_or_makes_it_once() {
    let world = World::new().await;
    let login = |name: &'static str, id: &'static str| {
        access::entity_of_login(&world.services, "auth_approle_1", name, id)
    };
    for fail in [Fail::Before, Fail::After] {
        world.store.fail_next(Operation::Write, fail, Fault::Unavailable);
        assert!(login("ci", "0123456789").await.is_err());
    }
    let made = login("ci", "0123456789").await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.name.as_str()),
        ("0123456789", "entity_01234567")
    );
    assert_eq!(login("ci", "something else").await.unwrap().id, made.id);
    // The same identity under another name keeps its entity; another one with the same beginning has its own.
    let renamed = login("renamed", "0123456789").await.unwrap();
    assert_eq!((renamed.id.as_str(), renamed.aliases.len()), ("0123456789", 1));
    let other = login("other", "01234567-other").await.unwrap();
    assert_eq!(other.name, "entity_01234567-other");
}
