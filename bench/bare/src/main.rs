//! A yardstick: what a redirect, or a proxied answer, costs when Pingora does all of the work.
//!
//! Every request gets the same `302`, as long as one with a presigned link, or with `--proxy` goes to one upstream. It
//! listens the way the gate's front door does, or with `--server` the way Pingora's own `Server` does, whose modules
//! are then the default ones too. Absent on purpose: metrics, logs, and code shared with what is measured.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, LOCATION};
use pingora::apps::ServerApp;
use pingora::http::ResponseHeader;
use pingora::modules::http::HttpModules;
use pingora::modules::http::compression::ResponseCompressionBuilder;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use pingora_proxy::{ProxyHttp, Session, http_proxy, http_proxy_service};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The same allocator as the gate's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A link of the gate's, word by word as long as the ones that the measurement's configuration makes it sign.
const LINK: &str = concat!(
    "https://node-1.storage.films.example/movies/3d825f60-9fff-4dfe-b294-1a45fa1e115d.mp4",
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "&X-Amz-Credential=watchgate-bench%2F20261123%2Fus-east-1%2Fs3%2Faws4_request",
    "&X-Amz-Date=20261123T120000Z&X-Amz-Expires=21900&X-Amz-SignedHeaders=host",
    "&X-Amz-Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
);

/// A Pingora proxy that answers every request with one fixed redirect, or passes it on.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8302")]
    listen: SocketAddr,
    /// Worker threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Listen through Pingora's Server, with everything as Pingora has it by default
    #[arg(long)]
    server: bool,
    /// Pass every request on to this address instead, the way Pingora does it by itself
    #[arg(long, value_name = "ADDRESS")]
    proxy: Option<SocketAddr>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.server {
        serve_with_server(&args);
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(args.threads).enable_all().build();
    let served = runtime.and_then(|runtime| runtime.block_on(serve(&args)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Ends only with an error of the listening socket.
async fn serve(args: &Args) -> std::io::Result<()> {
    let conf = ServerConf { threads: args.threads, ..ServerConf::default() };
    let app = Arc::new(http_proxy(&Arc::new(conf), Bare { modules: Modules::None, upstream: args.proxy }));
    let listener = TcpListener::bind(args.listen).await?;
    let (_stop, shutdown) = watch::channel(false);
    loop {
        let (stream, peer) = listener.accept().await?;
        let stream = prepared(stream, peer)?;
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            app.process_new(Box::new(stream), &shutdown).await;
        });
    }
}

fn prepared(stream: TcpStream, peer: SocketAddr) -> std::io::Result<Stream> {
    stream.set_nodelay(true)?;
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // A fresh cell takes the first value.
    let _ = digest.peer_addr.set(Some(peer.into()));
    let mut stream = Stream::from(stream);
    stream.set_socket_digest(digest);
    Ok(stream)
}

fn serve_with_server(args: &Args) -> ! {
    let conf = ServerConf { threads: args.threads, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service =
        http_proxy_service(&server.configuration, Bare { modules: Modules::Default, upstream: args.proxy });
    service.add_tcp(&args.listen.to_string());
    server.add_service(service);
    server.run_forever()
}

enum Modules {
    /// As in the gate's front door.
    None,
    /// As in every proxy that says nothing about modules.
    Default,
}

struct Bare {
    modules: Modules,
    upstream: Option<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        match self.modules {
            Modules::None => {}
            Modules::Default => modules.add_module(ResponseCompressionBuilder::enable(0)),
        }
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> pingora::Result<bool> {
        if self.upstream.is_some() {
            return Ok(false);
        }
        let mut head = ResponseHeader::build(302, Some(4))?;
        head.insert_header(LOCATION, HeaderValue::from_static(LINK))?;
        head.insert_header(CONTENT_LENGTH, HeaderValue::from_static("0"))?;
        session.write_response_header(Box::new(head), true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        match self.upstream {
            Some(address) => Ok(Box::new(HttpPeer::new(address, false, String::new()))),
            None => Error::e_explain(ErrorType::HTTPStatus(404), "there is no upstream"),
        }
    }
}
