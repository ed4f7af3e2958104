//! Records as JSON files that name their format and version, and digests of records.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::write::read_json;
use crate::{Error, Result};

/// SHA-256, in hexadecimal, of a record's compact JSON.
pub fn json_digest(record: &impl Serialize) -> String {
    let canonical = match serde_json::to_vec(record) {
        Ok(bytes) => bytes,
        Err(e) => unreachable!("records hold only words, numbers and lists: {e}"),
    };
    hex(&Sha256::digest(&canonical))
}

/// Reads a JSON file that names its `format` and `version`. These two are checked first, so that
/// a file of another format or version is not reported as damaged.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Table`] when it is of another format or version, or damaged.
pub fn read_versioned<T: DeserializeOwned>(
    path: &Path,
    format: &str,
    version: u32,
    expected: &str,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let head: Head = read_json(path, expected)?;
    if head.format != format || head.version != version {
        let found = format!("format '{}' version {}", head.format, head.version);
        return Err(Error::table(
            path,
            None,
            found,
            format!("format '{format}' version {version}: {expected}"),
        ));
    }
    read_json(path, expected)
}
