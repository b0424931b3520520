//! Makes the list of films with the hashes of their blocks: from files, or by reading each film once through a gate.
//!
//! What is read through a gate is believed: later runs find what changes, not what was wrong from the beginning. Absent
//! on purpose: anything that writes into a store.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use http::Uri;
use http::header::{HeaderMap, LOCATION};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::blocks::{BLOCK, BLOCK_BOUNDS, Blocks, Maker};
use super::client::{Client, Pool, Speak};
use super::films::is_uuid;
use super::tls;
use crate::run::Told;
use crate::{Failure, say};

/// Redirects on the way to a film.
const HOPS_MAX: usize = 4;
/// How long the next bytes are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Films: files named UUID.ENDING, or with --url their uuids
    #[arg(required = true, value_name = "FILM")]
    films: Vec<String>,
    /// Read each film once from this gate (`http://HOST`, or with a prefix) instead of from a file
    #[arg(long)]
    url: Option<String>,
    /// Folder for films.csv and a .blocks file for each film; an existing films.csv is replaced
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    into: PathBuf,
    /// KiB of a block, 1 to 16384: smaller ones leave less unchecked at the edges, and need more memory
    #[arg(long, value_name = "KIB", default_value_t = BLOCK / 1024, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    block: u32,
    /// Certificates (PEM) to believe beside the machine's own
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Makes the list.
///
/// # Errors
/// A film cannot be read, or the folder not be written.
pub(super) fn run(args: &Args) -> Result<Told, Failure> {
    let block = (args.block * 1024).clamp(*BLOCK_BOUNDS.start(), *BLOCK_BOUNDS.end());
    let mut list = String::from("uuid,size,blocks\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::during("a runtime"))?;
    std::fs::create_dir_all(&args.into).map_err(Failure::during(args.into.display().to_string()))?;
    for film in &args.films {
        let (uuid, blocks) = if let Some(url) = &args.url {
            let uuid = checked(film, film)?;
            let read = from_gate(url, film, block, args.ca.as_deref());
            (uuid, LocalSet::new().block_on(&runtime, read)?)
        } else {
            let stem = Path::new(film).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (checked(&stem, film)?, from_file(film, block)?)
        };
        let name = format!("{uuid}.blocks");
        write(&args.into.join(&name), &blocks.text())?;
        say(&format!("{film}: {} bytes, {} blocks", blocks.size, blocks.count()));
        // Writing to a String does not fail.
        let _ = writeln!(list, "{uuid},{},{name}", blocks.size);
    }
    let path = args.into.join("films.csv");
    write(&path, &list)?;
    Ok(Told { text: path.display().to_string(), whole: true })
}

fn checked(uuid: &str, film: &str) -> Result<String, Failure> {
    let told = || Failure::NotHere(format!("{film} is not called UUID.ENDING (with --url: is no uuid)"));
    is_uuid(uuid).then(|| uuid.to_ascii_lowercase()).ok_or_else(told)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::during(path.display().to_string()))
}

fn from_file(path: &str, block: u32) -> Result<Blocks, Failure> {
    let mut file = File::open(path).map_err(Failure::during(path))?;
    let (mut maker, mut buffer) = (Maker::new(block), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(Failure::during(path))? {
            0 => return Ok(maker.end()),
            read => maker.feed(&buffer[..read]),
        }
    }
}

async fn from_gate(url: &str, uuid: &str, block: u32, ca: Option<&Path>) -> Result<Blocks, Failure> {
    let client = Client::new(tls::configs(ca)?, PATIENCE);
    let pool: Rc<Pool> = Pool::own();
    let failed = |what: String| Failure::Misbehaved(format!("film {uuid}: {what}"));
    let mut uri: Uri = format!("{}{uuid}", super::target(url)?)
        .parse()
        .map_err(|_| Failure::NotHere(format!("{url} is no URL")))?;
    for _ in 0..HOPS_MAX {
        let answer = client.get(&pool, &uri, &HeaderMap::new(), Speak::Http1).await;
        let mut answer = answer.map_err(|cause| failed(cause.to_string()))?;
        if answer.status.is_redirection() {
            let location = answer.fields.get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.and_then(|location| location.parse().ok());
            uri = location.ok_or_else(|| failed("a redirect to nowhere".to_owned()))?;
            continue;
        }
        if answer.status.as_u16() != 200 {
            return Err(failed(format!("answered with {}", answer.status)));
        }
        let length =
            answer.fields.get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let mut maker = Maker::new(block);
        loop {
            let next = timeout(PATIENCE, answer.body.next()).await;
            let next = next.map_err(|_| failed("stopped in the middle".to_owned()))?;
            match next.map_err(|cause| failed(format!("broke off ({cause})")))? {
                Some(bytes) => maker.feed(&bytes),
                None => break,
            }
        }
        let blocks = maker.end();
        if length.is_some_and(|length| length != blocks.size) {
            return Err(failed("ended too early".to_owned()));
        }
        return Ok(blocks);
    }
    Err(failed(format!("redirects do not end after {HOPS_MAX}")))
}
