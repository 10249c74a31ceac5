//! What user and host certificates have in common.

use super::{cursor, next_page_uri, resource};
use crate::{
    call::{Call, Reply},
    endpoint::Endpoint,
    error::Failure,
    order::{Asked, Order, resource_id},
    query, record,
    resource::Resource,
    role,
    text::Texts,
    wire,
};
use axum::{Router, routing::get};
use countersign::{
    Error, Services,
    acl::Capability,
    authority::{Authority, AuthorityState},
    certificates::{self, CertificateList, CertificateRecord},
    issue::{self, CertificateId, Issuance, Issued},
    retirement::{self, Look},
    store::{Condition, Record, StoreError, TRIES, Write, contended},
    types::{CertType, Ksuid},
};
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// What is different about the two kinds.
pub(super) trait Kind: Send + Sync + 'static {
    /// The type of the certificates.
    const CERT_TYPE: CertType;
    /// The body of a creation.
    type Create: DeserializeOwned + Send;
    /// A certificate.
    type View: Serialize + Send;
    /// A page of them.
    type List: Serialize + Send;

    fn asked(body: Self::Create) -> Asked;
    fn view(record: &CertificateRecord, uri: String) -> Result<Self::View, Error>;
    fn list(views: Vec<Self::View>, uri: String, next_page_uri: Option<String>) -> Self::List;
}

/// What the records of certificates that came through this API name as their family.
const FAMILY: &str = "ngrok";

/// The five routes of a kind.
pub(super) fn routes<K: Kind>() -> Router<Services> {
    let kind = Resource::of(K::CERT_TYPE);
    let collection = get(Endpoint::new(kind, list::<K>).with_query().serve())
        .post(Endpoint::new(kind, create::<K>).with_body().serve());
    let item = get(Endpoint::new(kind, read::<K>).serve())
        .patch(Endpoint::new(kind, update::<K>).with_body().serve())
        .delete(Endpoint::new(kind, delete::<K>).serve());
    resource(kind, collection, item)
}

async fn create<K: Kind>(call: Arc<Call>) -> Result<Reply, Failure> {
    let asked = call
        .body::<K::Create>()
        .and_then(|body| Order::parse(K::asked(body), K::CERT_TYPE))
        .map(|order| (Look::begin(&call.services, &order.authority), order));
    let also: Vec<_> = asked
        .iter()
        .flat_map(|(look, order)| [Authority::key(&order.authority), look.key()])
        .collect();
    let (caller, records) = call.authorise(Capability::Create, &also).await?;
    let (look, order) = asked?;
    let target = format!("{}/{}", Resource::Authority.name(), order.authority);
    call.require(caller, &target, Capability::Update)?;
    let mut records = records.into_iter();
    let authority = active_or_absent(&call, records.next().flatten())?;
    let proof = look.found(records.next().flatten().as_ref());

    let id = CertificateId::draw(&call.services).map_err(|error| call.failure(error))?;
    let issuance = Issuance {
        authority: &authority,
        role: &role::role(K::CERT_TYPE),
        request: &order.request(id),
        origin: &call.origin(caller, authority.id.as_str()),
        id: Some(id),
        keep_signature: true,
        in_service: proof.map_err(|error| call.failure(error))?,
        details: record::details(&order.texts, order.public_key_beside()),
    };
    let issued = issue::issue(&call.services, issuance).await;
    let Issued { record, .. } = match issued {
        Ok(issued) => issued,
        Err(error) => return Err(failed(&call, &authority, error).await.logged()),
    };
    Ok(show::<K>(&call, StatusCode::CREATED, &record)?.logged())
}

/// The authority in `stored`, where it is there and not retired.
fn active_or_absent(call: &Call, stored: Option<Record>) -> Result<Authority, Failure> {
    let absent = || Failure::no_authority(call.resource);
    let authority: Authority = stored
        .ok_or_else(absent)?
        .value()
        .map_err(|error| call.failure(error))?;
    match authority.state {
        AuthorityState::Active => Ok(authority),
        AuthorityState::Retired => Err(absent()),
    }
}

/// A conflict there is an authority that was deleted while the certificate was made; or that others got in between, of
/// whom a deletion that was given up is one.
async fn failed(call: &Call, authority: &Authority, error: Error) -> Failure {
    let Error::Conflict(_) = error else {
        return call.failure(error);
    };
    match retirement::check_in_service(&call.services, &authority.id).await {
        Ok(()) => call.failure(Error::Conflict(OVERTAKEN.into())),
        Err(Error::Conflict(_)) => Failure::no_authority(call.resource),
        Err(other) => call.failure(other),
    }
}

const OVERTAKEN: &str = "the certificate was changed by another request while it was made; try again";

async fn list<K: Kind>(call: Arc<Call>) -> Result<Reply, Failure> {
    let page = query::page(call.query.as_deref(), false);
    call.authorise(Capability::List, &[]).await?;
    let page = page?;
    let before = cursor(&page, call.resource)?.map(Ksuid::parse).transpose();
    let mut before = before.map_err(|_| Failure::invalid(227, "The parameter 'before_id' is not an id."))?;
    let (records, next) = loop {
        let (records, next) = records_before::<K>(&call, before, page.limit).await?;
        before = next;
        // A page without items ends the walk of some clients.
        if !records.is_empty() || next.is_none() {
            break (records, next);
        }
    };
    let views = records
        .iter()
        .map(|record| K::view(record, call.uri(&resource_id(K::CERT_TYPE, &record.id))))
        .collect::<Result<_, _>>()
        .map_err(|error| call.failure(error))?;
    let next = next.map(|id| {
        let last_id = resource_id(K::CERT_TYPE, &id.to_string());
        next_page_uri(&call.list_uri(), page.limit, &last_id)
    });
    Reply::json(StatusCode::OK, &K::list(views, call.list_uri(), next))
}

/// At most `limit` certificates before an id, and the id to go on from if there are more.
async fn records_before<K: Kind>(
    call: &Call,
    before: Option<Ksuid>,
    limit: usize,
) -> Result<(Vec<CertificateRecord>, Option<Ksuid>), Failure> {
    let kept = CertificateList {
        cert_type: K::CERT_TYPE,
        signature_kept: true,
    };
    let found = certificates::list(&call.services, kept, before, limit + 1).await;
    let mut found = found.map_err(|error| call.failure(error))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found
        .last()
        .filter(|_| more)
        .map(|(record, _)| Ksuid::parse(&record.id));
    let last = last
        .transpose()
        .map_err(|error| call.failure(Error::internal(error)))?;
    let now = call.services.clock.now();
    // Deleted ones of other families stay in the list, and the index lags a little behind other deletions.
    found.retain(|(record, stored)| record::is_visible(record, stored, now));
    Ok((found.into_iter().map(|(record, _)| record).collect(), last))
}

async fn read<K: Kind>(call: Arc<Call>) -> Result<Reply, Failure> {
    let (record, _) = authorised::<K>(&call, Capability::Read).await?;
    show::<K>(&call, StatusCode::OK, &record)
}

async fn update<K: Kind>(call: Arc<Call>) -> Result<Reply, Failure> {
    let texts = change(&call);
    let (mut record, mut stored) = authorised::<K>(&call, Capability::Update).await?;
    let texts = texts?;
    for _ in 0..TRIES {
        if !record::apply(&mut record, &texts) {
            return show::<K>(&call, StatusCode::OK, &record);
        }
        let replaced = stored.replaced(&record).map_err(|error| call.failure(error))?;
        let write = Write::Put(replaced, Condition::Version(stored.version));
        match call.services.store.write(&[write]).await {
            Ok(()) => return show::<K>(&call, StatusCode::OK, &record),
            Err(StoreError::ConditionFailed(_)) => (record, stored) = current::<K>(&call).await?,
            Err(error) => return Err(call.failure(error.into())),
        }
    }
    Err(call.failure(contended("the certificate")))
}

/// The body of an update. An id in it must be the one in the path.
pub(super) fn change(call: &Call) -> Result<Texts, Failure> {
    let wire::Update {
        id,
        description,
        metadata,
    } = call.body()?;
    if id.is_some_and(|id| !id.is_empty() && id != call.id) {
        return Err(Failure::field("id", "it is not the id in the path"));
    }
    Texts::parse(description, metadata, call.resource)
}

async fn delete<K: Kind>(call: Arc<Call>) -> Result<Reply, Failure> {
    let (mut record, mut stored) = authorised::<K>(&call, Capability::Delete).await?;
    for _ in 0..TRIES {
        record::mark_deleted(&mut record);
        match take_out(&call.services, &record, &stored).await {
            Ok(()) => return Ok(Reply::deleted()),
            Err(Error::Conflict(_)) => (record, stored) = current::<K>(&call).await?,
            Err(error) => return Err(call.failure(error)),
        }
    }
    Err(call.failure(contended("the certificate")))
}

/// Writes the record of a certificate that is deleted here. It stays as long as any other's past its certificate's end
/// and past the deletion. What came through another family can still be asked for there, so only the mark is written:
/// it goes on holding its authority.
async fn take_out(services: &Services, record: &CertificateRecord, stored: &Record) -> Result<(), Error> {
    if record.family != FAMILY {
        let write = Write::Put(stored.replaced(record)?, Condition::Version(stored.version));
        return Ok(services.store.write(&[write]).await?);
    }
    let end = record.fields()?.validity.valid_before();
    let end = end.max(services.clock.now());
    let end = end.saturating_add(services.settings.retention_secs);
    certificates::withdraw(services, record, stored, Some(end)).await
}

fn show<K: Kind>(call: &Call, status: StatusCode, record: &CertificateRecord) -> Result<Reply, Failure> {
    let uri = call.uri(&resource_id(K::CERT_TYPE, &record.id));
    let view = K::view(record, uri).map_err(|error| call.failure(error))?;
    Reply::json(status, &view)
}

/// The certificate that the path names, for a caller with `capability` on it.
async fn authorised<K: Kind>(
    call: &Call,
    capability: Capability,
) -> Result<(CertificateRecord, Record), Failure> {
    let id = id_in_path(call);
    let key = id.and_then(certificates::serial_of).map(certificates::key);
    let (_, records) = call.authorise(capability, key.as_slice()).await?;
    visible::<K>(call, id, records.into_iter().flatten().next())
}

/// The certificate that the path names, as it is now.
async fn current<K: Kind>(call: &Call) -> Result<(CertificateRecord, Record), Failure> {
    let id = id_in_path(call).ok_or_else(Failure::not_found)?;
    let found = certificates::read(&*call.services.store, id).await;
    let stored = found
        .map_err(|error| call.failure(error))?
        .map(|(_, stored)| stored);
    visible::<K>(call, Some(id), stored)
}

fn id_in_path(call: &Call) -> Option<Ksuid> {
    Ksuid::parse(call.id.strip_prefix(call.resource.id_prefix())?).ok()
}

fn visible<K: Kind>(
    call: &Call,
    id: Option<Ksuid>,
    stored: Option<Record>,
) -> Result<(CertificateRecord, Record), Failure> {
    let (Some(id), Some(stored)) = (id, stored) else {
        return Err(Failure::not_found());
    };
    let record: CertificateRecord = stored.value().map_err(|error| call.failure(error))?;
    let cert_type = record.fields().map_err(|error| call.failure(error))?.cert_type;
    let is_it = record.id == id.to_string() && cert_type == K::CERT_TYPE;
    if is_it && record::is_visible(&record, &stored, call.services.clock.now()) {
        Ok((record, stored))
    } else {
        Err(Failure::not_found())
    }
}
