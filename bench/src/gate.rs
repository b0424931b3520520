//! The gate as it is measured: its configuration written, its nodes found up.
//!
//! Absent on purpose: what the configuration says, which is each measurement's own, and what its metrics mean.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;
use crate::process::{Place, Server};

/// Starts the gate with a configuration that names these two addresses, and waits until so many nodes are up.
pub(crate) async fn start(
    place: &Place,
    core: impl Into<Option<usize>>,
    name: &str,
    address: SocketAddr,
    admin: SocketAddr,
    nodes: usize,
    config: &str,
) -> Result<Server, Failure> {
    start_under(&[], place, core, name, address, admin, nodes, config).await
}

/// The same, run by another program, such as valgrind. `under`: that one and its arguments; without any as [`start`].
#[expect(clippy::too_many_arguments, reason = "all of them are what a gate is started with")]
pub(crate) async fn start_under(
    under: &[&str],
    place: &Place,
    core: impl Into<Option<usize>>,
    name: &str,
    address: SocketAddr,
    admin: SocketAddr,
    nodes: usize,
    config: &str,
) -> Result<Server, Failure> {
    let file = place.written(&format!("{name}.toml"), config)?;
    let program = place.program("watchgate");
    let command = [under, &[&program, "-c", &file, "run"]].concat();
    let mut gate = Server::start(place, core, name, &command, address).await?;
    gate.wait_until("has all its nodes up", || async move { nodes_up(admin).await == Some(nodes) }).await?;
    Ok(gate)
}

/// What the admin listener answers; `None`: nothing, or not with 200.
pub(crate) async fn told(admin: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    body(&answer).map(str::to_owned)
}

fn body(answer: &str) -> Option<&str> {
    Some(answer.strip_prefix("HTTP/1.1 200 ")?.split_once("\r\n\r\n")?.1)
}

/// How many nodes are up by the word of the admin listener; `None`: it does not answer, or not so.
pub(crate) async fn nodes_up(admin: SocketAddr) -> Option<usize> {
    up_in(&told(admin, "/api/v1/nodes").await?)
}

fn up_in(body: &str) -> Option<usize> {
    let nodes: Value = serde_json::from_str(body).ok()?;
    let nodes = nodes.as_array().or_else(|| nodes.get("nodes")?.as_array())?;
    Some(nodes.iter().filter(|node| node["state"] == "up").count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_up_are_counted() {
        let check = |answer: &str, expected: Option<usize>| {
            assert_eq!(body(answer).and_then(up_in), expected, "{answer}");
        };
        let list = r#"[{"id":"a","state":"up"},{"id":"b","state":"down"},{"id":"c","state":"up"}]"#;
        check(&format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{list}"), Some(2));
        check(&format!("HTTP/1.1 200 OK\r\n\r\n{{\"nodes\":{list}}}"), Some(2));
        check(&format!("HTTP/1.1 401 Unauthorized\r\n\r\n{list}"), None);
        check("HTTP/1.1 200 OK\r\n\r\nhello", None);
    }
}
