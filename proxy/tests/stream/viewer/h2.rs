//! HTTP/2 with prior knowledge. What is not read is not granted: the stream's window is the viewer's pace.

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{Method, Request, Version};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Ask, End, Head};

/// Bytes that the gate may send ahead, on the stream and on the connection.
const WINDOW_BYTES: u32 = 256 << 10;

pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    /// Moves the frames; ends with the viewer.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(super) async fn new(stream: TcpStream) -> Self {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        let (sender, connection) = builder.handshake(stream).await.expect("HTTP/2");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends, the streams tell.
            let _ = connection.await;
        });
        Self { sender, _driver: driver }
    }

    pub(super) async fn ask(mut self, ask: &Ask) -> Option<(Head, super::Body)> {
        let mut request = Request::builder()
            .version(Version::HTTP_2)
            .method(ask.method.parse::<Method>().expect("a method"))
            .uri(format!("http://films.example{}", ask.path));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(()).expect("a request");
        let mut sender = self.sender.clone().ready().await.ok()?;
        let (answer, _) = sender.send_request(request, true).ok()?;
        let (parts, receiver) = answer.await.ok()?.into_parts();
        self.sender = sender;
        let fields = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
        let head = Head { status: parts.status.as_u16(), fields: fields.collect() };
        Some((head, super::Body::H2(Body { connection: self, receiver, rest: BytesMut::new() })))
    }
}

pub(crate) struct Body {
    connection: Connection,
    receiver: h2::RecvStream,
    /// Received, but not taken: not granted again.
    rest: BytesMut,
}

impl Body {
    pub(super) async fn piece(&mut self, most: usize) -> Result<Bytes, End> {
        if self.rest.is_empty() {
            match self.receiver.data().await {
                // h2 itself refuses an end that does not match Content-Length.
                None => return Err(End::Whole),
                Some(Ok(data)) => self.rest.extend_from_slice(&data),
                Some(Err(error)) => {
                    let cut = error.is_io() || error.is_remote();
                    assert!(cut, "neither a reset stream nor a closed connection: {error:?}");
                    return Err(End::Cut);
                }
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(most)).freeze();
        // Fails for a stream that has ended: nothing more is wanted of it then.
        let _ = self.receiver.flow_control().release_capacity(piece.len());
        Ok(piece)
    }

    pub(super) fn again(self) -> Connection {
        self.connection
    }
}
