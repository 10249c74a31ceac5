//! The CA keys of a mount: a list, and which of them is the default.

use crate::{api::Call, error::Failure, mounts::Mount};
use countersign::{
    authority::{Authority, AuthorityId},
    store::{Key, Record, Table},
};
use serde::{Deserialize, Serialize};

/// One CA key of a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issuer {
    /// A UUID.
    pub(crate) id: String,
    /// Empty where it has none.
    #[serde(default)]
    pub(crate) name: String,
    /// The key itself.
    pub(crate) authority: AuthorityId,
    /// The public line, byte for byte as it was given or made.
    pub(crate) public_key: String,
    /// Whether the key was made, imported or bound here, and ends with this entry; otherwise it is one of the account
    /// that is used here as well.
    pub(crate) is_own: bool,
}

/// The CA keys of a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issuers {
    pub(crate) issuers: Vec<Issuer>,
    /// The id of the one that signs where nobody says which.
    pub(crate) default: Option<String>,
}

impl Issuers {
    /// Where the CA keys of `mount` are stored.
    pub(crate) fn key(mount: &Mount) -> Key {
        Key::new(Table::Roles, mount.partition(), "issuers")
    }

    /// The CA keys in `record`; none where there is no record.
    ///
    /// # Errors
    /// Where the record is unreadable.
    pub(crate) fn from_record(record: Option<&Record>) -> Result<Self, Failure> {
        Ok(record.map(Record::value).transpose()?.unwrap_or_default())
    }

    /// The CA keys of the mount that `call` is about, with their record.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn read(call: &Call) -> Result<(Self, Option<Record>), Failure> {
        let record = call.read_one(&Self::key(call.mount()?)).await?;
        Ok((Self::from_record(record.as_ref())?, record))
    }

    /// The default one.
    pub(crate) fn default_issuer(&self) -> Option<&Issuer> {
        let id = self.default.as_deref()?;
        self.issuers.iter().find(|issuer| issuer.id == id)
    }

    /// The one that `reference` means: `default`, an id, or a name.
    pub(crate) fn find(&self, reference: &str) -> Option<&Issuer> {
        match reference {
            "" => None,
            super::role::DEFAULT_ISSUER => self.default_issuer(),
            _ => {
                let by_id = self.issuers.iter().find(|issuer| issuer.id == reference);
                by_id.or_else(|| self.issuers.iter().find(|issuer| issuer.name == reference))
            }
        }
    }
}

impl Issuer {
    /// Its authority, in no round trip where this path was asked before.
    ///
    /// # Errors
    /// Where the store fails, or the authority is not there.
    pub(crate) async fn authority(&self, call: &Call) -> Result<(Authority, Record), Failure> {
        let record = call.read_one(&Authority::key(&self.authority)).await?;
        let record =
            record.ok_or_else(|| Failure::internal(format!("authority {} is missing", self.authority)))?;
        Ok((record.value()?, record))
    }
}
