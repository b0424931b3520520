//! Numbers as people read them in tables.

/// A whole number with its thousands parted.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with three digits that count, or all of those before the point.
#[must_use]
pub fn one(number: f64) -> String {
    if number.abs() >= 1000.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no figure here comes near 2^64"
        )]
        let whole = number.abs().round() as u64;
        return format!("{}{}", if number < 0.0 { "-" } else { "" }, count(whole));
    }
    let digits = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A part of a whole, in per cent.
#[must_use]
pub fn share(part: f64) -> String {
    format!("{} %", one(part * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let check = |number: f64, expected: &str| assert_eq!(one(number), expected);
        check(0.0, "0");
        check(0.5, "0.5");
        check(9.876, "9.88");
        check(10.0, "10");
        check(98.76, "98.8");
        check(987.6, "988");
        check(12_345.6, "12,346");
        check(-1_500.0, "-1,500");
        assert_eq!(share(1.034), "103 %");
    }
}
