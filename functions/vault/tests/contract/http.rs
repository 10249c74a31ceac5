//! The HTTP layer: cases 163 to 179.

use crate::support::{ED25519, ROOT, Server, request};
use axum::body::Body;
use serde_json::{Value, json};

const ROLE: &str = r#"{"key_type": "ca", "allow_user_certificates": true, "allowed_users": "*"}"#;

#[tokio::test]
async fn case_163_write_read_with_a_bad_token_delete_read() {
    let server = Server::new().await;
    server.call("PUT", "ssh/roles/r", ROLE).await.expect(204);
    let bad = request("GET", "ssh/roles/r").header("x-vault-token", "nobody's");
    let reply = server.send(bad.body(Body::empty()).unwrap()).await;
    reply.refused(
        403,
        "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
    );
    server.delete("ssh/roles/r").await.expect(204);
    server.read("ssh/roles/r").await.refused_silently(404);
}

#[tokio::test]
async fn case_164_the_envelope_has_these_members_in_this_order() {
    let server = Server::with_role(json!({})).await;
    let reply = server.read("ssh/roles/r").await.expect(200);
    let members = [
        "request_id",
        "lease_id",
        "renewable",
        "lease_duration",
        "data",
        "wrap_info",
        "warnings",
        "auth",
    ];
    let text = reply.text();
    let places: Vec<_> = members
        .iter()
        .map(|name| text.find(&format!("\"{name}\":")).unwrap())
        .collect();
    assert!(places.is_sorted());
    let envelope = reply.json();
    assert_eq!(envelope.as_object().unwrap().len(), members.len());
    assert_eq!(envelope["request_id"].as_str().unwrap().len(), 36);
    for (name, value) in [
        ("lease_id", json!("")),
        ("renewable", json!(false)),
        ("lease_duration", json!(0)),
        ("wrap_info", Value::Null),
        ("warnings", Value::Null),
        ("auth", Value::Null),
    ] {
        assert_eq!(envelope[name], value, "{name}");
    }
}

#[tokio::test]
async fn case_166_175_raw_answers_and_refusals_have_the_headers_too() {
    let server = Server::with_ca().await;
    let raw = server
        .call_without_token("GET", "ssh/public_key", Body::empty())
        .await
        .expect(200);
    assert_eq!(raw.headers["content-type"], "text/plain");
    let written = server.call("POST", "ssh/roles/r", ROLE).await.expect(204);
    assert_eq!(written.headers["content-type"], "application/json");
    server.read("nowhere/x").await.expect(404).json();
}

#[tokio::test]
async fn angle_brackets_and_ampersands_are_escaped() {
    let server = Server::new().await;
    let body = r#"{"key_type": "ca", "allow_user_certificates": true, "allowed_users": "<a>&"}"#;
    server.call("POST", "ssh/roles/r", body).await.expect(204);
    let reply = server.read("ssh/roles/r").await.expect(200);
    assert!(
        reply.text().contains(r#""allowed_users":"\u003ca\u003e\u0026""#),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn case_167_a_body_above_the_limit_is_413() {
    let server = Server::new().await;
    let body = vec![b' '; (1 << 20) + 1];
    // Before anybody is asked who it is, with or without an announced length.
    let reply = server
        .call_without_token("POST", "ssh/roles/r", body.clone())
        .await;
    reply.refused(413, "http: request body too large");
    let announced = request("POST", "ssh/roles/r").header("content-length", body.len());
    let reply = server.send(announced.body(Body::empty()).unwrap()).await;
    reply.refused(413, "http: request body too large");
    server.call("POST", "ssh/roles/r", ROLE).await.expect(204);
    // The largest role that there can be, and one more byte.
    let long = |length: usize| "x".repeat(length);
    let role = |length: usize| {
        json!({
            "key_type": "ca", "allow_user_certificates": true, "allowed_users": long(length),
            "allowed_domains": long(length), "allowed_extensions": long(length), "default_user": long(length),
            "allowed_critical_options": long(length), "key_id_format": long(length), "issuer_ref": long(length),
            "default_extensions": { "x": long(length - 16) },
            "default_critical_options": { "x": long(length - 16) },
        })
    };
    server.write("ssh/roles/r", role(32 * 1024)).await.expect(204);
    assert_eq!(
        server.read("ssh/roles/r").await.data()["issuer_ref"],
        long(32 * 1024)
    );
    server
        .write("ssh/roles/r", role(32 * 1024 + 1))
        .await
        .refused_with(400, "longer than 32768 bytes");
    // What takes more bytes in the store than on the way is refused as well, not half written.
    let mut escaped = role(32 * 1024);
    for field in ["allowed_users", "allowed_domains", "allowed_extensions"] {
        escaped[field] = "\u{1}".repeat(32 * 1024).into();
    }
    server
        .write("ssh/roles/r", escaped)
        .await
        .refused_with(400, "too large to be kept");
}

#[tokio::test]
async fn case_168_a_list_has_a_trailing_slash_and_nothing_else_has() {
    let server = Server::with_role(json!({})).await;
    for (method, path) in [
        ("LIST", "ssh/roles"),
        ("LIST", "ssh/roles/"),
        ("GET", "ssh/roles?list=true"),
        ("GET", "ssh/roles/?list=1"),
        ("GET", "ssh/roles?list=True"),
        ("GET", "ssh/roles?list=t"),
    ] {
        let data = server.call(method, path, Body::empty()).await.data();
        assert_eq!(
            data,
            json!({ "keys": ["r"], "key_info": { "r": { "key_type": "ca" } } }),
            "{method} {path}"
        );
    }
    server
        .read("ssh/roles")
        .await
        .refused_framed(405, "unsupported operation");
    server
        .read("ssh/roles?list=")
        .await
        .refused_framed(405, "unsupported operation");
    server
        .read("ssh/roles?list=false")
        .await
        .refused_framed(405, "unsupported operation");
    server.read("ssh/roles?list=yes").await.refused_silently(400);
    server
        .read("ssh/roles/r/")
        .await
        .refused_framed(404, "unsupported path");
    server
        .list("ssh/roles/r")
        .await
        .refused_framed(404, "unsupported path");
    server
        .call("POST", "ssh/roles/r/", ROLE)
        .await
        .refused_by_user_error("cannot write to a path ending in '/'");
}

#[tokio::test]
async fn case_169_query_parameters_of_reads_become_fields() {
    let server = Server::with_role(json!({})).await;
    for (method, path) in [
        ("LIST", "ssh/roles?key1=value1&key2=value2"),
        ("GET", "ssh/roles?key2=value2&list=true&key1=value1"),
        ("GET", "ssh/roles/r?key1=value1&key2=value2"),
    ] {
        let reply = server.call(method, path, Body::empty()).await.expect(200).json();
        let warning = json!(["Endpoint ignored these unrecognized parameters: [key1 key2]"]);
        assert_eq!(reply["warnings"], warning, "{method} {path}");
    }
    server.role("s", json!({})).await;
    let data = server
        .call("GET", "ssh/roles?after=r&list=true", Body::empty())
        .await
        .data();
    assert_eq!(data["keys"], json!(["s"]));
    let data = server
        .call("LIST", "ssh/roles?limit=1", Body::empty())
        .await
        .data();
    assert_eq!(data["keys"], json!(["r"]));
}

#[tokio::test]
async fn case_170_171_172_forms_and_json_are_told_apart() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let server = Server::new().await;
    let send = |content_type: &'static str, body: &'static str| {
        let request = request("POST", "ssh/roles/r").header("x-vault-token", ROOT);
        server.send(
            request
                .header("content-type", content_type)
                .body(Body::from(body))
                .unwrap(),
        )
    };
    let form =
        "key_type=ca&allow_user_certificates=true&allowed_users=first&allowed_users=second&default_user";
    send(FORM, form).await.expect(204);
    let data = server.read("ssh/roles/r").await.data();
    assert_eq!(
        (&data["allowed_users"], &data["default_user"]),
        (&json!("first,second"), &json!(""))
    );

    send(FORM, ROLE).await.expect(204);
    assert_eq!(server.read("ssh/roles/r").await.data()["allowed_users"], "*");
    for (content_type, body) in [
        (FORM, "[42]"),
        (FORM, "  \t[42]"),
        ("application/json", "a=42&b=dog"),
        ("application/json", "[42]"),
        ("application/json", "42"),
        ("text/plain", "{"),
    ] {
        send(content_type, body)
            .await
            .refused_by_user_error("error parsing JSON");
    }
    send(FORM, "a=%zz")
        .await
        .refused_by_user_error("error parsing form data");
}

#[tokio::test]
async fn case_173_174_paths_are_cleaned_once() {
    let server = Server::with_role(json!({})).await;
    for path in ["/ssh//roles/r", "ssh/./roles/r", "ssh/role%73/r"] {
        server.read(path).await.expect(200);
    }
    for path in [
        "ssh/roles/web..a",
        "ssh/x/../roles/r",
        "ssh/%2e%2e/x",
        "ssh/roles/..",
    ] {
        server
            .read(path)
            .await
            .refused_by_user_error("relative paths not supported");
        server
            .call("POST", path, ROLE)
            .await
            .refused_by_user_error("relative paths not supported");
    }
    for path in [
        "ssh/roles/a%E2%80%A8b",
        "ssh/roles/a%00",
        "ssh/roles/a%0A",
        "ssh/roles/%ff",
        "ssh/roles/%",
    ] {
        server.read(path).await.refused_silently(400);
    }
    for name in ["-a", "a-", "a%20b", "%C3%A9"] {
        server
            .read(&format!("ssh/roles/{name}"))
            .await
            .refused_framed(404, "unsupported path");
    }
    server.call("POST", "ssh/roles/a@b.c-d", ROLE).await.expect(204);
    server.read("ssh/roles/A@b.c-d").await.refused_silently(404);
}

#[tokio::test]
async fn outside_of_v1_there_is_nothing() {
    let server = Server::new().await;
    for uri in ["/", "/v2/ssh/roles/r", "/v1x"] {
        let request = http::Request::get(uri).body(Body::empty()).unwrap();
        server.send(request).await.refused_silently(404);
    }
    server
        .send(http::Request::get("/v1").body(Body::empty()).unwrap())
        .await
        .refused(403, "permission denied");
}

#[tokio::test]
async fn case_176_177_178_who_is_calling() {
    let server = Server::with_role(json!({})).await;
    server
        .call_without_token("GET", "ssh/roles/r", Body::empty())
        .await
        .refused(403, "permission denied");
    let send = |headers: &[(&str, &str)]| {
        let mut request = request("GET", "ssh/roles/r");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        server.send(request.body(Body::empty()).unwrap())
    };
    let bearer = format!("Bearer {ROOT}");
    send(&[("authorization", &bearer)]).await.expect(200);
    send(&[("x-vault-token", ROOT), ("authorization", "Bearer x")])
        .await
        .expect(200);
    send(&[("x-vault-token", "x"), ("authorization", &bearer)])
        .await
        .expect(403);
    send(&[("authorization", "Basic YTpi")])
        .await
        .refused(403, "permission denied");
    send(&[("authorization", "Basic YTpi"), ("authorization", &bearer)])
        .await
        .expect(200);
    send(&[("authorization", &format!("{bearer} NOT_GOOD_TOKEN"))])
        .await
        .expect(403);
    send(&[("authorization", &format!("bearer {ROOT}"))])
        .await
        .refused(403, "permission denied");
    send(&[("authorization", &format!("Bearer   {ROOT}  "))])
        .await
        .expect(200);
}

#[tokio::test]
async fn the_only_namespace_is_the_root() {
    let server = Server::with_ca().await;
    let send = |path, namespace| {
        let request = request("GET", path).header("x-vault-token", ROOT);
        server.send(
            request
                .header("x-vault-namespace", namespace)
                .body(Body::empty())
                .unwrap(),
        )
    };
    for namespace in ["", "root", "root/", "/"] {
        send("ssh/config/ca", namespace).await.expect(200);
    }
    for path in ["ssh/config/ca", "ssh/public_key", "nowhere"] {
        send(path, "team").await.refused(404, "namespace not found");
    }
}

#[tokio::test]
async fn a_wrap_ttl_is_a_duration() {
    let server = Server::with_ca().await;
    let send = |ttl| {
        let request = request("GET", "ssh/config/ca").header("x-vault-token", ROOT);
        server.send(
            request
                .header("x-vault-wrap-ttl", ttl)
                .body(Body::empty())
                .unwrap(),
        )
    };
    for (ttl, secs) in [
        ("60s", 60),
        ("1m0s", 60),
        ("90", 90),
        ("1h30m", 5400),
        ("500ms", 1),
    ] {
        let body = send(ttl).await.expect(200).json();
        assert_eq!(
            (&body["wrap_info"]["ttl"], &body["data"]),
            (&json!(secs), &Value::Null),
            "{ttl}"
        );
    }
    for none in ["", "0", "0s"] {
        let body = send(none).await.expect(200).json();
        assert!(body["wrap_info"].is_null() && body["data"]["public_key"].is_string());
    }
    send("soon")
        .await
        .refused_with(400, "error parsing X-Vault-Wrap-TTL header: ");
}

#[tokio::test]
async fn other_methods_are_refused() {
    let server = Server::with_role(json!({})).await;
    let patch = |content_type: Option<&'static str>, token: bool| {
        let mut request = request("PATCH", "ssh/roles/r");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if token {
            request = request.header("x-vault-token", ROOT);
        }
        server.send(request.body(Body::from("{}")).unwrap())
    };
    patch(None, false)
        .await
        .refused_by_user_error("mime: no media type");
    patch(Some("application/json"), false).await.expect(415);
    patch(Some("application/merge-patch+json"), false)
        .await
        .refused(403, "permission denied");
    patch(Some("application/merge-patch+json"), true)
        .await
        .refused_framed(405, "unsupported operation");
    server
        .call("HEAD", "ssh/roles/r", Body::empty())
        .await
        .expect(405);
    server
        .call_without_token("HEAD", "ssh/roles/r", Body::empty())
        .await
        .expect(403);
    for method in ["OPTIONS", "TRACE", "SCAN"] {
        server
            .call(method, "ssh/roles/r", Body::empty())
            .await
            .refused_silently(405);
    }
    server
        .delete("ssh/sign/r")
        .await
        .refused_framed(405, "unsupported operation");
    server
        .read("ssh/sign/r")
        .await
        .refused_framed(405, "unsupported operation");
}

#[tokio::test]
async fn paths_that_nobody_knows() {
    let server = Server::new().await;
    server.read("nowhere/roles/x").await.refused(
        404,
        "no handler for route \"nowhere/roles/x\". route entry not found.",
    );
    server
        .read("ssh/nothing")
        .await
        .refused_framed(404, "unsupported path");
    server
        .read("ssh/keys/k/further")
        .await
        .refused_framed(404, "unsupported path");
    server
        .read("sys/nothing")
        .await
        .refused_framed(404, "unsupported path");
    for path in [
        "nowhere/roles/x",
        "ssh/nothing",
        "sys/nothing",
        "nowhere/public_key",
    ] {
        server
            .call_without_token("GET", path, Body::empty())
            .await
            .refused(403, "permission denied");
    }
}

#[tokio::test]
async fn unknown_fields_and_captured_ones_are_warned_about() {
    let server = Server::with_role(json!({ "allowed_users": "root" })).await;
    let body = json!({
        "public_key": ED25519, "valid_principals": "root", "role": "other", "b": 1, "a": 2,
    });
    let reply = server.write("ssh/sign/r", body).await.expect(200).json();
    let warnings = json!([
        "Endpoint ignored these unrecognized parameters: [a b]",
        "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [role]",
    ]);
    assert_eq!(reply["warnings"], warnings);
    // A 204 stays one; a listing of nothing becomes an answer; an absent thing stays absent.
    server.role("s", json!({ "unknown": 1 })).await;
    server.read("ssh/roles/none?x=y").await.refused_silently(404);
    server.delete("ssh/roles/r").await.expect(204);
    server.delete("ssh/roles/s").await.expect(204);
    server.list("ssh/roles").await.refused_silently(404);
    let reply = server.list("ssh/roles?x=y").await.expect(200).json();
    assert_eq!(reply["data"], json!({}));
}

#[tokio::test]
async fn help_is_short() {
    let server = Server::new().await;
    let help = server.read("ssh/sign/r?help=1").await.expect(200).json();
    assert!(help["help"].as_str().unwrap().contains("public_key"));
    server
        .call_without_token("GET", "ssh/sign/r?help=1", Body::empty())
        .await
        .expect(403);
}
