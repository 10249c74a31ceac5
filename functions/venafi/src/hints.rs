//! What a request led to the last time, so that it can be read together with the token the next time.

use crate::{dn::Dn, object::Object, template::Template};
use countersign::{authority::AuthorityId, hints, store::Key};
use std::sync::Arc;

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
    templates: hints::Hints<Key, Arc<TemplateHint>>,
    /// By the key of an object, that of the record of its certificate.
    certificates: hints::Hints<Key, Key>,
}

impl Hints {
    /// The hint for the template at `key`.
    pub(crate) fn template(&self, key: &Key) -> Option<Arc<TemplateHint>> {
        self.templates.of(key)
    }

    /// Where the record of the certificate of the object at `key` lay.
    pub(crate) fn certificate(&self, key: &Key) -> Option<Key> {
        self.certificates.of(key)
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
        self.templates.remember(key, Arc::new(hint));
    }

    /// Remembers which certificate is that of `object`, called `dn`.
    pub(crate) fn remember_object(&self, dn: &Dn, object: &Object) {
        if let Ok(certificate) = object.certificate_key() {
            self.certificates.remember(&Object::key(dn), certificate);
        }
    }
}
