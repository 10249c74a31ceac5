//! `sys/internal/ui/mounts`: which mounts a caller can see. It needs no capability of its own: what can be seen depends
//! on what the caller may do there.

use super::{mounts as routes, on};
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler},
    error::Failure,
    mounts::{self, Mount},
};
use countersign::{
    access::{self, Caller},
    acl::Capability,
};
use http::StatusCode;
use serde_json::{Map, Value, json};

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/internal/ui/mounts",
        fields: &[],
        methods: &[on(Operation::Read, Access::Public, handler!(list))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/internal/ui/mounts/*path",
        fields: &[],
        methods: &[on(Operation::Read, Access::Public, handler!(read))],
    },
];

/// Whoever sent a good token. Without one only what is listed for everybody can be seen.
async fn caller(call: &Call) -> Result<Option<Caller>, Failure> {
    let Some(token) = &call.token else {
        return Ok(None);
    };
    match access::authenticate(&call.services, token, call.source_ip, &[]).await {
        Ok((caller, _)) => Ok(Some(caller)),
        Err(countersign::Error::Unauthenticated) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn may_something(caller: &Caller, path: &str) -> bool {
    caller.acl().capabilities(path) != [Capability::Deny]
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let caller = caller(call).await?;
    let visible = |mount: &&Mount| {
        let sees = |caller: &Caller| may_something(caller, &format!("{}/", mount.path));
        mount.config.listing_visibility == "unauth" || caller.as_ref().is_some_and(sees)
    };
    let (mut auth, mut secret) = (Map::new(), Map::new());
    for mount in mounts::list(&*call.services.store).await?.iter().filter(visible) {
        let shown = if caller.is_some() {
            routes::shown(mount)
        } else {
            json!({ "type": mount.mount_type.as_str(), "description": mount.description, "options": mount.options })
        };
        match mount.path.strip_prefix("auth/") {
            Some(path) => auth.insert(format!("{path}/"), shown),
            None => secret.insert(format!("{}/", mount.path), shown),
        };
    }
    Answer::data(json!({ "auth": auth, "secret": secret }))
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let path = call.captured("path");
    let refused = || {
        let text = format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\""
        );
        Failure::new(StatusCode::FORBIDDEN, text)
    };
    let caller = caller(call).await?.ok_or_else(refused)?;
    if !may_something(&caller, path) {
        return Err(refused());
    }
    let mount: Mount = mounts::resolve(&*call.services.store, path)
        .await?
        .ok_or_else(refused)?;
    let mut shown: Value = routes::shown(&mount);
    shown["path"] = format!("{}/", mount.path).into();
    Answer::data(shown)
}
