//! What everybody may ask: whether the server is there, and which one it is.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Operation, Route, Scope, handler, text},
    error::Failure,
};
use http::StatusCode;
use serde_json::json;

/// The version that clients go by: of Vault, for what it can do. It must be a semantic version, or the Terraform
/// provider panics.
const VERSION: &str = "1.20.0+countersign";
const CLUSTER_NAME: &str = "countersign";
/// There are no clusters to tell apart.
const CLUSTER_ID: &str = "00000000-0000-0000-0000-000000000000";

const HEALTH: &[Field] = &[
    text("activecode"),
    text("drsecondarycode"),
    text("perfstandbyok"),
    text("performancestandbycode"),
    text("sealedcode"),
    text("standbycode"),
    text("standbyok"),
    text("uninitcode"),
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/health",
        fields: HEALTH,
        methods: &[
            on(Operation::Head, Access::Public, handler!(health_head)),
            on(Operation::Read, Access::Public, handler!(health)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/init",
        fields: &[],
        methods: &[on(Operation::Read, Access::Public, handler!(init))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/leader",
        fields: &[],
        methods: &[on(Operation::Read, Access::Public, handler!(leader))],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/seal-status",
        fields: &[],
        methods: &[on(Operation::Read, Access::Public, handler!(seal_status))],
    },
];

/// The status of a healthy server: the query may ask for another one.
fn health_code(call: &Call) -> Result<StatusCode, Failure> {
    let asked = call.fields.text("activecode");
    if asked.is_empty() {
        return Ok(StatusCode::OK);
    }
    let code = asked
        .parse()
        .ok()
        .and_then(|code: u16| StatusCode::from_u16(code).ok());
    code.filter(|code| code.as_u16() >= 200)
        .ok_or_else(|| Failure::bare(StatusCode::BAD_REQUEST))
}

async fn health_head(call: &Call) -> Result<Answer, Failure> {
    Ok(Answer::empty(health_code(call)?))
}

async fn health(call: &Call) -> Result<Answer, Failure> {
    let body = json!({
        "initialized": true,
        "sealed": false,
        "standby": false,
        "performance_standby": false,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": "disabled",
        "server_time_utc": call.services.clock.now(),
        "version": VERSION,
        "enterprise": false,
        "cluster_name": CLUSTER_NAME,
        "cluster_id": CLUSTER_ID,
    });
    Answer::bare(health_code(call)?, body)
}

async fn init(_: &Call) -> Result<Answer, Failure> {
    Answer::bare(StatusCode::OK, json!({ "initialized": true }))
}

async fn leader(_: &Call) -> Result<Answer, Failure> {
    let body = json!({
        "ha_enabled": false,
        "is_self": false,
        "leader_address": "",
        "leader_cluster_address": "",
        "performance_standby": false,
    });
    Answer::bare(StatusCode::OK, body)
}

async fn seal_status(_: &Call) -> Result<Answer, Failure> {
    let body = json!({
        "type": "shamir",
        "initialized": true,
        "sealed": false,
        "t": 1,
        "n": 1,
        "progress": 0,
        "nonce": "",
        "version": VERSION,
        "build_date": "",
        "migration": false,
        "cluster_name": CLUSTER_NAME,
        "cluster_id": CLUSTER_ID,
        "recovery_seal": false,
        "storage_type": "dynamodb",
    });
    Answer::bare(StatusCode::OK, body)
}
