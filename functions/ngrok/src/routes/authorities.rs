//! `/ssh_certificate_authorities`: the CA keys of the account, whichever family they were made through. A retired one
//! is not shown: it signs nothing any more.

use super::{certificates::change, cursor, next_page_uri, resource};
use crate::{
    call::{Call, Reply},
    endpoint::Endpoint,
    error::Failure,
    query,
    record::key_type,
    resource::Resource,
    text::Texts,
    wire,
};
use axum::{Router, routing::get};
use countersign::{
    Error, Services,
    acl::Capability,
    authority::{self, Authority, AuthorityId, AuthorityState, KeySource, KeySpec},
    handed_out::Until,
    retirement::{self, Outcome},
    store::{Condition, Record, StoreError, TRIES, Write, contended},
    types::timestamp,
};
use http::StatusCode;
use std::sync::Arc;

const AUTHORITY: Resource = Resource::Authority;

/// The routes.
pub(super) fn routes() -> Router<Services> {
    let collection = get(Endpoint::new(AUTHORITY, list).with_query().serve())
        .post(Endpoint::new(AUTHORITY, create).with_body().serve());
    let item = get(Endpoint::new(AUTHORITY, read).serve())
        .patch(Endpoint::new(AUTHORITY, update).with_body().serve())
        .delete(Endpoint::new(AUTHORITY, delete).serve());
    resource(AUTHORITY, collection, item)
}

async fn create(call: Arc<Call>) -> Result<Reply, Failure> {
    let order = call.body().and_then(|body: wire::SshCertificateAuthorityCreate| {
        let spec = key_spec(&body)?;
        Ok((spec, Texts::parse(body.description, body.metadata, AUTHORITY)?))
    });
    call.authorise(Capability::Create, &[]).await?;
    let (spec, texts) = order?;
    let authority = authority::enrol_with_metadata(
        &call.services,
        KeySource::New(spec),
        texts.description.unwrap_or_default(),
        texts.metadata.unwrap_or_default(),
    )
    .await;
    show(
        &call,
        StatusCode::CREATED,
        &authority.map_err(|error| call.failure(error))?,
    )
}

/// The key that the three parameters name.
fn key_spec(body: &wire::SshCertificateAuthorityCreate) -> Result<KeySpec, Failure> {
    let kind = body.private_key_type.as_deref().unwrap_or_default();
    let curve = body.elliptic_curve.as_deref().unwrap_or_default();
    let size = body.key_size.unwrap_or_default();
    if !["", "ecdsa", "ed25519", "rsa"].contains(&kind) {
        return Err(Failure::invalid(
            1936,
            "The SSH key type is invalid: it must be one of 'rsa', 'ecdsa' and 'ed25519'.",
        ));
    }
    if size != 0 && kind != "rsa" {
        return Err(Failure::invalid(
            1940,
            "A key size can be given for keys of type 'rsa' only.",
        ));
    }
    if !curve.is_empty() && kind != "ecdsa" {
        return Err(Failure::invalid(
            1942,
            "A curve can be given for keys of type 'ecdsa' only.",
        ));
    }
    match kind {
        "ecdsa" => match curve.to_ascii_lowercase().as_str() {
            "" | "p256" | "p-256" | "nistp256" => Ok(KeySpec::P256),
            "p384" | "p-384" | "nistp384" => Ok(KeySpec::P384),
            "p521" | "p-521" | "nistp521" => Ok(KeySpec::P521),
            _ => Err(Failure::invalid(
                1941,
                "The elliptic curve is invalid: it must be one of 'p256', 'p384' and 'p521'.",
            )),
        },
        "rsa" => match size {
            2048 => Ok(KeySpec::Rsa2048),
            0 | 4096 => Ok(KeySpec::Rsa4096),
            _ => Err(Failure::invalid(
                1939,
                "The key size is invalid: it must be 2048 or 4096.",
            )),
        },
        _ => Ok(KeySpec::Ed25519),
    }
}

async fn list(call: Arc<Call>) -> Result<Reply, Failure> {
    let page = query::page(call.query.as_deref(), true);
    call.authorise(Capability::List, &[]).await?;
    let page = page?;
    let before = match cursor(&page, AUTHORITY)? {
        None => None,
        Some(ksuid) => {
            let id = AuthorityId::parse(&format!("{}{ksuid}", AUTHORITY.id_prefix()));
            Some(id.map_err(|_| Failure::invalid(227, "The parameter 'before_id' is not an id."))?)
        }
    };
    let found = active_before(&call.services, before, page.limit + 1).await;
    let mut found = found.map_err(|error| call.failure(error))?;
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let next = found.last().filter(|_| more);
    let next_page_uri = next.map(|last| next_page_uri(&call.list_uri(), page.limit, last.id.as_str()));
    let views = found
        .iter()
        .map(|authority| view(&call, authority))
        .collect::<Result<_, _>>()?;
    let list = wire::SshCertificateAuthorityList {
        ssh_certificate_authorities: views,
        uri: call.list_uri(),
        next_page_uri,
    };
    Reply::json(StatusCode::OK, &list)
}

/// At most `limit` authorities in service, newest first.
async fn active_before(
    services: &Services,
    mut before: Option<AuthorityId>,
    limit: usize,
) -> Result<Vec<Authority>, Error> {
    let mut active = Vec::new();
    loop {
        let wanted = limit - active.len();
        let page = Authority::page(&*services.store, before.as_ref(), wanted).await?;
        let is_last = page.len() < wanted;
        before = page.last().map(|(authority, _)| authority.id.clone());
        let authorities = page.into_iter().map(|(authority, _)| authority);
        active.extend(authorities.filter(|authority| authority.state == AuthorityState::Active));
        if is_last || active.len() == limit {
            return Ok(active);
        }
    }
}

async fn read(call: Arc<Call>) -> Result<Reply, Failure> {
    let (authority, _) = authorised(&call, Capability::Read).await?;
    show(&call, StatusCode::OK, &authority)
}

async fn update(call: Arc<Call>) -> Result<Reply, Failure> {
    let texts = change(&call);
    let (mut authority, mut stored) = authorised(&call, Capability::Update).await?;
    let texts = texts?;
    for _ in 0..TRIES {
        if !apply(&mut authority, &texts) {
            return show(&call, StatusCode::OK, &authority);
        }
        let replaced = stored.replaced(&authority).map_err(|error| call.failure(error))?;
        let write = Write::Put(replaced, Condition::Version(stored.version));
        match call.services.store.write(&[write]).await {
            Ok(()) => return show(&call, StatusCode::OK, &authority),
            Err(StoreError::ConditionFailed(_)) => {
                let id = id_in_path(&call).ok_or_else(Failure::not_found)?;
                let found = Authority::read(&*call.services.store, &id).await;
                let found = found.map_err(|error| call.failure(error))?;
                (authority, stored) = active(found).ok_or_else(Failure::not_found)?;
            }
            Err(error) => return Err(call.failure(error.into())),
        }
    }
    Err(call.failure(contended("the certificate authority")))
}

/// Changes the texts that are given. Whether that changed anything.
fn apply(authority: &mut Authority, texts: &Texts) -> bool {
    let before = (authority.description.clone(), authority.metadata.clone());
    authority.description = texts.description.clone().unwrap_or(before.0.clone());
    authority.metadata = texts.metadata.clone().unwrap_or(before.1.clone());
    before != (authority.description.clone(), authority.metadata.clone())
}

/// Retires the authority: its record and its key stay, but it signs nothing any more.
async fn delete(call: Arc<Call>) -> Result<Reply, Failure> {
    call.authorise(Capability::Delete, &[]).await?;
    let id = id_in_path(&call).ok_or_else(Failure::not_found)?;
    let outcome = retirement::retire_unused(&call.services, &id).await;
    match outcome.map_err(|error| call.failure(error))? {
        Outcome::Absent => Err(Failure::not_found()),
        Outcome::HandedOut(until) => Err(Failure::invalid(1964, handed_out(until))),
        Outcome::Kept => Err(Failure::invalid(
            1964,
            "This SSH certificate authority cannot be deleted, since a certificate signed by it exists. Delete its \
             certificates first. One that was issued through another API can still be asked for there after it is \
             deleted here; then who administers the account can retire the authority.",
        )),
        Outcome::Retired => Ok(Reply::deleted()),
        Outcome::Used(uses) => {
            let users: Vec<_> = uses.into_iter().map(|one| one.user).collect();
            Err(Failure::in_use(&users))
        }
    }
}

/// Why an authority stays whose certificates this API does not show.
fn handed_out(until: Until) -> String {
    let until = match until {
        Until::At(end) => format!("until {}", timestamp::render(end)),
        Until::Forever => "for good, since it has no end".to_owned(),
    };
    format!(
        "This SSH certificate authority cannot be deleted, since a certificate signed by it exists: it was issued \
         through another API, and is on record {until}. Who administers the account can retire the authority before."
    )
}

/// The authority that the path names, for a caller with `capability` on it.
async fn authorised(call: &Call, capability: Capability) -> Result<(Authority, Record), Failure> {
    let key = id_in_path(call).map(|id| Authority::key(&id));
    let (_, records) = call.authorise(capability, key.as_slice()).await?;
    let stored = records
        .into_iter()
        .flatten()
        .next()
        .ok_or_else(Failure::not_found)?;
    let authority = stored.value().map_err(|error| call.failure(error))?;
    active(Some((authority, stored))).ok_or_else(Failure::not_found)
}

fn id_in_path(call: &Call) -> Option<AuthorityId> {
    AuthorityId::parse(&call.id).ok()
}

fn active(found: Option<(Authority, Record)>) -> Option<(Authority, Record)> {
    found.filter(|(authority, _)| authority.state == AuthorityState::Active)
}

fn show(call: &Call, status: StatusCode, authority: &Authority) -> Result<Reply, Failure> {
    Reply::json(status, &view(call, authority)?)
}

fn view(call: &Call, authority: &Authority) -> Result<wire::SshCertificateAuthority, Failure> {
    let ca_key = authority.ca_key().map_err(|error| call.failure(error))?;
    Ok(wire::SshCertificateAuthority {
        id: authority.id.to_string(),
        uri: call.uri(authority.id.as_str()),
        created_at: timestamp::render(authority.created_at),
        description: authority.description.clone(),
        metadata: authority.metadata.clone(),
        public_key: ca_key.to_line(),
        key_type: key_type(&ca_key).into(),
    })
}
