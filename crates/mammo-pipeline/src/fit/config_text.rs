//! A plan's configuration as an ordinary TOML file, with the reason of each choice above it.

use std::collections::BTreeMap;

use mammo_image::augment::Augmentation;
use mammo_image::patch_sampling::SamplingConfig;
use mammo_image::preprocess::Preprocessing;
use mammo_nn::networks::conventions::Conventions;
use mammo_nn::networks::trunk::TrunkConfig;
use toml::{Table, Value};

use crate::Result;
use crate::config::RunConfig;

/// Columns of a comment.
const COLUMNS: usize = 110;

/// Keys in the order in which they are written; others follow in alphabetical order.
const ORDER: [&str; 27] = [
    "height_px",
    "width_px",
    "aspect",
    "mean",
    "std",
    "patch_px",
    "per_lesion",
    "background_per_image",
    "hard_negatives_per_image",
    "start",
    "family",
    "width",
    "stages",
    "kind",
    "channels",
    "top",
    "pooling",
    "dropout",
    "calibration",
    "augmentation",
    "train",
    "epochs",
    "batch_size",
    "optimizer",
    "schedule",
    "examples_per_epoch",
    "learning_rate",
];

/// The text of a configuration. Settings that are the default and have no reason are left out.
///
/// # Errors
/// Settings that TOML cannot hold.
pub fn config_text(
    config: &RunConfig,
    reasons: &BTreeMap<&'static str, String>,
    header: &[String],
) -> Result<String> {
    let table = Table::try_from(config)?;
    let mut writer = Writer { text: String::new(), reasons };
    header.iter().for_each(|line| writer.comment(line));
    writer.text += &format!("\nseed = {}\n", config.seed);
    let defaults = |path: &str| -> Result<Table> {
        Ok(match path {
            "preprocessing" => Table::try_from(Preprocessing::default())?,
            "sampling" => Table::try_from(SamplingConfig { seed: config.seed, ..SamplingConfig::default() })?,
            "patch.trunk" => {
                let mut defaults = Table::try_from(TrunkConfig::new(config.patch()?.trunk.family))?;
                defaults.remove("family"); // has no default
                defaults
            }
            _ => Table::from_iter([("balanced".to_string(), Value::Boolean(true))]),
        })
    };
    for path in
        ["preprocessing", "sampling", "patch", "patch.trunk", "patch.training", "image", "image.training"]
    {
        let section = path.split('.').try_fold(&table, |table, key| table.get(key)?.as_table());
        if let Some(section) = section {
            writer.section(path, section, &defaults(path)?)?;
        }
    }
    Ok(writer.text)
}

struct Writer<'a> {
    text: String,
    reasons: &'a BTreeMap<&'static str, String>,
}

impl Writer<'_> {
    fn comment(&mut self, text: &str) {
        if text.is_empty() {
            self.text += "#\n";
            return;
        }
        let mut line = String::from("#");
        for word in text.split(' ') {
            if line.len() + 1 + word.len() > COLUMNS {
                self.text += &format!("{line}\n");
                line = String::from("#");
            }
            line += &format!(" {word}");
        }
        self.text += &format!("{line}\n");
    }

    fn section(&mut self, path: &str, section: &Table, defaults: &Table) -> Result<()> {
        self.text.push('\n');
        if let Some(reason) = self.reasons.get(path) {
            self.comment(reason);
        }
        self.text += &format!("[{path}]\n");
        let mut entries = in_order(section);
        // `stages` of a training is long and comes last.
        entries.sort_by_key(|(_, value)| value.as_array().is_some_and(|a| a.iter().all(Value::is_table)));
        for (key, value) in entries {
            let full = format!("{path}.{key}");
            let reason = self.reasons.get(full.as_str());
            let is_section = ["trunk", "training"].contains(&key.as_str()) && value.is_table();
            if is_section || (reason.is_none() && defaults.get(key) == Some(value)) {
                continue;
            }
            if let Some(reason) = reason {
                self.comment(reason);
            }
            self.text += &format!("{key} = {}\n", written(path, key, value)?);
        }
        Ok(())
    }
}

/// The entries of a table in the order in which they are written.
fn in_order(table: &Table) -> Vec<(&String, &Value)> {
    let rank = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut entries: Vec<(&String, &Value)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| rank(key));
    entries
}

/// A value on one line, or a list of tables with one on each.
fn written(section: &str, key: &str, value: &Value) -> Result<String> {
    Ok(match value {
        // `f32` in the settings: its own digits, not those of the `f64` next to it.
        Value::Float(number) if section == "preprocessing" && ["mean", "std"].contains(&key) => {
            format!("{:?}", *number as f32)
        }
        Value::Table(table) if key == "augmentation" => {
            inline(table, &Table::try_from(Augmentation::default())?)
        }
        Value::Table(table) if key == "conventions" => {
            inline(table, &Table::try_from(Conventions::default())?)
        }
        Value::Table(table) => inline(table, &Table::new()),
        Value::Array(items) if items.iter().all(Value::is_table) => {
            let defaults = Table::from_iter([("keep_norm_statistics".to_string(), Value::Boolean(false))]);
            let items = items.iter().filter_map(Value::as_table);
            let lines: Vec<String> = items.map(|item| format!("  {},\n", inline(item, &defaults))).collect();
            format!("[\n{}]", lines.concat())
        }
        other => other.to_string(),
    })
}

/// A table on one line, without entries that are the default.
fn inline(table: &Table, defaults: &Table) -> String {
    let own = in_order(table).into_iter().filter(|(key, value)| defaults.get(*key) != Some(value));
    let entries: Vec<String> = own.map(|(key, value)| format!("{key} = {value}")).collect();
    if entries.is_empty() { "{}".to_string() } else { format!("{{ {} }}", entries.join(", ")) }
}
