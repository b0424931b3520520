use super::*;

const RIGHT: &str = r#"about = "an hour"
[arrivals]
process = "poisson"
phases = [{ for_s = 60, to = 5 }, { for_s = 10.5, to = 5 }, { for_s = 1, from = 1, to = 0 }]
[films]
zipf = 0.9
[[behaviour]]
name = "watches"
share = 2
tabs = { choice = [[0.9, 1], [0.1, 3]] }
bit_rate_kbps = { log_normal = [4_000, 0.4] }
buffer_s = 10
stays_s = { exponential = 300 }
asks_again = 0.5
"#;

fn faults(text: &str) -> Vec<String> {
    scenario("s", text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_right_one_is_read() {
    let read = scenario("s", RIGHT).unwrap();
    let phase = |lasts_s, from, to| Phase { lasts_s, from, to };
    assert_eq!(read.phases, [phase(60.0, 0.0, 5.0), phase(10.5, 5.0, 5.0), phase(1.0, 1.0, 0.0)]);
    let mut random = crate::random::Random::new(1);
    let behaviour = read.behaviours.draw(&mut random).unwrap();
    assert_eq!((behaviour.acts.len(), behaviour.pause_s.to_string().as_str()), (0, "0"));
    assert_eq!(behaviour.bit_rate_kbps.to_string(), "4000 in the median, log-normal, sigma 0.4");
}

#[test]
fn each_fault_has_its_line_and_key() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(RIGHT.contains(from));
        assert_eq!(faults(&RIGHT.replacen(from, to, 1)), [expected], "{from} -> {to}");
    };
    check("zipf = 0.9", "zipf = -1", "line 6: films.zipf is not a number from 0 to 10");
    check(
        "zipf = 0.9",
        "zipf = 0.9\nzpf = 1",
        "line 7: films.zpf is no key of a scenario; here may stand zipf",
    );
    check("\"poisson\"", "\"fish\"", "line 3: arrivals.process is none of \"poisson\", \"constant\"");
    check(
        "to = 5 }, { for_s = 10.5, to = 5 }, { for_s = 1, from = 1",
        "to = 0 }, { for_s = 1, from = 0",
        "line 2: arrivals.phases: nobody comes",
    );
    check("for_s = 60,", "", "line 4: arrivals.phases[0].for_s is missing");
    check("share = 2", "share = \"2\"", "line 9: behaviour[0].share is not a number from 0 to 1000000000");
    check("share = 2", "share = 0", "line 1: behaviour: all shares are 0");
    check(
        "asks_again = 0.5",
        "asks_again = 1.5",
        "line 14: behaviour[0].asks_again is not a number from 0 to 1",
    );
    check("[films]", "[films", "line 5: unclosed table, expected `]`");
}

#[test]
fn distributions_are_one_of_five() {
    for wrong in [
        "{}",
        "\"x\"",
        "{ uniform = [5, 1] }",
        "{ uniform = [1] }",
        "{ normal = 1 }",
        "{ choice = [] }",
        "{ choice = [[0, 1]] }",
        "[1, 2]",
    ] {
        let found = faults(&RIGHT.replace("buffer_s = 10", &format!("buffer_s = {wrong}")));
        assert_eq!(found.len(), 1, "{wrong}: {found:?}");
        assert!(found[0].starts_with("line 12: behaviour[0].buffer_s is neither "), "{found:?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let text = RIGHT
        .replace("about = \"an hour\"\n", "")
        .replace("zipf = 0.9", "zipf = 11")
        .replace("tabs =", "taps =");
    let expected = [
        "line 1: about is missing",
        "line 5: films.zipf",
        "line 6: behaviour[0].tabs is missing",
        "line 9: behaviour[0].taps is no key",
    ];
    let found = faults(&text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:#?}");
}

#[test]
fn who_acts_needs_times_for_it() {
    let found = faults(&RIGHT.replace("asks_again", "acts = { seek = 1, hop = 2 }\nasks_again"));
    let expected = [
        "line 7: behaviour[0].acts_after_s is missing",
        "line 7: behaviour[0].pause_s is missing",
        "line 14: behaviour[0].acts.hop is no key",
    ];
    assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:#?}");
    assert_eq!(found.len(), 3, "{found:#?}");
}
