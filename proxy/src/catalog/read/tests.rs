//! Tables of files: what is taken from them, and which faults they have.

use super::*;

const A: &str = "01234567-89ab-cdef-fedc-ba9876543210";
const B: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

fn read(format: Format, text: impl AsRef<[u8]>) -> Result<List, Vec<String>> {
    match list(text.as_ref(), format, Shape::Object) {
        Ok(list) => Ok(list),
        Err(Unread::Rows(faults)) => Err(faults.iter().map(ToString::to_string).collect()),
        Err(Unread::Io(error)) => panic!("{error}"),
    }
}

#[track_caller]
fn holds(format: Format, text: impl AsRef<[u8]>, expected: &[(&str, &str)]) {
    let list = read(format, text).unwrap();
    for (uuid, key) in expected {
        assert_eq!(list.get(&uuid.parse().unwrap()), Some(*key));
    }
    assert_eq!(list.len(), expected.len());
}

#[track_caller]
fn fails(format: Format, text: impl AsRef<[u8]>, expected: &[&str]) {
    assert_eq!(read(format, text).err().unwrap(), expected);
}

#[test]
fn csv_is_read_by_its_header() {
    let check = |text: &str, expected: &[(&str, &str)]| holds(Format::Csv, text, expected);
    check("uuid,key\n", &[]);
    check("uuid,key", &[]);
    check(
        &format!("uuid,key\n{A},films/a.mp4\n{B},films/b.mp4\n"),
        &[(A, "films/a.mp4"), (B, "films/b.mp4")],
    );
    check(&format!("uuid,key\r\n{A},a.mp4\r\n{B},b.mp4"), &[(A, "a.mp4"), (B, "b.mp4")]);
    check(&format!("\u{feff}uuid,key\n{A},a.mp4\n"), &[(A, "a.mp4")]);
    check(&format!("title,key,note,uuid\n\"One, two\",a.mp4,,{A}\n"), &[(A, "a.mp4")]);
    check(&format!("uuid,key\n{},a.mp4\n", A.to_uppercase()), &[(A, "a.mp4")]);
    check(&format!("uuid,key\n\n{A},\"a,\"\"b\"\".mp4\"\n\n"), &[(A, "a,\"b\".mp4")]);
    check(&format!("uuid,key\n{A},/фильмы/а б.mp4\n"), &[(A, "фильмы/а б.mp4")]);
    check(&format!("uuid,key\n{A},%2e%2e/%2f\n"), &[(A, "%2e%2e/%2f")]);
    check(&format!("uuid,key\n{A}, a \n"), &[(A, " a ")]);
}

#[test]
fn faults_of_csv_name_their_lines() {
    let check = |text: &str, expected: &[&str]| fails(Format::Csv, text, expected);
    let no_uuid = "1: the header line does not name the column uuid; it has to name uuid and key";
    let no_key = "1: the header line does not name the column key; it has to name uuid and key";
    check("", &[no_uuid]);
    check(&format!("{A},a.mp4\n"), &[no_uuid]);
    check("uuid,path\n", &[no_key]);
    check("UUID,key\n", &[no_uuid]);
    check("uuid,key,key\n", &["1: the header line names the column key twice"]);
    check(
        &format!("uuid,key\n{A},a,b.mp4\n{B}\nx,y\n"),
        &[
            "2: has 3 fields where the header line has 2; a key with a comma stands in double quotes",
            "3: has 1 fields where the header line has 2; a key with a comma stands in double quotes",
            "4: uuid \"x\" is not 8-4-4-4-12 hexadecimal digits",
        ],
    );
    check(
        &format!("uuid,key\n {A},a\n{},a\n,\n", A.replace('-', "")),
        &[
            &format!("2: uuid \" {A}\" is not 8-4-4-4-12 hexadecimal digits"),
            "3: uuid \"0123456789abcdeffedcba9876543210\" is not 8-4-4-4-12 hexadecimal digits",
            "4: uuid \"\" is not 8-4-4-4-12 hexadecimal digits",
        ],
    );
    check(
        &format!("uuid,key\n{A},a\n{B},b\n{},c\n", A.to_uppercase()),
        &[&format!("4: uuid {A} stands on line 2 too")],
    );
    check(
        &format!("uuid,key\n{A},\n{B},../../etc/passwd\n"),
        &[
            "2: key \"\" must not have an empty segment",
            "3: key \"../../etc/passwd\" must not have a segment \"..\"",
        ],
    );
    // A quote that never ends swallows the rest; the row begins where the quote does.
    check(
        &format!("uuid,key\n{A},\"a\n{B},b\n"),
        &[&format!("2: key \"a\\n{B},b\\n\" must not have a control character, such as '\\n'")],
    );
    let long = format!("2: key \"{}\"… must be at most 1024 bytes long, not 2000", "ab".repeat(40));
    check(&format!("uuid,key\n{A},{}\n", "ab".repeat(1000)), &[&long]);
    fails(Format::Csv, [format!("uuid,key\n{A},").as_bytes(), b"\xff\n"].concat(), &["2: is not UTF-8"]);
}

#[test]
fn json_lines_are_read_by_their_names() {
    let check = |text: &str, expected: &[(&str, &str)]| holds(Format::JsonLines, text, expected);
    check("", &[]);
    check("\n  \r\n", &[]);
    check(&format!("{{\"uuid\":\"{A}\",\"key\":\"a.mp4\"}}"), &[(A, "a.mp4")]);
    check(
        &format!(
            "\u{feff}{{\"key\":\"/a.mp4\",\"title\":{{\"en\":[1]}},\"uuid\":\"{}\"}}\r\n\n{{\"uuid\":\"{B}\",\
             \"key\":\"\\u0444/\\\"b\"}}\n",
            A.to_uppercase()
        ),
        &[(A, "a.mp4"), (B, "ф/\"b")],
    );
}

#[test]
fn faults_of_json_lines_name_their_lines() {
    let check = |text: &str, expected: &[&str]| fails(Format::JsonLines, text, expected);
    check(
        &format!("{{\"uuid\":\"{A}\"}}\n[]\n{{\"uuid\":1,\"key\":\"a\"}}\n{{\n"),
        &[
            "1: missing field `key` (column 47)",
            "2: is not a JSON object",
            "3: invalid type: integer `1`, expected a string (column 9)",
            "4: EOF while parsing an object (column 0)",
        ],
    );
    check(
        &format!("{{\"uuid\":\"{A}\",\"key\":null}}\n{{\"uuid\":\"{A}\",\"key\":\"a\",\"key\":\"b\"}}\n"),
        &["1: invalid type: null, expected a string (column 57)", "2: duplicate field `key` (column 62)"],
    );
    check(
        &format!("\n{{\"uuid\":\"{A}\",\"key\":\"a\"}}\n{{\"uuid\":\"{A}\",\"key\":\"b\"}}\n"),
        &[&format!("3: uuid {A} stands on line 2 too")],
    );
    check(&format!("\n{}", " ".repeat(70_000)), &["2: is longer than 65536 bytes"]);
}

#[test]
fn nobody_reads_on_after_ten_faults() {
    let csv = format!("uuid,key\n{}", "x,y\n".repeat(100));
    let json = "{}\n".repeat(100);
    for (format, text) in [(Format::Csv, csv), (Format::JsonLines, json)] {
        assert_eq!(read(format, text).err().unwrap().len(), FAULTS_MAX);
    }
}
