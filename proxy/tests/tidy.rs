//! Holds what the compiler does not: the table of layers, the purity of the core, sizes, and what the
//! repository may say.
//!
//! The sources are read as text, line by line; they are formatted by rustfmt, which makes that enough.

use std::fs;
use std::path::{Path, PathBuf};

/// The table of ARCHITECTURE.md: a module uses its own layer and lower ones.
const LAYERS: [(&str, u32); 21] = [
    ("bin", 6),
    ("cli", 6),
    ("front", 5),
    ("gate", 4),
    ("probe", 4),
    ("admin", 4),
    ("answer", 3),
    ("access_log", 3),
    ("state", 2),
    ("fleet", 2),
    ("presence", 2),
    ("clock", 2),
    ("kept", 2),
    ("settled", 2),
    ("catalog", 2),
    ("decide", 1),
    ("sign", 1),
    ("refusal", 1),
    ("config", 0),
    ("geoip", 0),
    ("lib", 9),
];

/// Words that a pure module has no use for.
const IMPURE: [&str; 9] =
    ["pingora", "tokio", "hyper", "std::sync", "std::fs", "std::env", "Instant::now", "SystemTime", "rand::"];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file with this ending below a folder, with its text.
fn files(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                let text = fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} files below {}", folder.display());
    found
}

/// The module below `proxy/src` that a file belongs to.
fn module(path: &Path) -> String {
    let source = root().join("proxy/src");
    let inner = path.strip_prefix(&source).expect("below proxy/src");
    let first = inner.components().next().expect("a component").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<u32> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// What a line says outside its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// The modules of this crate that a line names as `crate::name`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    code(line)
        .split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(rest))
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

#[test]
fn a_module_uses_no_higher_layer() {
    let mut faults = Vec::new();
    for (path, text) in files(&root().join("proxy/src"), ".rs") {
        let own = module(&path);
        let Some(own_layer) = layer(&own) else {
            faults.push(format!("{}: {own} has no layer in the table", path.display()));
            continue;
        };
        for line in text.lines() {
            for used in named(line).filter(|used| layer(used).is_some_and(|layer| layer > own_layer)) {
                faults.push(format!("{}: layer {own_layer} uses {used}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_core_is_pure_and_pingora_stays_above() {
    let mut faults = Vec::new();
    for (path, text) in files(&root().join("proxy/src"), ".rs") {
        let layer = layer(&module(&path)).unwrap_or(0);
        let banned: &[&str] = match layer {
            1 => &IMPURE,
            2 => &["pingora"],
            _ => &[],
        };
        for line in text.lines().filter(|_| !is_test(&path)).take_while(|line| *line != "#[cfg(test)]") {
            // Sharing what never changes is no state.
            let code = code(line).replace("std::sync::Arc;", "");
            for word in banned.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{}: {word} in layer {layer}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_and_functions_stay_readable() {
    let mut faults = Vec::new();
    for (path, text) in files(&root(), ".rs") {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            faults.push(format!("{}: {} lines", path.display(), lines.len()));
        }
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == end).unwrap_or(0);
            if length > FUNCTION_LINES_MAX {
                faults.push(format!("{}:{}: a function of {length} lines", path.display(), start + 1));
            }
        }
        if !text.starts_with("//!") && !is_test(&path) && !text.starts_with("#!") {
            faults.push(format!("{}: no header that says what it is", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn is_function(line: &str) -> bool {
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    line.split_whitespace().find(|word| !words.contains(word)) == Some("fn")
        && !line.trim_end().ends_with(';')
}

#[test]
fn the_top_level_is_the_owners() {
    let allowed = ["bench", "config", "docker", "geoip", "proxy", "target"];
    for entry in fs::read_dir(root()).expect("the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let is_allowed = name.starts_with('.') || allowed.contains(&name.as_str());
        assert!(!path.is_dir() || is_allowed, "{name} is no folder of the design");
    }
}

#[test]
fn storage_nodes_for_tests_stay_out_of_production() {
    let manifest = fs::read_to_string(root().join("proxy/Cargo.toml")).expect("the manifest");
    let line = manifest.lines().find(|line| line.starts_with("watchgate-node")).expect("the dependency");
    assert!(line.contains("optional = true"), "watchgate-node is part of the feature demo alone");
}
