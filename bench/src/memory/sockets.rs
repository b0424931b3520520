//! The kernel's memory for a proxy's sockets, on the leg to its viewers and the leg to its node, as `ss` tells it.
//!
//! A socket holds what was received and not read, what is to be sent or not acknowledged, and what is set aside for
//! more. Absent on purpose: the socket's own structures, about 3 KiB, which are there whatever it holds.

use std::process::Command;

use serde::Serialize;

use crate::Failure;
use crate::needs::Need;
use crate::process::read;

/// Sockets of one leg, and the bytes that they hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Leg {
    pub(super) sockets: u64,
    /// Received and not read.
    pub(super) receive: u64,
    /// To be sent, or sent and not acknowledged.
    pub(super) send: u64,
    /// Set aside, options and backlog. What is set aside can be below 0: then a part of the rest is borrowed.
    pub(super) other: i64,
}

/// Both legs of one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Legs {
    pub(super) viewers: Leg,
    pub(super) node: Leg,
}

impl Leg {
    /// Bytes in all.
    pub(super) fn bytes(&self) -> u64 {
        (self.receive + self.send).saturating_add_signed(self.other)
    }

    /// Adds a line of `ss -tmnHO`; one without memory adds nothing.
    fn add(&mut self, line: &str) {
        let Some((_, memory)) = line.split_once("skmem:(") else { return };
        self.sockets += 1;
        for part in memory.split(')').next().unwrap_or_default().split(',') {
            let letters = part.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
            let (name, value) = part.split_at(part.len() - letters.len());
            let bytes: u32 = value.parse().unwrap_or_default();
            match name {
                "r" => self.receive += u64::from(bytes),
                "w" => self.send += u64::from(bytes),
                // The kernel's number has a sign, which ss does not show.
                "f" | "o" | "bl" => self.other += i64::from(bytes.cast_signed()),
                // rb and tb are limits, t counts clones of what is in w, d counts drops.
                _ => {}
            }
        }
    }
}

impl Legs {
    /// Now, of the proxy on one port with its node on another.
    pub(super) fn of(proxy: u16, node: u16) -> Result<Self, Failure> {
        Ok(Self { viewers: leg(&format!("sport = :{proxy}"))?, node: leg(&format!("dport = :{node}"))? })
    }
}

fn leg(filter: &str) -> Result<Leg, Failure> {
    let ss = Need::Ss.found().map_err(Failure::NotHere)?;
    let told = Command::new(&ss).args(["-tmnHO", "state", "established", filter]).output();
    let told = told.map_err(Failure::during(ss.clone()))?;
    if !told.status.success() {
        let why = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        return Err(Failure::NotHere(format!("{ss} does not tell: {why}")));
    }
    let mut leg = Leg::default();
    String::from_utf8_lossy(&told.stdout).lines().for_each(|line| leg.add(line));
    Ok(leg)
}

/// TCP memory of the whole machine as a part of where the kernel begins to save, 1 and above: it saves.
pub(super) fn pressure() -> Result<f64, Failure> {
    let (used, limits) = (read("/proc/net/sockstat")?, read("/proc/sys/net/ipv4/tcp_mem")?);
    let unknown = || Failure::NotHere("this kernel does not tell its TCP memory".to_owned());
    part(&used, &limits).ok_or_else(unknown)
}

fn part(sockstat: &str, tcp_mem: &str) -> Option<f64> {
    let tcp = sockstat.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    let pages: f64 = tcp.split_once("mem ")?.1.split_whitespace().next()?.parse().ok()?;
    Some(pages / tcp_mem.split_whitespace().nth(1)?.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_sockets_is_summed() {
        let mut leg = Leg::default();
        leg.add("0 0 127.0.0.1:80 127.0.0.1:5 skmem:(r7,rb131072,t9,tb2626560,f4096,w100,o2,bl1,d5)");
        leg.add("0 0 127.0.0.1:80 127.0.0.1:6 skmem:(r1,rb131072,t0,tb2626560,f0,w0,o0,bl0,d0) cubic");
        leg.add("0 0 127.0.0.1:80 127.0.0.1:7");
        assert_eq!(leg, Leg { sockets: 2, receive: 8, send: 100, other: 4099 });
        assert_eq!(leg.bytes(), 4207);
        leg.add("0 0 127.0.0.1:80 127.0.0.1:8 skmem:(r5000,rb131072,t0,tb2626560,f4294963200,w0,o0,bl0,d0)");
        assert_eq!(leg, Leg { sockets: 3, receive: 5008, send: 100, other: 3 });
    }

    #[test]
    fn the_machines_part() {
        let stat = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 6 alloc 8 mem 150\nUDP: inuse 1 mem 1\n";
        assert_eq!(part(stat, "100\t300\t600\n"), Some(0.5));
        assert_eq!(part("", "1 2 3"), None);
    }
}
