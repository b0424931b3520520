//! How the front door's sockets are set up: options are put on the listener once, and accepted connections inherit
//! them on Linux, which saves five system calls for each viewer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::TcpListener;

use crate::decide::pace::UNSENT_MAX;

/// Connections the kernel may hold ready for us; it cuts this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// A peer that vanished without a word is noticed after about two minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_tcp_nodelay(true)?;
    // A viewer that does not read holds no more than these of the kernel's memory. What is on the way is not limited, so
    // that this is no limit on speed.
    socket.set_tcp_notsent_lowat(UNSENT_MAX)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES),
    )?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
