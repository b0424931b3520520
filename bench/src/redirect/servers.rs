//! What redirect measurements have in common: a City database, viewers from all over it, and nodes that say yes.
//!
//! Absent on purpose: who is measured against whom, which each measurement decides.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::nodes::config;
use super::nodes::{self, Setting};
use super::rivals::Rival;
use crate::city::{self, Towns};
use crate::process::{Place, Server, free_address};
use crate::{Failure, gate, say};

/// Everything that servers are started with.
#[derive(Debug)]
pub(crate) struct Servers<'a> {
    place: &'a Place,
    core: usize,
    stub: SocketAddr,
    database: PathBuf,
    /// One line about the database.
    pub(crate) about: String,
    pub(crate) viewers: Vec<IpAddr>,
}

impl<'a> Servers<'a> {
    /// Starts the stub for nodes, and draws so many viewers from the database, or from one that is made.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn prepare(
        place: &'a Place,
        core: usize,
        city: Option<&Path>,
        viewers: u32,
    ) -> Result<Self, Failure> {
        let (database, about) = database(city, place.scratch.path())?;
        say("drawing viewers from the database ...");
        let bytes = std::fs::read(&database).map_err(Failure::during(database.display().to_string()))?;
        let viewers = city::viewers(&bytes, usize::try_from(viewers).unwrap_or(usize::MAX))?;
        Ok(Self { place, core, stub: nodes::start()?, database, about, viewers })
    }

    /// A gate with all its nodes up, and where its admin listener is. `under`: a program that it runs under, with that
    /// one's arguments.
    pub(crate) async fn gate(
        &self,
        name: &str,
        setting: &Setting,
        under: &[&str],
    ) -> Result<(Server, SocketAddr), Failure> {
        let (address, admin) = (free_address()?, free_address()?);
        let config = config(address, admin, setting, &self.database, self.stub);
        let gate =
            gate::start_under(under, self.place, self.core, name, address, admin, setting.nodes, &config);
        Ok((gate.await?, admin))
    }

    /// A bare Pingora proxy.
    pub(crate) async fn bare(
        &self,
        name: &str,
        arguments: &[&str],
        under: &[&str],
    ) -> Result<Server, Failure> {
        let address = free_address()?;
        let listen = address.to_string();
        let program = self.place.program("watchgate-bench-bare");
        let command = [under, &[&program, "--listen", &listen], arguments].concat();
        Server::start(self.place, self.core, name, &command, address).await
    }

    /// Another server.
    pub(crate) async fn rival(&self, rival: Rival, under: &[&str]) -> Result<Server, Failure> {
        rival.start(self.place, self.core, &self.database, under).await
    }
}

/// The database's file, and what to say of it.
fn database(city: Option<&Path>, scratch: &Path) -> Result<(PathBuf, String), Failure> {
    if let Some(file) = city {
        let failed = || Failure::during(file.display().to_string());
        let bytes = std::fs::metadata(file).map_err(failed())?.len();
        let file = std::path::absolute(file).map_err(failed())?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok((file, format!("City database: {name}, {} MB", bytes / 1_000_000)));
    }
    say("making a City database ...");
    let file = scratch.join("made.mmdb");
    let bytes = city::made(Towns::Anywhere)?;
    std::fs::write(&file, &bytes).map_err(Failure::during(file.display().to_string()))?;
    Ok((file, format!("City database: made, {} MB, 50,000 networks", bytes.len() / 1_000_000)))
}
