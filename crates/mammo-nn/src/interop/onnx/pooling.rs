//! Poolings as ONNX operations.

use super::graph::Builder;
use super::proto::{AttributeProto, INT64, TensorProto};
use crate::Result;
use crate::networks::outline::LOG_SHARPNESS;
use crate::networks::top::MapPooling;

impl Builder<'_> {
    /// A map pooled over its cells, `[n, c, 1, 1]` or `[n, c, 1]`.
    pub(super) fn pooled(&mut self, x: &str, name: &str, pooling: MapPooling) -> Result<String> {
        let mean =
            |this: &mut Self, x: &str| this.node("GlobalAveragePool", &format!("{name}.mean"), &[x], vec![]);
        let max = |this: &mut Self, x: &str| this.node("GlobalMaxPool", &format!("{name}.max"), &[x], vec![]);
        Ok(match pooling {
            MapPooling::Average => mean(self, x),
            MapPooling::Max => max(self, x),
            MapPooling::AverageMax => {
                let pooled = [mean(self, x), max(self, x)];
                self.concat(&[&pooled[0], &pooled[1]], &format!("{name}.concat"))
            }
            MapPooling::TopK(k) => {
                let shape = self.integers(&format!("{name}.shape"), &[0, 0, -1]);
                let cells = self.node("Reshape", &format!("{name}.cells"), &[x, &shape], vec![]);
                let k = self.integers(&format!("{name}.k"), &[k as i64]);
                let largest = self.node("TopK", &format!("{name}.largest"), &[&cells, &k], vec![]);
                // The second output of this operation, the indices, must have a name too.
                self.nodes
                    .iter_mut()
                    .rev()
                    .take(1)
                    .for_each(|node| node.output.push(format!("{name}.indices")));
                let axes = vec![AttributeProto::ints("axes", &[2])];
                self.node("ReduceMean", &format!("{name}.mean"), &[&largest], axes)
            }
            MapPooling::LogSumExp => {
                let log_sharpness = self.tensor(LOG_SHARPNESS)?.values;
                let sharpness: Vec<f32> = log_sharpness.iter().map(|v| v.exp()).collect();
                let shape = [1, sharpness.len(), 1, 1];
                let sharpness = self.constant(&format!("{name}.sharpness"), &shape, sharpness);
                let scaled = self.node("Mul", &format!("{name}.scaled"), &[x, &sharpness], vec![]);
                let largest = max(self, &scaled);
                let less = self.node("Sub", &format!("{name}.difference"), &[&scaled, &largest], vec![]);
                let exp = self.node("Exp", &format!("{name}.exp"), &[&less], vec![]);
                let exp = mean(self, &exp);
                let log = self.node("Log", &format!("{name}.log"), &[&exp], vec![]);
                let sum = self.node("Add", &format!("{name}.sum"), &[&log, &largest], vec![]);
                self.node("Div", &format!("{name}.unscaled"), &[&sum, &sharpness], vec![])
            }
        })
    }

    fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.initializers.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        name.into()
    }
}
