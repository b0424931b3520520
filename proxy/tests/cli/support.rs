//! Calls the program in a folder and an environment of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use maxminddb_writer::paths::IpAddrWithMask;
use maxminddb_writer::{Database, metadata};
use tempfile::TempDir;

/// A working directory with what is put into it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// With `watchgate.toml`, where the program looks for it by itself.
    pub(crate) fn with(config: &str) -> Self {
        let place = Self::empty();
        place.write("watchgate.toml", config);
        place
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Changes what stands in `watchgate.toml`.
    pub(crate) fn edit(self, edit: impl FnOnce(String) -> String) -> Self {
        let path = self.folder.path().join("watchgate.toml");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(&path, edit(config)).unwrap();
        self
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchgate"));
        command.args(args).current_dir(self.folder.path()).env_clear().env("TMPDIR", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().unwrap().into()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Two nodes, GeoIP data for two networks; `admin` is the whole address.
pub(crate) fn two_nodes(admin: &str) -> String {
    format!(
        r#"
[listen]
admin = "{admin}"
[geoip]
databases = ["cities.mmdb"]
[watch]
link_lifetime = "1h"
[bucket]
name = "movies"
[[node]]
id = "ams"
role = "source"
endpoint = "http://10.0.0.5:9000"
public_url = "http://ams.films.example"
at = {{ lat = 52.37, lon = 4.90 }}
access_key = "gate"
secret_key = "not-to-be-seen"
[[node]]
id = "gru"
endpoint = "http://10.0.0.6:9000"
at = {{ lat = -23.55, lon = -46.63 }}
access_key = "gate"
secret_key = "not-to-be-seen"
"#
    )
}

/// A folder with [`two_nodes`] and their database.
pub(crate) fn place_of_two_nodes(admin: &str) -> Place {
    let place = Place::with(&two_nodes(admin));
    place.write("cities.mmdb", cities());
    place
}

#[derive(serde::Serialize)]
struct City {
    country: Country,
    location: Location,
}

#[derive(serde::Serialize)]
struct Country {
    iso_code: &'static str,
}

#[derive(serde::Serialize)]
struct Location {
    accuracy_radius: u16,
    latitude: f64,
    longitude: f64,
}

fn cities() -> Vec<u8> {
    let mut database = Database::default();
    database.metadata.ip_version = metadata::IpVersion::V4;
    "Test-City".clone_into(&mut database.metadata.database_type);
    database.metadata.binary_format_major_version = 2;
    for (network, iso_code, latitude, longitude) in
        [("192.0.2.0/24", "NL", 52.0, 5.0), ("203.0.113.0/24", "BR", -23.0, -46.0)]
    {
        let location = Location { accuracy_radius: 20, latitude, longitude };
        let record = database.insert_value(City { country: Country { iso_code }, location }).unwrap();
        database.insert_node(network.parse::<IpAddrWithMask>().unwrap(), record);
    }
    database.write_to(Vec::new()).unwrap()
}

/// An address on which nobody listens: bound once and let go.
pub(crate) fn silent_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Answers one request, then is gone; gives back what was asked.
pub(crate) fn answers_once(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut asked, mut buffer) = (Vec::new(), [0; 4096]);
        while !asked.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "a request ends with an empty line");
            asked.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    (address, server)
}
