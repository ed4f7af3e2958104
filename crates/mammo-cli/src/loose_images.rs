//! Images without tables: files and folders given for scoring.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mammo::archive::loose::{EXTENSIONS, Said, header_of, is_image};
use mammo::pixels::read_size;
use mammo::record::Mammogram;

/// Records for image files and for all images under folders, sorted by path; headers and names
/// say what they show ([`mammo::archive::loose`]). A named file is taken whatever it is called.
pub fn find_images(paths: &[PathBuf]) -> Result<(PathBuf, Vec<Mammogram>)> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files).with_context(|| format!("{}", path.display()))?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("{}: no {} images found", folders.join(", "), EXTENSIONS.join(", "));
    }
    Ok((PathBuf::new(), files.iter().map(|file| record(file)).collect()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.is_dir() || is_image(&entry) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn record(path: &Path) -> Mammogram {
    // A file that cannot be read is rejected by name when it is scored.
    let header = header_of(path).ok().flatten();
    let (width_px, height_px) = match &header {
        Some(header) => (header.columns, header.rows),
        None => read_size(path).unwrap_or_default(),
    };
    let file = path.to_string_lossy();
    let said = Said::by(&file.replace('\\', "/"), header.as_ref());
    Mammogram { width_px, height_px, ..said.record(&file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_images_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let error = find_images(&[dir.path().to_path_buf()]).unwrap_err().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
}
