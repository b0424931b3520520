//! What a developer reads: the table, and what to do about it.

use std::fmt::Write;

use crate::baseline::{Baseline, FILE, Judged, MadeBy, Tolerance, Verdict};
use crate::callgrind;

/// The table, and for each case that fails what happened and what can be done.
pub(crate) fn table(judged: &[Judged], baseline: &Baseline, this: &MadeBy) -> String {
    let mut text = format!("{:<17}{:>13}{:>13}{:>9}\n", "instructions", "baseline", "now", "change");
    for judged in judged {
        let baseline = judged.baseline.map_or_else(|| "-".to_owned(), |count| grouped(count, ','));
        let change = judged.change_percent().map_or_else(String::new, |change| format!("{change:+.1} %"));
        let word = match judged.verdict {
            Verdict::Same | Verdict::Unjudged => "",
            Verdict::Better => "BETTER: ",
            Verdict::Worse => "WORSE: ",
            Verdict::New => "NEW: ",
        };
        // Writing to a String does not fail.
        let (name, now, about) = (judged.name, grouped(judged.now, ','), judged.about);
        let _ = writeln!(text, "{name:<17}{baseline:>13}{now:>13}{change:>9}  {word}{about}");
    }
    text.push_str(&notes(judged, &baseline.made_by, this, baseline.allowed(this)));
    text.trim_end().to_owned()
}

/// What was written.
pub(crate) fn blessed(before: &Baseline, after: &Baseline) -> String {
    let mut text = format!("written: {FILE}\n");
    for (name, now) in &after.instructions {
        match before.instructions.get(name) {
            Some(was) if was == now => {}
            Some(was) => {
                let _ = writeln!(text, "{name}: {} instead of {}", grouped(*now, ','), grouped(*was, ','));
            }
            None => {
                let _ = writeln!(text, "{name}: {}, new", grouped(*now, ','));
            }
        }
    }
    text.trim_end().to_owned()
}

fn notes(judged: &[Judged], baseline: &MadeBy, this: &MadeBy, allowed: Tolerance) -> String {
    let mut text = differences(baseline, this);
    let failing = judged.iter().filter(|judged| judged.verdict.fails());
    for judged in failing.clone() {
        let (name, about, now) = (judged.name, judged.about, grouped(judged.now, ','));
        // Writing to a String does not fail.
        let _ = match judged.baseline.zip(judged.change_percent()) {
            Some((baseline, change)) => writeln!(
                text,
                "\n{name} ({about}) costs {now} instructions instead of {}: {change:+.1} %, and {} % are allowed.",
                grouped(baseline, ','),
                allowed.percent,
            ),
            None => writeln!(text, "\n{name} ({about}) has no baseline yet."),
        };
    }
    let act = if let Some(first) = failing.clone().next() {
        let accounts = callgrind::account(first.name).display().to_string();
        let _ = writeln!(
            text,
            "\nWhat it is spent on, function by function:\n    callgrind_annotate --auto=no {accounts}"
        );
        "If that is what it has to cost, take it as the new baseline, and commit the file with the reason:"
    } else if judged.iter().any(|judged| judged.verdict == Verdict::Better) {
        "Something costs less than before. Take it as the new baseline, so that it stays so, and commit the file:"
    } else {
        return text;
    };
    let _ = write!(text, "\n{act}\n    cargo run --profile bench -p watchgate-guard -- --bless\n    {FILE}");
    text
}

fn differences(baseline: &MadeBy, this: &MadeBy) -> String {
    if this.target != baseline.target {
        return format!(
            "\nNothing is judged: the baselines are of {}, and this is {}.\n",
            baseline.target, this.target
        );
    }
    if this.rustc != baseline.rustc {
        return format!(
            "\nThe baselines were made by rustc {}, this program by {}: more is allowed than between programs of one \
             compiler.\n",
            baseline.rustc, this.rustc
        );
    }
    if this.valgrind != baseline.valgrind {
        return format!(
            "\nThe baselines were counted by valgrind {}, and this is {}: another one may play another processor.\n",
            baseline.valgrind, this.valgrind
        );
    }
    String::new()
}

/// A number with something between its thousands.
pub(crate) fn grouped(number: u64, between: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(between);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(verdict: Verdict, baseline: Option<u64>, now: u64, this: &MadeBy) -> String {
        let made_by = made_by("1.95.0", "x86_64", "3.19.0");
        let tolerance = Tolerance { percent: 3.0, instructions: 10 };
        let committed = Baseline { tolerance, made_by, instructions: std::collections::BTreeMap::new() };
        table(
            &[Judged { name: "link", about: "the signature of a link", baseline, now, verdict }],
            &committed,
            this,
        )
    }

    fn made_by(rustc: &str, target: &str, valgrind: &str) -> MadeBy {
        MadeBy { rustc: rustc.to_owned(), target: target.to_owned(), valgrind: valgrind.to_owned() }
    }

    #[test]
    fn whoever_reads_it_knows_what_happened_and_what_to_do() {
        let this = made_by("1.95.0", "x86_64", "3.19.0");
        let check = |verdict, baseline, now, says: &[&str], is_silent_on: &[&str]| {
            let text = shown(verdict, baseline, now, &this);
            for words in says {
                assert!(text.contains(words), "{words:?} is not in:\n{text}");
            }
            for words in is_silent_on {
                assert!(!text.contains(words), "{words:?} is in:\n{text}");
            }
        };
        let act = ["--bless", FILE];
        check(Verdict::Same, Some(2_600), 2_617, &["2,600", "2,617", "+0.7 %"], &act);
        let worse = "link (the signature of a link) costs 5,234 instructions instead of 2,617: +100.0 %, and 3 % are allowed.";
        check(
            Verdict::Worse,
            Some(2_617),
            5_234,
            &[worse, "callgrind_annotate", "WORSE", act[0], act[1]],
            &[],
        );
        check(
            Verdict::Better,
            Some(2_617),
            1_000,
            &["BETTER", "-61.8 %", "less than before", act[0]],
            &["costs 1,000"],
        );
        check(Verdict::New, None, 7, &["NEW", "has no baseline yet", act[0]], &["%"]);
    }

    #[test]
    fn what_else_differs_is_said() {
        let check = |this: &MadeBy, verdict, says: &str| {
            let text = shown(verdict, Some(100), 100, this);
            assert!(text.contains(says), "{says:?} is not in:\n{text}");
        };
        check(&made_by("1.95.0", "aarch64", "3.19.0"), Verdict::Unjudged, "Nothing is judged");
        check(&made_by("1.96.0", "x86_64", "3.19.0"), Verdict::Same, "rustc 1.95.0, this program by 1.96.0");
        check(&made_by("1.95.0", "x86_64", "3.24.0"), Verdict::Same, "valgrind 3.19.0, and this is 3.24.0");
    }

    #[test]
    fn thousands_stand_apart() {
        let check = |number, expected: &str| assert_eq!(grouped(number, ','), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(12_345_678, "12,345,678");
    }
}
