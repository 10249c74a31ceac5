//! Wrapped answers: instead of an answer its caller gets a token, and whoever brings that token gets the answer, once.
//!
//! The store holds the answer encrypted under a key that comes from the token, and of the token only the hash. So the
//! store alone opens nothing, and an answer that nobody took is lost with its token. Taking it is one conditional
//! delete: of any number of callers one gets it, and the others learn that somebody did.

use crate::{api::Answer, error::Failure};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    Services, random,
    store::{self, Condition, Key, Record, StoreError, Table, Write},
    types::{SecretToken, timestamp},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What every wrapping token begins with, by which scanners find one that leaked, and the dispatcher knows it.
pub(crate) const PREFIX: &str = "csw_";
/// The longest answer that can be wrapped. A record may have 400 KB, and base64 takes a third more.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// What the key is derived for.
const SALT: &[u8] = b"countersign wrapped answer 1";
const SORT: &str = "answer";

/// What is known of a wrapped answer without its token. Times are in Unix seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Wrapped {
    /// A public handle by which it can be revoked.
    accessor: String,
    created_at: u64,
    ttl_secs: u64,
    creation_path: String,
    /// The handle of the token that the answer gives, if it gives one.
    #[serde(default)]
    wrapped_accessor: Option<String>,
    /// Nonce and ciphertext, in base64.
    sealed: String,
}

/// Leads from an accessor to a wrapped answer.
#[derive(Deserialize, Serialize)]
struct Pointer {
    hash: String,
}

/// What the caller gets instead of the answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WrapInfo {
    token: String,
    accessor: String,
    ttl: u64,
    creation_time: String,
    creation_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_accessor: Option<String>,
}

/// When and where an answer was wrapped.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    creation_path: String,
    creation_time: String,
    creation_ttl: u64,
}

fn key(hash: &str) -> Key {
    Key::new(Table::Access, format!("wrapped/{hash}"), SORT)
}

fn accessor_key(accessor: &str) -> Key {
    Key::new(Table::Access, format!("wrapping-accessor/{accessor}"), "accessor")
}

/// Whether `token` looks like a wrapping token.
pub(crate) fn is_wrapping_token(token: &SecretToken) -> bool {
    token.reveal().starts_with(PREFIX)
}

/// Stores `answer` for `ttl_secs`, and gives the token for it. One write.
pub(crate) async fn wrap(
    services: &Services,
    answer: &Answer,
    creation_path: &str,
    ttl_secs: u64,
) -> Result<WrapInfo, Failure> {
    let plain = Zeroizing::new(serde_json::to_vec(answer).map_err(Failure::internal)?);
    let wrapped_accessor = answer.accessor().map(str::to_owned);
    let (info, writes) = store_of(services, &plain, creation_path, ttl_secs, wrapped_accessor)?;
    services
        .store
        .write(&writes)
        .await
        .map_err(countersign::Error::from)?;
    Ok(info)
}

fn store_of(
    services: &Services,
    plain: &[u8],
    creation_path: &str,
    ttl_secs: u64,
    wrapped_accessor: Option<String>,
) -> Result<(WrapInfo, Vec<Write>), Failure> {
    if plain.len() > MAX_ANSWER_BYTES {
        return Err(Failure::user(format!(
            "an answer of {} bytes cannot be wrapped, only up to {MAX_ANSWER_BYTES}",
            plain.len()
        )));
    }
    let token = SecretToken::draw(PREFIX, &*services.random)?;
    let hash = token.hash();
    let now = services.clock.now();
    let wrapped = Wrapped {
        accessor: format!("{:032x}", u128::from_be_bytes(random::bytes(&*services.random)?)),
        created_at: now,
        ttl_secs,
        creation_path: creation_path.to_owned(),
        wrapped_accessor: wrapped_accessor.clone(),
        sealed: seal(&token, plain)?,
    };
    let end = Some(now.saturating_add(ttl_secs));
    let pointer = Record::new(accessor_key(&wrapped.accessor), &Pointer { hash: hash.clone() })?;
    let writes = vec![
        Write::Put(
            Record::new(key(&hash), &wrapped)?.expiring(end),
            Condition::Absent,
        ),
        Write::Put(pointer.expiring(end), Condition::Absent),
    ];
    let info = WrapInfo {
        token: token.reveal().to_owned(),
        accessor: wrapped.accessor,
        ttl: ttl_secs,
        creation_time: timestamp::render(now),
        creation_path: wrapped.creation_path,
        wrapped_accessor,
    };
    Ok((info, writes))
}

/// The answer that `token` stands for, which is gone with that. One read and one conditional delete.
///
/// # Errors
/// 400 where there is none, or none any more.
pub(crate) async fn unwrap(services: &Services, token: &SecretToken) -> Result<Answer, Failure> {
    let wrapped = find(services, token).await?;
    let plain = open(token, &wrapped.sealed)?;
    let answer = serde_json::from_slice(&plain).map_err(Failure::internal)?;
    take(services, &[Write::Delete(key(&token.hash()), Condition::Present)]).await?;
    Ok(answer)
}

/// A new token for the same answer and as long a time, in place of `token`. One read and one write.
///
/// # Errors
/// As [`unwrap`].
pub(crate) async fn rewrap(services: &Services, token: &SecretToken) -> Result<WrapInfo, Failure> {
    let wrapped = find(services, token).await?;
    let plain = open(token, &wrapped.sealed)?;
    let (info, mut writes) = store_of(
        services,
        &plain,
        &wrapped.creation_path,
        wrapped.ttl_secs,
        wrapped.wrapped_accessor,
    )?;
    writes.insert(0, Write::Delete(key(&token.hash()), Condition::Present));
    take(services, &writes).await?;
    Ok(info)
}

/// When and where the answer that `token` stands for was wrapped. One read.
///
/// # Errors
/// As [`unwrap`].
pub(crate) async fn lookup(services: &Services, token: &SecretToken) -> Result<Origin, Failure> {
    let wrapped = find(services, token).await?;
    Ok(Origin {
        creation_path: wrapped.creation_path,
        creation_time: timestamp::render(wrapped.created_at),
        creation_ttl: wrapped.ttl_secs,
    })
}

/// Ends the wrapping token with this accessor; says whether there was one. One read and one write.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn revoke(services: &Services, accessor: &str) -> Result<bool, Failure> {
    let pointer = accessor_key(accessor);
    let record = store::read_one(&*services.store, &pointer).await;
    let Some(record) = record.map_err(countersign::Error::from)? else {
        return Ok(false);
    };
    let writes = [
        Write::Delete(key(&record.value::<Pointer>()?.hash), Condition::Always),
        Write::Delete(pointer, Condition::Always),
    ];
    services
        .store
        .write(&writes)
        .await
        .map_err(countersign::Error::from)?;
    Ok(true)
}

/// Makes `writes`, the first of which takes an answer away.
async fn take(services: &Services, writes: &[Write]) -> Result<(), Failure> {
    match services.store.write(writes).await {
        Ok(()) => Ok(()),
        Err(StoreError::ConditionFailed(0)) => Err(invalid()),
        Err(error) => Err(countersign::Error::from(error).into()),
    }
}

async fn find(services: &Services, token: &SecretToken) -> Result<Wrapped, Failure> {
    if !is_wrapping_token(token) {
        return Err(invalid());
    }
    let record = store::read_one(&*services.store, &key(&token.hash())).await;
    let record = record.map_err(countersign::Error::from)?.ok_or_else(invalid)?;
    if record.expires_at.is_some_and(|end| end <= services.clock.now()) {
        return Err(invalid());
    }
    Ok(record.value()?)
}

/// What is said of a wrapping token that is unknown, used, over or revoked: which, nobody is told.
pub(crate) fn invalid() -> Failure {
    Failure::user("wrapping token is not valid or does not exist")
}

/// The key that `token` opens its answer with. The token has 256 random bits, so no slow derivation is needed.
fn key_of(token: &SecretToken) -> Result<RandomizedNonceKey, Failure> {
    let failed = |_| Failure::internal("a key could not be derived");
    let mut bytes = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, SALT)
        .extract(token.reveal().as_bytes())
        .expand(&[b"aes-256-gcm"], HKDF_SHA256)
        .and_then(|key| key.fill(&mut *bytes))
        .map_err(failed)?;
    RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(failed)
}

fn seal(token: &SecretToken, plain: &[u8]) -> Result<String, Failure> {
    // Sealed in place, with room for the tag, so that no copy stays behind.
    let mut sealed = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(plain);
    let nonce = key_of(token)?
        .seal_in_place_append_tag(Aad::from(token.hash()), &mut sealed)
        .map_err(|_| Failure::internal("an answer could not be sealed"))?;
    Ok(STANDARD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
}

fn open(token: &SecretToken, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let broken = || Failure::internal("a wrapped answer cannot be opened");
    let bytes = STANDARD.decode(sealed).map_err(|_| broken())?;
    let (nonce, sealed) = bytes.split_first_chunk().ok_or_else(broken)?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key_of(token)?
        .open_in_place(nonce, Aad::from(token.hash()), &mut plain)
        .map_err(|_| broken())?
        .len();
    plain.truncate(length);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_token_opens_an_answer() {
        let token = SecretToken::new("csw_a");
        let sealed = seal(&token, b"the answer").unwrap();
        assert_eq!(*open(&token, &sealed).unwrap(), b"the answer");
        assert!(open(&SecretToken::new("csw_b"), &sealed).is_err());
        assert!(open(&token, "AAAA").is_err());
        assert!(open(&token, &STANDARD.encode([0; 40])).is_err());
        assert_ne!(seal(&token, b"the answer").unwrap(), sealed);
    }
}
