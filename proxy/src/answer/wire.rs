//! A viewer's connection that a film can be written to directly, while Pingora's HTTP session owns it.
//!
//! Pingora's session takes a piece whole or not at all: while a viewer does not read, the piece and the buffer it lies
//! in stay in memory. Written here, a film knows how much the kernel took, and need not hold what it did not take. The
//! session is told afterwards, so that its count of the body and its keep-alive stay right. Only for HTTP/1 without
//! TLS; everything else goes through the session.
//!
//! It can also be fenced: then a session sees the bytes of its own request and nothing of the next one.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pingora::protocols::http::ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_proxy::Session;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::decide::pace::UNSENT_MAX;

/// See the module. Reads and writes are those of the connection itself, unbuffered.
pub struct Wire {
    tcp: TcpStream,
    digest: Arc<SocketDigest>,
    established: SystemTime,
    /// Bytes that are out already: the session's next writes are about these.
    ahead: AtomicUsize,
    /// What the kernel may hold unsent, as it was told last.
    unsent: AtomicU32,
    /// Bytes that may still be read; [`NO_FENCE`]: all that come.
    fence: AtomicUsize,
}

const NO_FENCE: usize = usize::MAX;

impl Wire {
    /// A connection that was just accepted from `peer`.
    #[must_use]
    pub fn new(tcp: TcpStream, peer: SocketAddr) -> Self {
        let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        // A fresh cell takes the first value.
        let _ = digest.peer_addr.set(Some(peer.into()));
        let established = SystemTime::now();
        Self {
            tcp,
            digest: Arc::new(digest),
            established,
            ahead: AtomicUsize::new(0),
            unsent: AtomicU32::new(UNSENT_MAX),
            fence: AtomicUsize::new(NO_FENCE),
        }
    }

    /// The connection below a session, if it is one of these.
    #[must_use]
    pub fn of(session: &Session) -> Option<&Self> {
        match session.as_downstream() {
            ServerSession::H1(session) => session.stream().as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The connection itself, if it is one of these.
    #[must_use]
    pub fn below(stream: &Stream) -> Option<&Self> {
        stream.as_any().downcast_ref()
    }

    /// Lets so many bytes more be read. Behind them only the end of the connection is seen, and bytes of a next request
    /// wait in the kernel.
    pub fn fence(&self, bytes: usize) {
        self.fence.store(bytes, Ordering::Relaxed);
    }

    /// Takes the fence away; how many bytes within it were not read, none if there was no fence.
    pub fn unfence(&self) -> Option<usize> {
        Some(self.fence.swap(NO_FENCE, Ordering::Relaxed)).filter(|left| *left != NO_FENCE)
    }

    /// Whether the kernel takes more now: asked of it, for what was last known may be old. If not,
    /// [`Wire::writable`] waits until it does.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let asked = self.tcp.try_io(Interest::WRITABLE, || {
            let mut asked = [PollFd::new(self.tcp.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut asked, PollTimeout::ZERO) {
                Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
                // An error shows in the next write.
                _ => Ok(()),
            }
        });
        asked.is_ok()
    }

    /// How many bytes the kernel takes before they can be sent. Listeners give their connections [`UNSENT_MAX`].
    pub fn allow_unsent(&self, bytes: u32) {
        if self.unsent.swap(bytes, Ordering::Relaxed) != bytes {
            // Without it there is a limit still, the one before.
            let _ = SockRef::from(&self.tcp).set_tcp_notsent_lowat(bytes);
        }
    }

    /// Writes what the kernel takes at once.
    ///
    /// # Errors
    /// As the system says; `WouldBlock`: nothing, see [`Wire::writable`].
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.try_write(bytes)
    }

    /// Waits until the kernel takes more, or the connection is broken.
    pub async fn writable(&self) {
        // A broken connection says so in the next write.
        let _ = self.tcp.writable().await;
    }

    /// Ready when the viewer closed the connection, which is looked for without taking a byte. Once the next request is
    /// there, nothing more is known until it is read.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        match ready!(self.tcp.poll_peek(cx, &mut ReadBuf::new(&mut byte)))? {
            0 => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    fn swallow(&self, most: usize) -> Option<usize> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let swallowed = ahead.min(most);
        self.ahead.store(ahead - swallowed, Ordering::Relaxed);
        (ahead > 0).then_some(swallowed)
    }
}

/// Tells the session that so many bytes of the body went out by [`Wire::try_write`]; with the last ones it ends the
/// answer.
///
/// # Errors
/// The connection broke.
pub async fn account(session: &mut Session, mut sent: usize, is_last: bool) -> pingora::Result<()> {
    // The session counts these, and hands them to a connection that swallows them.
    static STAND_IN: [u8; 64 << 10] = [0; 64 << 10];
    while sent > 0 {
        let bytes = Bytes::from_static(&STAND_IN[..sent.min(STAND_IN.len())]);
        sent -= bytes.len();
        if let Some(wire) = Wire::of(session) {
            wire.ahead.store(bytes.len(), Ordering::Relaxed);
        }
        session.as_downstream_mut().write_response_body(bytes, is_last && sent == 0).await?;
    }
    Ok(())
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.fence.load(Ordering::Relaxed) {
            NO_FENCE => Pin::new(&mut self.tcp).poll_read(cx, buf),
            0 => self.poll_end(cx),
            left => {
                let most = left.min(buf.remaining());
                let mut within = ReadBuf::new(buf.initialize_unfilled_to(most));
                ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut within))?;
                let read = within.filled().len();
                buf.advance(read);
                self.fence.store(left - read, Ordering::Relaxed);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.swallow(buf.len()) {
            Some(swallowed) => Poll::Ready(Ok(swallowed)),
            None => Pin::new(&mut self.tcp).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.swallow(bufs.iter().map(|buf| buf.len()).sum()) {
            Some(swallowed) => Poll::Ready(Ok(swallowed)),
            None => Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Wire {
    async fn shutdown(&mut self) {
        // The viewer may have closed it already.
        let _ = AsyncWriteExt::shutdown(&mut self.tcp).await;
    }
}

impl UniqueID for Wire {
    fn id(&self) -> UniqueIDType {
        self.tcp.as_raw_fd()
    }
}

impl Ssl for Wire {}

impl Peek for Wire {}

impl GetTimingDigest for Wire {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest {
            established_ts: self.established,
            establishment_duration: None,
            offload_wait_duration: None,
        })]
    }
}

impl GetProxyDigest for Wire {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Wire {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}
