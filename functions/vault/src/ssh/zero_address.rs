//! The roles that lend for every address: `config/zeroaddress`.

use crate::{api::Call, error::Failure, mounts::Mount};
use countersign::store::{self, Condition, Key, Record, Table, Write};
use serde::{Deserialize, Serialize};

/// The zero-address roles of a mount, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ZeroAddress {
    pub(crate) roles: Vec<String>,
    /// The record that they came from.
    #[serde(skip)]
    record: Option<(Key, Option<Record>)>,
}

impl ZeroAddress {
    /// Where those of `mount` lie.
    pub(crate) fn key(mount: &Mount) -> Key {
        Key::new(Table::Roles, mount.partition(), "config/zeroaddress")
    }

    /// Those in `record`; none where there is none.
    pub(crate) fn from_record(record: Option<&Record>) -> Result<Self, Failure> {
        Ok(record.map(Record::value).transpose()?.unwrap_or_default())
    }

    /// Reads those of the call's mount, as they are now. One read.
    pub(crate) async fn read(call: &Call) -> Result<Self, Failure> {
        let key = Self::key(call.mount()?);
        let record = store::read_one(&*call.services.store, &key).await;
        let record = record.map_err(countersign::Error::from)?;
        Ok(Self {
            record: Some((key, record.clone())),
            ..Self::from_record(record.as_ref())?
        })
    }

    /// The write that puts `roles` in the place of what was read, if nobody else has changed it.
    pub(crate) fn replaced(self, roles: Vec<String>) -> Result<Write, Failure> {
        let new = Self { roles, record: None };
        let (key, record) = self
            .record
            .ok_or_else(|| Failure::internal("zero-address roles were not read"))?;
        Ok(match record {
            Some(record) => Write::Put(record.replaced(&new)?, Condition::Version(record.version)),
            None => Write::Put(Record::new(key, &new)?, Condition::Absent),
        })
    }

    /// Whether there ever were some, and they were not deleted since.
    pub(crate) fn is_set(&self) -> bool {
        matches!(&self.record, Some((_, Some(_))))
    }

    /// The write that takes `name` out of what was read, or holds whoever writes to there being no such name.
    pub(crate) fn without(self, name: &str) -> Result<Vec<Write>, Failure> {
        let left = Self {
            roles: self.roles.iter().filter(|role| *role != name).cloned().collect(),
            record: None,
        };
        Ok(match self.record {
            Some((_, Some(record))) if left.roles != self.roles => {
                vec![Write::Put(
                    record.replaced(&left)?,
                    Condition::Version(record.version),
                )]
            }
            Some((key, Some(record))) => vec![Write::Check(key, Condition::Version(record.version))],
            Some((key, None)) => vec![Write::Check(key, Condition::Absent)],
            None => Vec::new(),
        })
    }
}
