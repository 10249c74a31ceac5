//! Finding certificates again: the records that fit a filter, newest first.
//!
//! Nothing but the time is indexed, so a search reads the records in order and keeps those that fit. It does so in
//! pages of bounded work: a page may hold few certificates, or none, and still have a next one.

use crate::{
    certificates::{self, CertificateList, CertificateRecord},
    error::Error,
    services::Services,
    ssh::CertificateFields,
    types::{CertType, Ksuid},
};

/// How many records are read from each list at a time: about what one answer of DynamoDB holds.
const BATCH: usize = 200;
/// How many records one page looks at, at most: less than a second's work.
const MAX_EXAMINED: usize = 2_000;

/// Which certificates to find. What is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those whose place a later certificate took.
    pub archived: bool,
    /// Of users, or of hosts.
    pub cert_type: Option<CertType>,
    /// Through this family.
    pub family: Option<String>,
    /// Good for this login or host name.
    pub principal: Option<String>,
    /// By this role, template or host.
    pub role: Option<String>,
    /// Recorded at this time (Unix seconds) or later.
    pub since: Option<u64>,
}

/// A certificate that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its record.
    pub record: CertificateRecord,
    /// What it says.
    pub fields: CertificateFields,
}

/// A part of what fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The certificates, newest first.
    pub found: Vec<Found>,
    /// Where the next page begins, if there may be more.
    pub next: Option<Ksuid>,
}

/// At most `limit` (at least 1) certificates that fit `filter`, newest first, older than `before` if given.
///
/// # Errors
/// As [`crate::store::Store::query`]; `Internal` where a record is unreadable.
pub async fn search(
    services: &Services,
    filter: &Filter,
    before: Option<Ksuid>,
    limit: usize,
) -> Result<Page, Error> {
    let mut found = Vec::new();
    let mut before = before;
    let mut examined = 0;
    while examined < MAX_EXAMINED {
        let (batch, is_last) = newest(services, filter, before).await?;
        for record in batch {
            let id = Ksuid::parse(&record.id).map_err(Error::internal)?;
            if filter.since.is_some_and(|since| id.unix_secs() < since) {
                return Ok(Page { found, next: None });
            }
            before = Some(id);
            examined += 1;
            if let Some(fitting) = filter.examine(record)? {
                found.push(fitting);
            }
            if found.len() >= limit {
                return Ok(Page { found, next: before });
            }
        }
        if is_last {
            return Ok(Page { found, next: None });
        }
    }
    Ok(Page { found, next: before })
}

/// The newest records of all lists that `filter` wants, merged, and whether they are all that are left.
async fn newest(
    services: &Services,
    filter: &Filter,
    before: Option<Ksuid>,
) -> Result<(Vec<CertificateRecord>, bool), Error> {
    let wanted = |list: &CertificateList| {
        filter
            .cert_type
            .is_none_or(|cert_type| list.cert_type == cert_type)
    };
    let lists = CertificateList::ALL.into_iter().filter(wanted);
    let (mut records, mut is_last) = (Vec::new(), true);
    for list in crate::join_all(lists.map(|list| certificates::list(services, list, before, BATCH))).await {
        let list = list?;
        is_last &= list.len() < BATCH;
        records.extend(list.into_iter().map(|(record, _)| record));
    }
    records.sort_by(|a, b| b.id.cmp(&a.id));
    // A record that just moved from one list to the other can stand in both.
    records.dedup_by(|a, b| a.id == b.id);
    is_last &= records.len() <= BATCH;
    records.truncate(BATCH);
    Ok((records, is_last))
}

impl Filter {
    fn examine(&self, record: CertificateRecord) -> Result<Option<Found>, Error> {
        let is_or_any =
            |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        if !is_or_any(&self.family, &record.family) || !is_or_any(&self.role, &record.role) {
            return Ok(None);
        }
        if self.archived && !record.is_archived() {
            return Ok(None);
        }
        let fields = record.fields()?;
        let fits = match &self.principal {
            Some(principal) => fields.valid_principals.iter().any(|name| name == principal),
            None => true,
        };
        Ok(fits.then_some(Found { record, fields }))
    }
}
