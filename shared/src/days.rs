//! The directory of days: on which days a list of certificates has any, so that an empty year costs a listing nothing.
//!
//! A process notes a day when it records its first certificate of that day, beside the record itself. A listing that
//! finds a day empty, since its records have ended or were withdrawn, takes the day from the directory again.
//!
//! That must not hide a record which is written at the same time, or which the index does not show yet. So a day is
//! forgotten only [`SETTLED_SECS`] after it was last noted, and only if nobody has noted it again meanwhile; and
//! whoever writes a record of a day that is not quite new notes the day again first, whatever it remembers.

use crate::{
    certificates::CertificateList,
    services::Services,
    store::{Condition, Key, Query, Record, Store, StoreError, Table, Write},
    types::Ksuid,
};

const SECS_PER_DAY: u64 = 86_400;
/// For how long after the time of its id a certificate's record relies on a day that its process remembers to have
/// noted.
const REMEMBERED_SECS: u64 = SECS_PER_DAY;
/// When an entry is old enough to be forgotten. A process can rely on it for the rest of its day and for
/// [`REMEMBERED_SECS`]; one more day is for writes that are under way, and for the index.
const SETTLED_SECS: u64 = SECS_PER_DAY + REMEMBERED_SECS + SECS_PER_DAY;

/// The day of `id`: ten digits, so that days sort as text.
pub(crate) fn of(id: Ksuid) -> String {
    format!("{:010}", id.unix_secs() / SECS_PER_DAY)
}

fn partition(list: CertificateList) -> String {
    format!("days#{}", list.name())
}

/// Notes the day of `id` in the directory of `list`, if this process has not done so.
///
/// # Errors
/// As [`Store::write`].
pub(crate) async fn note(services: &Services, list: CertificateList, id: Ksuid) -> Result<(), StoreError> {
    let now_ms = services.clock.now_ms();
    let is_new = (now_ms / 1000).saturating_sub(id.unix_secs()) < REMEMBERED_SECS;
    if is_new && services.day_is_noted(list, &of(id)) {
        return Ok(());
    }
    let entry = Record {
        key: Key::new(Table::Certificates, partition(list), of(id)),
        body: "{}".into(),
        // Every note is another version, and says when it was made.
        version: now_ms,
        expires_at: None,
        listing: None,
    };
    services
        .store
        .write(&[Write::Put(entry, Condition::Always)])
        .await?;
    services.remember_day(list, of(id));
    Ok(())
}

/// At most `limit` entries of days before `day`, if given; the newest first.
///
/// # Errors
/// As [`Store::query`].
pub(crate) async fn before(
    store: &dyn Store,
    list: CertificateList,
    day: Option<&str>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let query = Query {
        after: day.map(str::to_owned),
        descending: true,
        limit,
        ..Query::partition(Table::Certificates, partition(list))
    };
    store.query(&query).await
}

/// As [`before`], with `day` itself.
///
/// # Errors
/// As there.
pub(crate) async fn until(
    store: &dyn Store,
    list: CertificateList,
    day: &str,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    // "!" sorts after the empty string: the day itself comes after it in a descending listing.
    before(store, list, Some(&format!("{day}!")), limit).await
}

/// Takes days whose entries were read, and which then turned out to be empty, from the directory, as far as that is
/// safe. Where it fails, the next listing tries again.
pub(crate) async fn forget(services: &Services, entries: &[&Record]) {
    let now = services.clock.now();
    let settled = entries
        .iter()
        .filter(|entry| entry.version / 1000 + SETTLED_SECS < now);
    let deletes: Vec<_> = settled
        .map(|entry| {
            [Write::Delete(
                entry.key.clone(),
                Condition::Version(entry.version),
            )]
        })
        .collect();
    crate::join_all(deletes.iter().map(|delete| services.store.write(delete))).await;
}

#[cfg(all(test, feature = "embedded", feature = "local-key", feature = "test-util"))]
mod tests;
