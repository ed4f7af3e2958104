//! Images without tables: files and folders given for scoring.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mammo::dicom::{self, Projection};
use mammo::pixels::{is_dicom, read_size};
use mammo::record::{Laterality, Mammogram, Pathology, Polarity, View};

/// Besides DICOM, which is known by its content.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "pgm"];

/// Records for image files and for all images under folders, sorted by path.
///
/// Patient, side and view stand in a DICOM file's header. Otherwise side and view are guessed
/// from the file name (`LEFT`, `R`, `CC`, `MLO` between separators) and are left and CC where
/// it does not tell; they play no part in the score. The patient is the file name's first part.
pub fn find_images(paths: &[PathBuf]) -> Result<(PathBuf, Vec<Mammogram>)> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files).with_context(|| format!("{}", path.display()))?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("{}: no DICOM, {} images found", folders.join(", "), EXTENSIONS.join(", "));
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
        let is_image = entry
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()));
        if entry.is_dir() || is_image || is_dicom(&entry).unwrap_or(false) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn record(file: &Path) -> Mammogram {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let parts: Vec<&str> = stem.split(['_', '-', '.', ' ']).collect();
    let laterality = parts.iter().find_map(|part| part.parse().ok());
    let view = parts.iter().find_map(|part| part.parse().ok());
    // A file that cannot be read is rejected by name when it is scored.
    let header = is_dicom(file).unwrap_or(false).then(|| dicom::read_header(file).ok()).flatten();
    let (width_px, height_px) = match &header {
        Some(header) => (header.columns, header.rows),
        None => read_size(file).unwrap_or_default(),
    };
    let header = header.as_ref();
    let patient_id = header.map(|header| header.patient_id.as_str()).filter(|id| !id.is_empty());
    let stated_view = header.and_then(|header| header.projection).and_then(Projection::view);
    Mammogram {
        file: file.to_string_lossy().into_owned(),
        patient_id: patient_id.unwrap_or(parts[0]).to_string(),
        laterality: header.and_then(|header| header.laterality).or(laterality).unwrap_or(Laterality::Left),
        view: stated_view.or(view).unwrap_or(View::Cc),
        pathology: Pathology::Unknown,
        width_px,
        height_px,
        polarity: Polarity::Normal,
        density: None,
        assessment: None,
        site: None,
        official_side: None,
        lesions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_and_view_are_read_from_the_file_name() {
        let image = record(Path::new("scans/P7_RIGHT_MLO.png"));
        assert_eq!(
            (image.patient_id.as_str(), image.laterality, image.view),
            ("P7", Laterality::Right, View::Mlo)
        );
    }

    #[test]
    fn a_folder_without_images_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let error = find_images(&[dir.path().to_path_buf()]).unwrap_err().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
}
