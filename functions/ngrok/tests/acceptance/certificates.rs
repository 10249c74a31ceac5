//! Certificates: what is signed, and what is said about it.

use crate::support::{Answer, BASE, ED25519, NOW, World};
use countersign::{certificates, types::Ksuid};
use serde_json::json;
use ssh_key::{Algorithm, Certificate, PublicKey, certificate::CertType};
use std::{io::Write, process::Command};

const SUBJECTS: [(&str, &str, &str); 7] = [
    ("ed25519", "ssh-ed25519", ED25519),
    (
        "ecdsa",
        "ecdsa-sha2-nistp256",
        include_str!("../../../../tests/vectors/keys/subject_ecdsa_p256.pub"),
    ),
    (
        "ecdsa",
        "ecdsa-sha2-nistp384",
        include_str!("../../../../tests/vectors/keys/subject_ecdsa_p384.pub"),
    ),
    (
        "ecdsa",
        "ecdsa-sha2-nistp521",
        include_str!("../../../../tests/vectors/keys/subject_ecdsa_p521.pub"),
    ),
    (
        "rsa",
        "ssh-rsa",
        include_str!("../../../../tests/vectors/keys/subject_rsa_2048.pub"),
    ),
    (
        "rsa",
        "ssh-rsa",
        include_str!("../../../../tests/vectors/keys/subject_rsa_3072.pub"),
    ),
    (
        "rsa",
        "ssh-rsa",
        include_str!("../../../../tests/vectors/keys/subject_rsa_4096.pub"),
    ),
];

/// The key of the documentation's example.
const EXAMPLE_KEY: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK58lFzmWlDimDtBz78wVT4oauA8PjY0CiXTCEIsBNC6UwOJvZ0jdSaYNhDaa7dRV84DfBb/gKzqlXC7cVMZjl0= alan@work-laptop";
/// The certificate of the documentation's example.
const EXAMPLE: &str = include_str!("documented-cert.pub");

fn decode(answer: &Answer) -> Certificate {
    Certificate::from_openssh(answer.text("certificate")).unwrap()
}

fn options(map: &ssh_key::certificate::OptionsMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn pairs(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn has_default_extensions(certificate: &Certificate) -> bool {
    options(certificate.extensions()) == pairs(&[("permit-pty", ""), ("permit-user-rc", "")])
}

#[tokio::test]
async fn case_05_the_documented_request_gives_what_the_documented_certificate_says() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let body = json!({
        "description": "temporary access to staging machine",
        "principals": ["ec2-user", "root"],
        "public_key": EXAMPLE_KEY,
        "ssh_certificate_authority_id": authority,
        "valid_until": "2027-01-31T12:26:40Z",
    });
    let made = world.post("/ssh_user_certificates", body).await.expect(201);
    let id = made.text("id");
    let certificate = decode(&made);
    let expected = json!({
        "certificate": made.text("certificate"),
        "created_at": "2026-11-02T12:26:40Z",
        "critical_options": {},
        "description": "temporary access to staging machine",
        "extensions": { "permit-pty": "", "permit-user-rc": "" },
        "id": id,
        "key_type": "ecdsa",
        "metadata": "",
        "principals": ["ec2-user", "root"],
        "public_key": EXAMPLE_KEY,
        "ssh_certificate_authority_id": authority,
        "uri": format!("{BASE}/ssh_user_certificates/{id}"),
        "valid_after": "2026-11-02T12:26:40Z",
        "valid_until": "2027-01-31T12:26:40Z",
    });
    assert_eq!(made.body, expected);

    let theirs = Certificate::from_openssh(EXAMPLE.trim_end()).unwrap();
    assert_eq!(certificate.algorithm(), theirs.algorithm());
    assert_eq!(certificate.nonce().len(), theirs.nonce().len());
    assert_eq!(certificate.public_key(), theirs.public_key());
    // Ours can be revoked by its number: docs/DIVERGENCES.md.
    assert!(certificate.serial() != 0 && theirs.serial() == 0);
    assert_eq!(certificate.cert_type(), theirs.cert_type());
    assert_eq!((certificate.key_id(), certificate.comment()), (id, id));
    assert_eq!(
        (theirs.key_id(), theirs.comment().len()),
        (theirs.comment(), id.len())
    );
    assert_eq!(certificate.valid_principals(), theirs.valid_principals());
    assert_eq!(certificate.valid_after(), NOW);
    let length = |certificate: &Certificate| certificate.valid_before() - certificate.valid_after();
    assert_eq!(length(&certificate), length(&theirs));
    assert_eq!(certificate.critical_options(), theirs.critical_options());
    assert_eq!(certificate.extensions(), theirs.extensions());
    assert_eq!(
        certificate.signature_key().algorithm(),
        theirs.signature_key().algorithm()
    );
    assert_eq!(
        certificate.signature().algorithm(),
        theirs.signature().algorithm()
    );
    let bytes = |certificate: &Certificate| certificate.to_bytes().unwrap().len();
    assert_eq!(bytes(&certificate), bytes(&theirs));
    let ksuid = Ksuid::parse(id.strip_prefix("sucrt_").unwrap()).unwrap();
    assert_eq!(ksuid.unix_secs(), NOW);
    assert_eq!(world.get(made.path()).await.expect(200).body, made.body);
}

#[tokio::test]
async fn case_06_a_certificate_lives_a_day_unless_asked_otherwise() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let made = world.user_certificate(&authority, json!({})).await.expect(201);
    assert_eq!(made.text("valid_after"), "2026-11-02T12:26:40Z");
    assert_eq!(made.text("valid_until"), "2026-11-03T12:26:40Z");
    let certificate = decode(&made);
    assert_eq!(
        (certificate.valid_after(), certificate.valid_before()),
        (NOW, NOW + 86_400)
    );

    let later = json!({ "valid_after": "2026-12-01T00:00:00Z", "valid_until": null });
    let made = world.user_certificate(&authority, later).await.expect(201);
    assert_eq!(made.text("valid_after"), "2026-12-01T00:00:00Z");
    assert_eq!(made.text("valid_until"), "2026-12-02T00:00:00Z");

    let backdated = json!({ "valid_after": "2020-01-01T00:00:00Z", "valid_until": "2030-01-01T00:00:00Z" });
    let made = world.user_certificate(&authority, backdated).await.expect(201);
    assert_eq!(made.text("valid_after"), "2020-01-01T00:00:00Z");
}

#[tokio::test]
async fn case_07_no_extensions_are_the_default_pair() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    for more in [
        json!({}),
        json!({ "extensions": {} }),
        json!({ "extensions": null }),
    ] {
        let made = world.user_certificate(&authority, more).await.expect(201);
        assert_eq!(
            made.body["extensions"],
            json!({ "permit-pty": "", "permit-user-rc": "" })
        );
        assert_eq!(made.body["critical_options"], json!({}));
        assert!(has_default_extensions(&decode(&made)));
    }
}

#[tokio::test]
async fn case_08_explicit_extensions_are_used_as_given() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let extensions = json!({ "permit-port-forwarding": "", "login@github.com": "alice" });
    let made = world
        .user_certificate(&authority, json!({ "extensions": extensions }))
        .await
        .expect(201);
    assert_eq!(made.body["extensions"], extensions);
    let found = options(decode(&made).extensions());
    assert_eq!(
        found,
        pairs(&[("login@github.com", "alice"), ("permit-port-forwarding", "")])
    );
}

#[tokio::test]
async fn case_09_critical_options_are_sorted_and_echoed_as_signed() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let asked = json!({ "source-address": "192.0.2.1/24,2001:db8::/32", "force-command": "id -un" });
    let made = world
        .user_certificate(&authority, json!({ "critical_options": asked }))
        .await
        .expect(201);
    let signed = [
        ("force-command", "id -un"),
        ("source-address", "192.0.2.0/24,2001:db8::/32"),
    ];
    assert_eq!(options(decode(&made).critical_options()), pairs(&signed));
    let shown = json!({ "source-address": "192.0.2.0/24,2001:db8::/32", "force-command": "id -un" });
    assert_eq!(made.body["critical_options"], shown);
}

#[tokio::test]
async fn case_10_every_kind_of_key_under_every_kind_of_authority() {
    let world = World::new().await;
    let mut authorities = Vec::new();
    for body in [
        json!({}),
        json!({ "private_key_type": "ecdsa" }),
        json!({ "private_key_type": "ecdsa", "elliptic_curve": "p384" }),
        json!({ "private_key_type": "ecdsa", "elliptic_curve": "p521" }),
        json!({ "private_key_type": "rsa", "key_size": 2048 }),
    ] {
        authorities.push(world.post("/ssh_certificate_authorities", body).await.expect(201));
    }
    for (index, (key_type, name, line)) in SUBJECTS.iter().enumerate() {
        let authority = &authorities[index % authorities.len()];
        for authority in [authority, &authorities[0], &authorities[4]] {
            let body = json!({
                "ssh_certificate_authority_id": authority.text("id"),
                "public_key": line.trim_end(),
                "principals": ["root"],
            });
            let made = world.post("/ssh_user_certificates", body).await.expect(201);
            assert_eq!(made.text("key_type"), *key_type);
            let prefix = format!("{name}-cert-v01@openssh.com ");
            assert!(made.text("certificate").starts_with(&prefix));
            let certificate = decode(&made);
            let ca = PublicKey::from_openssh(authority.text("public_key")).unwrap();
            assert_eq!(certificate.signature_key(), ca.key_data());
            assert_ne!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None });
            read_by_ssh_keygen(made.text("certificate"), made.text("id"));
        }
    }
}

/// ssh-keygen verifies the signature of what it lists.
fn read_by_ssh_keygen(certificate: &str, key_id: &str) {
    let mut child = Command::new("ssh-keygen")
        .args(["-L", "-f", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("ssh-keygen is installed");
    writeln!(child.stdin.take().unwrap(), "{certificate}").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains(&format!("Key ID: \"{key_id}\"")),
        "{text}"
    );
}

#[tokio::test]
async fn case_11_a_host_certificate_lives_a_year_and_has_no_options() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let more = json!({ "principals": ["inconshreveable.com", "10.2.42.9"], "metadata": "{}" });
    let made = world.host_certificate(&authority, more).await.expect(201);
    let id = made.text("id");
    let expected = json!({
        "certificate": made.text("certificate"),
        "created_at": "2026-11-02T12:26:40Z",
        "description": "",
        "id": id,
        "key_type": "ed25519",
        "metadata": "{}",
        "principals": ["inconshreveable.com", "10.2.42.9"],
        "public_key": ED25519.trim_end(),
        "ssh_certificate_authority_id": authority,
        "uri": format!("{BASE}/ssh_host_certificates/{id}"),
        "valid_after": "2026-11-02T12:26:40Z",
        "valid_until": "2027-11-02T12:26:40Z",
    });
    assert_eq!(made.body, expected);
    assert!(id.starts_with("shcrt_") && id.len() == 33);
    let certificate = decode(&made);
    assert_eq!(certificate.cert_type(), CertType::Host);
    assert_eq!(
        certificate.valid_principals(),
        ["inconshreveable.com", "10.2.42.9"]
    );
    assert_eq!((certificate.key_id(), certificate.comment()), (id, id));
    assert!(certificate.critical_options().is_empty() && certificate.extensions().is_empty());
    for field in ["critical_options", "extensions"] {
        world
            .host_certificate(&authority, json!({ field: {} }))
            .await
            .expect_error(400, 214);
    }
}

#[tokio::test]
async fn case_12_a_comment_is_echoed_but_not_signed() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let plain: Vec<&str> = ED25519.split_whitespace().take(2).collect();
    for comment in ["", " alan@work-laptop", " two  words ü"] {
        let line = format!("{}{comment}", plain.join(" "));
        let made = world
            .user_certificate(&authority, json!({ "public_key": line }))
            .await
            .expect(201);
        assert_eq!(made.text("public_key"), line);
        assert_eq!(made.text("certificate").split(' ').nth(2), Some(made.text("id")));
        assert_eq!(made.text("certificate").split(' ').count(), 3);
        assert_eq!(world.get(made.path()).await.body, made.body);
    }
}

#[tokio::test]
async fn case_13_an_update_changes_the_two_texts_alone() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let more = json!({ "description": "a", "metadata": "b" });
    let made = world.user_certificate(&authority, more).await.expect(201);
    world.clock.set(NOW + 5);
    let mut expected = made.body.clone();
    for (change, description, metadata) in [
        (json!({ "description": "c" }), "c", "b"),
        (json!({}), "c", "b"),
        (json!({ "metadata": null, "description": null }), "c", "b"),
        (json!({ "description": "" }), "", "b"),
        (json!({ "metadata": "d", "id": made.text("id") }), "", "d"),
    ] {
        expected["description"] = json!(description);
        expected["metadata"] = json!(metadata);
        assert_eq!(world.patch(made.path(), change).await.expect(200).body, expected);
        assert_eq!(world.get(made.path()).await.body, expected);
    }
    for field in ["principals", "valid_until", "certificate"] {
        let change = json!({ field: "x" });
        world.patch(made.path(), change).await.expect_error(400, 214);
    }
    let other = json!({ "id": "sucrt_2rwwl2T6kKDNklNsSXGf3D53Kpj" });
    world.patch(made.path(), other).await.expect_error(400, 215);
}

#[tokio::test]
async fn case_14_a_deleted_certificate_is_gone_from_here_but_stays_on_record() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let user = world.user_certificate(&authority, json!({})).await.expect(201);
    let host = world.host_certificate(&authority, json!({})).await.expect(201);
    for made in [user, host] {
        world.delete(made.path()).await.expect(204);
        for answer in [
            world.get(made.path()).await,
            world.delete(made.path()).await,
            world.patch(made.path(), json!({ "description": "x" })).await,
        ] {
            answer.expect_not_found();
        }
        let id = Ksuid::parse(&made.text("id")[6..]).unwrap();
        let (record, stored) = certificates::read(&*world.services.store, id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            record.fields().unwrap().serial,
            certificates::serial_of(id).unwrap()
        );
        assert!(stored.expires_at.is_some_and(|end| end > NOW + 400 * 86_400));
    }
    assert_eq!(
        world
            .get("/ssh_user_certificates")
            .await
            .ids("ssh_user_certificates"),
        [""; 0]
    );
    assert_eq!(
        world
            .get("/ssh_host_certificates")
            .await
            .ids("ssh_host_certificates"),
        [""; 0]
    );
}

#[tokio::test]
async fn case_25_times_are_read_with_any_offset_and_must_follow_each_other() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let more =
        json!({ "valid_after": "2026-12-01T00:00:00.75-05:00", "valid_until": "2026-12-01T05:00:01+00:00" });
    let made = world.user_certificate(&authority, more).await.expect(201);
    assert_eq!(made.text("valid_after"), "2026-12-01T05:00:00Z");
    assert_eq!(made.text("valid_until"), "2026-12-01T05:00:01Z");
    for (after, until) in [
        ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("", "2026-11-02T12:26:40Z"),
        ("2020-12-01T00:00:00Z", "2021-01-01T00:00:00Z"),
    ] {
        let more = json!({ "valid_after": after, "valid_until": until });
        let user = world.user_certificate(&authority, more.clone()).await;
        user.expect_error(400, 1962);
        let host = world.host_certificate(&authority, more).await;
        host.expect_error(400, 1963);
    }
    for bad in ["tomorrow", "2026-12-01", "1701388800", "1960-01-01T00:00:00Z"] {
        for field in ["valid_after", "valid_until"] {
            let answer = world.user_certificate(&authority, json!({ field: bad })).await;
            answer.expect_error(400, 241);
        }
    }
}

#[tokio::test]
async fn case_26_requests_in_the_shape_of_the_dotnet_client() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let body = json!({
        "ssh_certificate_authority_id": authority, "public_key": ED25519.trim_end(), "principals": ["root"],
        "critical_options": null, "extensions": null, "valid_after": null, "valid_until": null,
        "description": null, "metadata": null,
    });
    let with_charset = |method, path: &str, body: String| {
        let request = world.request(method, path);
        request
            .header("content-type", "application/json; charset=utf-8")
            .body(body.into())
            .unwrap()
    };
    let made = world
        .send(with_charset("POST", "/ssh_user_certificates", body.to_string()))
        .await
        .expect(201);
    let change = json!({ "id": made.text("id"), "description": "x", "metadata": null });
    let changed = world
        .send(with_charset("PATCH", made.path(), change.to_string()))
        .await;
    assert_eq!(changed.expect(200).text("description"), "x");
}

#[tokio::test]
async fn case_27_ids_of_one_kind_are_not_found_under_the_other() {
    let world = World::new().await;
    let authority = world.authority("ed25519").await;
    let user = world.user_certificate(&authority, json!({})).await.expect(201);
    let host = world.host_certificate(&authority, json!({})).await.expect(201);
    let (user, host) = (user.text("id"), host.text("id"));
    for path in [
        format!("/ssh_host_certificates/{user}"),
        format!("/ssh_user_certificates/{host}"),
        format!("/ssh_user_certificates/sucrt_{}", &host[6..]),
        format!("/ssh_host_certificates/shcrt_{}", &user[6..]),
        format!("/ssh_certificate_authorities/sshca_{}", &user[6..]),
    ] {
        world.get(&path).await.expect_not_found();
        world.patch(&path, json!({})).await.expect_not_found();
        world.delete(&path).await.expect_not_found();
    }
}
