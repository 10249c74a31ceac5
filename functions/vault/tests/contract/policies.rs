//! `sys/policies/acl`, `sys/policy` and `sys/capabilities`.

use super::support::Server;
use serde_json::{Value, json};

const TEXT: &str = "path \"ssh/sign/my-role\" { capabilities = [\"create\", \"update\"] }\n";

#[tokio::test]
async fn policies_are_written_read_listed_and_deleted() {
    let server = Server::new().await;
    server
        .call(
            "PUT",
            "sys/policies/acl/signer",
            json!({ "policy": TEXT }).to_string(),
        )
        .await
        .expect(204);
    assert_eq!(
        server.read("sys/policies/acl/signer").await.data(),
        json!({ "name": "signer", "policy": TEXT })
    );
    let keys = json!({ "keys": ["default", "signer", "root"] });
    assert_eq!(server.read("sys/policies/acl?list=true").await.data(), keys);
    assert_eq!(server.list("sys/policies/acl").await.data(), keys);
    server.delete("sys/policies/acl/signer").await.expect(204);
    server.delete("sys/policies/acl/signer").await.expect(204);
    server.read("sys/policies/acl/signer").await.refused_silently(404);
}

#[tokio::test]
async fn the_old_paths_have_the_old_answers() {
    let server = Server::new().await;
    server
        .write("sys/policy/old", json!({ "rules": TEXT }))
        .await
        .expect(204);
    let answer = server.read("sys/policy/old").await.expect(200).json();
    assert_eq!(
        (&answer["rules"], &answer["data"]),
        (&json!(TEXT), &json!({ "name": "old", "rules": TEXT }))
    );
    let answer = server.read("sys/policy").await.expect(200).json();
    assert_eq!(answer["policies"], json!(["default", "old", "root"]));
    assert_eq!(answer["data"]["keys"], answer["policies"]);
    server.delete("sys/policy/old").await.expect(204);
}

#[tokio::test]
async fn a_text_may_come_in_base64_and_a_name_in_capitals() {
    let server = Server::new().await;
    let answer = server
        .write(
            "sys/policies/acl/Signer",
            json!({ "policy": "cGF0aCAiYSIgeyBjYXBhYmlsaXRpZXMgPSBbInJlYWQiXSB9" }),
        )
        .await;
    assert_eq!(
        answer.expect(200).json()["warnings"],
        json!(["policy name was converted to signer"])
    );
    assert_eq!(
        server.read("sys/policies/acl/SIGNER").await.data()["policy"],
        "path \"a\" { capabilities = [\"read\"] }"
    );
}

#[tokio::test]
async fn what_is_no_policy_is_refused() {
    let server = Server::new().await;
    let write = async |name: &str, policy: &str| {
        server
            .write(&format!("sys/policies/acl/{name}"), json!({ "policy": policy }))
            .await
    };
    write("a", "")
        .await
        .refused_by_user_error("'policy' parameter not supplied or empty");
    write("a", "path {")
        .await
        .refused_with(400, "failed to parse policy: ");
    write("a", "path \"x\" { capabilities = [\"fly\"] }")
        .await
        .refused_by_user_error("failed to parse policy: path \"x\": invalid capability \"fly\"");
    write("root", TEXT)
        .await
        .refused_by_user_error("cannot update \"root\" policy");
    server
        .delete("sys/policies/acl/root")
        .await
        .refused_by_user_error("cannot delete \"root\" policy");
    server
        .delete("sys/policies/acl/default")
        .await
        .refused_by_user_error("cannot delete \"default\" policy");
    assert_eq!(
        server.read("sys/policies/acl/root").await.data(),
        json!({ "name": "root", "policy": "" })
    );
    assert!(
        server.read("sys/policies/acl/default").await.data()["policy"]
            .as_str()
            .unwrap()
            .contains("lookup-self")
    );
}

#[tokio::test]
async fn capabilities_are_told() {
    let server = Server::new().await;
    let token = server.token_with(TEXT).await;
    let body = json!({ "path": "ssh/sign/my-role", "token": token });
    let answer = server
        .call_as(&token, "POST", "sys/capabilities-self", body)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["capabilities"], json!(["create", "update"]));
    assert_eq!(answer["ssh/sign/my-role"], answer["capabilities"]);
    assert_eq!(
        answer["data"],
        json!({ "capabilities": ["create", "update"], "ssh/sign/my-role": ["create", "update"] })
    );
    let body = json!({ "paths": ["ssh/sign/my-role", "sys/mounts"] });
    let answer = server
        .call_as(&token, "POST", "sys/capabilities-self", body)
        .await
        .data();
    assert_eq!(
        answer,
        json!({ "ssh/sign/my-role": ["create", "update"], "sys/mounts": ["deny"] })
    );

    let write = async |path: &str, body: Value| server.write(path, body).await;
    assert_eq!(
        write("sys/capabilities-self", json!({ "paths": "x" }))
            .await
            .data()["x"],
        json!(["root"])
    );
    write("sys/capabilities-self", json!({}))
        .await
        .refused_by_user_error("paths must be supplied");
    let other = json!({ "token": token, "paths": ["ssh/sign/my-role"] });
    assert_eq!(
        write("sys/capabilities", other).await.data()["capabilities"],
        json!(["create", "update"])
    );
    write("sys/capabilities", json!({ "token": "x", "paths": ["a"] }))
        .await
        .refused_framed(400, "invalid token");
    let accessor = server
        .write("auth/token/lookup", json!({ "token": token }))
        .await
        .data()["accessor"]
        .clone();
    let other = json!({ "accessor": accessor, "paths": ["a"] });
    assert_eq!(
        write("sys/capabilities-accessor", other).await.data()["capabilities"],
        json!(["deny"])
    );
    write(
        "sys/capabilities-accessor",
        json!({ "accessor": "x", "paths": ["a"] }),
    )
    .await
    .refused_framed(400, "invalid accessor");
}
