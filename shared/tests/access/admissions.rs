//! Callers whom the gateway knows, and what admissions make of them.

use super::{NOW, World, reason};
use countersign::{
    Error,
    access::{Admission, Subject, admit},
    request_context::GatewayIdentity,
    store::faulty::{Fail, Fault, Operation},
    types::SecretToken,
};
use std::collections::BTreeMap;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/deployer/run-7";
const ISSUER: &str = "https://issuer.example.com";

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn session() -> GatewayIdentity {
    GatewayIdentity::Iam { arn: SESSION.into() }
}

fn holder(claims: &[(&str, &str)]) -> GatewayIdentity {
    let mut claims = texts(claims);
    claims.insert("iss".into(), ISSUER.into());
    GatewayIdentity::Jwt { claims }
}

fn role() -> Subject {
    Subject::iam(ROLE).unwrap()
}

fn repository() -> Subject {
    Subject::jwt(ISSUER, "repository", "org/app").unwrap()
}

impl World {
    async fn put(
        &self,
        subject: Subject,
        claims: &[(&str, &str)],
        policies: &[&str],
        ttl_secs: u64,
    ) -> Result<Admission, Error> {
        let policies: Vec<String> = policies.iter().map(|name| (*name).into()).collect();
        Admission::put(&self.services, subject, texts(claims), &policies, ttl_secs).await
    }

    async fn admit(&self, identity: &GatewayIdentity) -> Option<SecretToken> {
        admit(&self.services, identity).await.unwrap()
    }
}

#[tokio::test]
async fn an_admission_is_written_read_listed_replaced_and_removed() {
    let world = World::new().await;
    let store = &*world.services.store;
    let id = role().id();
    assert_eq!(Admission::read(store, &id).await.unwrap(), None);
    let first = world.put(role(), &[], &["ops"], 0).await.unwrap();
    assert_eq!((first.ttl_secs, first.created_at), (900, NOW));
    let second = world.put(role(), &[], &["dev", "ops"], 60).await.unwrap();
    assert_eq!(
        (second.ttl_secs, &second.policies[..]),
        (60, &["dev".into(), "ops".into()][..])
    );
    let other = world
        .put(repository(), &[("ref", "main")], &["ops"], 0)
        .await
        .unwrap();
    assert_eq!(Admission::read(store, &id).await.unwrap().as_ref(), Some(&second));
    let listed = Admission::list(store).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&second) && listed.contains(&other));
    for _ in 0..2 {
        Admission::delete(store, &id).await.unwrap();
        assert_eq!(
            Admission::list(store).await.unwrap(),
            std::slice::from_ref(&other)
        );
    }
}

#[tokio::test]
async fn what_an_admission_cannot_hold_is_refused() {
    let world = World::new().await;
    for policies in [&[][..], &["root"], &["ops", "root"]] {
        let refused = reason(world.put(role(), &[], policies, 0).await);
        assert_eq!(refused, "at least one, and not root", "{policies:?}");
    }
    let refused = reason(world.put(role(), &[("ref", "main")], &["ops"], 0).await);
    assert_eq!(refused, "only JSON web tokens have claims");
    for (claims, good) in [
        ([("ref", "x".repeat(1024))], true),
        ([("ref", "x".repeat(1025))], false),
        ([("ref", String::new())], false),
        ([("ref", "a\nb".into())], false),
        ([("", "main".into())], false),
    ] {
        let claims = claims.map(|(name, value)| (name, Box::leak(value.into_boxed_str()) as &str));
        let outcome = world.put(repository(), &claims, &["ops"], 0).await;
        assert_eq!(outcome.is_ok(), good, "{claims:?}");
    }
    let write = Operation::Write;
    world
        .store
        .fail_next(write, Fail::Before, Fault::ConditionFailed(0));
    let error = world.put(role(), &[], &["ops"], 0).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
}

#[tokio::test]
async fn a_caller_has_the_policies_of_every_admission_that_fits() {
    let world = World::new().await;
    let run = holder(&[("repository", "org/app"), ("sub", "run\n7"), ("ref", "main")]);
    assert_eq!(world.admit(&run).await, None, "nobody admitted it");
    world
        .put(repository(), &[("ref", "main")], &["ops"], 0)
        .await
        .unwrap();
    let by_subject = Subject::jwt(ISSUER, "azp", "ci").unwrap();
    world.put(by_subject, &[], &["dev"], 60).await.unwrap();

    let token = world.admit(&run).await.unwrap();
    let caller = world.caller(&token).await;
    assert_eq!(caller.policies(), ["default", "ops"]);
    assert_eq!(caller.display_name(), "run 7", "on one line of the log");
    let made = caller.token();
    assert_eq!((made.path.as_str(), made.renewable), ("gateway", false));
    assert_eq!((made.expires_at, made.explicit_max_ttl), (Some(NOW + 900), 900));

    let both = holder(&[("repository", "org/app"), ("azp", "ci"), ("ref", "main")]);
    let caller = world.caller(&world.admit(&both).await.unwrap()).await;
    assert_eq!(caller.policies(), ["default", "dev", "ops"]);
    assert_eq!(caller.token().expires_at, Some(NOW + 60), "the shortest life");

    for misfit in [
        holder(&[("repository", "org/app"), ("ref", "other")]),
        holder(&[("repository", "org/app")]),
        holder(&[("repository", "org/other"), ("ref", "main")]),
        GatewayIdentity::Jwt {
            claims: texts(&[
                ("iss", "https://other"),
                ("repository", "org/app"),
                ("ref", "main"),
            ]),
        },
        session(),
    ] {
        assert_eq!(world.admit(&misfit).await, None, "{misfit}");
    }
}

#[tokio::test]
async fn a_token_stands_for_its_caller_until_it_is_about_to_end_or_an_admission_changes() {
    let world = World::new().await;
    world.put(role(), &[], &["ops"], 600).await.unwrap();
    let first = world.admit(&session()).await.unwrap();
    assert_eq!(world.caller(&first).await.display_name(), SESSION);
    world.clock.set(NOW + 569);
    assert_eq!(world.admit(&session()).await.as_ref(), Some(&first));
    world.clock.set(NOW + 570);
    let second = world.admit(&session()).await.unwrap();
    assert_ne!(second, first, "it would end within half a minute");

    world.put(role(), &[], &["dev"], 600).await.unwrap();
    let third = world.admit(&session()).await.unwrap();
    assert_eq!(world.caller(&third).await.policies(), ["default", "dev"]);
    Admission::delete(&*world.services.store, &role().id())
        .await
        .unwrap();
    assert_eq!(world.admit(&session()).await, None);
}
