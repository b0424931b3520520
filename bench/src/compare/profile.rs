//! Where a server's time goes, by samples: `perf record` on it while it is loaded, folded into a few groups.
//!
//! A sample counts for the function that runs, and a function that was inlined for the one that it is in. Absent on
//! purpose: call chains, and hardware counters, which many virtual machines do not have.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use crate::figures::table;
use crate::needs::Need;
use crate::process::{LOOK, Place, Server};
use crate::{Failure, say};

/// Samples a second; a prime number, so that nothing periodic is met always or never.
const SAMPLES_PER_S: &str = "1999";
/// Groups below this share are told together.
const SMALL: f64 = 0.01;
/// Code that is in no file, as perf calls it.
const NAMELESS: [&str; 3] = ["[unknown]", "[heap]", "[stack]"];

/// Samples of one server under one load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Profile {
    of: String,
    /// What the load costs in all, and its unit: ` µs per redirect`.
    cost: f64,
    unit: &'static str,
    samples: u64,
    groups: BTreeMap<String, u64>,
}

/// Records for so long while `load` runs. The load should last a little longer.
///
/// # Errors
/// There is no perf, it may not look, or it saw nothing; or as the load.
pub(crate) async fn record(
    place: &Place,
    server: &Server,
    of: &str,
    cost: f64,
    unit: &'static str,
    measured: Duration,
    load: impl Future<Output = Result<(), Failure>>,
) -> Result<Profile, Failure> {
    let perf = Need::Perf.found().map_err(Failure::NotHere)?;
    say(&format!("looking where the time goes: {of}"));
    let data = place.scratch.path().join("perf.data").display().to_string();
    let (process, seconds) = (server.id().to_string(), measured.as_secs().to_string());
    let mut recorder = Command::new(&perf);
    recorder.args(["record", "-q", "-e", "cpu-clock", "-F", SAMPLES_PER_S, "-p", &process, "-o", &data]);
    recorder.args(["--", "sleep", &seconds]);
    recorder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut recorder = recorder.spawn().map_err(Failure::during(perf.clone()))?;
    let loaded = load.await;
    let begun = Instant::now();
    while !matches!(recorder.try_wait(), Ok(Some(_))) {
        if begun.elapsed() > measured + Duration::from_secs(10) {
            // It may have ended meanwhile.
            let _ = recorder.kill();
        }
        sleep(LOOK).await;
    }
    loaded?;
    let told = Command::new(&perf).args(["script", "-i", &data, "-F", "ip,sym,dso"]).output();
    let told = told.map_err(Failure::during(perf.clone()))?;
    let groups = folded(&String::from_utf8_lossy(&told.stdout));
    let samples = groups.values().sum();
    if samples == 0 {
        let why = recorder.wait_with_output().map(|output| output.stderr).unwrap_or_default();
        let why = String::from_utf8_lossy(&why).trim().to_owned();
        return Err(Failure::NotHere(format!(
            "perf took no samples; it may need root, or a lower kernel.perf_event_paranoid: {why}"
        )));
    }
    Ok(Profile { of: of.to_owned(), cost, unit, samples, groups })
}

/// Samples by group, of the lines of `perf script -F ip,sym,dso`.
fn folded(script: &str) -> BTreeMap<String, u64> {
    let mut groups = BTreeMap::new();
    for line in script.lines() {
        let Some((symbol, object)) = parsed(line) else { continue };
        *groups.entry(group(symbol, object)).or_insert(0) += 1;
    }
    groups
}

/// The function and the object of a line such as `  55d6346469 tokio::runtime::park (/usr/bin/watchgate)`.
fn parsed(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.trim().split_once(' ')?;
    // Names of functions have spaces and brackets of their own.
    let (symbol, object) = rest.rsplit_once(" (")?;
    Some((symbol.trim(), object.strip_suffix(')')?))
}

/// What a function belongs to.
fn group(symbol: &str, object: &str) -> String {
    // Allocators and what copies, by their names in C, in mimalloc and in Rust.
    const MEMORY: [&str; 13] = [
        "mi_",
        "_mi_",
        "__mem",
        "memcpy",
        "memmove",
        "memset",
        "memcmp",
        "malloc",
        "_int_malloc",
        "_int_free",
        "cfree",
        "realloc",
        "__rust_",
    ];
    // The kernel's image, its modules, and what it maps into processes; code without a file has a name like these.
    if object.starts_with('[') && !NAMELESS.contains(&object) {
        return format!("kernel: {}", kernel(symbol));
    }
    if MEMORY.iter().any(|start| symbol.starts_with(start)) || symbol.contains("alloc::alloc::") {
        return "memory: copies, allocation".to_owned();
    }
    let mut crates = roots(symbol).filter(|(name, _)| !matches!(*name, "core" | "std" | "alloc"));
    match crates.next() {
        Some(("watchgate", module)) => format!("gate: {module}"),
        Some(("watchgate_geoip" | "maxminddb", _)) => "gate: geoip".to_owned(),
        Some((name, _)) if name.starts_with("pingora") => "Pingora".to_owned(),
        Some(("tokio" | "mio", _)) => "Tokio".to_owned(),
        Some(("http" | "httparse", _)) => "heads: names, values and their map".to_owned(),
        Some(("sha2" | "hmac" | "digest", _)) => "SHA-256".to_owned(),
        Some((name, _)) => format!("crate {name}"),
        None if symbol.contains("::") => "Rust's standard library".to_owned(),
        None => "C library and the rest".to_owned(),
    }
}

/// What a function of the kernel is for, by the words in its name; the first that fits.
fn kernel(symbol: &str) -> &'static str {
    const WORDS: [(&str, &str); 5] = [
        ("copies", "copy memcpy memmove rep_movs csum"),
        ("system calls", "syscall SYSCALL entry_ fdget fput sockfd vfs_ ksys_ x64_sys"),
        ("memory", "kmem slab kfree kmalloc page folio alloc charge"),
        ("network", "tcp ip_ skb _sk_ sk_stream sk_wait sock net nf_ xmit dst_ softirq backlog loopback"),
        (
            "waiting, waking, scheduling",
            "sched wake task ep_ poll futex timer tick queue switch idle rcu spin clock tsc",
        ),
    ];
    let fits = |words: &str| words.split(' ').any(|word| symbol.contains(word));
    WORDS.iter().find(|(_, words)| fits(words)).map_or("the rest", |(name, _)| name)
}

/// The crates that a name mentions, each with the module that follows, in order: `<T as a::b::C>::d` has `a` with `b`.
fn roots(symbol: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    symbol.match_indices("::").filter_map(move |(at, _)| {
        let before = &symbol[..at];
        let start = before.rfind(|letter| !is_word(letter)).map_or(0, |found| found + 1);
        // What stands behind another `::` is a module, and `>::` ends a type.
        let is_root = start < at && !before[..start].ends_with("::");
        let module = &symbol[at + 2..];
        let end = module.find(|letter| !is_word(letter)).unwrap_or(module.len());
        is_root.then_some((&before[start..], &module[..end]))
    })
}

/// Profiles side by side: shares, and what they cost.
pub(crate) fn rendered(profiles: &[Profile]) -> String {
    let share = |profile: &Profile, group: &str| {
        profile.groups.get(group).copied().unwrap_or_default() as f64 / profile.samples as f64
    };
    let mut groups: Vec<&str> =
        profiles.iter().flat_map(|profile| profile.groups.keys().map(String::as_str)).collect();
    groups.sort_unstable();
    groups.dedup();
    let greatest = |group: &str| profiles.iter().map(|one| share(one, group)).fold(0.0, f64::max);
    let (mut large, small): (Vec<&str>, Vec<&str>) =
        groups.into_iter().partition(|group| greatest(group) >= SMALL);
    large.sort_by(|a, b| greatest(b).total_cmp(&greatest(a)));
    let row = |name: &str, groups: &[&str]| {
        let cells = profiles.iter().flat_map(|profile| {
            let share: f64 = groups.iter().map(|group| share(profile, group)).sum();
            [format!("{:.1} %", share * 100.0), format!("{:.3}", share * profile.cost)]
        });
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = large.iter().map(|group| row(group, &[group])).collect();
    rows.push(row("the rest", &small));
    let heads = profiles.iter().flat_map(|one| {
        [format!("{}: share of {} samples", one.of, one.samples), one.unit.trim().to_owned()]
    });
    let heads: Vec<String> = std::iter::once("part".to_owned()).chain(heads).collect();
    table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_groups() {
        let check = |line: &str, expected: &str| {
            let (symbol, object) = parsed(line).unwrap();
            assert_eq!(group(symbol, object), expected, "{line}");
        };
        check(" ffffffff8202afa7 tcp_ack ([kernel.kallsyms])", "kernel: network");
        check(" ffffffff8202afa7 _copy_to_iter ([kernel.kallsyms])", "kernel: copies");
        check(" ffffffff8202afa7 do_syscall_64 ([kernel.kallsyms])", "kernel: system calls");
        check(
            " ffffffff8202afa7 finish_task_switch.isra.0 ([kernel.kallsyms])",
            "kernel: waiting, waking, scheduling",
        );
        check(" ffffffff8202afa7 skb_page_frag_refill ([kernel.kallsyms])", "kernel: memory");
        check(" ffffffff8202afa7 something_else ([kernel.kallsyms])", "kernel: the rest");
        check("  55 _mi_page_retire (/bin/watchgate)", "memory: copies, allocation");
        check("  7f __memmove_avx512_unaligned_erms (/usr/lib/libc.so.6)", "memory: copies, allocation");
        check("  55 watchgate::decide::rank::rank (/bin/watchgate)", "gate: decide");
        check("  55 <watchgate::answer::Head as core::fmt::Display>::fmt (/b)", "gate: answer");
        check("  55 core::ptr::drop_in_place<watchgate::gate::Gate::serve::{{closure}}> (/b)", "gate: gate");
        check("  55 <T as pingora_core::apps::ServerApp>::process_new::{{closure}} (/b)", "Pingora");
        check("  55 <pingora_proxy::HttpProxy<SV,C> as pingora_core::apps::X>::y (/b)", "Pingora");
        check("  55 http::header::map::HeaderMap<T>::get_all (/b)", "heads: names, values and their map");
        check("  55 sha2::sha256::x86_sha::compress (/b)", "SHA-256");
        check("  55 crossbeam_queue::array_queue::ArrayQueue<T>::pop (/b)", "crate crossbeam_queue");
        check("  55 core::str::converts::from_utf8 (/b)", "Rust's standard library");
        check("  55 maxminddb::reader::Reader<S>::lookup (/b)", "gate: geoip");
        check("  55 pthread_mutex_lock (/usr/lib/libc.so.6)", "C library and the rest");
        check("  55 [unknown] (/usr/sbin/nginx)", "C library and the rest");
        check("  55 [unknown] ([unknown])", "C library and the rest");
        check("  55 nf_hook_slow ([nf_tables])", "kernel: network");
    }

    #[test]
    fn samples_are_folded_and_small_groups_told_together() {
        let mut script = "  1 a ([kernel.kallsyms])\n".repeat(500);
        script.push_str(&"  1 watchgate::sign::x (/b)\n".repeat(495));
        script.push_str(&"  1 papaya::y (/b)\n".repeat(5));
        script.push_str("\nnonsense\n");
        let groups = folded(&script);
        assert_eq!((groups.values().sum::<u64>(), groups["gate: sign"]), (1000, 495));
        let profile = |of: &str| Profile {
            of: of.to_owned(),
            cost: 10.0,
            unit: " µs",
            samples: 1000,
            groups: groups.clone(),
        };
        let table = rendered(&[profile("gate"), profile("bare")]);
        assert!(table.contains("| gate: sign | 49.5 % | 4.950 | 49.5 % | 4.950 |"), "{table}");
        assert!(table.contains("| the rest | 0.5 % | 0.050 |") && !table.contains("papaya"), "{table}");
        assert!(table.starts_with("| part | gate: share of 1000 samples | µs |"), "{table}");
    }
}
