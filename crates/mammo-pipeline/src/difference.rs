//! Differences of two records in words, for error messages.

use serde::Serialize;
use serde_json::Value;

/// The fields in which two records of one type differ, as `field: stored X, expected Y`, separated by
/// semicolons; nested fields are joined by dots.
pub fn differences<T: Serialize>(stored: &T, expected: &T) -> String {
    let mut lines = Vec::new();
    match (serde_json::to_value(stored), serde_json::to_value(expected)) {
        (Ok(stored), Ok(expected)) => compare("", &stored, &expected, &mut lines),
        _ => lines.push("records that cannot be written as JSON".to_string()),
    }
    lines.join("; ")
}

fn compare(name: &str, stored: &Value, expected: &Value, lines: &mut Vec<String>) {
    if let (Value::Object(stored), Value::Object(expected)) = (stored, expected) {
        let mut keys: Vec<&String> = stored.keys().chain(expected.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let of = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
            compare(&name, &of(stored), &of(expected), lines);
        }
    } else if stored != expected {
        lines.push(format!("{name}: stored {}, expected {}", word(stored), word(expected)));
    }
}

/// A value as text, without the quotation marks of JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_that_differ_are_named() {
        let record = |family: &str, width: f64| serde_json::json!({"trunk": {"family": family, "width": width}, "seed": 1});
        let text = differences(&record("resnet18", 0.5), &record("vgg16", 0.5));
        assert_eq!(text, "trunk.family: stored resnet18, expected vgg16");
    }
}
