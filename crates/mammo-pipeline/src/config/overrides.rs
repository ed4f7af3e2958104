//! `--set` and misspelt keys.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::refuse;
use crate::{Error, Result};

/// Settings with `key=value` or `section.key=value` changes.
///
/// # Errors
/// An unknown key, a value of another type, a change of another form.
pub fn with_settings<T: Serialize + DeserializeOwned>(settings: &T, overrides: &[String]) -> Result<T> {
    let mut table = toml::Table::try_from(settings)?;
    for setting in overrides {
        override_key(&mut table, setting)?;
    }
    let refused = |e: toml::de::Error| Error::Refused(format!("--set: {}", with_nearest_key(&e.to_string())));
    table.try_into().map_err(refused)
}

/// Sets `a.b.c=value` in a table; the value is TOML, or a bare word.
pub(super) fn override_key(table: &mut toml::Table, setting: &str) -> Result<()> {
    let Some((path, value)) = setting.split_once('=') else {
        refuse!("--set {setting}: expected section.key=value, such as patch.training.batch_size=16");
    };
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_string()));
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut section = table;
    for key in keys {
        let entry = section.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(inner) = entry.as_table_mut() else {
            refuse!("--set {setting}: '{key}' is a value, not a section");
        };
        section = inner;
    }
    section.insert(last.to_string(), value);
    Ok(())
}

/// Adds "did you mean" to serde's report of an unknown key or word.
pub fn with_nearest_key(message: &str) -> String {
    let Some(start) = message.find("unknown field `").or_else(|| message.find("unknown variant `")) else {
        return message.to_string();
    };
    let mut quoted = message[start..].split('`').skip(1).step_by(2);
    let Some(found) = quoted.next() else {
        return message.to_string();
    };
    let nearest =
        quoted.max_by(|a, b| strsim::jaro_winkler(a, found).total_cmp(&strsim::jaro_winkler(b, found)));
    match nearest {
        Some(nearest) => format!("{}\ndid you mean `{nearest}`?", message.trim_end()),
        None => message.to_string(),
    }
}
