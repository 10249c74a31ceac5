//! Until when records stand of certificates that were handed out under an authority, and whose signature is not kept.
//!
//! Such a certificate cannot be asked for again, but its record stays and names its authority. A record in
//! `certificates` for each would cost as much as the certificate's own. Instead a process notes, beside the record of
//! the certificate, until when there are records: once for each authority and week, so that nearly all certificates
//! cost nothing, and the others no further round trip.

use crate::{
    authority::AuthorityId,
    error::Error,
    services::Services,
    store::{Condition, Key, Query, Record, StoreError, Table, Write},
};

const SECS_PER_WEEK: u64 = 7 * 86_400;

/// The end of the last record, up to a week later than it really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Until {
    /// In Unix seconds.
    At(u64),
    /// Never.
    Forever,
}

impl Until {
    fn of(expires_at: Option<u64>) -> Self {
        match expires_at.and_then(|end| end.checked_next_multiple_of(SECS_PER_WEEK)) {
            Some(end) => Self::At(end),
            None => Self::Forever,
        }
    }

    /// Twenty digits, so that ends sort as text, and before the letters of the last.
    fn sort(self) -> String {
        match self {
            Self::At(end) => format!("{end:020}"),
            Self::Forever => "forever".into(),
        }
    }

    fn expires_at(self) -> Option<u64> {
        match self {
            Self::At(end) => Some(end),
            Self::Forever => None,
        }
    }
}

/// Notes that there is a record under `authority` until `expires_at`, unless this process has done so.
///
/// # Errors
/// As [`crate::store::Store::write`].
pub(crate) async fn note(
    services: &Services,
    authority: &AuthorityId,
    expires_at: Option<u64>,
) -> Result<(), StoreError> {
    let until = Until::of(expires_at);
    if services.handing_out_is_noted(authority, until) {
        return Ok(());
    }
    let note = Record {
        key: Key::new(Table::Certificates, partition(authority), until.sort()),
        body: "{}".into(),
        version: 1,
        expires_at: until.expires_at(),
        listing: None,
    };
    services
        .store
        .write(&[Write::Put(note, Condition::Always)])
        .await?;
    services.remember_handing_out(authority.clone(), until);
    Ok(())
}

/// Until when records stand under `authority`, if any still do.
///
/// # Errors
/// As [`crate::store::Store::query`].
pub async fn until(services: &Services, authority: &AuthorityId) -> Result<Option<Until>, Error> {
    let query = Query {
        descending: true,
        limit: 1,
        ..Query::partition(Table::Certificates, partition(authority))
    };
    let last = services.store.query(&query).await?.pop();
    let until = last.map(|note| note.expires_at.map_or(Until::Forever, Until::At));
    Ok(until.filter(|until| *until > Until::At(services.clock.now())))
}

fn partition(authority: &AuthorityId) -> String {
    format!("handed-out#{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_rounded_up_to_weeks_and_sort_as_text() {
        let ends = [
            Some(1),
            Some(SECS_PER_WEEK),
            Some(SECS_PER_WEEK + 1),
            Some(u64::MAX - 1),
            None,
        ];
        let ends = ends.map(Until::of);
        let week = |count| Until::At(count * SECS_PER_WEEK);
        assert_eq!(ends, [week(1), week(1), week(2), Until::Forever, Until::Forever]);
        assert!(ends.is_sorted() && ends.map(Until::sort).is_sorted());
    }
}
