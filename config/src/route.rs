//! The texts of a route that have a grammar of their own: which `Host` a server gets, and the path of its check.
//!
//! Whether a server answers to the name is found when it is asked. Paths are sent as they are written here.

use crate::Endpoint;
use crate::fault::Wrong;

/// What [`parse_host`] takes, as a regular expression for the JSON Schema.
pub(crate) const HOST_PATTERN: &str = r"^([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$";
/// What [`parse_path`] takes, or nothing, as a regular expression for the JSON Schema.
pub(crate) const PATH_PATTERN_OR_EMPTY: &str = r"^(/[!$-~]{0,1023})?$";

/// Longest path in bytes: ours, a bound on what every check sends.
const PATH_MAX: usize = 1024;

/// Which `Host` the servers of a route get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// The viewer's, as it came.
    Viewer,
    /// The server's own, as its URL says.
    Upstream,
    /// This one; in lower case, with its port unless that is 80.
    Literal(String),
}

/// `viewer`, `upstream`, or a host with or without a port.
pub(crate) fn parse_host(text: &str) -> Result<HostRule, Wrong> {
    let hint = "\"viewer\", \"upstream\", or a name such as \"films.example\"";
    match text {
        "viewer" => Ok(HostRule::Viewer),
        "upstream" => Ok(HostRule::Upstream),
        _ if text.contains('/') => Err(Wrong::new("must be a host alone, without scheme or path").hint(hint)),
        _ => match format!("http://{text}").parse::<Endpoint>() {
            Ok(endpoint) => Ok(HostRule::Literal(endpoint.authority().to_owned())),
            Err(wrong) => Err(wrong.hint(hint)),
        },
    }
}

/// A path, with or without a query, that can be sent as it is.
pub(crate) fn parse_path(text: &str) -> Result<String, Wrong> {
    let why = if !text.starts_with('/') {
        format!("{text:?} must begin with a slash")
    } else if text.len() > PATH_MAX {
        format!("must be at most {PATH_MAX} bytes long, not {}", text.len())
    } else if let Some(stray) = text.chars().find(|c| !matches!(c, '!'..='~') || matches!(c, '"' | '#')) {
        format!("{stray:?} cannot stand in a path: write it percent-encoded")
    } else {
        return Ok(text.to_owned());
    };
    Err(Wrong::new(why).hint("for example \"/health\"; empty: a connection is enough"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_two_words_or_a_name() {
        let literal = |text: &str| HostRule::Literal(text.to_owned());
        let check = |text: &str, expected: HostRule| assert_eq!(parse_host(text), Ok(expected), "{text}");
        check("viewer", HostRule::Viewer);
        check("upstream", HostRule::Upstream);
        check("Films.Example", literal("films.example"));
        check("films.example:8443", literal("films.example:8443"));
        check("films.example:80", literal("films.example"));
        check("[FD00::5]:9000", literal("[fd00::5]:9000"));
        for bad in ["", "http://films.example", "films.example/", "user@films", "films example", "a:b", "ф"]
        {
            assert!(parse_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_sent_as_they_are_written() {
        for good in ["/", "/health", "/health?deep=1&x=%20", "/~a/b;c"] {
            assert_eq!(parse_path(good).as_deref(), Ok(good));
        }
        for bad in ["", "health", "/a b", "/a#b", "/a\"b", "/ф", "/a\r\nb", &format!("/{}", "a".repeat(1024))]
        {
            assert!(parse_path(bad).is_err(), "{bad:?}");
        }
    }
}
