//! What is refused, and how.

use crate::support::{ED25519, World, certificate_body};
use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};

#[tokio::test]
async fn case_20_the_version_must_be_given_and_be_2() {
    let world = World::new().await;
    for path in [
        "/ssh_user_certificates",
        "/ssh_host_certificates",
        "/ssh_certificate_authorities",
    ] {
        let mut request = world.request("GET", path).body(Body::empty()).unwrap();
        request.headers_mut().remove("ngrok-version");
        world.send(request).await.expect_error(400, 218);
        for version in ["1", "3", "two", "2.0"] {
            let mut request = world.request("GET", path).body(Body::empty()).unwrap();
            request
                .headers_mut()
                .insert("ngrok-version", version.parse().unwrap());
            world.send(request).await.expect_error(400, 217);
        }
    }
}

/// Every route: the family's part of the table of routes.
const ROUTES: [(&str, &str); 15] = [
    ("POST", "/ssh_certificate_authorities"),
    ("GET", "/ssh_certificate_authorities"),
    (
        "GET",
        "/ssh_certificate_authorities/sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5",
    ),
    (
        "PATCH",
        "/ssh_certificate_authorities/sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5",
    ),
    (
        "DELETE",
        "/ssh_certificate_authorities/sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5",
    ),
    ("POST", "/ssh_host_certificates"),
    ("GET", "/ssh_host_certificates"),
    ("GET", "/ssh_host_certificates/shcrt_2rwwl2T6kKDNklNsSXGf3D53Kpj"),
    (
        "PATCH",
        "/ssh_host_certificates/shcrt_2rwwl2T6kKDNklNsSXGf3D53Kpj",
    ),
    (
        "DELETE",
        "/ssh_host_certificates/shcrt_2rwwl2T6kKDNklNsSXGf3D53Kpj",
    ),
    ("POST", "/ssh_user_certificates"),
    ("GET", "/ssh_user_certificates"),
    ("GET", "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj"),
    (
        "PATCH",
        "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj",
    ),
    (
        "DELETE",
        "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj",
    ),
];

fn bare(method: &str, path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("ngrok-version", "2");
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let has_body = method == "POST" || method == "PATCH";
    let body = if has_body { Body::from("{}") } else { Body::empty() };
    if has_body {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(body).unwrap()
}

#[tokio::test]
async fn the_table_of_routes_is_the_document_and_the_router() {
    let world = World::new().await;
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    for (template, operations) in document["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let is_at = |path: &str| match template.strip_suffix("/{id}") {
                Some(collection) => path
                    .strip_prefix(collection)
                    .is_some_and(|id| id.starts_with('/')),
                None => path == template,
            };
            let known = ROUTES.iter().any(|(known, path)| *known == method && is_at(path));
            let documented = operations.get(method.to_lowercase()).is_some();
            let path = template.replace("{id}", "x");
            let answer = world.send(bare(method, &path, None)).await;
            let is_served = answer.body["msg"] != "Not Found";
            assert_eq!(
                (known, is_served),
                (documented, documented),
                "{method} {template}"
            );
        }
    }
}

#[tokio::test]
async fn case_21_missing_and_wrong_credentials() {
    let world = World::new().await;
    for (method, path) in ROUTES {
        for (authorization, code) in [
            (None, 200),
            (Some("Digest abc"), 201),
            (Some("Bearer "), 202),
            (Some("Basic dXNlcjpwYXNz"), 202),
            (Some("Bearer 2rwwlNOTAKEYOFOURS_7abc"), 202),
            (Some("Bearer csn_NOTAKEYOFOURS"), 203),
        ] {
            let answer = world
                .send(bare(method, path, authorization))
                .await
                .expect_error(403, code);
            assert!(!answer.body.to_string().contains("NOTAKEYOFOURS"));
            assert!(!answer.headers.contains_key(header::WWW_AUTHENTICATE));
        }
    }
    let log = world.audit.decisions();
    assert_eq!(
        log.len(),
        ROUTES.len() * 6,
        "everyone who is turned away is in the log"
    );
    assert!(log.iter().all(|decision| decision.outcome == "unauthenticated"));
}

#[tokio::test]
async fn case_22_other_methods_and_paths_are_not_found() {
    let world = World::new().await;
    for (method, path) in [
        ("PUT", "/ssh_user_certificates"),
        ("DELETE", "/ssh_user_certificates"),
        ("PATCH", "/ssh_host_certificates"),
        ("POST", "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj"),
        (
            "PUT",
            "/ssh_certificate_authorities/sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5",
        ),
        ("LIST", "/ssh_certificate_authorities"),
        ("OPTIONS", "/ssh_user_certificates"),
        ("GET", "/ssh_user_certificates/"),
        ("GET", "/ssh_user_certificates//"),
        ("GET", "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj/"),
        (
            "GET",
            "/ssh_user_certificates/sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj/certificate",
        ),
        ("GET", "/ssh_user_certificate"),
        ("GET", "/"),
        ("POST", "/tunnels"),
    ] {
        let answer = world.send(bare(method, path, None)).await.expect(404);
        let details = json!({ "path": path });
        assert_eq!(
            (&answer.body["msg"], &answer.body["details"]),
            (&json!("Not Found"), &details)
        );
        assert_eq!(answer.body.get("error_code"), None);
    }
}

#[tokio::test]
async fn case_23_texts_have_limits_in_bytes() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let limits = [
        ("/ssh_certificate_authorities", 1937, 1938),
        ("/ssh_host_certificates", 1945, 1946),
        ("/ssh_user_certificates", 1947, 1948),
    ];
    for (path, description_code, metadata_code) in limits {
        let body = |more| match path {
            "/ssh_certificate_authorities" => more,
            _ => certificate_body(&authority, more),
        };
        let long = json!({ "description": "d".repeat(255), "metadata": "m".repeat(4096) });
        let made = world.post(path, body(long.clone())).await.expect(201);
        assert_eq!(world.get(made.path()).await.body["metadata"], long["metadata"]);
        for (more, code) in [
            (json!({ "description": "d".repeat(256) }), description_code),
            (json!({ "description": "ü".repeat(128) }), description_code),
            (json!({ "metadata": "m".repeat(4097) }), metadata_code),
        ] {
            world
                .patch(made.path(), more.clone())
                .await
                .expect_error(400, code);
            world.post(path, body(more)).await.expect_error(400, code);
        }
    }
}

#[tokio::test]
async fn case_24_bodies_that_are_no_json_object() {
    let world = World::new().await;
    let made = world
        .post("/ssh_certificate_authorities", json!({}))
        .await
        .expect(201);
    for (method, path) in [
        ("POST", "/ssh_certificate_authorities"),
        ("POST", "/ssh_host_certificates"),
        ("POST", "/ssh_user_certificates"),
        ("PATCH", made.path()),
    ] {
        for (body, code) in [
            ("{", 213),
            ("", 213),
            ("[]", 213),
            ("[\"x\", \"y\"]", 213),
            ("null", 213),
            ("\"text\"", 213),
            ("hello", 213),
            ("description=x", 213),
            ("{} {}", 213),
            ("{\"description\": \"a\", \"description\": \"b\"}", 213),
            ("{\"description\": \"\\ud800\"}", 213),
            ("{\"colour\": 1}", 214),
            ("{\"Description\": \"x\"}", 214),
            ("{\"description\": 1}", 215),
            ("{\"metadata\": {}}", 215),
        ] {
            let request = world.with_json(method, path, body);
            world.send(request).await.expect_error(400, code);
        }
        for (content_type, code) in [
            (Some("application/x-www-form-urlencoded"), 210),
            (Some("text/plain"), 210),
            (Some("application/json; charset=latin1"), 210),
            (None, 216),
        ] {
            let mut request = world.with_json(method, path, "{}");
            request.headers_mut().remove(header::CONTENT_TYPE);
            if let Some(value) = content_type {
                request
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, value.parse().unwrap());
            }
            world.send(request).await.expect_error(415, code);
        }
        let huge = format!("{{\"description\": \"{}\"}}", "x".repeat(1 << 20));
        world
            .send(world.with_json(method, path, &huge))
            .await
            .expect_error(400, 212);
    }
    for (method, path) in [("GET", "/ssh_user_certificates"), ("DELETE", made.path())] {
        world
            .send(world.with_json(method, path, "{}"))
            .await
            .expect_error(400, 211);
    }
    let wrong_types = [
        json!({ "principals": "root" }),
        json!({ "principals": [null] }),
        json!({ "critical_options": { "force-command": null } }),
        json!({ "extensions": ["permit-pty"] }),
        json!({ "valid_until": 1_800_000_000 }),
        json!({ "public_key": [] }),
    ];
    for body in wrong_types {
        world
            .post("/ssh_user_certificates", body)
            .await
            .expect_error(400, 215);
    }
}

#[tokio::test]
async fn case_28_what_is_no_plain_public_key_is_refused_by_kind() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let certificate = include_str!("documented-cert.pub");
    let key = ED25519.trim_end();
    let dss = "ssh-dss AAAAB3NzaC1kc3MAAAAFAQABAgMAAAAFAQABAgMAAAAFAQABAgMAAAAFAQABAgM= old";
    let two_lines = format!("{key}\n{key}");
    let with_options = format!("no-pty,command=\"id\" {key}");
    let renamed = key.replacen("ssh-ed25519", "ssh-rsa", 1);
    let sk = include_str!("../../../../tests/vectors/keys/subject_sk_ed25519.pub");
    let short_rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAIQC7bnQnUaJ6hY7V1m5Z3sQ0m0m1o2p3q4r5s6t7u8v9xQ==";
    for (line, code) in [
        (certificate, 1950),
        (dss, 1950),
        (sk, 1950),
        (short_rsa, 1950),
        ("1024 35 1193045679 old@host", 1934),
        (&two_lines, 1934),
        (&with_options, 1934),
        (&renamed, 1934),
        ("ssh-ed25519", 1934),
        ("ssh-ed25519 !!!", 1934),
        ("ssh-ed25519 AAAA", 1934),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", 1934),
        ("", 1952),
    ] {
        let more = json!({ "public_key": line });
        world
            .user_certificate(&authority, more.clone())
            .await
            .expect_error(400, code);
        world
            .host_certificate(&authority, more)
            .await
            .expect_error(400, code);
    }
}

#[tokio::test]
async fn nobody_gets_a_certificate_for_everybody() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for principals in [
        json!([]),
        json!(null),
        json!([""]),
        json!(["a,b"]),
        json!(["a\nb"]),
        json!(vec!["x"; 257]),
    ] {
        let more = json!({ "principals": principals });
        let answer = world
            .user_certificate(&authority, more.clone())
            .await
            .expect_error(400, 215);
        assert!(answer.text("msg").contains("principal"), "{}", answer.body);
        world
            .host_certificate(&authority, more)
            .await
            .expect_error(400, 215);
    }
    for pattern in ["*", "*.example.test", "web?"] {
        let more = json!({ "principals": [pattern] });
        world
            .host_certificate(&authority, more)
            .await
            .expect_error(400, 215);
    }
    // Order and repetition are the caller's.
    let more = json!({ "principals": ["root", "ec2-user", "root"] });
    let made = world.user_certificate(&authority, more).await.expect(201);
    assert_eq!(made.body["principals"], json!(["root", "ec2-user", "root"]));
}

#[tokio::test]
async fn options_that_sshd_would_refuse_are_refused() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for more in [
        json!({ "critical_options": { "source-address": "office.example.test" } }),
        json!({ "critical_options": { "source-address": "" } }),
        json!({ "critical_options": { "force-command": "" } }),
        json!({ "critical_options": { "permit-pty": "" } }),
        json!({ "critical_options": { "verify-required": "" } }),
        json!({ "extensions": { "force-command": "id" } }),
        json!({ "extensions": { "permit-pty": "yes" } }),
        json!({ "extensions": { "": "" } }),
    ] {
        world
            .user_certificate(&authority, more)
            .await
            .expect_error(400, 215);
    }
}

#[tokio::test]
async fn the_authority_must_be_one() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for (id, user_code, host_code) in [
        (json!(null), 1951, 1949),
        (json!(""), 1951, 1949),
        (json!("sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5"), 1951, 1949),
        (json!("sshca_x"), 1951, 1949),
        (json!("sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj"), 227, 227),
    ] {
        let more = json!({ "ssh_certificate_authority_id": id });
        world
            .user_certificate(&authority, more.clone())
            .await
            .expect_error(400, user_code);
        world
            .host_certificate(&authority, more)
            .await
            .expect_error(400, host_code);
    }
}
