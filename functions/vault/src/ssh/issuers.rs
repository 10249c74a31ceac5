//! The CA keys of a mount: a list, and which of them is the default.

use super::{ca_key::CaKey, role::DEFAULT_ISSUER};
use crate::{
    api::{Call, is_name},
    error::Failure,
    mounts::Mount,
};
use countersign::{
    authority::{Authority, AuthorityId},
    authority_use::{self, AuthorityUse},
    random,
    ssh::PublicKey,
    store::{self, Condition, Key, Record, StoreError, TRIES, Table, Write, contended},
};
use serde::{Deserialize, Serialize};

/// The most CA keys of one mount: they lie in one record, which every signature reads.
const MAX_ISSUERS: usize = 32;
/// The longest name.
const MAX_NAME_BYTES: usize = 256;
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

    /// The same, as they are at this moment, whatever the request has read before.
    async fn read_again(call: &Call) -> Result<(Self, Option<Record>), Failure> {
        let key = Self::key(call.mount()?);
        let record = store::read_one(&*call.services.store, &key).await;
        let record = record.map_err(countersign::Error::from)?;
        Ok((Self::from_record(record.as_ref())?, record))
    }

    /// Stores these in place of what `old` holds.
    ///
    /// # Errors
    /// Where they have no JSON form.
    pub(crate) fn put(&self, call: &Call, old: Option<&Record>) -> Result<Write, Failure> {
        Ok(match old {
            Some(old) => Write::Put(old.replaced(self)?, Condition::Version(old.version)),
            None => Write::Put(Record::new(Self::key(call.mount()?), self)?, Condition::Absent),
        })
    }

    /// Changes the CA keys of the mount, once nobody else has done so in between. Says what `change` said.
    ///
    /// # Errors
    /// What `change` refuses; `Conflict` where others keep getting in between.
    pub(crate) async fn change<T>(
        call: &Call,
        change: impl Fn(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        for _ in 0..TRIES {
            let (mut issuers, record) = Self::read_again(call).await?;
            let outcome = change(&mut issuers)?;
            match call
                .services
                .store
                .write(&[issuers.put(call, record.as_ref())?])
                .await
            {
                Ok(()) => return Ok(outcome),
                Err(StoreError::ConditionFailed(_)) => {}
                Err(error) => return Err(countersign::Error::from(error).into()),
            }
        }
        Err(contended("the list of issuers").into())
    }

    /// Adds `key` under `name`, which may be empty. Alone, it becomes the default; beside others only where
    /// `set_default` says so. A key that the mount has already changes nothing: the second value says so.
    ///
    /// # Errors
    /// Where the name is taken, or the mount has too many keys.
    pub(crate) async fn add(
        call: &Call,
        key: &mut CaKey,
        name: &str,
        set_default: bool,
    ) -> Result<(Issuer, bool), Failure> {
        let id = random::uuid(&*call.services.random)?;
        for _ in 0..TRIES {
            let (mut issuers, record) = Self::read_again(call).await?;
            if let Some(known) = issuers.with_key(&key.public_key) {
                key.discard(call).await;
                return Ok((known.clone(), true));
            }
            if let Err(failure) = issuers.check_free(name, None).and_then(|()| issuers.check_room()) {
                key.discard(call).await;
                return Err(failure);
            }
            let issuer = Issuer {
                id: id.clone(),
                name: name.to_owned(),
                authority: key.authority.id.clone(),
                public_key: key.public_key.clone(),
                is_own: key.is_own(),
            };
            if set_default || issuers.issuers.is_empty() {
                issuers.default = Some(id.clone());
            }
            issuers.issuers.push(issuer.clone());
            let put = issuers.put(call, record.as_ref())?;
            let [authority, in_use] = key.writes(&issuer.use_for(call.mount()?))?;
            match call.services.store.write(&[put, authority, in_use]).await {
                Ok(()) => return Ok((issuer, false)),
                Err(StoreError::ConditionFailed(0)) => {}
                // Another mount, or a change of its description, got in between.
                Err(StoreError::ConditionFailed(_)) => key.read_again(call).await?,
                // The records may be there although the answer was lost, so the key stays.
                Err(error) => return Err(countersign::Error::from(error).into()),
            }
        }
        key.discard(call).await;
        Err(contended("the list of issuers").into())
    }

    /// The one with the public key of `line`, whatever comment stands there.
    fn with_key(&self, line: &str) -> Option<&Issuer> {
        let key = PublicKey::from_line(line.trim_end()).ok()?;
        let has_key = |issuer: &&Issuer| {
            PublicKey::from_line(issuer.public_key.trim_end()).is_ok_and(|known| known == key)
        };
        self.issuers.iter().find(has_key)
    }

    fn check_room(&self) -> Result<(), Failure> {
        if self.issuers.len() < MAX_ISSUERS {
            Ok(())
        } else {
            Err(Failure::user(format!(
                "a mount has at most {MAX_ISSUERS} issuers"
            )))
        }
    }

    /// Whether `name` can be given to a new issuer, or to the one with the id `of`.
    ///
    /// # Errors
    /// Where it is another's name or id.
    pub(crate) fn check_free(&self, name: &str, of: Option<&str>) -> Result<(), Failure> {
        let is_taken = |issuer: &Issuer| {
            of != Some(issuer.id.as_str()) && !name.is_empty() && (issuer.name == name || issuer.id == name)
        };
        if self.issuers.iter().any(is_taken) {
            Err(Failure::user("issuer name already in use"))
        } else {
            Ok(())
        }
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
            DEFAULT_ISSUER => self.default_issuer(),
            _ => {
                let by_id = self.issuers.iter().find(|issuer| issuer.id == reference);
                by_id.or_else(|| self.issuers.iter().find(|issuer| issuer.name == reference))
            }
        }
    }
}

impl Issuer {
    /// The use that it makes of its authority, for `mount`.
    pub(crate) fn use_for(&self, mount: &Mount) -> AuthorityUse {
        AuthorityUse {
            id: self.use_id(),
            user: format!("the Vault mount {}/", mount.path),
        }
    }

    /// The write that ends this use.
    pub(crate) fn end_of_use(&self) -> Write {
        authority_use::end(&self.authority, &self.use_id())
    }

    fn use_id(&self) -> String {
        format!("vault/{}", self.id)
    }

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

/// Whether `name` can be an issuer's.
///
/// # Errors
/// Where it is empty, reserved, or not a name.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let refusal = match name {
        "" => "expected non-empty issuer name",
        _ if name.eq_ignore_ascii_case(DEFAULT_ISSUER) => {
            "reserved keyword 'default' can not be used as issuer name"
        }
        _ if !is_name(name, false) || name.len() > MAX_NAME_BYTES => {
            "issuer name contained invalid characters"
        }
        _ => return Ok(()),
    };
    Err(Failure::user(refusal))
}
