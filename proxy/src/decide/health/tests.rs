use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    interval_ms: 2_000,
    timeout_ms: 1_000,
    rise: 2,
    fall: 3,
    slow_start_ms: 30_000,
    ejection: Ejection::OURS,
};

/// Feeds rounds (`+` good, `-` timed out) a second apart; `expected` has a letter for the state after each:
/// `?` unproven, `u` up, `d` down.
#[track_caller]
fn check(rounds: &str, expected: &str) -> Machine {
    let mut machine = Machine::new(0);
    let mut states = String::new();
    for (round, now_ms) in rounds.chars().zip((1_000..).step_by(1_000)) {
        let before = machine.state();
        let result = if round == '+' { Ok(()) } else { Err(Reason::Timeout) };
        let transition = machine.observe(now_ms, result, &RULES);
        let reason = (machine.state() == State::Down).then_some(Reason::Timeout);
        let expected =
            (before != machine.state()).then_some(Transition { from: before, to: machine.state(), reason });
        assert_eq!(transition, expected, "{rounds} at {now_ms}");
        if transition.is_some() {
            assert_eq!(machine.since_ms(), now_ms);
        }
        states.push(match machine.state() {
            State::Unproven => '?',
            State::Up => 'u',
            State::Down => 'd',
        });
    }
    assert_eq!(states, expected, "{rounds}");
    machine
}

#[test]
fn a_verdict_takes_rounds_in_a_row() {
    check("", "");
    check("+", "?");
    check("++", "?u");
    check("---", "??d");
    check("+-+-+-", "??????");
    check("--+--+--", "????????");
    check("++-+--+--+", "?uuuuuuuuu");
    check("++---", "?uuud");
    check("---+-+-++", "??ddddddu");
}

#[test]
fn a_return_is_known_from_a_first_verdict() {
    assert_eq!(check("++", "?u").returned_ms(), None);
    assert_eq!(check("--+++", "???uu").returned_ms(), None);
    assert_eq!(check("---", "??d").returned_ms(), None);
    assert_eq!(check("---++", "??ddu").returned_ms(), Some(5_000));
    assert_eq!(check("++---++", "?uuuddu").returned_ms(), Some(7_000));
    assert_eq!(check("++---++---", "?uuudduuud").returned_ms(), None);
}

#[test]
fn the_reason_is_the_last_failures_while_it_matters() {
    assert_eq!(check("", "").reason(), None);
    assert_eq!(check("-", "?").reason(), Some(Reason::Timeout));
    assert_eq!(check("-+", "??").reason(), None);
    assert_eq!(check("++-", "?uu").reason(), Some(Reason::Timeout));
    assert_eq!(check("++-+", "?uuu").reason(), None);
    assert_eq!(check("---+", "??dd").reason(), Some(Reason::Timeout));
    assert_eq!(check("---++", "??ddu").reason(), None);
    let mut machine = check("---", "??d");
    assert_eq!(machine.observe(9_000, Err(Reason::Refused), &RULES), None);
    assert_eq!((machine.reason(), machine.since_ms()), (Some(Reason::Refused), 3_000));
}

#[test]
fn the_next_round_follows_at_once_while_a_verdict_is_near() {
    let next = |rounds, states| check(rounds, states).next_probe_in_ms(&RULES);
    assert_eq!(next("", ""), 0);
    assert_eq!(next("+", "?"), 0);
    assert_eq!(next("-", "?"), 0);
    assert_eq!(next("--", "??"), 0);
    assert_eq!(next("-+", "??"), 2_000);
    assert_eq!(next("++", "?u"), 2_000);
    assert_eq!(next("++-", "?uu"), 0);
    assert_eq!(next("++--", "?uuu"), 0);
    assert_eq!(next("++-+", "?uuu"), 2_000);
    assert_eq!(next("++---", "?uuud"), 2_000);
    assert_eq!(next("++---+", "?uuudd"), 2_000);
}

#[test]
fn rules_of_zero_count_as_one() {
    let rules = Rules { rise: 0, fall: 0, ..RULES };
    let mut machine = Machine::new(0);
    assert_eq!(machine.observe(1, Err(Reason::Dns), &rules).map(|turn| turn.to), Some(State::Down));
    assert_eq!(machine.observe(2, Ok(()), &rules).map(|turn| turn.to), Some(State::Up));
    assert_eq!(down_within_ms(&rules), 3_000);
    assert_eq!(down_within_ms(&RULES), 5_000);
    assert_eq!(down_within_ms(&Rules { timeout_ms: u64::MAX, ..RULES }), u64::MAX);
}

#[test]
fn a_returning_node_is_taken_up_slowly() {
    #[track_caller]
    fn check(now_ms: u64, returned_ms: Option<u64>, ramp_ms: u64, expected: f64) {
        let share = slow_start_share(now_ms, returned_ms, ramp_ms);
        assert!((share - expected).abs() < 1e-9, "{now_ms} {returned_ms:?} {ramp_ms}: {share}");
    }
    check(5, None, 30_000, 1.0);
    check(100, Some(100), 30_000, 0.1);
    check(15_100, Some(100), 30_000, 0.55);
    check(30_100, Some(100), 30_000, 1.0);
    check(99_999, Some(100), 30_000, 1.0);
    check(50, Some(100), 30_000, 0.1);
    check(100, Some(100), 0, 1.0);
    check(u64::MAX, Some(0), u64::MAX, 1.0);
}

#[test]
fn the_fleet_is_spread_over_the_interval() {
    let offsets = |count| (0..count).map(|index| first_offset_ms(index, count, 2_000)).collect::<Vec<_>>();
    assert_eq!(offsets(1), [0]);
    assert_eq!(offsets(4), [0, 500, 1_000, 1_500]);
    assert_eq!(offsets(3), [0, 666, 1_333]);
    assert_eq!(first_offset_ms(0, 0, 2_000), 0);
    assert_eq!(first_offset_ms(7, 4, 2_000), 1_500);
    assert_eq!(first_offset_ms(usize::MAX - 1, usize::MAX, u64::MAX), u64::MAX - 1);
}

#[test]
fn the_health_urls_answer_is_read() {
    let check = |status, header: Option<&str>, expected| {
        assert_eq!(health_verdict(status, header.map(str::as_bytes)), expected, "{status} {header:?}");
    };
    check(200, None, Ok(()));
    check(204, Some("online"), Ok(()));
    check(200, Some("offline"), Err(Reason::OfflineHeader));
    check(200, Some("Offline "), Err(Reason::OfflineHeader));
    check(503, Some("iam-offline"), Err(Reason::OfflineHeader));
    check(503, Some("bucket-metadata-offline"), Err(Reason::OfflineHeader));
    check(200, Some(""), Ok(()));
    for status in [0, 100, 301, 304, 400, 403, 404, 412, 429, 500, 503, 999] {
        check(status, None, Err(Reason::Status));
    }
}

#[test]
fn the_signed_answer_is_read() {
    #[track_caller]
    fn check(status: u16, code: &str, skew_s: Option<i64>, expected: Result<(), Reason>) {
        for probed in [Probed::Bucket, Probed::Canary] {
            let error_code = (!code.is_empty()).then_some(code);
            let got = signed_verdict(&SignedAnswer { status, error_code, skew_s, probed });
            let expected = match (expected, probed) {
                (Err(Reason::NoCanary), Probed::Bucket) => Err(Reason::NoBucket),
                _ => expected,
            };
            assert_eq!(got, expected, "{status} {code} {skew_s:?} {probed:?}");
        }
    }
    check(200, "", None, Ok(()));
    check(206, "", Some(900), Ok(()));
    check(200, "", Some(901), Err(Reason::ClockSkew));
    check(200, "", Some(-901), Err(Reason::ClockSkew));
    check(200, "", Some(i64::MIN), Err(Reason::ClockSkew));
    check(403, "RequestTimeTooSkewed", None, Err(Reason::ClockSkew));
    check(403, "RequestTimeTooSkewed", Some(0), Err(Reason::ClockSkew));
    check(403, "SignatureDoesNotMatch", Some(3_600), Err(Reason::ClockSkew));
    check(403, "InvalidAccessKeyId", Some(2), Err(Reason::BadSignature));
    check(403, "SignatureDoesNotMatch", None, Err(Reason::BadSignature));
    check(400, "AuthorizationHeaderMalformed", None, Err(Reason::BadSignature));
    check(400, "ExpiredToken", None, Err(Reason::BadSignature));
    check(403, "AccessDenied", None, Err(Reason::Forbidden));
    check(403, "", None, Err(Reason::Forbidden));
    check(401, "", None, Err(Reason::Forbidden));
    check(404, "NoSuchBucket", None, Err(Reason::NoBucket));
    check(404, "NoSuchKey", None, Err(Reason::NoCanary));
    check(404, "", None, Err(Reason::NoCanary));
    check(429, "TooManyRequests", None, Ok(()));
    check(429, "", Some(5_000), Err(Reason::ClockSkew));
    for status in [0, 100, 301, 304, 307, 400, 405, 412, 500, 502, 503, 507, 999] {
        check(status, "", None, Err(Reason::Status));
    }
    check(503, "SlowDownRead", Some(5_000), Err(Reason::Status));
}

#[test]
fn skew_is_what_the_date_cannot_explain_otherwise() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AT_MS: u64 = 784_111_777_000;
    #[track_caller]
    fn check(date: &str, sent_ms: u64, received_ms: u64, expected: Option<i64>) {
        assert_eq!(clock_skew_s(date.as_bytes(), sent_ms, received_ms), expected, "{date} {sent_ms}");
    }
    check(DATE, AT_MS, AT_MS, Some(0));
    check(DATE, AT_MS + 999, AT_MS + 999, Some(0));
    // The round trip took its time: the node may have written the date at any moment of it.
    check(DATE, AT_MS - 10_000, AT_MS + 10_000, Some(0));
    check(DATE, AT_MS - 5_020, AT_MS - 5_000, Some(5));
    check(DATE, AT_MS - 5_999, AT_MS - 5_999, Some(5));
    check(DATE, AT_MS + 5_999, AT_MS + 6_020, Some(-5));
    check(DATE, AT_MS + 1_500, AT_MS + 1_600, Some(0));
    check(DATE, AT_MS + 3_600_999, AT_MS + 3_600_999, Some(-3_600));
    check(DATE, AT_MS, 0, Some(0));
    check(DATE, u64::MAX, u64::MAX, Some((784_111_777_999 - i64::MAX) / 1_000));
    check("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0, Some(0));
    for bad in
        ["", "now", "Sun, 06 Nov 1994 25:49:37 GMT", "Mon, 06 Nov 1994 08:49:37 GMT", "784111777", "\u{e9}"]
    {
        check(bad, AT_MS, AT_MS, None);
    }
    assert_eq!(clock_skew_s(b"\xff\xfe", AT_MS, AT_MS), None);
}

#[test]
fn a_nodes_word_on_its_load_is_read() {
    #[track_caller]
    fn check(limit: &str, remaining: &str, expected: Option<u32>) {
        assert_eq!(
            requests_in_flight(limit.as_bytes(), remaining.as_bytes()),
            expected,
            "{limit} {remaining}"
        );
    }
    check("100", "99", Some(1));
    check("100", "0", Some(100));
    check(" 100 ", "60", Some(40));
    check("100", "101", Some(0));
    check("4294967295", "0", Some(u32::MAX));
    for bad in ["", "-1", "1.5", "4294967296", "many", "\u{e9}"] {
        check(bad, "1", None);
        check("1", bad, None);
    }
    assert_eq!(requests_in_flight(b"\xff", b"1"), None);
}

#[test]
fn every_trouble_has_its_word() {
    assert_eq!(Trouble::ALL.map(Trouble::as_str).join(" "), "refused timeout stall status busy cut lie");
    assert!(Trouble::ALL.is_sorted());
    let harmless: Vec<_> = Trouble::ALL.into_iter().filter(|trouble| !trouble.is_fault()).collect();
    assert_eq!(harmless, [Trouble::Busy]);
}

#[test]
fn the_more_telling_reason_of_a_round_is_kept() {
    #[track_caller]
    fn check(a: Result<(), Reason>, b: Result<(), Reason>, expected: Result<(), Reason>) {
        assert_eq!(worst(a, b), expected);
        assert_eq!(worst(b, a), expected);
    }
    use Reason as R;
    check(Ok(()), Ok(()), Ok(()));
    for reason in Reason::ALL {
        check(Ok(()), Err(reason), Err(reason));
        check(Err(reason), Err(reason), Err(reason));
    }
    check(Err(R::Refused), Err(R::Timeout), Err(R::Refused));
    check(Err(R::Status), Err(R::Timeout), Err(R::Status));
    // Before its users are loaded MinIO refuses every signature.
    check(Err(R::OfflineHeader), Err(R::BadSignature), Err(R::OfflineHeader));
    check(Err(R::Status), Err(R::NoCanary), Err(R::NoCanary));
}

#[test]
fn every_reason_has_its_word_and_its_advice() {
    let words = "dns refused tls offline_header clock_skew bad_signature no_bucket no_canary forbidden status \
                 timeout ejected";
    assert_eq!(Reason::ALL.map(Reason::as_str).join(" "), words);
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        assert!(reason.advice().len() > 40);
    }
    assert!(Reason::ALL.is_sorted());
    for state in [State::Unproven, State::Up, State::Down] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (1..5_000_u64, 1..3_000_u64, 1..5_u32, 1..5_u32).prop_map(|(interval_ms, timeout_ms, rise, fall)| Rules {
        interval_ms,
        timeout_ms,
        rise,
        fall,
        ..RULES
    })
}

/// One round of a node that still answers: how long it takes in thousandths of the time-out, and whether it
/// is good.
fn any_round() -> impl Strategy<Value = (u64, bool)> {
    (0..1_000_u64, prop::bool::weighted(0.8))
}

proptest! {
    /// The schedule as the prober runs it, in virtual time: from some moment on nothing is answered.
    #[test]
    fn a_frozen_node_is_down_within_the_promise(
        rules in any_rules(),
        before in prop::collection::vec(any_round(), 1..60),
        frozen_at in 0..100_000_u64,
        (index, count) in (1..50_usize).prop_flat_map(|count| (0..count, Just(count))),
    ) {
        let mut machine = Machine::new(0);
        let mut starts_ms = first_offset_ms(index, count, rules.interval_ms);
        let mut rounds = before.into_iter().cycle();
        let deadline_ms = frozen_at + down_within_ms(&rules);
        loop {
            let (share, good) = rounds.next().unwrap();
            let answered_ms = starts_ms + rules.timeout_ms * share / 1_000;
            let (ended_ms, result) = if answered_ms > frozen_at {
                (starts_ms + rules.timeout_ms, Err(Reason::Timeout))
            } else if good {
                (answered_ms, Ok(()))
            } else {
                (answered_ms, Err(Reason::Status))
            };
            machine.observe(ended_ms, result, &rules);
            let frozen = answered_ms > frozen_at;
            if frozen && machine.state() == State::Down {
                break;
            }
            prop_assert!(ended_ms <= deadline_ms, "not down at {} ms, promised for {}", ended_ms, deadline_ms);
            starts_ms = ended_ms + machine.next_probe_in_ms(&rules);
        }
        prop_assert!(machine.since_ms() <= deadline_ms);
    }

    /// The state against the plain reading of the rules: the last rounds in a row.
    #[test]
    fn only_rounds_in_a_row_turn_a_node(
        rules in any_rules(),
        rounds in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let mut machine = Machine::new(0);
        let mut expected = State::Unproven;
        for seen in 1..=rounds.len() {
            let good = rounds[seen - 1];
            machine.observe(seen as u64, if good { Ok(()) } else { Err(Reason::Status) }, &rules);
            let in_a_row = rounds[..seen].iter().rev().take_while(|round| **round == good).count();
            let (needed, verdict) = if good { (rules.rise, State::Up) } else { (rules.fall, State::Down) };
            if in_a_row >= needed as usize {
                expected = verdict;
            }
            prop_assert_eq!(machine.state(), expected);
        }
    }

    /// However a node wavers, the prober pauses: no more rounds at once than a verdict takes.
    #[test]
    fn rounds_at_once_are_few(rules in any_rules(), rounds in prop::collection::vec(any::<bool>(), 1..200)) {
        let mut machine = Machine::new(0);
        let mut at_once = 0;
        for (now_ms, good) in rounds.into_iter().enumerate() {
            machine.observe(now_ms as u64, if good { Ok(()) } else { Err(Reason::Status) }, &rules);
            at_once = if machine.next_probe_in_ms(&rules) == 0 { at_once + 1 } else { 0 };
            prop_assert!(at_once <= rules.rise + rules.fall);
        }
    }
}
