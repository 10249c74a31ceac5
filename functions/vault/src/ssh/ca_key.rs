//! Where a mount's CA key comes from.

use super::key_words;
use crate::{
    api::{Call, Field, Fields, flag, int, text},
    error::Failure,
};
use countersign::{
    acl::Capability,
    authority::{Authority, AuthorityId, AuthorityState, Custody, KeySpec},
    authority_use::AuthorityUse,
    signer::{SignerError, private_key::parse_private_key},
    ssh::PublicKey,
    store::{Record, Write},
};

/// The longest public line of an import, which is kept as it was given: those of all issuers lie in one record.
const MAX_PUBLIC_KEY_BYTES: usize = 8 * 1024;

/// The fields that say where a CA key comes from.
pub(crate) const SOURCE_FIELDS: &[Field] = &[
    text("private_key"),
    text("public_key"),
    flag("generate_signing_key"),
    text("key_type"),
    int("key_bits"),
    text("managed_key_name"),
    text("managed_key_id"),
];

/// What a caller asks for.
pub(crate) enum Source {
    /// A new key.
    Generate(KeySpec),
    /// A key pair from outside.
    Import { private_key: String, public_key: String },
    /// A key that is there already: an authority of the account, or a key in KMS.
    Managed(String),
}

impl Source {
    /// Reads the fields. Whether `generate_signing_key` was sent matters, not only its value.
    pub(crate) fn parse(fields: &Fields) -> Result<Self, Failure> {
        let managed = ["managed_key_id", "managed_key_name"].map(|name| fields.text(name));
        if let Some(name) = managed.into_iter().find(|name| !name.is_empty()) {
            return Ok(Self::Managed(name.to_owned()));
        }
        let (public_key, private_key) = (fields.text("public_key"), fields.text("private_key"));
        match (fields.bool("generate_signing_key"), public_key, private_key) {
            (None | Some(true), "", "") => Self::generate(fields),
            (Some(true), ..) => Err(Failure::user(
                "public_key and private_key must not be set when generate_signing_key is set to true",
            )),
            (None, "", _) | (None, _, "") => Err(Failure::user(
                "only one of public_key and private_key set; both must be set to use, or both must be blank to \
                 auto-generate",
            )),
            (Some(false), "", _) => Err(Failure::user("missing public_key")),
            (Some(false), _, "") => Err(Failure::user("missing private_key")),
            (None | Some(false), ..) => Ok(Self::Import {
                private_key: private_key.to_owned(),
                public_key: public_key.to_owned(),
            }),
        }
    }

    fn generate(fields: &Fields) -> Result<Self, Failure> {
        let key_type = if fields.was_sent("key_type") {
            fields.text("key_type")
        } else {
            "ssh-rsa"
        };
        let key_bits = fields.int("key_bits").unwrap_or_default();
        key_words::key_spec(key_type, key_bits)
            .map(Self::Generate)
            .map_err(|text| Failure::server(&text))
    }

    /// Makes, imports or finds the key.
    pub(crate) async fn obtain(self, call: &Call) -> Result<CaKey, Failure> {
        match self {
            Self::Generate(spec) => generate(call, spec).await,
            Self::Import {
                private_key,
                public_key,
            } => import(call, &private_key, public_key).await,
            Self::Managed(name) => match AuthorityId::parse(&name) {
                Ok(id) => shared(call, &id).await,
                Err(_) => bind(call, &name).await,
            },
        }
    }
}

/// A CA key that a mount is going to have.
pub(crate) struct CaKey {
    pub(crate) authority: Authority,
    /// The public line as the mount shows it.
    pub(crate) public_key: String,
    /// The record of an authority that was there before.
    existing: Option<Record>,
}

impl CaKey {
    fn own(call: &Call, id: AuthorityId, key: &PublicKey, custody: Custody) -> Result<Self, Failure> {
        let authority = Authority {
            id,
            public_key: key.to_line(),
            custody,
            state: AuthorityState::Active,
            created_at: call.services.clock.now(),
            description: format!("CA of the Vault mount {}/", call.mount()?.path),
            metadata: String::new(),
        };
        Ok(Self {
            authority,
            public_key: format!("{}\n", key.to_line()),
            existing: None,
        })
    }

    fn existing(authority: Authority, record: Record) -> Result<Self, Failure> {
        if authority.state == AuthorityState::Retired {
            return Err(Failure::user(format!("authority {} is retired", authority.id)));
        }
        let public_key = format!("{}\n", authority.public_key);
        Ok(Self {
            authority,
            public_key,
            existing: Some(record),
        })
    }

    /// Whether it ends with the mount's use of it.
    pub(crate) fn is_own(&self) -> bool {
        self.existing.is_none()
    }

    /// What is written of it, and of its use, beside the mount's own record.
    pub(crate) fn writes(&self, usage: &AuthorityUse) -> Result<[Write; 2], Failure> {
        Ok(match &self.existing {
            Some(record) => usage.of_existing(&self.authority, record)?,
            None => usage.of_new(&self.authority)?,
        })
    }

    /// An authority that was there before, as it is now.
    pub(crate) async fn read_again(&mut self, call: &Call) -> Result<(), Failure> {
        if self.existing.is_some() {
            let (authority, record) = read(call, &self.authority.id).await?;
            *self = Self::existing(authority, record)?;
        }
        Ok(())
    }

    /// Ends a key that was made for nothing.
    pub(crate) async fn discard(&self, call: &Call) {
        if self.is_own()
            && let Err(error) = call.services.keyring.retire(&self.authority).await
        {
            tracing::warn!(authority = %self.authority.id, "an unused CA key stays: {error}");
        }
    }
}

async fn generate(call: &Call, spec: KeySpec) -> Result<CaKey, Failure> {
    let id = AuthorityId::draw(call.services.clock.now(), &*call.services.random)?;
    let made = call
        .services
        .keyring
        .create(&id, spec)
        .await
        .map_err(countersign::Error::from)?;
    CaKey::own(call, id, &made.0, made.1)
}

async fn import(call: &Call, private_key: &str, public_key: String) -> Result<CaKey, Failure> {
    let unusable = |reason: String| {
        Failure::user(format!(
            "Unable to parse private_key as an SSH private key: {reason}"
        ))
    };
    if public_key.len() > MAX_PUBLIC_KEY_BYTES {
        return Err(Failure::user(format!(
            "Unable to parse public_key as an SSH public key: longer than {MAX_PUBLIC_KEY_BYTES} bytes"
        )));
    }
    let private_key = parse_private_key(private_key).map_err(|error| unusable(error.to_string()))?;
    let public = PublicKey::from_line(&public_key).map_err(|error| {
        Failure::user(format!(
            "Unable to parse public_key as an SSH public key: {error}"
        ))
    })?;
    let id = AuthorityId::draw(call.services.clock.now(), &*call.services.random)?;
    let (key, custody) =
        call.services
            .keyring
            .import(&id, &private_key)
            .await
            .map_err(|error| match error {
                SignerError::CannotSign(reason) => unusable(reason),
                error => countersign::Error::from(error).into(),
            })?;
    if key != public {
        return Err(Failure::user("public_key is not the public half of private_key"));
    }
    Ok(CaKey {
        public_key,
        ..CaKey::own(call, id, &key, custody)?
    })
}

/// An authority of the account, for whoever may use it: the mount's path alone does not say so.
async fn shared(call: &Call, id: &AuthorityId) -> Result<CaKey, Failure> {
    check_may_use(call, id)?;
    let (authority, record) = read(call, id).await?;
    CaKey::existing(authority, record)
}

async fn read(call: &Call, id: &AuthorityId) -> Result<(Authority, Record), Failure> {
    let found = Authority::read(&*call.services.store, id).await?;
    found.ok_or_else(|| Failure::user(format!("no authority {id}")))
}

fn check_may_use(call: &Call, id: &AuthorityId) -> Result<(), Failure> {
    let path = format!("ssh_certificate_authorities/{id}");
    if call.caller()?.allows(&path, Capability::Update) {
        Ok(())
    } else {
        Err(Failure::denied())
    }
}

/// A key in KMS. Where the account has an authority in service with this key, it is that one, for whoever may use it:
/// the same key under another name is no way around that. Authorities are told apart by their public keys, since a key
/// in KMS has several names. One that is retired does not keep its key from a new authority, unless the key was made
/// for it.
async fn bind(call: &Call, name: &str) -> Result<CaKey, Failure> {
    let (key, custody) = call
        .services
        .keyring
        .bind(name)
        .await
        .map_err(|error| match error {
            SignerError::CannotSign(reason) => Failure::user(reason),
            error => countersign::Error::from(error).into(),
        })?;
    let line = key.to_line();
    let known = Authority::list(&*call.services.store).await?;
    let same_key = known.into_iter().filter(|(known, _)| known.public_key == line);
    let in_the_way = |known: &Authority| {
        known.state == AuthorityState::Active || !matches!(known.custody, Custody::Kms { managed: false, .. })
    };
    if let Some((authority, record)) = same_key
        .filter(|(known, _)| in_the_way(known))
        .min_by_key(|(known, _)| known.state == AuthorityState::Retired)
    {
        check_may_use(call, &authority.id)?;
        return CaKey::existing(authority, record);
    }
    let id = AuthorityId::draw(call.services.clock.now(), &*call.services.random)?;
    CaKey::own(call, id, &key, custody)
}
