//! A second reader of the MMDB format, written from its specification alone
//! (<https://maxmind.github.io/MaxMind-DB/>) so that the first one can be compared with it.
//!
//! Slow and plain on purpose: every bit is walked, every record is decoded whole. It panics on damage.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

pub(crate) struct SecondReader<'a> {
    bytes: &'a [u8],
    pub(crate) metadata: Value,
    node_count: usize,
    record_bits: usize,
}

impl<'a> SecondReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let at = bytes.windows(MARKER.len()).rposition(|window| window == MARKER).expect("a marker");
        let metadata = Decoder { section: &bytes[at + MARKER.len()..] }.value(0).0;
        let number =
            |field: &str| usize::try_from(metadata[field].as_u64().expect("a number")).expect("fits");
        let (node_count, record_bits) = (number("node_count"), number("record_size"));
        Self { bytes, metadata, node_count, record_bits }
    }

    /// The whole record, for an address that is not in the mapped form.
    pub(crate) fn lookup(&self, address: IpAddr) -> Option<Value> {
        let is_v6 = self.metadata["ip_version"] == 6;
        let bits: Vec<bool> = match address {
            IpAddr::V6(_) if !is_v6 => return None,
            IpAddr::V6(address) => (0..128).map(|bit| address.to_bits() >> (127 - bit) & 1 == 1).collect(),
            IpAddr::V4(address) => {
                let v4 = (0..32).map(|bit| address.to_bits() >> (31 - bit) & 1 == 1);
                // In a tree of IPv6, IPv4 stands under ::/96.
                std::iter::repeat_n(false, if is_v6 { 96 } else { 0 }).chain(v4).collect()
            }
        };
        let mut node = 0;
        for bit in bits {
            node = self.child(node, bit);
            if node == self.node_count {
                return None;
            }
            if node > self.node_count {
                let section = &self.bytes[self.node_count * self.record_bits / 4 + 16..];
                return Some(Decoder { section }.value(node - self.node_count - 16).0);
            }
        }
        None
    }

    /// The first and the last address of every network in the file.
    pub(crate) fn edges(&self) -> Vec<IpAddr> {
        let width = if self.metadata["ip_version"] == 6 { 128 } else { 32 };
        let mut edges = Vec::new();
        self.collect_edges(0, 0, 0, width, &mut edges);
        edges
    }

    fn collect_edges(&self, node: usize, path: u128, depth: u32, width: u32, edges: &mut Vec<IpAddr>) {
        if node < self.node_count && depth < width {
            for bit in [false, true] {
                let path = path | u128::from(bit) << (width - 1 - depth);
                self.collect_edges(self.child(node, bit), path, depth + 1, width, edges);
            }
            return;
        }
        let hosts = u128::MAX.checked_shr(128 - width + depth).unwrap_or(0);
        for bits in [path, path | hosts] {
            edges.push(match width {
                32 => IpAddr::V4(u32::try_from(bits).expect("32 bits").into()),
                _ => IpAddr::V6(bits.into()),
            });
        }
    }

    fn child(&self, node: usize, right: bool) -> usize {
        let size = self.record_bits / 4;
        let node = &self.bytes[node * size..(node + 1) * size];
        let whole = node.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        match (self.record_bits, right) {
            // The top four bits of both records stand in the middle byte, left before right.
            (28, false) => whole >> 32 | (whole >> 28 & 0xF) << 24,
            (28, true) => whole & 0x0FFF_FFFF,
            (bits, false) => whole >> bits,
            (bits, true) => whole & ((1 << bits) - 1),
        }
    }
}

struct Decoder<'a> {
    section: &'a [u8],
}

impl Decoder<'_> {
    /// The value at `at` and where the next one begins.
    fn value(&self, at: usize) -> (Value, usize) {
        let control = self.section[at];
        let mut at = at + 1;
        let kind = match control >> 5 {
            0 => {
                at += 1;
                self.section[at - 1] + 7
            }
            1 => return self.pointer(control, at),
            kind => kind,
        };
        let low = usize::from(control & 0x1F);
        let (size, start) = match low {
            29 => (29 + self.unsigned(at, 1), at + 1),
            30 => (285 + self.unsigned(at, 2), at + 2),
            31 => (65_821 + self.unsigned(at, 3), at + 3),
            size => (size, at),
        };
        let end = start + size;
        match kind {
            2 => (json!(std::str::from_utf8(&self.section[start..end]).expect("UTF-8")), end),
            3 => (json!(f64::from_be_bytes(self.section[start..end].try_into().expect("8 bytes"))), end),
            4 => (json!(self.section[start..end]), end),
            5 | 6 | 9 => (json!(self.unsigned(start, size)), end),
            7 => self.map(start, size),
            8 => {
                let bits = u32::try_from(self.unsigned(start, size)).expect("32 bits");
                (json!(bits.cast_signed()), end)
            }
            10 => (json!(format!("{:x?}", &self.section[start..end])), end),
            11 => self.array(start, size),
            14 => (json!(size == 1), start),
            15 => (json!(f32::from_be_bytes(self.section[start..end].try_into().expect("4 bytes"))), end),
            other => panic!("type {other} at {at}"),
        }
    }

    fn pointer(&self, control: u8, at: usize) -> (Value, usize) {
        let low = usize::from(control & 7);
        let (target, next) = match control >> 3 & 3 {
            0 => (low << 8 | self.unsigned(at, 1), at + 1),
            1 => ((low << 16 | self.unsigned(at, 2)) + 2048, at + 2),
            2 => ((low << 24 | self.unsigned(at, 3)) + 526_336, at + 3),
            _ => (self.unsigned(at, 4), at + 4),
        };
        (self.value(target).0, next)
    }

    fn map(&self, mut at: usize, size: usize) -> (Value, usize) {
        let mut map = Map::new();
        for _ in 0..size {
            let (key, after_key) = self.value(at);
            let (value, after_value) = self.value(after_key);
            map.insert(key.as_str().expect("a text as key").to_owned(), value);
            at = after_value;
        }
        (Value::Object(map), at)
    }

    fn array(&self, mut at: usize, size: usize) -> (Value, usize) {
        let mut array = Vec::new();
        for _ in 0..size {
            let (value, next) = self.value(at);
            array.push(value);
            at = next;
        }
        (Value::Array(array), at)
    }

    fn unsigned(&self, at: usize, size: usize) -> usize {
        self.section[at..at + size].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
    }
}
