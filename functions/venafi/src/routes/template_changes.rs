//! Making, changing and deleting templates: ours, since the product has no routes for that.

use super::templates::{ABSENT, name, parse, policy_path};
use crate::{
    call::{Call, Reply},
    dn::{Dn, TEMPLATES},
    error::{Failure, code},
    guid::Guid,
    template::{self, CaKeyPairSpec, KeyPair, Sections, Template},
    wire,
};
use countersign::{
    Error,
    access::Caller,
    acl::Capability,
    authority::{self, Authority, AuthorityId, AuthorityState, KeySource},
    authority_use, grace,
    store::{Condition, Record, StoreError, TRIES, Write, contended},
};
use std::sync::Arc;

/// The path of new authorities in policies.
const AUTHORITIES: &str = "sys/countersign/authorities";
/// What an answer says where the name is taken.
const TAKEN: &str = "There is a template with this name already.";

/// `Template/Create`.
pub(super) async fn create(call: Arc<Call>) -> Result<Reply, Failure> {
    let body = call.body::<wire::TemplateCreation>();
    let caller = call.authorise(&[]).await?.caller;
    let body = body?;
    let given = body.name.ok_or_else(|| Failure::field("Name", "it is missing"))?;
    if given.contains('\\') {
        return Err(Failure::field("Name", "it may not hold a backslash"));
    }
    let dn = Dn::parse(TEMPLATES)
        .and_then(|root| root.child(&given))
        .map_err(|error| Failure::field("Name", error))?;
    require(&call, caller, dn.as_str(), Capability::Create)?;
    if body.authority.is_some() && body.ca_key_pair.is_some() {
        return Err(Failure::field("CAKeyPair", "give either this or Authority"));
    }
    let key_pair = CaKeyPairSpec::parse(body.ca_key_pair)?;
    let sections = Sections::parse(
        body.api_client,
        body.access_control,
        body.certificate,
        body.contacts,
    )?;
    let (api_client, access_control, certificate, contacts) = sections.or_defaults()?;
    // Before a key is made for nothing.
    if template::by_dn(&*call.services.store, &dn).await?.is_some() {
        return Err(Failure::conflict(TAKEN));
    }
    let mut template = Template {
        guid: Guid::draw(&call.services)?,
        name: dn.name().to_owned(),
        created_at: call.services.clock.now(),
        contacts,
        authority: AuthorityId::draw(call.services.clock.now(), &*call.services.random)?, // until there is one
        ca_key_pair: KeyPair {
            guid: Guid::draw(&call.services)?,
            name: key_pair.name.unwrap_or_else(|| dn.name().to_owned()),
        },
        api_client,
        access_control,
        certificate,
        deleting_since: None,
        dn: dn.as_str().to_owned(),
    };
    template.check_size()?;
    let authority = match body.authority {
        Some(text) => existing(&call, caller, &text, &dn).await?,
        None => {
            let source = KeySource::New(key_pair.spec);
            authority::enrol(&call.services, source, format!("of the template {dn}")).await?
        }
    };
    template.authority = authority.id;
    for _ in 0..TRIES {
        let mut writes = template.create()?.to_vec();
        let own = writes.len();
        writes.extend(use_of(&call, &template).await?);
        match call.services.store.write(&writes).await {
            Ok(()) => return Reply::json(&name(&template, true)),
            Err(StoreError::ConditionFailed(place)) if place < own => return Err(Failure::conflict(TAKEN)),
            // The authority was changed.
            Err(StoreError::ConditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended("the template").into())
}

/// The writes which say that `template` uses its authority, so that nobody retires it meanwhile.
async fn use_of(call: &Call, template: &Template) -> Result<[Write; 2], Failure> {
    let found = Authority::read(&*call.services.store, &template.authority).await?;
    match found.filter(|(authority, _)| authority.state == AuthorityState::Active) {
        Some((authority, stored)) => Ok(template.authority_use().of_existing(&authority, &stored)?),
        None => Err(Failure::field("Authority", "it is retired")),
    }
}

/// `Template/Update`.
pub(super) async fn update(call: Arc<Call>) -> Result<Reply, Failure> {
    let body = call.body::<wire::TemplateUpdate>();
    let caller = call.authorise(&[]).await?.caller;
    let body = body?;
    let (found, _) = named(
        &call,
        body.dn.as_deref(),
        body.guid.as_deref(),
        body.name.as_deref(),
    )
    .await?;
    // Whoever may have certificates by a template may not also say which.
    require(&call, caller, &found.dn, Capability::Sudo)?;
    let sections = Sections::parse(
        body.api_client,
        body.access_control,
        body.certificate,
        body.contacts,
    )?;
    let dn = parse(&found.dn)?;
    let authority = match &body.authority {
        Some(text) => Some(existing(&call, caller, text, &dn).await?.id),
        None => None,
    };
    for _ in 0..TRIES {
        let (mut template, stored) = current(&call, &dn).await?;
        // A deletion that was announced finds it changed, and starts again.
        template.deleting_since = None;
        if let Some(section) = sections.api_client {
            template.api_client = section;
        }
        if let Some(section) = &sections.access_control {
            template.access_control = section.clone();
        }
        if let Some(section) = &sections.certificate {
            template.certificate = section.clone();
        }
        if let Some(contacts) = &sections.contacts {
            template.contacts.clone_from(contacts);
        }
        let mut also = Vec::new();
        if let Some(authority) = authority
            .as_ref()
            .filter(|authority| **authority != template.authority)
        {
            also.push(authority_use::end(
                &template.authority,
                &template.authority_use().id,
            ));
            template.authority = authority.clone();
            also.extend(use_of(&call, &template).await?);
        }
        template.check_size()?;
        if replace(&call, &template, &stored, also).await?.is_some() {
            return Reply::json(&name(&template, true));
        }
    }
    Err(contended("the template").into())
}

/// `Template/Delete`, unless certificates of it are valid. `pending` tells how the two meet.
pub(super) async fn delete(call: Arc<Call>) -> Result<Reply, Failure> {
    let body = call.body::<wire::TemplateDeletion>();
    let caller = call.authorise(&[]).await?.caller;
    let body = body?;
    let (found, _) = named(
        &call,
        body.dn.as_deref(),
        body.guid.as_deref(),
        body.name.as_deref(),
    )
    .await?;
    require(&call, caller, &found.dn, Capability::Delete)?;
    let dn = parse(&found.dn)?;
    for _ in 0..TRIES {
        let (mut template, stored) = current(&call, &dn).await?;
        // First without an announcement, which holds certificates back: most refusals end here.
        if template.has_valid_certificates(&call.services).await? {
            withdraw(&call, &template, &stored).await;
            return Err(in_use());
        }
        template.deleting_since = Some(call.services.clock.now());
        let Some(announced) = replace(&call, &template, &stored, Vec::new()).await? else {
            continue;
        };
        grace::outlast(&call.services).await;
        let outcome = delete_announced(&call, &template, &announced).await;
        if !matches!(outcome, Ok(Deletion::Done)) {
            withdraw(&call, &template, &announced).await;
        }
        match outcome? {
            Deletion::Done => return Reply::json(&name(&template, true)),
            Deletion::InUse => return Err(in_use()),
            Deletion::Overtaken => {}
        }
    }
    Err(contended("the template").into())
}

/// How an announced deletion ended.
enum Deletion {
    Done,
    /// Certificates of it are valid.
    InUse,
    /// Somebody changed the template meanwhile.
    Overtaken,
}

async fn delete_announced(call: &Call, template: &Template, announced: &Record) -> Result<Deletion, Error> {
    if template.has_valid_certificates(&call.services).await? {
        return Ok(Deletion::InUse);
    }
    match call.services.store.write(&template.delete(announced)).await {
        Ok(()) => Ok(Deletion::Done),
        Err(StoreError::ConditionFailed(_)) => Ok(Deletion::Overtaken),
        Err(error) => Err(error.into()),
    }
}

/// Withdraws the announcement of its deletion from `template`, if it has one and is still as `stored`. If this fails,
/// the announcement ends by its age.
async fn withdraw(call: &Call, template: &Template, stored: &Record) {
    if template.deleting_since.is_some()
        && let Ok(write) = template.withdrawal(stored)
    {
        let _ = call.services.store.write(&[write]).await;
    }
}

fn in_use() -> Failure {
    Failure::conflict(
        "Certificates of this template are valid: it can be deleted when the last of them has ended.",
    )
}

/// Refuses a caller without `capability` on the template called `dn`.
fn require(call: &Call, caller: &Caller, dn: &str, capability: Capability) -> Result<(), Failure> {
    if call.may(caller, &policy_path(dn), &[capability]) {
        Ok(())
    } else {
        Err(Failure::rights("this template"))
    }
}

/// The template that is named, in one of three ways.
async fn named(
    call: &Call,
    dn: Option<&str>,
    guid: Option<&str>,
    name: Option<&str>,
) -> Result<(Template, Record), Failure> {
    match (dn.or(name), guid) {
        (None, None) => Err(Failure::invalid(code::OTHER, "DN, Guid or Name is required")),
        (dn, guid) => super::templates::find(call, dn, guid).await,
    }
}

async fn current(call: &Call, dn: &Dn) -> Result<(Template, Record), Failure> {
    let found = template::by_dn(&*call.services.store, dn).await?;
    found.ok_or_else(|| Failure::not_found(code::OTHER, ABSENT))
}

/// Puts `template` in the place of `stored`, and carries out `also`; `None` where somebody else changed something.
async fn replace(
    call: &Call,
    template: &Template,
    stored: &Record,
    also: Vec<Write>,
) -> Result<Option<Record>, Failure> {
    let replaced = stored.replaced(template)?;
    let mut writes = vec![Write::Put(replaced.clone(), Condition::Version(stored.version))];
    writes.extend(also);
    match call.services.store.write(&writes).await {
        Ok(()) => Ok(Some(replaced)),
        Err(StoreError::ConditionFailed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The authority that `text` names: by its id, or by its KMS key.
async fn existing(call: &Call, caller: &Caller, text: &str, dn: &Dn) -> Result<Authority, Failure> {
    const FIELD: &str = "Authority";
    if let Ok(id) = AuthorityId::parse(text) {
        let path = format!("ssh_certificate_authorities/{id}");
        if !call.may(caller, &path, &[Capability::Update]) {
            return Err(Failure::rights("this authority"));
        }
        return match Authority::read(&*call.services.store, &id).await? {
            Some((authority, _)) if authority.state == AuthorityState::Active => Ok(authority),
            Some(_) => Err(Failure::field(FIELD, "it is retired")),
            None => Err(Failure::field(FIELD, "there is no such authority")),
        };
    }
    if !text.starts_with("arn:") {
        return Err(Failure::field(
            FIELD,
            "give the id of an authority, or the ARN of a KMS key",
        ));
    }
    if !call.may(caller, AUTHORITIES, &[Capability::Create, Capability::Update]) {
        return Err(Failure::rights("KMS keys"));
    }
    let source = KeySource::Kms(text.to_owned());
    let description = format!("of the template {dn}");
    authority::enrol(&call.services, source, description)
        .await
        .map_err(|error| match error {
            countersign::Error::InvalidRequest { reason, .. } => Failure::field(FIELD, reason),
            error => error.into(),
        })
}
