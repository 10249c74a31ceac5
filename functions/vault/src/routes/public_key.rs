//! `public_key`: the CA key for everybody.

use super::on;
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler},
    error::Failure,
    mounts::MountType,
    ssh::issuers::Issuers,
};

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "public_key",
    fields: &[],
    methods: &[on(Operation::Read, Access::Public, handler!(read))],
}];

async fn read(call: &Call) -> Result<Answer, Failure> {
    let (issuers, _) = Issuers::read(call).await?;
    let issuer = issuers.default_issuer().ok_or_else(Failure::absent)?;
    Ok(Answer::raw("text/plain", issuer.public_key.as_bytes()))
}
