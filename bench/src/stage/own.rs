//! A `watchgate-node` as a process: its switches, and the films in it.
//!
//! Its films lie in memory and are gone when it is killed: what was copied in is remembered here and copied in again.
//! Absent on purpose: replication, which whoever holds the nodes plays by copying in.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ACCESS_KEY, BUCKET, SECRET_KEY, quiet_address};
use crate::Failure;
use crate::process::{Place, Server};

/// One node.
#[derive(Debug)]
pub(crate) struct Own {
    name: &'static str,
    process: Option<Server>,
    /// Where films are asked for.
    pub(crate) address: SocketAddr,
    control: SocketAddr,
    /// What it holds, oldest first: a key and the copy's description.
    held: Vec<(String, Value)>,
}

impl Own {
    /// Starts it, empty.
    ///
    /// # Errors
    /// It is not built, or does not listen.
    pub(crate) async fn start(place: &Place, name: &'static str) -> Result<Self, Failure> {
        let (address, control) = (quiet_address()?, quiet_address()?);
        let mut node = Self { name, process: None, address, control, held: Vec::new() };
        node.run(place).await?;
        Ok(node)
    }

    async fn run(&mut self, place: &Place) -> Result<(), Failure> {
        let (address, control) = (self.address.to_string(), self.control.to_string());
        let command = [
            "watchgate-node",
            "--name",
            self.name,
            "--bucket",
            BUCKET,
            "--access-key",
            ACCESS_KEY,
            "--secret-key",
            SECRET_KEY,
            "--address",
            &address,
            "--control",
            &control,
        ];
        let mut process = Server::launch(place, &[], self.name, &command, self.address).await?;
        let control = self.control;
        process
            .wait_until("takes control", || async move { TcpStream::connect(control).await.is_ok() })
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// The process, while it runs.
    pub(crate) fn process(&self) -> Option<&Server> {
        self.process.as_ref()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was, with what it held, if it does not run.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) async fn revive(&mut self, place: &Place) -> Result<(), Failure> {
        if self.process.is_some() {
            return Ok(());
        }
        self.run(place).await?;
        for (_, copy) in &self.held {
            self.control("PUT", "/films", copy).await?;
        }
        Ok(())
    }

    /// Copies a version in as replication would; with no size a delete marker.
    pub(crate) async fn copy_in(&mut self, key: &str, version: &Version) -> Result<(), Failure> {
        let Version { id, modified_s, size, seed } = version;
        let copy = json!({"bucket": BUCKET, "key": key, "version_id": id, "modified_s": modified_s,
            "size": size, "seed": seed});
        self.control("PUT", "/films", &copy).await?;
        self.held.push((key.to_owned(), copy));
        Ok(())
    }

    /// Loses a film as a dead disk does.
    pub(crate) async fn forget(&mut self, key: &str) -> Result<(), Failure> {
        self.control("DELETE", "/films", &json!({"bucket": BUCKET, "key": key})).await?;
        self.held.retain(|(held, _)| held != key);
        Ok(())
    }

    /// Turns one of its switches (bench/node/README.md).
    ///
    /// # Errors
    /// It does not answer within ten seconds, or not with a status of success.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Result<(), Failure> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let ask = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.control,
            body.len()
        );
        let failed = || Failure::during(format!("{method} {path} at the control of {}", self.name));
        let exchange = async {
            let mut stream = TcpStream::connect(self.control).await?;
            stream.write_all(ask.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), exchange).await;
        let answer = answer.map_err(|late| failed()(late.into()))?.map_err(failed())?;
        if answer.starts_with("HTTP/1.1 2") {
            return Ok(());
        }
        Err(Failure::Misbehaved(format!("{} refused {method} {path} {body}: {answer}", self.name)))
    }
}

/// A version of a film, the same on every node that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) id: String,
    /// Unix time.
    pub(crate) modified_s: u64,
    /// Bytes; `None`: a delete marker.
    pub(crate) size: Option<u64>,
    pub(crate) seed: u64,
}
