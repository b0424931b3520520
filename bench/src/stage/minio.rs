//! Real MinIO: a source that replicates to two others, and a user with the least that a gate needs.
//!
//! Replication runs through relays, so that it can be held up. Needs `minio` and `mc` on the PATH. Absent on purpose:
//! erasure sets; every node has one folder.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{ACCESS_KEY, BUCKET, CITIES, SECRET_KEY, quiet_address};
use crate::needs::program;
use crate::process::{Place, Server};
use crate::relay::{Relay, Trouble};
use crate::{Failure, gate};

/// MinIO's own administrator.
const ROOT: (&str, &str) = ("administrator", "administrator-of-the-stage");
/// What the gate's user may do, by name: with `films` `s3:GetObject` on them and `s3:ListBucket` on the bucket.
const POLICIES: [(&str, &str); 2] = [
    (
        "films",
        r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::movies/*"]},
{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::movies"]}]}"#,
    ),
    (
        "no-films",
        r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::movies"]}]}"#,
    ),
];

/// One server.
#[derive(Debug)]
struct Minio {
    process: Option<Server>,
    address: SocketAddr,
    folder: PathBuf,
    /// On the way of replication to it.
    inbound: Relay,
}

/// The servers, one for each of [`CITIES`].
#[derive(Debug)]
pub(crate) struct Cluster {
    minio: String,
    nodes: Vec<Minio>,
    mc: Mc,
    /// Held for its end.
    _folder: TempDir,
}

/// How `mc` is called.
#[derive(Clone, Debug)]
struct Mc {
    program: String,
    environment: Vec<(String, String)>,
}

impl Minio {
    async fn run(&mut self, place: &Place, minio: &str, index: usize) -> Result<(), Failure> {
        if self.process.is_some() {
            return Ok(());
        }
        let (address, folder) = (self.address.to_string(), self.folder.display().to_string());
        let (user, password) =
            (format!("MINIO_ROOT_USER={}", ROOT.0), format!("MINIO_ROOT_PASSWORD={}", ROOT.1));
        // CI_CD allows a folder on the root disk.
        let under = ["env", &user, &password, "MINIO_BROWSER=off", "MINIO_CI_CD=1"];
        let command = [minio, "server", "--quiet", "--address", &address, &folder];
        let mut process = Server::launch(place, &under, CITIES[index].id, &command, self.address).await?;
        let (page, address) = ("/minio/health/cluster/read", self.address);
        process.wait_until("can read", || async move { gate::told(address, page).await.is_some() }).await?;
        self.process = Some(process);
        Ok(())
    }
}

impl Cluster {
    /// Starts the servers, empty, with replication set up.
    ///
    /// # Errors
    /// A program is missing, or something does not go as it should within half a minute.
    pub(crate) async fn start(place: &Place) -> Result<Self, Failure> {
        let (minio, mc) = (found("minio")?, found("mc")?);
        let folder =
            tempfile::tempdir_in(place.scratch.path()).map_err(Failure::during("a folder for MinIO"))?;
        let scratch = folder.path();
        let mut nodes = Vec::new();
        for city in CITIES {
            let address = quiet_address()?;
            let (folder, inbound) = (scratch.join(city.id), Relay::start(address).await?);
            nodes.push(Minio { process: None, address, folder, inbound });
        }
        let hosts = CITIES.iter().zip(&nodes).map(|(city, node)| {
            let host = format!("http://{}:{}@{}", ROOT.0, ROOT.1, node.address);
            (format!("MC_HOST_{}", city.id), host)
        });
        let home = ("MC_CONFIG_DIR".to_owned(), scratch.join("mc").display().to_string());
        let mc = Mc { program: mc, environment: hosts.chain([home]).collect() };
        let mut cluster = Self { minio, nodes, mc, _folder: folder };
        cluster.revive(place).await?;
        cluster.set_up(place).await?;
        Ok(cluster)
    }

    async fn set_up(&self, place: &Place) -> Result<(), Failure> {
        for (name, policy) in POLICIES {
            place.written(&format!("{name}.json"), policy)?;
        }
        let [first, second, third] = CITIES.map(|city| self.set_up_one(place, city.id));
        tokio::try_join!(first, second, third)?;
        for (index, node) in self.nodes.iter().enumerate().skip(1) {
            let remote = format!("http://{}:{}@{}/{BUCKET}", ROOT.0, ROOT.1, node.inbound.address);
            let what = ["--replicate", "delete,delete-marker,existing-objects", "--remote-bucket", &remote];
            let to = ["replicate", "add", &bucket(CITIES[0].id), "--priority", &index.to_string()];
            self.mc(&[&to[..], &what[..]].concat()).await?;
        }
        Ok(())
    }

    async fn set_up_one(&self, place: &Place, id: &str) -> Result<(), Failure> {
        self.mc(&["mb", &bucket(id)]).await?;
        self.mc(&["version", "enable", &bucket(id)]).await?;
        for (name, _) in POLICIES {
            let file = place.scratch.path().join(format!("{name}.json")).display().to_string();
            self.mc(&["admin", "policy", "create", id, name, &file]).await?;
        }
        self.mc(&["admin", "user", "add", id, ACCESS_KEY, SECRET_KEY]).await?;
        self.mc(&["admin", "policy", "attach", id, "films", "--user", ACCESS_KEY]).await
    }

    /// Where this node is asked.
    pub(crate) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].address
    }

    /// Its process, while it runs.
    pub(crate) fn process(&self, node: usize) -> Option<&Server> {
        self.nodes[node].process.as_ref()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Starts all that do not run, on their ports and with their films, at once, and waits until they can read.
    ///
    /// # Errors
    /// One cannot within half a minute.
    pub(crate) async fn revive(&mut self, place: &Place) -> Result<(), Failure> {
        let [first, second, third] = &mut self.nodes[..] else { return Ok(()) };
        let minio = &self.minio;
        tokio::try_join!(
            first.run(place, minio, 0),
            second.run(place, minio, 1),
            third.run(place, minio, 2)
        )?;
        Ok(())
    }

    /// Uploads a file to the source under this key.
    ///
    /// By `mc pipe`, which does not ask for the object first: the source would pass that question on to replicas, and
    /// wait for them while replication is held up.
    pub(crate) async fn upload(&self, file: &Path, key: &str) -> Result<(), Failure> {
        let open = File::open(file).map_err(Failure::during(file.display().to_string()))?;
        self.mc_with(open.into(), &["pipe", &format!("{}/{key}", bucket(CITIES[0].id))]).await
    }

    /// Whether this node itself has the film on its disk in so many versions: each has a folder of its own there.
    pub(crate) fn has_versions(&self, node: usize, key: &str, versions: usize) -> bool {
        let entries = std::fs::read_dir(self.nodes[node].folder.join(BUCKET).join(key));
        let folders = entries
            .map(|entries| entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()).count());
        folders.is_ok_and(|folders| folders >= versions)
    }

    /// Loses a film with all its versions on this node alone, as a broken disk does, or brings it back.
    ///
    /// # Errors
    /// It was not there.
    pub(crate) fn lose(&self, node: usize, key: &str, lost: bool) -> Result<(), Failure> {
        let folder = &self.nodes[node].folder;
        let (held, away) = (folder.join(BUCKET).join(key), folder.with_extension(format!("lost-{key}")));
        let (from, to) = if lost { (held, away) } else { (away, held) };
        std::fs::rename(&from, to).map_err(Failure::during(from.display().to_string()))
    }

    /// Deletes a film at the source, which puts a marker on top of it everywhere.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Failure> {
        self.mc(&["rm", &format!("{}/{key}", bucket(CITIES[0].id))]).await
    }

    /// Gives or takes the gate's right to read films on this node.
    pub(crate) async fn allow(&self, node: usize, may: bool) -> Result<(), Failure> {
        let id = CITIES[node].id;
        let (now, before) = if may { ("films", "no-films") } else { ("no-films", "films") };
        self.mc(&["admin", "policy", "attach", id, now, "--user", ACCESS_KEY]).await?;
        self.mc(&["admin", "policy", "detach", id, before, "--user", ACCESS_KEY]).await
    }

    /// Holds replication to all replicas up, or lets it go on.
    pub(crate) fn hold_replication(&self, held: bool) {
        for node in &self.nodes {
            node.inbound.make(if held { Trouble::Hold } else { Trouble::None });
        }
    }

    /// Runs `mc` in a thread of its own, so that viewers are not kept waiting.
    async fn mc(&self, args: &[&str]) -> Result<(), Failure> {
        self.mc_with(Stdio::null(), args).await
    }

    async fn mc_with(&self, input: Stdio, args: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(&self.mc.program);
        command.args(["--quiet", "--no-color"]).args(args).envs(self.mc.environment.iter().cloned());
        command.stdin(input);
        // Without what it was told: a remote bucket's URL has a password in it.
        let what = format!("mc {}", args.iter().take(2).copied().collect::<Vec<_>>().join(" "));
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.map_err(|error| Failure::Misbehaved(format!("{what}: {error}")))?;
        let output = output.map_err(Failure::during(what.clone()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [&output.stderr[..], &output.stdout[..]].concat();
        Err(Failure::Misbehaved(format!("{what}: {}", String::from_utf8_lossy(&said).trim())))
    }
}

fn bucket(id: &str) -> String {
    format!("{id}/{BUCKET}")
}

/// A program on the PATH.
///
/// # Errors
/// It is not there.
fn found(name: &str) -> Result<String, Failure> {
    let found = program(name).map(|file| file.display().to_string());
    found.ok_or_else(|| {
        let missing = format!("{name} is not installed");
        let module = "github.com/minio/minio@latest github.com/minio/mc@latest";
        Failure::NotHere(format!("{missing} (with Go: go install {module})"))
    })
}
