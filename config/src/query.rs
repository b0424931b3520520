//! The query that a catalog in a database is asked with.
//!
//! Only its parameter is judged: whether the rest is right is the database's word.

use crate::fault::Wrong;

/// What [`parse_query`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str = r"\$0*1([^0-9]|$)";

/// A parameter is a dollar sign and a number (`PostgreSQL`, "Positional Parameters").
pub(crate) fn parse_query(text: &str) -> Result<String, Wrong> {
    let numbers = text.split('$').skip(1).filter_map(|behind| {
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        (end > 0).then_some(&behind[..end])
    });
    let (uuid, others): (Vec<&str>, Vec<&str>) =
        numbers.partition(|number| number.trim_start_matches('0') == "1");
    let wrong = if text.trim().is_empty() {
        Wrong::new("the query is empty")
    } else if let Some(other) = others.first() {
        Wrong::new(format!("the film's uuid is the only parameter, $1: there is no ${other}"))
    } else if uuid.is_empty() {
        Wrong::new("holds no $1, the film's uuid: all films would share one key")
    } else {
        return Ok(text.to_owned());
    };
    Err(wrong.hint("for example \"SELECT file_path FROM content.film_work WHERE id = $1\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_one_parameter() {
        for good in ["SELECT $1", "SELECT $1::uuid, $1", "SELECT '$', $1", "SELECT $$x$$ || $1", "CALL f($1)"]
        {
            assert_eq!(parse_query(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            " ",
            "SELECT 1",
            "SELECT $",
            "SELECT $2",
            "SELECT $1, $2",
            "SELECT $10",
            "SELECT $0, $1",
            "$ 1",
        ] {
            assert!(parse_query(bad).is_err(), "{bad}");
        }
    }
}
