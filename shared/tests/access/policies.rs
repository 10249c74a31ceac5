use super::{World, reason, with};
use countersign::{
    Error,
    access::{self, NewToken},
    acl::{Capability, DEFAULT_POLICY},
};
use serde_json::{Map, json};

const READ: &str = "path \"a/*\" {\n  capabilities = [\"read\"]\n}\n";

#[tokio::test]
async fn texts_are_kept_verbatim_and_names_in_lower_case() {
    let world = World::new().await;
    access::put_policy(&world.services, " Reader ", READ)
        .await
        .unwrap();
    let read = access::read_policy(&*world.services.store, "READER")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (read.name.as_str(), read.text.as_str(), read.version),
        ("reader", READ, 1)
    );
    access::put_policy(&world.services, "reader", READ).await.unwrap();
    let read = access::read_policy(&*world.services.store, "reader")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.version, 2);
    assert_eq!(
        access::list_policies(&*world.services.store).await.unwrap(),
        ["default", "reader", "root"]
    );
    access::delete_policy(&*world.services.store, "reader")
        .await
        .unwrap();
    access::delete_policy(&*world.services.store, "reader")
        .await
        .unwrap();
    assert_eq!(
        access::read_policy(&*world.services.store, "reader")
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_policys_name_has_1_to_256_bytes_without_control_characters() {
    let world = World::new().await;
    for (name, is_good) in [
        (String::new(), false),
        ("a".repeat(256), true),
        ("a".repeat(257), false),
        ("a\nb".into(), false),
        ("a b/ü".into(), true),
    ] {
        let outcome = access::put_policy(&world.services, &name, READ).await;
        assert_eq!(outcome.is_ok(), is_good, "{name:?}");
    }
}

#[tokio::test]
async fn built_in_policies_stay() {
    let world = World::new().await;
    let store = &*world.services.store;
    assert_eq!(
        reason(access::put_policy(&world.services, "root", READ).await),
        "cannot update \"root\" policy"
    );
    assert_eq!(
        reason(access::delete_policy(store, "Root").await),
        "cannot delete \"root\" policy"
    );
    assert_eq!(
        reason(access::delete_policy(store, "default").await),
        "cannot delete \"default\" policy"
    );
    assert_eq!(
        access::read_policy(store, "default").await.unwrap().unwrap().text,
        DEFAULT_POLICY
    );
    assert_eq!(
        access::read_policy(store, "root").await.unwrap().unwrap().text,
        ""
    );
    for bad in ["", " ", "a\nb"] {
        assert!(
            access::put_policy(&world.services, bad, READ).await.is_err(),
            "{bad:?}"
        );
    }
    assert!(reason(access::put_policy(&world.services, "a", "path {").await).contains("error parsing"));
}

#[tokio::test]
async fn a_change_counts_at_once_everywhere() {
    let world = World::new().await;
    let root = world.root().await;
    let made = world.child(&root.secret, with(&["reader"])).await;
    let other = world.other_process();
    let reads = async |path: &str| {
        let here = world.caller(&made.secret).await.allows(path, Capability::Read);
        let (there, _) = access::authenticate(&other, &made.secret, None, &[])
            .await
            .unwrap();
        assert_eq!(here, there.allows(path, Capability::Read));
        here
    };
    assert!(!reads("a/x").await, "a policy that is not there grants nothing");
    access::put_policy(&world.services, "reader", READ).await.unwrap();
    assert!(reads("a/x").await && !reads("b").await);
    access::put_policy(&other, "reader", &READ.replace("a/", "b"))
        .await
        .unwrap();
    assert!(!reads("a/x").await && reads("b").await);
    access::delete_policy(&*other.store, "reader").await.unwrap();
    assert!(!reads("b").await);

    assert!(reads("auth/token/lookup-self").await);
    access::put_policy(&other, "default", READ).await.unwrap();
    assert!(!reads("auth/token/lookup-self").await && reads("a/x").await);
}

#[tokio::test]
async fn parameters_are_judged() {
    let world = World::new().await;
    let text = r#"path "sign" { capabilities = ["update"] allowed_parameters = { "user" = ["alice"] } }"#;
    access::put_policy(&world.services, "signer", text).await.unwrap();
    let made = access::grant(&world.services, with(&["signer"])).await.unwrap();
    let caller = world.caller(&made.secret).await;
    let with_user = |user: &str| {
        let parameters: Map<_, _> = [("user".to_owned(), json!(user))].into_iter().collect();
        caller.require_with("sign", Capability::Update, &parameters, None)
    };
    assert!(with_user("alice").is_ok());
    assert!(matches!(with_user("root"), Err(Error::PermissionDenied)));
    assert!(matches!(
        caller.require("other", Capability::Update),
        Err(Error::PermissionDenied)
    ));
}

#[tokio::test]
async fn missing_policies_are_named() {
    let world = World::new().await;
    access::put_policy(&world.services, "there", READ).await.unwrap();
    let names = ["default", "gone", "root", "there"].map(str::to_owned);
    assert_eq!(
        access::missing_policies(&*world.services.store, &names)
            .await
            .unwrap(),
        ["gone"]
    );
    let many = NewToken {
        policies: (0..65).map(|n| format!("p{n}")).collect(),
        ..NewToken::default()
    };
    assert!(reason(access::grant(&world.services, many).await).contains("at most 64 policies"));
}
