//! `sign/:role`: a certificate for the caller's key.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, text},
    error::Failure,
    mounts::MountType,
    ssh::{
        signing::{self, Signed, Signing},
        subject_key,
    },
};
use serde_json::json;

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "sign/:role",
    fields: &[
        text("public_key"),
        signing::TTL,
        signing::VALID_PRINCIPALS,
        signing::CERT_TYPE,
        signing::KEY_ID,
        signing::CRITICAL_OPTIONS,
        signing::EXTENSIONS,
    ],
    methods: &[on(Operation::Update, Access::Token, handler!(sign))],
}];

async fn sign(call: &Call) -> Result<Answer, Failure> {
    let signing = Signing::read(call).await?;
    let signing = signing.ok_or_else(|| Failure::user(format!("Unknown role: {}", call.captured("role"))))?;
    let public_key = call.fields.text("public_key");
    if public_key.is_empty() {
        return Err(Failure::user("missing public_key"));
    }
    let key = subject_key::parse(public_key)
        .map_err(|error| Failure::user(format!("failed to parse public_key as SSH key: {error}")))?;
    let rules = signing.role_for_caller(call)?.compile(call.mount()?);
    let Signed {
        serial_number,
        signed_key,
        warnings,
    } = signing.sign(call, rules, key).await?;
    let answer = Answer::data(json!({ "serial_number": serial_number, "signed_key": signed_key }))?;
    Ok(warnings.into_iter().fold(answer, Answer::warn))
}
