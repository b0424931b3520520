use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const HOP: &str = "10.0.0.1";

fn rules(header: Header) -> Rules {
    let networks = ["10.0.0.0/8", "192.168.1.0/24", "fd00::/8", "::ffff:172.16.0.0/108"];
    Rules { trusted: Trusted::new(networks.map(|network| network.parse().unwrap())), header }
}

fn ask(header: Header, peer: &str, lines: &[Vec<u8>], proto: &[&str]) -> Viewer {
    let peer = Peer { address: peer.parse().ok(), scheme: Scheme::Http };
    let proto: Vec<Vec<u8>> = proto.iter().map(|line| line.as_bytes().to_vec()).collect();
    viewer(peer, &rules(header), |name| {
        let lines = if name == "x-forwarded-proto" { &proto[..] } else { lines };
        assert!(name == "x-forwarded-proto" || name == header.name());
        lines.iter().map(Vec::as_slice)
    })
}

/// `expected` is `address word`, as in `1.2.3.4 peer`.
#[track_caller]
fn check(header: Header, peer: &str, lines: &[&str], expected: &str) {
    let bytes: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let got = ask(header, peer, &bytes, &[]);
    let address = got.address.map_or("none".to_owned(), |address| address.to_string());
    assert_eq!(format!("{address} {}", got.from.as_str()), expected, "{header:?} from {peer}: {lines:?}");
}

#[test]
fn only_a_trusted_peer_is_believed() {
    for header in [Header::XForwardedFor, Header::Forwarded, Header::XRealIp] {
        check(header, "203.0.113.9", &["1.2.3.4"], "203.0.113.9 peer");
        check(header, "203.0.113.9", &["for=1.2.3.4"], "203.0.113.9 peer");
        check(header, "::ffff:203.0.113.9", &["1.2.3.4"], "203.0.113.9 peer");
        check(header, "unix", &["1.2.3.4"], "none peer");
        check(header, HOP, &[], "10.0.0.1 peer");
        check(header, HOP, &[""], "10.0.0.1 peer");
        check(header, HOP, &["unknown"], "10.0.0.1 peer");
    }
    let peer = Peer { address: HOP.parse().ok(), scheme: Scheme::Https };
    let nobody = Rules { trusted: Trusted::default(), header: Header::XForwardedFor };
    let got =
        viewer(peer, &nobody, |_| -> std::iter::Empty<&[u8]> { unreachable!("no header is looked at") });
    assert_eq!(got, Viewer { address: peer.address, from: AddressFrom::Peer, scheme: Scheme::Https });
}

#[test]
fn the_list_is_walked_from_the_right_to_the_first_address_not_trusted() {
    let check = |lines: &[&str], expected| check(Header::XForwardedFor, HOP, lines, expected);
    check(&["1.2.3.4"], "1.2.3.4 x-forwarded-for");
    check(&["9.9.9.9, 1.2.3.4"], "1.2.3.4 x-forwarded-for");
    check(&["9.9.9.9, 1.2.3.4, 10.1.1.1, fd00::7"], "1.2.3.4 x-forwarded-for");
    check(&["9.9.9.9,1.2.3.4,\t 10.1.1.1 "], "1.2.3.4 x-forwarded-for");
    check(&["9.9.9.9", "1.2.3.4", "10.1.1.1, 10.2.2.2"], "1.2.3.4 x-forwarded-for");
    check(&["9.9.9.9, 1.2.3.4", "10.1.1.1"], "1.2.3.4 x-forwarded-for");
    check(&["192.168.2.1, 192.168.1.1"], "192.168.2.1 x-forwarded-for");
    // Only trusted ones: the leftmost.
    check(&["10.3.3.3, 10.2.2.2"], "10.3.3.3 x-forwarded-for");
    check(&["10.4.4.4", "10.3.3.3, 10.2.2.2"], "10.4.4.4 x-forwarded-for");
    // A network of mapped addresses is one of IPv4.
    check(&["1.2.3.4, 172.17.0.1"], "1.2.3.4 x-forwarded-for");
    check(&["1.2.3.4, 172.32.0.1"], "172.32.0.1 x-forwarded-for");
}

#[test]
fn a_malformed_or_empty_entry_ends_the_walk() {
    let check = |lines: &[&str], expected| check(Header::XForwardedFor, HOP, lines, expected);
    check(&["1.2.3.4, unknown"], "10.0.0.1 peer");
    check(&["1.2.3.4, unknown, 10.5.5.5"], "10.5.5.5 x-forwarded-for");
    check(&["1.2.3.4,, 10.5.5.5"], "10.5.5.5 x-forwarded-for");
    check(&["1.2.3.4,"], "10.0.0.1 peer");
    check(&["1.2.3.4", ""], "10.0.0.1 peer");
    check(&["1.2.3.4", " ", "10.5.5.5"], "10.5.5.5 x-forwarded-for");
    check(&["1.2.3.4 10.5.5.5"], "10.0.0.1 peer");
    check(&["\"1.2.3.4\""], "10.0.0.1 peer");
    check(&["for=1.2.3.4"], "10.0.0.1 peer");
}

#[test]
fn an_address_is_taken_out_of_its_wrapping() {
    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map(|address| address.parse::<IpAddr>().unwrap());
        assert_eq!(address(text.as_bytes()), expected, "{text}");
    }
    for text in ["1.2.3.4", "1.2.3.4:5", "1.2.3.4:65535", "::ffff:1.2.3.4", "[::ffff:1.2.3.4]:5"] {
        check(text, Some("1.2.3.4"));
    }
    for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711", "2001:DB8:0::1", "[2001:db8::1]:_http"]
    {
        check(text, Some("2001:db8::1"));
    }
    for text in ["fe80::1%eth0", "[fe80::1%eth0]", "[fe80::1%25eth0.7]:80", "fe80::1%2"] {
        check(text, Some("fe80::1"));
    }
    check("[::1]:5", Some("::1"));
    check("::", Some("::"));
    check("::ffff:102:304", Some("1.2.3.4"));
    for text in [
        "",
        " ",
        ":",
        ":80",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:x",
        "1.2.3.4:-1",
        "1.2.3.4:+1",
        "1.2.3.4:65536",
        "1.2.3.4:000080",
        "1.2.3.4:5:6",
        "1.2.3.4%eth0",
        "1.2.3.4/8",
        "0x1020304",
        "16909060",
        "[1.2.3.4]",
        "[1.2.3.4]:5",
        "[]",
        "[",
        "]",
        "[::1",
        "::1]",
        "[::1]]",
        "[::1]5",
        "[::1]:",
        "[::1]:x",
        "[::1] :5",
        "[[::1]]",
        "fe80::1%",
        "fe80::1%eth 0",
        "[fe80::1%]:5",
        "2001:db8::1:80000",
        ":::",
        "1::2::3",
        "localhost",
        "unknown",
        "_hidden",
        "-",
        "1.2.3.4 ",
        "\u{0661}.2.3.4",
        "1.2.3.4\0",
    ] {
        check(text, None);
    }
    assert_eq!(address(b"1.2.3.4\xff"), None);
}

#[test]
fn a_forwarded_element_is_read_by_its_rfc() {
    let check = |lines: &[&str], expected| check(Header::Forwarded, HOP, lines, expected);
    check(&["for=1.2.3.4"], "1.2.3.4 forwarded");
    check(&["For=1.2.3.4;Proto=https;by=10.0.0.1"], "1.2.3.4 forwarded");
    check(&["by=10.0.0.1; FOR=\"1.2.3.4:80\" ; host=films.example"], "1.2.3.4 forwarded");
    check(&["for=\"[2001:db8::1]:4711\""], "2001:db8::1 forwarded");
    check(&["for=\"\\[2001:db8\\::1]\""], "2001:db8::1 forwarded");
    check(&["for=[2001:db8::1]:4711, for=10.0.0.1:80"], "2001:db8::1 forwarded");
    check(&["for=9.9.9.9, for=1.2.3.4, for=\"[fd00::1]\""], "1.2.3.4 forwarded");
    check(&["for=9.9.9.9", "for=1.2.3.4", "for=10.1.1.1"], "1.2.3.4 forwarded");
    check(&[";for=1.2.3.4;;"], "1.2.3.4 forwarded");
    // Commas, semicolons and quotes inside quotes part nothing.
    check(&["for=9.9.9.9, host=\"a,for=8.8.8.8\";for=1.2.3.4"], "1.2.3.4 forwarded");
    check(&["for=1.2.3.4;x=\"\\\",;for=8.8.8.8\\\\\""], "1.2.3.4 forwarded");
    check(&["for=1.2.3.4, for=10.9.9.9;x=\"a,\\\",\""], "1.2.3.4 forwarded");
    // A quote the viewer left open is the viewer's trouble.
    check(&["for=\"9.9.9.9, for=1.2.3.4"], "1.2.3.4 forwarded");
    check(&["x=\"a\\, for=1.2.3.4, for=10.7.7.7"], "1.2.3.4 forwarded");
    check(&["for=\"9.9.9.9, for=10.7.7.7"], "10.7.7.7 forwarded");
    // Hidden and malformed ones end the walk.
    for end in [
        "for=unknown",
        "for=_hidden",
        "for=\"_hidden:80\"",
        "proto=https",
        "by=1.2.3.4",
        "for=",
        "for",
        "=1.2.3.4",
        "for =1.2.3.4",
        "for= 1.2.3.4",
        "for=1.2.3.4 proto=https",
        "for=1.2.3.4;proto",
        "for=1.2.3.4;for=1.2.3.4",
        "for=1.2.3.4;proto=http;PROTO=http",
        "for=\"1.2.3.4",
        "for=1.2.3.4\"",
        "for=\"1.2.3.4\"x",
        "for='1.2.3.4'",
        "for=\"\"",
        "for=\"1.2.3.4\\\"",
        "1.2.3.4",
        "",
        " ",
        ";",
        "for=1.2.3.4@x",
    ] {
        check(&[end], "10.0.0.1 peer");
        check(&[&format!("for=9.9.9.9, {end}, for=10.5.5.5")], "10.5.5.5 forwarded");
    }
}

#[test]
fn x_real_ip_is_one_value_and_no_list() {
    let check = |lines: &[&str], expected| check(Header::XRealIp, HOP, lines, expected);
    check(&["1.2.3.4"], "1.2.3.4 x-real-ip");
    check(&[" [2001:db8::1]:80 "], "2001:db8::1 x-real-ip");
    check(&["9.9.9.9", "1.2.3.4"], "1.2.3.4 x-real-ip");
    check(&["9.9.9.9, 1.2.3.4"], "1.2.3.4 x-real-ip");
    // A viewer inside a trusted network, which forged a value that a hop did not replace.
    check(&["9.9.9.9", "10.1.2.3"], "10.1.2.3 x-real-ip");
    check(&["9.9.9.9, 10.1.2.3"], "10.1.2.3 x-real-ip");
    check(&["1.2.3.4", "x"], "10.0.0.1 peer");
}

#[track_caller]
fn check_scheme(header: Header, listener: Scheme, lines: &[&str], proto: &[&str], expected: Scheme) {
    for (peer, expected) in [(HOP, expected), ("203.0.113.9", listener), ("unix", listener)] {
        let peer = Peer { address: peer.parse().ok(), scheme: listener };
        let got = viewer(peer, &rules(header), |name| {
            if name == "x-forwarded-proto" { proto } else { lines }.iter().map(|line| line.as_bytes())
        });
        assert_eq!(got.scheme, expected, "{header:?} {lines:?} {proto:?} at {peer:?}");
    }
}

#[test]
fn the_scheme_is_a_trusted_hops_word_or_the_listeners_own() {
    use Scheme::{Http, Https};
    let check = |proto: &[&str], listener, expected| {
        check_scheme(Header::XForwardedFor, listener, &["1.2.3.4"], proto, expected);
        check_scheme(Header::XRealIp, listener, &[], proto, expected);
    };
    for listener in [Http, Https] {
        check(&["https"], listener, Https);
        check(&["HTTPS"], listener, Https);
        check(&["http"], listener, Http);
        check(&["http", "https"], listener, Https);
        check(&["https, http"], listener, Http);
        check(&["https,", "http , https "], listener, Https);
        for nothing in ["", "wss", "https:", "\"https\"", "https;", "on", "https,"] {
            check(&[nothing], listener, listener);
        }
        check(&[], listener, listener);
    }
}

#[test]
fn forwarded_says_the_scheme_beside_the_viewer() {
    use Scheme::{Http, Https};
    let check = |lines: &[&str], listener, expected| {
        // The other header is not mixed in.
        check_scheme(Header::Forwarded, listener, lines, &["https"], expected);
    };
    check(&["for=1.2.3.4;proto=https"], Http, Https);
    check(&["for=1.2.3.4;proto=\"HTTPS\", for=10.1.1.1;proto=http"], Http, Https);
    check(&["for=9.9.9.9;proto=https, for=1.2.3.4;proto=http"], Http, Http);
    check(&["for=1.2.3.4;proto=http"], Https, Http);
    check(&["for=1.2.3.4, for=10.1.1.1;proto=https"], Http, Http);
    check(&["for=1.2.3.4;proto=ftp"], Http, Http);
    // The hop hides its client and still tells how it came.
    check(&["for=_hidden;proto=https"], Http, Https);
    check(&["for=_hidden;proto=https, for=10.1.1.1;proto=http"], Http, Https);
    // A malformed element says nothing.
    check(&["for=1.2.3.4;proto=https;x"], Http, Http);
    check(&["for=\"x;proto=https, for=10.1.1.1;proto=http"], Https, Http);
    check(&[], Https, Https);
}

#[test]
fn long_lists_are_walked_and_endless_ones_are_not() {
    let list = |count: usize, entry: &str, separator: &str| vec![entry; count].join(separator);
    let hops = list(1_000, "fd00:1111:2222:3333:4444:5555:6666:7777", ", ");
    check(Header::XForwardedFor, HOP, &[&format!("1.2.3.4, {hops}")], "1.2.3.4 x-forwarded-for");
    let lines: Vec<&str> = std::iter::once("1.2.3.4").chain(hops.split(", ")).collect();
    check(Header::XForwardedFor, HOP, &lines, "1.2.3.4 x-forwarded-for");
    let elements = list(1_000, "for=10.1.1.1;proto=https", ",");
    check(Header::Forwarded, HOP, &[&format!("for=1.2.3.4,{elements}")], "1.2.3.4 forwarded");

    // Beyond the limits the last good address counts, a trusted one: nobody chose it from outside.
    let hops = list(1_024, "10.1.1.1", ",");
    check(Header::XForwardedFor, HOP, &[&format!("1.2.3.4,{hops}")], "10.1.1.1 x-forwarded-for");
    let hops = list(1_023, "10.1.1.1", ",");
    check(Header::XForwardedFor, HOP, &[&format!("1.2.3.4,{hops}")], "1.2.3.4 x-forwarded-for");
    let wide = format!("{}10.1.1.1", " ".repeat(60_000));
    check(Header::XForwardedFor, HOP, &[&format!("1.2.3.4,{wide},10.2.2.2")], "1.2.3.4 x-forwarded-for");
    check(
        Header::XForwardedFor,
        HOP,
        &[&format!("1.2.3.4,{wide},{wide},10.2.2.2")],
        "10.1.1.1 x-forwarded-for",
    );
    check(Header::XForwardedFor, HOP, &["1.2.3.4", &" ".repeat(70_000)], "10.0.0.1 peer");
    // Seven bytes are left: an entry of seven is read, and half of a longer one is no entry.
    let nearly_all = format!("{}10.1.1.1", " ".repeat(64 * 1_024 - 7 - 1 - 8));
    check(Header::XForwardedFor, HOP, &[&format!("1.2.3.4,{nearly_all}")], "1.2.3.4 x-forwarded-for");
    check(Header::XForwardedFor, HOP, &[&format!("11.2.3.4,{nearly_all}")], "10.1.1.1 x-forwarded-for");
}

#[test]
fn a_group_is_a_network_of_24_or_56_bits() {
    #[track_caller]
    fn check(a: &str, b: &str, same: bool) {
        let [a, b]: [IpAddr; 2] = [a, b].map(|address| address.parse().unwrap());
        assert_eq!(group(a) == group(b), same, "{a} {b}");
        assert_eq!(group(a).as_u64() == group(b).as_u64(), same, "{a} {b}");
    }
    check("1.2.3.0", "1.2.3.255", true);
    check("1.2.3.4", "::ffff:1.2.3.99", true);
    check("1.2.3.4", "1.2.4.4", false);
    check("2001:db8:0:1200::1", "2001:db8:0:12ff:ffff::", true);
    check("2001:db8:0:1200::1", "2001:db8:0:1300::1", false);
    check("0.0.0.0", "::", false);
    check("1.2.3.4", "::1:203", false);
}

/// Addresses that [`rules`] do not trust.
fn outsiders() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::V4(Ipv4Addr::new(203, b, c, d))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits >> 16 | 0x2001 << 112))),
    ]
}

/// Addresses that [`rules`] trust.
fn hops() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::V4(Ipv4Addr::new(10, b, c, d))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits >> 8 | 0xfd << 120))),
    ]
}

/// The same address as some hop might write it.
fn written(
    header: Header,
    addresses: impl Strategy<Value = IpAddr>,
) -> impl Strategy<Value = (IpAddr, String)> {
    (addresses, 0..4_u8, any::<u16>()).prop_map(move |(address, style, port)| {
        let wrapped = match (address, style) {
            (IpAddr::V4(v4), 0) => format!("{v4}:{port}"),
            (IpAddr::V4(v4), 1) => v4.to_ipv6_mapped().to_string(),
            (IpAddr::V6(v6), 0) => format!("[{v6}]:{port}"),
            (IpAddr::V6(v6), 1) => format!("[{v6}%eth{port}]"),
            _ => address.to_string(),
        };
        let text = match (header, style) {
            (Header::Forwarded, 3) => format!("by=\"a,b\\\",\\\\\";for=\"{wrapped}\""),
            (Header::Forwarded, _) => format!("for=\"{wrapped}\";proto=http"),
            _ => wrapped,
        };
        (address.to_canonical(), text)
    })
}

fn headers() -> impl Strategy<Value = Header> {
    prop_oneof![Just(Header::XForwardedFor), Just(Header::Forwarded), Just(Header::XRealIp)]
}

/// Bytes that come near to mean something, and any other.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "[0-9a-f.:,;=\"\\\\\\[\\] %for]{0,80}".prop_map(String::into_bytes),
        "(for=|\"|\\\\|,|;|10[.]1[.]1[.]1|9[.]9[.]9[.]9|\\[::1\\]| ){0,20}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn nothing_left_of_the_viewer_changes_the_answer(
        (header, viewer, hops) in headers().prop_flat_map(|header| {
            let hops_max = if header == Header::XRealIp { 0 } else { 3 };
            (
                Just(header),
                written(header, outsiders()),
                prop::collection::vec(written(header, hops()), 0..=hops_max),
            )
        }),
        spoofed in prop::collection::vec(noise(), 0..3),
        in_the_same_line: bool,
    ) {
        let honest: Vec<&str> = std::iter::once(&viewer).chain(&hops).map(|(_, text)| text.as_str()).collect();
        let honest = honest.join(", ");
        let mut lines = spoofed;
        match lines.last_mut() {
            Some(last) if in_the_same_line => last.extend_from_slice(format!(",{honest}").as_bytes()),
            _ => lines.push(honest.into_bytes()),
        }
        let got = ask(header, HOP, &lines, &[]);
        prop_assert_eq!((got.address, got.from), (Some(viewer.0), AddressFrom::from(header)));
    }

    #[test]
    fn the_walk_is_the_one_of_the_plain_model(
        entries in prop::collection::vec(
            prop_oneof![
                4 => written(Header::XForwardedFor, hops()).prop_map(Ok),
                1 => written(Header::XForwardedFor, outsiders()).prop_map(Ok),
                1 => "[a-z ]{0,5}".prop_map(Err),
            ],
            0..8,
        ),
    ) {
        let trusted = rules(Header::XForwardedFor).trusted;
        let mut expected = HOP.parse().ok();
        for entry in entries.iter().rev() {
            let Ok((address, _)) = entry else { break };
            expected = Some(*address);
            if !trusted.contains(*address) {
                break;
            }
        }
        let texts: Vec<String> =
            entries.into_iter().map(|entry| entry.map_or_else(|bad| bad, |(_, text)| text)).collect();
        let got = ask(Header::XForwardedFor, HOP, &[texts.join(",").into_bytes()], &[]);
        prop_assert_eq!(got.address, expected);
    }

    #[test]
    fn any_bytes_give_the_peer_or_an_address_that_stands_there(
        header in headers(),
        peer in prop_oneof![Just(HOP), Just("9.8.7.6"), Just("unix")],
        lines in prop::collection::vec(noise(), 0..4),
    ) {
        let got = ask(header, peer, &lines, &["\u{fffd},"]);
        if got.from == AddressFrom::Peer {
            prop_assert_eq!(got.address, peer.parse().ok());
        } else {
            prop_assert_eq!((peer, got.from), (HOP, AddressFrom::from(header)));
            let stands_there = lines.iter().any(|line| {
                let plain: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\\').collect();
                let plain = plain.as_slice();
                let ends = |from| (from + 1..=plain.len()).map(move |to| &plain[from..to]);
                (0..plain.len()).flat_map(ends).any(|piece| {
                    let address = str::from_utf8(piece).ok().and_then(|text| text.parse::<IpAddr>().ok());
                    address.map(|address| address.to_canonical()) == got.address
                })
            });
            prop_assert!(stands_there, "{:?} of {:?}", got, lines);
        }
    }
}
