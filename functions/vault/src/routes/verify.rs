//! `verify`: what a host asks about a password that somebody logs in to it with. It needs no token: the password is
//! one.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler, text},
    error::Failure,
    mounts::MountType,
    one_time_passwords,
};
use countersign::types::SecretToken;
use serde_json::json;

/// What vault-ssh-helper sends to see whether this is the right place.
const ECHO_REQUEST: &str = "verify-echo-request";
const ECHO_RESPONSE: &str = "verify-echo-response";

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "verify",
    fields: &[text("otp")],
    methods: &[on(Operation::Update, Access::Decides, handler!(verify))],
}];

async fn verify(call: &Call) -> Result<Answer, Failure> {
    let given = call.fields.text("otp");
    if given == ECHO_REQUEST {
        return Answer::data(json!({ "message": ECHO_RESPONSE }));
    }
    let login = match given {
        "" => None,
        given => one_time_passwords::verify(&call.services, call.mount()?, &SecretToken::new(given)).await?,
    };
    Answer::data(login.ok_or_else(|| Failure::user("OTP not found"))?)
}
