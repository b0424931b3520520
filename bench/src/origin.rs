//! The storage node of stream measurements: nginx with one film in memory, the same node for everybody measured.
//!
//! It sends the film from tmpfs by `sendfile`, answers ranges and `If-Match`, and says 200 to the gate's probes. Absent
//! on purpose: any look at signatures, whose cost would be the node's and not the proxy's.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::Failure;
use crate::film::Film;
use crate::needs::Need;
use crate::peers::temp_paths;
use crate::process::{Place, Server, free_address};

/// The one film.
pub(crate) const UUID: &str = "3d825f60-9fff-4dfe-b294-1a45fa1e115d";
/// Memory of the machine as a file system.
const MEMORY: &str = "/dev/shm";

/// A running node. The film goes with it.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Held for its end.
    _server: Server,
    /// Held for its end.
    _folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) film: Film,
}

impl Origin {
    /// Writes the film and starts the node. `send_buffer` caps what the kernel holds for each of its connections.
    ///
    /// # Errors
    /// There is no nginx, no tmpfs, or not enough memory in it.
    pub(crate) async fn start(
        place: &Place,
        core: usize,
        film: Film,
        send_buffer: Option<&str>,
    ) -> Result<Self, Failure> {
        let nginx = Need::Nginx.found().map_err(Failure::NotHere)?;
        let folder = tempfile::tempdir_in(MEMORY).map_err(Failure::during(MEMORY))?;
        let movies = folder.path().join("movies");
        let path = movies.join(format!("{UUID}.mp4"));
        let written = std::fs::create_dir(&movies).and_then(|()| film.write(&path));
        written.map_err(Failure::during(format!("writing {} bytes to {}", film.bytes, path.display())))?;
        let address = free_address()?;
        let config = config(place, address, folder.path(), send_buffer);
        let config = place.written("origin.conf", &config)?;
        let command = [nginx.as_str(), "-c", config.as_str()];
        let server = Server::start(place, core, "origin", &command, address).await?;
        Ok(Self { _server: server, _folder: folder, address, film })
    }
}

fn config(place: &Place, address: SocketAddr, root: &Path, send_buffer: Option<&str>) -> String {
    let send_buffer = send_buffer.map(|bytes| format!(" sndbuf={bytes}")).unwrap_or_default();
    format!(
        "daemon off;\nmaster_process off;\nerror_log stderr warn;\npid {scratch}/origin.pid;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n{temp_paths}  access_log off;\n  sendfile on;\n  default_type video/mp4;\n  open_file_cache max=8;\n  \
         keepalive_timeout 600s;\n  send_timeout 3600s;\n  keepalive_requests 1000000000;\n  \
         server {{\n    listen {address}{send_buffer};\n    root {root};\n    \
         location = /movies {{ return 200; }}\n    location = /minio/health/cluster/read {{ return 200; }}\n  }}\n}}\n",
        scratch = place.scratch.path().display(),
        temp_paths = temp_paths(place, "origin"),
        root = root.display(),
    )
}
