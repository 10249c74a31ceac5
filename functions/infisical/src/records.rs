//! The records that one request reads: each once, and as many as possible in one round trip.

use countersign::{
    Error, Services,
    access::Identity,
    authority::Authority,
    store::{Condition, Key, Query, Record, StoreError, Table, Write},
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Something that lies in a table as JSON.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// Where this one lies.
    fn key(&self) -> Key;

    /// The write that stores it, new.
    fn create(&self) -> Result<Write, Error> {
        Ok(Write::Put(Record::new(self.key(), self)?, Condition::Absent))
    }
}

impl Stored for Authority {
    fn key(&self) -> Key {
        Self::key(&self.id)
    }
}

impl Stored for Identity {
    fn key(&self) -> Key {
        Self::key(&self.id)
    }
}

/// A value, and the stored record that it came from.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    record: Record,
}

impl<T: Stored> Kept<T> {
    fn read(record: Record) -> Result<Self, Error> {
        Ok(Self {
            value: record.value()?,
            record,
        })
    }

    /// The write that puts `value` in its place, unless somebody else changed it meanwhile.
    pub(crate) fn replace(&self, value: &T) -> Result<Write, Error> {
        let condition = Condition::Version(self.record.version);
        Ok(Write::Put(self.record.replaced(value)?, condition))
    }

    /// The write that removes it, unless somebody else changed it meanwhile.
    pub(crate) fn delete(&self) -> Write {
        Write::Delete(self.record.key.clone(), Condition::Version(self.record.version))
    }

    /// A check that it is still there.
    pub(crate) fn still_there(&self) -> Write {
        Write::Check(self.record.key.clone(), Condition::Present)
    }
}

/// The most keys of one read, and the most writes of one set.
pub(crate) const MAX_KEYS: usize = 100;

/// The services, and what a request has read of their store so far.
pub(crate) struct Records {
    pub(crate) services: Services,
    known: BTreeMap<Key, Option<Record>>,
}

impl Records {
    pub(crate) fn new(services: Services) -> Self {
        Self {
            services,
            known: BTreeMap::new(),
        }
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.services.clock.now()
    }

    /// A new id.
    pub(crate) fn uuid(&self) -> Result<String, Error> {
        countersign::random::uuid(&*self.services.random)
    }

    /// Takes what was read along with something else.
    pub(crate) fn add(&mut self, keys: &[Key], records: Vec<Option<Record>>) {
        self.known.extend(keys.iter().cloned().zip(records));
    }

    /// Reads what is not known yet of `keys`.
    pub(crate) async fn load(&mut self, keys: impl IntoIterator<Item = Key>) -> Result<(), Error> {
        let mut unknown: Vec<Key> = keys
            .into_iter()
            .filter(|key| !self.known.contains_key(key))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        for keys in unknown.chunks(MAX_KEYS) {
            let records = self.services.store.read(keys).await?;
            self.add(keys, records);
        }
        Ok(())
    }

    /// The value at `key`, if one is there.
    pub(crate) async fn find<T: Stored>(&mut self, key: &Key) -> Result<Option<Kept<T>>, Error> {
        self.load([key.clone()]).await?;
        let record = self.known_record(key).cloned();
        record.map(Kept::read).transpose()
    }

    /// The values at `keys`, without those that are not there.
    pub(crate) async fn find_all<T: Stored>(&mut self, keys: &[Key]) -> Result<Vec<Kept<T>>, Error> {
        self.load(keys.iter().cloned()).await?;
        let records = keys.iter().filter_map(|key| self.known_record(key).cloned());
        records.map(Kept::read).collect()
    }

    /// The stored record at `key` as far as it has been read.
    pub(crate) fn known_record(&self, key: &Key) -> Option<&Record> {
        self.known.get(key)?.as_ref()
    }

    /// All values in one partition of the roles table, in the order of their keys.
    pub(crate) async fn list<T: Stored>(&self, partition: impl Into<String>) -> Result<Vec<Kept<T>>, Error> {
        let query = Query::partition(Table::Roles, partition);
        let records = self.services.store.query(&query).await?;
        records.into_iter().map(Kept::read).collect()
    }

    /// Carries out `writes` together, and forgets what was known of their keys.
    pub(crate) async fn write(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        for write in writes {
            let key = match write {
                Write::Check(key, _) | Write::Delete(key, _) => key,
                Write::Put(record, _) => &record.key,
            };
            self.known.remove(key);
        }
        self.services.store.write(writes).await
    }
}
