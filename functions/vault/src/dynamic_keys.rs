//! Dynamic keys: a new key pair, whose public half is put on a host for as long as its lease lasts.

use crate::{
    error::Failure,
    leases::{self, Lease, Lent, State, Stored},
    mounts::Mount,
    ssh::{host_keys::KnownHosts, host_login, role::DynamicRole},
};
use countersign::{
    Error, Services,
    access::{self, Token},
    hosts::{HostError, HostKeys, HostLogin, shell_word},
    random,
    signer::private_key::GeneratedKey,
    store::StoreError,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use zeroize::Zeroizing;

/// After how long a key that was to be installed, and of which nobody has heard since, is taken away, in seconds. Far
/// longer than [`countersign::hosts::Hosts::run`] may take.
const INSTALL_SECS: u64 = 120;

/// A key on a host, with all that is needed to take it off again but for the admin user's private key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct InstalledKey {
    address: SocketAddr,
    username: String,
    /// The line of the public key, with its options.
    line: String,
    admin_user: String,
    /// The name of the admin user's key.
    admin_key: String,
    accept_any_host_key: bool,
    host_key: String,
    install_script: String,
}

impl InstalledKey {
    /// The public half of `pair`, as the order's role has it installed.
    fn of(order: &Order<'_>, port: u16, pair: &GeneratedKey) -> Self {
        let role = order.role;
        let options = match role.key_option_specs.as_str() {
            "" => String::new(),
            options => format!("{options} "),
        };
        Self {
            address: SocketAddr::new(order.ip, port),
            username: order.username.to_owned(),
            line: format!("{options}{}", pair.public_key().to_line()),
            admin_user: role.admin_user.clone(),
            admin_key: role.key.clone(),
            accept_any_host_key: role.accept_any_host_key,
            host_key: role.host_key.clone(),
            install_script: role.install_script.clone(),
        }
    }

    /// The name of the private key that takes it off again.
    pub(crate) fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// The host that it is on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What is asked for.
pub(crate) struct Order<'o> {
    pub(crate) mount: &'o Mount,
    pub(crate) role_name: &'o str,
    pub(crate) role: &'o DynamicRole,
    pub(crate) username: &'o str,
    pub(crate) ip: IpAddr,
    pub(crate) token: &'o Token,
    /// How long the lease lasts, in seconds.
    pub(crate) ttl_secs: u64,
}

/// Makes a key pair, and puts it on the host. The lease is on record before the host is asked.
///
/// # Errors
/// 400 where the role or the request cannot work; 500 as in the real product where the host cannot be reached, is
/// another one, or refuses. The key is not there then, or the reaper takes it away.
pub(crate) async fn lend(
    services: &Services,
    order: &Order<'_>,
) -> Result<(Lease, Zeroizing<String>), Failure> {
    let port = check(order)?;
    let pair = GeneratedKey::generate(order.role.key_spec())
        .await
        .map_err(Error::from)?;
    let key = InstalledKey::of(order, port, &pair);
    let login = login(services, &order.mount.uuid, &key).await?;
    let pending = pending(services, order, &key)?;
    let written = services.store.write(&pending.creates()?).await;
    written.map_err(Error::from)?;
    let stored = leases::read(services, &pending.id).await?;
    let stored = stored.ok_or_else(|| Failure::internal("a lease vanished"))?;

    if let Err(error) = run(services, &login, &key, "install").await {
        // Should this not work either, the reaper goes on with it.
        let _ = match error {
            HostError::HostKey(_) | HostError::Login | HostError::Unreachable(_) => {
                leases::forget(services, &stored).await
            }
            HostError::Command(Some(_)) => withdraw(services, &login, &key, &pending.id).await,
            // It may still be at work on the host, so that nothing could be taken away for good yet.
            HostError::Command(None) | HostError::TimedOut => leases::mark(services, stored)
                .await
                .map(drop)
                .map_err(Failure::from),
        };
        return Err(failed(
            "failed to add public key to authorized_keys file in target",
            &error,
        ));
    }
    match activate(services, &stored, order.token).await {
        Ok(lease) => Ok((lease, pair.to_pem())),
        Err(error) => {
            // What fails here is the reaper's.
            let _ = withdraw(services, &login, &key, &pending.id).await;
            Err(error.into())
        }
    }
}

/// Whether the role and the request can work; gives the port.
fn check(order: &Order<'_>) -> Result<u16, Failure> {
    check_username(order.username)?;
    let role = order.role;
    let port = u16::try_from(role.port).ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| Failure::user(format!("port: {} is none", role.port)))?;
    if !role.accept_any_host_key
        && KnownHosts::parse(&role.host_key)
            .map_err(Failure::user)?
            .is_empty()
    {
        return Err(Failure::user(
            "host_key: the role does not say by which key to know its hosts; set it, or accept_any_host_key",
        ));
    }
    Ok(port)
}

/// The lease of a key that is not installed yet.
fn pending(services: &Services, order: &Order<'_>, key: &InstalledKey) -> Result<Lease, Failure> {
    let now = services.clock.now();
    let path = format!("{}/creds/{}", order.mount.path, order.role_name);
    let mut tokens = vec![order.token.hash.clone()];
    tokens.extend(order.token.ancestors.iter().cloned());
    Ok(Lease {
        id: leases::draw_id(&*services.random, &path)?,
        mount: order.mount.uuid.clone(),
        issued_at: now,
        expires_at: now.saturating_add(order.ttl_secs),
        renewed_at: None,
        token: order.token.hash.clone(),
        lent: Lent::DynamicKey {
            key: key.clone(),
            state: State::Pending,
            due_at: now.saturating_add(INSTALL_SECS),
            failures: 0,
            tokens,
        },
    })
}

/// Takes away what was installed just now, whatever has become of its lease, and forgets that. Where it does not work
/// the lease is as it was, and soon due.
async fn withdraw(
    services: &Services,
    login: &HostLogin,
    key: &InstalledKey,
    lease: &str,
) -> Result<(), Failure> {
    run(services, login, key, "uninstall").await.map_err(|error| {
        failed(
            "error removing public key from authorized_keys file in target",
            &error,
        )
    })?;
    match leases::read(services, lease).await? {
        Some(stored) => leases::forget(services, &stored).await,
        None => Ok(()),
    }
}

/// The key is there: from now on the lease counts, unless somebody has ended it, or its token, in the meantime.
async fn activate(services: &Services, stored: &Stored, token: &Token) -> Result<Lease, Error> {
    if access::lookup_hash(services, &token.hash).await?.is_none() {
        return Err(Error::PermissionDenied);
    }
    let mut lease = stored.lease.clone();
    let end = lease.expires_at;
    if let Lent::DynamicKey { state, due_at, .. } = &mut lease.lent {
        *state = State::Active;
        *due_at = leases::look_at(token, end, services.clock.now());
    }
    match services.store.write(&stored.replaced_by(&lease)?).await {
        Ok(()) => Ok(lease),
        Err(StoreError::ConditionFailed(_)) => Err(Error::Conflict(
            "the lease was ended while its key was being installed; the key is taken away again".into(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Takes a key off its host.
///
/// # Errors
/// 500 in the real product's words, where that did not work.
pub(crate) async fn uninstall(services: &Services, mount: &str, key: &InstalledKey) -> Result<(), Failure> {
    let login = login(services, mount, key).await?;
    run(services, &login, key, "uninstall").await.map_err(|error| {
        failed(
            "error removing public key from authorized_keys file in target",
            &error,
        )
    })
}

fn failed(what: &str, error: &HostError) -> Failure {
    Failure::framed(StatusCode::INTERNAL_SERVER_ERROR, &format!("{what}: {error}"))
}

async fn login(services: &Services, mount: &str, key: &InstalledKey) -> Result<HostLogin, Failure> {
    let name = &key.admin_key;
    let private_key = host_login::open(services, mount, name).await?;
    let private_key = private_key.ok_or_else(|| Failure::server(&format!("key \"{name}\" not found")))?;
    let host_keys = if key.accept_any_host_key {
        HostKeys::Any
    } else {
        KnownHosts::parse(&key.host_key)
            .map_err(Failure::user)?
            .of(key.address)
    };
    Ok(HostLogin {
        address: key.address,
        user: key.admin_user.clone(),
        key: private_key,
        host_keys,
    })
}

/// Runs the role's script on the host, as the real product does: beside a file with the key, and with its name and the
/// path of the user's authorized keys for arguments.
async fn run(
    services: &Services,
    login: &HostLogin,
    key: &InstalledKey,
    action: &'static str,
) -> Result<(), HostError> {
    let name = random::uuid(&*services.random).map_err(|error| HostError::Unreachable(error.to_string()))?;
    let command = command(&format!(".countersign-{name}"), key, action);
    services
        .hosts
        .run(login, &command, key.install_script.as_bytes())
        .await
}

fn command(file: &str, key: &InstalledKey, action: &str) -> String {
    let script = format!("{file}.sh");
    let target = format!("/home/{}/.ssh/authorized_keys", key.username);
    let (line, target) = (shell_word(&key.line), shell_word(&target));
    // The script comes by standard input. Whatever the admin user's shell is, `sh` reads this.
    let steps = format!(
        "umask 077; trap 'rm -f {file} {script}' EXIT; cat >{script} && chmod 700 {script} && \
         printf '%s\\n' {line} >{file} && ./{script} {action} {file} {target} </dev/null"
    );
    format!("exec sh -c {}", shell_word(&steps))
}

/// A name that may stand in a path, and for a user.
fn check_username(username: &str) -> Result<(), Failure> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '+');
    let is_name = username.len() <= 256
        && username.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && username.chars().all(is_fine);
    if is_name {
        return Ok(());
    }
    Err(Failure::user(
        "username: a key is installed only for a name of letters, digits and _ - . @ +, which begins with one of the \
         first three",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn key(line: &str, username: &str) -> InstalledKey {
        InstalledKey {
            address: "192.0.2.1:22".parse().unwrap(),
            username: username.into(),
            line: line.into(),
            admin_user: "admin".into(),
            admin_key: "k".into(),
            accept_any_host_key: false,
            host_key: String::new(),
            install_script: String::new(),
        }
    }

    #[test]
    fn a_script_gets_the_file_and_the_path_whatever_is_in_them() {
        let line = r#"command="echo 'a b' $(id) `id` \"x\"" ssh-rsa AAAA"#;
        let command = command("name", &key(line, "u$(id)'x"), "install");
        let directory = std::env::temp_dir().join(format!("countersign-dynamic-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >out; cat \"$2\" >>out; exit 7\n";
        std::fs::write(directory.join("in"), script).unwrap();
        let status = Command::new("sh")
            .args(["-c", &command])
            .current_dir(&directory)
            .stdin(std::fs::File::open(directory.join("in")).unwrap())
            .status()
            .unwrap();
        let out = std::fs::read_to_string(directory.join("out")).unwrap();
        let left: Vec<_> = std::fs::read_dir(&directory)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(status.code(), Some(7));
        let target = "/home/u$(id)'x/.ssh/authorized_keys";
        assert_eq!(out, format!("install\nname\n{target}\n{line}\n"));
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["ubuntu", "_x", "a.b-c@d", "1"] {
            assert!(check_username(good).is_ok(), "{good}");
        }
        for bad in ["", "../root", "a/b", "-x", ".ssh", "a b", "a'b", "ü", "a\n"] {
            assert!(check_username(bad).is_err(), "{bad:?}");
        }
    }
}
