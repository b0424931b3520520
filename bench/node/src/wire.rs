//! One client connection under hyper: it can freeze, reset, end early, and say
//! bytes that HTTP would not let hyper say.
//!
//! The pipeline and the body only leave orders in a [`Script`]; they are carried
//! out here at the moment when hyper has flushed what belongs before them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::faults::Cut;
use crate::locked;

/// What the node as a whole does at the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serving {
    pub(crate) listening: bool,
    pub(crate) frozen: bool,
}

impl Serving {
    /// Would a peer get an answer?
    pub(crate) fn reachable(self) -> bool {
        self.listening && !self.frozen
    }
}

/// Orders for one connection.
#[derive(Debug, Default)]
pub(crate) struct Script(Mutex<Orders>);

#[derive(Debug, Default)]
struct Orders {
    /// Said before what hyper writes next.
    prefix: Vec<u8>,
    /// Filler bytes said after what hyper has written.
    suffix: u64,
    /// The end, after what hyper has written and the suffix.
    cut: Option<Cut>,
    /// The next head goes out at this pace.
    head_bytes_per_s: Option<u64>,
}

impl Script {
    pub(crate) fn say_first(&self, bytes: &[u8]) {
        locked(&self.0).prefix.extend_from_slice(bytes);
    }

    pub(crate) fn say_after(&self, filler_bytes: u64) {
        locked(&self.0).suffix += filler_bytes;
    }

    pub(crate) fn drip_head(&self, bytes_per_s: u64) {
        locked(&self.0).head_bytes_per_s = Some(bytes_per_s);
    }

    pub(crate) fn cut(&self, cut: Cut) {
        locked(&self.0).cut = Some(cut);
    }
}

/// A reset throws away what the kernel has not delivered; so much time it gets to do so.
const RESET_GRACE: Duration = Duration::from_millis(50);

const HEAD_END: &[u8] = b"\r\n\r\n";

type Thaw = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that follows its script.
pub(crate) struct Wire {
    stream: TcpStream,
    script: Arc<Script>,
    serving: watch::Receiver<Serving>,
    thaw: Option<Thaw>,
    /// Running while the peer takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    write_timeout: Duration,
    /// How much of the blank line after a dripping head was written last.
    head_end: usize,
    /// Running between two bytes of a dripping head.
    drip: Option<Pin<Box<Sleep>>>,
    /// Running between the last byte and the reset.
    grace: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(crate) fn new(
        stream: TcpStream,
        script: Arc<Script>,
        serving: watch::Receiver<Serving>,
        write_timeout: Duration,
    ) -> Self {
        Self {
            stream,
            script,
            serving,
            thaw: None,
            stuck: None,
            write_timeout,
            head_end: 0,
            drip: None,
            grace: None,
        }
    }

    /// Pending while the node is frozen.
    fn poll_thawed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(thaw) = &mut self.thaw {
                ready!(thaw.as_mut().poll(cx));
                self.thaw = None;
            }
            if !self.serving.borrow().frozen {
                return Poll::Ready(());
            }
            let mut serving = self.serving.clone();
            self.thaw = Some(Box::pin(async move {
                // An error means that the node is gone, and with it this connection.
                let _ = serving.wait_for(|serving| !serving.frozen).await;
            }));
        }
    }

    /// Writes, and gives a peer up that takes nothing for the write time-out.
    fn poll_write_patiently(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(done) = Pin::new(&mut self.stream).poll_write(cx, bytes) {
            self.stuck = None;
            return Poll::Ready(done);
        }
        let timeout = self.write_timeout;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes one byte of a dripping head; behind its blank line the pace is over.
    fn poll_drip(&mut self, cx: &mut Context<'_>, bytes: &[u8], bytes_per_s: u64) -> Poll<io::Result<usize>> {
        if let Some(drip) = &mut self.drip {
            ready!(drip.as_mut().poll(cx));
        }
        let byte = &bytes[..bytes.len().min(1)];
        let written = ready!(self.poll_write_patiently(cx, byte))?;
        self.head_end = match byte {
            [byte] if *byte == HEAD_END[self.head_end] => self.head_end + 1,
            [b'\r'] => 1,
            _ => 0,
        };
        self.drip = Some(Box::pin(tokio::time::sleep(Duration::from_secs(1).div_f64(bytes_per_s as f64))));
        if self.head_end == HEAD_END.len() {
            (self.head_end, self.drip) = (0, None);
            locked(&self.script.0).head_bytes_per_s = None;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_prefix(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let prefix = locked(&self.script.0).prefix.clone();
            if prefix.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let written = ready!(self.poll_write_patiently(cx, &prefix))?;
            locked(&self.script.0).prefix.drain(..written);
        }
    }

    fn poll_suffix(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        const FILLER: [u8; 1024] = [b'x'; 1024];
        loop {
            let suffix = locked(&self.script.0).suffix;
            if suffix == 0 {
                return Poll::Ready(Ok(()));
            }
            let length = usize::try_from(suffix).unwrap_or(usize::MAX).min(FILLER.len());
            let written = ready!(self.poll_write_patiently(cx, &FILLER[..length]))?;
            locked(&self.script.0).suffix -= written as u64;
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_thawed(cx));
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_thawed(cx));
        ready!(self.poll_prefix(cx))?;
        let dripping = locked(&self.script.0).head_bytes_per_s;
        match dripping {
            Some(bytes_per_s) => self.poll_drip(cx, buf, bytes_per_s),
            None => self.poll_write_patiently(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_thawed(cx));
        ready!(self.poll_suffix(cx))?;
        let cut = locked(&self.script.0).cut;
        match cut {
            None => Pin::new(&mut self.stream).poll_flush(cx),
            // hyper gives the connection up on an error; `drop` does the rest.
            Some(Cut::Reset) => {
                let grace = self.grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(RESET_GRACE)));
                ready!(grace.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            Some(Cut::Close) => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_thawed(cx));
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if locked(&self.script.0).cut == Some(Cut::Reset) {
            // A socket that refuses the option is closed all the same.
            let _ = self.stream.set_zero_linger();
        }
    }
}
