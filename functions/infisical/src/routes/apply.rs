//! `/api/v1/countersign/apply`: an operator's set-up, in one document.

use super::Answer;
use crate::{
    apply,
    auth::Kinds,
    input::{Document, Input},
    request::Call,
    wire,
};
use axum::Json;

pub(crate) async fn apply(mut call: Call) -> Answer<wire::Applied> {
    call.actor(Kinds::Account, |_| Vec::new()).await?;
    let document = Document::parse(&call.body()?)?;
    Ok(Json(apply::apply(&mut call.records, document).await?))
}
