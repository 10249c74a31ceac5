//! Tokens of this API: a JSON web token for the client, and behind it a token of the account, by which it can be
//! looked up and revoked like any other.

use crate::{App, error::Problem, jwt::JwtKey, model::ActorKind, records::Stored, wire};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    Error, Services,
    access::{self, Identity, NewToken, Token},
    store::{Key, Table},
};
use serde::{Deserialize, Serialize};

/// How long a token lives, and can be kept alive, where nobody said otherwise: 30 days, as in the original.
pub(crate) const DEFAULT_TTL_SECS: u64 = 2_592_000;
/// The length of the secret that signs all tokens, and what it is sealed for.
const SECRET_BYTES: usize = 32;
const SECRET_CONTEXT: &str = "infisical/jwt";

/// What a token says, in the original's words as far as its clients may look.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "authTokenType")]
enum Subject {
    #[serde(rename = "accessToken", rename_all = "camelCase")]
    User {
        user_id: String,
        /// The hash of the account's token behind it.
        token_version_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<String>,
    },
    #[serde(rename = "identityAccessToken", rename_all = "camelCase")]
    Identity {
        identity_id: String,
        /// The hash of the account's token behind it.
        identity_access_token_id: String,
    },
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    #[serde(flatten)]
    subject: Subject,
    iat: u64,
    /// The end, in Unix seconds.
    pub(crate) exp: u64,
}

impl Claims {
    /// Whose it is.
    pub(crate) fn actor(&self) -> (ActorKind, &str) {
        match &self.subject {
            Subject::Identity { identity_id, .. } => (ActorKind::Identity, identity_id),
            Subject::User { user_id, .. } => (ActorKind::User, user_id),
        }
    }

    /// The hash of the account's token behind it.
    pub(crate) fn session(&self) -> &str {
        match &self.subject {
            Subject::Identity {
                identity_access_token_id,
                ..
            } => identity_access_token_id,
            Subject::User { token_version_id, .. } => token_version_id,
        }
    }

    /// Whether it may do more than choose an organization.
    pub(crate) fn has_organization(&self) -> bool {
        match &self.subject {
            Subject::Identity { .. } => true,
            Subject::User { organization_id, .. } => organization_id.is_some(),
        }
    }
}

/// The answer where the token behind a good JSON web token is revoked, or its owner gone.
pub(crate) fn gone(kind: ActorKind) -> Problem {
    match kind {
        ActorKind::Identity => Problem::unauthorized("No identity access token found"),
        ActorKind::User => Problem::not_found("Session not found"),
    }
}

/// A token for a person who has shown who they are. It is good for choosing an organization.
pub(crate) async fn for_user(app: &App, identity: &Identity, path: &str) -> Result<String, Problem> {
    let new = NewToken {
        // What it may do is decided by the roles of its owner in each project.
        no_default_policy: true,
        display_name: identity.name.clone(),
        ttl: DEFAULT_TTL_SECS,
        max_ttl: DEFAULT_TTL_SECS,
        path: path.to_owned(),
        identity_id: identity.id.clone(),
        ..NewToken::default()
    };
    let token = access::grant(&app.services, new).await?.token;
    with_organization(app, &identity.id, &token, None).await
}

/// The token of the same person and session, for an organization.
pub(crate) async fn with_organization(
    app: &App,
    user_id: &str,
    token: &Token,
    organization_id: Option<String>,
) -> Result<String, Problem> {
    let subject = Subject::User {
        user_id: user_id.to_owned(),
        token_version_id: token.hash.clone(),
        organization_id,
    };
    sign(app, subject, token).await
}

/// The token of a machine identity, for the account's token that it logged in for.
pub(crate) async fn for_identity(
    app: &App,
    identity_id: &str,
    token: &Token,
) -> Result<wire::IdentityToken, Problem> {
    let subject = Subject::Identity {
        identity_id: identity_id.to_owned(),
        identity_access_token_id: token.hash.clone(),
    };
    Ok(wire::IdentityToken {
        access_token: sign(app, subject, token).await?,
        expires_in: token.ttl(app.services.clock.now()),
        access_token_max_ttl: token.max_ttl,
        token_type: "Bearer".into(),
    })
}

/// The account's token behind `claims` for a change of it, if it and its owner are there still.
pub(crate) async fn live(services: &Services, claims: &Claims) -> Result<access::Stored, Problem> {
    let (kind, id) = claims.actor();
    let keys = [Token::key(claims.session()), Identity::key(id)];
    let records = services.store.read(&keys).await?;
    let [Some(token), Some(_)] = records.as_slice() else {
        return Err(gone(kind));
    };
    let accessor = token.value::<Token>()?.accessor;
    let stored = access::lookup_accessor(services, &accessor).await?;
    stored.ok_or_else(|| gone(kind))
}

/// The JSON web token that stands for `token` and ends with it.
async fn sign(app: &App, subject: Subject, token: &Token) -> Result<String, Problem> {
    let claims = Claims {
        subject,
        iat: app.services.clock.now(),
        exp: token.expires_at.unwrap_or(u64::MAX),
    };
    let key = app.jwt_key().await?;
    Ok(key.sign(&claims).map_err(Error::internal)?)
}

/// The sealed secret that signs all tokens of this API.
#[derive(Serialize, Deserialize)]
struct SealedSecret {
    sealed: String,
}

impl Stored for SealedSecret {
    fn key(&self) -> Key {
        Self::place()
    }
}

impl SealedSecret {
    fn place() -> Key {
        Key::new(Table::Access, SECRET_CONTEXT, "secret")
    }
}

/// The key of all tokens; made, if it is not there yet.
pub(crate) async fn jwt_key(services: &Services) -> Result<JwtKey, Error> {
    let sealed = match countersign::store::read_one(&*services.store, &SealedSecret::place()).await? {
        Some(record) => record.value::<SealedSecret>()?,
        None => make_secret(services).await?,
    };
    let sealed = STANDARD.decode(sealed.sealed).map_err(Error::internal)?;
    let secret = services.keyring.open(SECRET_CONTEXT, &sealed).await?;
    Ok(JwtKey::new(&secret))
}

/// Makes the secret, or finds the one that somebody else made at the same time.
async fn make_secret(services: &Services) -> Result<SealedSecret, Error> {
    let secret = countersign::random::bytes::<SECRET_BYTES>(&*services.random)?;
    let sealed = services.keyring.seal(SECRET_CONTEXT, &secret).await?;
    let made = SealedSecret {
        sealed: STANDARD.encode(sealed),
    };
    match services.store.write(&[made.create()?]).await {
        Ok(()) => Ok(made),
        Err(countersign::store::StoreError::ConditionFailed(_)) => {
            let found = countersign::store::read_one(&*services.store, &SealedSecret::place()).await?;
            found
                .ok_or_else(|| Error::internal("the secret of tokens came and went"))?
                .value()
        }
        Err(error) => Err(error.into()),
    }
}
