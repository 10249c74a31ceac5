//! `/api/v1/ssh/hosts/{id}/…`: certificates through a host, and the keys of its CAs.

use super::Answer;
use crate::{
    algorithm::{SubjectKey, file_line},
    auth::{Actor, Kinds},
    compile,
    error::Problem,
    hints::HostHint,
    input::{Input, IssueHostCert, IssueUserCert},
    issuing::{self, Order},
    mappings,
    model::{ActorKind, CaRef, Host, HostGroup, Membership, Project},
    permission::{Action, Subject},
    records::Kept,
    request::Call,
    session::Claims,
    wire,
};
use axum::Json;
use countersign::{
    Error,
    authority::Authority,
    decide::{Request, RequestedKeyId},
    refusal::Refusal,
    signer::private_key::GeneratedKey,
    store::Key,
    types::CertType,
};

/// A certificate for a person: a new key pair, good for the person's own name and one login user of this host.
pub(crate) async fn issue_user(mut call: Call) -> Answer<wire::IssuedCredentials> {
    let id = call.param("id");
    let hint = call.app.hints.host(&id);
    let along = |claims: Option<&Claims>| keys_to_read_along(&id, hint.as_deref(), claims);
    let actor = call.actor(Kinds::User, along).await?;
    let input = IssueUserCert::parse(&call.body()?)?;
    let host = find(&mut call, &id).await?;
    let standing = call.standing(&actor, &host.value.project_id).await?;
    let Actor::User(_, user) = &actor else {
        return Err(Problem::wrong_kind(call.target()));
    };
    let login = compile::Login {
        username: &user.username,
        groups: &user.groups,
        login_user: &input.login_user,
    };
    let effective = mappings::of_host(&mut call.records, &host.value).await?;
    let role = compile::login(&host.value, &effective, &login)?;
    let algorithm = standing.project.value.key_algorithm;
    let pair = GeneratedKey::generate(algorithm.spec())
        .await
        .map_err(Error::from)?;
    let ttl_secs = compile::seconds(&host.value.user_cert_ttl)?;
    let request = Request {
        subject_key: pair.public_key().clone(),
        cert_type: CertType::User,
        principals: Some(login.principals()),
        validity: compile::validity(call.records.now(), ttl_secs),
        key_id: RequestedKeyId::Default(actor.key_id()),
        critical_options: None,
        extensions: None,
    };
    call.app.hints.remember_host(&host.value);
    let order = Order {
        actor: &actor,
        project_id: &host.value.project_id,
        through: host.value.hostname.clone(),
        template_id: None,
        ca: &host.value.user_ca,
        role: &role,
        request: &request,
    };
    let issued = issuing::issue(&mut call, order)
        .await
        .map_err(|error| match error {
            Error::Refused(Refusal::PrincipalNotAllowed(_) | Refusal::PrincipalsNotConfigured) => {
                Problem::unauthorized(format!(
                    "You are not allowed to login as {} on this host",
                    input.login_user
                ))
            }
            error => error.into(),
        })?;
    Ok(Json(super::credentials(
        &issued,
        &pair,
        &actor.key_id(),
        algorithm,
    )))
}

/// What an earlier request through this host needed, as far as it is known from the caller's token and the path.
fn keys_to_read_along(host_id: &str, hint: Option<&HostHint>, claims: Option<&Claims>) -> Vec<Key> {
    let mut keys = vec![Host::key_of(host_id)];
    let (Some(hint), Some(claims)) = (hint, claims) else {
        return keys;
    };
    let (kind, actor_id) = claims.actor();
    keys.push(Project::key_of(&hint.project_id));
    keys.push(Membership::key_of(&hint.project_id, kind, actor_id));
    keys.push(Authority::key(match kind {
        ActorKind::Identity => &hint.host_authority,
        ActorKind::User => &hint.user_authority,
    }));
    keys.extend(hint.groups.iter().map(|id| HostGroup::key_of(id)));
    keys
}

/// A certificate for the key of the host itself.
pub(crate) async fn issue_host(mut call: Call) -> Answer<wire::SignedKey> {
    let id = call.param("id");
    let hint = call.app.hints.host(&id);
    let along = |claims: Option<&Claims>| keys_to_read_along(&id, hint.as_deref(), claims);
    let actor = call.actor(Kinds::Any, along).await?;
    let input = IssueHostCert::parse(&call.body()?)?;
    let host = find(&mut call, &id).await?;
    let standing = call.standing(&actor, &host.value.project_id).await?;
    standing.require(Action::IssueHostCert, Subject::SshHosts)?;
    let subject = SubjectKey::parse(&input.public_key)?;
    let role = compile::host_key(&host.value)?;
    let ttl_secs = compile::seconds(&host.value.host_cert_ttl)?;
    let request = Request {
        subject_key: subject.key,
        cert_type: CertType::Host,
        principals: Some(vec![host.value.hostname.clone()]),
        validity: compile::validity(call.records.now(), ttl_secs),
        key_id: RequestedKeyId::Default(format!("host-{}", host.value.id)),
        critical_options: None,
        extensions: None,
    };
    call.app.hints.remember_host(&host.value);
    let order = Order {
        actor: &actor,
        project_id: &host.value.project_id,
        through: host.value.hostname.clone(),
        template_id: None,
        ca: &host.value.host_ca,
        role: &role,
        request: &request,
    };
    let issued = issuing::issue(&mut call, order).await?;
    Ok(Json(wire::SignedKey {
        serial_number: issuing::serial_text(issued.certificate.fields().serial),
        signed_key: file_line(&issued.certificate.to_line(), &subject.comment),
    }))
}

/// The key that signs user certificates for this host, as a bare line.
pub(crate) async fn user_ca_public_key(call: Call) -> Result<String, Problem> {
    ca_public_key(call, |host| &host.user_ca).await
}

/// The key that signs host certificates for this host, as a bare line.
pub(crate) async fn host_ca_public_key(call: Call) -> Result<String, Problem> {
    ca_public_key(call, |host| &host.host_ca).await
}

async fn ca_public_key(mut call: Call, of: fn(&Host) -> &CaRef) -> Result<String, Problem> {
    let id = call.param("id").trim().to_owned();
    call.judge_token(&[Host::key_of(&id)]).await?;
    let host = find(&mut call, &id).await?;
    super::public_key(&mut call, &of(&host.value).authority).await
}

async fn find(call: &mut Call, id: &str) -> Result<Kept<Host>, Problem> {
    let host = call.records.find::<Host>(&Host::key_of(id)).await?;
    host.ok_or_else(|| Problem::not_found(format!("SSH host with ID {id} not found")))
}
