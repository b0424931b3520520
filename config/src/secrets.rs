//! Secrets: from the file itself, from a file of their own, or from the environment.
//!
//! The only place that reads files beside the configuration. No reason given here quotes a secret, its line, or the
//! path of its file: the commonest slip is the secret itself written where the path belongs.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::fault::{Faults, Wrong};
use crate::tree::{Item, Origin, Table, Value, join};
use crate::{Secret, env};

/// Far above any token of a cloud, far below what would hurt to read by mistake.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const BEARER_TOKEN_CHARS_MIN: usize = 16;
/// Passes every check of a secret.
const STAND_IN: &str = "postgres://stand-in-for-a-secret-that-was-not-read";

/// A secret, and the key that names its file.
struct Place {
    key: &'static str,
    file_key: &'static str,
    check: fn(&str) -> Result<(), Wrong>,
}

const ADMIN_TOKEN: Place =
    Place { key: "admin_token", file_key: "admin_token_file", check: check_bearer_token };
const EVENTS_TOKEN: Place =
    Place { key: "events_token", file_key: "events_token_file", check: check_bearer_token };
const POSTGRES_URL: Place = Place { key: "url", file_key: "url_file", check: check_postgres_url };
const SECRET_KEY: Place = Place { key: "secret_key", file_key: "secret_key_file", check: check_secret_key };
const SESSION_TOKEN: Place =
    Place { key: "session_token", file_key: "session_token_file", check: check_session_token };

/// Puts every secret into the tree in place of the key that names its file.
pub(crate) fn load(root: &mut Table, folder: &Path, faults: &mut Faults) {
    if let Some(listen) = root.table_mut("listen") {
        settle(listen, &ADMIN_TOKEN, folder, faults);
    }
    let admin_token = root.table("listen").and_then(|listen| find(listen, ADMIN_TOKEN.key));
    if let Some(presence) = root.table_mut("presence") {
        settle_events_token(presence, admin_token.as_ref(), folder, faults);
    }
    if let Some(postgres) = root.table_mut("catalog").and_then(|catalog| catalog.table_mut("postgres")) {
        settle(postgres, &POSTGRES_URL, folder, faults);
    }
    for node in root.tables_mut("node") {
        settle(node, &SECRET_KEY, folder, faults);
        settle(node, &SESSION_TOKEN, folder, faults);
        require_secret_key(node, faults);
    }
}

/// The files that [`load`] has read.
pub(crate) fn files(root: &Table, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    find_files(root, folder, &mut files);
    files
}

fn find_files(table: &Table, folder: &Path, files: &mut Vec<PathBuf>) {
    for item in table.entries.values() {
        match (&item.origin, &item.value) {
            (Origin::SecretFile { path, .. }, _) => files.push(folder.join(path)),
            (_, Value::Table(table)) => find_files(table, folder, files),
            (_, Value::List(items)) => {
                let tables = items.iter().filter_map(|item| match &item.value {
                    Value::Table(table) => Some(table),
                    _ => None,
                });
                tables.for_each(|table| find_files(table, folder, files));
            }
            _ => {}
        }
    }
}

/// Puts a text that is no secret wherever one is named by a file or missing, so that [`load`] reads none.
///
/// What is written in two places stays as it is, for [`load`] to refuse.
pub(crate) fn stand_in(root: &mut Table) {
    if let Some(listen) = root.table_mut("listen") {
        stand_in_for(listen, &ADMIN_TOKEN, false);
    }
    if let Some(presence) = root.table_mut("presence") {
        stand_in_for(presence, &EVENTS_TOKEN, false);
    }
    if let Some(postgres) = root.table_mut("catalog").and_then(|catalog| catalog.table_mut("postgres")) {
        stand_in_for(postgres, &POSTGRES_URL, false);
    }
    for node in root.tables_mut("node") {
        stand_in_for(node, &SECRET_KEY, true);
        stand_in_for(node, &SESSION_TOKEN, false);
    }
}

fn stand_in_for(table: &mut Table, place: &Place, is_required: bool) {
    let file =
        table.get(place.file_key).filter(|item| item.text().is_some_and(|path| !path.is_empty())).cloned();
    let is_refused = table.refused.contains(&place.key) || table.refused.contains(&place.file_key);
    if table.get(place.key).is_some() || is_refused || (file.is_none() && !is_required) {
        return;
    }
    let path = join(&table.path, place.key);
    let origin = file.map_or(Origin::Default, |file| file.origin);
    table.entries.remove(place.file_key);
    let value = Value::Secret(Secret::new(STAND_IN));
    table.entries.insert(place.key.to_owned(), Item { path, origin, value });
}

/// The secret that [`load`] left under a key.
pub(crate) fn find(table: &Table, key: &str) -> Option<Secret> {
    if let Value::Secret(secret) = &table.get(key)?.value { Some(secret.clone()) } else { None }
}

fn settle(table: &mut Table, place: &Place, folder: &Path, faults: &mut Faults) {
    let file =
        table.get(place.file_key).filter(|item| item.text().is_some_and(|path| !path.is_empty())).cloned();
    let secret = table.get(place.key).cloned();
    let settled = match (secret, file) {
        (Some(_), Some(file)) => {
            let why = format!("{} and {} are both set", place.key, place.file_key);
            Err(file.fault(Wrong::new(why).hint("keep one of them")))
        }
        (Some(secret), None) => {
            let checked = find(table, place.key).map_or(Ok(()), |text| (place.check)(text.expose()));
            checked.map(|()| secret.clone()).map_err(|wrong| secret.fault(wrong))
        }
        (None, Some(file)) => from_file(&file, place, folder).map_err(|wrong| file.fault(wrong)),
        (None, None) => return,
    };
    match settled {
        Ok(item) => {
            if matches!(item.origin, Origin::SecretFile { .. }) {
                table.entries.remove(place.file_key);
            }
            table.entries.insert(place.key.to_owned(), item);
        }
        Err(fault) => {
            faults.push(fault);
            table.entries.remove(place.key);
            table.refused.push(place.key);
        }
    }
}

/// Every node that sends events holds their token: it must not open the operator's side too.
fn settle_events_token(
    presence: &mut Table,
    admin_token: Option<&Secret>,
    folder: &Path,
    faults: &mut Faults,
) {
    let named = presence.get(EVENTS_TOKEN.file_key).cloned();
    settle(presence, &EVENTS_TOKEN, folder, faults);
    let events_token = find(presence, EVENTS_TOKEN.key);
    if let Some(named) = named
        && events_token.is_some()
        && events_token.as_ref() == admin_token
    {
        let wrong =
            Wrong::new("the file holds the admin token, and nodes must not hold the operator's token");
        faults.push(named.fault(wrong.hint("a token of its own: openssl rand -hex 32")));
    }
}

fn from_file(named: &Item, place: &Place, folder: &Path) -> Result<Item, Wrong> {
    let path = named.text().unwrap_or_default();
    let text = read(&folder.join(path)).map_err(|wrong| {
        if Path::new(path).is_absolute() {
            wrong
        } else {
            wrong.hint("a relative path starts at the config file's folder")
        }
    })?;
    (place.check)(&text)?;
    let origin = Origin::SecretFile { path: path.to_owned(), named_by: Box::new(named.origin.clone()) };
    let key_path = named.path.strip_suffix("_file").unwrap_or(&named.path);
    Ok(Item::new(key_path, origin, Value::Secret(Secret::new(&text))))
}

/// The text of a regular file, without one newline at its end.
fn read(path: &Path) -> Result<String, Wrong> {
    let failed = |error: io::Error| {
        Wrong::new(match error.kind() {
            io::ErrorKind::NotFound => "the file is not there".to_owned(),
            io::ErrorKind::PermissionDenied => "the file may not be read by this user".to_owned(),
            kind => format!("the file cannot be read ({kind})"),
        })
    };
    // Opening a pipe would wait for its writer, and a reload must not wait.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Wrong::new("the path does not name a file"));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Wrong::new("the file is larger than 64 KiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Wrong::new("the file is not text (UTF-8)"))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(Wrong::new("the file is empty"));
    }
    Ok(line.to_owned())
}

fn require_secret_key(node: &Table, faults: &mut Faults) {
    let written = |key| node.refused.contains(&key);
    if find(node, SECRET_KEY.key).is_none() && !written(SECRET_KEY.key) && !written(SECRET_KEY.file_key) {
        let hint = format!("set secret_key_file, or the variable {}", env::secret_variable(node));
        faults.push(node.lacks(SECRET_KEY.key, Wrong::new("the node has no secret key").hint(hint)));
    }
}

fn check_secret_key(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("the secret is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("the secret must be one line without control characters"));
    }
    Ok(())
}

/// Of the URL only its beginning is judged: it holds a password, and the rest is the database client's to read.
fn check_postgres_url(text: &str) -> Result<(), Wrong> {
    check_secret_key(text)?;
    if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(Wrong::new("the URL must begin with postgres:// or postgresql://"));
    }
    Ok(())
}

fn check_session_token(text: &str) -> Result<(), Wrong> {
    check_secret_key(text)?;
    // It is sent as a header's value.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::new("the token must be of printable ASCII characters without blanks"));
    }
    Ok(())
}

fn check_bearer_token(text: &str) -> Result<(), Wrong> {
    check_session_token(text)?;
    if text.len() < BEARER_TOKEN_CHARS_MIN {
        let why =
            format!("the token must have at least {BEARER_TOKEN_CHARS_MIN} characters, not {}", text.len());
        return Err(Wrong::new(why).hint("for example the output of: openssl rand -hex 32"));
    }
    Ok(())
}
