//! A foreign Pingora proxy that hosts the gate and speaks HTTP/2 without TLS, which the front door does not.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerOptions, ServerApp};
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use watchgate::Outcome;
use watchgate::gate::Gate;

/// The proxy's port; it closes, and all connections end, when this is dropped.
pub(crate) struct Host {
    pub(crate) addr: SocketAddr,
    _serving: JoinSet<()>,
}

impl Host {
    pub(crate) async fn start(gate: Arc<Gate>) -> Self {
        // There is no upstream to trust: reading the system's certificates would be most of the work of a story.
        let conf = ServerConf { ca_file: Some("/dev/null".to_owned()), ..ServerConf::default() };
        let mut app = http_proxy(&Arc::new(conf), Guest { gate });
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        app.server_options = Some(options);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let mut serving = JoinSet::new();
        serving.spawn(accept(Arc::new(app), listener));
        Self { addr, _serving: serving }
    }
}

async fn accept<A: ServerApp + Send + Sync + 'static>(app: Arc<A>, listener: TcpListener) {
    let (_alive, shutdown) = watch::channel(false);
    let mut connections = JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        stream.set_nodelay(true).expect("an open socket");
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        digest.peer_addr.set(Some(peer.into())).expect("a fresh cell");
        let mut stream = Stream::from(stream);
        stream.set_socket_digest(digest);
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        connections.spawn(async move {
            app.process_new(Box::new(stream), &shutdown).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The least that a host does: films are the gate's, there is nothing else.
struct Guest {
    gate: Arc<Gate>,
}

#[async_trait]
impl ProxyHttp for Guest {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> pingora::Result<bool> {
        Ok(self.gate.handle(session).await? == Outcome::Answered)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        pingora::Error::e_explain(pingora::ErrorType::HTTPStatus(404), "films alone")
    }
}
