//! watchgate inside a Pingora proxy of one's own: films go to the nearest storage node, all else to the upstream.
//!
//! `cargo run --example plugin -- watchgate.toml 127.0.0.1:8000 0.0.0.0:8080`

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::Server;
use pingora::services::background::background_service;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use watchgate::Outcome;
use watchgate::gate::{Background, Gate};

struct MyProxy {
    gate: Arc<Gate>,
    upstream: std::net::SocketAddr,
}

#[async_trait]
impl ProxyHttp for MyProxy {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> pingora::Result<bool> {
        Ok(self.gate.handle(session).await? == Outcome::Answered)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, file, upstream, listen] = <[String; 4]>::try_from(std::env::args().collect::<Vec<_>>())
        .map_err(|_| "usage: plugin CONFIG UPSTREAM LISTEN")?;
    let gate = Arc::new(Gate::open(file.as_ref(), &prometheus::Registry::new())?);

    let mut server = Server::new(None)?;
    server.bootstrap();
    let upstream = upstream.parse()?;
    let mut proxy = http_proxy_service(&server.configuration, MyProxy { gate: Arc::clone(&gate), upstream });
    proxy.add_tcp(&listen);
    server.add_service(background_service("watchgate", Background(gate)));
    server.add_service(proxy);
    server.run_forever()
}
