//! `identity/…` and `auth/userpass`: a user, its entity, and what becomes of both.

mod entities;
mod templates;
mod users;

use crate::support::{ED25519, Reply, Server};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

/// A CA with `auth/userpass`, where `bob` has a password and the policy `signer`.
async fn server() -> Server {
    let server = Server::with_ca().await;
    server
        .write("sys/auth/userpass", json!({ "type": "userpass" }))
        .await
        .expect(204);
    server
        .write(
            "sys/policies/acl/signer",
            json!({ "policy": r#"path "ssh/*" { capabilities = ["update"] }"# }),
        )
        .await
        .expect(204);
    user(&server, "bob").await;
    server
}

async fn user(server: &Server, name: &str) {
    let fields = json!({ "password": PASSWORD, "token_policies": "signer" });
    server
        .write(&format!("auth/userpass/users/{name}"), fields)
        .await
        .expect(204);
}

async fn login(server: &Server, name: &str, password: &str) -> Reply {
    let path = format!("auth/userpass/login/{name}");
    let body = json!({ "password": password }).to_string();
    server.call_without_token("PUT", &path, body).await
}

/// The `auth` block of a login.
async fn logged_in(server: &Server, name: &str) -> Value {
    login(server, name, PASSWORD).await.expect(200).json()["auth"].clone()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// The token of `bob`, whose entity has this metadata.
async fn bob_with(server: &Server, metadata: Value) -> String {
    let auth = logged_in(server, "bob").await;
    let path = format!("identity/entity/id/{}", text(&auth, "entity_id"));
    server
        .write(&path, json!({ "metadata": metadata }))
        .await
        .expect(204);
    text(&auth, "client_token").to_owned()
}

async fn sign(server: &Server, token: &str, fields: Value) -> Reply {
    let mut body = json!({ "public_key": ED25519 });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    server.call_as(token, "PUT", "ssh/sign/r", body).await
}

async fn accessor(server: &Server) -> String {
    let mount = server.read("sys/mounts/auth/userpass").await.data();
    text(&mount, "accessor").to_owned()
}
