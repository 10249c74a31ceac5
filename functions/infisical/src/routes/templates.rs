//! `/api/v1/ssh/certificate-templates`: certificate templates.

use super::Answer;
use crate::{
    auth::{Actor, Kinds},
    compile,
    error::Problem,
    input::{CreateTemplate, Input, UpdateTemplate},
    model::{Ca, CaRef, Status, Template, TemplateName},
    permission::{Action, Subject},
    records::{Kept, Stored},
    removal,
    request::Call,
    standing::{Standing, check_target},
    wire,
};
use axum::Json;
use countersign::store::{Condition, StoreError, Write};

pub(crate) async fn create(mut call: Call) -> Answer<wire::CertificateTemplate> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = CreateTemplate::parse(&call.body()?)?;
    let ca = call.records.find::<Ca>(&Ca::key_of(&input.ssh_ca_id)).await?;
    let ca = ca.ok_or_else(|| Problem::not_found(format!("SSH CA with ID {} not found", input.ssh_ca_id)))?;
    let standing = call.standing(&actor, &ca.value.project_id).await?;
    check_target(&actor, &format!("api/v1/ssh/ca/{}", ca.value.id))?;
    standing.require(Action::Create, Subject::SshCertificateTemplates)?;
    let template = Template {
        id: call.records.uuid()?,
        project_id: ca.value.project_id.clone(),
        ca: CaRef {
            id: ca.value.id.clone(),
            authority: ca.value.authority.clone(),
        },
        status: Status::Active,
        name: input.name,
        ttl: input.ttl,
        max_ttl: input.max_ttl,
        allowed_users: input.allowed_users,
        allowed_hosts: input.allowed_hosts,
        allow_user_certificates: input.allow_user_certificates,
        allow_host_certificates: input.allow_host_certificates,
        allow_custom_key_ids: input.allow_custom_key_ids,
    };
    let writes = [
        TemplateName::of(&template).create()?,
        template.create()?,
        ca.still_there(),
    ];
    store(&mut call, &writes, &template).await
}

pub(crate) async fn get(mut call: Call) -> Answer<wire::CertificateTemplate> {
    let (template, standing) = find(&mut call).await?;
    standing.require(Action::Read, Subject::SshCertificateTemplates)?;
    Ok(Json((&template.value).into()))
}

pub(crate) async fn update(mut call: Call) -> Answer<wire::CertificateTemplate> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = UpdateTemplate::parse(&call.body()?)?;
    let (kept, standing) = find_for(&mut call, &actor).await?;
    standing.require(Action::Edit, Subject::SshCertificateTemplates)?;
    let old = &kept.value;
    let template = changed(old.clone(), input);
    if compile::seconds(&template.ttl)? > compile::seconds(&template.max_ttl)? {
        return Err(Problem::bad_request("TTL cannot be greater than max TTL"));
    }
    let mut writes = Vec::new();
    if template.name != old.name {
        writes.push(TemplateName::of(&template).create()?);
        writes.push(Write::Delete(TemplateName::of(old).key(), Condition::Always));
    }
    writes.push(kept.replace(&template)?);
    store(&mut call, &writes, &template).await
}

fn changed(mut template: Template, input: UpdateTemplate) -> Template {
    fn set<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    set(&mut template.status, input.status);
    set(&mut template.name, input.name);
    set(&mut template.ttl, input.ttl);
    set(&mut template.max_ttl, input.max_ttl);
    set(&mut template.allowed_users, input.allowed_users);
    set(&mut template.allowed_hosts, input.allowed_hosts);
    set(
        &mut template.allow_user_certificates,
        input.allow_user_certificates,
    );
    set(
        &mut template.allow_host_certificates,
        input.allow_host_certificates,
    );
    set(&mut template.allow_custom_key_ids, input.allow_custom_key_ids);
    template
}

/// Carries out `writes`, of which the first takes the name if there is more than one.
async fn store(call: &mut Call, writes: &[Write], template: &Template) -> Answer<wire::CertificateTemplate> {
    match call.records.write(writes).await {
        Err(StoreError::ConditionFailed(0)) if writes.len() > 1 => Err(Problem::bad_request(format!(
            "SSH certificate template with name {} already exists",
            template.name
        ))),
        outcome => {
            outcome?;
            Ok(Json(template.into()))
        }
    }
}

pub(crate) async fn delete(mut call: Call) -> Answer<wire::CertificateTemplate> {
    let (template, standing) = find(&mut call).await?;
    standing.require(Action::Delete, Subject::SshCertificateTemplates)?;
    let name = TemplateName::of(&template.value).key();
    let writes = [template.delete(), Write::Delete(name, Condition::Always)];
    call.records.write(&writes).await?;
    Ok(Json((&template.value).into()))
}

/// The templates of a CA.
pub(crate) async fn of_ca(mut call: Call) -> Answer<wire::CertificateTemplates> {
    let (_, ca, standing) = super::cas::find(&mut call).await?;
    standing.require(Action::Read, Subject::SshCertificateTemplates)?;
    let templates = removal::templates_of(&mut call.records, &ca.value).await?;
    Ok(Json(render(&templates)))
}

/// The templates of a project.
pub(crate) async fn list(mut call: Call) -> Answer<wire::CertificateTemplates> {
    let (_, standing) = super::projects::of_path(&mut call).await?;
    standing.require(Action::Read, Subject::SshCertificateTemplates)?;
    let partition = TemplateName::partition(&standing.project.value.id);
    let names: Vec<Kept<TemplateName>> = call.records.list(partition).await?;
    let keys: Vec<_> = names
        .iter()
        .map(|name| Template::key_of(&name.value.template_id))
        .collect();
    let templates = call.records.find_all(&keys).await?;
    Ok(Json(render(&templates)))
}

fn render(templates: &[Kept<Template>]) -> wire::CertificateTemplates {
    wire::CertificateTemplates {
        certificate_templates: templates
            .iter()
            .map(|template| (&template.value).into())
            .collect(),
    }
}

async fn find(call: &mut Call) -> Result<(Kept<Template>, Standing), Problem> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    find_for(call, &actor).await
}

async fn find_for(call: &mut Call, actor: &Actor) -> Result<(Kept<Template>, Standing), Problem> {
    let id = call.param("id");
    let template = call.records.find::<Template>(&Template::key_of(&id)).await?;
    let template = template
        .ok_or_else(|| Problem::not_found(format!("SSH certificate template with ID {id} not found")))?;
    let standing = call.standing(actor, &template.value.project_id).await?;
    Ok((template, standing))
}
