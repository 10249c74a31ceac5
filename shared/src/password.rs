//! Passwords, kept as Argon2id hashes.

use crate::{error::Error, random::Random};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

/// The parameters are the library's default, which is OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
/// That is slow enough for a guesser and fits the smallest function.
fn hasher() -> Argon2<'static> {
    Argon2::default()
}

/// The hash of `password`, in the PHC string format. Slow on purpose, so it happens on a thread of its own.
///
/// # Errors
/// As [`Random::fill`].
pub async fn hash(password: &str, random: &dyn Random) -> Result<String, Error> {
    let salt: [u8; 16] = crate::random::bytes(random)?;
    let password = password.to_owned();
    on_a_thread(move || {
        let hash = hasher().hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string())
            .map_err(|error| error.to_string())
    })
    .await?
    .map_err(Error::internal)
}

/// Whether `password` has this hash. Without one, as much time passes, and it has not.
///
/// # Errors
/// As [`Random::fill`]; `Internal` where `hash` is none.
pub async fn has_hash(password: &str, hash: Option<&str>, random: &dyn Random) -> Result<bool, Error> {
    let Some(known) = hash.map(str::to_owned) else {
        self::hash(password, random).await?;
        return Ok(false);
    };
    let password = password.to_owned();
    on_a_thread(move || {
        let known = PasswordHash::new(&known).map_err(|error| error.to_string())?;
        Ok::<_, String>(hasher().verify_password(password.as_bytes(), &known).is_ok())
    })
    .await?
    .map_err(Error::internal)
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandomSource;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let random = SystemRandomSource::default();
        let known = hash("correct horse", &random).await.unwrap();
        assert!(known.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{known}");
        assert!(has_hash("correct horse", Some(&known), &random).await.unwrap());
        assert!(!has_hash("wrong horse", Some(&known), &random).await.unwrap());
        assert!(!has_hash("correct horse", None, &random).await.unwrap());
        assert_ne!(known, hash("correct horse", &random).await.unwrap());
    }
}
