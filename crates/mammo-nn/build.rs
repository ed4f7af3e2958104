//! Tells the crate which version of Burn it is built with: that of `Cargo.lock`.

use std::path::{Path, PathBuf};

fn main() {
    let version = lock_file().and_then(|lock| {
        println!("cargo::rerun-if-changed={}", lock.display());
        version_of(&std::fs::read_to_string(lock).ok()?, "burn")
    });
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=MAMMO_BURN_VERSION={}", version.unwrap_or_else(|| "unknown".into()));
}

/// The lock file of the workspace that this crate is built in.
fn lock_file() -> Option<PathBuf> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR")?;
    Path::new(&folder).ancestors().map(|folder| folder.join("Cargo.lock")).find(|lock| lock.exists())
}

/// The version of a package in a lock file: the line after its name.
fn version_of(lock: &str, package: &str) -> Option<String> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{package}\""));
    let version = lines.nth(1)?.strip_prefix("version = ")?;
    Some(version.trim_matches('"').to_string())
}
