//! Networks with imported PyTorch and Keras weights compute the same as in their framework.
//!
//! Reference values, the scripts that made them and their versions: `fixtures/models`.

use std::io::Read;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use mammo_image::preprocess::Preprocessing;
use mammo_nn::interop::weights;
use mammo_nn::interop::weights::Imported;
use mammo_nn::model_file::{self, ModelCard, ModelFile, Network, TrainingRecord};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::conventions::Conventions;
use mammo_nn::networks::patch_classifier::PatchClassifierConfig;
use mammo_nn::networks::state::{PathStack, StateDict, training_flags};
use mammo_nn::networks::trunk::Family;
use rand::RngExt;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::seeded::{uniform, weights as seeded_weights};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn image(name: &str, shape: [usize; 4], device: &Device) -> Tensor<4> {
    let values = uniform(&format!("image {name}"), shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Largest difference, relative to the largest value.
#[track_caller]
fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let worst = ours.iter().zip(theirs).fold(0.0, |a: f64, (x, y)| a.max((x - y).abs()));
    assert!(scale > 0.0 && worst <= tolerance * scale, "{what}: {worst} of {scale}");
}

fn write_safetensors(path: &Path, tensors: &StateDict, prefix: &str) {
    let bytes: Vec<Vec<u8>> =
        tensors.values().map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, t), bytes)| {
        (format!("{prefix}{name}"), TensorView::new(Dtype::F32, t.shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Saves an import as a model file and loads it again.
fn model_of(imported: Imported, dir: &Path) -> ModelFile {
    let path = dir.join("model.safetensors");
    let mut preprocessing = Preprocessing::paper();
    if let Network::Image(config) = &imported.network {
        [preprocessing.height_px, preprocessing.width_px] = config.input_px;
    }
    let classes = (0..imported.network.n_classes()).map(|i| i.to_string()).collect();
    let card = ModelCard::new(imported.network, classes, preprocessing, TrainingRecord::default());
    model_file::save(&path, &card, &imported.tensors).unwrap();
    let file = model_file::load(&path).unwrap();
    assert_eq!(file.tensors, imported.tensors);
    file
}

/// Output and, by name, the gradient of half its mean square, norms on running statistics.
fn output(file: &ModelFile, x: Tensor<4>, names: &[String]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let device = x.device();
    match &file.card.network {
        Network::Trunk(_) => {
            let network = eval_mode(file.trunk(&device).unwrap());
            let names: Vec<String> = names.iter().map(|n| n.replacen("trunk.", "", 1)).collect();
            gradients(&network, network.forward(x).flatten::<2>(1, 3), &names)
        }
        Network::Patch(_) => {
            let network = eval_mode(file.patch_classifier(&device).unwrap());
            gradients(&network, network.logits(x, None), names)
        }
        Network::Image(_) => {
            let network = eval_mode(file.image_classifier(&device).unwrap());
            gradients(&network, network.logits(x, None), names)
        }
    }
}

fn eval_mode<M: Module>(network: M) -> M {
    let learning = ParamGroup::all().exclude(training_flags(&network));
    network.freeze().unfreeze_group(learning)
}

fn gradients<M: Module>(network: &M, output: Tensor<2>, names: &[String]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let values = output.clone().into_data().iter::<f64>().collect();
    if names.is_empty() {
        return (values, Vec::new());
    }
    let grads = (output.powf_scalar(2.0).mean() * 0.5).backward();
    let gradient = |name: &String| {
        let mut finder = Finder { path: PathStack::default(), name, grads: &grads, found: Vec::new() };
        network.visit(&mut finder);
        finder.found
    };
    (values, names.iter().map(gradient).collect())
}

struct Finder<'a> {
    path: PathStack,
    name: &'a str,
    grads: &'a Gradients,
    found: Vec<f64>,
}

impl ModuleVisitor for Finder<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }
    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.to_string() == self.name {
            self.found = param.val().grad(self.grads).unwrap().into_data().iter::<f64>().collect();
        }
    }
}

/// Norm, projection on seeded numbers and first values, as the script stores them.
#[track_caller]
fn assert_figures(values: &[f64], expected: &Value, seed: &str, tolerance: f64, what: &str) {
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let direction = uniform(seed, values.len());
    let projection: f64 = values.iter().zip(&direction).map(|(v, d)| v * f64::from(*d)).sum();
    let their_norm = expected["norm"].as_f64().unwrap();
    let theirs = [their_norm, expected["projection"].as_f64().unwrap()];
    assert_close(&[norm, projection], &theirs, tolerance, what);
    let first = numbers(&expected["first"]);
    let root = (values.len() as f64).sqrt();
    let worst = values.iter().zip(&first).fold(0.0, |a: f64, (x, y)| a.max((x - y).abs()));
    assert!(worst <= tolerance * their_norm / root * 10.0, "{what}: first values differ by {worst}");
}

#[test]
fn networks_of_torchvision_and_timm_give_their_outputs_and_gradients() {
    let reference = json("torch.json");
    for case in reference["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        // timm and Lightning add prefixes to names, which must make no difference.
        let prefix = if name == "resnet18" { "model." } else { "" };
        write_safetensors(&path, &seeded_weights(&case["tensors"]), prefix);
        let mut imported = weights::read(&path).unwrap();
        assert_eq!(imported.conventions_known, !name.contains("efficientnet"), "{name}");
        if let (Network::Trunk(trunk) | Network::Patch(PatchClassifierConfig { trunk, .. }), false) =
            (&mut imported.network, imported.conventions_known)
        {
            let google = name.starts_with("tf_");
            trunk.conventions =
                if google { Conventions::efficientnet_lite() } else { Conventions::default() };
        }
        let file = model_of(imported, dir.path());
        let convs = file.card.network.outline().unwrap();
        let trunk = convs.convs();
        let last = match file.card.network {
            // Named in torch's order, a block's shortcut comes last.
            Network::Patch(_) => trunk.iter().rev().find(|c| !c.path.contains("shortcut")).unwrap(),
            _ => trunk.last().unwrap(),
        };
        let names = [&trunk[0].path, &last.path].map(|path| format!("{path}.conv.weight"));
        for result in case["results"].as_array().unwrap() {
            let size: [usize; 2] = serde_json::from_value(result["size"].clone()).unwrap();
            let x = image(name, [2, 3, size[0], size[1]], &Device::flex().autodiff());
            let (values, grads) = output(&file, x, &names);
            assert_figures(&values, &result["output"], "output", 1e-4, name);
            for (gradient, which) in grads.iter().zip(["first_gradient", "last_gradient"]) {
                if let Some(expected) = result.get(which) {
                    assert_figures(gradient, expected, "gradient", 1e-3, name);
                }
            }
        }
    }
}

#[test]
fn checkpoints_of_either_format_hold_the_same_tensors() {
    let expected = seeded_weights(&json("torch.json")["narrow"]);
    for file in ["vgg_zip.pth", "vgg_legacy.pth"] {
        let imported = weights::read(&fixture(file)).unwrap();
        assert!(matches!(&imported.network, Network::Trunk(t) if t.blocks.is_some()), "{file}");
        let ours = &imported.tensors["trunk.Vgg.blocks.1.convs.0.conv.weight"];
        assert_eq!(*ours, expected["features.5.weight"], "{file}");
        assert_eq!(imported.tensors.len(), expected.len(), "{file}");
    }
}

#[test]
fn checkpoints_of_training_programs_hold_the_tensors_of_the_plain_file() {
    let plain = weights::read(&fixture("vgg_zip.pth")).unwrap();
    for (name, left_out) in [
        ("imagenet", Some("outside 'state_dict.module.'")),
        ("lightning", Some("outside 'state_dict.model.net.'")),
        ("timm", Some("outside 'state_dict.'")),
        ("compiled", Some("outside 'model.module._orig_mod.'")),
        ("backbone", Some("outside 'encoder.backbone.'")),
        ("f64", None),
        ("module", None),
        ("module_inside", Some("outside 'model.'")),
    ] {
        let imported = weights::read(&fixture(&format!("checkpoint_{name}.pth"))).unwrap();
        assert_eq!((&imported.network, &imported.tensors), (&plain.network, &plain.tensors), "{name}");
        let said = imported.notes.iter().find(|note| note.contains("left out"));
        assert!(
            said.map(String::as_str).unwrap_or_default().contains(left_out.unwrap_or_default()),
            "{said:?}"
        );
        assert_eq!(said.is_some(), left_out.is_some(), "{name}");
    }
}

#[test]
fn numbers_of_16_bits_are_read_from_both_containers() {
    let dir = tempfile::tempdir().unwrap();
    let plain = weights::read(&fixture("vgg_zip.pth")).unwrap();
    let named = seeded_weights(&json("torch.json")["narrow"]);
    type Encode = fn(f32) -> [u8; 2];
    let kinds: [(&str, Dtype, Encode, f32); 2] = [
        ("f16", Dtype::F16, |v| half::f16::from_f32(v).to_le_bytes(), 1.0 / 2048.0),
        ("bf16", Dtype::BF16, |v| half::bf16::from_f32(v).to_le_bytes(), 1.0 / 256.0),
    ];
    for (name, dtype, encode, precision) in kinds {
        let pickled = weights::read(&fixture(&format!("checkpoint_{name}.pth"))).unwrap().tensors;
        for (tensor, expected) in &plain.tensors {
            for (found, exact) in pickled[tensor].values.iter().zip(&expected.values) {
                assert!(
                    (found - exact).abs() <= precision * exact.abs().max(1e-4),
                    "{name} {tensor}: {found} {exact}"
                );
            }
        }
        let bytes: Vec<Vec<u8>> =
            named.values().map(|t| t.values.iter().flat_map(|v| encode(*v)).collect()).collect();
        let views = named.iter().zip(&bytes).map(|((name, t), bytes)| {
            (format!("net.{name}"), TensorView::new(dtype, t.shape.clone(), bytes).unwrap())
        });
        let path = dir.path().join("weights.safetensors");
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        assert_eq!(weights::read(&path).unwrap().tensors, pickled, "{name}");
    }
}

#[test]
fn files_of_other_forms_are_named_and_say_how_to_export() {
    for (file, named, how) in [
        ("foreign_learner.pth", "'__main__.Learner'", "torch.save(model.state_dict()"),
        ("foreign_old_module.pth", "a whole pickled module", "torch.save(model.state_dict()"),
        ("foreign_torchscript.pt", "TorchScript", "torch.jit.load"),
        ("foreign_export.pt2", "torch.export", "torch.export.load"),
        ("foreign_keras3.keras", "Keras 3", "model.save('model.h5')"),
        ("foreign_arrays.npz", "NumPy arrays (.npz)", "safetensors.numpy.save_file"),
        ("foreign_array.npy", "a NumPy array", "safetensors.numpy.save_file"),
    ] {
        let error = weights::read(&fixture(file)).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(named) && error.contains(how), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("two.safetensors");
    let named = seeded_weights(&json("torch.json")["narrow"]);
    let both: StateDict = ["encoder_q.", "encoder_k."]
        .iter()
        .flat_map(|prefix| named.iter().map(move |(name, t)| (format!("{prefix}{name}"), t.clone())))
        .collect();
    write_safetensors(&path, &both, "");
    let error = weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("several networks") && error.contains("'encoder_k.', 'encoder_q.'"), "{error}");
}

fn keras(name: &str, dir: &Path) -> Imported {
    let packed = std::fs::File::open(fixture(&format!("keras_{name}.h5.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let path = dir.join(format!("{name}.h5"));
    std::fs::write(&path, bytes).unwrap();
    weights::read(&path).unwrap()
}

#[test]
fn keras_models_of_the_papers_kinds_give_their_logits() {
    let reference = json("keras.json");
    for case in reference["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = model_of(keras(name, dir.path()), dir.path());
        let size: [usize; 2] = serde_json::from_value(case["size"].clone()).unwrap();
        let channels = case["channels"].as_u64().unwrap() as usize;
        let (logits, _) = output(&file, image(name, [2, channels, size[0], size[1]], &Device::flex()), &[]);
        assert_close(&logits, &numbers(&case["logits"]), 1e-4, name);
    }
}

#[test]
fn a_keras_model_comes_in_under_its_familys_name_with_its_conventions() {
    let dir = tempfile::tempdir().unwrap();
    let resnet = keras("resnet50_image", dir.path()).network;
    let keras_2_0 = mammo_nn::networks::conventions::Conventions::keras_2_0();
    assert_eq!((resnet.trunk().family, resnet.trunk().conventions), (Family::Resnet50, keras_2_0));
    assert_eq!(keras("vgg16_image", dir.path()).network.trunk().family, Family::Vgg16);
    assert_eq!(keras("yaroslav_image", dir.path()).network.trunk().family, Family::Yaroslav);
}

#[test]
fn a_resnet_that_this_program_does_not_have_is_refused_by_its_depths() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let mut tensors = seeded_weights(&json("torch.json")["cases"][0]["tensors"]);
    let extra: Vec<_> = tensors
        .iter()
        .filter(|(name, _)| name.starts_with("layer1.1."))
        .map(|(name, t)| (name.replacen("layer1.1.", "layer1.2.", 1), t.clone()))
        .collect();
    tensors.extend(extra);
    write_safetensors(&path, &tensors, "");
    let error = weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("basic blocks [3, 2]"), "{error}");
}

#[test]
fn torch_names_go_out_as_they_came_in() {
    let dir = tempfile::tempdir().unwrap();
    let case = &json("torch.json")["cases"][1];
    let tensors = seeded_weights(&case["tensors"]);
    let path = dir.path().join("weights.safetensors");
    write_safetensors(&path, &tensors, "");
    let file = model_of(weights::read(&path).unwrap(), dir.path());
    let out = dir.path().join("out.safetensors");
    weights::write_torch_safetensors(&out, &file).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    let written = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(written.len(), tensors.len());
    for (name, tensor) in &tensors {
        let view = written.tensor(name).unwrap();
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!((view.shape(), &values), (tensor.shape.as_slice(), &tensor.values), "{name}");
    }
    let keras_dir = tempfile::tempdir().unwrap();
    let keras = model_of(keras("resnet50_image", keras_dir.path()), keras_dir.path());
    let refused = weights::write_torch_safetensors(&out, &keras).unwrap_err().to_string();
    assert!(refused.contains("Export ONNX instead"), "{refused}");
}

#[test]
fn lengths_that_a_checkpoint_states_are_not_trusted_with_memory() {
    let error = weights::read(&fixture("expanded.pth")).unwrap_err().to_string();
    assert!(error.contains("tensors of more than"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.tar");
    let mut bytes = vec![0; 1024];
    bytes[257..262].copy_from_slice(b"ustar");
    std::fs::write(&path, bytes).unwrap();
    let error = weights::read(&path).unwrap_err().to_string();
    assert!(error.contains("save it again with a current PyTorch"), "{error}");
}

#[test]
fn damaged_weight_files_are_errors_or_whole_networks() {
    let dir = tempfile::tempdir().unwrap();
    keras("resnet50_patch", dir.path());
    let narrow = dir.path().join("narrow.safetensors");
    write_safetensors(&narrow, &seeded_weights(&json("torch.json")["narrow"]), "module.");
    let files =
        [fixture("vgg_zip.pth"), fixture("vgg_legacy.pth"), narrow, dir.path().join("resnet50_patch.h5")];
    let mut rng = mammo_core::seed::stream(1, "damaged weights", 0);
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        let intact = weights::read(&file).unwrap().tensors;
        let path = dir.path().join("damaged");
        for i in 0..200 {
            let mut bytes = whole.clone();
            // The structure is at both ends of the file, the values between.
            let end = whole.len().min(4096);
            let place = match i % 3 {
                0 => rng.random_range(0..end),
                1 => whole.len() - 1 - rng.random_range(0..end),
                _ => rng.random_range(0..whole.len()),
            };
            let kind = i % 5;
            match kind {
                0 => bytes.truncate(place),
                1 => bytes[place] ^= 1 << rng.random_range(0..8),
                2 => bytes[place] = 0xff,
                3 => bytes.insert(place, rng.random_range(0..=255)),
                _ => drop(bytes.drain(place..(place + rng.random_range(1..64)).min(whole.len()))),
            }
            std::fs::write(&path, &bytes).unwrap();
            // Most formats have no checksum of the values; names and shapes must still match.
            if let Ok(imported) = weights::read(&path) {
                let expected = imported.network.outline().unwrap().tensors();
                assert!(imported.tensors.keys().eq(expected.keys()), "{} {i}", file.display());
                // A cut may remove only the unused space at the end of an HDF5 file.
                assert!(kind != 0 || imported.tensors == intact, "{} cut at {place}", file.display());
            }
        }
    }
}
