//! From a decision of this API's terms to a certificate: the core issues it, the project lists it.

use crate::{auth::Actor, model::CaRef, records::Kept, request::Call};
use countersign::{
    Error, Services,
    authority::{Authority, AuthorityState},
    certificates::{self, CertificateRecord},
    decide::{Request, RequestedValidity},
    issue::{self, CertificateId, Issuance, Issued},
    retirement,
    role::Role,
    store::{Condition, Key, Query, Record, Table, Write},
    types::{Ksuid, Serial},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest serial: the original's have 63 bits, and clients may keep them in signed numbers.
const MAX_SERIAL: u64 = i64::MAX as u64;
/// What a record says beside the certificate.
const DETAIL_ID: &str = "id";
const DETAIL_CA: &str = "ca";
const DETAIL_TEMPLATE: &str = "template";

/// One certificate to be issued.
pub(crate) struct Order<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) project_id: &'a str,
    /// The host or the template, for the record and the log.
    pub(crate) through: String,
    pub(crate) template_id: Option<&'a str>,
    pub(crate) ca: &'a CaRef,
    pub(crate) role: &'a Role,
    pub(crate) request: &'a Request,
}

/// Issues the certificate, and enters it in the list of its project at the same time: neither matters to anybody
/// before both are done.
///
/// # Errors
/// As [`issue::issue`], and as [`countersign::store::Store::write`].
pub(crate) async fn issue(call: &mut Call, order: Order<'_>) -> Result<Issued, Error> {
    let authority: Option<Kept<Authority>> = call.records.find(&Authority::key(&order.ca.authority)).await?;
    let authority = authority.ok_or_else(|| Error::internal("a CA's authority is not there"))?;
    let services = call.services();
    let id = draw_id(services)?;
    let entry = entry(services, &order, id)?;
    let origin = call.origin(order.actor, &order.through);
    let issuance = Issuance {
        authority: &authority.value,
        role: order.role,
        request: order.request,
        origin: &origin,
        id: Some(id),
        keep_signature: false,
        in_service: None,
        details: details(services, &order)?,
    };
    let enter = [Write::Put(entry.clone(), Condition::Always)];
    let issuing = issue::issue(services, issuance);
    let (issued, entered) = countersign::join(issuing, services.store.write(&enter)).await;
    if issued.is_err() {
        // Nothing was issued: the entry leads nowhere. Where it cannot be removed, listings skip it.
        let _ = services
            .store
            .write(&[Write::Delete(entry.key, Condition::Always)])
            .await;
    }
    let issued = match issued {
        Err(Error::Conflict(text)) => return Err(overtaken(services, &authority.value, text).await),
        other => other?,
    };
    entered?;
    Ok(issued)
}

/// A conflict there is a CA that was retired, which the caller is told; or that others got in between, which another
/// attempt gets over.
async fn overtaken(services: &Services, authority: &Authority, text: String) -> Error {
    if authority.state == AuthorityState::Retired {
        return Error::Conflict(text);
    }
    match retirement::check_in_service(services, &authority.id).await {
        Ok(()) => Error::unavailable(text),
        Err(error) => error,
    }
}

fn draw_id(services: &Services) -> Result<CertificateId, Error> {
    loop {
        let id = CertificateId::draw(services)?;
        if id.serial.value() <= MAX_SERIAL {
            return Ok(id);
        }
    }
}

fn details(services: &Services, order: &Order<'_>) -> Result<BTreeMap<String, Value>, Error> {
    let id = countersign::random::uuid(&*services.random)?;
    let mut details = BTreeMap::from([
        (DETAIL_ID.to_owned(), id.into()),
        (DETAIL_CA.to_owned(), order.ca.id.clone().into()),
    ]);
    if let Some(template) = order.template_id {
        details.insert(DETAIL_TEMPLATE.to_owned(), template.into());
    }
    Ok(details)
}

/// The partition of a project's certificates with this shard. They are spread as the account's own lists are.
fn partition(project_id: &str, shard: u64) -> String {
    format!("infisical/project/{project_id}/certificate#{shard}")
}

/// The entry of the certificate in the list of its project. It ends when the record does.
fn entry(services: &Services, order: &Order<'_>, id: CertificateId) -> Result<Record, Error> {
    let partition = partition(order.project_id, certificates::shard_of(id.id));
    let key = Key::new(Table::Certificates, partition, id.id.to_string());
    let end = match order.request.validity {
        RequestedValidity::Window { valid_before, .. } => {
            Some(valid_before.saturating_add(services.settings.retention_secs))
        }
        RequestedValidity::RoleDefault | RequestedValidity::Ttl(_) | RequestedValidity::Until(_) => None,
    };
    Ok(Record::new(key, &Value::Null)?.expiring(end))
}

/// How many entries are read of each shard: with all shards, a little more than 10,000.
const MAX_OF_SHARD: usize = 640;

/// The certificates of a project.
pub(crate) struct Page {
    /// Newest first.
    pub(crate) records: Vec<CertificateRecord>,
    /// How many there are, as far as they are counted.
    pub(crate) total_count: usize,
}

/// `limit` certificates of the project, newest first, after `offset` others. Whoever pages by offset and asks for the
/// total has every entry read; they are small, but only the newest ten thousand or so are looked at and counted.
///
/// # Errors
/// As [`countersign::store::Store::query`].
pub(crate) async fn list(
    services: &Services,
    project_id: &str,
    offset: usize,
    limit: usize,
) -> Result<Page, Error> {
    let shards = (0..certificates::SHARDS).map(|shard| shard_ids(services, partition(project_id, shard)));
    let shards = countersign::join_all(shards).await;
    let ids = merged(shards.into_iter().collect::<Result<_, _>>()?, MAX_OF_SHARD);
    let keys: Vec<Key> = ids
        .iter()
        .skip(offset)
        .take(limit)
        .filter_map(|id| certificates::serial_of(*id))
        .map(certificates::key)
        .collect();
    let mut records = Vec::new();
    for keys in keys.chunks(crate::records::MAX_KEYS) {
        for record in services.store.read(keys).await?.into_iter().flatten() {
            records.push(record.value()?);
        }
    }
    Ok(Page {
        records,
        total_count: ids.len(),
    })
}

/// The newest entries of one shard, newest first.
async fn shard_ids(services: &Services, partition: String) -> Result<Vec<Ksuid>, Error> {
    let query = Query {
        descending: true,
        limit: MAX_OF_SHARD,
        ..Query::partition(Table::Certificates, partition)
    };
    let entries = services.store.query(&query).await?;
    let ids = entries.iter().map(|entry| Ksuid::parse(&entry.key.sort));
    ids.collect::<Result<_, _>>().map_err(Error::internal)
}

/// The ids of all shards, newest first. Where one has as many as were asked for, older ones may be missing from it, so
/// they are left out of the others, too.
fn merged(shards: Vec<Vec<Ksuid>>, max_of_shard: usize) -> Vec<Ksuid> {
    let cut_off = shards.iter().filter(|shard| shard.len() >= max_of_shard);
    let oldest = cut_off.filter_map(|shard| shard.last().copied()).max();
    let mut ids: Vec<Ksuid> = shards.into_iter().flatten().collect();
    ids.retain(|id| oldest.is_none_or(|oldest| *id >= oldest));
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids
}

/// The ids that a record has in this API: its own, its CA's, its template's.
pub(crate) fn ids_of(record: &CertificateRecord) -> (String, String, Option<String>) {
    let text = |name: &str| {
        let value = record.details.get(name).and_then(Value::as_str);
        value.map(str::to_owned)
    };
    (
        text(DETAIL_ID).unwrap_or_default(),
        text(DETAIL_CA).unwrap_or_default(),
        text(DETAIL_TEMPLATE),
    )
}

/// A serial as this API writes it.
pub(crate) fn serial_text(serial: Serial) -> String {
    serial.value().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_is_cut_off_cuts_off_the_others() {
        let shards = |shards: &[&[u64]]| -> Vec<Vec<Ksuid>> {
            let ids = |times: &&[u64]| {
                times
                    .iter()
                    .map(|time| Ksuid::new(2_000_000_000 + time, [0; 16]))
                    .collect()
            };
            shards.iter().map(ids).collect()
        };
        let few = shards(&[&[9, 5, 1], &[], &[8, 2]]);
        assert_eq!(merged(few.clone(), 4), shards(&[&[9, 8, 5, 2, 1]])[0]);
        // The first may have more after 1, the third after 2: nothing before 2 is certain.
        assert_eq!(merged(few.clone(), 2), shards(&[&[9, 8, 5, 2]])[0]);
        assert_eq!(merged(few, 3), shards(&[&[9, 8, 5, 2, 1]])[0]);
    }
}
