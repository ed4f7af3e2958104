//! A Keras layer graph with nested models expanded.

use std::collections::HashMap;

use serde_json::Value;

/// Maximum depth of nested models; the authors' models have depth one.
const MAX_DEPTH: usize = 8;

/// One layer.
#[derive(Clone, Debug)]
pub struct Node {
    /// Keras class, such as `Conv2D`.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Its settings.
    pub config: Value,
    /// Group of the weights in the file: the outermost layer that holds it.
    pub group: String,
    /// Whether it belongs to a nested model.
    pub nested: bool,
    /// Its input nodes.
    pub inputs: Vec<usize>,
}

/// Layers and their connections.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All layers in topological order.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Nodes that read a node's output.
    pub fn consumers(&self, node: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&i| self.nodes[i].inputs.contains(&node)).collect()
    }
}

/// Reads `model_config`.
///
/// # Errors
/// A message with what is missing.
pub fn flatten(config: &Value) -> Result<Graph, String> {
    let mut graph = Graph::default();
    add_model(&mut graph, config, None, None, 0)?;
    Ok(graph)
}

/// Adds a model's layers. `outer` is the group of the model that contains it and the node that is its input. Returns
/// the output node.
fn add_model(
    graph: &mut Graph,
    model: &Value,
    group: Option<&str>,
    feed: Option<usize>,
    depth: usize,
) -> Result<usize, String> {
    if depth > MAX_DEPTH {
        return Err(format!("models nested more than {MAX_DEPTH} deep"));
    }
    let class = text(model, "class_name")?;
    let config = &model["config"];
    // A Sequential model of Keras 2.0 is a plain list.
    let layers = config.get("layers").unwrap_or(config);
    let layers = layers.as_array().ok_or_else(|| format!("a {class} without a list of layers"))?;
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut previous = feed;
    for layer in layers {
        let class = text(layer, "class_name")?;
        let name = text(layer, "name").or_else(|_| text(&layer["config"], "name"))?;
        let sequential = layer.get("inbound_nodes").is_none();
        let inputs: Vec<usize> = match sequential {
            true => previous.into_iter().collect(),
            false => {
                let mut names = Vec::new();
                inbound(&layer["inbound_nodes"], &mut names);
                let find = |name: &String| by_name.get(name).copied();
                names
                    .iter()
                    .map(|n| find(n).ok_or_else(|| format!("layer '{name}' is fed by unknown '{n}'")))
                    .collect::<Result<_, _>>()?
            }
        };
        let group = group.unwrap_or(&name).to_string();
        let node = match class.as_str() {
            "Model" | "Functional" | "Sequential" => {
                let [feed] = inputs[..] else {
                    return Err(format!("nested model '{name}' has {} inputs, expected one", inputs.len()));
                };
                add_model(graph, layer, Some(&group), Some(feed), depth + 1)?
            }
            // The input of a nested model is the node that feeds it.
            "InputLayer" if feed.is_some() => feed.unwrap_or_default(),
            _ => {
                let config = layer["config"].clone();
                let nested = depth > 0;
                graph.nodes.push(Node { class, name: name.clone(), config, group, nested, inputs });
                graph.nodes.len() - 1
            }
        };
        by_name.insert(name, node);
        previous = Some(node);
    }
    let outputs = config.get("output_layers").and_then(Value::as_array);
    let output = match outputs.and_then(|outputs| outputs.first()) {
        Some(first) => {
            let name = first.get(0).and_then(Value::as_str).or_else(|| first.as_str());
            name.and_then(|name| by_name.get(name).copied())
        }
        None => previous,
    };
    output.ok_or_else(|| format!("a {class} without an output layer"))
}

/// Names in `inbound_nodes`: `[[["layer", 0, 0, {}], ...]]`, or Keras 3's `keras_history`.
fn inbound(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(items) => match (items.first(), items.get(1)) {
            (Some(Value::String(name)), Some(Value::Number(_))) => names.push(name.clone()),
            _ => items.iter().for_each(|item| inbound(item, names)),
        },
        Value::Object(fields) => fields.values().for_each(|field| inbound(field, names)),
        _ => {}
    }
}

/// A string field.
pub fn text(value: &Value, key: &str) -> Result<String, String> {
    let found = value.get(key).and_then(Value::as_str);
    found.map(str::to_string).ok_or_else(|| format!("a layer without '{key}'"))
}
