//! `sys/auth`: the auth methods. Every path below it takes sudo.

use super::{
    mount_config::TUNE_FIELDS,
    mounts::{self as routes, NEW_FIELDS},
    on,
};
use crate::{
    api::{Access, Answer, Call, Operation, Route, Scope, handler},
    error::Failure,
    mounts::{self, Mount, MountType},
};
use countersign::access::{delete_realm, list_tokens, revoke};
use serde_json::{Map, Value};

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/auth",
        fields: &[],
        methods: &[on(Operation::Read, Access::Token, handler!(list))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/auth/*path/tune",
        fields: TUNE_FIELDS,
        methods: &[
            on(Operation::Read, Access::Sudo, handler!(read_tuning)),
            on(Operation::Update, Access::Sudo, handler!(tune)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/auth/*path",
        fields: NEW_FIELDS,
        methods: &[
            on(Operation::Delete, Access::Sudo, handler!(disable)),
            on(Operation::Read, Access::Sudo, handler!(read)),
            on(Operation::Update, Access::Sudo, handler!(enable)),
        ],
    },
];

fn path(call: &Call) -> String {
    format!("auth/{}", call.captured("path"))
}

async fn list(call: &Call) -> Result<Answer, Failure> {
    let mounts = mounts::list(&*call.services.store).await?;
    let methods = mounts.iter().filter_map(|mount| {
        let path = mount.path.strip_prefix("auth/")?;
        Some((format!("{path}/"), routes::shown(mount)))
    });
    Answer::mirrored(methods.collect::<Map<String, Value>>())
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    match mounts::read(&*call.services.store, &path(call)).await? {
        Some((mount, _)) => Answer::mirrored(routes::shown(&mount)),
        None => Err(Failure::user(format!(
            "No auth engine at {}/",
            call.captured("path")
        ))),
    }
}

async fn enable(call: &Call) -> Result<Answer, Failure> {
    let method = call.fields.text("type");
    let method = if method == "plugin" {
        call.fields.text("plugin_name")
    } else {
        method
    };
    if method.is_empty() {
        return Err(Failure::user("backend type must be specified as a string"));
    }
    let method = MountType::auth_method(method)
        .ok_or_else(|| Failure::user(format!("plugin not found in the catalog: {method}")))?;
    routes::add(call, &path(call), method).await
}

async fn disable(call: &Call) -> Result<Answer, Failure> {
    let path = path(call);
    let Some((mount, _)) = mounts::read(&*call.services.store, &path).await? else {
        return Ok(Answer::nothing());
    };
    // Tokens first: should this fail half-way, the method is still there to be disabled again.
    log_out(call, &mount).await?;
    if mounts::delete(&call.services, &path)
        .await
        .map_err(Failure::plain)?
        .is_some()
    {
        // Nobody can log in any more; what is left over can do nothing.
        delete_realm(&*call.services.store, &mount.uuid).await?;
        log_out(call, &mount).await?;
    }
    Ok(Answer::nothing())
}

/// Revokes the tokens that logins at `mount` gave, with all that was made with them.
async fn log_out(call: &Call, mount: &Mount) -> Result<(), Failure> {
    let login = format!("{}/login", mount.path);
    let tokens = list_tokens(&call.services).await?;
    // A login may name who logs in.
    let is_from_here = |path: &str| {
        let rest = path.strip_prefix(&login);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for token in tokens.iter().filter(|token| is_from_here(&token.path)) {
        revoke(&call.services, &token.hash).await?;
    }
    Ok(())
}

async fn read_tuning(call: &Call) -> Result<Answer, Failure> {
    routes::tuning(call, &path(call)).await
}

async fn tune(call: &Call) -> Result<Answer, Failure> {
    routes::tune_at(call, &path(call)).await
}
