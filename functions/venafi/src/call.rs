//! One request as its handler sees it.

use crate::{
    auth::Credential,
    body,
    error::Failure,
    guid::Guid,
    hints::Hints,
    routes::Route,
    session::{OAUTH_PATH, Session},
};
use axum::response::{IntoResponse, Response};
use countersign::{
    Error, Services,
    access::{Caller, authenticate},
    acl::Capability,
    issue::Origin,
    store::{Key, Record},
};
use http::{HeaderMap, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

/// One request.
pub(crate) struct Call {
    pub(crate) services: Services,
    pub(crate) hints: Arc<Hints>,
    pub(crate) route: &'static Route,
    pub(crate) headers: HeaderMap,
    /// The query string.
    pub(crate) query: String,
    pub(crate) request_id: String,
    pub(crate) source_ip: Option<IpAddr>,
    /// The members of the body under their documented names.
    pub(crate) members: Result<Map<String, Value>, body::BodyError>,
    /// Whoever calls from the command line, past all tokens.
    pub(crate) operator: Option<Caller>,
    pub(crate) who: Arc<OnceLock<Caller>>,
}

/// What a handler answers.
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) is_logged: bool,
}

impl Reply {
    /// `body` with 200.
    pub(crate) fn json(body: &impl Serialize) -> Result<Self, Failure> {
        let text = serde_json::to_string(body).map_err(Error::internal)?;
        let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
        Ok(Self {
            response: (kind, text).into_response(),
            is_logged: false,
        })
    }

    /// A text with 200.
    pub(crate) fn text(text: String) -> Self {
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        Self {
            response: (kind, text).into_response(),
            is_logged: false,
        }
    }

    /// A status without a body. It says that it would be a text: without that a gateway would call it JSON, which one
    /// of the clients then reads in vain.
    pub(crate) fn empty(status: StatusCode) -> Self {
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        Self {
            response: (status, kind).into_response(),
            is_logged: false,
        }
    }

    /// The same reply, which the log of decisions has already.
    #[must_use]
    pub(crate) fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }
}

/// A caller whom the route takes, and the session of its token.
pub(crate) struct Authorised<'c> {
    pub(crate) caller: &'c Caller,
    pub(crate) session: Option<Session>,
    pub(crate) records: Vec<Option<Record>>,
}

impl Call {
    /// The body as a `T`.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, body::BodyError> {
        body::read(self.members.as_ref().map_err(Clone::clone)?)
    }

    /// Who calls, and the records at `also`, in one round trip: anybody with a good token.
    pub(crate) async fn authenticate(&self, also: &[Key]) -> Result<Authorised<'_>, Failure> {
        if let Some(operator) = &self.operator {
            let records = match also {
                [] => Vec::new(),
                keys => self.services.store.read(keys).await?,
            };
            return Ok(Authorised {
                caller: self.who.get_or_init(|| operator.clone()),
                session: None,
                records,
            });
        }
        let credential = Credential::from_headers(&self.headers)?;
        let token = credential.token();
        let keys: Vec<Key> = [Session::key(&token.hash())]
            .into_iter()
            .chain(also.iter().cloned())
            .collect();
        let (caller, mut records) = authenticate(&self.services, token, self.source_ip, &keys).await?;
        let session = records.remove(0).map(|record| record.value()).transpose()?;
        Ok(Authorised {
            caller: self.who.get_or_init(|| caller),
            session,
            records,
        })
    }

    /// The same, for a caller whose token is for SSH and whose policies allow this request.
    pub(crate) async fn authorise(&self, also: &[Key]) -> Result<Authorised<'_>, Failure> {
        let authorised = self.authenticate(also).await?;
        let is_scoped = authorised.caller.token().path == OAUTH_PATH;
        match &authorised.session {
            Some(session) if session.has_ssh() => {}
            None if !is_scoped => {}
            Some(_) | None => return Err(Failure::scope()),
        }
        let capabilities: &[Capability] = if self.route.method == "get" {
            &[Capability::Read]
        } else {
            &[Capability::Create, Capability::Update]
        };
        let path = self.route.path.trim_start_matches('/');
        if self.may(authorised.caller, path, capabilities) {
            Ok(authorised)
        } else {
            Err(Failure::rights("this route"))
        }
    }

    /// Whether the policies of `caller` allow this request, with its parameters, on `path` with one of `capabilities`.
    pub(crate) fn may(&self, caller: &Caller, path: &str, capabilities: &[Capability]) -> bool {
        let none = Map::new();
        let parameters = self.members.as_ref().unwrap_or(&none);
        capabilities
            .iter()
            .any(|capability| caller.require_with(path, *capability, parameters, None).is_ok())
    }

    /// Who asks, for the record and the log.
    pub(crate) fn origin(&self, caller: &Caller, role: &str) -> Origin {
        Origin {
            family: "venafi",
            role: role.to_owned(),
            accessor: caller.accessor().to_owned(),
            display_name: caller.display_name().to_owned(),
            source_ip: self.source_ip,
            request_id: self.request_id.clone(),
        }
    }
}

/// The id by which this API knows a caller: that of the identity, or one made of the handle of the token.
pub(crate) fn universal(caller: &Caller) -> Guid {
    let token = caller.token();
    Guid::parse(&token.identity_id).unwrap_or_else(|| Guid::of_hex(caller.accessor()))
}
