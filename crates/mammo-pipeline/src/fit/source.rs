//! Recognises a data set and imports it.

use std::path::{Path, PathBuf};

use mammo_core::write::read_json;
use mammo_data::archive::{Archive, Birads3, import_archive, recognise_all};
use mammo_data::import::{Imported, Verify, import_tables};
use mammo_data::manifest::Manifest;

use crate::error::refuse;
use crate::{Observer, Result};

/// What a data set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder in the open table format.
    Tables(PathBuf),
    /// A public archive in the layout in which it is downloaded.
    Archive(Archive, PathBuf),
    /// A manifest that was imported before.
    Manifest(PathBuf),
}

/// The table of the open format.
const IMAGES: &str = "images.csv";

/// The manifest that an import writes beside the tables.
const MANIFEST: &str = "manifest.json";

impl Source {
    /// Recognises a folder or a manifest.
    ///
    /// A folder with `images.csv` is in the open table format, as for `mammo import`. Tables win over a manifest beside
    /// them, which may be older than they are; a folder with a manifest alone is that manifest.
    ///
    /// # Errors
    /// A path that does not exist; a folder with the tables of several archives or of none.
    pub fn recognise(path: &Path) -> Result<Self> {
        let shown = path.display();
        if path.is_file() {
            // Anything but an object of JSON is refused here, the rest by the reader of manifests.
            let expected = "a manifest written by `mammo import`, or a folder";
            let _: serde_json::Value = read_json(path, expected)?;
            return Ok(Self::Manifest(path.to_path_buf()));
        }
        if !path.is_dir() {
            refuse!("{shown}: no such file or folder; expected the folder of a data set, or a manifest");
        }
        if path.join(IMAGES).is_file() {
            return Ok(Self::Tables(path.to_path_buf()));
        }
        match recognise_all(path)?[..] {
            [archive] => Ok(Self::Archive(archive, path.to_path_buf())),
            [] if path.join(MANIFEST).is_file() => Ok(Self::Manifest(path.join(MANIFEST))),
            [] => refuse!("{shown}: not recognised as a data set; looked for\n{}", looked_for()),
            ref several => {
                let names: Vec<&str> = several.iter().map(|archive| archive.name()).collect();
                refuse!(
                    "{shown}: holds tables of {}; give the folder of one of them, or import it by name \
                     (mammo import {} DIR) and give the manifest",
                    names.join(" and of "),
                    names[0]
                )
            }
        }
    }

    /// What was recognised, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Tables(dir) => format!("{}: a folder with {IMAGES}", dir.display()),
            Self::Archive(archive, dir) => format!("{}: the archive {archive}", dir.display()),
            Self::Manifest(path) => format!("{}: a manifest, used as it is", path.display()),
        }
    }

    /// Imports the data set; all pixels are decoded, unless it is a manifest.
    ///
    /// # Errors
    /// Tables that cannot be read; no image that is accepted.
    pub fn import(&self, observer: &dyn Observer) -> Result<Imported> {
        let task = observer.begin("reading images", 0);
        let progress = |done, total| task.counted(done, total);
        Ok(match self {
            Self::Tables(dir) => import_tables(dir, Verify::Pixels, &progress)?,
            Self::Archive(archive, dir) => {
                import_archive(*archive, dir, Birads3::default(), Verify::Pixels, &progress)?
            }
            Self::Manifest(path) => {
                Imported { manifest: Manifest::read(path)?, rejections: Vec::new(), notes: Vec::new() }
            }
        })
    }

    /// The split that belongs to the data set, if there is one: that beside a manifest.
    pub fn split(&self) -> Option<PathBuf> {
        let Self::Manifest(path) = self else { return None };
        Some(path.with_file_name("split.json")).filter(|split| split.is_file())
    }
}

/// What a folder is recognised by, one data set a line.
fn looked_for() -> String {
    let mut text = format!("  {IMAGES}, with lesions.csv if there are lesions (docs/datasets.md)\n");
    for archive in Archive::ALL {
        if let [first, rest @ ..] = archive.tables() {
            let others = if rest.is_empty() { String::new() } else { format!(", or {}", rest.join(", ")) };
            text += &format!("  {archive}: {first}{others}\n");
        }
    }
    text + "  manifest.json, written by `mammo import`; images without labels cannot train a model"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_data_set_is_recognised_by_its_tables_or_the_error_says_what_was_looked_for() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        let refusal = |dir: &Path| Source::recognise(dir).unwrap_err().to_string();
        let empty = refusal(dir);
        for word in [IMAGES, "cbis-ddsm", "INbreast.csv", "Info.txt", "train.csv", "manifest.json"] {
            assert!(empty.contains(word), "no '{word}' in {empty}");
        }
        assert!(refusal(&dir.join("none")).contains("no such file or folder"));
        fs::write(dir.join(MANIFEST), "{}").unwrap();
        assert_eq!(Source::recognise(dir).unwrap(), Source::Manifest(dir.join(MANIFEST)));
        assert_eq!(Source::recognise(&dir.join(MANIFEST)).unwrap(), Source::Manifest(dir.join(MANIFEST)));
        fs::write(dir.join("notes.txt"), "words").unwrap();
        assert!(refusal(&dir.join("notes.txt")).contains("a manifest written by"));
        // RSNA's names are common; the others decide.
        fs::write(dir.join("train.csv"), "").unwrap();
        let archive = |archive| Source::Archive(archive, dir.to_path_buf());
        assert_eq!(Source::recognise(dir).unwrap(), archive(Archive::Rsna));
        fs::create_dir(dir.join("below")).unwrap();
        fs::write(dir.join("below/INbreast.csv"), "").unwrap();
        assert_eq!(Source::recognise(dir).unwrap(), archive(Archive::Inbreast));
        fs::write(dir.join("Info.txt"), "").unwrap();
        assert!(refusal(dir).contains("inbreast and of mini-mias"), "{}", refusal(dir));
        fs::write(dir.join(IMAGES), "").unwrap();
        assert_eq!(Source::recognise(dir).unwrap(), Source::Tables(dir.to_path_buf()));
    }
}
