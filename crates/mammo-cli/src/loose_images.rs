//! Images without tables: files and folders given for scoring.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mammo_core::record::Mammogram;
use mammo_data::archive::loose::{EXTENSIONS, Said, Unknowns, find, header_of};
use mammo_dicom::image_file::read_size;

/// Records for image files and for all images under folders, each file once, sorted by path;
/// headers and names say what they show ([`mammo_data::archive::loose`]). A named file is taken
/// whatever it is called. What they leave open is told on standard error.
pub fn find_images(paths: &[PathBuf]) -> Result<(PathBuf, Vec<Mammogram>)> {
    let found = find(paths)?;
    if found.files.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("{}: no {} images found", folders.join(", "), EXTENSIONS.join(", "));
    }
    let mut unknowns = Unknowns::default();
    let images = found.files.iter().map(|file| record(file, &mut unknowns)).collect();
    let mut notes = unknowns.notes();
    if found.further_names > 0 {
        let what = "file names lead to files that have another name here; each file is read once";
        notes.push(format!("{} {what}", found.further_names));
    }
    let unnamed: Vec<&PathBuf> = found.files.iter().filter(|file| file.to_str().is_none()).collect();
    if let Some(first) = unnamed.first() {
        let what = "images are refused because their names are not UTF-8; rename them, such as";
        notes.push(format!("{} {what} {first:?}", unnamed.len()));
    }
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    Ok((PathBuf::new(), images))
}

fn record(path: &Path, unknowns: &mut Unknowns) -> Mammogram {
    // A file that cannot be read is rejected by name when it is scored.
    let header = header_of(path).ok().flatten();
    let (width_px, height_px) = match &header {
        Some(header) => (header.columns, header.rows),
        None => read_size(path).unwrap_or_default(),
    };
    let file = path.to_string_lossy();
    let said = Said::by(&file.replace('\\', "/"), header.as_ref());
    unknowns.add(&file, &said);
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
