//! One signature of each family: what an operator sets up for it, and what a caller then sends.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// An Ed25519 key of a user, which nobody has the private half of.
const SUBJECT_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKWk4GXXhkOcJOIPcDLH85zFW1wEuqOP6Vb5eE6r2SJM";

/// The API families that sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Infisical SSH.
    Infisical,
    /// ngrok's SSH certificates.
    Ngrok,
    /// Vault's SSH engine.
    Vault,
    /// Venafi's SSH Protect.
    Venafi,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Infisical, Self::Ngrok, Self::Vault, Self::Venafi];

    /// The name of its function.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Infisical => "infisical",
            Self::Ngrok => "ngrok",
            Self::Vault => "vault",
            Self::Venafi => "venafi",
        }
    }

    /// The certificate in the answer to [`Family::set_up`]'s request, if one is.
    #[must_use]
    pub fn certificate(self, answer: &Value) -> Option<&str> {
        let pointer = match self {
            Self::Infisical => "/signedKey",
            Self::Ngrok => "/certificate",
            Self::Vault => "/data/signed_key",
            Self::Venafi => "/CertificateData",
        };
        answer.pointer(pointer).and_then(Value::as_str)
    }

    /// Makes an Ed25519 authority and what else one user certificate needs, by way of `caller`, which sends a request
    /// and gives the body of its answer. Gives the request for the certificate.
    ///
    /// # Errors
    /// Those of `caller`; an answer that is not as expected.
    pub async fn set_up(
        self,
        token: &str,
        caller: &mut impl AsyncFnMut(&Ask) -> Result<Value>,
    ) -> Result<Ask> {
        match self {
            Self::Infisical => infisical(token, caller).await,
            Self::Ngrok => ngrok(token, caller).await,
            Self::Vault => vault(token, caller).await,
            Self::Venafi => venafi(token, caller).await,
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// The headers: names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON.
    pub body: Value,
}

impl Ask {
    /// The same, with `value` for the field `name` of its body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body[name] = value.into();
        self
    }

    fn post(path: impl Into<String>, authorization: (&'static str, String), body: Value) -> Self {
        Self {
            method: "POST",
            path: path.into(),
            headers: vec![authorization, ("content-type", "application/json".into())],
            body,
        }
    }
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

async fn vault(token: &str, caller: &mut impl AsyncFnMut(&Ask) -> Result<Value>) -> Result<Ask> {
    let ask = |path: &str, body| Ask::post(path, ("x-vault-token", token.to_owned()), body);
    caller(&ask("/v1/sys/mounts/measured", json!({"type": "ssh"}))).await?;
    let ca = json!({"generate_signing_key": true, "key_type": "ed25519"});
    caller(&ask("/v1/measured/config/ca", ca)).await?;
    let role = json!({
        "key_type": "ca", "allow_user_certificates": true, "allowed_users": "alice", "default_user": "alice",
        "default_extensions": {"permit-pty": ""}, "ttl": "30m",
    });
    caller(&ask("/v1/measured/roles/one", role)).await?;
    Ok(ask("/v1/measured/sign/one", json!({"public_key": SUBJECT_KEY})))
}

async fn ngrok(token: &str, caller: &mut impl AsyncFnMut(&Ask) -> Result<Value>) -> Result<Ask> {
    let ask = |path: &str, body| {
        let mut ask = Ask::post(path, bearer(token), body);
        ask.headers.push(("ngrok-version", "2".into()));
        ask
    };
    let ca = ask(
        "/ssh_certificate_authorities",
        json!({"private_key_type": "ed25519"}),
    );
    let made = caller(&ca).await?;
    let body = json!({
        "ssh_certificate_authority_id": text(&made, "/id")?, "public_key": SUBJECT_KEY, "principals": ["alice"],
    });
    Ok(ask("/ssh_user_certificates", body))
}

async fn venafi(token: &str, caller: &mut impl AsyncFnMut(&Ask) -> Result<Value>) -> Result<Ask> {
    let ask = |path: &str, body| Ask::post(format!("/vedsdk/SSHCertificates/{path}"), bearer(token), body);
    let template = json!({
        "Name": "measured",
        "CAKeyPair": {"KeyAlgorithm": "ED25519"},
        "AccessControl": {"DefaultPrincipals": ["alice"]},
        "Certificate": {"AllowedPrivateKeyAlgorithms": ["ED25519"]},
    });
    let made = caller(&ask("Template/Create", template)).await?;
    let body = json!({
        "CADN": text(&made, "/DN")?, "KeyId": "measured", "PublicKeyData": SUBJECT_KEY, "ProcessingTimeout": 10,
    });
    Ok(ask("Request", body))
}

async fn infisical(token: &str, caller: &mut impl AsyncFnMut(&Ask) -> Result<Value>) -> Result<Ask> {
    let document = json!({"projects": [{
        "name": "measured",
        "users": [{"email": "alice@example.com", "password": "a long password"}],
        "hosts": [{
            "hostname": "web.example.com",
            "loginMappings": [{
                "loginUser": "ubuntu", "allowedPrincipals": {"usernames": ["alice@example.com"]},
            }],
        }],
    }]});
    let applied = caller(&Ask::post("/api/v1/countersign/apply", bearer(token), document)).await?;
    let body = json!({"email": "alice@example.com", "password": "a long password"});
    let first = caller(&Ask::post("/api/v3/auth/login", bearer(token), body)).await?;
    let second = Ask::post(
        "/api/v3/auth/select-organization",
        bearer(text(&first, "/accessToken")?),
        json!({"organizationId": text(&applied, "/organizationId")?}),
    );
    let second = caller(&second).await?;
    let host = text(&applied, "/projects/0/hosts/0/id")?;
    Ok(Ask::post(
        format!("/api/v1/ssh/hosts/{host}/issue-user-cert"),
        bearer(text(&second, "/token")?),
        json!({"loginUser": "ubuntu"}),
    ))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.with_context(|| format!("no {pointer} in {value}"))
}
