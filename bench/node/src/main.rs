//! One node as a process of its own, for trying things by hand.
//!
//! Arguments only, no config file. It ends with Ctrl-C; what was put is gone then.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::net::SocketAddr;
use std::process::ExitCode;

use watchgate_node::{Builder, Node};

const USAGE: &str = "\
usage: watchgate-node --bucket B --access-key K --secret-key S
         [--name N] [--address HOST:PORT] [--control HOST:PORT] [--domain D]
         [--load FILE=KEY]... [--generate KEY=BYTES]...
--control opens the switches over HTTP: POST /faults, PUT /settings, POST /freeze and more (README.md).
The secret key may come in the environment as WATCHGATE_NODE_SECRET_KEY instead.";

#[derive(Default)]
struct Options {
    name: Option<String>,
    address: Option<SocketAddr>,
    control: Option<SocketAddr>,
    domain: Option<String>,
    bucket: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    /// File and key.
    load: Vec<(String, String)>,
    /// Key and size in bytes.
    generate: Vec<(String, u64)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().skip(1).any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let secret_key = std::env::var("WATCHGATE_NODE_SECRET_KEY").ok();
    let options = match parse(std::env::args().skip(1), secret_key) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    let node = builder(&options)?.start().await.map_err(|error| chain(&error))?;
    for (file, key) in &options.load {
        let bytes = tokio::fs::read(file).await.map_err(|error| format!("{file}: {error}"))?;
        node.put(key, bytes, content_type(key)).map_err(|error| chain(&error))?;
    }
    for (key, size) in &options.generate {
        node.put_generated(key, *size, 0).map_err(|error| chain(&error))?;
    }
    println!("S3 on {}", node.endpoint());
    if let Some(control) = node.control_addr() {
        println!("control on http://{control}");
    }
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}

fn builder(options: &Options) -> Result<Builder, String> {
    let needed = |value: &Option<String>, name: &str| value.clone().ok_or(format!("{name} is missing"));
    let mut builder = Node::builder(options.name.as_deref().unwrap_or("node"))
        .bucket(needed(&options.bucket, "--bucket")?)
        .credential(
            needed(&options.access_key, "--access-key")?,
            needed(&options.secret_key, "--secret-key")?,
        );
    if let Some(address) = options.address {
        builder = builder.address(address);
    }
    if let Some(control) = options.control {
        builder = builder.control(control);
    }
    if let Some(domain) = &options.domain {
        builder = builder.domain(domain);
    }
    Ok(builder)
}

fn parse(args: impl Iterator<Item = String>, secret_key: Option<String>) -> Result<Options, String> {
    let mut options = Options { secret_key, ..Options::default() };
    let mut args = args;
    while let Some(name) = args.next() {
        let value = args.next().ok_or(format!("{name} wants a value"))?;
        let address = || value.parse().map_err(|_| format!("{name}: {value} is not HOST:PORT"));
        let pair = || {
            let pair = value.rsplit_once('=').ok_or(format!("{name}: no = in {value}"))?;
            Ok::<_, String>((pair.0.to_owned(), pair.1.to_owned()))
        };
        match name.as_str() {
            "--name" => options.name = Some(value),
            "--address" => options.address = Some(address()?),
            "--control" => options.control = Some(address()?),
            "--domain" => options.domain = Some(value),
            "--bucket" => options.bucket = Some(value),
            "--access-key" => options.access_key = Some(value),
            "--secret-key" => options.secret_key = Some(value),
            "--load" => options.load.push(pair()?),
            "--generate" => {
                let (key, size) = pair()?;
                let size = size.parse().map_err(|_| format!("{name}: {size} is not a number of bytes"))?;
                options.generate.push((key, size));
            }
            _ => return Err(format!("{name} is unknown")),
        }
    }
    Ok(options)
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, ending)| ending) {
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("ts") => "video/mp2t",
        _ => "application/octet-stream",
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}
