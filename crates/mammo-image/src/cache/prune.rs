//! Keeps a folder of caches below a bound, and those in use out of it.
//!
//! Every run that opens a cache holds a shared lock on `<dir>/<pixel digest>.lock` and dates it;
//! a cache is removed only under an exclusive lock. Locks lie beside the folders and stay, so
//! that nobody can hold the lock of a folder that is gone.

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
    /// Waits while the cache is being removed.
    pub(super) fn take(dir: &Path, digest: &str) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|e| Error::io(dir, "create the folder", e))?;
        let path = lock_path(dir, digest);
        let lock = open_lock(&path)?;
        // Where locks are not supported, nobody gets an exclusive one either. The date may be
        // refused to another owner of the file; the cache then counts as older than it is.
        let _ = lock.lock_shared().and_then(|()| lock.set_modified(SystemTime::now()));
        Ok(Self { _lock: Arc::new(lock) })
    }
}

/// What [`prune`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Pixel digests of the removed caches, the least recently opened first.
    pub removed: Vec<String>,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Bytes of the caches that are still there.
    pub kept_bytes: u64,
}

/// Removes caches under `dir`, the least recently opened first, until the rest holds at most
/// `most_bytes`. A cache that any process has open stays, so the rest may be larger.
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
    /// When it was last opened; the beginning of time for caches that older releases made.
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
        // A file may vanish meanwhile: another run renews it.
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
