//! The gate as it is measured: its configuration written, its nodes found up, its access lines counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::load::Round;
use super::nodes::{Fleet, config};
use super::{Place, Server, free_address};
use crate::Failure;
use crate::process::LOOK;

/// Starts the gate and waits until every node is up.
pub(super) async fn start(
    place: &Place,
    core: usize,
    name: &str,
    address: SocketAddr,
    fleet: &Fleet<'_>,
) -> Result<Server, Failure> {
    let admin = free_address()?;
    let file = place.scratch.join(format!("{name}.toml"));
    let shown = file.display().to_string();
    std::fs::write(&file, config(address, admin, fleet)).map_err(Failure::during(shown.clone()))?;
    let mut gate = Server::start(place, core, name, &["watchgate", "-c", &shown, "run"], address).await?;
    let wanted = fleet.nodes;
    gate.wait_until("has all its nodes up", || async move { nodes_up(admin).await == Some(wanted) }).await?;
    Ok(gate)
}

/// How many nodes are up by the word of the admin listener; `None`: it does not answer, or not so.
async fn nodes_up(admin: SocketAddr) -> Option<usize> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    let ask = format!("GET /api/v1/nodes HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    up_in(&answer)
}

fn up_in(answer: &str) -> Option<usize> {
    let (_, body) = answer.strip_prefix("HTTP/1.1 200 ")?.split_once("\r\n\r\n")?;
    let nodes: Value = serde_json::from_str(body).ok()?;
    let nodes = nodes.as_array().or_else(|| nodes.get("nodes")?.as_array())?;
    Some(nodes.iter().filter(|node| node["state"] == "up").count())
}

/// Waits until a line is written for every answer.
///
/// # Errors
/// Some are still missing after seconds: then the time they would have cost is missing in the figures.
pub(super) async fn wrote_its_lines(gate: &Server, round: &Round) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let lines = gate.log_lines()?;
        if lines >= round.answers_in_all {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(5) {
            let answers = round.answers_in_all;
            return Err(gate.misbehaved(&format!("wrote {lines} access lines for {answers} answers")));
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_up_are_counted() {
        let check = |answer: &str, expected: Option<usize>| assert_eq!(up_in(answer), expected, "{answer}");
        let list = r#"[{"id":"a","state":"up"},{"id":"b","state":"down"},{"id":"c","state":"up"}]"#;
        check(&format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{list}"), Some(2));
        check(&format!("HTTP/1.1 200 OK\r\n\r\n{{\"nodes\":{list}}}"), Some(2));
        check(&format!("HTTP/1.1 401 Unauthorized\r\n\r\n{list}"), None);
        check("HTTP/1.1 200 OK\r\n\r\nhello", None);
    }
}
