//! What a request led to the last time, so that it can be read together with the token the next time.
//!
//! A hint holds names and keys, never what was found there: every request reads what it decides by. A hint that has
//! become wrong costs one more read.

use crate::{dn::Dn, object::Object, template::Template};
use countersign::{authority::AuthorityId, store::Key};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// How many templates are remembered, and how many objects.
const MAX_ENTRIES: usize = 4096;

/// The names that a template leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateHint {
    pub(crate) authority: AuthorityId,
    /// Where its objects lie by default.
    pub(crate) folder: Dn,
    /// What they are called by default.
    pub(crate) name: Option<String>,
}

/// What a process remembers.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    templates: Mutex<HashMap<Key, Arc<TemplateHint>>>,
    /// By the key of an object, that of the record of its certificate.
    certificates: Mutex<HashMap<Key, Arc<Key>>>,
}

impl Hints {
    /// The hint for the template at `key`.
    pub(crate) fn template(&self, key: &Key) -> Option<Arc<TemplateHint>> {
        get(&self.templates, key)
    }

    /// Where the record of the certificate of the object at `key` lay.
    pub(crate) fn certificate(&self, key: &Key) -> Option<Arc<Key>> {
        get(&self.certificates, key)
    }

    /// Remembers what `template`, at `key`, leads to.
    pub(crate) fn remember_template(&self, key: &Key, template: &Template) {
        let Ok(folder) = Dn::parse(&template.certificate.certificate_destination_dn) else {
            return;
        };
        let hint = TemplateHint {
            authority: template.authority.clone(),
            folder,
            name: template.access_control.default_certificate_identifier.clone(),
        };
        insert(&self.templates, key, hint);
    }

    /// Remembers which certificate is that of `object`, called `dn`.
    pub(crate) fn remember_object(&self, dn: &Dn, object: &Object) {
        if let Ok(certificate) = object.certificate_key() {
            insert(&self.certificates, &Object::key(dn), certificate);
        }
    }
}

fn get<T>(map: &Mutex<HashMap<Key, Arc<T>>>, key: &Key) -> Option<Arc<T>> {
    map.lock().ok()?.get(key).cloned()
}

fn insert<T: PartialEq>(map: &Mutex<HashMap<Key, Arc<T>>>, key: &Key, hint: T) {
    let Ok(mut map) = map.lock() else { return };
    if map.get(key).is_some_and(|known| **known == hint) {
        return;
    }
    if map.len() >= MAX_ENTRIES && !map.contains_key(key) {
        map.clear();
    }
    map.insert(key.clone(), Arc::new(hint));
}
