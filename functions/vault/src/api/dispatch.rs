//! From a request to its handler and back.

use super::{
    Answer, Call,
    call::Records,
    fields::{self, Fields},
    hints::Hints,
    request::{Incoming, Operation},
    respond,
    route::{self, Access, Match, Scope},
};
use crate::{
    error::Failure,
    mounts::{self, Mount},
    routes, wrapping,
};
use axum::{extract::Request, extract::State, response::Response};
use countersign::{
    Services,
    access::{self, Caller},
    acl::{AccessRequest, Capability},
    audit::Decision,
    request_context::{ClientAddress, check_room},
    store::Key,
};
use http::StatusCode;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What all requests of a process share.
pub(crate) struct Vault {
    pub(crate) services: Services,
    hints: Hints,
}

impl Vault {
    pub(crate) fn new(services: Services) -> Self {
        Self {
            services,
            hints: Hints::default(),
        }
    }
}

/// Answers a request for anything outside `/v1/`.
pub(crate) async fn outside() -> Response {
    respond("", Err(Failure::bare(StatusCode::NOT_FOUND)))
}

/// Answers a request below `/v1/`.
pub(crate) async fn serve(State(vault): State<Arc<Vault>>, request: Request) -> Response {
    let source_ip = request
        .extensions()
        .get::<ClientAddress>()
        .and_then(|address| address.0);
    let request_id = match countersign::random::uuid(&*vault.services.random) {
        Ok(id) => id,
        Err(error) => return respond("", Err(error.into())),
    };
    if let Err(error) = check_room(request.extensions().get()) {
        return respond("", Err(error.into()));
    }
    let operator = request.extensions().get::<Caller>().cloned();
    let outcome = match Incoming::read(request).await {
        Ok(incoming) => {
            let session = Session::new(&vault, incoming, source_ip, &request_id);
            Session { operator, ..session }.run().await
        }
        Err(failure) => Err(failure),
    };
    respond(&request_id, outcome)
}

/// One request on its way.
struct Session<'v> {
    vault: &'v Vault,
    incoming: Incoming,
    /// Who calls, where this very process says so.
    operator: Option<Caller>,
    source_ip: Option<IpAddr>,
    request_id: &'v str,
    matches: Vec<Match>,
    records: Records,
}

/// The row that answers, below its mount.
struct Target {
    found: Match,
    mount: Option<Mount>,
}

impl<'v> Session<'v> {
    fn new(vault: &'v Vault, mut incoming: Incoming, source_ip: Option<IpAddr>, request_id: &'v str) -> Self {
        let matches = route::find(routes::TABLE, &incoming.path.bare);
        if let Some(found) = matches.first() {
            fields::resolve_aliases(found.route.fields, &mut incoming.parameters);
        }
        Self {
            vault,
            incoming,
            operator: None,
            source_ip,
            request_id,
            matches,
            records: Records::default(),
        }
    }

    async fn run(self) -> Result<Answer, Failure> {
        match self.public_target().await {
            Ok(Some(target)) => return self.call(target, None).await,
            Ok(None) => {}
            Err(failure) => {
                self.log(&self.action(), None, Err(&failure));
                return Err(failure);
            }
        }
        match self.authorise().await {
            Ok(caller) => self.route(caller).await,
            Err((caller, failure)) => {
                let action = self.action();
                self.log(&action, caller.as_ref(), Err(&failure));
                Err(failure)
            }
        }
    }

    /// The row that answers everybody, if one does.
    async fn public_target(&self) -> Result<Option<Target>, Failure> {
        let public: Vec<Match> = self.public_matches().cloned().collect();
        if public.is_empty() {
            return Ok(None);
        }
        self.records.prefetch(&self.vault.services, &self.keys()).await?;
        self.target(&public).await
    }

    /// The rows that everybody may call.
    fn public_matches(&self) -> impl Iterator<Item = &Match> {
        let operation = if self.fits_a_handler() {
            Some(self.incoming.operation)
        } else {
            None
        };
        self.matches.iter().filter(move |found| {
            operation
                .and_then(|operation| found.route.method(operation))
                .is_some_and(|method| {
                    method.access.is_public() || method.access == Access::Unwraps && self.has_wrapping_token()
                })
        })
    }

    fn has_wrapping_token(&self) -> bool {
        self.incoming
            .token
            .as_ref()
            .is_some_and(wrapping::is_wrapping_token)
    }

    /// A path with a trailing slash is listed, or nothing at all.
    fn fits_a_handler(&self) -> bool {
        !self.incoming.path.ends_with_slash || self.incoming.operation == Operation::List
    }

    /// What to read along with the token: what this path needed the last time, and where its mount may be.
    fn keys(&self) -> Vec<Key> {
        let path = &self.incoming.path.bare;
        let mut keys = self.vault.hints.of(path);
        let mut add = |mount_path: &str| {
            let key = Mount::key(mount_path);
            if !keys.contains(&key) {
                keys.push(key);
            }
        };
        match self.matches.first() {
            None => {} // nobody answers there; where the path ends is looked at once the caller is known
            Some(found) if found.route.scope == Scope::Root => {}
            Some(_) => self.matches.iter().for_each(|found| add(&found.mount_path)),
        }
        keys
    }

    async fn authorise(&self) -> Result<Caller, (Option<Caller>, Failure)> {
        if let Some(operator) = &self.operator {
            return Ok(operator.clone());
        }
        let token = self
            .incoming
            .token
            .as_ref()
            .ok_or_else(|| (None, Failure::no_token()))?;
        let keys = self.keys();
        let (caller, records) = access::authenticate(&self.vault.services, token, self.source_ip, &keys)
            .await
            .map_err(|error| (None, error.into()))?;
        self.records.add(&keys, records);
        if self.is_permitted(&caller) {
            Ok(caller)
        } else {
            Err((Some(caller), Failure::denied()))
        }
    }

    fn is_permitted(&self, caller: &Caller) -> bool {
        let is = |access: Access| {
            self.matches.iter().any(|found| {
                found
                    .route
                    .method(self.incoming.operation)
                    .is_some_and(|method| method.access == access)
            })
        };
        let permitted = self.permits(caller, self.incoming.operation.capability())
            || (is(Access::Upsert) && self.permits(caller, Capability::Create));
        let path = self.incoming.path.for_policies();
        permitted && (!is(Access::Sudo) || caller.allows(&path, Capability::Sudo))
    }

    /// Whether the caller's policies allow this request under `capability`.
    fn permits(&self, caller: &Caller, capability: Capability) -> bool {
        let path = self.incoming.path.for_policies();
        let parameters = self
            .incoming
            .parameters
            .iter()
            .map(|(name, json)| (name.clone(), json.into()))
            .collect();
        caller.permits(&AccessRequest {
            path: &path,
            capability,
            parameters: &parameters,
            wrap_ttl: self.incoming.wrap_ttl.map(Duration::from_secs),
        })
    }

    async fn route(mut self, caller: Caller) -> Result<Answer, Failure> {
        if self.incoming.wants_help && self.incoming.operation == Operation::Read {
            return help(self.matches.first());
        }
        let matches = std::mem::take(&mut self.matches);
        let outcome = match self.target(&matches).await {
            Ok(Some(target)) if self.fits_a_handler() => return self.call(target, Some(caller)).await,
            Ok(Some(_)) if self.incoming.operation == Operation::Update => {
                Err(Failure::user("cannot write to a path ending in '/'"))
            }
            Ok(Some(_)) => Err(Failure::unsupported_path()),
            Ok(None) => Err(self.nowhere().await),
            Err(failure) => Err(failure),
        };
        self.log(
            &self.action(),
            Some(&caller),
            outcome.as_ref().map(|_: &Answer| ()),
        );
        outcome
    }

    /// The row whose mount is there.
    async fn target(&self, matches: &[Match]) -> Result<Option<Target>, Failure> {
        for found in matches {
            let Scope::Mount(kind) = found.route.scope else {
                return Ok(Some(Target {
                    found: found.clone(),
                    mount: None,
                }));
            };
            let key = Mount::key(&found.mount_path);
            let record = self
                .records
                .read(&self.vault.services, &[key])
                .await?
                .pop()
                .flatten();
            if let Some(mount) = record.map(|record| record.value::<Mount>()).transpose()?
                && mount.mount_type == kind
            {
                return Ok(Some(Target {
                    found: found.clone(),
                    mount: Some(mount),
                }));
            }
        }
        Ok(None)
    }

    /// Why no row answers.
    async fn nowhere(&self) -> Failure {
        let path = &self.incoming.path;
        if path.bare == "sys"
            || ["auth/token/", "identity/", "sys/"]
                .iter()
                .any(|start| path.bare.starts_with(start))
        {
            return Failure::unsupported_path();
        }
        let keys = mounts::candidates(&path.bare);
        match self.records.read(&self.vault.services, &keys).await {
            Ok(records) if records.iter().any(Option::is_some) => Failure::unsupported_path(),
            Ok(_) => Failure::no_mount(&path.for_policies()),
            Err(failure) => failure,
        }
    }

    async fn call(self, target: Target, caller: Option<Caller>) -> Result<Answer, Failure> {
        let Target { found, mount } = target;
        let action = action(self.incoming.operation, &self.incoming.path.bare, Some(&found));
        let Some(method) = found.route.method(self.incoming.operation) else {
            let failure = match self.incoming.operation {
                Operation::List => Failure::unsupported_path(),
                _ => Failure::unsupported_operation(),
            };
            self.log(&action, caller.as_ref(), Err(&failure));
            return Err(failure);
        };
        let warnings = fields::warnings(found.route.fields, &found.captures, &self.incoming.parameters);
        let fields = match Fields::parse(found.route.fields, &self.incoming.parameters) {
            Ok(fields) => fields,
            Err(error) => {
                let failure = Failure::user(error.to_string());
                self.log(&action, caller.as_ref(), Err(&failure));
                return Err(failure);
            }
        };
        let may = |capability| {
            let caller = caller.as_ref().filter(|_| method.access == Access::Upsert);
            caller.is_some_and(|caller| self.permits(caller, capability))
        };
        let (may_create, may_update) = (may(Capability::Create), may(Capability::Update));
        let call = Call {
            may_create,
            may_update,
            services: self.vault.services.clone(),
            operation: self.incoming.operation,
            path: self.incoming.path.bare.clone(),
            captures: found.captures,
            fields,
            parameters: self.incoming.parameters,
            wrap_ttl: self.incoming.wrap_ttl,
            mount,
            caller,
            token: self.incoming.token.clone(),
            source_ip: self.source_ip,
            request_id: self.request_id.to_owned(),
            records: self.records,
            is_logged: AtomicBool::new(false),
            has_issued: AtomicBool::new(false),
        };
        let outcome = with_warnings(call.operation, (method.handler)(&call).await, warnings);
        let outcome = wrapped(&call, method.access, outcome).await;
        let decides = call.caller.is_some() || matches!(method.access, Access::Decides | Access::Unwraps);
        let failed = outcome.as_ref().is_err_and(Failure::is_for_the_operator);
        let is_logged = call.is_logged.load(Ordering::Relaxed);
        let failed_later = failed && call.has_issued.load(Ordering::Relaxed);
        if (decides || failed) && !is_logged || failed_later {
            log(
                self.vault,
                self.request_id,
                self.source_ip,
                &action,
                call.caller.as_ref(),
                outcome.as_ref().map(drop),
            );
        }
        if outcome.is_ok() && call.mount.is_some() {
            self.vault.hints.remember(&call.path, call.records.used());
        }
        outcome
    }

    fn action(&self) -> String {
        action(
            self.incoming.operation,
            &self.incoming.path.bare,
            self.matches.first(),
        )
    }

    fn log(&self, action: &str, caller: Option<&Caller>, outcome: Result<(), &Failure>) {
        log(
            self.vault,
            self.request_id,
            self.source_ip,
            action,
            caller,
            outcome,
        );
    }
}

/// Wraps the answer where that was asked for. What everybody may read anyway is not worth a record, which a stranger
/// could fill the table with; and what deals with wrapped answers is not wrapped itself.
async fn wrapped(call: &Call, access: Access, outcome: Result<Answer, Failure>) -> Result<Answer, Failure> {
    match (outcome, call.wrap_ttl) {
        (Ok(answer), Some(ttl_secs))
            if answer.can_be_wrapped() && !matches!(access, Access::Public | Access::Unwraps) =>
        {
            let info = wrapping::wrap(&call.services, &answer, &call.path, ttl_secs).await?;
            Ok(Answer::wrapped(info))
        }
        (outcome, _) => outcome,
    }
}

/// A listing of nothing is a 404, but not where it has to carry a warning.
fn with_warnings(
    operation: Operation,
    outcome: Result<Answer, Failure>,
    warnings: Vec<String>,
) -> Result<Answer, Failure> {
    let mut answer = match outcome {
        Err(failure) if operation == Operation::List && failure.is_absent() && !warnings.is_empty() => {
            Answer::data(serde_json::Map::new())?
        }
        other => other?,
    };
    answer.append_warnings(warnings);
    Ok(answer)
}

/// What the log calls a request. What a path captures below `/v1/` may be a secret, so the pattern stands there; and
/// of a path that nobody knows, only its beginning.
fn action(operation: Operation, path: &str, found: Option<&Match>) -> String {
    let shown = match found {
        Some(found) if found.route.scope == Scope::Root => found.route.pattern.to_owned(),
        Some(_) => path.to_owned(),
        None => path.split('/').take(2).collect::<Vec<_>>().join("/"),
    };
    format!(
        "{} {}",
        operation.name(),
        shown.chars().take(256).collect::<String>()
    )
}

fn log(
    vault: &Vault,
    request_id: &str,
    source_ip: Option<IpAddr>,
    action: &str,
    caller: Option<&Caller>,
    outcome: Result<(), &Failure>,
) {
    let services = &vault.services;
    services.audit.record(&Decision {
        time_ms: services.clock.now_ms(),
        request_id: request_id.to_owned(),
        family: "vault".into(),
        action: action.to_owned(),
        outcome: outcome.err().map_or("granted", |failure| failure.kind),
        reason: outcome.err().map(Failure::reason_for_log),
        accessor: caller.map(Caller::accessor).unwrap_or_default().to_owned(),
        display_name: caller.map(Caller::display_name).unwrap_or_default().to_owned(),
        source_ip,
        ..Decision::default()
    });
}

fn help(found: Option<&Match>) -> Result<Answer, Failure> {
    let found = found.ok_or_else(Failure::unsupported_path)?;
    let fields: Vec<_> = found.route.fields.iter().map(|field| field.name).collect();
    let text = format!("{}\nFields: {}", found.route.pattern, fields.join(", "));
    Answer::bare(
        StatusCode::OK,
        serde_json::json!({ "help": text, "see_also": "", "openapi": {} }),
    )
}
