//! Atomic writing of files: a file is replaced completely or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// Symbolic links followed before a path counts as a loop; as many as Linux follows.
const MAX_LINKS: usize = 40;

/// The target of a path, after its symbolic links.
enum Target {
    /// A regular file, with its permissions, or no file yet: it is replaced.
    File(PathBuf, Option<fs::Permissions>),
    /// A pipe, a device or an open descriptor such as `/dev/stdout`: it is written to directly.
    Stream(PathBuf),
}

impl Target {
    /// Follows the symbolic links of `path`; the final target need not exist.
    fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_path_buf();
        for _ in 0..MAX_LINKS {
            if is_descriptor(&path) {
                return Ok(Self::Stream(path));
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => path = folder_of(&path).join(fs::read_link(&path)?),
                Ok(found) if found.is_file() => return Ok(Self::File(path, Some(found.permissions()))),
                Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                Ok(_) => return Ok(Self::Stream(path)),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::File(path, None)),
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other("too many levels of symbolic links"))
    }
}

/// Whether the path names an open descriptor of this process (`/proc/self/fd/1`). Such links may
/// point to names that are not files (`pipe:[123]`). A regular file behind one was opened by the
/// shell (`> table.csv`): it is written to, not replaced.
fn is_descriptor(path: &Path) -> bool {
    let Ok(folder) = folder_of(path).canonicalize() else { return false };
    folder.ends_with("fd") && (folder.starts_with("/proc") || folder.starts_with("/dev"))
}

/// The folder that holds a path; `.` for a bare file name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `bytes` to a temporary file in the folder of `path` and renames it, so that neither a
/// reader nor a crash leaves an incomplete file. Creates missing parent folders.
///
/// A symbolic link is kept: the file that it points to is replaced. A replaced file keeps its
/// permissions. A path that is not a regular file (a named pipe, `/dev/stdout`) is opened and
/// written; a reader that closes its end of a pipe early causes no error.
///
/// # Errors
/// [`Error::Io`]; the temporary file is removed, also when the thread panics.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = match Target::of(path) {
        Ok(Target::File(target, permissions)) => {
            let folder = folder_of(&target);
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create the folder", e))?;
            replace(&target, permissions, bytes)
        }
        Ok(Target::Stream(target)) => write_into(&target, bytes),
        Err(e) => Err(e),
    };
    written.map_err(|e| Error::io(path, "write the file", e))?;
    tracing::debug!("{}: {} bytes written", path.display(), bytes.len());
    Ok(())
}

fn replace(target: &Path, permissions: Option<fs::Permissions>, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary_in(folder_of(target))?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_data()?;
    file.persist(target).map_err(|e| e.error)?;
    Ok(())
}

/// An empty temporary file with the default permissions of new files; removed when dropped.
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".mammo-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn write_into(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = if is_descriptor(target) && target.file_name().is_some_and(|name| name == "1") {
        // Under the lock of standard output, so that output is not interleaved.
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    } else {
        fs::OpenOptions::new().append(true).open(target).and_then(|mut file| file.write_all(bytes))
    };
    written.or_else(|e| if e.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })
}

/// Whether [`write_atomically`] writes to the path directly (a pipe, a device, `/dev/stdout`)
/// instead of replacing a file.
pub fn is_stream(path: &Path) -> bool {
    matches!(Target::of(path), Ok(Target::Stream(_)))
}

/// Checks, before long work, that [`write_atomically`] can write this file. Leaves no file behind.
///
/// # Errors
/// [`Error::Io`] when a folder has that name, or the folder of the file cannot be written.
pub fn check_file(path: &Path) -> Result<()> {
    match Target::of(path) {
        Ok(Target::File(target, _)) => check_folder(folder_of(&target)),
        Ok(Target::Stream(_)) => Ok(()),
        Err(e) => Err(Error::io(path, "write the file", e)),
    }
}

/// Checks, before long work, that files can be written to a folder, which need not exist yet. Leaves
/// no file behind.
///
/// # Errors
/// [`Error::Io`] when it, or its nearest existing parent, cannot be written.
pub fn check_folder(folder: &Path) -> Result<()> {
    let mut nearest = folder;
    while fs::symlink_metadata(nearest).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        nearest = folder_of(nearest);
    }
    let written = match nearest.is_dir() {
        true => temporary_in(nearest).map(drop),
        false => Err(io::ErrorKind::NotADirectory.into()),
    };
    written.map_err(|e| Error::io(folder, "write into the folder", e))
}

/// Serialises `value` as indented JSON and writes it with [`write_atomically`].
///
/// # Errors
/// [`Error::Io`] when the file cannot be written.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::table(path, None, e.to_string(), "a value that JSON can represent"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_and_a_replaced_file_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.csv"), dir.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.csv", &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read(&real).unwrap(), mode(&real)), (b"new".to_vec(), 0o640));

        let dangling = dir.path().join("dangling");
        std::os::unix::fs::symlink("below/later.csv", &dangling).unwrap();
        write_atomically(&dangling, b"new").unwrap();
        assert_eq!(fs::read(dir.path().join("below/later.csv")).unwrap(), b"new");

        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        let error = write_atomically(&dir.path().join("loop"), b"new").unwrap_err().to_string();
        assert!(error.contains("symbolic links"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn a_new_file_has_the_permissions_that_the_system_gives() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write_atomically(&ours, b"x").unwrap();
        fs::write(&plain, "x").unwrap();
        assert_eq!(mode(&ours), mode(&plain));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file was left");
    }

    #[test]
    fn what_cannot_be_written_is_told_beforehand_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(check_folder(&file).is_err() && check_folder(&file.join("below")).is_err());
        assert!(check_file(&file.join("scores.csv")).is_err() && check_file(dir.path()).is_err());
        assert!(write_atomically(dir.path(), b"x").is_err());
        check_file(&dir.path().join("a/b/scores.csv")).unwrap();
        check_folder(&dir.path().join("a/b")).unwrap();
        check_file(&file).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
