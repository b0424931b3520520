//! HTTP as a browser speaks it: connections that are kept and used again, by one viewer or by all.
//!
//! HTTP/1.1 takes a connection for each answer that is under way, HTTP/2 one for all. Names are looked up once in a run.
//! Absent on purpose: redirects, cookies, caches, retries (but for one: a kept connection may have been closed by the
//! other side in the moment of asking).

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::cause::Cause;

/// What a connection holds of an answer before somebody reads it.
const READ_BUFFER: usize = 128 << 10;
/// Of a film that is watched at its pace no more than this is on the way to the viewer, in bytes.
const RECEIVE_BUFFER: u32 = 512 << 10;
/// Kept connections to one place, by viewer; with shared connections, by all.
const KEPT_MAX: usize = 6;
const KEPT_SHARED_MAX: usize = 256;

type H1 = http1::SendRequest<Empty<Bytes>>;
type H2 = http2::SendRequest<Empty<Bytes>>;

/// How everybody in this run speaks.
#[derive(Debug)]
pub(super) struct Client {
    tls: [Arc<ClientConfig>; 2],
    /// How long a connection, and the beginning of an answer, are waited for.
    patience: Duration,
    names: RefCell<HashMap<Authority, SocketAddr>>,
}

/// Whether HTTP/2 is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speak {
    Http1,
    /// Without TLS by prior knowledge, with it if the other side agrees.
    Http2,
}

/// Connections that are kept.
#[derive(Debug)]
pub(super) struct Pool {
    kept_max: usize,
    http1: RefCell<HashMap<Authority, Vec<H1>>>,
    http2: RefCell<HashMap<Authority, H2>>,
}

/// The beginning of an answer, and what is to come of it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) body: Body,
}

/// Bytes to come. Dropped early, an HTTP/1.1 connection is closed and an HTTP/2 stream reset, as browsers do.
#[derive(Debug)]
pub(super) struct Body {
    incoming: Incoming,
    back: Option<(Rc<Pool>, Authority, H1)>,
}

/// Where connections' own work goes: this thread.
#[derive(Clone, Copy, Debug)]
struct Here;

enum Sender {
    H1(H1),
    H2(H2),
}

impl Pool {
    /// Of one viewer.
    pub(super) fn own() -> Rc<Self> {
        Rc::new(Self { kept_max: KEPT_MAX, http1: RefCell::default(), http2: RefCell::default() })
    }

    /// Of everybody: as a proxy before the gate keeps them.
    pub(super) fn shared() -> Rc<Self> {
        Rc::new(Self { kept_max: KEPT_SHARED_MAX, http1: RefCell::default(), http2: RefCell::default() })
    }

    fn kept(&self, to: &Authority) -> Option<Sender> {
        if let Some(sender) = self.http2.borrow().get(to).filter(|sender| !sender.is_closed()) {
            return Some(Sender::H2(sender.clone()));
        }
        let mut kept = self.http1.borrow_mut();
        let kept = kept.get_mut(to)?;
        while let Some(sender) = kept.pop() {
            if sender.is_ready() {
                return Some(Sender::H1(sender));
            }
        }
        None
    }

    fn keep(&self, to: Authority, sender: H1) {
        let mut kept = self.http1.borrow_mut();
        let kept = kept.entry(to).or_default();
        if kept.len() < self.kept_max {
            kept.push(sender);
        }
    }
}

impl Client {
    pub(super) fn new(tls: [Arc<ClientConfig>; 2], patience: Duration) -> Rc<Self> {
        Rc::new(Self { tls, patience, names: RefCell::default() })
    }

    /// Asks, and waits for the head of the answer.
    ///
    /// # Errors
    /// There is none in time.
    pub(super) async fn get(
        &self,
        pool: &Rc<Pool>,
        uri: &Uri,
        fields: &HeaderMap,
        speak: Speak,
    ) -> Result<Answer, Cause> {
        let asked = timeout(self.patience, self.ask(pool, uri, fields, speak));
        asked.await.unwrap_or(Err(Cause::NoAnswer))
    }

    async fn ask(
        &self,
        pool: &Rc<Pool>,
        uri: &Uri,
        fields: &HeaderMap,
        speak: Speak,
    ) -> Result<Answer, Cause> {
        let to = uri.authority().ok_or(Cause::WrongHead)?;
        if let Some(sender) = pool.kept(to) {
            match send(pool, to, sender, uri, fields).await {
                // Closed in the moment of asking: nobody has seen the request.
                Err(Cause::Closed) => {}
                answer => return answer,
            }
        }
        let sender = self.connect(uri, to, speak).await?;
        if let Sender::H2(sender) = &sender {
            pool.http2.borrow_mut().insert(to.clone(), sender.clone());
        }
        send(pool, to, sender, uri, fields).await
    }

    async fn connect(&self, uri: &Uri, to: &Authority, speak: Speak) -> Result<Sender, Cause> {
        let is_tls = uri.scheme_str() == Some("https");
        let stream = self.stream(to, if is_tls { 443 } else { 80 }).await?;
        if !is_tls {
            return shake(stream, speak).await;
        }
        let config = &self.tls[usize::from(speak == Speak::Http2)];
        let host = to.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| Cause::Handshake)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let stream = stream.map_err(|_| Cause::Handshake)?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        shake(stream, if agreed { Speak::Http2 } else { Speak::Http1 }).await
    }

    /// To the address that took a connection before, or to the first one of the name that does.
    async fn stream(&self, to: &Authority, port: u16) -> Result<TcpStream, Cause> {
        let known = self.names.borrow().get(to).copied();
        if let Some(known) = known {
            return stream(known).await.map_err(|_| Cause::Connect);
        }
        let host = to.host().trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, to.port_u16().unwrap_or(port))).await;
        for address in found.map_err(|_| Cause::Connect)? {
            if let Ok(stream) = stream(address).await {
                self.names.borrow_mut().insert(to.clone(), address);
                return Ok(stream);
            }
        }
        Err(Cause::Connect)
    }
}

async fn stream(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn shake<S>(stream: S, speak: Speak) -> Result<Sender, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let stream = TokioIo::new(stream);
    // What becomes of a connection is seen by who asks on it.
    match speak {
        Speak::Http1 => {
            let shaken = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(stream).await;
            let (sender, connection) = shaken.map_err(|_| Cause::Handshake)?;
            spawn_local(async { drop(connection.await) });
            Ok(Sender::H1(sender))
        }
        Speak::Http2 => {
            let shaken = http2::Builder::new(Here)
                .initial_stream_window_size(RECEIVE_BUFFER)
                .initial_connection_window_size(4 * RECEIVE_BUFFER)
                .handshake(stream)
                .await;
            let (sender, connection) = shaken.map_err(|_| Cause::Handshake)?;
            spawn_local(async { drop(connection.await) });
            Ok(Sender::H2(sender))
        }
    }
}

async fn send(
    pool: &Rc<Pool>,
    to: &Authority,
    sender: Sender,
    uri: &Uri,
    fields: &HeaderMap,
) -> Result<Answer, Cause> {
    match sender {
        Sender::H1(mut sender) => {
            sender.ready().await.map_err(|_| Cause::Closed)?;
            let request = request(uri, to, fields, Version::HTTP_11)?;
            let answer = sender.send_request(request).await.map_err(|error| before_head(&error))?;
            Ok(Answer::of(answer, Some((Rc::clone(pool), to.clone(), sender))))
        }
        Sender::H2(mut sender) => {
            sender.ready().await.map_err(|_| Cause::Closed)?;
            let request = request(uri, to, fields, Version::HTTP_2)?;
            let answer = sender.send_request(request).await.map_err(|error| before_head(&error))?;
            Ok(Answer::of(answer, None))
        }
    }
}

fn request(
    uri: &Uri,
    to: &Authority,
    fields: &HeaderMap,
    version: Version,
) -> Result<Request<Empty<Bytes>>, Cause> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::GET;
    *request.version_mut() = version;
    request.headers_mut().clone_from(fields);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("watchgate-bench"));
    if version == Version::HTTP_2 {
        *request.uri_mut() = uri.clone();
    } else {
        let host = HeaderValue::from_str(to.as_str()).map_err(|_| Cause::WrongHead)?;
        request.headers_mut().insert(HOST, host);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| Cause::WrongHead)?;
    }
    Ok(request)
}

/// Why no head came.
fn before_head(error: &hyper::Error) -> Cause {
    if error.is_parse() {
        return Cause::WrongHead;
    }
    Cause::Closed
}

/// Why a body broke off.
fn in_body(error: &hyper::Error) -> Cause {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Cause::Short } else { Cause::Reset };
        }
        source = error.source();
    }
    if error.is_incomplete_message() || error.is_body_write_aborted() { Cause::Short } else { Cause::Reset }
}

impl Answer {
    fn of(answer: Response<Incoming>, back: Option<(Rc<Pool>, Authority, H1)>) -> Self {
        let (head, incoming) = answer.into_parts();
        Self { status: head.status, fields: head.headers, body: Body { incoming, back } }
    }
}

impl Body {
    /// The next bytes; `None`: that was all, and the connection is kept.
    ///
    /// # Errors
    /// It broke off.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        loop {
            match self.incoming.frame().await {
                None => {
                    self.give_back();
                    return Ok(None);
                }
                Some(Err(error)) => return Err(in_body(&error)),
                Some(Ok(frame)) => {
                    // What is no data is a trailer.
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Reads a small rest, so that the connection can be kept.
    pub(super) async fn drain(mut self, most: usize) {
        let mut read = 0;
        while let Ok(Some(bytes)) = self.next().await {
            read += bytes.len();
            if read > most {
                return;
            }
        }
    }

    fn give_back(&mut self) {
        if let Some((pool, to, mut sender)) = self.back.take() {
            // It is ready in a moment, when the connection has seen the end, or never, if it closes.
            spawn_local(async move {
                if sender.ready().await.is_ok() {
                    pool.keep(to, sender);
                }
            });
        }
    }
}

impl<F> hyper::rt::Executor<F> for Here
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        spawn_local(async { drop(future.await) });
    }
}
