//! Parses the settings of a Keras layer.

use serde_json::Value;

use super::chain::Activation;

/// The activation in a layer's own settings.
///
/// # Errors
/// A message with an unknown activation.
pub fn activation(config: &Value, name: &str) -> Result<Activation, String> {
    match config["activation"].as_str() {
        None | Some("linear") => Ok(Activation::None),
        Some("relu") => Ok(Activation::Relu),
        Some("softmax") => Ok(Activation::Softmax),
        Some(other) => Err(format!("layer '{name}': activation '{other}', expected relu or softmax")),
    }
}

/// A square window or stride.
///
/// # Errors
/// A message, for windows that are not square or larger than 64.
pub fn square(config: &Value, key: &str) -> Result<usize, String> {
    let [rows, cols] = [0, 1].map(|i| config[key].get(i).and_then(Value::as_u64));
    match (rows, cols) {
        (Some(rows), Some(cols)) if rows == cols && (1..=64).contains(&rows) => Ok(rows as usize),
        _ => Err(format!("{key} {}: expected a square of 1 to 64", config[key])),
    }
}

/// The same number of zeros on all four sides.
pub fn square_padding(value: &Value) -> Option<usize> {
    let mut numbers = Vec::new();
    fn gather(value: &Value, numbers: &mut Vec<u64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, numbers)),
            other => numbers.extend(other.as_u64()),
        }
    }
    gather(value, &mut numbers);
    let first = *numbers.first()?;
    (numbers.iter().all(|&n| n == first) && first <= 64).then_some(first as usize)
}

/// A number of channels or features.
///
/// # Errors
/// A message, for zero or absurd counts.
pub fn count(config: &Value, key: &str) -> Result<usize, String> {
    let value = config[key].as_u64().filter(|n| (1..=65_536).contains(n));
    value.map(|n| n as usize).ok_or_else(|| format!("{key} {}: expected 1 to 65536", config[key]))
}
