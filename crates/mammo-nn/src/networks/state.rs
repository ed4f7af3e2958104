//! A module's tensors by name: export to a table, and import.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::{Tensor, TensorData};

/// A tensor independent of any framework: shape and values.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// All tensors of a network, running statistics included, by dotted path.
pub type StateDict = BTreeMap<String, NamedTensor>;

/// Position of a visitor in the module tree; `Display` gives the dotted path.
#[derive(Debug, Default)]
pub struct PathStack(Vec<String>);

impl PathStack {
    /// Enters a field.
    pub fn enter(&mut self, name: &str) {
        self.0.push(name.to_string());
    }

    /// Leaves a field.
    pub fn exit(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for PathStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Copies all tensors of a network.
pub fn state_dict<M: Module>(module: &M) -> StateDict {
    let mut collector = Collector { path: PathStack::default(), tensors: StateDict::new() };
    module.visit(&mut collector);
    collector.tensors
}

/// Loads tensors into a newly built network of the same architecture.
///
/// # Errors
/// A message with the first tensor that is missing, unexpected or of another shape.
pub fn load_state_dict<M: Module>(module: M, tensors: StateDict) -> Result<M, String> {
    let mut loader = Loader { path: PathStack::default(), tensors, problem: None };
    let module = module.map(&mut loader);
    match (loader.problem, loader.tensors.keys().next()) {
        (Some(problem), _) => Err(problem),
        (None, Some(left_over)) => Err(format!("tensor '{left_over}' has no place in this architecture")),
        (None, None) => Ok(module),
    }
}

/// Interpolates weights by name: `share` of `start` and `1 - share` of `trained`. Tensors that `start` lacks are
/// those of `trained`.
pub fn interpolated(start: &StateDict, share: f64, trained: StateDict) -> StateDict {
    let share = share as f32;
    let mix = |(name, mut tensor): (String, NamedTensor)| {
        if let Some(start) = start.get(&name) {
            for (value, start) in tensor.values.iter_mut().zip(&start.values) {
                // In this form equal values, such as those of a frozen layer, are unchanged to the bit.
                *value += share * (start - *value);
            }
        }
        (name, tensor)
    };
    trained.into_iter().map(mix).collect()
}

/// The flags with which layers such as batch norm distinguish training from evaluation, without the tensors of the
/// same layers.
pub fn training_flags<M: Module>(module: &M) -> ParamGroup {
    let mut flags = Flags(Vec::new());
    module.visit(&mut flags);
    ParamGroup::from_ids(flags.0)
}

struct Flags(Vec<ParamId>);

impl ModuleVisitor for Flags {
    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.push(flag.id);
    }
}

struct Collector {
    path: PathStack,
    tensors: StateDict,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().into_data().iter::<f32>().collect();
        self.tensors.insert(self.path.to_string(), NamedTensor { shape: param.dims().to_vec(), values });
    }
}

struct Loader {
    path: PathStack,
    tensors: StateDict,
    problem: Option<String>,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (path, dims) = (self.path.to_string(), param.dims());
        let stored = self.tensors.remove(&path);
        let problem = match &stored {
            None => Some(format!("tensor '{path}' is missing")),
            Some(t) if t.shape != dims => {
                Some(format!("tensor '{path}' has shape {:?}, the architecture needs {dims:?}", t.shape))
            }
            Some(_) => None,
        };
        match (problem, stored) {
            (None, Some(tensor)) => {
                let device = param.val().device();
                let learns = param.val().is_require_grad();
                param.map(|_| {
                    let tensor = Tensor::from_data(TensorData::new(tensor.values, dims), &device);
                    tensor.set_require_grad(learns)
                })
            }
            (problem, _) => {
                self.problem = self.problem.take().or(problem);
                param
            }
        }
    }
}
