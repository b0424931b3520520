//! Sets the demo up: nodes, film, GeoIP database, configuration, gate and listeners; and takes it all down.
//!
//! The listeners are opened before the configuration is written, so that it names the ports they really got.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use watchgate_config::{Mode, Source};
use watchgate_geoip::Databases;
use watchgate_node::{Lag, Node};

use super::cities::{self, City};
use super::folder::Folder;
use super::{BUCKET, FILM, FILM_BYTES, NEW_FILM, geodata};
use crate::admin;
use crate::cli::{Failure, time};
use crate::front::{self, FrontDoor, VIEWERS_MAX};
use crate::gate::Gate;

/// Requests that still run when the demo ends get so long.
const GRACE: Duration = Duration::from_secs(1);
/// How often a state is looked at that is waited for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Everything that runs.
pub(super) struct Stage {
    pub(super) gate: Arc<Gate>,
    /// In the order of [`cities::ALL`].
    pub(super) actors: Vec<Actor>,
    /// How the film reaches viewers.
    pub(super) mode: Mode,
    /// Where viewers ask.
    pub(super) viewers: SocketAddr,
    /// Where operators ask.
    pub(super) admin: SocketAddr,
    pub(super) config_text: String,
    pub(super) config_path: PathBuf,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _folder: Folder,
}

/// One node with its city.
pub(super) struct Actor {
    pub(super) city: &'static City,
    pub(super) node: Node,
    secret_key: String,
}

impl Actor {
    /// Where its fault switches are.
    pub(super) fn control(&self) -> SocketAddr {
        // The builder below asks for a control endpoint.
        self.node.control_addr().expect("a node with switches")
    }
}

impl Stage {
    /// Starts everything; port 0 takes a free one.
    pub(super) async fn build(port: u16, admin_port: u16, mode: Mode) -> Result<Self, Failure> {
        let (viewers, viewers_at) = listen(port, "--port")?;
        let (operators, admin_at) = listen(admin_port, "--admin-port")?;
        let actors = cast().await?;
        let folder = Folder::new().map_err(|error| failed("a folder for temporary files", &error))?;
        let written = |error: std::io::Error| failed("a file in the temporary folder", &error);
        let geodata = geodata::database(&cities::ALL, time::unix_now().as_secs()).map_err(Failure::Other)?;
        let database = folder.write("cities.mmdb", geodata).map_err(written)?;
        let config_text = config(&actors, viewers_at, admin_at, mode);
        let config_path = folder.write("watchgate.toml", &config_text).map_err(written)?;

        // The environment of whoever tries the demo must not bend it.
        let source = Source { text: &config_text, path: Some(&config_path), env: &BTreeMap::new() };
        let loaded = watchgate_config::parse(&source).map_err(|faults| Failure::Other(faults.to_string()))?;
        let databases = Databases::open(&[database])
            .map_err(|errors| Failure::Other(errors.iter().map(ToString::to_string).collect()))?;
        let registry = Registry::new();
        let gate = Gate::new(loaded.config, databases, &registry);
        let gate = Arc::new(gate.map_err(|error| failed("the gate", &error))?);
        let door = FrontDoor::new(Arc::clone(&gate), VIEWERS_MAX, &registry);
        let door = door.map_err(|error| failed("the front door", &error))?;

        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let router = admin::router(Arc::clone(&gate), registry, admin::Tokens::default(), None);
        tasks.spawn(admin::serve(operators, router, stopped.clone()));
        tasks.spawn(Arc::clone(&gate).run(stopped.clone()));
        tasks.spawn(async move {
            door.serve(vec![viewers], stopped, GRACE).await;
        });
        let (viewers, admin) = (viewers_at, admin_at);
        Ok(Self {
            gate,
            actors,
            mode,
            viewers,
            admin,
            config_text,
            config_path,
            stop,
            tasks,
            _folder: folder,
        })
    }

    /// A film's address for viewers.
    pub(super) fn url(&self, film: &str) -> String {
        format!("http://{}/watch/{film}", self.viewers)
    }

    /// Where films are put first.
    pub(super) fn source(&self) -> &Actor {
        &self.actors[0]
    }

    /// Lets replication go on that [`cast`] has stopped.
    pub(super) fn replicate(&self) {
        for replica in &self.actors[1..] {
            self.source().node.set_lag(&replica.node, Lag::After(Duration::ZERO));
        }
    }

    /// Waits until every node is up.
    pub(super) async fn wait_until_up(&self, within: Duration) -> Result<(), Failure> {
        let up = async {
            while self.gate.nodes().iter().any(|node| node.state != "up") {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(within, up).await.map_err(|_| {
            let states = self.gate.nodes().into_iter().map(|node| {
                let reason = node.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!("{} is {}{reason}", node.id, node.state)
            });
            let states: Vec<String> = states.collect();
            Failure::Other(format!("the demo's nodes do not come up: {}", states.join(", ")))
        })
    }

    /// Ends everything; the folder goes with the last of it.
    pub(super) async fn strike(mut self) {
        self.gate.leave();
        // Nobody listens any more only if all have ended.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Beyond this the drop cuts what is left.
        let _ = tokio::time::timeout(GRACE * 3, all).await;
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Other(format!("the demo cannot have {what}: {error}"))
}

fn listen(port: u16, flag: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |error| Failure::Other(format!("cannot listen on {wanted} ({flag}): {error}"));
    let listener = front::bind(wanted).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// A node in every city; the film is put on the first and copied to the others, as replication does. Then replication
/// stops, and a new film is put on the first.
async fn cast() -> Result<Vec<Actor>, Failure> {
    let mut actors = Vec::new();
    for city in &cities::ALL {
        let secret_key = uuid::Uuid::new_v4().simple().to_string();
        let node = Node::builder(city.id)
            .bucket(BUCKET)
            .credential(format!("gate-{}", city.id), secret_key.clone())
            .control((Ipv4Addr::LOCALHOST, 0).into())
            .start();
        let node = node.await.map_err(|error| failed("its nodes", &error))?;
        actors.push(Actor { city, node, secret_key });
    }
    let [key, new_key] = [FILM, NEW_FILM].map(|film| format!("{film}.mp4"));
    let put = |source: &Actor, key: &str| {
        let put = source.node.put(key, Bytes::from_static(FILM_BYTES), "video/mp4");
        put.map_err(|error| failed("its film", &error))
    };
    let (source, replicas) = actors.split_first().ok_or_else(|| Failure::Other("no cities".to_owned()))?;
    for replica in replicas {
        source.node.replicate_to(&replica.node, Lag::After(Duration::ZERO));
    }
    put(source, &key)?;
    for replica in replicas {
        let arrived = replica.node.wait_until(|node| node.has(&key), super::READY_WITHIN).await;
        arrived.map_err(|error| failed("its film everywhere", &error))?;
        source.node.set_lag(&replica.node, Lag::Frozen);
    }
    put(source, &new_key)?;
    Ok(actors)
}

/// The configuration, as an operator would write it.
fn config(actors: &[Actor], viewers: SocketAddr, admin: SocketAddr, mode: Mode) -> String {
    let home = actors[0].city;
    let mut text = format!(
        "# Written by `watchgate demo`; it goes when the demo ends.\n\n[listen]\nhttp = \"{viewers}\"\nadmin = \
         \"{admin}\"\n\n[viewer]\n# Whoever asks from this machine may say for whom.\ntrusted_proxies = \
         [\"127.0.0.0/8\", \"::1\"]\n\n[geoip]\ndatabases = [\"cities.mmdb\"]\n# Your own browser has no place in \
         that database: it is taken to be in {}.\nhome = {{ lat = {:.2}, lon = {:.2} }}\n\n[watch]\nmode = \"{mode}\"\nlink_lifetime = \
         \"1h\"\ndecision_header = true\n\n[health]\n# Faster than the defaults, so that there is something to \
         see.\ninterval = \"500ms\"\ntimeout = \"400ms\"\nslow_start = \"0s\"\n\n[presence]\nnegative_ttl = \"1s\"\n\n[bucket]\nname = \"{BUCKET}\"\n",
        home.name, home.lat, home.lon
    );
    for (index, Actor { city, node, secret_key }) in actors.iter().enumerate() {
        let role = if index == 0 { "source" } else { "replica" };
        // Writing to a string never fails.
        let _ = write!(
            text,
            "\n[[node]] # {}\nid = \"{}\"\nrole = \"{role}\"\nendpoint = \"{}\"\nat = {{ lat = {:.2}, lon = {:.2} \
             }}\naccess_key = \"gate-{}\"\nsecret_key = \"{secret_key}\"\n",
            city.name,
            city.id,
            node.endpoint(),
            city.lat,
            city.lon,
            city.id
        );
    }
    text
}
