//! Who is calling: a user or an identity with a JSON web token, or the holder of a token of the account.

use crate::{
    error::Problem,
    jwt::JwtError,
    model::ActorKind,
    request::Call,
    session::{self, Claims},
    user::User,
};
use countersign::{
    Error,
    access::{self, Caller, Identity, Token},
    acl::Capability,
    store::Key,
    types::SecretToken,
};
use http::{HeaderMap, Method, header};

/// What stands before the token in the header; so many characters are dropped whatever they are.
const SCHEME_LENGTH: usize = "Bearer ".len();
const MALFORMED: &str = "The provided access token is malformed. Please use a valid token or generate a new one and \
                         try again.";
const BAD_SIGNATURE: &str = "invalid signature";
const EXPIRED: &str = "Your token has expired. Please re-authenticate.";

/// The token that a request brought.
pub(crate) struct Credential(SecretToken);

impl Credential {
    /// The token in `headers`, if there is one.
    ///
    /// # Errors
    /// 400 where an API key is there, which the original does not take any more.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        if headers.contains_key("x-api-key") {
            return Err(Problem::bad_request(
                "API key authentication is not supported anymore. Please switch to identity authentication.",
            ));
        }
        let value = headers.get(header::AUTHORIZATION);
        let text = value.map(|value| value.to_str().unwrap_or_default());
        Ok(text.map(|text| Self(SecretToken::new(text.get(SCHEME_LENGTH..).unwrap_or_default()))))
    }
}

/// Which callers a route takes. The holder of an account's token passes where a user or an identity does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    /// Holders of an account's token alone.
    Account,
    /// Users and identities.
    Any,
    /// The same, and users before they chose an organization.
    AnyWithoutOrganization,
    /// Users alone.
    User,
    /// Users alone, also before they chose an organization.
    UserWithoutOrganization,
}

/// Somebody that we know.
pub(crate) enum Actor {
    /// Holds a token of the account, and may do what its policies say.
    Account(Caller),
    /// A machine.
    Identity(Session),
    /// A person.
    User(Session, User),
}

/// Who a token of this API belongs to.
pub(crate) struct Session {
    /// The id of the user or the identity.
    pub(crate) id: String,
    has_organization: bool,
    /// The record of the token.
    pub(crate) token: Token,
}

impl Actor {
    /// The record of the token.
    pub(crate) fn token(&self) -> &Token {
        match self {
            Self::Account(caller) => caller.token(),
            Self::Identity(session) | Self::User(session, _) => &session.token,
        }
    }

    /// The public handle of the token.
    pub(crate) fn accessor(&self) -> &str {
        &self.token().accessor
    }

    /// The caller's name, for people.
    pub(crate) fn display_name(&self) -> &str {
        &self.token().display_name
    }

    /// `user-<id>` or `identity-<id>`: the key id of what is signed for this caller. The holder of an account's token
    /// goes by the public handle of the token.
    pub(crate) fn key_id(&self) -> String {
        match self {
            Self::Account(caller) => format!("token-{}", caller.accessor()),
            Self::Identity(session) => format!("identity-{}", session.id),
            Self::User(session, _) => format!("user-{}", session.id),
        }
    }

    /// Kind and id, by which somebody is a member of a project.
    pub(crate) fn member(&self) -> Option<(ActorKind, &str)> {
        match self {
            Self::Account(_) => None,
            Self::Identity(session) => Some((ActorKind::Identity, &session.id)),
            Self::User(session, _) => Some((ActorKind::User, &session.id)),
        }
    }

    /// The slugs of the groups that the caller is in.
    pub(crate) fn groups(&self) -> &[String] {
        match self {
            Self::Account(_) | Self::Identity(_) => &[],
            Self::User(_, user) => &user.groups,
        }
    }
}

impl Call {
    /// Who calls, if it is somebody whom the route takes. `also` names the records to be read in the same round trip.
    ///
    /// # Errors
    /// 401 without a token, 403 with a bad one or one of another kind.
    pub(crate) async fn actor(
        &mut self,
        kinds: Kinds,
        also: impl FnOnce(Option<&Claims>) -> Vec<Key>,
    ) -> Result<Actor, Problem> {
        let actor = match (self.operator.take(), self.credential()?) {
            (Some(operator), _) => Actor::Account(operator),
            (None, Some(credential)) => self.identify(&credential, also).await?,
            (None, None) => return Err(Problem::unauthorized("Token missing")),
        };
        self.note_caller(actor.accessor(), actor.display_name());
        match (&actor, kinds) {
            (Actor::Account(caller), Kinds::Account | Kinds::Any | Kinds::AnyWithoutOrganization) => {
                self.check_policies(caller)?;
            }
            (Actor::Identity(_), Kinds::Any | Kinds::AnyWithoutOrganization)
            | (Actor::User(..), Kinds::AnyWithoutOrganization | Kinds::UserWithoutOrganization) => {}
            (Actor::User(session, _), Kinds::Any | Kinds::User) if session.has_organization => {}
            (Actor::User(..), Kinds::Any | Kinds::User) => {
                return Err(Problem::no_organization(self.target()));
            }
            _ => return Err(Problem::wrong_kind(self.target())),
        }
        Ok(actor)
    }

    /// Refuses a bad token on a route that needs none.
    ///
    /// # Errors
    /// As [`actor`](Self::actor), except where there is no token.
    pub(crate) async fn judge_token(&mut self, also: &[Key]) -> Result<(), Problem> {
        match self.credential()? {
            Some(credential) => self.identify(&credential, |_| also.to_vec()).await.map(drop),
            None => Ok(()),
        }
    }

    async fn identify(
        &mut self,
        credential: &Credential,
        also: impl FnOnce(Option<&Claims>) -> Vec<Key>,
    ) -> Result<Actor, Problem> {
        let token = &credential.0;
        if token.reveal().starts_with("st.") {
            // A service token: no route here takes one.
            return Err(Problem::wrong_kind(self.target()));
        }
        match self.verify(token).await? {
            Some(claims) => self.session(&claims, also(Some(&claims))).await,
            None => self.account(token, &also(None)).await,
        }
    }

    /// What a token of this API says; `None` where it is none.
    async fn verify(&self, token: &SecretToken) -> Result<Option<Claims>, Problem> {
        // The texts of other tokens have no points: the key is not asked for because of them.
        if token.reveal().split('.').count() != 3 {
            return Ok(None);
        }
        match self.app.jwt_key().await?.verify::<Claims>(token.reveal()) {
            Ok(claims) if claims.exp <= self.services().clock.now() => Err(Problem::token(EXPIRED)),
            Ok(claims) => Ok(Some(claims)),
            Err(JwtError::Malformed) => Ok(None),
            Err(JwtError::Signature) => Err(Problem::token(BAD_SIGNATURE)),
        }
    }

    /// What a token that stands in the body says, whether it has ended or not.
    ///
    /// # Errors
    /// 403 where it is none of this API's.
    pub(crate) async fn claims(&self, token: &str) -> Result<Claims, Problem> {
        let key = self.app.jwt_key().await?;
        key.verify(token).map_err(|error| match error {
            JwtError::Malformed => Problem::token(MALFORMED),
            JwtError::Signature => Problem::token(BAD_SIGNATURE),
        })
    }

    async fn session(&mut self, claims: &Claims, also: Vec<Key>) -> Result<Actor, Problem> {
        let (kind, id) = claims.actor();
        let (token_key, who_key) = (Token::key(claims.session()), Identity::key(id));
        let keys = [token_key.clone(), who_key.clone()];
        self.records.load(keys.into_iter().chain(also)).await?;
        let gone = || session::gone(kind);
        let token: Token = self.records.known_record(&token_key).ok_or_else(gone)?.value()?;
        let who: Identity = self.records.known_record(&who_key).ok_or_else(gone)?.value()?;
        if !access::is_alive(self.services(), &token).await? {
            return Err(gone());
        }
        let session = Session {
            id: id.to_owned(),
            has_organization: claims.has_organization(),
            token,
        };
        match kind {
            ActorKind::Identity => Ok(Actor::Identity(session)),
            ActorKind::User => Ok(Actor::User(session, User::of(&who)?.ok_or_else(gone)?)),
        }
    }

    async fn account(&mut self, token: &SecretToken, also: &[Key]) -> Result<Actor, Problem> {
        let found = access::authenticate(self.services(), token, self.source_ip(), also).await;
        let (caller, records) = found.map_err(|error| match error {
            Error::Unauthenticated => Problem::token(MALFORMED),
            error => error.into(),
        })?;
        self.records.add(also, records);
        Ok(Actor::Account(caller))
    }

    fn check_policies(&self, caller: &Caller) -> Result<(), Problem> {
        let path = self.policy_path();
        let capabilities = capabilities(self.method());
        if capabilities
            .iter()
            .any(|capability| caller.allows(path, *capability))
        {
            Ok(())
        } else {
            Err(Error::PermissionDenied.into())
        }
    }
}

/// Any of these on the path of the request is enough. What is created and what is changed by a POST is not told apart,
/// since policies of the account do not either.
fn capabilities(method: &Method) -> &'static [Capability] {
    match *method {
        Method::DELETE => &[Capability::Delete],
        Method::GET | Method::HEAD => &[Capability::Read],
        Method::PATCH => &[Capability::Patch, Capability::Update],
        Method::POST => &[Capability::Create, Capability::Update],
        // The table has no others: nobody has a right to them.
        _ => &[],
    }
}
