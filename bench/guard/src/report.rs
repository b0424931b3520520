//! What a developer reads: the table, and what to do about it.

use std::fmt::Write;

use crate::baseline::{Baseline, Judged, MadeBy, Tolerance, Verdict};
use crate::callgrind;

/// The table, and for each case that fails what happened and what can be done.
pub(crate) fn table(judged: &[Judged], baseline: &Baseline, now: &MadeBy) -> String {
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
    text + &notes(judged, &baseline.made_by, now, baseline.allowed(now))
}

/// What was written.
pub(crate) fn blessed(before: &Baseline, after: &Baseline) -> String {
    let mut text = format!("written: {}\n", crate::baseline::FILE);
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

fn notes(judged: &[Judged], baseline: &MadeBy, now: &MadeBy, allowed: Tolerance) -> String {
    let mut text = String::new();
    if now.target != baseline.target {
        let (target, other) = (&now.target, &baseline.target);
        let _ = writeln!(text, "\nNothing is judged: the baselines are of {other}, and this is {target}.");
    } else if now.rustc != baseline.rustc {
        let _ = writeln!(
            text,
            "\nThe baselines were made by rustc {}, this program by {}: the tolerance is wider. If the counts are good, \
             take them as new baselines.",
            baseline.rustc, now.rustc
        );
    }
    for judged in judged {
        match (judged.verdict, judged.baseline, judged.change_percent()) {
            (Verdict::Worse, Some(baseline), Some(change)) => {
                let _ = writeln!(
                    text,
                    "\n{} ({}) costs {} instructions instead of {}: {change:+.1} %, and {} % are allowed.{}",
                    judged.name,
                    judged.about,
                    grouped(judged.now, ','),
                    grouped(baseline, ','),
                    allowed.percent,
                    why(judged.name)
                );
            }
            (Verdict::New, ..) => {
                let _ = writeln!(text, "\n{} ({}) has no baseline yet.", judged.name, judged.about);
            }
            _ => {}
        }
    }
    if judged.iter().any(|judged| judged.verdict.fails()) {
        let _ = writeln!(
            text,
            "\nIf that is what it has to cost, take it as the new baseline and commit the file with the reason:\n    \
             cargo run --profile bench -p watchgate-guard -- --bless\n    {}",
            crate::baseline::FILE
        );
    } else if judged.iter().any(|judged| judged.verdict == Verdict::Better) {
        let _ = writeln!(
            text,
            "\nSomething costs less than before. Take it as the new baseline, so that it stays so:\n    \
             cargo run --profile bench -p watchgate-guard -- --bless"
        );
    }
    text.trim_end().to_owned()
}

/// Where it can be seen what costs so much.
fn why(name: &str) -> String {
    let Ok(program) = std::env::current_exe() else { return String::new() };
    let file = callgrind::account(&program, name);
    format!("\nWhat its instructions are spent on:\n    callgrind_annotate --auto=no {}", file.display())
}

/// A number with something between its thousands.
pub(crate) fn grouped(number: u64, between: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(between);
        }
        text.push(digit);
    }
    text
}
