//! `public_key`: the CA key for everybody.

use crate::{
    api::{Access, Answer, Call, Method, Operation, Route, Scope, handler},
    error::Failure,
    mounts::MountType,
    ssh::issuers::Issuers,
};

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "public_key",
    fields: &[],
    methods: &[Method {
        operation: Operation::Read,
        access: Access::Public,
        handler: handler!(read),
    }],
}];

async fn read(call: &Call) -> Result<Answer, Failure> {
    let (issuers, _) = Issuers::read(call).await?;
    let issuer = issuers.default_issuer().ok_or_else(Failure::absent)?;
    Ok(Answer::raw("text/plain", issuer.public_key.as_bytes()))
}
