//! Records as JSON: the same fields reach the same visitors as from an MMDB file.

use super::*;

fn place(json: &str) -> Place {
    serde_json::from_str::<Record>(json).unwrap().place()
}

fn check(json: &str, expected: &str) {
    let place = place(json);
    let at = place.at.map(|at| format!("{},{}", at.lat(), at.lon()));
    let fields = [
        at,
        place.radius_km.map(|km| format!("~{km}")),
        place.country.map(|code| code.to_string()),
        place.continent.map(|code| format!("({code})")),
        place.asn.map(|asn| asn.to_string()),
    ];
    let got = fields.into_iter().flatten().collect::<Vec<_>>().join(" ");
    assert_eq!(got, expected, "{json}");
}

#[test]
fn nested_layout() {
    check(
        r#"{"city": {"names": {"en": "X"}}, "continent": {"code": "EU", "names": {"en": "Europe"}},
            "country": {"iso_code": "GB", "geoname_id": 1}, "subdivisions": [{"iso_code": "ENG"}],
            "location": {"latitude": 51.5, "longitude": -0.25, "accuracy_radius": 100, "time_zone": "x"}}"#,
        "51.5,-0.25 ~100 GB (EU)",
    );
    check(r#"{"autonomous_system_number": 64500, "autonomous_system_organization": "X"}"#, "AS64500");
    check(r#"{"traits": {"autonomous_system_number": 64500, "isp": "X"}}"#, "AS64500");
}

#[test]
fn flat_layout_with_coordinates_as_text_or_numbers() {
    check(
        r#"{"city": "X", "country_code": "DE", "latitude": "52.5", "longitude": "13.25"}"#,
        "52.5,13.25 DE",
    );
    check(r#"{"country_code": "de", "latitude": 52.5, "longitude": 13}"#, "52.5,13 DE");
    check(r#"{"asn": "AS64500", "country_code": "DE", "continent_code": "EU"}"#, "DE (EU) AS64500");
    check(r#"{"country": "Germany", "continent": "Europe", "country_code": "DE"}"#, "DE");
}

#[test]
fn null_island_is_a_place() {
    check(r#"{"latitude": "0", "longitude": "0"}"#, "0,0");
    check(r#"{"location": {"latitude": 0.0, "longitude": 0.0, "accuracy_radius": 0}}"#, "0,0 ~0");
}

#[test]
fn missing_or_impossible_is_unknown_and_never_null_island() {
    check("{}", "");
    check(r#"{"latitude": "", "longitude": "", "country_code": ""}"#, "");
    check(r#"{"latitude": 51.5}"#, "");
    check(r#"{"location": {"longitude": 10.0, "accuracy_radius": 5}}"#, "");
    check(r#"{"location": {"latitude": 90.5, "longitude": 10.0}}"#, "");
    check(r#"{"latitude": "NaN", "longitude": "inf"}"#, "");
    check(r#"{"latitude": -1, "longitude": -181}"#, "");
    check(r#"{"location": {"latitude": 1.0, "longitude": 2.0, "accuracy_radius": 65536}}"#, "1,2");
    check(r#"{"autonomous_system_number": 4294967296}"#, "");
}

#[test]
fn halves_of_two_layouts_are_not_put_together() {
    check(r#"{"latitude": 1.0, "location": {"longitude": 2.0}}"#, "");
}

#[test]
fn stand_ins_for_unknown_are_unknown() {
    check(r#"{"country_code": "ZZ"}"#, "");
    check(r#"{"country": {"iso_code": "XX"}, "country_code": "DE"}"#, "DE");
    check(r#"{"autonomous_system_number": 0}"#, "");
    check(r#"{"asn": "AS0"}"#, "");
    check(r#"{"country": {"iso_code": "A1"}}"#, "");
}

#[test]
fn the_country_of_registration_is_not_the_viewers() {
    check(r#"{"registered_country": {"iso_code": "AU"}, "represented_country": {"iso_code": "US"}}"#, "");
}

#[test]
fn unexpected_types_are_unknown_and_do_not_hide_the_rest() {
    check(r#"{"location": "51.5,0", "country": ["DE"], "traits": 7, "country_code": "DE"}"#, "DE");
    check(r#"{"latitude": [1], "longitude": {"a": 1}, "asn": true, "continent_code": "EU"}"#, "(EU)");
    check(r#"{"location": {"latitude": {"a": {"b": 1}}, "longitude": 1.5}, "country_code": "DE"}"#, "DE");
}
