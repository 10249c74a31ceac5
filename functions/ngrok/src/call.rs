//! One request as its handler sees it: checked as far as can be done without the store.

use crate::{auth::Credential, error::Failure, resource::Resource};
use countersign::{
    Error, Services,
    access::{Caller, authenticate},
    acl::Capability,
    issue::Origin,
    store::{Key, Record},
};
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

/// How many characters of the reason why a body is refused are told.
const MAX_REASON: usize = 200;

/// One request, checked as far as can be done without the store.
pub(crate) struct Call {
    pub(crate) services: Services,
    pub(crate) resource: Resource,
    /// What follows the resource's name in the path; empty for the collection.
    pub(crate) id: String,
    /// The query string.
    pub(crate) query: Option<String>,
    /// The origin that the client used: scheme and authority.
    pub(crate) base: String,
    pub(crate) operation_id: String,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) credential: Credential,
    pub(crate) body: Vec<u8>,
    /// The members of the body that say something, for policies.
    pub(crate) parameters: Map<String, Value>,
    pub(crate) who: Arc<OnceLock<Caller>>,
}

/// What a handler answers.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
    pub(crate) is_logged: bool,
}

impl Reply {
    /// `body` with `status`.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_value(body)
            .map_err(|error| Failure::of(Error::internal(error), Resource::Authority))?;
        Ok(Self {
            status,
            body: Some(body),
            is_logged: false,
        })
    }

    /// 204.
    pub(crate) fn deleted() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
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

impl Call {
    /// Who calls, and the records at `also`, in one round trip; refused unless the caller has `capability` on the path
    /// of the request.
    pub(crate) async fn authorise(
        &self,
        capability: Capability,
        also: &[Key],
    ) -> Result<(&Caller, Vec<Option<Record>>), Failure> {
        let found = authenticate(&self.services, self.credential.token(), self.source_ip, also).await;
        let (caller, records) = match found {
            Ok(found) => found,
            Err(Error::Unauthenticated) => return Err(self.credential.unknown()),
            Err(error) => return Err(self.failure(error)),
        };
        let caller = self.who.get_or_init(|| caller);
        self.require(caller, &self.path(capability), capability)?;
        Ok((caller, records))
    }

    /// Refuses a caller whose policies do not allow this request, with its parameters, on `path`.
    pub(crate) fn require(&self, caller: &Caller, path: &str, capability: Capability) -> Result<(), Failure> {
        caller
            .require_with(path, capability, &self.parameters, None)
            .map_err(|error| self.failure(error))
    }

    /// The path that policies speak of. For a list it ends with a slash, as in Vault's own requests.
    fn path(&self, capability: Capability) -> String {
        let name = self.resource.name();
        match (self.id.as_str(), capability) {
            ("", Capability::List) => format!("{name}/"),
            ("", _) => name.to_owned(),
            (id, _) => format!("{name}/{id}"),
        }
    }

    /// The body as a `T`: one JSON object, in which every member is known.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        object(&self.body)
    }

    /// What the core said, about this call's resource.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        Failure::of(error, self.resource)
    }

    /// The absolute URI of the resource with `id`.
    pub(crate) fn uri(&self, id: &str) -> String {
        format!("{}/{id}", self.list_uri())
    }

    /// The absolute URI of the collection.
    pub(crate) fn list_uri(&self) -> String {
        format!("{}/{}", self.base, self.resource.name())
    }

    /// Who asks, for the record and the log.
    pub(crate) fn origin(&self, caller: &Caller, role: &str) -> Origin {
        Origin {
            family: "ngrok",
            role: role.to_owned(),
            accessor: caller.accessor().to_owned(),
            display_name: caller.display_name().to_owned(),
            source_ip: self.source_ip,
            request_id: self.operation_id.clone(),
        }
    }
}

/// `body` as a `T`: one JSON object, in which every member is known.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let unparsable = |reason: &str| {
        Failure::invalid(
            213,
            format!("The body cannot be parsed as a JSON object: {reason}."),
        )
    };
    // Asked for here, since serde would read an array into a struct member by member.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(unparsable("it does not begin with a brace"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let reason = error.inner().to_string();
        if let Some(name) = reason.strip_prefix("unknown field ") {
            let shown: String = name.chars().take(MAX_REASON).collect();
            Failure::invalid(214, format!("The body has a field that is not known: {shown}."))
        } else if !error.inner().is_data() || reason.starts_with("duplicate field") {
            unparsable(&reason)
        } else {
            Failure::field(&field, expectation(&reason))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| unparsable(&error.to_string()))?;
    Ok(value)
}

/// What serde expected, without what it found: that may be a secret in the wrong field.
fn expectation(reason: &str) -> String {
    match reason.rsplit_once(", expected ") {
        Some((_, expected)) => {
            let expected = expected.split(" at line ").next().unwrap_or_default();
            format!("it must be {expected}")
        }
        None => "it does not have the right type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn what_was_found_is_never_repeated() {
        for (reason, told) in [
            (
                "invalid type: string \"hunter2, expected x\", expected a map at line 1 column 9",
                "it must be a map",
            ),
            ("invalid value: integer `7`, expected u8", "it must be u8"),
            (
                "a text of some other kind: hunter2",
                "it does not have the right type",
            ),
        ] {
            assert_eq!(expectation(reason), told);
        }
    }
}
