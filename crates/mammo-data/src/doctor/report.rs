//! The report as text, Markdown and files.

use std::fmt;
use std::path::Path;

use super::{Finding, Report, Severity};
use crate::{Error, Result};
use mammo_core::record::{Side, word_or_blank};
use mammo_core::text::count;
use mammo_core::write::{write_atomically, write_json};

/// Cases of each finding in the text for the screen; files contain all cases.
pub const SHOWN: usize = 5;

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Leak => "LEAK",
            Self::Conflict => "CONFLICT",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A short table for the screen.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {}", count(self.images, "image"), count(self.patients, "patient"))?;
        writeln!(
            f,
            "\n{:<12} {:>8} {:>9} {:>7} {:>9} {:>7} {:>7} {:>6} {:>6} {:>8} {:>7}",
            "side",
            "patients",
            "malignant",
            "images",
            "malignant",
            "benign",
            "unknown",
            "CC",
            "MLO",
            "one view",
            "unclear"
        )?;
        for balance in &self.balance {
            let side = balance.side.map_or("no side".to_string(), |side| side.to_string());
            write!(f, "{side:<12}")?;
            for (count, width) in balance.counts().iter().zip([8, 9, 7, 9, 7, 7, 6, 6, 8, 7]) {
                write!(f, " {count:>width$}")?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for finding in &self.findings {
            writeln!(f, "{:<9} {:>5} {} [{}]", finding.severity, finding.count, finding.what, finding.code)?;
            for case in finding.cases.iter().take(SHOWN) {
                writeln!(f, "{:>18}{case}", "")?;
            }
            if finding.cases.len() > SHOWN {
                writeln!(f, "{:>18}and {} more", "", finding.cases.len() - SHOWN)?;
            }
        }
        if self.findings.is_empty() {
            writeln!(f, "nothing found")?;
        }
        if !self.pictures_compared {
            writeln!(f, "pixels were not compared: an image stored under two names is not detected")?;
        }
        if self.balance.iter().any(|balance| balance.side == Some(Side::Test)) {
            writeln!(f, "{}", self.leak_free_sentence())?;
        }
        Ok(())
    }
}

impl Report {
    fn leak_free_sentence(&self) -> String {
        let patients: std::collections::BTreeSet<&str> =
            self.leak_free_test.iter().map(|image| image.patient_id.as_str()).collect();
        let malignant = self.leak_free_test.iter().filter(|image| image.malignant == Some(true)).count();
        format!(
            "leak-free test side: {} of {}, {malignant} malignant",
            count(self.leak_free_test.len(), "image"),
            count(patients.len(), "patient")
        )
    }

    /// The report as Markdown, every case named.
    pub fn markdown(&self) -> String {
        let (images, patients) = (count(self.images, "image"), count(self.patients, "patient"));
        let mut text = format!("# Split doctor\n\n{images} of {patients}.\n\n");
        text += "| side | patients | malignant | images | malignant | benign | unknown | CC | MLO | breasts with one view | side or view unknown |\n";
        text += "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
        for balance in &self.balance {
            let side = balance.side.map_or("none".to_string(), |side| side.to_string());
            text +=
                &format!("| {side} | {} |\n", balance.counts().map(|count| count.to_string()).join(" | "));
        }
        text += &format!("\n{}.\n\n## Findings\n", self.leak_free_sentence());
        for Finding { code, severity, count, what, cases } in &self.findings {
            text += &format!("\n### {severity}: {count} {what} (`{code}`)\n\n");
            cases.iter().for_each(|case| text += &format!("- {case}\n"));
        }
        if self.findings.is_empty() {
            text += "\nNone.\n";
        }
        if !self.associations.is_empty() {
            text += "\n## Associations\n\n| of | with | n | chi-squared | Cramer's V | p |\n|---|---|--:|--:|--:|--:|\n";
            for a in &self.associations {
                text += &format!(
                    "| {} | {} | {} {} | {:.2} | {:.3} | {:.4} |\n",
                    a.of, a.with, a.n, a.unit, a.chi_squared, a.cramers_v, a.p
                );
            }
        }
        text
    }
}

/// Writes `doctor.json`, `doctor.md` and, when there is a test side, `leak_free_test.csv`.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written.
pub fn write_report(dir: &Path, report: &Report) -> Result<()> {
    write_json(&dir.join("doctor.json"), report)?;
    write_atomically(&dir.join("doctor.md"), report.markdown().as_bytes())?;
    if report.leak_free_test.is_empty() {
        return Ok(());
    }
    write_test_list(&dir.join("leak_free_test.csv"), report)
}

/// Writes the leak-free test list: `image,patient_id,side,view,label`; side and view
/// are blank where they are not known.
///
/// # Errors
/// [`Error::Io`] when a file cannot be written.
pub fn write_test_list(path: &Path, report: &Report) -> Result<()> {
    let unfit = |error: String| Error::table(path, None, error, "rows that CSV can hold");
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = ["image", "patient_id", "side", "view", "label"];
    table.write_record(header).map_err(|e| unfit(e.to_string()))?;
    for image in &report.leak_free_test {
        let label = match image.malignant {
            Some(true) => "malignant",
            Some(false) => "benign",
            None => "unknown",
        };
        let (side, view) = (word_or_blank(image.side), word_or_blank(image.view));
        let row = [image.image.as_str(), &image.patient_id, &side, &view, label];
        table.write_record(row).map_err(|e| unfit(e.to_string()))?;
    }
    let bytes = table.into_inner().map_err(|e| unfit(e.to_string()))?;
    write_atomically(path, &bytes)
}
