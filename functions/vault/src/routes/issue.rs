//! `issue/:role`: a key pair and a certificate for it. The private key is in the answer and nowhere else.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, int, text},
    error::Failure,
    mounts::MountType,
    ssh::{
        key_words,
        signing::{self, Signed, Signing},
    },
};
use countersign::signer::private_key::GeneratedKey;
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "issue/:role",
    fields: &[
        text("key_type"),
        int("key_bits"),
        signing::TTL,
        signing::VALID_PRINCIPALS,
        signing::CERT_TYPE,
        signing::KEY_ID,
        signing::CRITICAL_OPTIONS,
        signing::EXTENSIONS,
    ],
    methods: &[on(Operation::Update, Access::Token, handler!(issue))],
}];

async fn issue(call: &Call) -> Result<Answer, Failure> {
    let signing = Signing::read(call).await?;
    let signing = signing.ok_or_else(|| Failure::user(format!("unknown role: {}", call.captured("role"))))?;
    if signing.key_type != "ca" {
        return Err(Failure::user(format!(
            "role key type '{}' not allowed to issue key pairs",
            signing.key_type
        )));
    }
    let key_type = if call.fields.was_sent("key_type") {
        call.fields.text("key_type")
    } else {
        "rsa"
    };
    let key_bits = call.fields.int("key_bits").unwrap_or_default();
    key_words::check_listed(&signing.role.allowed_user_key_lengths, key_type, key_bits)
        .map_err(Failure::user)?;
    let spec = key_words::key_spec(key_type, key_bits).map_err(Failure::user)?;
    let key = GeneratedKey::generate(spec)
        .await
        .map_err(countersign::Error::from)?;

    let rules = signing
        .role_for_caller(call)?
        .compile_for_generated(call.mount()?);
    let Signed {
        serial_number,
        signed_key,
        warnings,
    } = signing.sign(call, rules, key.public_key().clone()).await?;
    let answer = Answer::data(json!({
        "private_key": key.to_pem().as_str(),
        "private_key_type": key_type,
        "serial_number": serial_number,
        "signed_key": signed_key,
    }))?;
    Ok(warnings.into_iter().fold(answer, Answer::warn))
}
