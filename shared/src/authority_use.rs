//! Who uses an authority: the mounts, projects and templates of the families that sign with it.
//!
//! A use is a record of its own, written in the same write set as whatever makes the use of it, and removed with it.
//! That write set also replaces the authority's record by itself: a retirement, which looks for uses and then replaces
//! the record it has read, fails where a use came in between, and a use fails where the authority was retired in
//! between ([`crate::retirement`]).

use crate::{
    authority::{Authority, AuthorityId},
    error::Error,
    store::{Condition, Key, Query, Record, Store, Table, Write},
};
use serde::{Deserialize, Serialize};

/// One user of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityUse {
    /// The family and its own id of the user, `vault/<issuer>` for one: no other use has it, now or later.
    pub id: String,
    /// The user, for people: what follows "it is used by".
    pub user: String,
}

impl AuthorityUse {
    /// The writes that make the use of `authority`, which was read as `stored`.
    ///
    /// # Errors
    /// `Internal` where a record has no JSON form.
    pub fn of_existing(&self, authority: &Authority, stored: &Record) -> Result<[Write; 2], Error> {
        let again = stored.replaced(authority)?;
        Ok([
            Write::Put(again, Condition::Version(stored.version)),
            self.put(&authority.id)?,
        ])
    }

    /// The writes that store a new `authority` together with its use.
    ///
    /// # Errors
    /// `Internal` where a record has no JSON form.
    pub fn of_new(&self, authority: &Authority) -> Result<[Write; 2], Error> {
        let record = Record::new(Authority::key(&authority.id), authority)?;
        Ok([Write::Put(record, Condition::Absent), self.put(&authority.id)?])
    }

    fn put(&self, authority: &AuthorityId) -> Result<Write, Error> {
        let record = Record::new(key(authority, &self.id), self)?;
        Ok(Write::Put(record, Condition::Absent))
    }
}

/// The write that ends the use with `id` of `authority`. It belongs into one set with what ends the use itself.
pub fn end(authority: &AuthorityId, id: &str) -> Write {
    Write::Delete(key(authority, id), Condition::Always)
}

/// Who uses `authority`, at most `limit` of them. One round trip, with a consistent read.
///
/// # Errors
/// As [`Store::query`]; `Internal` where a record is unreadable.
pub async fn list(
    store: &dyn Store,
    authority: &AuthorityId,
    limit: usize,
) -> Result<Vec<AuthorityUse>, Error> {
    let query = Query {
        limit,
        ..Query::partition(Table::Roles, partition(authority))
    };
    store.query(&query).await?.iter().map(Record::value).collect()
}

fn partition(authority: &AuthorityId) -> String {
    format!("authority-use#{authority}")
}

fn key(authority: &AuthorityId, id: &str) -> Key {
    Key::new(Table::Roles, partition(authority), id)
}
