//! Tells the program which compiler made it, and for what: counts of another one are others.

use std::process::Command;

fn main() {
    let told = |name: &str| std::env::var(name).unwrap_or_default();
    let version = Command::new(told("RUSTC")).arg("--version").output();
    let version =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let version = version.split_whitespace().nth(1).unwrap_or("unknown");
    println!("cargo:rustc-env=GUARD_RUSTC={version}");
    println!("cargo:rustc-env=GUARD_TARGET={}", told("TARGET"));
    println!("cargo:rerun-if-changed=build.rs");
}
