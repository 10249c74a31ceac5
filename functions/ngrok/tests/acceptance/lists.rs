//! Lists: their order, their pages, their parameters.

use crate::support::{BASE, NOW, World};
use countersign::{authority::AuthorityId, store::faulty::Counts};
use serde_json::{Value, json};

const LISTS: [&str; 3] = [
    "ssh_certificate_authorities",
    "ssh_host_certificates",
    "ssh_user_certificates",
];

/// All ids of a list, page by page, as clients walk it.
async fn walk(world: &World, list: &str, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut path = format!("/{list}?limit={limit}");
    loop {
        let page = world.get(&path).await.expect(200);
        assert_eq!(page.text("uri"), format!("{BASE}/{list}"));
        pages.push(page.ids(list));
        match &page.body["next_page_uri"] {
            Value::Null => return pages,
            next => path = next.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned(),
        }
    }
}

async fn make(world: &World, list: &str, authority: &AuthorityId) -> String {
    let made = match list {
        "ssh_certificate_authorities" => world.post("/ssh_certificate_authorities", json!({})).await,
        "ssh_host_certificates" => world.host_certificate(authority, json!({})).await,
        _ => world.user_certificate(authority, json!({})).await,
    };
    made.expect(201).text("id").to_owned()
}

#[tokio::test]
async fn case_16_a_walk_returns_each_of_one_second_once() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    world.clock.set(NOW + 1);
    for list in LISTS {
        let before: usize = walk(&world, list, 100).await.concat().len();
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(make(&world, list, &authority).await);
        }
        let pages = walk(&world, list, 2).await;
        assert!(pages.iter().all(|page| !page.is_empty() && page.len() <= 2));
        let found = pages.concat();
        assert_eq!(found.len(), before + 5);
        let newest_first = found.windows(2).all(|pair| pair[0] > pair[1]);
        assert!(newest_first, "{found:?}");
        assert!(made.iter().all(|id| found.contains(id)));
    }
}

#[tokio::test]
async fn each_in_a_list_is_shown_as_it_is_alone() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for list in LISTS {
        make(&world, list, &authority).await;
        let page = world.get(&format!("/{list}")).await.expect(200);
        let mut members: Vec<_> = page.body.as_object().unwrap().keys().collect();
        members.sort_unstable();
        let mut expected = ["next_page_uri", "uri", list];
        expected.sort_unstable();
        assert_eq!(members, expected);
        let items = page.body[list].as_array().unwrap();
        assert!(!items.is_empty());
        for item in items {
            let path = item["uri"].as_str().unwrap().strip_prefix(BASE).unwrap();
            assert_eq!(*item, world.get(path).await.expect(200).body);
        }
    }
}

#[tokio::test]
async fn newer_ones_come_first_over_days_and_years() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let mut made = Vec::new();
    for days in [0, 0, 1, 40, 400, 4000] {
        world.clock.set(NOW + days * 86_400);
        made.insert(0, make(&world, "ssh_user_certificates", &authority).await);
    }
    made[4..].sort_by(|a, b| b.cmp(a));
    for limit in [1, 2, 3, 100] {
        assert_eq!(walk(&world, "ssh_user_certificates", limit).await.concat(), made);
    }
}

#[tokio::test]
async fn case_17_each_wrong_parameter_has_its_code() {
    let world = World::new().await;
    for list in LISTS {
        for (query, code) in [
            ("limit=0", 233),
            ("limit=101", 233),
            ("limit=abc", 244),
            ("order=asc", 231),
            ("limit=1&limit=1", 232),
            ("before_id=%zz", 230),
            ("before_id=ipp_2rwwl2T6kKDNklNsSXGf3D53Kpj", 227),
        ] {
            world
                .get(&format!("/{list}?{query}"))
                .await
                .expect_error(400, code);
        }
    }
    let filter = "filter=obj.description.contains('a')";
    let authorities = world.get(&format!("/ssh_certificate_authorities?{filter}")).await;
    authorities.expect_error(400, 250);
    let certificates = world.get(&format!("/ssh_user_certificates?{filter}")).await;
    certificates.expect_error(400, 231);
    let item = world
        .get("/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj?x=1")
        .await;
    item.expect_error(400, 231);
}

#[tokio::test]
async fn case_18_before_a_deleted_and_before_the_oldest() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let mut ids = Vec::new();
    for second in 1..=3 {
        world.clock.set(NOW + second);
        ids.push(make(&world, "ssh_user_certificates", &authority).await);
    }
    world
        .delete(&format!("/ssh_user_certificates/{}", ids[1]))
        .await
        .expect(204);
    for (before, expected) in [
        ("", &[ids[2].clone(), ids[0].clone()][..]),
        (&ids[2], &[ids[0].clone()]),
        (&ids[1], &[ids[0].clone()]),
        (&ids[0], &[]),
    ] {
        let page = world
            .get(&format!("/ssh_user_certificates?before_id={before}"))
            .await;
        let page = page.expect(200);
        assert_eq!(page.ids("ssh_user_certificates"), expected);
        assert_eq!(page.body["next_page_uri"], Value::Null);
    }
    let oldest = format!("/ssh_certificate_authorities?before_id={authority}");
    let page = world.get(&oldest).await.expect(200);
    assert_eq!(page.ids("ssh_certificate_authorities"), [""; 0]);
}

#[tokio::test]
async fn case_19_the_next_page_has_the_clients_origin_and_its_limit() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for second in 1..=4 {
        world.clock.set(NOW + second);
        make(&world, "ssh_user_certificates", &authority).await;
    }
    let first = world.get("/ssh_user_certificates?limit=2").await.expect(200);
    let last_id = first.ids("ssh_user_certificates")[1].clone();
    let expected = format!("{BASE}/ssh_user_certificates?limit=2&before_id={last_id}");
    assert_eq!(first.text("next_page_uri"), expected);
    let path = first.text("next_page_uri").strip_prefix(BASE).unwrap();
    let last = world.get(path).await.expect(200);
    assert_eq!(last.ids("ssh_user_certificates").len(), 2);
    assert_eq!(last.body["next_page_uri"], Value::Null);

    // What a gateway hands on is an absolute URI; a server with TLS of its own says so.
    let absolute = world.request(
        "GET",
        "https://gateway.example.test/ssh_user_certificates?limit=1",
    );
    let page = world.send(absolute.body("".into()).unwrap()).await.expect(200);
    assert_eq!(
        page.text("uri"),
        "https://gateway.example.test/ssh_user_certificates"
    );
    let tls = world
        .request("GET", "/ssh_user_certificates")
        .extension(http::uri::Scheme::HTTPS);
    let page = world.send(tls.body("".into()).unwrap()).await.expect(200);
    assert_eq!(
        page.text("uri"),
        "https://ca.example.test:8200/ssh_user_certificates"
    );
}

#[tokio::test]
async fn what_is_created_during_a_walk_is_on_no_later_page() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let mut ids = Vec::new();
    for second in 1..=4 {
        world.clock.set(NOW + second);
        ids.insert(0, make(&world, "ssh_user_certificates", &authority).await);
    }
    let first = world.get("/ssh_user_certificates?limit=2").await.expect(200);
    world.clock.set(NOW + 5);
    make(&world, "ssh_user_certificates", &authority).await;
    world
        .delete(&format!("/ssh_user_certificates/{}", ids[1]))
        .await
        .expect(204);
    let path = first.text("next_page_uri").strip_prefix(BASE).unwrap().to_owned();
    assert_eq!(world.get(&path).await.ids("ssh_user_certificates"), ids[2..]);
}

#[tokio::test]
async fn a_page_costs_the_same_however_many_there_are() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let mut costs = Vec::new();
    for _ in 0..3 {
        for _ in 0..20 {
            make(&world, "ssh_user_certificates", &authority).await;
        }
        world.store.take_counts();
        world.get("/ssh_user_certificates?limit=5").await.expect(200);
        costs.push(world.store.take_counts());
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    let Counts {
        reads,
        queries,
        writes,
    } = costs[0];
    assert_eq!((reads, writes), (1, 0));
    assert_eq!(queries, 17, "the directory of days, and the shards of one");
}

#[tokio::test]
async fn retired_authorities_leave_no_gaps() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for second in 0..9 {
        world.clock.set(NOW + second);
        ids.insert(0, world.authority("ed25519").await.to_string());
    }
    for id in ids.split_off(3) {
        world
            .delete(&format!("/ssh_certificate_authorities/{id}"))
            .await
            .expect(204);
    }
    let pages = walk(&world, "ssh_certificate_authorities", 2).await;
    assert_eq!(pages, [ids[..2].to_vec(), ids[2..].to_vec()]);
}
