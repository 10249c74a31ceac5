//! Roles of type `otp`, `creds`, `verify`, `lookup` and `config/zeroaddress`: cases 1 to 42, 146.

use crate::support::{NOW, Server};
use countersign::store::{
    Table,
    faulty::{Fail, Fault, Operation},
};
use serde_json::{Value, json};
use std::sync::Arc;

async fn otp_role(server: &Server, name: &str, fields: Value) {
    let mut body = json!({ "key_type": "otp", "default_user": "ubuntu", "cidr_list": "52.207.235.245/16" });
    let members = body.as_object_mut().unwrap();
    members.extend(fields.as_object().unwrap().clone());
    server.write(&format!("ssh/roles/{name}"), body).await.expect(204);
}

async fn otp_server(fields: Value) -> Server {
    let server = Server::new().await;
    otp_role(&server, "r", fields).await;
    server
}

/// Asks the role `r` for a password, and gives the data of the answer.
async fn creds(server: &Server, fields: Value) -> Value {
    server.write("ssh/creds/r", fields).await.data()
}

async fn lookup(server: &Server, ip: &str) -> Value {
    server.write("ssh/lookup", json!({ "ip": ip })).await.data()["roles"].clone()
}

async fn verify(server: &Server, otp: &str) -> crate::support::Reply {
    let body = json!({ "otp": otp }).to_string();
    server.call_without_token("POST", "ssh/verify", body).await
}

const UNLISTED: &str = "Username is not present is allowed users list";
const NOT_DEFAULT: &str = "Username has to be either in allowed users list or has to be a default username";
const OUTSIDE: &str = "Error validating IP: IP does not belong to role";

#[tokio::test]
async fn case_1_to_8_who_may_have_a_password() {
    let server = otp_server(json!({ "allowed_users": "test" })).await;
    let ask = |user: &'static str| json!({ "ip": "52.207.1.2", "username": user });
    let data = creds(&server, ask("ubuntu")).await;
    let key = data["key"].as_str().unwrap();
    assert_eq!(key.len(), 36);
    let expected = json!({
        "ip": "52.207.1.2", "key": key, "key_type": "otp", "port": 22, "username": "ubuntu",
    });
    assert_eq!(data, expected);
    creds(&server, ask("test")).await;
    let refused = |user, text: &'static str| {
        let reply = server.write("ssh/creds/r", ask(user));
        async move { reply.await.refused_by_user_error(text) }
    };
    refused("random", UNLISTED).await;

    otp_role(&server, "r", json!({})).await;
    creds(&server, ask("ubuntu")).await;
    refused("test", NOT_DEFAULT).await;
    assert_eq!(server.read("ssh/roles/r").await.data()["allowed_users"], "");

    otp_role(&server, "r", json!({ "allowed_users": "*" })).await;
    creds(&server, ask("test")).await;
    otp_role(&server, "r", json!({ "allowed_users": "a, test" })).await;
    creds(&server, ask("test")).await;
}

#[tokio::test]
async fn case_9_to_13_20_to_22_a_role_reads_back() {
    let server = Server::new().await;
    for name in ["r", "r@x", "test_role"] {
        let path = format!("ssh/roles/{name}");
        otp_role(
            &server,
            name,
            json!({ "port": "2222", "cidr_list": "0.0.0.0/0", "allowed_users": "usr1,usr2" }),
        )
        .await;
        let expected = json!({
            "allowed_users": "usr1,usr2", "cidr_list": "0.0.0.0/0", "default_user": "ubuntu",
            "exclude_cidr_list": "", "key_type": "otp", "port": 2222,
        });
        assert_eq!(server.read(&path).await.data(), expected);
        let answer = server
            .write(&format!("ssh/creds/{name}"), json!({ "ip": "192.0.2.1" }))
            .await
            .data();
        assert_eq!(answer["port"], 2222);
        for (exclude, port) in [("10.0.0.0/8,172.16.0.0/12", 2222), ("10.0.0.0/8", 2223)] {
            otp_role(
                &server,
                name,
                json!({ "exclude_cidr_list": exclude, "port": port }),
            )
            .await;
            let data = server.read(&path).await.data();
            assert_eq!(
                (&data["exclude_cidr_list"], &data["port"]),
                (&json!(exclude), &json!(port))
            );
        }
        otp_role(&server, name, json!({})).await;
        let data = server.read(&path).await.data();
        assert_eq!(
            (&data["exclude_cidr_list"], &data["port"]),
            (&json!(""), &json!(22))
        );
        server.delete(&path).await.expect(204);
        server.read(&path).await.refused_silently(404);
    }
}

#[tokio::test]
async fn a_role_is_checked_in_the_order_of_the_real_product() {
    let server = Server::new().await;
    let mut body = json!({ "cidr_list": "10.0.0.1", "exclude_cidr_list": "x" });
    let refused = async |body: &Value, status: u16, text: &str| {
        let reply = server.write("ssh/roles/r", body.clone()).await;
        if status == 500 {
            reply.refused_framed(500, text);
        } else {
            reply.refused(status, text);
        }
    };
    refused(
        &body,
        500,
        "failed to validate cidr_list: invalid CIDR address: 10.0.0.1",
    )
    .await;
    body["cidr_list"] = "10.0.0.0/8".into();
    refused(
        &body,
        500,
        "failed to validate exclude_cidr_list entry: invalid CIDR address: x",
    )
    .await;
    body["exclude_cidr_list"] = "10.1.0.0/16".into();
    refused(&body, 400, "missing key type").await;
    body["key_type"] = "pin".into();
    refused(&body, 400, "invalid key type").await;
    body["key_type"] = "OTP".into();
    refused(&body, 400, "missing default user").await;
    body["default_user"] = "ubuntu".into();
    body["admin_user"] = "admin".into();
    refused(&body, 400, "admin user not required for OTP type").await;
    body["admin_user"] = "".into();
    server.write("ssh/roles/r", body).await.expect(204);
    server.read("ssh/roles/r").await.expect(200);
}

#[tokio::test]
async fn case_14_to_19_a_role_as_hvac_writes_it() {
    let server = Server::new().await;
    let body = json!({
        "key_type": "otp", "default_user": "ubuntu", "key": "", "admin_user": "", "cidr_list": "",
        "exclude_cidr_list": "", "port": 22, "key_bits": 1024, "install_script": "", "allowed_users": "",
        "allowed_users_template": "", "allowed_domains": "", "key_option_specs": "", "ttl": "", "max_ttl": "",
        "allowed_critical_options": "", "allowed_extensions": "", "default_critical_options": null,
        "default_extensions": null, "allow_user_certificates": "", "allow_host_certificates": "",
        "allow_bare_domains": "", "allow_subdomains": "", "allow_user_key_ids": "", "key_id_format": "",
        "allowed_user_key_lengths": null, "algorithm_signer": "",
    });
    server.write("ssh/roles/r", body).await.expect(204);
    let listed = server.list("ssh/roles").await.data();
    assert_eq!(
        listed,
        json!({ "keys": ["r"], "key_info": { "r": { "key_type": "otp" } } })
    );
    server
        .write("ssh/config/zeroaddress", json!({ "roles": "r" }))
        .await
        .expect(204);
    let data = creds(&server, json!({ "ip": "1.2.3.4" })).await;
    assert_eq!(data["ip"], "1.2.3.4");
    assert_eq!(lookup(&server, "1.2.3.4").await, json!(["r"]));
    let verified = verify(&server, data["key"].as_str().unwrap()).await.data();
    assert_eq!(
        verified,
        json!({ "ip": "1.2.3.4", "role_name": "r", "username": "ubuntu" })
    );
    server.delete("ssh/roles/r").await.expect(204);
}

#[tokio::test]
async fn case_23_to_32_lookup_and_listing() {
    let server = Server::new().await;
    assert_eq!(lookup(&server, "52.207.1.1").await, Value::Null);
    server.list("ssh/roles").await.refused_silently(404);
    otp_role(&server, "otp", json!({ "exclude_cidr_list": "52.207.0.0/16" })).await;
    assert_eq!(
        lookup(&server, "52.207.1.1").await,
        json!(["otp"]),
        "the exclusions are not looked at"
    );
    otp_role(&server, "otp@x", json!({})).await;
    otp_role(&server, "elsewhere", json!({ "cidr_list": "10.0.0.0/8" })).await;
    server.role("ca", json!({})).await;
    assert_eq!(lookup(&server, "52.207.1.1").await, json!(["otp", "otp@x"]));
    server
        .write("ssh/config/zeroaddress", json!({ "roles": ["otp", "ca"] }))
        .await
        .expect(204);
    assert_eq!(
        lookup(&server, "52.207.1.1").await,
        json!(["otp", "otp@x", "otp", "ca"])
    );
    let keys = server.list("ssh/roles").await.data()["keys"].clone();
    assert_eq!(keys, json!(["ca", "elsewhere", "otp", "otp@x"]));
    for name in ["otp", "otp@x", "ca", "elsewhere"] {
        server.delete(&format!("ssh/roles/{name}")).await.expect(204);
    }
    assert_eq!(lookup(&server, "52.207.1.1").await, Value::Null);
    server.list("ssh/roles").await.refused_silently(404);

    server
        .write("ssh/lookup", json!({}))
        .await
        .refused_by_user_error("Missing ip");
    server
        .write("ssh/lookup", json!({ "ip": "host" }))
        .await
        .refused_by_user_error("Invalid IP \"<nil>\"");
}

#[tokio::test]
async fn case_33_to_40_zero_address_roles() {
    let server = Server::new().await;
    let write = async |roles: Value| {
        server
            .write("ssh/config/zeroaddress", json!({ "roles": roles }))
            .await
    };
    let shown = async || server.read("ssh/config/zeroaddress").await;
    shown().await.refused_silently(404);
    write(json!("")).await.refused_by_user_error("Missing roles");
    server
        .write("ssh/config/zeroaddress", json!({}))
        .await
        .refused_by_user_error("Missing roles");
    write(json!("a"))
        .await
        .refused_by_user_error("Role \"a\" does not exist");
    for name in ["a", "b"] {
        otp_role(&server, name, json!({ "cidr_list": "" })).await;
    }
    let ask = async || server.write("ssh/creds/a", json!({ "ip": "192.0.2.1" })).await;
    ask().await.refused_by_user_error(OUTSIDE);
    write(json!("a")).await.expect(204);
    assert_eq!(shown().await.data(), json!({ "roles": ["a"] }));
    ask().await.expect(200);
    write(json!("b,x"))
        .await
        .refused_by_user_error("Role \"x\" does not exist");
    for roles in [json!("b, a"), json!(["b", "a"])] {
        write(roles).await.expect(204);
        assert_eq!(shown().await.data(), json!({ "roles": ["b", "a"] }));
    }
    server.delete("ssh/roles/b").await.expect(204);
    assert_eq!(shown().await.data(), json!({ "roles": ["a"] }));
    server.delete("ssh/config/zeroaddress").await.expect(204);
    shown().await.refused_silently(404);
    ask().await.refused_by_user_error(OUTSIDE);
    server.delete("ssh/config/zeroaddress").await.expect(204);
    write(json!("a")).await.expect(204);
    server.delete("ssh/roles/a").await.expect(204);
    assert_eq!(shown().await.data(), json!({ "roles": [] }));
}

#[tokio::test]
async fn creds_are_checked_in_the_order_of_the_real_product() {
    let server = otp_server(json!({
        "cidr_list": "10.0.0.0/8, 192.168.0.0/16", "exclude_cidr_list": "10.9.0.0/16",
    }))
    .await;
    server.role("ca", json!({ "default_user": "ubuntu" })).await;
    server.role("ca-without-user", json!({})).await;
    let refused = async |role: &str, body: Value, text: &str| {
        server
            .write(&format!("ssh/creds/{role}"), body)
            .await
            .refused_by_user_error(text);
    };
    refused("nobody", json!({}), "Missing ip").await;
    refused("nobody", json!({ "ip": "x" }), "Role \"nobody\" not found").await;
    let no_user = "No default username registered. Use 'username' option";
    refused("ca-without-user", json!({ "ip": "x" }), no_user).await;
    refused("r", json!({ "ip": "x", "username": "y" }), NOT_DEFAULT).await;
    for ip in ["host", "010.0.0.1", "10.0.0.1/32"] {
        refused("r", json!({ "ip": ip }), &format!("Invalid IP \"{ip}\"")).await;
    }
    refused("r", json!({ "ip": "10.9.1.1" }), OUTSIDE).await;
    let entry = "Error validating IP: invalid CIDR entry \" 192.168.0.0/16\"";
    refused("r", json!({ "ip": "192.168.1.1" }), entry).await;
    refused("ca", json!({ "ip": "10.1.1.1" }), OUTSIDE).await;
    server
        .write("ssh/config/zeroaddress", json!({ "roles": "ca,r" }))
        .await
        .expect(204);
    let asked = server.write("ssh/creds/ca", json!({ "ip": "10.1.1.1" })).await;
    asked.refused_framed(500, "key type unknown");
    // The exclusions are those of the networks.
    creds(&server, json!({ "ip": "10.9.1.1" })).await;
    let data = creds(&server, json!({ "ip": "::ffff:10.1.2.3" })).await;
    assert_eq!(data["ip"], "10.1.2.3");
}

#[tokio::test]
async fn case_42_the_helper_finds_out_whether_this_is_the_place() {
    let server = otp_server(json!({})).await;
    let data = verify(&server, "verify-echo-request").await.data();
    assert_eq!(data, json!({ "message": "verify-echo-response" }));
    // A bad token beside it does not matter.
    let body = json!({ "otp": "verify-echo-request" });
    server.call_as("bad", "PUT", "ssh/verify", body).await.expect(200);
}

#[tokio::test]
async fn a_password_is_verified_once_and_no_other_text_ever() {
    let server = otp_server(json!({})).await;
    let key = creds(&server, json!({ "ip": "52.207.1.1" })).await["key"]
        .as_str()
        .unwrap()
        .to_owned();
    for bad in [
        "",
        "x",
        &key.to_uppercase(),
        &format!("{key} "),
        &"x".repeat(5000),
    ] {
        verify(&server, bad).await.refused_by_user_error("OTP not found");
    }
    verify(&server, &key).await.expect(200);
    verify(&server, &key).await.refused_by_user_error("OTP not found");
}

#[tokio::test]
async fn a_password_ends_with_its_lease_its_token_its_time_and_its_mount() {
    let server = otp_server(json!({})).await;
    let ask = async |token: &str| {
        let body = json!({ "ip": "52.207.1.1" });
        let reply = server
            .call_as(token, "PUT", "ssh/creds/r", body)
            .await
            .expect(200)
            .json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(
            (&reply["renewable"], &reply["lease_duration"]),
            (&json!(false), &json!(2_764_800))
        );
        (text(&reply["lease_id"]), text(&reply["data"]["key"]))
    };
    let gone = async |key: &str| verify(&server, key).await.refused_by_user_error("OTP not found");
    let (lease, key) = ask(crate::support::ROOT).await;
    server
        .write("sys/leases/revoke", json!({ "lease_id": lease }))
        .await
        .expect(204);
    gone(&key).await;

    let token = server
        .token_with("path \"ssh/creds/*\" { capabilities = [\"update\"] }")
        .await;
    let (lease, key) = ask(&token).await;
    server
        .write("auth/token/revoke", json!({ "token": token }))
        .await
        .expect(204);
    gone(&key).await;
    server
        .write("sys/leases/lookup", json!({ "lease_id": lease }))
        .await
        .refused_by_user_error("invalid lease");

    let (_, key) = ask(crate::support::ROOT).await;
    server.clock.set(NOW + 2_764_799);
    verify(&server, "x").await.refused_by_user_error("OTP not found");
    server.clock.set(NOW + 2_764_800);
    gone(&key).await;

    let (_, key) = ask(crate::support::ROOT).await;
    server.delete("sys/mounts/ssh").await.expect(204);
    server
        .write("sys/mounts/ssh", json!({ "type": "ssh" }))
        .await
        .expect(204);
    gone(&key).await;
}

#[tokio::test]
async fn a_token_with_one_use_left_is_lent_nothing() {
    let server = otp_server(json!({})).await;
    let policy = "path \"ssh/creds/*\" { capabilities = [\"update\"] }";
    server
        .write("sys/policies/acl/p", json!({ "policy": policy }))
        .await
        .expect(204);
    let token = server.token(json!({ "policies": ["p"], "num_uses": 2 })).await;
    let token = token["client_token"].as_str().unwrap();
    let ask = async || {
        server
            .call_as(token, "PUT", "ssh/creds/r", json!({ "ip": "52.207.1.1" }))
            .await
    };
    let key = ask().await.data()["key"].as_str().unwrap().to_owned();
    ask().await.refused_by_user_error(
        "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.",
    );
    // With the token went what it had been lent before.
    verify(&server, &key).await.refused_by_user_error("OTP not found");
}

#[tokio::test]
async fn a_batch_token_lends_no_longer_than_it_lives() {
    let server = otp_server(json!({})).await;
    let policy = "path \"ssh/creds/*\" { capabilities = [\"update\"] }";
    server
        .write("sys/policies/acl/p", json!({ "policy": policy }))
        .await
        .expect(204);
    let token = server
        .token(json!({ "policies": ["p"], "type": "batch", "ttl": "100s" }))
        .await;
    let token = token["client_token"].as_str().unwrap();
    let body = json!({ "ip": "52.207.1.1" });
    let reply = server
        .call_as(token, "PUT", "ssh/creds/r", body)
        .await
        .expect(200)
        .json();
    assert_eq!(reply["lease_duration"], 100);
}

#[tokio::test]
async fn case_146_a_role_for_passwords_signs_nothing() {
    let server = Server::with_ca().await;
    otp_role(&server, "r", json!({})).await;
    server
        .write("ssh/issue/r", json!({}))
        .await
        .refused_by_user_error("role key type 'otp' not allowed to issue key pairs");
    server
        .sign(json!({}))
        .await
        .refused_by_user_error("cert_type 'user' is not allowed by role");
}

/// Every read and every write on the way fails once, both ways.
#[tokio::test]
async fn no_fault_of_the_store_lets_a_password_work_twice() {
    let server = otp_server(json!({})).await;
    let ask = async || server.write("ssh/creds/r", json!({ "ip": "52.207.1.1" })).await;
    for fail in [Fail::Before, Fail::After] {
        for operation in [Operation::Write, Operation::Read] {
            for nth in 1..6 {
                // Asked for: a password that was given works, once; else there is an error that can be tried again.
                let fault = operation.on(Table::Access);
                server.store.fail_nth(fault, nth, fail, Fault::Unavailable);
                let reply = ask().await;
                let was_hit = server.store.is_healed();
                server.store.heal();
                assert_eq!(
                    reply.status,
                    if was_hit { 503 } else { 200 },
                    "{operation:?} {nth}"
                );
                assert_eq!(reply.text().contains("\"key\""), !was_hit);

                let answer = ask().await.expect(200).json();
                let key = answer["data"]["key"].as_str().unwrap().to_owned();
                server.store.fail_nth(fault, nth, fail, Fault::Unavailable);
                let first = verify(&server, &key).await.status.as_u16();
                let was_hit = server.store.is_healed();
                server.store.heal();
                let second = verify(&server, &key).await.status.as_u16();
                let is_used_up = operation == Operation::Write && fail == Fail::After;
                let expected = match (was_hit, is_used_up) {
                    (false, _) => (200, 400),
                    (true, false) => (503, 200),
                    (true, true) => (503, 400),
                };
                assert_eq!((first, second), expected, "{operation:?} {nth} {fail:?}");
                verify(&server, &key).await.refused_by_user_error("OTP not found");

                // Taken back: an error, or a password that is good for nothing.
                let answer = ask().await.expect(200).json();
                let key = answer["data"]["key"].as_str().unwrap().to_owned();
                let revoke = async || {
                    let body = json!({ "lease_id": answer["lease_id"] });
                    server.write("sys/leases/revoke", body).await.status.as_u16()
                };
                server.store.fail_nth(fault, nth, fail, Fault::Unavailable);
                let status = revoke().await;
                let was_hit = server.store.is_healed();
                server.store.heal();
                assert_eq!(status, if was_hit { 503 } else { 204 });
                assert_eq!(revoke().await, 204);
                verify(&server, &key).await.refused_by_user_error("OTP not found");
            }
        }
    }
}

/// Two routers in one process, each with a hundred callers; two processes are among the tests of the whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_verifications_through_two_routers_one_succeeds() {
    let server = Arc::new(otp_server(json!({})).await);
    let other = countersign_vault::standalone(server.services.clone());
    let other = Arc::new(Server {
        router: other,
        ..Server::new().await
    });
    for _ in 0..5 {
        let key = creds(&server, json!({ "ip": "52.207.1.1" })).await["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..200 {
            let (server, key) = ([&server, &other][caller % 2].clone(), key.clone());
            callers.spawn(async move { verify(&server, &key).await.status.as_u16() });
        }
        let mut statuses = callers.join_all().await;
        statuses.sort_unstable();
        let mut expected = vec![200];
        expected.resize(200, 400);
        assert_eq!(statuses, expected);
    }
}
