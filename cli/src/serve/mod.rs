//! `countersign serve`: all families on one port, with CA keys in this process and the tables in a directory.

mod advice;
mod banner;
mod root_token;
mod server;
mod state;
mod tls;

use crate::args::{DEFAULT_LISTEN, Environment, ServeArguments};
use anyhow::{Context, Result, anyhow};
use axum::Router;
use banner::Banner;
use countersign::Services;
use state::State;
use std::{io::Write, net::SocketAddr, path::PathBuf};
use tls::Tls;
use tokio::net::TcpListener;

/// Runs the server until it is told to stop.
pub(crate) async fn run(arguments: ServeArguments, environment: &Environment) -> Result<()> {
    let directory = data_directory(&arguments, environment);
    let root_token = arguments.root_token.clone().filter(|token| !token.is_empty());
    let root_token = root_token.or_else(|| environment.root_token.clone());
    let state = State::open(directory.as_deref()).await?;
    let token = root_token::prepare(&state.services, root_token).await?;
    // An empty variable counts as none.
    let listen = Some(arguments.listen.as_str()).filter(|listen| !listen.is_empty());
    let listener = bind(listen.unwrap_or(DEFAULT_LISTEN)).await?;
    let address = listener.local_addr()?;
    let tls = tls(&arguments, directory.as_deref(), address)?;
    let banner = Banner {
        address,
        directory: directory.as_deref(),
        certificate: tls.as_ref().and_then(|tls| tls.self_signed.as_deref()),
        is_https: tls.is_some(),
        token: token.as_ref(),
    };
    // A closed standard output must not keep the server from running.
    let _ = std::io::stdout().lock().write_all(banner.to_string().as_bytes());
    state.sweep_in_background();
    let stop = stop_signal()?;
    server::serve(
        listener,
        tls.as_ref().map(|tls| tls.acceptor.clone()),
        router(state.services.clone()),
        stop,
    )
    .await;
    if let (None, Some(certificate)) = (directory, tls.and_then(|tls| tls.self_signed)) {
        let _ = std::fs::remove_file(certificate); // of no more use to anybody
    }
    Ok(())
}

/// All families.
fn router(services: Services) -> Router {
    countersign_infisical::router(services.clone())
        .merge(countersign_ngrok::router(services.clone()))
        .merge(countersign_vault::router(services.clone()))
        .merge(countersign_venafi::router(services))
}

/// Where everything is kept; `None` for memory. What the command line says goes before the environment.
fn data_directory(arguments: &ServeArguments, environment: &Environment) -> Option<PathBuf> {
    if arguments.memory {
        return None;
    }
    let from_environment = || environment.data_dir.as_ref().map(PathBuf::from);
    let default = || PathBuf::from("countersign-data");
    Some(
        arguments
            .data_dir
            .clone()
            .or_else(from_environment)
            .unwrap_or_else(default),
    )
}

async fn bind(listen: &str) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow!(
            "{listen} is in use by another program\nstop that, or choose another address, for example: countersign \
             serve --listen 127.0.0.1:8201"
        ),
        std::io::ErrorKind::PermissionDenied => {
            anyhow!("this user may not listen on {listen}\nchoose a port above 1023 with --listen")
        }
        std::io::ErrorKind::AddrNotAvailable => anyhow!(
            "this machine has no such address: {listen}\ngive one that it has, as in --listen 127.0.0.1:8200"
        ),
        _ => anyhow!("cannot listen on {listen}: {error}\ngive an address and a port, as in --listen 127.0.0.1:8200"),
    })
}

fn tls(
    arguments: &ServeArguments,
    directory: Option<&std::path::Path>,
    address: SocketAddr,
) -> Result<Option<Tls>> {
    if let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        return Tls::from_files(certificate, key).map(Some);
    }
    if !arguments.tls {
        return Ok(None);
    }
    match directory {
        Some(directory) => Tls::kept_in(&directory.canonicalize()?, address.ip()).map(Some),
        None => {
            let name = format!("countersign-tls-{}.pem", std::process::id());
            Tls::in_memory(&std::env::temp_dir().join(name), address.ip()).map(Some)
        }
    }
}

/// Completes at the first SIGINT or SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser;

    fn directory(arguments: &[&str], data_dir: Option<&str>) -> Option<String> {
        let parsed = Arguments::try_parse_from([&["countersign", "serve"], arguments].concat()).unwrap();
        let Command::Serve(serve) = parsed.command else {
            panic!("serve")
        };
        let environment = Environment {
            data_dir: data_dir.map(Into::into),
            ..Environment::default()
        };
        data_directory(&serve, &environment).map(|path| path.display().to_string())
    }

    #[test]
    fn the_command_line_goes_before_the_environment() {
        assert_eq!(directory(&[], None).as_deref(), Some("countersign-data"));
        assert_eq!(directory(&[], Some("e")).as_deref(), Some("e"));
        assert_eq!(directory(&["--data-dir", "d"], Some("e")).as_deref(), Some("d"));
        assert_eq!(directory(&["--memory"], Some("e")), None);
    }
}
