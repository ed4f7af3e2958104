//! Files appear whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Writes `bytes` beside `path` under a temporary name, then renames it into place, so that
/// a reader or a crash never meets half a file. Creates missing parent folders.
///
/// # Errors
/// [`Error::Io`]; the temporary file is removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, "create the folder", e))?;
    }
    // Two processes or threads may write the same path: each gets a name of its own.
    let unique = format!(".{}-{:?}.tmp", std::process::id(), std::thread::current().id());
    let mut name = path.as_os_str().to_os_string();
    name.push(unique.replace(['(', ')'], ""));
    let temporary = Path::new(&name);
    let written = fs::File::create(temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(temporary, path));
    written.map_err(|e| {
        let _ = fs::remove_file(temporary);
        Error::io(path, "write the file", e)
    })
}

/// Serialises `value` as indented JSON and writes it with [`write_atomically`].
///
/// # Errors
/// [`Error::Io`] when the disk refuses.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::table(path, None, e.to_string(), "a value that JSON can hold"))?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// Reads a JSON file written by [`write_json`].
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Table`] when it is damaged or of another kind.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path, expected: &str) -> Result<T> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read the file", e))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::table(path, Some(e.line() as u64), e.to_string(), expected))
}
