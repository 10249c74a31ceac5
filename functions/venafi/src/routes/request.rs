//! `SSHCertificates/Request`: records what will be signed, and signs it where the caller waits for it.

use super::{
    answer::{self, Beside},
    retrieve::HOLD_LIMIT,
    templates::{ABSENT, policy_path},
};
use crate::{
    call::{Call, Reply},
    dn::Dn,
    error::{Failure, code},
    hints::{Hints, TemplateHint},
    object::{self, Object, Stored, Waiting},
    order::{self, Order, Subject},
    pending::{State, carry_out_recorded},
    private_key,
    template::{self, Template},
    wire::{self, Status},
};
use countersign::{
    Error,
    access::Caller,
    acl::Capability,
    authority::{Authority, AuthorityState},
    certificates::{self, CertificateRecord},
    issue::{self, CertificateId, Issuance, Pending},
    retirement::{InService, Look},
    store::{Condition, Key, Record, Store, StoreError, TRIES, Write, contended},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// The most characters of what is to be signed, as it is recorded: an item of DynamoDB has room for 400 KB.
const MAX_TBS: usize = 200_000;

pub(super) async fn request(call: Arc<Call>) -> Result<Reply, Failure> {
    let body = call.body::<wire::CertificateRequest>();
    let named = body.as_ref().ok().and_then(|body| body.cadn.as_deref());
    let template_dn = named.map(Dn::template);
    let template_key = template_dn.iter().flatten().map(Template::key).next();
    let mut also: Vec<Key> = template_key.iter().cloned().collect();
    let hint = template_key.as_ref().and_then(|key| call.hints.template(key));
    if let (Some(_), Ok(body)) = (&template_key, &body) {
        also.extend(likely(&call.hints, hint.as_deref(), body));
    }
    let look = hint.map(|hint| Look::begin(&call.services, &hint.authority));
    also.extend(look.iter().map(Look::key));
    let authorised = call.authorise(&also).await?;
    let caller = authorised.caller;
    let body = body?;
    let ahead = Ahead(also.into_iter().zip(authorised.records).collect());
    let template_dn = template_dn
        .ok_or_else(|| Failure::field("CADN", "it is missing"))?
        .map_err(|error| Failure::field("CADN", error))?;
    let template = template_key.as_ref().and_then(|key| ahead.found(key));
    let template: Option<Template> = template.map(Record::value).transpose()?;
    let known_dn = template
        .as_ref()
        .map_or(template_dn.as_str(), |template| &template.dn);
    if !call.may(caller, &policy_path(known_dn), &[Capability::Update]) {
        return Err(Failure::rights("this template"));
    }
    // A 404 would lose its text in one of the clients.
    let template = template.ok_or_else(|| Failure::invalid(code::OTHER, ABSENT))?;
    let folder = order::folder(&body)?;
    if let Some(folder) = &folder
        && !call.may(caller, &format!("vedsdk/folder/{folder}"), &[Capability::Create])
    {
        return Err(Failure::rights("this folder"));
    }
    let made = Making {
        call: &call,
        caller,
        body: &body,
        template: &template,
        folder,
        in_service: in_service(look, &ahead, &template)?,
    };
    let made = made.record(ahead).await?;
    if let Some(key) = &template_key {
        call.hints.remember_template(key, &template);
    }
    let (object, limit) = (made.object.clone(), body.processing_timeout);
    let answer = match limit {
        None | Some(0) => None,
        Some(secs) => waited(&call, &body, made, Duration::from_secs(secs)).await?,
    };
    let answer =
        answer.unwrap_or_else(|| answer::without(&object, Status::PendingIssue, object.warning.clone()));
    Ok(Reply::json(&answer)?.logged())
}

/// Proof that nobody is about to retire the authority of `template`, nor to delete the template, where both were read
/// in one go: the signature then needs no further look at either.
fn in_service(look: Option<Look>, ahead: &Ahead, template: &Template) -> Result<Option<InService>, Error> {
    let Some(look) = look.filter(|_| template.deleting_since.is_none()) else {
        return Ok(None);
    };
    let announced = ahead.found(&look.key()).cloned();
    look.found(announced.as_ref())
}

/// The keys which a request will likely need, of a template that led to `hint`.
fn likely(hints: &Hints, hint: Option<&TemplateHint>, body: &wire::CertificateRequest) -> Vec<Key> {
    let mut keys = Vec::new();
    if let Some(key) = order::sent_key(body) {
        keys.push(object::subject_key(&key.sha256_hex()));
    }
    let Some(hint) = hint else {
        return keys;
    };
    keys.push(Authority::key(&hint.authority));
    let named = [&body.object_name, &body.key_id, &hint.name];
    let folder = order::folder(body)
        .ok()
        .map(|folder| folder.unwrap_or_else(|| hint.folder.clone()));
    if let (Some(folder), Some(name)) = (folder, named.into_iter().flatten().next())
        && let Ok(dn) = folder.child(name)
    {
        let object = Object::key(&dn);
        keys.extend(hints.certificate(&object));
        keys.push(object);
    }
    keys
}

/// What was read together with the token: each perhaps needed, or not.
struct Ahead(HashMap<Key, Option<Record>>);

impl Ahead {
    fn found(&self, key: &Key) -> Option<&Record> {
        self.0.get(key)?.as_ref()
    }

    /// The records at `keys`: those that are not here are read, in one round trip.
    async fn read(&mut self, store: &dyn Store, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let missing: Vec<Key> = keys
            .iter()
            .filter(|key| !self.0.contains_key(key))
            .cloned()
            .collect();
        if !missing.is_empty() {
            let records = store.read(&missing).await?;
            self.0.extend(missing.into_iter().zip(records));
        }
        Ok(keys.iter().map(|key| self.found(key).cloned()).collect())
    }
}

/// A certificate that is recorded, and what it was recorded with.
struct Made {
    object: Object,
    subject: Subject,
    authority: Authority,
    pending: Pending,
}

/// What the certificate's signing gives within `limit`; `None` where it has to be waited for longer.
async fn waited(
    call: &Call,
    body: &wire::CertificateRequest,
    made: Made,
    limit: Duration,
) -> Result<Option<wire::CertificateAnswer>, Failure> {
    let Made {
        object,
        subject,
        authority,
        pending,
    } = made;
    let object = &object;
    let signing = carry_out_recorded(&call.services, object, &authority, pending);
    // What fails after the record is there is tried again when the certificate is fetched.
    let state = match tokio::time::timeout(limit.min(HOLD_LIMIT), signing).await {
        Ok(Ok(state)) => state,
        Ok(Err(_)) | Err(_) => return Ok(None),
    };
    let record = match state {
        State::Issued(record) => record,
        State::Pending => return Ok(None),
        State::Rejected(reason) => {
            return Ok(Some(answer::without(object, Status::Rejected, Some(reason))));
        }
    };
    let private_key = match subject.pair() {
        Some(pair) if body.include_private_key_data.unwrap_or(true) => {
            let passphrase = body.private_key_passphrase.as_deref();
            Some(private_key::text(&call.services, pair, passphrase).await?)
        }
        _ => None,
    };
    let beside = Beside {
        with_details: body.include_certificate_details.unwrap_or(false),
        private_key,
        notes: Vec::new(),
    };
    Ok(Some(answer::issued(object, &record, beside)?))
}

/// What all attempts to record a certificate have in common.
struct Making<'m> {
    call: &'m Call,
    caller: &'m Caller,
    body: &'m wire::CertificateRequest,
    template: &'m Template,
    folder: Option<Dn>,
    in_service: Option<InService>,
}

/// Why an attempt came to nothing.
struct NotMade {
    error: Error,
    /// Whether the log of decisions has it already.
    is_logged: bool,
}

impl From<Error> for NotMade {
    fn from(error: Error) -> Self {
        Self {
            error,
            is_logged: false,
        }
    }
}

impl Making<'_> {
    /// Records the certificate and everything about it in one write set.
    async fn record(self, mut ahead: Ahead) -> Result<Made, Failure> {
        let services = &self.call.services;
        let order = Order::parse(
            self.body,
            self.template,
            self.folder.clone(),
            services.clock.now(),
        )?;
        let subject = order::subject(self.body, self.template).await?;
        for _ in 0..TRIES {
            match self.attempt(&order, &subject, &mut ahead).await {
                Ok((object, authority, pending)) => {
                    self.call.hints.remember_object(&order.dn, &object);
                    return Ok(Made {
                        object,
                        subject,
                        authority,
                        pending,
                    });
                }
                // Something is not as it was read.
                Err(NotMade {
                    error: Error::Conflict(_),
                    ..
                }) => ahead.0.clear(),
                Err(NotMade {
                    error: Error::PermissionDenied,
                    ..
                }) => return Err(Failure::rights("the template of the object with this name")),
                Err(NotMade { error, is_logged }) => {
                    let failure = Failure::from(error);
                    return Err(if is_logged { failure.logged() } else { failure });
                }
            }
        }
        Err(contended("the certificate object").into())
    }

    async fn attempt(
        &self,
        order: &Order,
        subject: &Subject,
        ahead: &mut Ahead,
    ) -> Result<(Object, Authority, Pending), NotMade> {
        let services = &self.call.services;
        let before = self.before(order, subject, ahead).await?;
        let id = CertificateId::draw(services)?;
        let mut writes = before.writes;
        if let Some(pair) = subject.pair() {
            writes.push(private_key::keep(services, id.id, pair).await?);
        }
        let mut role = template::role(self.template)?;
        role.signature_algorithm =
            template::signature_algorithm(self.template, before.authority.algorithm()?);
        let is_short_hash = role.signature_algorithm.is_some();
        let object = self.object(order, subject, before.old.as_ref(), id, is_short_hash)?;
        let request = order.request(subject.key());
        let origin = self.call.origin(self.caller, &self.template.name);
        let issuance = Issuance {
            authority: &before.authority,
            role: &role,
            request: &request,
            origin: &origin,
            id: Some(id),
            keep_signature: true,
            in_service: self.in_service.clone(),
            details: details(order, &object),
        };
        let also = |record: &CertificateRecord| -> Result<Vec<Write>, Error> {
            if record.tbs.len() > MAX_TBS {
                return Err(Error::invalid(
                    "certificate",
                    "it would be too large; ask for less",
                ));
            }
            let object = Object {
                tbs_hash: issue::tbs_hash(record)?,
                ..object.clone()
            };
            let end = record.fields()?.validity.valid_before();
            let entry = Template::certificate_entry(&object.template, id.id, id.serial, end);
            let mut all = writes.clone();
            all.extend(object.writes(&order.dn, before.old.as_ref())?);
            all.push(Waiting::write(id.id, &order.dn)?);
            all.push(Write::Put(entry, Condition::Always));
            Ok(all)
        };
        let pending = issue::record(services, &issuance, also)
            .await
            .map_err(|error| NotMade {
                error,
                is_logged: true,
            })?;
        let object = Object {
            tbs_hash: pending.tbs_hash.clone(),
            ..object
        };
        Ok((object, before.authority, pending))
    }

    /// The object of the certificate `id`, without the hash of what is to be signed.
    fn object(
        &self,
        order: &Order,
        subject: &Subject,
        old: Option<&Stored>,
        id: CertificateId,
        is_short_hash: bool,
    ) -> Result<Object, Error> {
        Ok(Object {
            guid: match old {
                Some(old) => old.object.guid.clone(),
                None => crate::guid::Guid::draw(&self.call.services)?,
            },
            // The first spelling stays.
            dn: match old {
                Some(old) => old.object.dn.clone(),
                None => order.dn.as_str().to_owned(),
            },
            template_dn: self.template.dn.clone(),
            template: self.template.guid.clone(),
            certificate: id.id.to_string(),
            tbs_hash: String::new(),
            is_short_hash,
            public_key: subject.line(),
            is_generated: subject.pair().is_some(),
            owner: object::owner(self.caller),
            warning: order.warning.clone(),
        })
    }

    /// What stands there already, and what becomes of it.
    async fn before(&self, order: &Order, subject: &Subject, ahead: &mut Ahead) -> Result<Before, Error> {
        let store = &*self.call.services.store;
        let certified = object::subject_key(&subject.key().sha256_hex());
        let mut keys = vec![Authority::key(&self.template.authority), Object::key(&order.dn)];
        // A key that was made just now was certified nowhere.
        keys.extend(subject.pair().is_none().then(|| certified.clone()));
        let mut records = ahead.read(store, &keys).await?.into_iter();
        let authority = records.next().flatten();
        let authority: Authority = authority
            .ok_or_else(|| Error::internal("the authority of a template is gone"))?
            .value()?;
        if authority.state == AuthorityState::Retired {
            return Err(Error::invalid(
                "CADN",
                "the certificate authority of this template is retired",
            ));
        }
        let old = records.next().flatten().map(Stored::of).transpose()?;
        let may_reuse = self.template.certificate.allowed_private_key_reuse;
        let known = records.next().flatten();
        if known.is_some() && !may_reuse {
            let reason = "it was certified before, and this template does not allow that again";
            return Err(Error::invalid("PublicKeyData", reason));
        }
        let mut writes = Vec::new();
        if known.is_none() {
            let condition = if may_reuse {
                Condition::Always
            } else {
                Condition::Absent
            };
            writes.push(Write::Put(Record::new(certified, &true)?, condition));
        }
        if let Some(old) = &old {
            let path = policy_path(&old.object.template_dn);
            if !self.call.may(self.caller, &path, &[Capability::Update]) {
                return Err(Error::PermissionDenied);
            }
            writes.extend(self.archive(&old.object, ahead).await?);
        }
        Ok(Before {
            authority,
            old,
            writes,
        })
    }

    /// The writes that make room for a later certificate of `old`.
    async fn archive(&self, old: &Object, ahead: &mut Ahead) -> Result<Vec<Write>, Error> {
        let services = &self.call.services;
        let id = old.certificate_id()?;
        let mut writes = vec![
            Write::Delete(Waiting::key(id), Condition::Always),
            private_key::forget(id),
        ];
        let key = old.certificate_key()?;
        let stored = ahead.read(&*services.store, &[key]).await?.into_iter().next();
        if let Some(stored) = stored.flatten() {
            let record: CertificateRecord = stored.value()?;
            writes.extend(certificates::archival(services, &record, &stored).await?);
        }
        Ok(writes)
    }
}

/// What an attempt found.
struct Before {
    authority: Authority,
    old: Option<Stored>,
    writes: Vec<Write>,
}

/// What the record says beside the certificate.
fn details(order: &Order, object: &Object) -> BTreeMap<String, Value> {
    let mut details = BTreeMap::from([
        ("object".to_owned(), Value::from(object.dn.clone())),
        ("origin".to_owned(), Value::from(order.origin.clone())),
    ]);
    if !order.destinations.is_empty() {
        details.insert("destination_addresses".into(), order.destinations.clone().into());
    }
    details
}
