//! How a film's object key is made from its uuid, and how a key tells its film.
//!
//! `{uuid}` is the canonical form; `{uuid:FROM:TO}` is a slice of the 32 hex digits without TO; `/{path}` at the end
//! makes each film a tree of files. A template is taken only if two films can never share a key, and only if each of
//! its keys is a plain path: no escape for braces, no other placeholder. What a path may be is not judged here.
//! Making a key allocates nothing but the key.

use std::str::FromStr;

use crate::fault::Wrong;
use crate::name::check_object_key;

/// What [`ObjectTemplate`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str =
    r"^([^{}/]|\{uuid(:[0-9]{1,2}:[0-9]{1,2})?\})([^{}]|\{uuid(:[0-9]{1,2}:[0-9]{1,2})?\})*(/\{path\})?$";

const DIGITS: usize = 32;
/// Before which hex digits the canonical form has a hyphen (RFC 9562, section 4).
const HYPHENS: [usize; 4] = [8, 12, 16, 20];
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The template of a film's object key, or of the keys of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectTemplate {
    parts: Vec<Part>,
    key_len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Uuid,
    Slice {
        from: usize,
        to: usize,
    },
    /// The last part if at all, and behind a slash.
    Path,
}

impl ObjectTemplate {
    /// Whether its keys are the files of a film's tree, each with a path of its own.
    #[must_use]
    pub fn has_path(&self) -> bool {
        self.parts.last() == Some(&Part::Path)
    }

    /// The key of one film, or of the file at `path` of its tree: `prefix/path`, whatever the path is. A template
    /// without a path takes no notice of it.
    #[must_use]
    pub fn key(&self, film: &[u8; 16], path: &str) -> String {
        let mut key = String::new();
        self.write_key(film, path, &mut key);
        key
    }

    /// The same, put behind what `out` holds.
    pub fn write_key(&self, film: &[u8; 16], path: &str, out: &mut String) {
        out.reserve(self.key_len + path.len());
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Path => out.push_str(path),
                Part::Slice { from, to } => (*from..*to).for_each(|index| out.push(digit(film, index))),
                Part::Uuid => {
                    let mut text = [b'-'; 36];
                    let mut at = 0;
                    for (index, byte) in film.iter().enumerate() {
                        if matches!(index, 4 | 6 | 8 | 10) {
                            at += 1;
                        }
                        text[at] = HEX[usize::from(byte >> 4)];
                        text[at + 1] = HEX[usize::from(byte & 15)];
                        at += 2;
                    }
                    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
                }
            }
        }
    }

    /// Length of every key in bytes, without the path but with the slash before it: it does not depend on the film.
    #[must_use]
    pub fn key_len(&self) -> usize {
        self.key_len
    }

    /// The film that a key belongs to, and its path in the film's tree; empty where the template has no path.
    ///
    /// None: the key is not one of this template's. What [`Self::key`] makes of the answer is the key again, so that
    /// upper-case digits are nobody's, and neither are two slices that contradict each other.
    #[must_use]
    pub fn film_of<'a>(&self, key: &'a str) -> Option<([u8; 16], &'a str)> {
        let mut digits = Digits::default();
        let mut rest = key;
        for part in &self.parts {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Path => return Some((digits.film()?, rest)),
                Part::Uuid | Part::Slice { .. } => {
                    let (text, behind) = rest.split_at_checked(part.len())?;
                    part.read(text, &mut digits)?;
                    rest = behind;
                }
            }
        }
        if rest.is_empty() { Some((digits.film()?, "")) } else { None }
    }
}

/// The hex digits of a uuid, as far as they are known.
#[derive(Default)]
struct Digits([Option<u8>; DIGITS]);

impl Digits {
    /// None: it is no lower-case hex digit, or another one stands in its place already.
    fn set(&mut self, index: usize, digit: u8) -> Option<()> {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        (*self.0.get_mut(index)?.get_or_insert(value) == value).then_some(())
    }

    fn film(&self) -> Option<[u8; 16]> {
        let mut film = [0; 16];
        for (byte, pair) in film.iter_mut().zip(self.0.chunks_exact(2)) {
            *byte = pair[0]? << 4 | pair[1]?;
        }
        Some(film)
    }
}

fn digit(film: &[u8; 16], index: usize) -> char {
    let byte = film[index / 2];
    let nibble = if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
    char::from(HEX[usize::from(nibble)])
}

impl FromStr for ObjectTemplate {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let parts = parse_parts(text)?;
        if let Some(index) = first_missing_digit(&parts) {
            let why = if index == 0 && parts.iter().all(|part| matches!(part, Part::Literal(_) | Part::Path))
            {
                "holds no {uuid}: all films would share one key".to_owned()
            } else {
                format!("leaves out digit {index} of the uuid: two films could share a key")
            };
            return Err(Wrong::new(why)
                .hint("put {uuid} somewhere into it, for example \"films/{uuid:0:2}/{uuid}.mp4\""));
        }
        check_path(&parts)?;
        let key_len = parts.iter().map(Part::len).sum();
        let template = Self { parts, key_len };
        // The digits of a uuid make no slash and no dot, so that one key, with the shortest path, stands for all.
        check_object_key(&template.key(&[0; 16], "x"))?;
        Ok(template)
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Uuid => DIGITS + HYPHENS.len(),
            Self::Slice { from, to } => to - from,
            Self::Path => 0,
        }
    }

    /// Takes the digits of a text of the part's length; none if the part cannot make it.
    fn read(&self, text: &str, digits: &mut Digits) -> Option<()> {
        let mut indices = if let Self::Slice { from, to } = self { *from..*to } else { 0..DIGITS };
        for (at, byte) in text.bytes().enumerate() {
            if *self == Self::Uuid && matches!(at, 8 | 13 | 18 | 23) {
                (byte == b'-').then_some(())?;
            } else {
                digits.set(indices.next()?, byte)?;
            }
        }
        Some(())
    }
}

/// The path is a segment of its own, and the last one.
fn check_path(parts: &[Part]) -> Result<(), Wrong> {
    let Some(at) = parts.iter().position(|part| *part == Part::Path) else { return Ok(()) };
    let behind_slash =
        at.checked_sub(1).is_some_and(|at| matches!(&parts[at], Part::Literal(text) if text.ends_with('/')));
    if behind_slash && at + 1 == parts.len() {
        return Ok(());
    }
    let why = "{path} must be the last segment: with a slash before it and nothing behind it";
    Err(Wrong::new(why).hint("for example \"films/{uuid:0:2}/{uuid}/{path}\""))
}

fn parse_parts(text: &str) -> Result<Vec<Part>, Wrong> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(brace);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        if from_brace.starts_with('}') {
            return Err(Wrong::new("has a } without its {"));
        }
        let Some((name, behind)) = from_brace[1..].split_once('}').filter(|(name, _)| !name.contains('{'))
        else {
            return Err(Wrong::new("has a { without its }"));
        };
        parts.push(parse_placeholder(name)?);
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}

fn parse_placeholder(name: &str) -> Result<Part, Wrong> {
    match name {
        "uuid" => return Ok(Part::Uuid),
        "path" => return Ok(Part::Path),
        _ => {}
    }
    let Some(slice) = name.strip_prefix("uuid:") else {
        return Err(Wrong::new(format!("unknown placeholder {:?}", format!("{{{name}}}")))
            .hint("there are {uuid}, {uuid:FROM:TO} and {path}"));
    };
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<usize>().ok() } else { None }
    };
    let bounds = slice.split_once(':').and_then(|(from, to)| Some((number(from)?, number(to)?)));
    match bounds {
        Some((from, to)) if from < to && to <= DIGITS => Ok(Part::Slice { from, to }),
        _ => Err(Wrong::new(format!("{:?} is not a slice of the 32 hex digits", format!("{{{name}}}")))
            .hint("{uuid:FROM:TO} with FROM below TO and TO at most 32, for example {uuid:0:2}")),
    }
}

fn first_missing_digit(parts: &[Part]) -> Option<usize> {
    (0..DIGITS).find(|index| {
        !parts.iter().any(|part| match part {
            Part::Literal(_) | Part::Path => false,
            Part::Uuid => true,
            Part::Slice { from, to } => (from..to).contains(&index),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILM: [u8; 16] =
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];

    #[test]
    fn keys_are_made_from_the_uuid() {
        let check = |template: &str, key: &str| {
            let template: ObjectTemplate = template.parse().unwrap();
            assert_eq!(template.key(&FILM, ""), key);
            assert_eq!(template.key_len(), key.len());
            let mut url = String::from("/movies/");
            template.write_key(&FILM, "", &mut url);
            assert_eq!(url, format!("/movies/{key}"));
        };
        check("{uuid}", "01234567-89ab-cdef-fedc-ba9876543210");
        check("{uuid}.mp4", "01234567-89ab-cdef-fedc-ba9876543210.mp4");
        check("films/{uuid:0:2}/{uuid}/film.mp4", "films/01/01234567-89ab-cdef-fedc-ba9876543210/film.mp4");
        check("{uuid:0:32}", "0123456789abcdeffedcba9876543210");
        check("{uuid:16:32}/{uuid:0:16}.mkv", "fedcba9876543210/0123456789abcdef.mkv");
        check("{uuid:31:32}{uuid:0:31}", "00123456789abcdeffedcba987654321");
        check("фильмы/{uuid}", "фильмы/01234567-89ab-cdef-fedc-ba9876543210");
    }

    #[test]
    fn a_tree_has_a_key_for_each_of_its_files() {
        let check = |template: &str, path: &str, key: &str| {
            let template: ObjectTemplate = template.parse().unwrap();
            assert!(template.has_path());
            assert_eq!(template.key(&FILM, path), key);
            assert_eq!(template.key_len() + path.len(), key.len());
            assert_eq!(template.film_of(key), Some((FILM, path)));
        };
        check("{uuid}/{path}", "index.m3u8", "01234567-89ab-cdef-fedc-ba9876543210/index.m3u8");
        check("{uuid}/{path}", "", "01234567-89ab-cdef-fedc-ba9876543210/");
        check(
            "films/{uuid:0:2}/{uuid}/{path}",
            "720p/0001.ts",
            "films/01/01234567-89ab-cdef-fedc-ba9876543210/720p/0001.ts",
        );
        check("{uuid:16:32}/{uuid:0:16}/v/{path}", "ф.ts", "fedcba9876543210/0123456789abcdef/v/ф.ts");
        let film: ObjectTemplate = "{uuid}.mp4".parse().unwrap();
        assert!(!film.has_path());
        assert_eq!(film.key(&FILM, "index.m3u8"), film.key(&FILM, ""), "there is no place for a path");
    }

    #[test]
    fn a_key_of_another_form_is_no_film() {
        let check = |template: &str, key: &str| {
            let template: ObjectTemplate = template.parse().unwrap();
            assert_eq!(template.film_of(key), None, "{key}");
        };
        let film = "films/{uuid:0:2}/{uuid}.mp4";
        let template: ObjectTemplate = film.parse().unwrap();
        assert_eq!(
            template.film_of("films/01/01234567-89ab-cdef-fedc-ba9876543210.mp4"),
            Some((FILM, "")),
            "the others are near it"
        );
        check(film, "");
        check(film, "films/01/01234567-89ab-cdef-fedc-ba9876543210.mp");
        check(film, "films/01/01234567-89ab-cdef-fedc-ba9876543210.mp4/");
        check(film, "Films/01/01234567-89ab-cdef-fedc-ba9876543210.mp4");
        check(film, "films/02/01234567-89ab-cdef-fedc-ba9876543210.mp4");
        check(film, "films/01/01234567-89AB-CDEF-FEDC-BA9876543210.mp4");
        check(film, "films/01/0123456789abcdeffedcba9876543210.mp4");
        check(film, "films/01/01234567-89abc-def-fedc-ba9876543210.mp4");
        check(film, "films/01/01234567-89ab-cdef-fedc-ba987654321g.mp4");
        check(film, "films/01/01234567-89ab-cdef-fedc-ba987654321");
        check(film, "films/01/01234567-89ab-cdef-fedc-ba98765432юю.mp4");
        check(film, "films/0ю");
        check("{uuid}/{path}", "01234567-89ab-cdef-fedc-ba9876543210");
        check("{uuid}/{path}", "01234567-89ab-cdef-fedc-ba9876543210.mp4");
    }

    #[test]
    fn bad_templates_say_why() {
        let check = |template: &str, why: &str| {
            assert_eq!(template.parse::<ObjectTemplate>().unwrap_err().why, why, "{template}");
        };
        check("", "holds no {uuid}: all films would share one key");
        check("film.mp4", "holds no {uuid}: all films would share one key");
        check("{uuid:0:31}", "leaves out digit 31 of the uuid: two films could share a key");
        check("{uuid:0:8}{uuid:9:32}", "leaves out digit 8 of the uuid: two films could share a key");
        check("{uuid", "has a { without its }");
        check("{uuid{uuid}", "has a { without its }");
        check("uuid}", "has a } without its {");
        check("{uuid}}", "has a } without its {");
        check("{paths}", "unknown placeholder \"{paths}\"");
        check("{path}", "holds no {uuid}: all films would share one key");
        for template in [
            "{path}/{uuid}",
            "{uuid}{path}",
            "{uuid}-{path}",
            "{uuid}/{path}.ts",
            "{uuid}/{path}/",
            "{uuid}/{path}/{path}",
            "{uuid}/{path}{path}",
            "films/{path}/{uuid}",
        ] {
            check(template, "{path} must be the last segment: with a slash before it and nothing behind it");
        }
        check("films/{path}", "holds no {uuid}: all films would share one key");
        check("{uuid:0:31}/{path}", "leaves out digit 31 of the uuid: two films could share a key");
        check("/{uuid}/{path}", "must not begin with a slash");
        check("{uuid}//{path}", "must not have an empty segment");
        check("../{uuid}/{path}", "must not have a segment \"..\"");
        check("{UUID}", "unknown placeholder \"{UUID}\"");
        check("{}", "unknown placeholder \"{}\"");
        for slice in
            ["{uuid:}", "{uuid:1}", "{uuid:2:2}", "{uuid:3:2}", "{uuid:0:33}", "{uuid:+1:2}", "{uuid:0:2:3}"]
        {
            check(slice, &format!("\"{slice}\" is not a slice of the 32 hex digits"));
        }
        check("/{uuid}", "must not begin with a slash");
        check("films//{uuid}", "must not have an empty segment");
        check("{uuid}/", "must not end with a slash");
        check("../{uuid}", "must not have a segment \"..\"");
        check(&format!("{}/{{uuid}}", "a".repeat(988)), "must be at most 1024 bytes long, not 1025");
        // A path takes at least one byte.
        check(&format!("{}/{{uuid}}/{{path}}", "a".repeat(986)), "must be at most 1024 bytes long, not 1025");
    }
}
