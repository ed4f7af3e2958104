//! Output of commands: results on stdout, and on stderr a limited number of lines of each kind.
//!
//! A command over many images prints a summary and names the table with a row for each image. Single
//! images are described only if there are at most [`FEW_IMAGES`], or with `--list`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
pub use mammo_core::text::{count, duration};
use mammo_core::write::{is_stream, write_atomically};

/// Largest number of images that are described one by one without `--list`: the four views of one
/// examination.
pub const FEW_IMAGES: usize = 4;

/// Lines of one kind on stderr before the rest is only counted.
pub const FEW_LINES: usize = 10;

/// File of images that were left out, with reasons, in the output folder.
const REJECTED_FILE: &str = "rejected_images.csv";

static IN_DEMO: AtomicBool = AtomicBool::new(false);

/// Sends the results of commands to stderr: the demo calls commands and uses their results as its log.
pub fn results_to_log() {
    IN_DEMO.store(true, Ordering::Relaxed);
}

/// Prints the results of a command: whole lines, each with its end.
pub fn results(text: &str) {
    if text.is_empty() {
        return;
    }
    if IN_DEMO.load(Ordering::Relaxed) {
        tracing::info!("{text}");
    } else {
        print!("{text}");
    }
}

/// Prints the summary of a table written to `path`; on stderr if the table itself may have been written
/// to standard output.
pub fn summary(path: &Path, text: &str) {
    if is_stream(path) {
        tracing::info!("{text}");
    } else {
        results(text);
    }
}

/// Lines about parts that are left out: the first [`FEW_LINES`] are printed, the rest is counted.
#[derive(Debug, Default)]
pub struct FirstOnly {
    n: AtomicUsize,
    /// The word of the first line.
    word: OnceLock<&'static str>,
}

impl FirstOnly {
    /// Prints `text` after `word`, such as rejected or refused, unless many lines were printed before. May
    /// be called by any thread.
    pub fn print(&self, word: &'static str, text: &str) {
        self.word.get_or_init(|| word);
        if self.n.fetch_add(1, Ordering::Relaxed) < FEW_LINES {
            tracing::warn!(label = word, "{text}");
        }
    }

    /// Prints how many lines were not printed and, unless `all` is empty, what lists all of them.
    pub fn print_rest(&self, all: &str) {
        let n = self.n.load(Ordering::Relaxed);
        if let (Some(word), true) = (self.word.get(), n > FEW_LINES) {
            let separator = if all.is_empty() { "" } else { "; " };
            tracing::warn!(label = word, "{} more{separator}{all}", n - FEW_LINES);
        }
    }
}

/// Images that a command leaves out: the first are listed on stderr, all of them in a table.
pub struct LeftOut {
    /// The word for a left-out image: rejected, refused.
    word: &'static str,
    lines: FirstOnly,
    rows: Vec<(String, String)>,
}

impl LeftOut {
    /// An empty list.
    pub fn new(word: &'static str) -> Self {
        Self::printed(word, Vec::new())
    }

    /// Images whose lines were printed already.
    pub fn printed(word: &'static str, rows: Vec<(String, String)>) -> Self {
        Self { word, lines: FirstOnly::default(), rows }
    }

    /// Adds an image and prints it, unless many were printed before.
    pub fn add(&mut self, file: &str, reason: &str) {
        self.lines.print(self.word, reason);
        self.rows.push((file.to_string(), reason.to_string()));
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Prints how many were not listed and which table or flag lists them.
    pub fn print_rest(&self, all: &str) {
        self.lines.print_rest(all);
    }

    /// Writes the table into `dir` and returns its path. Without rows no table is written, and the table of
    /// an earlier run is emptied.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, dir: &Path) -> Result<Option<PathBuf>> {
        let path = dir.join(REJECTED_FILE);
        if self.rows.is_empty() && !path.exists() {
            return Ok(None);
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["file", "reason"])?;
        for (file, reason) in &self.rows {
            table.write_record([file, reason])?;
        }
        write_atomically(&path, &table.into_inner().map_err(csv::IntoInnerError::into_error)?)?;
        Ok((!self.rows.is_empty()).then_some(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_left_out_stand_in_a_table_that_is_never_that_of_an_earlier_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut left_out = LeftOut::new("rejected");
        assert_eq!(left_out.write(dir.path()).unwrap(), None);
        assert!(!dir.path().join(REJECTED_FILE).exists());
        left_out.add("a.png", "a.png: blank, expected tissue");
        let path = left_out.write(dir.path()).unwrap().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("a.png,\"a.png: blank, expected tissue\""));
        assert_eq!(LeftOut::new("rejected").write(dir.path()).unwrap(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "file,reason\n");
    }
}
