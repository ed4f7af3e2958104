//! Computes a model's output for raw input values, for comparison with other frameworks.
//!
//!     cargo run --release --example logits -- MODEL WAY INPUT.f32 N C H W OUT.f32 [GRADIENT NAME]...
//!
//! Input and outputs are little-endian f32. The output is the network's last value: logits, or
//! the features of a trunk alone. WAY is `layers`, the operations that training uses, or
//! `plan-f32` or `plan-bf16`, the compiled network that `mammo predict` uses, whose input is one
//! grey plane (C is 1). With pairs `FILE NAME` after `layers`, the gradient of half the output's
//! mean square with respect to tensor NAME goes to FILE, batch norms on their running statistics.
//! `fixtures/models/check_full.py` drives it.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use mammo_nn::model_file::{self, ModelFile, Network};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::precision::Precision;
use mammo_nn::networks::state::{PathStack, training_flags};

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Anything<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, way, input, n, c, h, w, out, gradients @ ..] = &args[..] else {
        return Err("usage: logits MODEL WAY INPUT.f32 N C H W OUT.f32 [GRADIENT NAME]...".into());
    };
    let file = model_file::load(Path::new(model))?;
    let [n, c, h, w]: [usize; 4] = [n.parse()?, c.parse()?, h.parse()?, w.parse()?];
    let bytes = std::fs::read(input)?;
    let values =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<_>>();
    let values = match (way.as_str(), c) {
        ("layers", _) => {
            let device = if gradients.is_empty() { Device::flex() } else { Device::flex().autodiff() };
            let images = Tensor::<4>::from_data(TensorData::new(values, [n, c, h, w]), &device);
            run(&file, images, &device, gradients)?
        }
        ("plan-f32", 1) => run_plan(&file, &values, [n, h, w], Precision::F32)?,
        ("plan-bf16", 1) => run_plan(&file, &values, [n, h, w], Precision::Bf16)?,
        _ => return Err(format!("{way} of {c} channels; expected layers, or a plan of 1").into()),
    };
    write(out, &values)
}

fn run(file: &ModelFile, x: Tensor<4>, device: &Device, gradients: &[String]) -> Anything<Vec<f32>> {
    match &file.card.network {
        Network::Trunk(_) => {
            let network = unfrozen(file.trunk(device)?);
            finish(&network, network.forward(x).flatten::<2>(1, 3), "trunk.", gradients)
        }
        Network::Patch(_) => {
            let network = unfrozen(file.patch_classifier(device)?);
            finish(&network, network.logits(x, None), "", gradients)
        }
        Network::Image(_) => {
            let network = unfrozen(file.image_classifier(device)?);
            finish(&network, network.logits(x, None), "", gradients)
        }
    }
}

fn run_plan(file: &ModelFile, planes: &[f32], size: [usize; 3], precision: Precision) -> Anything<Vec<f32>> {
    let device = Device::flex();
    let channels = file.card.network.channels();
    let output = match &file.card.network {
        Network::Trunk(_) => {
            let plan = file.trunk(&device)?.plan(channels).0.build(precision);
            plan.feature_map(planes, size, &device).flatten::<2>(1, 3)
        }
        Network::Patch(_) => {
            let network = file.patch_classifier(&device)?;
            let map = network.trunk.plan(channels).0.build(precision).feature_map(planes, size, &device);
            network.head.forward(map.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2))
        }
        Network::Image(_) => {
            let network = file.image_classifier(&device)?;
            let (plan, layer) = network.plan(channels, precision);
            network.logits_of_map(layer, plan.feature_map(planes, size, &device))
        }
    };
    Ok(output.into_data().iter::<f32>().collect())
}

/// The network with batch norms on their running statistics and all other parameters trained.
fn unfrozen<M: Module>(network: M) -> M {
    let all_but_norm_statistics = ParamGroup::all().exclude(training_flags(&network));
    network.freeze().unfreeze_group(all_but_norm_statistics)
}

fn finish<M: Module>(
    network: &M,
    output: Tensor<2>,
    prefix: &str,
    gradients: &[String],
) -> Anything<Vec<f32>> {
    if !gradients.is_empty() {
        let loss = output.clone().powf_scalar(2.0).mean() * 0.5;
        let grads = loss.backward();
        for pair in gradients.chunks_exact(2) {
            let name = pair[1].strip_prefix(prefix).unwrap_or(&pair[1]).to_string();
            let mut finder = Finder { path: PathStack::default(), name, grads: &grads, found: None };
            network.visit(&mut finder);
            write(&pair[0], &finder.found.ok_or("no such tensor, or it has no gradient")?)?;
        }
    }
    Ok(output.into_data().iter::<f32>().collect())
}

struct Finder<'a> {
    path: PathStack,
    name: String,
    grads: &'a Gradients,
    found: Option<Vec<f32>>,
}

impl ModuleVisitor for Finder<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.to_string() == self.name
            && let Some(gradient) = param.val().grad(self.grads)
        {
            self.found = Some(gradient.into_data().iter::<f32>().collect());
        }
    }
}

fn write(path: &str, values: &[f32]) -> Anything<()> {
    Ok(std::fs::write(path, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?)
}
