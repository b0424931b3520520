//! Reads the question of `/api/v1/explain` out of a query string. Pure.
//!
//! What is unknown, doubled or missing is refused by name: an answer to another question than the one that was meant
//! would mislead an operator in an incident.

use std::net::IpAddr;

use crate::config::Mode;
use crate::decide::client::Scheme;
use crate::decide::watch::{Film, Method, PathFault, check_file};
use crate::gate::Ask;

/// What may be asked by.
const KNOWN: &str = "film, path, ip, method, scheme, mode";

const NO_PATH: &str = "path: missing; films are trees of files here (watch.object has {path}), and it names the file, \
                       as in path=master.m3u8";

/// `film=UUID&ip=ADDRESS`, and `path=FILE` where films are trees of files (`trees`); `method=GET|HEAD` and
/// `scheme=http|https` if they are not the first, `mode=redirect|stream` if it is not the configured one. Every value is
/// percent-decoded once, so that the path is the file's own. The fault is a sentence for the operator.
pub(super) fn ask(query: &str, trees: bool) -> Result<Ask, String> {
    let (mut film, mut path, mut address) = (None, None, None);
    let (mut method, mut scheme, mut mode) = (None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value =
            decoded(value).ok_or_else(|| format!("{name:.32}: a percent sign wants two hex digits"))?;
        let place = match name {
            "film" => &mut film,
            "path" => &mut path,
            "ip" => &mut address,
            "method" => &mut method,
            "scheme" => &mut scheme,
            "mode" => &mut mode,
            _ => return Err(format!("{name:.32}: not known here; known are {KNOWN}")),
        };
        if place.replace(value).is_some() {
            return Err(format!("{name}: given twice"));
        }
    }
    Ok(Ask {
        film: film_of(film)?,
        path: path_of(path, trees)?,
        address: address_of(address)?,
        method: method_of(method.as_deref())?,
        scheme: scheme_of(scheme.as_deref())?,
        mode: mode_of(mode.as_deref())?,
    })
}

fn film_of(text: Option<String>) -> Result<Film, String> {
    let text = text.ok_or("film: missing; it is the film's uuid")?;
    Film::parse(text.as_bytes()).ok_or_else(|| "film: not a uuid of 8-4-4-4-12 hex digits".to_owned())
}

fn path_of(text: Option<String>, trees: bool) -> Result<String, String> {
    match (text, trees) {
        (None, false) => Ok(String::new()),
        (None, true) => Err(NO_PATH.to_owned()),
        (Some(_), false) => {
            Err("path: a film is one object here (watch.object has no {path}); leave it out".to_owned())
        }
        (Some(path), true) => {
            check_file(&path).map_err(|fault| match fault {
                PathFault::NoFile => "path: empty; it names a file of the film's tree".to_owned(),
                fault => format!("path: {fault}"),
            })?;
            Ok(path)
        }
    }
}

fn address_of(text: Option<String>) -> Result<IpAddr, String> {
    let text = text.ok_or("ip: missing; it is the viewer's address")?;
    text.parse().map_err(|_| "ip: neither an IPv4 nor an IPv6 address".to_owned())
}

fn method_of(text: Option<&str>) -> Result<Method, String> {
    match text {
        None | Some("GET") => Ok(Method::Get),
        Some("HEAD") => Ok(Method::Head),
        Some(_) => Err("method: neither GET nor HEAD".to_owned()),
    }
}

fn scheme_of(text: Option<&str>) -> Result<Scheme, String> {
    match text {
        None | Some("http") => Ok(Scheme::Http),
        Some("https") => Ok(Scheme::Https),
        Some(_) => Err("scheme: neither http nor https".to_owned()),
    }
}

fn mode_of(text: Option<&str>) -> Result<Option<Mode>, String> {
    match text {
        None => Ok(None),
        Some("redirect") => Ok(Some(Mode::Redirect)),
        Some("stream") => Ok(Some(Mode::Stream)),
        Some(_) => Err("mode: neither redirect nor stream".to_owned()),
    }
}

/// Undoes percent-encoding: clients encode the colons of an IPv6 address. None: not an encoding, or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILM: &str = "0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a";

    #[track_caller]
    fn check(query: &str, want: &str) {
        check_where(false, query, want);
    }

    #[track_caller]
    fn check_where(trees: bool, query: &str, want: &str) {
        let query = query.replace("FILM", FILM);
        let got = ask(&query, trees).map_or_else(
            |fault| fault,
            |ask| {
                let mode = ask.mode.map_or("as it is", Mode::as_str);
                let path = if ask.path.is_empty() { String::new() } else { format!("/{}", ask.path) };
                format!("{}{path} {} {} {:?} {mode}", ask.film, ask.address, ask.method.as_str(), ask.scheme)
            },
        );
        assert_eq!(got.replace(FILM, "FILM"), want, "{query}");
    }

    #[test]
    fn questions() {
        check("film=FILM&ip=192.0.2.7", "FILM 192.0.2.7 GET Http as it is");
        check("ip=192.0.2.7&&film=FILM&method=HEAD&scheme=https", "FILM 192.0.2.7 HEAD Https as it is");
        check("film=FILM&ip=2001%3adb8%3A%3A1", "FILM 2001:db8::1 GET Http as it is");
        check("film=FILM&ip=192.0.2.7&mode=stream", "FILM 192.0.2.7 GET Http stream");
        check("film=FILM&ip=192.0.2.7&mode=redirect", "FILM 192.0.2.7 GET Http redirect");
        check(&format!("film={}&ip=::1", FILM.to_uppercase()), "FILM ::1 GET Http as it is");
    }

    #[test]
    fn files_of_trees() {
        let check = |query: &str, want: &str| check_where(true, query, want);
        check("film=FILM&path=hd/1.ts&ip=192.0.2.7", "FILM/hd/1.ts 192.0.2.7 GET Http as it is");
        check("film=FILM&ip=::1&path=hd%2Fa%20%26%2525.ts", "FILM/hd/a &%25.ts ::1 GET Http as it is");
        check("film=FILM&ip=::1&path=%d1%84.m3u8", "FILM/\u{444}.m3u8 ::1 GET Http as it is");
        check(
            "film=FILM&ip=::1",
            "path: missing; films are trees of files here (watch.object has {path}), and it names the file, as in \
             path=master.m3u8",
        );
        check("film=FILM&ip=::1&path=", "path: empty; it names a file of the film's tree");
        check(
            "film=FILM&ip=::1&path=a/../b",
            "path: the path holds a dot segment, and paths are not normalised here",
        );
        check(
            "film=FILM&ip=::1&path=/a",
            "path: the path holds an empty segment, and paths are not normalised here",
        );
        check(
            "film=FILM&ip=::1&path=a%5Cb",
            "path: the path holds a backslash; segments are parted by slashes",
        );
        check("film=FILM&ip=::1&path=a%00", "path: the path holds a control character");
        check_where(
            false,
            "film=FILM&ip=::1&path=a",
            "path: a film is one object here (watch.object has no {path}); leave it out",
        );
    }

    #[test]
    fn faults() {
        check("", "film: missing; it is the film's uuid");
        check("film=FILM", "ip: missing; it is the viewer's address");
        check("film=0b9ab1a529d94f2d9d5a0f1e2d3c4b5a&ip=::1", "film: not a uuid of 8-4-4-4-12 hex digits");
        check("film=FILM&ip=localhost", "ip: neither an IPv4 nor an IPv6 address");
        check("film=FILM&ip=::1&method=get", "method: neither GET nor HEAD");
        check("film=FILM&ip=::1&mode=teleport", "mode: neither redirect nor stream");
        check("film=FILM&ip=::1&scheme=ftp", "scheme: neither http nor https");
        check("film=FILM&ip=::1&ip=::2", "ip: given twice");
        check(
            "film=FILM&ip=::1&adress=::2",
            "adress: not known here; known are film, path, ip, method, scheme, mode",
        );
        check("film=FILM&ip=%3", "ip: a percent sign wants two hex digits");
        check("film=FILM&ip=%ff", "ip: a percent sign wants two hex digits");
    }
}
