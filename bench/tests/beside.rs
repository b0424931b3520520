//! Commands that another program brings: found beside this one, or said how to build it.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn plan_and_replay_are_handed_on_whole() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("watchgate-bench");
    fs::copy(env!("CARGO_BIN_EXE_watchgate-bench"), &program).unwrap();
    let run = |args: &[&str]| Command::new(&program).args(args).output().unwrap();

    let missing = run(&["plan", "--fleet", "3"]);
    let told = String::from_utf8_lossy(&missing.stderr);
    assert!(
        !missing.status.success() && told.contains("cargo build --profile bench -p watchgate-plan"),
        "{told}"
    );

    let other = folder.path().join("watchgate-plan");
    fs::write(&other, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    for args in [&["plan", "--help"][..], &["replay", "a.log", "--after", "b.toml", "--", "-x"]] {
        let told = run(args);
        assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), args.join(" "));
        assert_eq!(told.status.code(), Some(7));
    }
}
