//! Retiring an authority, but only while nothing stands under it.
//!
//! What stands under it: a certificate that can be asked for again, a mount, project or template that signs with it
//! ([`crate::authority_use`]), and for [`retire_unused`] also the record of a certificate that was handed out
//! ([`crate::handed_out`]).
//!
//! # Certificates that can be asked for again
//!
//! The two sides of the race between a retirement and an issuance each write first and look afterwards, with
//! consistent reads, so that at least one of them sees the other:
//!
//! - An issuance whose signature will be kept writes its *hold* on the authority together with its record
//!   ([`crate::certificates`]), in one write set. While the signer works it looks for an *announcement*, and gives up
//!   if there is one.
//! - A retirement writes its announcement, then looks for holds. A hold whose certificate has its signature refuses
//!   the retirement. One whose certificate has none is of an issuance that failed or still runs: its record is written
//!   again, unchanged but for the version, so that the signature can no more be added; then the hold is removed.
//!
//! An issuance that has looked for the announcement with its first read ([`Look`]), and whose hold was there within
//! [`GRACE`](crate::grace::GRACE) of that, has proof that it is seen ([`InService`]) and looks no more: a retirement
//! waits between its announcement and its look for holds. [`crate::grace`] has the argument.
//!
//! Holds lie in partitions of their own, spread as the listings are, so issuing never waits for a record that others
//! write too; the price is one more record in the write set, one more in the first read, and for an issuance that is
//! slow one read beside the signing. Certificates whose signature is not kept have no hold: they are gone from here
//! as soon as they are handed out, and their issuance does not look for announcements. A retirement at the very
//! moment of the first of them in a week may not see it.
//!
//! An announcement is a record of its own, so that the authority stays in service, unchanged, until its retirement is
//! certain. It is replaced, never removed, so that no version comes twice and nobody takes another's announcement for
//! its own; and only while the authority is as its retirement read it, so that one which was completed stays so. One
//! whose writer died is withdrawn by the first issuance that meets it after `ANNOUNCEMENT_SECS`; a writer that was only
//! slow then finds it changed, and starts again.

use crate::{
    authority::{Authority, AuthorityId, AuthorityState},
    authority_use::{self, AuthorityUse},
    certificates::{self, CertificateRecord},
    error::Error,
    grace::{self, Since},
    handed_out::{self, Until},
    random,
    services::Services,
    store::{self, Condition, Key, Query, Record, StoreError, Table, Write, contended},
    types::Ksuid,
};
use serde::{Deserialize, Serialize};

/// How long an announcement keeps issuances away when nobody completes it. A retirement takes its wait and a few round
/// trips.
const ANNOUNCEMENT_SECS: u64 = 60;
/// How often a retirement starts again when something changed under its feet.
const TRIES: usize = 4;
/// How many holds are looked at in one read: the most keys that a read takes.
const HOLDS_AT_ONCE: usize = 100;
/// How many users are named to whoever wants to retire their authority.
const MAX_NAMED: usize = 5;
/// How many holds are removed in one write set: two writes each, of the most that a set takes.
const REMOVED_AT_ONCE: usize = 50;

/// How a retirement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no such authority, or it was retired before.
    Absent,
    /// The record of a certificate stands under it, which was handed out and cannot be asked for again.
    HandedOut(Until),
    /// A certificate stands under it that can be asked for again.
    Kept,
    /// It is retired.
    Retired,
    /// These sign with it, and perhaps others.
    Used(Vec<AuthorityUse>),
}

/// What a retirement is held up by besides kept certificates and uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope<'a> {
    /// Records of what was handed out.
    All,
    /// Nothing; nor by the use with this id, which is about to end.
    EndOfUse(Option<&'a str>),
}

/// That somebody is about to retire an authority, or has.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Announcement {
    /// When it was written, in Unix seconds.
    announced_at: u64,
    /// What has come of it.
    stage: Stage,
    /// Random: two announcements of one second are not the same write, which the store would let both pass.
    mark: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Nothing yet.
    Announced,
    /// The authority is retired.
    Completed,
    /// The authority stays.
    Withdrawn,
}

/// Retires the authority with `id` and ends the use of its key, unless anything stands under it.
///
/// # Errors
/// `Conflict` where the authority kept changing meanwhile; `Throttled` and `Unavailable` where a store or the keyring
/// fails, after which the same call may be repeated: it then ends the use of a key whose authority is retired already.
pub async fn retire_unused(services: &Services, id: &AuthorityId) -> Result<Outcome, Error> {
    retire(services, id, Scope::All).await
}

/// As [`retire_unused`], for the one who made the authority and lets go of it: the records of what was handed out do
/// not keep it in service, nor does the use with the id `ending`, if it is still on record.
///
/// # Errors
/// As there.
pub async fn retire_after_use(
    services: &Services,
    id: &AuthorityId,
    ending: Option<&str>,
) -> Result<Outcome, Error> {
    retire(services, id, Scope::EndOfUse(ending)).await
}

async fn retire(services: &Services, id: &AuthorityId, scope: Scope<'_>) -> Result<Outcome, Error> {
    for _ in 0..TRIES {
        let Some((authority, stored)) = Authority::read(&*services.store, id).await? else {
            return Ok(Outcome::Absent);
        };
        if authority.state == AuthorityState::Retired {
            services.keyring.retire(&authority).await?;
            return Ok(Outcome::Absent);
        }
        match attempt(services, &authority, &stored, scope).await {
            Err(Error::Conflict(_)) => {}
            Ok(Outcome::Retired) => {
                services.keyring.retire(&authority).await?;
                return Ok(Outcome::Retired);
            }
            other => return other,
        }
    }
    Err(contended("the certificate authority"))
}

async fn attempt(
    services: &Services,
    authority: &Authority,
    stored: &Record,
    scope: Scope<'_>,
) -> Result<Outcome, Error> {
    // First without an announcement, which would disturb issuances: most refusals end here.
    if let Some(standing) = look(services, &authority.id, scope).await? {
        return Ok(standing);
    }
    let (announced, announcement) = announce(services, &authority.id, stored).await?;
    grace::outlast(services).await;
    let outcome = match look_at_holds(services, &authority.id, Unsigned::Stop).await {
        Ok(Found::None) => complete(services, authority, stored, &announced, &announcement).await,
        Ok(Found::Kept) => Ok(Outcome::Kept),
        Err(error) => Err(error),
    };
    if !matches!(outcome, Ok(Outcome::Retired)) {
        // If this fails, or nobody lives to do it, the announcement ends by its age.
        let _ = services
            .store
            .write(&[withdrawal(&announced, &announcement)?])
            .await;
    }
    outcome
}

/// What stands under an authority that was read before.
async fn look(
    services: &Services,
    authority: &AuthorityId,
    scope: Scope<'_>,
) -> Result<Option<Outcome>, Error> {
    let handed_out = async {
        match scope {
            Scope::All => handed_out::until(services, authority).await,
            Scope::EndOfUse(_) => Ok(None),
        }
    };
    let uses = authority_use::list(&*services.store, authority, MAX_NAMED + 1);
    let holds = look_at_holds(services, authority, Unsigned::Leave);
    let (holds, (uses, handed_out)) = crate::join(holds, crate::join(uses, handed_out)).await;
    let mut uses = uses?;
    if let Scope::EndOfUse(Some(ending)) = scope {
        uses.retain(|one| one.id != ending);
    }
    uses.truncate(MAX_NAMED);
    Ok(if !uses.is_empty() {
        Some(Outcome::Used(uses))
    } else if holds? == Found::Kept {
        Some(Outcome::Kept)
    } else {
        handed_out?.map(Outcome::HandedOut)
    })
}

/// Announces the retirement of the authority with `id`, unless it was changed since it was read as `stored`: another
/// may have retired it, whose announcement must not be written over.
async fn announce(
    services: &Services,
    id: &AuthorityId,
    stored: &Record,
) -> Result<(Record, Announcement), Error> {
    let announcement = Announcement {
        announced_at: services.clock.now(),
        stage: Stage::Announced,
        mark: random::uuid(&*services.random)?,
    };
    let (record, condition) = match store::read_one(&*services.store, &announcement_key(id)).await? {
        Some(old) => (old.replaced(&announcement)?, Condition::Version(old.version)),
        None => (
            Record::new(announcement_key(id), &announcement)?,
            Condition::Absent,
        ),
    };
    let writes = [
        Write::Put(record.clone(), condition),
        Write::Check(stored.key.clone(), Condition::Version(stored.version)),
    ];
    services.store.write(&writes).await?;
    Ok((record, announcement))
}

fn withdrawal(announced: &Record, announcement: &Announcement) -> Result<Write, Error> {
    replacement(announced, announcement, Stage::Withdrawn)
}

fn replacement(announced: &Record, announcement: &Announcement, stage: Stage) -> Result<Write, Error> {
    let replaced = Announcement {
        stage,
        ..announcement.clone()
    };
    let replaced = announced.replaced(&replaced)?;
    Ok(Write::Put(replaced, Condition::Version(announced.version)))
}

async fn complete(
    services: &Services,
    authority: &Authority,
    stored: &Record,
    announced: &Record,
    announcement: &Announcement,
) -> Result<Outcome, Error> {
    let retired = Authority {
        state: AuthorityState::Retired,
        ..authority.clone()
    };
    let writes = [
        Write::Put(stored.replaced(&retired)?, Condition::Version(stored.version)),
        replacement(announced, announcement, Stage::Completed)?,
    ];
    services.store.write(&writes).await?;
    Ok(Outcome::Retired)
}

/// What stands under an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// A certificate that can be asked for again.
    Kept,
    /// No such certificate.
    None,
}

/// What to do with a certificate that has no signature yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsigned {
    Leave,
    Stop,
}

async fn look_at_holds(
    services: &Services,
    authority: &AuthorityId,
    unsigned: Unsigned,
) -> Result<Found, Error> {
    let shards: Vec<_> = certificates::hold_partitions(authority)
        .map(|partition| look_at_shard(services, partition, unsigned))
        .collect();
    let mut found = Found::None;
    for shard in crate::join_all(shards).await {
        if shard? == Found::Kept {
            found = Found::Kept;
        }
    }
    Ok(found)
}

async fn look_at_shard(services: &Services, partition: String, unsigned: Unsigned) -> Result<Found, Error> {
    let mut after = None;
    loop {
        let query = Query {
            after,
            limit: HOLDS_AT_ONCE,
            ..Query::partition(Table::Certificates, partition.clone())
        };
        let holds = services.store.query(&query).await?;
        if look_at_page(services, &holds, unsigned).await? == Found::Kept {
            return Ok(Found::Kept);
        }
        match holds.last() {
            Some(last) if holds.len() == HOLDS_AT_ONCE => after = Some(last.key.sort.clone()),
            _ => return Ok(Found::None),
        }
    }
}

async fn look_at_page(services: &Services, holds: &[Record], unsigned: Unsigned) -> Result<Found, Error> {
    if holds.is_empty() {
        return Ok(Found::None);
    }
    let keys = holds.iter().map(certificate_key).collect::<Result<Vec<_>, _>>()?;
    let records = services.store.read(&keys).await?;
    let now = services.clock.now();
    let mut stops = Vec::new();
    for (hold, stored) in holds.iter().zip(records) {
        let mut writes = vec![Write::Delete(hold.key.clone(), Condition::Always)];
        if let Some(stored) = stored.filter(|record| record.expires_at.is_none_or(|end| end > now)) {
            let record: CertificateRecord = stored.value()?;
            if record.signature.is_some() {
                return Ok(Found::Kept);
            }
            let again = stored.replaced(&record)?;
            writes.insert(0, Write::Put(again, Condition::Version(stored.version)));
        }
        stops.push(writes);
    }
    if unsigned == Unsigned::Stop {
        for together in stops.chunks(REMOVED_AT_ONCE) {
            // A failed condition is a signature that was added meanwhile: a conflict, and the attempt starts again.
            services.store.write(&together.concat()).await?;
        }
    }
    Ok(Found::None)
}

fn certificate_key(hold: &Record) -> Result<Key, Error> {
    let id = Ksuid::parse(&hold.key.sort).map_err(Error::internal)?;
    let serial = certificates::serial_of(id).ok_or_else(|| Error::internal("a hold names no certificate"))?;
    Ok(certificates::key(serial))
}

/// A look for the announcement that an authority is about to be retired, by a read which a request makes anyway, before
/// its certificate is recorded.
#[derive(Clone, Debug)]
pub struct Look {
    authority: AuthorityId,
    since: Since,
}

impl Look {
    /// Begins a look at the authority with `id`. What [`key`](Self::key) gives is to be read after this, with a
    /// consistent read.
    pub fn begin(services: &Services, id: &AuthorityId) -> Self {
        Self {
            authority: id.clone(),
            since: Since::now(services),
        }
    }

    /// What is to be read.
    pub fn key(&self) -> Key {
        announcement_key(&self.authority)
    }

    /// The proof, where the read found that nobody is about to retire the authority, and nobody has. Without it the
    /// issuance looks again, and judges what it then finds.
    ///
    /// # Errors
    /// `Internal` where the record is unreadable.
    pub fn found(self, announced: Option<&Record>) -> Result<Option<InService>, Error> {
        let announcement: Option<Announcement> = announced.map(Record::value).transpose()?;
        let is_in_service = announcement.is_none_or(|found| found.stage == Stage::Withdrawn);
        Ok(is_in_service.then_some(InService {
            authority: self.authority,
            since: self.since,
        }))
    }
}

/// Proof that nobody had announced to retire an authority when it was read. It holds for a hold that is written within
/// [`GRACE`](grace::GRACE) of that.
#[derive(Clone, Debug)]
pub struct InService {
    authority: AuthorityId,
    since: Since,
}

impl InService {
    /// Whether nobody retires the authority with `id` without seeing a hold on it whose write has been answered by now.
    pub(crate) fn covers(&self, services: &Services, id: &AuthorityId) -> bool {
        self.authority == *id && self.since.is_within_grace(services)
    }
}

/// Makes sure, after a hold on the authority with `id` is written, that nobody retires it without seeing the hold.
///
/// # Errors
/// `Conflict` where somebody may; otherwise as [`store::Store`].
pub async fn check_in_service(services: &Services, id: &AuthorityId) -> Result<(), Error> {
    check_in_service_and_read(services, id, &[]).await?;
    Ok(())
}

/// The same, and the records at `also`, in one round trip.
///
/// # Errors
/// As there.
pub(crate) async fn check_in_service_and_read(
    services: &Services,
    id: &AuthorityId,
    also: &[Key],
) -> Result<Vec<Option<Record>>, Error> {
    let own = [announcement_key(id)];
    let keys: Vec<Key> = own.iter().chain(also).cloned().collect();
    let mut records = services.store.read(&keys).await?.into_iter();
    if let Some(announced) = records.next().flatten() {
        check_announced(services, id, &announced).await?;
    }
    Ok(records.collect())
}

async fn check_announced(services: &Services, id: &AuthorityId, announced: &Record) -> Result<(), Error> {
    let announcement: Announcement = announced.value()?;
    match announcement.stage {
        Stage::Withdrawn => Ok(()),
        // Retired in the same write set; active only if somebody has taken it into service again since.
        Stage::Completed => match Authority::read(&*services.store, id).await? {
            Some((authority, _)) if authority.state == AuthorityState::Active => Ok(()),
            _ => Err(retired()),
        },
        Stage::Announced if services.clock.now() < announcement.announced_at + ANNOUNCEMENT_SECS => {
            Err(retired())
        }
        Stage::Announced => {
            let write = withdrawal(announced, &announcement)?;
            match services.store.write(&[write]).await {
                Ok(()) => Ok(()),
                Err(StoreError::ConditionFailed(_)) => Err(retired()),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// The error of an issuance whose authority is retired, or is about to be.
pub(crate) fn retired() -> Error {
    Error::Conflict("this certificate authority is retired".into())
}

fn announcement_key(id: &AuthorityId) -> Key {
    Key::new(Table::Roles, "authority-retirement", id.as_str())
}
