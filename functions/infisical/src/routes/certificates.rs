//! `/api/v1/ssh/certificates`: certificates through a template, and the list of a project's certificates.

use super::Answer;
use crate::{
    algorithm::{SubjectKey, file_line},
    auth::{Actor, Kinds},
    compile,
    error::Problem,
    input::{Input, IssueCredentials, SignKey, Wanted},
    issuing::{self, Order},
    model::{Ca, Status, Template},
    permission::{Action, Subject},
    principal,
    request::Call,
    standing::check_target,
    time::iso_time,
    validation::Issue,
    wire,
};
use axum::Json;
use countersign::{
    Error,
    certificates::CertificateRecord,
    decide::{Request, RequestedKeyId},
    issue::Issued,
    refusal::Refusal,
    signer::private_key::GeneratedKey,
    ssh::PublicKey,
    types::CertType,
};
use serde::Deserialize;

const TTL_TOO_LONG: &str =
    "Failed TTL validation due to TTL being greater than configured max TTL on template";
const BAD_KEY_ID: &str = "Failed to validate Key ID because it can only contain alphanumeric characters and hyphens, \
                          with no spaces.";

/// A certificate for a key that the caller has.
pub(crate) async fn sign(mut call: Call) -> Answer<wire::SignedKey> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = SignKey::parse(&call.body()?)?;
    let template = usable_template(&mut call, &actor, &input.wanted).await?;
    let subject = SubjectKey::parse(&input.public_key)?;
    let issued = issue(&mut call, &actor, &template, &input.wanted, subject.key).await?;
    Ok(Json(wire::SignedKey {
        serial_number: issuing::serial_text(issued.certificate.fields().serial),
        signed_key: file_line(&issued.certificate.to_line(), &subject.comment),
    }))
}

/// A certificate for a key pair that is made along with it.
pub(crate) async fn issue_credentials(mut call: Call) -> Answer<wire::IssuedCredentials> {
    let actor = call.actor(Kinds::Any, |_| Vec::new()).await?;
    let input = IssueCredentials::parse(&call.body()?)?;
    let template = usable_template(&mut call, &actor, &input.wanted).await?;
    let pair = GeneratedKey::generate(input.key_algorithm.spec()).await;
    let pair = pair.map_err(Error::from)?;
    let key = pair.public_key().clone();
    let issued = issue(&mut call, &actor, &template, &input.wanted, key).await?;
    let comment = issued.certificate.fields().key_id.as_str().to_owned();
    Ok(Json(super::credentials(
        &issued,
        &pair,
        &comment,
        input.key_algorithm,
    )))
}

/// The template, if the caller may use it and it is in use.
async fn usable_template(call: &mut Call, actor: &Actor, wanted: &Wanted) -> Result<Template, Problem> {
    let key = Template::key_of(&wanted.template_id);
    let template = call.records.find::<Template>(&key).await?;
    let template = template
        .ok_or_else(|| Problem::not_found("No SSH certificate template found with specified name"))?
        .value;
    let ca_key = Ca::key_of(&template.ca.id);
    let authority_key = countersign::authority::Authority::key(&template.ca.authority);
    call.records.load([ca_key.clone(), authority_key]).await?;
    let standing = call.standing(actor, &template.project_id).await?;
    check_target(
        actor,
        &format!("api/v1/ssh/certificate-templates/{}", template.id),
    )?;
    standing.require(Action::Create, Subject::SshCertificates)?;
    let ca = call.records.find::<Ca>(&ca_key).await?;
    if ca.is_none_or(|ca| ca.value.status == Status::Disabled) {
        return Err(Problem::bad_request("SSH CA is disabled"));
    }
    if template.status == Status::Disabled {
        return Err(Problem::bad_request("SSH certificate template is disabled"));
    }
    Ok(template)
}

async fn issue(
    call: &mut Call,
    actor: &Actor,
    template: &Template,
    wanted: &Wanted,
    subject_key: PublicKey,
) -> Result<Issued, Problem> {
    let role = compile::template(template)?;
    if role.rules(wanted.cert_type).is_some() {
        principal::check_all(&wanted.principals)?;
    }
    let ttl_secs = compile::seconds(wanted.ttl.as_ref().unwrap_or(&template.ttl))?;
    let chosen = wanted.key_id.clone().filter(|_| template.allow_custom_key_ids);
    let request = Request {
        subject_key,
        cert_type: wanted.cert_type,
        principals: Some(wanted.principals.clone()),
        validity: compile::validity(call.records.now(), ttl_secs),
        key_id: chosen.map_or_else(|| RequestedKeyId::Default(actor.key_id()), RequestedKeyId::Chosen),
        critical_options: None,
        extensions: None,
    };
    let order = Order {
        actor,
        project_id: &template.project_id,
        through: template.name.clone(),
        template_id: Some(&template.id),
        ca: &template.ca,
        role: &role,
        request: &request,
    };
    issuing::issue(call, order).await.map_err(|error| match error {
        Error::Refused(refusal) => Problem::bad_request(refusal_text(&refusal, template, wanted.cert_type)),
        error => error.into(),
    })
}

/// Why a template does not sign, in the words of the original.
fn refusal_text(refusal: &Refusal, template: &Template, cert_type: CertType) -> String {
    let (allowed, plural, any, listed) = match cert_type {
        CertType::Host => (
            &template.allowed_hosts,
            "hosts",
            "does not match a valid host pattern.",
            "is not in the list of allowed hosts or domains.",
        ),
        CertType::User => (
            &template.allowed_users,
            "users",
            "does not match a valid user pattern.",
            "is not in the list of allowed users.",
        ),
    };
    match refusal {
        Refusal::CertTypeNotAllowed(cert_type) => {
            format!("Failed to validate {cert_type} certificate type due to template restriction")
        }
        Refusal::KeyId(_) | Refusal::KeyIdNotAllowed => BAD_KEY_ID.to_owned(),
        Refusal::PrincipalNotAllowed(name) => {
            let reason = if allowed.iter().any(|entry| entry == "*") {
                any
            } else {
                listed
            };
            format!("Principal '{name}' {reason}")
        }
        Refusal::PrincipalsNotConfigured => {
            format!("No allowed {plural} are configured in the SSH certificate template.")
        }
        Refusal::SubjectKeyKind(_) | Refusal::SubjectKeySize(..) => {
            "Failed to validate SSH public key format: unsupported key type.".to_owned()
        }
        Refusal::TtlTooLong(_) => TTL_TOO_LONG.to_owned(),
        Refusal::AlreadyExpired
        | Refusal::CriticalOptions(_)
        | Refusal::CriticalOptionsNotAllowed(_)
        | Refusal::Extensions(_)
        | Refusal::ExtensionsNotAllowed(_)
        | Refusal::HostCriticalOptions(_)
        | Refusal::OptionValueNotAllowed(_)
        | Refusal::Principals(_)
        | Refusal::SourceAddress(_)
        | Refusal::Validity(_)
        | Refusal::VerifyRequiredNeedsSecurityKey => refusal.to_string(),
    }
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    offset: usize,
    #[serde(default = "default_limit")]
    limit: usize,
}

/// The original's page, and its longest.
const PAGE: usize = 25;
const MAX_PAGE: usize = 100;

fn default_limit() -> usize {
    PAGE
}

/// The certificates of a project, newest first.
pub(crate) async fn list(mut call: Call) -> Answer<wire::Certificates> {
    let (_, standing) = super::projects::of_path(&mut call).await?;
    let query: ListQuery = call.query()?;
    if !(1..=MAX_PAGE).contains(&query.limit) {
        let message = format!("Limit must be between 1 and {MAX_PAGE}");
        return Err(Problem::validation(vec![Issue::custom(
            &["limit".into()],
            message,
        )]));
    }
    standing.require(Action::Read, Subject::SshCertificates)?;
    let project_id = &standing.project.value.id;
    let page = issuing::list(call.services(), project_id, query.offset, query.limit).await?;
    let certificates = page.records.iter().map(render).collect::<Result<_, _>>()?;
    Ok(Json(wire::Certificates {
        certificates,
        total_count: page.total_count,
    }))
}

fn render(record: &CertificateRecord) -> Result<wire::Certificate, Error> {
    let fields = record.fields()?;
    let (id, ssh_ca_id, ssh_certificate_template_id) = issuing::ids_of(record);
    Ok(wire::Certificate {
        id,
        ssh_ca_id,
        ssh_certificate_template_id,
        serial_number: issuing::serial_text(fields.serial),
        cert_type: fields.cert_type.name().to_owned(),
        principals: fields.valid_principals.iter().map(str::to_owned).collect(),
        key_id: fields.key_id.as_str().to_owned(),
        not_before: iso_time(fields.validity.valid_after()),
        not_after: iso_time(fields.validity.valid_before()),
    })
}
