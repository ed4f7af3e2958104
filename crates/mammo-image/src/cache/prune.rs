//! Removes the least recently used caches when their folder grows too large.
//!
//! Every run that opens a cache holds a shared lock on `<dir>/<pixel digest>.lock` and updates its
//! time; a cache is removed only under an exclusive lock. Lock files are outside the cache folders
//! and are not removed with them, so that two processes always lock the same file.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Error, Result};

/// Digits of a pixel digest, which names a cache.
const DIGEST_DIGITS: usize = 16;

/// A shared lock on a cache.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    _lock: Arc<File>,
}

impl Lease {
    /// Blocks while the cache is being removed.
    pub(super) fn take(dir: &Path, digest: &str) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|e| Error::io(dir, "create the folder", e))?;
        let path = lock_path(dir, digest);
        let lock = open_lock(&path)?;
        // Where locks are not supported, exclusive locks fail as well. Setting the time may fail for
        // another owner of the file; the cache then counts as older than it is.
        let _ = lock.lock_shared().and_then(|()| lock.set_modified(SystemTime::now()));
        Ok(Self { _lock: Arc::new(lock) })
    }
}

/// The result of [`prune`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Pixel digests of the removed caches, the least recently opened first.
    pub removed: Vec<String>,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Bytes of the remaining caches.
    pub kept_bytes: u64,
}

/// Removes caches under `dir`, the least recently opened first, until the rest has at most
/// `most_bytes`. Caches that any process has open are kept, so the rest may be larger.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read or a cache cannot be removed.
pub fn prune(dir: &Path, most_bytes: u64) -> Result<Pruned> {
    let mut caches = caches(dir)?;
    caches.sort_by(|a, b| (a.opened, &a.digest).cmp(&(b.opened, &b.digest)));
    let mut pruned = Pruned { kept_bytes: caches.iter().map(|cache| cache.bytes).sum(), ..Pruned::default() };
    for cache in caches {
        if pruned.kept_bytes <= most_bytes {
            break;
        }
        let lock = open_lock(&lock_path(dir, &cache.digest))?;
        if lock.try_lock().is_err() {
            continue;
        }
        fs::remove_dir_all(&cache.folder)
            .map_err(|e| Error::io(&cache.folder, "remove the stale cache", e))?;
        pruned.kept_bytes -= cache.bytes;
        pruned.removed_bytes += cache.bytes;
        pruned.removed.push(cache.digest);
    }
    Ok(pruned)
}

/// One cache under the folder.
struct Cache {
    digest: String,
    folder: PathBuf,
    bytes: u64,
    /// When it was last opened; the Unix epoch for caches of older releases.
    opened: SystemTime,
}

fn caches(dir: &Path) -> Result<Vec<Cache>> {
    let failed = |e| Error::io(dir, "list the cache", e);
    let mut caches = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_digest = name.len() == DIGEST_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest && folder.is_dir() {
            let lock = fs::metadata(lock_path(dir, &name)).and_then(|metadata| metadata.modified());
            let opened = lock.unwrap_or(SystemTime::UNIX_EPOCH);
            caches.push(Cache { digest: name, bytes: bytes_of(&folder)?, folder, opened });
        }
    }
    Ok(caches)
}

fn bytes_of(folder: &Path) -> Result<u64> {
    let failed = |e| Error::io(folder, "list the cache", e);
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        // Another run may replace a file meanwhile.
        bytes += entry.map_err(failed)?.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    }
    Ok(bytes)
}

fn lock_path(dir: &Path, digest: &str) -> PathBuf {
    dir.join(format!("{digest}.lock"))
}

fn open_lock(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    opened.map_err(|e| Error::io(path, "open the lock of the cache", e))
}
