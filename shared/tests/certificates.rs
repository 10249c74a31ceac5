//! Authorities taken into service and out of it, and certificates found again, on the embedded store.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use countersign::{
    Error, Services,
    audit::MemoryLog,
    authority::{Authority, AuthorityId, AuthorityState, KeySource, KeySpec, enrol, retire},
    certificate_search::{Filter, search},
    certificates::{self, CertificateList, CertificateRecord},
    clock::FixedClock,
    decide::{Request, RequestedKeyId, RequestedValidity},
    issue::{Issuance, Origin, issue},
    random::SystemRandomSource,
    retirement::{self, Outcome},
    role::{CertTypeRules, LifetimeRules, PrincipalMatcher, PrincipalRules, Role},
    signer::local::LocalKeyring,
    ssh::PublicKey,
    store::{Record, embedded::Embedded},
    types::{CertType, Ksuid},
};
use std::{collections::BTreeMap, sync::Arc};

const NOW: u64 = 1_800_000_000;

async fn services() -> (Services, Arc<FixedClock>) {
    let random = SystemRandomSource::default();
    let clock = Arc::new(FixedClock::at(NOW));
    let services = Services::new(
        Arc::new(Embedded::in_memory().await),
        Arc::new(LocalKeyring::in_memory(&random).unwrap()),
        clock.clone(),
        Arc::new(random),
        Arc::new(MemoryLog::default()),
    );
    (services, clock)
}

async fn authority(services: &Services) -> Authority {
    enrol(services, KeySource::New(KeySpec::Ed25519), "for tests".into())
        .await
        .unwrap()
}

struct Asked {
    cert_type: CertType,
    principal: &'static str,
    family: &'static str,
    role: &'static str,
    keep_signature: bool,
}

async fn certify(services: &Services, authority: &Authority, asked: &Asked) -> Result<String, Error> {
    let rules = CertTypeRules {
        principals: PrincipalRules {
            allowed: vec![PrincipalMatcher::Any],
            default: Vec::new(),
        },
        ..CertTypeRules::default()
    };
    let role = Role {
        user: Some(rules.clone()),
        host: Some(rules),
        lifetime: LifetimeRules {
            default_ttl_secs: 60,
            max_ttl_secs: 60,
            backdate_secs: 0,
        },
        ..Role::default()
    };
    let request = Request {
        subject_key: PublicKey::ed25519([7; 32]),
        cert_type: asked.cert_type,
        principals: Some(vec![asked.principal.into()]),
        validity: RequestedValidity::RoleDefault,
        key_id: RequestedKeyId::Default("id".into()),
        critical_options: None,
        extensions: None,
    };
    let origin = Origin {
        family: asked.family,
        role: asked.role.into(),
        ..Origin::default()
    };
    let issuance = Issuance {
        authority,
        role: &role,
        request: &request,
        origin: &origin,
        id: None,
        keep_signature: asked.keep_signature,
        in_service: None,
        details: BTreeMap::new(),
    };
    Ok(issue(services, issuance).await?.record.id)
}

const ALICE: Asked = Asked {
    cert_type: CertType::User,
    principal: "alice",
    family: "vault",
    role: "dev",
    keep_signature: false,
};

#[tokio::test]
async fn certificates_are_found_newest_first_by_every_filter() {
    let (services, clock) = services().await;
    let authority = authority(&services).await;
    let host = Asked {
        cert_type: CertType::Host,
        principal: "web",
        family: "ngrok",
        role: "x",
        keep_signature: true,
    };
    let kept = Asked {
        family: "ngrok",
        keep_signature: true,
        ..ALICE
    };
    let mut ids = Vec::new();
    // Over a midnight, too.
    for (later, asked) in [(0, &ALICE), (10, &host), (90_000, &kept), (90_001, &ALICE)] {
        clock.set(NOW + later);
        ids.push(certify(&services, &authority, asked).await.unwrap());
    }
    let find = async |filter: Filter| {
        let page = search(&services, &filter, None, 100).await.unwrap();
        assert_eq!(page.next, None);
        page.found
            .iter()
            .map(|found| ids.iter().position(|id| *id == found.record.id).unwrap())
            .collect::<Vec<_>>()
    };
    let filter = Filter::default;
    assert_eq!(find(filter()).await, [3, 2, 1, 0]);
    assert_eq!(
        find(Filter {
            cert_type: Some(CertType::Host),
            ..filter()
        })
        .await,
        [1]
    );
    assert_eq!(
        find(Filter {
            principal: Some("alice".into()),
            ..filter()
        })
        .await,
        [3, 2, 0]
    );
    assert_eq!(
        find(Filter {
            principal: Some("ali".into()),
            ..filter()
        })
        .await,
        [0usize; 0]
    );
    assert_eq!(
        find(Filter {
            family: Some("ngrok".into()),
            ..filter()
        })
        .await,
        [2, 1]
    );
    assert_eq!(
        find(Filter {
            role: Some("dev".into()),
            family: Some("vault".into()),
            ..filter()
        })
        .await,
        [3, 0]
    );
    assert_eq!(
        find(Filter {
            since: Some(NOW + 10),
            ..filter()
        })
        .await,
        [3, 2, 1]
    );
    assert_eq!(
        find(Filter {
            since: Some(NOW + 90_002),
            ..filter()
        })
        .await,
        [0usize; 0]
    );
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition() {
    let (services, clock) = services().await;
    let authority = authority(&services).await;
    let mut ids = Vec::new();
    for number in 0..450 {
        clock.set(NOW + number / 7);
        let asked = Asked {
            keep_signature: number % 3 == 0,
            ..ALICE
        };
        ids.push(certify(&services, &authority, &asked).await.unwrap());
    }
    ids.sort();
    ids.reverse();
    for limit in [1000, 200, 37] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = search(&services, &Filter::default(), before, limit)
                .await
                .unwrap();
            assert!(page.found.len() <= limit);
            found.extend(page.found.into_iter().map(|found| found.record.id));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found, ids, "{limit} at a time");
    }
}

#[tokio::test]
async fn a_retired_authority_signs_no_more() {
    let (services, _) = services().await;
    let authority = authority(&services).await;
    assert_eq!(authority.state, AuthorityState::Active);
    certify(&services, &authority, &ALICE).await.unwrap();
    for _ in 0..2 {
        let retired = retire(&services, &authority.id).await.unwrap().unwrap();
        assert_eq!(retired.state, AuthorityState::Retired);
        let (stored, _) = Authority::read(&*services.store, &authority.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored, retired);
        assert!(matches!(
            certify(&services, &stored, &ALICE).await,
            Err(Error::Conflict(_))
        ));
    }
    let unknown = AuthorityId::draw(NOW, &*services.random).unwrap();
    assert_eq!(retire(&services, &unknown).await.unwrap(), None);
}

const KEPT: Asked = Asked {
    keep_signature: true,
    ..ALICE
};

async fn read(services: &Services, id: &str) -> (CertificateRecord, Record) {
    let id = Ksuid::parse(id).unwrap();
    certificates::read(&*services.store, id).await.unwrap().unwrap()
}

/// Which of the lists `id` is in.
async fn lists(services: &Services, id: &str) -> Vec<CertificateList> {
    let mut found = Vec::new();
    for list in CertificateList::ALL {
        let listed = certificates::list(services, list, None, 100).await.unwrap();
        found.extend(listed.iter().any(|(record, _)| record.id == id).then_some(list));
    }
    found
}

fn users(signature_kept: bool) -> CertificateList {
    CertificateList {
        cert_type: CertType::User,
        signature_kept,
    }
}

#[tokio::test]
async fn what_is_withdrawn_stays_on_record_and_lets_go_of_its_authority() {
    let (services, _) = services().await;
    let authority = authority(&services).await;
    let id = certify(&services, &authority, &KEPT).await.unwrap();
    assert_eq!(lists(&services, &id).await, [users(true)]);
    let retire = || retirement::retire_unused(&services, &authority.id);
    assert_eq!(retire().await.unwrap(), Outcome::Kept);

    let (record, stored) = read(&services, &id).await;
    certificates::withdraw(&services, &record, &stored, Some(NOW + 5))
        .await
        .unwrap();
    let (withdrawn, after) = read(&services, &id).await;
    assert_eq!(withdrawn, record);
    assert_eq!(after.expires_at, Some(NOW + 5));
    assert_eq!(lists(&services, &id).await, [users(false)]);
    let error = certificates::withdraw(&services, &record, &stored, None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "it was changed: {error:?}");
    assert_eq!(retire().await.unwrap(), Outcome::Retired);
}

#[tokio::test]
async fn an_archived_certificate_stays_as_long_as_any_other_past_its_end_and_past_now() {
    for (later, end) in [(10, NOW + 60), (100, NOW + 100)] {
        let (services, clock) = services().await;
        let authority = authority(&services).await;
        let id = certify(&services, &authority, &KEPT).await.unwrap();
        let (record, stored) = read(&services, &id).await;
        assert!(!record.is_archived());
        clock.set(NOW + later);
        let writes = certificates::archival(&services, &record, &stored).await.unwrap();
        services.store.write(&writes).await.unwrap();
        let (archived, after) = read(&services, &id).await;
        assert!(archived.is_archived());
        assert_eq!(after.expires_at, Some(end + services.settings.retention_secs));
        assert_eq!(lists(&services, &id).await, [users(false)]);
    }
}
