//! Curves as they are written, with their faults, and what is read off them.

use super::*;

const USUAL: Usual = Usual { bit_rate_kbps: 5_000.0, view_minutes: 45.0 };

fn read(text: &str, peak: Option<f64>) -> Result<Demand, String> {
    let mut faults = Faults::default();
    Demand::read("demand.csv", text, USUAL, peak, &mut faults).ok_or_else(|| faults.to_string())
}

#[test]
fn times_are_read_and_shown() {
    let check = |text: &str, expected: &str| {
        let told = text.parse::<At>().map_or_else(|fault| fault, |at| at.to_string());
        assert_eq!(told, expected);
    };
    check("20:30", "20:30");
    check("8:05:09", "08:05:09");
    check("25:00", "25:00");
    check("90", "00:01:30");
    for bad in ["", "20.30", "20:60", "20:30:60", "1:2:3:4", "-1", "8pm"] {
        let told = bad.parse::<At>().unwrap_err();
        assert!(told.ends_with("is no time such as 20:30, 20:30:15, or a number of seconds"), "{told}");
    }
    check("999999999", "999999999 is beyond seven days");
}

#[test]
fn a_curve_is_straight_between_its_points() {
    let demand =
        read("time,viewers,bit_rate_kbps\n20:00,100,1000\n21:00,200,3000\n22:00,50,\n", None).unwrap();
    let check = |at: &str, viewers: f64, rate: f64| {
        let point = demand.at(at.parse().unwrap());
        assert!(
            (point.viewers - viewers).abs() < 1e-9 && (point.bit_rate_kbps - rate).abs() < 1e-9,
            "{point:?}"
        );
    };
    check("19:00", 100.0, 1000.0);
    check("20:00", 100.0, 1000.0);
    check("20:30", 150.0, 2000.0);
    check("21:30", 125.0, 4000.0);
    check("23:00", 50.0, 5000.0);
    assert_eq!(demand.peak().at.to_string(), "21:00");
    // 100 more in an hour, and whoever leaves of 200.
    assert!((demand.most_starts() - (100.0 / 3600.0 + 200.0 / 2700.0)).abs() < 1e-9);
}

#[test]
fn starts_become_viewers() {
    let demand = read("time,starts_per_s,view_minutes\n0:00,2,30\n4:00,2,30\n", None).unwrap();
    assert!((demand.peak().viewers - 3600.0).abs() < 1.0, "{:?}", demand.peak());
    let stops = read("time,starts_per_s,view_minutes\n0:00,2,30\n0:01,0,30\n4:00,0,30\n", None).unwrap();
    assert!(stops.at("3:59".parse().unwrap()).viewers < 5.0);
}

#[test]
fn a_curve_is_scaled_to_a_peak() {
    let demand = read("time,viewers\n0:00,10\n1:00,20\n", Some(1000.0)).unwrap();
    assert!((demand.at(At(0)).viewers - 500.0).abs() < 1e-9);
    let evening = Demand::evening(1000.0, USUAL);
    assert!((evening.peak().viewers - 1000.0).abs() < 1e-9);
    assert_eq!(evening.peak().at.to_string(), "21:00");
}

#[test]
fn all_faults_come_at_once_with_their_lines() {
    let faults = read("time,viewers,bit_rate_kbps\n20:00,x,\n19:00,1,0\n,2,\n21:00,,1\n21:30,-4,1\n", None);
    let expected = [
        "demand.csv:2: viewers: \"x\" is no number",
        "demand.csv:3: bit_rate_kbps: 0 is not a number from 1 up",
        "demand.csv:3: time: 19:00 does not come after 20:00",
        "demand.csv:4: time: nothing stands there",
        "demand.csv:5: viewers: nothing stands there",
        "demand.csv:6: viewers: -4 is not a number from 0 up",
    ];
    assert_eq!(faults.unwrap_err(), expected.join("\n"));
    let check = |text: &str, expected: &str| assert_eq!(read(text, None).unwrap_err(), expected);
    check("time\n1\n", "demand.csv:1: one of the columns viewers and starts_per_s is needed, not both");
    check("time,viewers\n20:00,1\n", "demand.csv: a curve has two points at least");
    check("time,viewers\n20:00,0\n21:00,0\n", "demand.csv: nobody ever watches");
}
