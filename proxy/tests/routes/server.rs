//! A small server behind the gate, which writes down what it is asked.
//!
//! What it does is said by the end of the path: `/hang` never answers, `/drop` closes instead, `/cut` breaks off in the
//! middle of an answer, `/big` sends 32 MiB, `/echo` sends the body back, `/ws` becomes a WebSocket that echoes, `/health`
//! answers as the story wants it. Everything else is told the server's name, the method and the target.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes of `/big`.
pub(crate) const BIG: usize = 32 << 20;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case, in the order they came.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
}

impl Asked {
    /// The only value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice in {self:?}");
        value
    }
}

struct Told {
    name: &'static str,
    asked: Mutex<Vec<Asked>>,
    health: AtomicU16,
}

/// Ends with its connections when it is dropped.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    told: Arc<Told>,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_at(name, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(name: &'static str, addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let told = Arc::new(Told { name, asked: Mutex::default(), health: AtomicU16::new(200) });
        let theirs = Arc::clone(&told);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&theirs)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { addr, told, serving }
    }

    /// Ends it, connections and all, and waits for that.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The status of `/health` from now on.
    pub(crate) fn set_health(&self, status: u16) {
        self.told.health.store(status, Ordering::Relaxed);
    }

    /// What it was asked, but for its health.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.told.asked.lock().expect("not poisoned").clone()
    }

    /// The only thing it was asked.
    pub(crate) fn asked_once(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }
}

async fn serve(stream: TcpStream, told: Arc<Told>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = head(&mut stream).await {
        let path = asked.target.split('?').next().unwrap_or_default().to_owned();
        if path.ends_with("/health") {
            let status = told.health.load(Ordering::Relaxed);
            let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        // Whoever hangs says so before the body.
        if path.ends_with("/hang") {
            told.asked.lock().expect("not poisoned").push(asked);
            return std::future::pending().await;
        }
        let Some(body) = body(&mut stream, &asked).await else { return };
        asked.body_bytes = body.len();
        told.asked.lock().expect("not poisoned").push(asked.clone());
        if answer(&mut stream, &told, &asked, &path, &body).await.is_none() {
            return;
        }
    }
}

/// None: the connection ends.
async fn answer(
    stream: &mut BufReader<TcpStream>,
    told: &Told,
    asked: &Asked,
    path: &str,
    body: &[u8],
) -> Option<()> {
    let length =
        |bytes: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nX-Server: yes\r\n\r\n");
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "drop" => return None,
        "cut" => {
            stream.write_all(format!("{}half", length(8)).as_bytes()).await.ok()?;
            return None;
        }
        "big" => {
            stream.write_all(length(BIG).as_bytes()).await.ok()?;
            let chunk = [b'x'; 8 << 10];
            for _ in 0..BIG / chunk.len() {
                stream.write_all(&chunk).await.ok()?;
            }
        }
        "echo" => {
            stream.write_all(length(body.len()).as_bytes()).await.ok()?;
            stream.write_all(body).await.ok()?;
        }
        "ws" if asked.field("upgrade") == Some("websocket") => {
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            let mut bytes = [0; 1024];
            loop {
                let read = stream.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
                stream.write_all(&bytes[..read]).await.ok()?;
            }
        }
        _ => {
            let text = format!("{} {} {}", told.name, asked.method, asked.target);
            let head = length(text.len())
                .replace("X-Server", "Keep-Alive: timeout=5\r\nX-Request-Id: theirs\r\nX-Server");
            let text = if asked.method == "HEAD" { String::new() } else { text };
            stream.write_all(format!("{head}{text}").as_bytes()).await.ok()?;
        }
    }
    Some(())
}

async fn head(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.trim_end().split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Asked { method, target, fields, body_bytes: 0 })
}

async fn body(stream: &mut BufReader<TcpStream>, asked: &Asked) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if asked.field("transfer-encoding").is_none() {
        let length = asked.field("content-length").map_or(0, |length| length.parse().expect("a number"));
        body.resize(length, 0);
        stream.read_exact(&mut body).await.ok()?;
        return Some(body);
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let begin = body.len();
        body.resize(begin + size + 2, 0);
        stream.read_exact(&mut body[begin..]).await.ok()?;
        body.truncate(begin + size);
        if size == 0 {
            return Some(body);
        }
    }
}
