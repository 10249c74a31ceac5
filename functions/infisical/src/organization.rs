//! The organization: an account has one.

use crate::records::{Records, Stored};
use countersign::{
    Error,
    store::{Key, StoreError, Table},
};
use serde::{Deserialize, Serialize};

/// The organization of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
}

impl Organization {
    fn place() -> Key {
        Key::new(Table::Roles, "infisical/organization", "organization")
    }

    /// The organization; made, if it is not there yet.
    pub(crate) async fn find(records: &mut Records) -> Result<Self, Error> {
        if let Some(known) = records.find::<Self>(&Self::place()).await? {
            return Ok(known.value);
        }
        let made = Self {
            id: records.uuid()?,
            name: "Countersign".into(),
            slug: "countersign".into(),
        };
        match records.write(&[made.create()?]).await {
            Ok(()) => Ok(made),
            Err(StoreError::ConditionFailed(_)) => {
                let found = records.find::<Self>(&Self::place()).await?;
                let found = found.ok_or_else(|| Error::internal("the organization came and went"))?;
                Ok(found.value)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Stored for Organization {
    fn key(&self) -> Key {
        Self::place()
    }
}
