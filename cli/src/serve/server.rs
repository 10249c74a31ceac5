//! The HTTP server: one listener, plain or TLS, HTTP/1.1 and HTTP/2, with limits on how slow and how large a client
//! may be.

use axum::{
    Router,
    extract::{Request, State},
    http::{self, StatusCode, uri::Scheme},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use countersign::request_context::{ClientAddress, NoRoom};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::util::MapRequest;

/// How long a client may take for the head of a request, and a connection may idle.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long a client may take for the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take for the body of a request, and its answer. A signature takes milliseconds here.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// How many requests are worked on at once: more would not be done sooner, and take memory. Others wait their turn.
const AT_ONCE: usize = 128;
/// How many wait at most: a second's work. What comes then is refused, in its own dialect.
const WAITING: usize = 4_096;
/// How many bytes the head of a request may have. API Gateway allows 10 KiB of headers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How many requests one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 100;
/// How long open requests may take to finish once the server is told to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait when a connection cannot be accepted: most likely there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests with `router` until `shutdown` completes; then lets open requests finish.
///
/// Each request carries the address of its client as an extension, as the socket knows it, and the scheme that it came
/// by.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let router = in_room(router, Room::new(AT_ONCE, WAITING));
    let scheme = if tls.is_some() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = service(&router, peer, &scheme);
                let connection =
                    connection(stream, tls.clone(), builder.clone(), service, graceful.watcher());
                tokio::spawn(connection);
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    // Whoever is not done by then is cut off.
    let _ = timeout(SHUTDOWN_LIMIT, graceful.shutdown()).await;
}

fn in_room(router: Router, room: Room) -> Router {
    router.layer(middleware::from_fn_with_state(room, within_limits))
}

/// Where requests are worked on, and where they wait for it.
#[derive(Clone)]
struct Room {
    places: Arc<Semaphore>,
    /// One for each request that is worked on or waits.
    seats: Arc<Semaphore>,
}

impl Room {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once)),
            seats: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }
}

/// Lets so many requests in at once, and gives up on one whose body does not come. Nothing is lost: what was to be
/// signed is recorded before it is.
async fn within_limits(State(room): State<Room>, mut request: Request, next: Next) -> Response {
    let Ok(_seat) = room.seats.try_acquire() else {
        request.extensions_mut().insert(NoRoom);
        return next.run(request).await;
    };
    let work = async {
        // Nobody closes it.
        let _place = room.places.acquire().await;
        next.run(request).await
    };
    match timeout(REQUEST_LIMIT, work).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_LIMIT)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

/// What answers the requests of one connection. A layer of the router would be made anew for each of its routes.
fn service(router: &Router, peer: SocketAddr, scheme: &Scheme) -> impl Service + use<> {
    // An IPv4 client of an IPv6 socket counts as IPv4.
    let address = ClientAddress(Some(peer.ip().to_canonical()));
    let scheme = scheme.clone();
    let router = router.clone().into_service::<Incoming>();
    MapRequest::new(router, move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(address);
        request.extensions_mut().insert(scheme.clone());
        request
    })
}

/// A router with something before it.
trait Service:
    tower::Service<http::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Service for S where
    S: tower::Service<http::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: impl Service,
    watcher: Watcher,
) {
    // Answers are small and whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    match tls {
        None => answer(stream, &builder, service, watcher).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_LIMIT, tls.accept(stream)).await {
                answer(stream, &builder, service, watcher).await;
            }
        }
    }
}

async fn answer<S>(stream: S, builder: &auto::Builder<TokioExecutor>, service: impl Service, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(service);
    // What goes wrong on one connection is its client's to notice.
    let _ = watcher
        .watch(builder.serve_connection(TokioIo::new(stream), service))
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{self, state};
    use axum::body::{Body, to_bytes};
    use serde_json::{Value, json};
    use tower::util::ServiceExt;

    async fn ask(router: &Router, path: &str) -> (StatusCode, Option<String>, Value) {
        let request = Request::builder().method("POST").uri(path).body(Body::empty());
        let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
        let wait = answer.headers().get("retry-after");
        let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, wait, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn each_family_refuses_in_its_own_dialect_what_there_is_no_room_for() {
        let state = state::State::open(None).await.unwrap();
        let room = Room::new(1, 1);
        let router = in_room(serve::router(state.services.clone()), room.clone());
        let text = "too many requests; try again later";
        let sentence = "Too many requests. Try again later.";
        let families = [
            ("/v1/ssh/sign/role", json!({"errors": [text]})),
            (
                "/ssh_user_certificates",
                json!({"error_code": "ERR_NGROK_226", "status_code": 429, "msg": sentence}),
            ),
            (
                "/api/v1/ssh/certificates/sign",
                json!({"statusCode": 429, "error": "RateLimitExceeded"}),
            ),
            (
                "/vedsdk/SSHCertificates/Request",
                json!({"Response": {"ErrorCode": 100, "ErrorMessage": sentence, "Success": false}}),
            ),
        ];
        let seats = room.seats.clone().try_acquire_many_owned(2).unwrap();
        for (path, wanted) in &families {
            let (status, wait, body) = ask(&router, path).await;
            assert_eq!(
                (status, wait.as_deref()),
                (StatusCode::TOO_MANY_REQUESTS, Some("1"))
            );
            for (name, value) in wanted.as_object().unwrap() {
                assert_eq!(&body[name], value, "{path}: {body}");
            }
        }
        drop(seats);
        for (path, _) in &families {
            let (status, ..) = ask(&router, path).await;
            assert_ne!(status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        }
    }
}
