//! `/api/v1/ssh/ca`: CAs.

use super::Answer;
use crate::{
    auth::{Actor, Kinds},
    authorities::{self, Draft},
    error::Problem,
    input::{CreateCa, Input, UpdateCa},
    model::Ca,
    permission::{Action, Subject},
    records::Kept,
    removal,
    request::Call,
    standing::Standing,
    wire,
};
use axum::Json;
use std::cmp::Reverse;

pub(crate) async fn create(mut call: Call) -> Answer<wire::CaAnswer> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = CreateCa::parse(&call.body()?)?;
    let standing = call.standing_in_target(&actor, &input.project_id).await?;
    standing.require(Action::Create, Subject::SshCertificateAuthorities)?;
    let (records, project_id) = (&mut call.records, &input.project_id);
    let name = &input.friendly_name;
    let (draft, line_end) = match &input.external {
        None => (
            Draft::internal(records, project_id, name, input.key_algorithm).await?,
            "\n",
        ),
        Some((public_key, private_key)) => (
            Draft::external(records, project_id, name, public_key, private_key).await?,
            "",
        ),
    };
    let Draft { ca, authority } = authorities::add(records, project_id, draft).await?;
    // As the original: only a key that was just made has the newline of its file.
    let public_key = format!("{}{line_end}", authority.public_key);
    answer(wire::Ca::of(&ca, Some(public_key)))
}

pub(crate) async fn get(mut call: Call) -> Answer<wire::CaAnswer> {
    let (_, ca, standing) = find(&mut call).await?;
    standing.require(Action::Read, Subject::SshCertificateAuthorities)?;
    with_key(&mut call, &ca.value).await
}

pub(crate) async fn update(mut call: Call) -> Answer<wire::CaAnswer> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = UpdateCa::parse(&call.body()?)?;
    let (kept, standing) = find_for(&mut call, &actor).await?;
    standing.require(Action::Edit, Subject::SshCertificateAuthorities)?;
    let mut ca = kept.value.clone();
    ca.friendly_name = input.friendly_name.unwrap_or(ca.friendly_name);
    ca.status = input.status.unwrap_or(ca.status);
    ca.updated_at = call.records.now();
    let write = kept.replace(&ca)?;
    call.records.write(&[write]).await?;
    with_key(&mut call, &ca).await
}

pub(crate) async fn delete(mut call: Call) -> Answer<wire::CaAnswer> {
    let (_, ca, standing) = find(&mut call).await?;
    standing.require(Action::Delete, Subject::SshCertificateAuthorities)?;
    removal::ca(&mut call.records, &ca).await?;
    answer(wire::Ca::of(&ca.value, None))
}

/// The public key, as a bare line, for everybody.
pub(crate) async fn public_key(mut call: Call) -> Result<String, Problem> {
    let id = call.param("id").trim().to_owned();
    call.judge_token(&[Ca::key_of(&id)]).await?;
    let ca = call.records.find::<Ca>(&Ca::key_of(&id)).await?;
    let ca = ca.ok_or_else(|| not_found(&id))?;
    super::public_key(&mut call, &ca.value.authority).await
}

/// The CAs of a project, newest change first.
pub(crate) async fn list(mut call: Call) -> Answer<wire::Cas> {
    let (_, standing) = super::projects::of_path(&mut call).await?;
    standing.require(Action::Read, Subject::SshCertificateAuthorities)?;
    let ids = &standing.project.value.cas;
    let keys: Vec<_> = ids.iter().map(|id| Ca::key_of(id)).collect();
    let mut cas: Vec<Kept<Ca>> = call.records.find_all(&keys).await?;
    cas.sort_by_key(|ca| Reverse(ca.value.updated_at));
    let cas = cas.iter().map(|ca| wire::Ca::of(&ca.value, None)).collect();
    Ok(Json(wire::Cas { cas }))
}

async fn with_key(call: &mut Call, ca: &Ca) -> Answer<wire::CaAnswer> {
    let key = super::public_key(call, &ca.authority).await?;
    answer(wire::Ca::of(ca, Some(key)))
}

fn answer(ca: wire::Ca) -> Answer<wire::CaAnswer> {
    Ok(Json(wire::CaAnswer { ca }))
}

fn not_found(id: &str) -> Problem {
    Problem::not_found(format!("SSH CA with ID '{id}' not found"))
}

pub(super) async fn find(call: &mut Call) -> Result<(Actor, Kept<Ca>, Standing), Problem> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let (ca, standing) = find_for(call, &actor).await?;
    Ok((actor, ca, standing))
}

async fn find_for(call: &mut Call, actor: &Actor) -> Result<(Kept<Ca>, Standing), Problem> {
    let id = call.param("id").trim().to_owned();
    let ca = call.records.find::<Ca>(&Ca::key_of(&id)).await?;
    let ca = ca.ok_or_else(|| not_found(&id))?;
    let standing = call.standing(actor, &ca.value.project_id).await?;
    Ok((ca, standing))
}
