//! Certificates and authorities of other families.

use crate::support::{ED25519, NOW, World};
use countersign::{
    authority::{self, Authority, AuthorityId, KeySource, KeySpec},
    authority_use::{self, AuthorityUse},
    certificates::{self, CertificateRecord},
    decide::{Request, RequestedKeyId, RequestedValidity},
    issue::{Issuance, Issued, Origin, issue},
    role::{CertTypeRules, LifetimeRules, OptionNames, OptionRules, PrincipalMatcher, PrincipalRules, Role},
    ssh::PublicKey,
    store::{self, Condition, Write},
    types::{CertType, Ksuid},
};
use serde_json::json;
use std::collections::BTreeMap;

const SK: &str = include_str!("../../../../tests/vectors/keys/subject_sk_ed25519.pub");

/// Issues as another family does.
async fn issue_elsewhere(world: &World, authority: &AuthorityId, key: &str, keep: bool) -> Issued {
    issue_until(world, authority, key, keep, u64::MAX).await
}

async fn issue_until(
    world: &World,
    authority: &AuthorityId,
    key: &str,
    keep: bool,
    valid_before: u64,
) -> Issued {
    let (authority, _) = Authority::read(&*world.services.store, authority)
        .await
        .unwrap()
        .unwrap();
    let any = OptionRules {
        allowed: OptionNames::Any,
        ..OptionRules::default()
    };
    let role = Role {
        user: Some(CertTypeRules {
            principals: PrincipalRules {
                allowed: vec![PrincipalMatcher::Any],
                default: Vec::new(),
            },
            critical_options: any.clone(),
            extensions: any,
        }),
        lifetime: LifetimeRules {
            default_ttl_secs: 3600,
            max_ttl_secs: u64::MAX,
            backdate_secs: 30,
        },
        ..Role::default()
    };
    let request = Request {
        subject_key: PublicKey::from_line(key).unwrap(),
        cert_type: CertType::User,
        principals: Some(vec!["alice".into()]),
        validity: RequestedValidity::Window {
            valid_after: NOW,
            valid_before,
        },
        key_id: RequestedKeyId::Default("vault-token-abc".into()),
        critical_options: None,
        extensions: None,
    };
    let origin = Origin {
        family: "vault",
        ..Origin::default()
    };
    let issuance = Issuance {
        authority: &authority,
        role: &role,
        request: &request,
        origin: &origin,
        id: None,
        keep_signature: keep,
        in_service: None,
        details: BTreeMap::from([("lease".into(), json!("x"))]),
    };
    issue(&world.services, issuance).await.unwrap()
}

#[tokio::test]
async fn a_certificate_of_another_family_is_shown_where_its_signature_is_kept() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    issue_elsewhere(&world, &authority, ED25519, false).await;
    let kept = issue_elsewhere(&world, &authority, SK, true).await;
    let list = world.get("/ssh_user_certificates").await.expect(200);
    let id = format!("sucrt_{}", kept.record.id);
    assert_eq!(list.ids("ssh_user_certificates"), std::slice::from_ref(&id));

    let path = format!("/ssh_user_certificates/{id}");
    let shown = world.get(&path).await.expect(200);
    assert_eq!(
        shown.text("certificate"),
        format!("{} {id}", kept.certificate.to_line())
    );
    assert_eq!(
        shown.text("key_type"),
        "ed25519",
        "as far as this API has a word for it"
    );
    assert_eq!(shown.text("valid_until"), "9999-12-31T23:59:59Z", "endless");
    assert_eq!(
        (&shown.body["principals"], &shown.body["extensions"]),
        (&json!(["alice"]), &json!({}))
    );

    let changed = world
        .patch(&path, json!({ "description": "from elsewhere" }))
        .await;
    assert_eq!(changed.expect(200).text("description"), "from elsewhere");
    let ca = format!("/ssh_certificate_authorities/{authority}");
    world.delete(&ca).await.expect_error(400, 1964);
    world.delete(&path).await.expect(204);
    // What the other family keeps is still there for it, as long as before.
    let stored = store::read_one(&*world.store, &kept.stored.key)
        .await
        .unwrap()
        .unwrap();
    let record: CertificateRecord = stored.value().unwrap();
    assert_eq!(
        (record.signature, stored.expires_at),
        (kept.record.signature, kept.stored.expires_at)
    );
    assert_eq!(record.details["lease"], "x");
}

#[tokio::test]
async fn a_certificate_deleted_here_keeps_its_authority_while_another_api_can_be_asked_for_it() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let ca = format!("/ssh_certificate_authorities/{authority}");
    let kept = issue_until(&world, &authority, SK, true, NOW + 60).await;
    let path = format!("/ssh_user_certificates/sucrt_{}", kept.record.id);
    world.delete(&path).await.expect(204);

    let refused = world.delete(&ca).await.expect_error(400, 1964);
    refused.says("can still be asked for there after it is deleted here");
    let (record, _) = certificates::read(&*world.store, Ksuid::parse(&kept.record.id).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        record.certificate().unwrap(),
        Some(kept.certificate),
        "what the other API reads"
    );

    // Here it is gone: from reads, and from lists of which it would be a page of its own.
    world.delete(&path).await.expect_not_found();
    world.get(&path).await.expect_not_found();
    world
        .patch(&path, json!({ "description": "x" }))
        .await
        .expect_not_found();
    let older = issue_until(&world, &authority, ED25519, true, NOW + 60).await;
    let newer = issue_until(&world, &authority, ED25519, true, NOW + 60).await;
    let newer_id = format!("sucrt_{}", newer.record.id);
    world
        .delete(&format!("/ssh_user_certificates/sucrt_{}", older.record.id))
        .await
        .expect(204);
    let page = world.get("/ssh_user_certificates?limit=1").await.expect(200);
    assert_eq!(page.ids("ssh_user_certificates"), std::slice::from_ref(&newer_id));
    let rest = format!("/ssh_user_certificates?limit=1&before_id={newer_id}");
    let rest = world.get(&rest).await.expect(200);
    assert!(rest.ids("ssh_user_certificates").is_empty());
    assert_eq!(rest.body["next_page_uri"], json!(null));

    // Once others have taken their places in the other API, none can be asked for.
    for id in [&kept.record.id, &older.record.id, &newer.record.id] {
        let (record, stored) = certificates::read(&*world.store, Ksuid::parse(id).unwrap())
            .await
            .unwrap()
            .unwrap();
        let archival = certificates::archival(&world.services, &record, &stored).await;
        world.services.store.write(&archival.unwrap()).await.unwrap();
    }
    world.delete(&ca).await.expect(204);
}

#[tokio::test]
async fn what_was_handed_out_elsewhere_holds_its_authority_as_long_as_its_record_stands() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    issue_until(&world, &authority, ED25519, false, NOW + 60).await;
    world.store.take_counts();
    issue_until(&world, &authority, ED25519, false, NOW + 120).await;
    assert_eq!(
        world.store.take_counts().writes,
        1,
        "the second of a week costs its record alone"
    );
    let path = format!("/ssh_certificate_authorities/{authority}");
    world
        .delete(&path)
        .await
        .expect_error(400, 1964)
        .says("on record until ");
    let retention = world.services.settings.retention_secs;
    world.clock.set(NOW + 60 + retention + 8 * 86_400);
    world.delete(&path).await.expect(204);
}

/// The use that a mount of another family makes.
pub(crate) fn mount() -> AuthorityUse {
    AuthorityUse {
        id: "vault/an-issuer".into(),
        user: "the Vault mount team/ssh/".into(),
    }
}

#[tokio::test]
async fn an_authority_that_another_family_signs_with_is_not_deleted() {
    let world = World::new().await;
    let id = world.authority("ed25519").await;
    let path = format!("/ssh_certificate_authorities/{id}");
    let store = &*world.services.store;
    let (authority, stored) = Authority::read(store, &id).await.unwrap().unwrap();
    let writes = mount().of_existing(&authority, &stored).unwrap();
    store.write(&writes).await.unwrap();
    let refused = world.delete(&path).await.expect(409);
    assert_eq!(refused.body["error_code"], serde_json::Value::Null);
    refused.says("it is used by the Vault mount team/ssh/. Remove it there first.");
    world.get(&path).await.expect(200);
    world.user_certificate(&id, json!({})).await.expect(201);
    store
        .write(&[authority_use::end(&id, &mount().id)])
        .await
        .unwrap();
    world.delete(&path).await.expect_error(400, 1964);
}

#[tokio::test]
async fn an_account_that_keeps_every_signature_shows_every_certificate() {
    let world = World::with(|services| services.settings.keep_signatures = true).await;
    let authority = world.authority("ed25519").await;
    let issued = issue_elsewhere(&world, &authority, ED25519, false).await;
    let list = world.get("/ssh_user_certificates").await.expect(200);
    assert_eq!(
        list.ids("ssh_user_certificates"),
        [format!("sucrt_{}", issued.record.id)]
    );
}

#[tokio::test]
async fn a_record_that_has_ended_is_not_shown_although_the_store_has_it_still() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let kept = issue_elsewhere(&world, &authority, ED25519, true).await;
    let ended = kept.stored.replaced(&kept.record).unwrap().expiring(Some(NOW));
    let write = Write::Put(ended, Condition::Version(kept.stored.version));
    store::Store::write(&*world.store, &[write]).await.unwrap();
    let path = format!("/ssh_user_certificates/sucrt_{}", kept.record.id);
    world.get(&path).await.expect_not_found();
    assert!(
        world
            .get("/ssh_user_certificates")
            .await
            .ids("ssh_user_certificates")
            .is_empty()
    );
    world
        .delete(&format!("/ssh_certificate_authorities/{authority}"))
        .await
        .expect(204);
}

#[tokio::test]
async fn an_authority_made_elsewhere_is_one_here_until_it_is_retired() {
    let world = World::new().await;
    let source = KeySource::New(KeySpec::P384);
    let made = authority::enrol(&world.services, source, "of a mount".into())
        .await
        .unwrap();
    let path = format!("/ssh_certificate_authorities/{}", made.id);
    let shown = world.get(&path).await.expect(200);
    assert_eq!(
        (shown.text("key_type"), shown.text("description")),
        ("ecdsa", "of a mount")
    );
    assert_eq!(shown.text("public_key"), made.public_key);
    let certificate = world.user_certificate(&made.id, json!({})).await.expect(201);

    // By an administrator, whatever stands under it.
    authority::retire(&world.services, &made.id).await.unwrap();
    world.get(&path).await.expect_not_found();
    let list = world.get("/ssh_certificate_authorities").await;
    assert!(list.ids("ssh_certificate_authorities").is_empty());
    world
        .user_certificate(&made.id, json!({}))
        .await
        .expect_error(400, 1951);
    assert_eq!(
        world.get(certificate.path()).await.expect(200).body,
        certificate.body
    );
    world.delete(certificate.path()).await.expect(204);
}
