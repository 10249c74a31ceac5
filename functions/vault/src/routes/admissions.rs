//! `sys/countersign/admissions`: what callers whom API Gateway knows may do without a token of ours. Ours: Vault has no
//! such path.

use super::on;
use crate::{
    api::{Access, Answer, Call, Field, Kind, Operation, Route, Scope, duration, handler, map, text},
    error::Failure,
};
use countersign::access::{Admission, Subject};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/admissions",
        fields: &[
            text("arn"),
            text("issuer"),
            text("claim"),
            text("value"),
            map("claims"),
            Field::new("policies", Kind::CommaList),
            duration("ttl"),
        ],
        methods: &[
            on(Operation::Read, Access::Token, handler!(list)),
            on(Operation::Update, Access::Token, handler!(create)),
        ],
    },
    Route {
        scope: Scope::Root,
        pattern: "sys/countersign/admissions/:id",
        fields: &[],
        methods: &[
            on(Operation::Read, Access::Token, handler!(show)),
            on(Operation::Delete, Access::Token, handler!(delete)),
        ],
    },
];

async fn list(call: &Call) -> Result<Answer, Failure> {
    let admissions = Admission::list(&*call.services.store).await?;
    let shown: Vec<Value> = admissions.iter().map(describe).collect();
    Answer::data(json!({ "admissions": shown }))
}

async fn create(call: &Call) -> Result<Answer, Failure> {
    let field = |name| Some(call.fields.text(name)).filter(|text| !text.is_empty());
    let subject = match (field("arn"), field("issuer")) {
        (Some(arn), None) => Subject::iam(arn)?,
        (None, Some(issuer)) => Subject::jwt(issuer, call.fields.text("claim"), call.fields.text("value"))?,
        _ => return Err(Failure::user("give either arn, or issuer with claim and value")),
    };
    let admission = Admission::put(
        &call.services,
        subject,
        call.fields.map("claims").cloned().unwrap_or_default(),
        call.fields.list("policies").unwrap_or_default(),
        call.fields.duration_secs("ttl").unwrap_or_default(),
    )
    .await?;
    Answer::data(describe(&admission))
}

async fn show(call: &Call) -> Result<Answer, Failure> {
    let found = Admission::read(&*call.services.store, call.captured("id")).await?;
    Answer::data(describe(&found.ok_or_else(Failure::absent)?))
}

async fn delete(call: &Call) -> Result<Answer, Failure> {
    Admission::delete(&*call.services.store, call.captured("id")).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

fn describe(admission: &Admission) -> Value {
    let mut shown = json!({
        "claims": admission.claims,
        "created_at": admission.created_at,
        "id": admission.subject.id(),
        "policies": admission.policies,
        "ttl": admission.ttl_secs,
    });
    match &admission.subject {
        Subject::Iam { arn } => shown["arn"] = arn.as_str().into(),
        Subject::Jwt { issuer, claim, value } => {
            shown["issuer"] = issuer.as_str().into();
            shown["claim"] = claim.as_str().into();
            shown["value"] = value.as_str().into();
        }
    }
    shown
}
