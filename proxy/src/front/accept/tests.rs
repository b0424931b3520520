use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::modules::http::HttpModules;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{HttpProxy, ProxyHttp, Session, http_proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::front::bind;

const WAIT: Duration = Duration::from_secs(10);

/// Answers with the viewer's address; `/slow` first says that it runs and waits for a place in `go`.
struct Host {
    runs: mpsc::UnboundedSender<()>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl ProxyHttp for Host {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> pingora::Result<bool> {
        match session.req_header().uri.path() {
            "/slow" => {
                let _ = self.runs.send(());
                self.go.acquire().await.expect("an open semaphore").forget();
            }
            "/panic" => panic!("a panic on purpose"),
            _ => {}
        }
        let viewer = session.client_addr().map(ToString::to_string).unwrap_or_default();
        let mut head = ResponseHeader::build(200, None)?;
        head.insert_header("Content-Length", viewer.len())?;
        session.write_response_header(Box::new(head), false).await?;
        session.write_response_body(Some(viewer.into()), true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        unreachable!("every request is answered")
    }
}

struct Running {
    at: SocketAddr,
    room: Room,
    runs: mpsc::UnboundedReceiver<()>,
    go: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    served: JoinHandle<Stopped>,
}

#[expect(clippy::unused_async, reason = "a listener needs the runtime")]
async fn start(viewers_max: u32, grace: Duration) -> Running {
    let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let at = listener.local_addr().unwrap();
    let (runs, runs_rx) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let host = Host { runs, go: Arc::clone(&go) };
    let app: Arc<HttpProxy<Host>> = Arc::new(http_proxy(&Arc::new(ServerConf::default()), host));
    let room = Room::new(viewers_max, &Registry::new()).unwrap();
    let (stop, shutdown) = watch::channel(false);
    let theirs = room.clone();
    let served = tokio::spawn(async move { serve(&app, vec![listener], &theirs, &shutdown, grace).await });
    Running { at, room, runs: runs_rx, go, stop, served }
}

impl Running {
    async fn ask(&self, path: &str) -> TcpStream {
        let mut viewer = TcpStream::connect(self.at).await.unwrap();
        send(&mut viewer, path).await;
        viewer
    }

    async fn stopped(self) -> Stopped {
        time::timeout(WAIT, self.served).await.expect("stopped in time").unwrap()
    }
}

async fn send(viewer: &mut TcpStream, path: &str) {
    viewer.write_all(format!("GET {path} HTTP/1.1\r\nHost: gate.example\r\n\r\n").as_bytes()).await.unwrap();
}

/// The head and the body of one answer; empty if the connection ended instead.
async fn answer(viewer: &mut TcpStream) -> (String, String) {
    let mut read = Vec::new();
    let ends = |read: &[u8]| {
        let text = String::from_utf8_lossy(read).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (_, length) = head.split_once("content-length: ")?;
        let length: usize = length.lines().next()?.parse().ok()?;
        (body.len() >= length).then(|| (head.to_owned(), body.to_owned()))
    };
    loop {
        if let Some(whole) = ends(&read) {
            return whole;
        }
        let got = time::timeout(WAIT, viewer.read_buf(&mut read)).await.expect("an answer in time");
        if got.unwrap_or(0) == 0 {
            return <_>::default();
        }
    }
}

async fn is_closed(viewer: &mut TcpStream) -> bool {
    matches!(time::timeout(WAIT, viewer.read(&mut [0; 64])).await, Ok(Ok(0) | Err(_)))
}

/// Waits for a level, with a bound.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = time::timeout(WAIT, async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn a_connection_carries_many_requests_and_tells_its_peer() {
    let running = start(8, WAIT).await;
    let mut viewer = TcpStream::connect(running.at).await.unwrap();
    let own = viewer.local_addr().unwrap().to_string();
    for _ in 0..3 {
        send(&mut viewer, "/").await;
        let (head, body) = answer(&mut viewer).await;
        assert!(head.starts_with("http/1.1 200") && !head.contains("connection: close"), "{head}");
        assert_eq!(body, own);
    }
    assert_eq!(running.room.taken.get(), 1);
    drop(viewer);
    until("the place is free again", || running.room.taken.get() == 0).await;
    running.stop.send_replace(true);
    assert_eq!(running.stopped().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn a_stop_closes_who_waits_and_finishes_who_runs() {
    let mut running = start(8, WAIT).await;
    let mut idle = running.ask("/").await;
    assert!(answer(&mut idle).await.0.starts_with("http/1.1 200"));
    let mut silent = TcpStream::connect(running.at).await.unwrap();
    let mut slow = running.ask("/slow").await;
    running.runs.recv().await.unwrap();

    running.stop.send_replace(true);

    assert!(is_closed(&mut idle).await, "a connection between requests is closed at once");
    assert!(is_closed(&mut silent).await, "and so is one that never asked");
    assert!(TcpStream::connect(running.at).await.is_err(), "the listener is closed");
    assert!(!running.served.is_finished(), "a running request is waited for");
    running.go.add_permits(1);
    assert!(answer(&mut slow).await.0.starts_with("http/1.1 200"));
    assert!(is_closed(&mut slow).await, "no further request is taken");
    assert_eq!(running.stopped().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn a_stop_serves_who_was_let_in_by_the_kernel() {
    let running = start(8, WAIT).await;
    // On this one thread the accept loop cannot run between the connect's end and the stop.
    let mut viewer = std::net::TcpStream::connect(running.at).unwrap();
    std::io::Write::write_all(&mut viewer, b"GET / HTTP/1.1\r\nHost: gate.example\r\n\r\n").unwrap();
    running.stop.send_replace(true);
    viewer.set_nonblocking(true).unwrap();
    let mut viewer = TcpStream::from_std(viewer).unwrap();
    let (head, _) = answer(&mut viewer).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
    assert_eq!(running.stopped().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn what_outlives_the_grace_time_is_cut() {
    let mut running = start(8, Duration::from_millis(20)).await;
    let mut slow = running.ask("/slow").await;
    running.runs.recv().await.unwrap();
    running.stop.send_replace(true);
    assert!(is_closed(&mut slow).await);
    let room = running.room.clone();
    assert_eq!(running.stopped().await, Stopped { cut: 1 });
    assert_eq!(room.taken.get(), 0);
}

#[tokio::test]
async fn a_full_house_lets_the_next_viewer_wait() {
    let mut running = start(1, WAIT).await;
    let mut first = running.ask("/slow").await;
    running.runs.recv().await.unwrap();
    let mut second = running.ask("/slow").await;
    // Both were asked to go on: only the place keeps the second one out.
    running.go.add_permits(2);
    assert!(answer(&mut first).await.0.starts_with("http/1.1 200"));
    assert!(running.runs.try_recv().is_err(), "the first viewer still has the only place");
    drop(first);
    assert!(answer(&mut second).await.0.starts_with("http/1.1 200"));
    running.stop.send_replace(true);
    assert!(is_closed(&mut second).await);
    running.stopped().await;
}

#[tokio::test]
async fn a_panic_costs_one_connection_and_no_place() {
    let running = start(1, WAIT).await;
    let mut victim = running.ask("/panic").await;
    assert!(is_closed(&mut victim).await);
    let mut next = running.ask("/").await;
    assert!(answer(&mut next).await.0.starts_with("http/1.1 200"));
    running.stop.send_replace(true);
    running.stopped().await;
}

#[tokio::test]
async fn a_lost_stop_switch_is_a_stop() {
    let running = start(1, WAIT).await;
    drop(running.stop);
    time::timeout(WAIT, running.served).await.expect("stopped in time").unwrap();
}

#[tokio::test]
async fn listeners_hand_their_options_down() {
    let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let _viewer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    assert!(accepted.nodelay().unwrap());
    assert!(socket2::SockRef::from(&accepted).keepalive().unwrap());
    let taken = bind(listener.local_addr().unwrap()).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
}
