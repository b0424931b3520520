//! Who streams the film: the gate, and the proxies that it is compared with, each before the same node.
//!
//! All of them keep connections to the node alive, have one thread, and write no temporary files. Absent on purpose:
//! tuning beyond what is said here, and caches.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::needs::Need;
use crate::origin::UUID;
use crate::process::{Place, Server, free_address};
use crate::redirect::lineup::Runner;
use crate::{Failure, gate};

/// A proxy to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// nginx with 16 buffers of 64 KiB for each request
    Nginx,
    /// nginx with the buffers that it has by default
    NginxDefault,
    /// HAProxy, which splices where it can
    Haproxy,
    /// Pingora's own proxying, without any of the gate
    Pingora,
    /// The gate in stream mode
    Gate,
}

/// What the gate's configuration depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateSetting {
    /// After this long behind a viewer the gate gives its node free; `None`: as by default.
    pub(crate) park_after: Option<Duration>,
}

/// A proxy without figures, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Unmeasured {
    name: String,
    /// It is here, and did not do as it should.
    failed: bool,
    why: String,
}

impl Unmeasured {
    /// It is not installed.
    pub(crate) fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), failed: false, why: why.into() }
    }

    /// It did not do as it should.
    pub(crate) fn failed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), failed: true, why: why.into() }
    }

    /// Those of a line-up that did not do as they should.
    pub(crate) fn of(runners: &[Runner]) -> Vec<Self> {
        let faults = runners.iter().filter_map(|runner| Some((&runner.name, runner.fault.as_ref()?)));
        faults.map(|(name, fault)| Self::failed(name, fault)).collect()
    }

    pub(crate) fn is_skipped(&self) -> bool {
        !self.failed
    }
}

impl fmt::Display for Unmeasured {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, failed, why } = self;
        write!(to, "{}: {name}: {why}", if *failed { "FAILED" } else { "Skipped" })
    }
}

impl Peer {
    /// As reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, 16 buffers of 64 KiB",
            Self::NginxDefault => "nginx, default buffers",
            Self::Haproxy => "HAProxy, splice",
            Self::Pingora => "Pingora's own proxying",
            Self::Gate => "gate",
        }
    }

    /// Where the film is found.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Gate => format!("/watch/{UUID}"),
            _ => format!("/movies/{UUID}.mp4"),
        }
    }

    /// What it is, if it is none of ours.
    pub(crate) fn need(self) -> Option<Need> {
        match self {
            Self::Nginx | Self::NginxDefault => Some(Need::Nginx),
            Self::Haproxy => Some(Need::Haproxy),
            Self::Pingora | Self::Gate => None,
        }
    }

    /// Why it cannot be measured here, if so.
    pub(crate) fn missing(self) -> Option<String> {
        self.need()?.found().err()
    }

    /// Starts it before the node at `origin`.
    ///
    /// # Errors
    /// It is not installed or not built, it ended, or it does not listen in time.
    pub(crate) async fn start(
        self,
        place: &Place,
        core: usize,
        origin: SocketAddr,
        setting: GateSetting,
    ) -> Result<Server, Failure> {
        let address = free_address()?;
        match self {
            Self::Nginx => {
                let buffers = "    proxy_buffer_size 64k;\n    proxy_buffers 16 64k;\n";
                nginx(place, core, "nginx", address, origin, buffers).await
            }
            Self::NginxDefault => nginx(place, core, "nginx-default", address, origin, "").await,
            Self::Haproxy => {
                let config = place.written("haproxy.cfg", &haproxy_config(address, origin))?;
                let haproxy = Need::Haproxy.found().map_err(Failure::NotHere)?;
                Server::start(place, core, "haproxy", &[&haproxy, "-db", "-f", &config], address).await
            }
            Self::Pingora => {
                let (listen, proxy) = (address.to_string(), origin.to_string());
                let command = ["watchgate-bench-bare", "--listen", &listen, "--proxy", &proxy];
                Server::start(place, core, "pingora", &command, address).await
            }
            Self::Gate => {
                let admin = free_address()?;
                let config = gate_config(address, admin, origin, setting);
                gate::start(place, core, "gate", address, admin, 1, &config).await
            }
        }
    }
}

/// Where nginx may write what it should not need to: its built-in folders are another user's.
pub(crate) fn temp_paths(place: &Place, name: &str) -> String {
    let path = |kind| format!("  {kind}_temp_path {}/{name}-{kind};\n", place.scratch.path().display());
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(path).concat()
}

async fn nginx(
    place: &Place,
    core: usize,
    name: &str,
    address: SocketAddr,
    origin: SocketAddr,
    buffers: &str,
) -> Result<Server, Failure> {
    let config = format!(
        "daemon off;\nmaster_process off;\nerror_log stderr warn;\npid {scratch}/{name}.pid;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n{temp_paths}  access_log off;\n  keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n  \
         upstream origin {{\n    server {origin};\n    keepalive 512;\n    keepalive_requests 1000000000;\n  }}\n  \
         server {{\n    listen {address};\n    proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n    \
         proxy_max_temp_file_size 0;\n    send_timeout 600s;\n{buffers}    \
         location / {{ proxy_pass http://origin; }}\n  }}\n}}\n",
        scratch = place.scratch.path().display(),
        temp_paths = temp_paths(place, name),
    );
    let config = place.written(&format!("{name}.conf"), &config)?;
    let nginx = Need::Nginx.found().map_err(Failure::NotHere)?;
    Server::start(place, core, name, &[&nginx, "-c", &config], address).await
}

fn haproxy_config(address: SocketAddr, origin: SocketAddr) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 4000\n\
         defaults\n  mode http\n  option splice-auto\n  http-reuse always\n  timeout connect 5s\n  \
         timeout client 600s\n  timeout server 600s\n\
         frontend viewers\n  bind {address}\n  default_backend nodes\n\
         backend nodes\n  server origin {origin}\n"
    )
}

/// The gate's configuration file: what streaming from one node needs, everything else by default.
fn gate_config(http: SocketAddr, admin: SocketAddr, origin: SocketAddr, setting: GateSetting) -> String {
    let park_after = setting.park_after.map(|after| format!("park_after = \"{}s\"\n", after.as_secs()));
    format!(
        "[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n\n[watch]\nmode = \"stream\"\n\n\
         [stream]\n{}\n[bucket]\nname = \"movies\"\n\n\
         [[node]]\nid = \"origin\"\nendpoint = \"http://{origin}\"\nat = {{ lat = 50.11, lon = 8.68 }}\n\
         max_viewers = 1000000\naccess_key = \"watchgate-bench\"\nsecret_key = \"a secret of the measurement\"\n",
        park_after.unwrap_or_default(),
    )
}
