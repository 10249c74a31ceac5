//! `sys/mounts` and `sys/remount`. An auth method is a mount too, and can be read and tuned as `sys/mounts/auth/…`.

use super::{
    mount_config::{self, CONFIG_FIELDS, TUNE_FIELDS},
    on,
};
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, flag, handler, map, text},
    error::Failure,
    leases::{self, End},
    mounts::{self, Mount, MountType},
    ssh::retiring,
};
use countersign::{
    random,
    store::{Condition, Key, Record, Table, Write},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a new mount is described with.
pub(super) const NEW_FIELDS: &[Field] = &[
    Field::new("config", Kind::Object),
    text("description"),
    flag("external_entropy_access"),
    flag("local"),
    map("options"),
    text("plugin_name"),
    flag("seal_wrap"),
    text("type"),
];

/// How long the outcome of a move can be asked for, in seconds.
const MIGRATION_SECS: u64 = 86_400;

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/mounts",
        fields: &[],
        methods: &[on(Operation::Read, Access::Token, handler!(list))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/mounts/*path/tune",
        fields: TUNE_FIELDS,
        methods: &[
            on(Operation::Read, Access::Token, handler!(read_tuning)),
            on(Operation::Update, Access::Token, handler!(tune)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/mounts/*path",
        fields: NEW_FIELDS,
        methods: &[
            on(Operation::Delete, Access::Token, handler!(delete)),
            on(Operation::Read, Access::Token, handler!(read)),
            on(Operation::Update, Access::Token, handler!(create)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/remount",
        fields: &[text("from"), text("to")],
        methods: &[on(Operation::Update, Access::Sudo, handler!(remount))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/remount/status/*id",
        fields: &[],
        methods: &[on(Operation::Read, Access::Token, handler!(remount_status))],
    },
];

async fn list(call: &Call) -> Result<Answer, Failure> {
    let mounts = mounts::list(&*call.services.store).await?;
    let secrets = mounts.iter().filter(|mount| !mount.is_auth());
    let data: Map<String, Value> = secrets
        .map(|mount| (format!("{}/", mount.path), shown(mount)))
        .collect();
    Answer::mirrored(data)
}

/// What is said of a mount.
pub(super) fn shown(mount: &Mount) -> Value {
    json!({
        "accessor": mount.accessor,
        "config": mount_config::shown(mount),
        "deprecation_status": "supported",
        "description": mount.description,
        "external_entropy_access": mount.external_entropy_access,
        "local": mount.local,
        "options": mount.options,
        "plugin_version": "",
        "running_plugin_version": "v1.20.0+builtin.countersign",
        "running_sha256": "",
        "seal_wrap": mount.seal_wrap,
        "type": mount.mount_type.as_str(),
        "uuid": mount.uuid,
    })
}

async fn read(call: &Call) -> Result<Answer, Failure> {
    let path = call.captured("path");
    match mounts::read(&*call.services.store, path).await? {
        Some((mount, _)) => Answer::mirrored(shown(&mount)),
        None => Err(Failure::user(format!("No secret engine mount at {path}/"))),
    }
}

async fn create(call: &Call) -> Result<Answer, Failure> {
    let path = call.captured("path");
    let engine = call.fields.text("type");
    let engine = if engine == "plugin" {
        call.fields.text("plugin_name")
    } else {
        engine
    };
    if engine.is_empty() {
        return Err(Failure::user("backend type must be specified as a string"));
    }
    if path == "auth" || path.starts_with("auth/") {
        return Err(Failure::user(format!("cannot mount \"{path}/\"")));
    }
    let engine = MountType::secrets_engine(engine)
        .ok_or_else(|| Failure::user(format!("plugin not found in the catalog: {engine}")))?;
    add(call, path, engine).await
}

/// Adds the mount that the fields describe.
pub(super) async fn add(call: &Call, path: &str, mount_type: MountType) -> Result<Answer, Failure> {
    let fields = &call.fields;
    let mut mount = Mount::draw(&call.services, path, mount_type)?;
    mount.description = fields.text("description").into();
    mount.local = fields.is_set("local");
    mount.seal_wrap = fields.is_set("seal_wrap");
    mount.external_entropy_access = fields.is_set("external_entropy_access");
    mount.options = fields
        .map("options")
        .filter(|options| !options.is_empty())
        .cloned();
    if mount
        .options
        .as_ref()
        .is_some_and(|options| options.contains_key("version"))
    {
        let what = if mount.is_auth() {
            "auth method"
        } else {
            "secrets engine"
        };
        let name = mount_type.as_str();
        return Err(Failure::user(format!(
            "{what} \"{name}\" does not allow setting a version"
        )));
    }
    if let Some(config) = fields.object("config") {
        let config = crate::api::Fields::parse(CONFIG_FIELDS, config)
            .map_err(|error| Failure::user(error.to_string()))?;
        mount_config::apply(&mut mount, &config)?;
    }
    mounts::create(&call.services, &mount)
        .await
        .map_err(Failure::plain)?;
    Ok(Answer::nothing())
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    let path = call.captured("path");
    // An auth method ends below `sys/auth`, where it takes sudo.
    if let Some((mount, _)) = mounts::read(&*call.services.store, path)
        .await?
        .filter(|(mount, _)| !mount.is_auth())
    {
        // What was lent cannot be taken back without the mount.
        leases::end_all(&call.services, &mount.path, Some(&mount.uuid), End::Regular).await?;
        // Keys first: should this fail half-way, the mount is still there to be deleted again.
        retiring::retire_all(call, &mount).await?;
        mounts::delete(&call.services, path)
            .await
            .map_err(Failure::plain)?;
    }
    Ok(Answer::nothing())
}

async fn read_tuning(call: &Call) -> Result<Answer, Failure> {
    tuning(call, call.captured("path")).await
}

/// How the mount at `path` is tuned.
pub(super) async fn tuning(call: &Call, path: &str) -> Result<Answer, Failure> {
    let found = mounts::read(&*call.services.store, path).await?;
    let (mount, _) =
        found.ok_or_else(|| Failure::user(format!("cannot fetch sysview for path \"{path}/\"")))?;
    Answer::mirrored(mount_config::tuning(&mount))
}

async fn tune(call: &Call) -> Result<Answer, Failure> {
    let path = call.captured("path");
    // That takes sudo, which is asked for below `sys/auth`.
    let is_auth = path.starts_with("auth/");
    if is_auth
        && !call
            .caller()?
            .allows(&call.path, countersign::acl::Capability::Sudo)
    {
        return Err(Failure::denied());
    }
    tune_at(call, path).await
}

/// Tunes the mount at `path`.
pub(super) async fn tune_at(call: &Call, path: &str) -> Result<Answer, Failure> {
    let found = mounts::read(&*call.services.store, path).await?;
    let (mut mount, record) = found
        .ok_or_else(|| Failure::user(format!("tune of path \"{path}/\" failed: no mount entry found")))?;
    mount_config::apply(&mut mount, &call.fields)?;
    if call.fields.was_sent("description") {
        mount.description = call.fields.text("description").into();
    }
    if let Some(options) = call.fields.map("options").filter(|options| !options.is_empty()) {
        mount.options.get_or_insert_default().extend(options.clone());
    }
    mounts::update(&call.services, &record, &mount).await?;
    Ok(Answer::nothing())
}

/// A move that was made.
#[derive(Deserialize, Serialize)]
struct Migration {
    source_mount: String,
    target_mount: String,
    status: String,
}

fn migration_key(id: &str) -> Key {
    Key::new(Table::Access, format!("migration/{id}"), "migration")
}

async fn remount(call: &Call) -> Result<Answer, Failure> {
    let (from, to) = (call.fields.text("from"), call.fields.text("to"));
    if from.is_empty() || to.is_empty() {
        return Err(Failure::user(
            "both 'from' and 'to' path must be specified as a string",
        ));
    }
    // As in the real product, whatever a mount has lent ends when it moves: leases are found by its path.
    let moved = mounts::read(&*call.services.store, from.trim_matches('/')).await?;
    let end_all = async || match &moved {
        Some((mount, _)) => {
            leases::end_all(&call.services, &mount.path, Some(&mount.uuid), End::Regular).await
        }
        None => Ok(()),
    };
    end_all().await?;
    mounts::rename(&call.services, from, to)
        .await
        .map_err(Failure::plain)?;
    // And what a request that was under way has put on record since.
    end_all().await?;
    let id = random::uuid(&*call.services.random)?;
    let migration = Migration {
        source_mount: format!("{}/", from.trim_matches('/')),
        target_mount: format!("{}/", to.trim_matches('/')),
        status: "success".into(),
    };
    let end = call.services.clock.now() + MIGRATION_SECS;
    let record = Record::new(migration_key(&id), &migration)?.expiring(Some(end));
    call.write(&[Write::Put(record, Condition::Absent)]).await?;
    Answer::mirrored(json!({ "migration_id": id }))
}

async fn remount_status(call: &Call) -> Result<Answer, Failure> {
    let id = call.captured("id");
    let record = call
        .read_one(&migration_key(id))
        .await?
        .ok_or_else(Failure::absent)?;
    let migration: Migration = record.value()?;
    Answer::data(json!({ "migration_id": id, "migration_info": migration }))
}
