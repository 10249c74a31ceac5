//! `creds/:role`: a one-time password or a key, for one user on one host.

use super::on;
use crate::{
    api::{Access, Answer, Call, Lease as Lent, Operation, Route, Scope, handler, text},
    dynamic_keys::{self, Order},
    error::Failure,
    leases::{self, Lease},
    mounts::MountType,
    one_time_passwords::{self, Login},
    ssh::{
        networks,
        role::{Lending, OtpRole, VaultRole},
        zero_address::ZeroAddress,
    },
};
use countersign::{
    access::{Token, TokenType},
    store::{Condition, Write},
};
use serde_json::json;
use std::net::IpAddr;

pub(super) const ROUTES: &[Route] = &[Route {
    scope: Scope::Mount(MountType::Ssh),
    pattern: "creds/:role",
    fields: &[text("ip"), text("username")],
    methods: &[on(Operation::Update, Access::Token, handler!(creds))],
}];

/// What the role allows.
struct Grant {
    role: VaultRole,
    username: String,
    ip: IpAddr,
}

async fn creds(call: &Call) -> Result<Answer, Failure> {
    let Grant { role, username, ip } = grant(call).await?;
    match role {
        VaultRole::Ca(_) => Err(Failure::server("key type unknown")),
        VaultRole::Dynamic(role) => {
            let token = token(call)?;
            let order = Order {
                mount: call.mount()?,
                role_name: call.captured("role"),
                role: &role,
                username: &username,
                ip,
                token,
                ttl_secs: ttl_secs(call, token)?,
            };
            let (lease, key) = dynamic_keys::lend(&call.services, &order).await?;
            let data = json!({
                "ip": ip.to_string(),
                "key": key.as_str(),
                "key_type": "dynamic",
                "port": role.port,
                "username": username,
            });
            Ok(lending(&lease, Answer::data(data)?))
        }
        VaultRole::Otp(role) => one_time_password(call, &role, username, ip).await,
    }
}

/// The checks, in the order of the real product. One read.
async fn grant(call: &Call) -> Result<Grant, Failure> {
    let asked = call.fields.text("ip");
    if asked.is_empty() {
        return Err(Failure::user("Missing ip"));
    }
    let (mount, name) = (call.mount()?, call.captured("role"));
    let mut records = call
        .read(&[VaultRole::key(mount, name), ZeroAddress::key(mount)])
        .await?
        .into_iter();
    let role = records.next().flatten();
    let role = role.ok_or_else(|| Failure::user(format!("Role \"{name}\" not found")))?;
    let role: VaultRole = role.value()?;
    let lending = role.lending();
    let username = username(call.fields.text("username"), &lending)?.to_owned();
    let ip = networks::address(asked).ok_or_else(|| Failure::user(format!("Invalid IP \"{asked}\"")))?;
    let zero_address = ZeroAddress::from_record(records.next().flatten().as_ref())?;
    if !zero_address.roles.iter().any(|role| role == name) {
        let is_allowed = networks::contain(lending.cidr_list, ip)
            .and_then(|is_inside| Ok(is_inside && !networks::contain(lending.exclude_cidr_list, ip)?));
        if !is_allowed.map_err(|reason| Failure::user(format!("Error validating IP: {reason}")))? {
            return Err(Failure::user("Error validating IP: IP does not belong to role"));
        }
    }
    Ok(Grant { role, username, ip })
}

/// Whom it is for: whoever is asked for, or else the default user.
fn username<'u>(asked: &'u str, lending: &Lending<'u>) -> Result<&'u str, Failure> {
    let default = lending.default_user;
    let username = if asked.is_empty() { default } else { asked };
    let is_listed = |list: &str| list == "*" || list.split(',').any(|user| user.trim() == username);
    match lending.allowed_users {
        _ if username.is_empty() => Err(Failure::user(
            "No default username registered. Use 'username' option",
        )),
        _ if username == default => Ok(username),
        "" => Err(Failure::user(
            "Username has to be either in allowed users list or has to be a default username",
        )),
        list if is_listed(list) => Ok(username),
        _ => Err(Failure::user("Username is not present is allowed users list")),
    }
}

/// The token that asks. With its last use gone it could lend nothing: that would end with it.
fn token(call: &Call) -> Result<&Token, Failure> {
    let token = call.caller()?.token();
    if token.uses_left == Some(0) {
        return Err(Failure::user(
            "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.",
        ));
    }
    Ok(token)
}

fn ttl_secs(call: &Call, token: &Token) -> Result<u64, Failure> {
    let limits = call.mount()?.ttl_limits();
    let ttl = limits.default_ttl.min(limits.max_ttl);
    Ok(match (token.token_type, token.expires_at) {
        (TokenType::Batch, Some(end)) => ttl.min(end.saturating_sub(call.services.clock.now())),
        _ => ttl,
    })
}

async fn one_time_password(
    call: &Call,
    role: &OtpRole,
    username: String,
    ip: IpAddr,
) -> Result<Answer, Failure> {
    let (services, mount, name) = (&call.services, call.mount()?, call.captured("role"));
    let token = token(call)?;
    let now = services.clock.now();
    let expires_at = now.saturating_add(ttl_secs(call, token)?);
    let login = Login {
        ip: ip.to_string(),
        role_name: name.to_owned(),
        username,
    };
    let (password, record) =
        one_time_passwords::draw(services, mount, login.clone(), &token.hash, expires_at)?;
    let lease = Lease {
        id: leases::draw_id(&*services.random, &format!("{}/creds/{name}", mount.path))?,
        mount: mount.uuid.clone(),
        issued_at: now,
        expires_at,
        renewed_at: None,
        token: token.hash.clone(),
        lent: leases::Lent::OneTimePassword {
            hash: password.hash(),
        },
    };
    let mut writes = lease.creates()?;
    writes.push(Write::Put(record, Condition::Absent));
    call.write(&writes).await?;
    let data = json!({
        "ip": login.ip,
        "key": password.reveal(),
        "key_type": "otp",
        "port": role.port,
        "username": login.username,
    });
    Ok(lending(&lease, Answer::data(data)?))
}

fn lending(lease: &Lease, answer: Answer) -> Answer {
    answer.lending(Lent {
        id: lease.id.clone(),
        duration_secs: lease.expires_at - lease.issued_at,
        is_renewable: lease.is_renewable(),
    })
}
