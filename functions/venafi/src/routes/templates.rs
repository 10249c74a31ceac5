//! Looking at templates.

use crate::{
    call::{Call, Reply},
    dn::{Dn, KEY_PAIRS},
    error::{Failure, code},
    guid::Guid,
    template::{self, Template},
    time, wire,
};
use countersign::{access::Caller, acl::Capability, authority::Authority, store::Record};
use std::sync::Arc;

/// What an answer says where there is no such template.
pub(super) const ABSENT: &str = "SSH certificate issuance template was not found.";

/// `Template/Available`: those that the caller may use.
pub(super) async fn available(call: Arc<Call>) -> Result<Reply, Failure> {
    let caller = call.authorise(&[]).await?.caller;
    let all = template::list(&*call.services.store).await?;
    let names: Vec<wire::TemplateName> = all
        .iter()
        .filter(|template| may_see(&call, caller, template))
        .map(|template| name(template, false))
        .collect();
    Reply::json(&names)
}

/// `Template/Retrieve`.
pub(super) async fn retrieve(call: Arc<Call>) -> Result<Reply, Failure> {
    let body = call.body::<wire::TemplateRetrieval>();
    let caller = call.authorise(&[]).await?.caller;
    let body = body?;
    let (template, _) = find(&call, body.dn.as_deref(), body.guid.as_deref()).await?;
    if !may_see(&call, caller, &template) {
        return Err(Failure::rights("this template"));
    }
    let authority = authority(&call, &template).await?;
    let with_key_pair = body.include_ca_key_pair_details.unwrap_or(true);
    let answer = shown(&template, &authority, with_key_pair)?;
    Reply::json(&answer)
}

/// The template that is named, by either name; the distinguished one goes first.
pub(super) async fn find(
    call: &Call,
    dn: Option<&str>,
    guid: Option<&str>,
) -> Result<(Template, Record), Failure> {
    let store = &*call.services.store;
    let found = match (dn, guid) {
        (Some(dn), _) => template::by_dn(store, &parse(dn)?).await?,
        (None, Some(guid)) => match Guid::parse(guid) {
            Some(guid) => template::by_guid(store, &guid).await?,
            None => return Err(Failure::field("Guid", "it is not an id")),
        },
        (None, None) => return Err(Failure::invalid(code::OTHER, "Guid or DN is required")),
    };
    found.ok_or_else(|| Failure::not_found(code::OTHER, ABSENT))
}

/// The template's name that a body gave.
pub(super) fn parse(dn: &str) -> Result<Dn, Failure> {
    Dn::template(dn).map_err(|error| Failure::field("DN", error))
}

/// The path of a template in policies.
pub(super) fn policy_path(dn: &str) -> String {
    format!("vedsdk/template/{dn}")
}

fn may_see(call: &Call, caller: &Caller, template: &Template) -> bool {
    let path = policy_path(&template.dn);
    call.may(caller, &path, &[Capability::Read, Capability::Update])
}

/// The authority that signs for `template`.
pub(super) async fn authority(call: &Call, template: &Template) -> Result<Authority, Failure> {
    let found = Authority::read(&*call.services.store, &template.authority).await?;
    let (authority, _) =
        found.ok_or_else(|| countersign::Error::internal("the authority of a template is gone"))?;
    Ok(authority)
}

/// How a template is called.
pub(super) fn name(template: &Template, with_response: bool) -> wire::TemplateName {
    wire::TemplateName {
        dn: template.dn.clone(),
        guid: template.guid.to_string(),
        response: with_response.then(wire::WebResponse::success),
    }
}

fn shown(
    template: &Template,
    authority: &Authority,
    with_key_pair: bool,
) -> Result<wire::TemplateAnswer, Failure> {
    let pair = &template.ca_key_pair;
    let pair_dn = format!("{KEY_PAIRS}\\{}", pair.name);
    let key = authority.ca_key()?;
    let details = wire::CaKeyPair {
        created_on: time::date(authority.created_at),
        dn: pair_dn.clone(),
        fingerprint: bare_fingerprint(&key.fingerprint()),
        guid: pair.guid.to_string(),
        key_algorithm: key_algorithm(&key),
        name: pair.name.clone(),
        public_key_data: format!("{} {}", authority.public_key, pair.name),
    };
    Ok(wire::TemplateAnswer {
        dn: template.dn.clone(),
        guid: template.guid.to_string(),
        name: template.name.clone(),
        created_on: time::date(template.created_at),
        contacts: template.contacts.clone(),
        ca_key_pair_dn: pair_dn,
        ca_key_pair_guid: pair.guid.to_string(),
        authority: template.authority.to_string(),
        api_client: template.api_client,
        access_control: template.access_control.clone(),
        certificate: template.certificate.clone(),
        ca_key_pair: with_key_pair.then_some(details),
        response: wire::WebResponse::success(),
    })
}

/// A fingerprint as this API writes it: without the name of the hash.
pub(super) fn bare_fingerprint(fingerprint: &str) -> String {
    fingerprint
        .strip_prefix("SHA256:")
        .unwrap_or(fingerprint)
        .to_owned()
}

fn key_algorithm(key: &countersign::ssh::PublicKey) -> String {
    use crate::algorithm::KeyAlgorithm;
    let spec = countersign::authority::KeySpec::of(key);
    // An imported RSA key may have another size.
    spec.map_or_else(
        || format!("RSA{}", key.bits()),
        |spec| KeyAlgorithm::Spec(spec).name().to_owned(),
    )
}
