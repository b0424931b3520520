use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use proptest::prelude::*;

use super::*;

/// The last second that an HTTP date can name, 9999-12-31 23:59:59.
const LAST: u64 = 253_402_300_799;

#[track_caller]
fn check(text: &str, expected: Option<i64>) {
    assert_eq!(parse_http_date(text.as_bytes(), NOW), expected, "{text:?}");
}

#[test]
fn the_three_forms_of_rfc_9110_5_6_7() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 06 Nov 1994 08:49:37 GMT\t",
        // A wrong weekday is forgiven.
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Mon Nov  6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
    ] {
        check(text, Some(784_111_777));
    }
}

#[test]
fn the_edges_of_the_calendar() {
    check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
    check("Wed, 31 Dec 1969 23:59:59 GMT", Some(-1));
    check("Sat, 01 Jan 0000 00:00:00 GMT", Some(-62_167_219_200));
    check("Fri, 31 Dec 9999 23:59:59 GMT", Some(LAST.cast_signed()));
    check("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600));
    check("Tue, 19 Jan 2038 03:14:08 GMT", Some(2_147_483_648));
    check("Wed Dec 31 23:59:60 2008", Some(1_230_768_000));
    check("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800));
    assert_eq!(format_http_date(784_111_777).as_ref(), Some(b"Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(format_http_date(0).as_ref(), Some(b"Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(format_http_date(LAST).as_ref(), Some(b"Fri, 31 Dec 9999 23:59:59 GMT"));
    assert_eq!(format_http_date(LAST + 1), None);
    assert_eq!(format_http_date(u64::MAX), None);
}

#[test]
fn what_is_no_http_date_is_none() {
    for bad in [
        "",
        " ",
        "0",
        "784111777",
        "1994-11-06T08:49:37Z",
        // No such day or time.
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 2001 12:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun Nov  0 08:49:37 1994",
        // What mail allows, and people write.
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT (a comment)",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=1024",
        "Sun, 06 Nov 1994 08:49:37.5 GMT",
        "sun, 06 nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sonntag, 06-Nov-94 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nvm 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov +994 08:49:37 GMT",
        "Sun, 06 Nov 199: 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    ] {
        check(bad, None);
    }
}

#[test]
fn two_digits_name_the_last_year_not_more_than_50_ahead() {
    let year = |text: &str, now_unix_s: u64| {
        let unix_s = parse_http_date(format!("Monday, 01-Mar-{text} 00:00:00 GMT").as_bytes(), now_unix_s);
        Timestamp::from_second(unix_s.expect(text)).expect("near").strftime("%Y").to_string()
    };
    for (text, expected) in
        [("00", "2000"), ("26", "2026"), ("27", "2027"), ("70", "2070"), ("76", "2076"), ("77", "1977")]
    {
        assert_eq!(year(text, NOW), expected);
    }
    assert_eq!(year("94", NOW), "1994");
    // To the second: NOW and 50 years later, 2076-11-23 09:00:00.
    let ahead = |text: &str| parse_http_date(text.as_bytes(), NOW);
    assert_eq!(ahead("Monday, 23-Nov-76 09:00:00 GMT"), Some(3_373_347_600));
    assert_eq!(ahead("Tuesday, 23-Nov-76 09:00:01 GMT"), Some(217_587_601));
    assert_eq!(ahead("Friday, 31-Dec-76 00:00:00 GMT"), Some(220_838_400));
    assert_eq!(year("19", 0), "2019");
    assert_eq!(year("20", 0), "1920");
    assert_eq!(year("70", 0), "1970");
}

proptest! {
    #[test]
    fn every_second_until_the_year_10000_comes_back(unix_s in 0..=LAST) {
        let text = format_http_date(unix_s).expect("before the year 10000");
        prop_assert_eq!(parse_http_date(&text, NOW), Some(unix_s.cast_signed()));
    }

    #[test]
    fn the_calendar_is_the_one_of_jiffs_printer(unix_s in 0..LAST - 2 * 86_400) {
        let time = Timestamp::from_second(unix_s.cast_signed()).expect("in range");
        let expected = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).expect("in range");
        let text = format_http_date(unix_s).expect("before the year 10000");
        prop_assert_eq!(str::from_utf8(&text), Ok(expected.as_str()));
    }

    #[test]
    fn the_obsolete_forms_name_the_same_second(unix_s in 0..LAST - 2 * 86_400, ahead_years in -49..=49_i64) {
        let time = Timestamp::from_second(unix_s.cast_signed()).expect("in range");
        let asctime = time.strftime("%a %b %e %H:%M:%S %Y").to_string();
        prop_assert_eq!(parse_http_date(asctime.as_bytes(), NOW), Some(unix_s.cast_signed()));
        let rfc850 = time.strftime("%A, %d-%b-%y %H:%M:%S GMT").to_string();
        let now_unix_s = unix_s.saturating_add_signed(-ahead_years * 31_556_952).min(LAST);
        let got = parse_http_date(rfc850.as_bytes(), now_unix_s);
        prop_assert_eq!(got, Some(unix_s.cast_signed()), "{} at {}", rfc850, now_unix_s);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "(Sun|Sunday),? [0-9 ]{2}[- ](Nov|Feb)[- ][0-9]{2,4} [0-9:]{8} (GMT)?".prop_map(String::into_bytes),
        ],
        now_unix_s: u64,
    ) {
        // One calendar: what is read can be written, and means the same again.
        if let Some(unix_s) = parse_http_date(&value, now_unix_s).and_then(|unix_s| u64::try_from(unix_s).ok())
            && let Some(text) = format_http_date(unix_s)
        {
            prop_assert_eq!(parse_http_date(&text, now_unix_s), Some(unix_s.cast_signed()));
        }
    }
}
