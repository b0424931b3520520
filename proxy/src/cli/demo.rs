//! `watchgate demo`: the whole product in one process, for somebody who has just heard of it.
//!
//! Nothing here decides anything: the demo is set-up (`stage`), words (`programme`), and a play (`story`) around the
//! same gate, front door and admin listener as `run` has. Absent on purpose: anything that outlives Ctrl-C.

mod cities;
mod folder;
mod geodata;
mod lag_story;
mod programme;
mod stage;
mod story;
mod stream_story;
mod witness;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use self::cities::City;
use self::stage::Stage;
use super::args::{DemoArgs, Mode};
use super::terminal::{Look, Terminal};
use super::{Done, Failure};

/// The film's number; it stays the same, so that what was tried once can be tried again.
const FILM: &str = "0f11e000-cafe-4bed-9a7e-5ca1ab1efee1";
/// A film that stays on the source alone until replication goes on.
const NEW_FILM: &str = "0f11e000-cafe-4bed-9a7e-5ca1ab1efee2";
/// The film itself; how it was made stands in the README beside it.
const FILM_BYTES: &[u8] = include_bytes!("demo/film.mp4");
const BUCKET: &str = "movies";
/// Nodes on loopback that need longer than this to be up are not coming.
const READY_WITHIN: Duration = Duration::from_secs(20);

pub(crate) fn demo(args: &DemoArgs, terminal: Terminal) -> Result<Done, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(play(args, terminal))
}

async fn play(args: &DemoArgs, terminal: Terminal) -> Result<Done, Failure> {
    // Listened for before anything is made that a signal would have to take away.
    let failed = |error: std::io::Error| Failure::Other(format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let ended = async {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    };
    tokio::pin!(ended);
    let modes: &[Mode] = if args.once { &[Mode::Redirect, Mode::Stream] } else { &[args.mode] };
    for mode in modes {
        let stage = Stage::build(args.port, args.admin_port, (*mode).into()).await?;
        if args.show_config {
            terminal.data(&stage.config_text)?;
        }
        let done = tokio::select! {
            done = show(&stage, *mode, args.once, terminal) => done,
            () = &mut ended => Ok(Done::Yes),
        };
        stage.strike().await;
        if !args.once {
            terminal.talk(&terminal.err.paint(Look::Faint, "The demo has ended; nothing of it is left."));
        }
        if !matches!(done, Ok(Done::Yes)) || !args.once {
            return done;
        }
    }
    terminal.done("\nEvery step went as it should.", Done::Yes)
}

async fn show(stage: &Stage, mode: Mode, once: bool, terminal: Terminal) -> Result<Done, Failure> {
    stage.wait_until_up(READY_WITHIN).await?;
    match (once, mode) {
        (true, Mode::Redirect) => story::tell(stage, terminal).await,
        (true, Mode::Stream) => stream_story::tell(stage, terminal).await,
        (false, _) => {
            terminal.data(&programme::text(stage, terminal.out))?;
            witness::watch(stage, terminal).await
        }
    }
}

/// The city of a node.
fn city_of(node: &str) -> Option<&'static City> {
    cities::ALL.iter().find(|city| city.id == node)
}

/// `ams (Amsterdam)`
fn named(node: &str) -> String {
    city_of(node).map_or_else(|| node.to_owned(), |city| format!("{} ({})", city.id, city.name))
}
