//! Maps equal the output of the network on each patch, and their cells are at the stated positions.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_core::resample::Resample;
use mammo_core::seed::stream;
use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::{Aspect, Crop, Orient, Preprocessing, Window};
use mammo_nn::inference::heatmap::receptive::{CellAxis, Cells, top_cells, trunk_cells};
use mammo_nn::inference::heatmap::{
    BreastFrame, FindingRule, HeatMap, MapGrid, PatchMapper, PatchWindow, class_probabilities, find,
    grad_cam, saliency,
};
use mammo_nn::networks::Classifier;
use mammo_nn::networks::conventions::{Conventions, Padding};
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig, MapLayer};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::maps::Maps;
use mammo_nn::networks::patch_classifier::{PatchClassifier, PatchClassifierConfig};
use mammo_nn::networks::top::{HeatmapRule, MapPooling, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use rand::RngExt;

const PATCH: usize = 64;

fn noise(seed: u64, h: usize, w: usize, device: &Device) -> Tensor<4> {
    let mut rng = stream(seed, "noise", 0);
    let values: Vec<f32> = (0..h * w).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, h, w]), device)
}

/// A trunk, and how far its receptive field extends beyond a window, rounded up to whole cells.
fn cases() -> [(TrunkConfig, usize); 5] {
    let trunk =
        |family, stages| TrunkConfig { width: 0.125, stages: Some(stages), ..TrunkConfig::new(family) };
    let same = Conventions { padding: Padding::Same, stem_padding: Padding::Same, ..Conventions::default() };
    [
        (trunk(Family::Resnet18, 2), 56),
        (trunk(Family::Resnet50, 1), 20),
        (trunk(Family::Yaroslav, 3), 24),
        (TrunkConfig { conventions: same, ..trunk(Family::Resnet18, 2) }, 56),
        (TrunkConfig { conventions: Conventions::keras_2_0(), ..trunk(Family::Resnet50, 2) }, 56),
    ]
}

fn patch_network(trunk: TrunkConfig, device: &Device) -> PatchClassifier {
    let config = PatchClassifierConfig { trunk: trunk.clone(), n_classes: 5, dropout: 0.0 };
    let mut model = initialise(PatchClassifier::new(&config, device).unwrap(), 4);
    // A new head gives nearly equal outputs everywhere; a steep one makes differences visible.
    model.head.weight = Param::from_tensor((model.head.weight.val() * 20.0).detach());
    model
}

/// The sweep of the original code: the patch network on one window after the other. Each window is extended by `halo`
/// pixels of the image, where the image has them; zero is the bare patch.
fn sweep(model: &PatchClassifier, window: PatchWindow, halo: usize, image: &Tensor<4>) -> Vec<f32> {
    let [_, _, h, w] = image.dims();
    let (patch, step, stride) = (window.patch_px, window.step_px, window.stride_px());
    let (rows, cols) = ((h - patch) / step + 1, (w - patch) / step + 1);
    let mut maps = vec![Vec::new(); 5];
    for row in 0..rows {
        for col in 0..cols {
            let (y, x) = (row * step, col * step);
            let (top, left) = (y.saturating_sub(halo), x.saturating_sub(halo));
            let (bottom, right) = ((y + patch + halo).min(h), (x + patch + halo).min(w));
            let features = model.trunk.forward(image.clone().slice([0..1, 0..1, top..bottom, left..right]));
            let (r, c, n) = ((y - top) / stride, (x - left) / stride, patch / stride);
            let channels = features.dims()[1];
            let inner = features.slice([0..1, 0..channels, r..r + n, c..c + n]);
            let probabilities =
                softmax(model.head.forward(Maps::from_nchw(inner).mean_over_space()), 1).into_data();
            maps.iter_mut().zip(probabilities.iter::<f32>()).for_each(|(map, p)| map.push(p));
        }
    }
    maps.concat()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn one_pass_says_at_every_cell_what_a_sweep_that_sees_around_its_windows_says() {
    let device = Device::flex();
    for (trunk, halo) in cases() {
        let model = patch_network(trunk.clone(), &device);
        let image = noise(1, 160, 128, &device);
        for steps in [1, 2] {
            let window = PatchWindow::new(PATCH, Some(steps * trunk.stride()), &trunk).unwrap();
            let map = class_probabilities(&model, window, image.clone());
            let grid = window.grid(&trunk, 160, 128).unwrap();
            assert_eq!(map.dims(), [1, 5, grid.rows, grid.cols]);
            let map: Vec<f32> = map.into_data().iter::<f32>().collect();
            let difference = worst(&map, &sweep(&model, window, halo, &image));
            assert!(difference < 1e-4, "{trunk:?}, {steps} cells a step: {difference}");
            let spread = map.iter().copied().fold(0.0, f32::max) - map.iter().copied().fold(1.0, f32::min);
            assert!(spread > 0.1, "a map that could fail: {spread}");
            // Bare patches are padded with zeros where the image continues: similar, but not equal.
            let bare = worst(&map, &sweep(&model, window, 0, &image));
            assert!(bare > 1e-3, "{trunk:?}: {bare}");
        }
    }
}

#[test]
fn an_image_of_one_patch_has_one_cell_with_the_patch_classifiers_probabilities() {
    let device = Device::flex();
    for (trunk, _) in cases() {
        let model = patch_network(trunk.clone(), &device);
        let patch = noise(2, PATCH, PATCH, &device);
        let window = PatchWindow::new(PATCH, None, &trunk).unwrap();
        let cell: Vec<f32> =
            class_probabilities(&model, window, patch.clone()).into_data().iter::<f32>().collect();
        let alone: Vec<f32> = softmax(model.logits(patch, None), 1).into_data().iter::<f32>().collect();
        assert!(worst(&cell, &alone) < 1e-6);
    }
}

#[test]
fn windows_of_no_cell_or_larger_than_the_image_are_refused() {
    let trunk = TrunkConfig { stages: Some(3), ..TrunkConfig::new(Family::Vgg16) };
    assert!(PatchWindow::new(7, None, &trunk).unwrap_err().to_string().contains("at least 8 pixels"));
    assert!(PatchWindow::new(64, Some(12), &trunk).unwrap_err().to_string().contains("heatmap stride"));
    let window = PatchWindow::new(64, None, &trunk).unwrap();
    assert!(window.grid(&trunk, 56, 200).unwrap_err().to_string().contains("64x64"));
}

#[test]
fn the_window_of_a_patch_has_the_cells_that_the_trunk_makes_of_it() {
    let conventions =
        Conventions { stem_padding: Padding::Same, padding: Padding::Same, ..Conventions::default() };
    let lite = TrunkConfig { conventions, ..TrunkConfig::new(Family::EfficientNetLite0) };
    let window = |px| PatchWindow::new(px, None, &lite).unwrap();
    assert_eq!(window(160), window(144));
    assert_eq!(window(144).patch_px, 160);
    let grid = window(144).grid(&lite, 320, 192).unwrap();
    assert_eq!((grid.rows, grid.cols, grid.input_centre(0, 0)), (6, 2, (80.0, 80.0)));
}

/// Bounding box of the pixels that a cell of a map depends on, over several images of `h x w` pixels. Winograd
/// convolution leaves rounding errors outside the receptive field: gradients below a millionth of the largest are
/// ignored.
fn seen(cell: [usize; 2], [h, w]: [usize; 2], map: impl Fn(Tensor<4>) -> Tensor<4>) -> Rect {
    let device = Device::flex().autodiff();
    let mut touched = mammo_image::preprocess::Mask::filled(w, h, false);
    for seed in 0..8 {
        let image = noise(seed, h, w, &device).require_grad();
        let features = map(image.clone());
        let channels = features.dims()[1];
        let [row, col] = cell;
        let gradients =
            features.slice([0..1, 0..channels, row..row + 1, col..col + 1]).powi_scalar(2).sum().backward();
        let gradient = image.grad(&gradients).unwrap().into_data();
        let least = gradient.iter::<f32>().fold(0.0, |most: f32, g| most.max(g.abs())) * 1e-6;
        touched.cells.iter_mut().zip(gradient.iter::<f32>()).for_each(|(cell, g)| *cell |= g.abs() > least);
    }
    touched.bounds().unwrap()
}

/// The receptive field of cell `(row, col)` according to `receptive`.
fn computed(cells: &Cells, [row, col]: [usize; 2]) -> Rect {
    let edges = |axis: &CellAxis, i: usize| axis.first_px.map(|px| px + i as f64 * axis.stride_px);
    let ([top, bottom], [left, right]) = (edges(&cells.rows, row), edges(&cells.cols, col));
    Rect::new(left, top, right - left, bottom - top)
}

#[test]
fn a_cell_sees_the_pixels_that_it_is_drawn_on_under_every_padding() {
    let device = Device::flex().autodiff();
    let (half, keras) = (Conventions::default(), Conventions::keras());
    let same_everywhere =
        Conventions { stem_padding: Padding::Same, stem_pool_padding: Padding::Same, ..keras };
    let same_in_the_middle = Conventions { padding: Padding::Same, ..half };
    let cases = [
        (Family::Resnet18, 1, half, [96, 128]),
        (Family::Resnet18, 2, same_in_the_middle, [128, 128]),
        (Family::Resnet18, 2, same_everywhere, [125, 128]),
        (Family::Resnet50, 1, Conventions::keras_2_0(), [96, 127]),
        (Family::Resnet50, 2, same_everywhere, [130, 127]),
        (Family::Yaroslav, 3, half, [90, 128]),
        (Family::EfficientNetLite0, 3, half, [120, 128]),
        (Family::EfficientNetLite0, 3, Conventions::efficientnet_lite(), [120, 121]),
    ];
    for (family, stages, conventions, [h, w]) in cases {
        let trunk =
            TrunkConfig { width: 0.25, stages: Some(stages), conventions, ..TrunkConfig::new(family) };
        let model = patch_network(trunk.clone(), &device).freeze();
        let cells = trunk_cells(&trunk, [h, w]).unwrap();
        assert_eq!([cells.rows.n, cells.cols.n], trunk.grid([h, w]));
        let cell = [h, w].map(|side| side / 2 / trunk.stride());
        let (expected, seen) =
            (computed(&cells, cell), seen(cell, [h, w], |image| model.trunk.forward(image)));
        assert_eq!(seen, expected, "{family:?}, {conventions:?}, {h}x{w}");
        let grid = MapGrid::on_input(1, 1, cells.input_from_cell());
        assert_eq!(grid.input_centre(cell[0], cell[1]), seen.centre());
    }
}

#[test]
fn a_cell_of_a_top_is_drawn_on_what_it_sees() {
    let device = Device::flex().autodiff();
    let same = Conventions { padding: Padding::Same, ..Conventions::default() };
    let heatmap = HeatmapRule { window: 3, ..HeatmapRule::default() };
    for (top, top_conventions, centre) in [
        (TopConfig::Residual { blocks: vec![[8, 8, 16]], repeats: 1 }, Conventions::default(), 66.0),
        (TopConfig::Residual { blocks: vec![[8, 8, 16]], repeats: 1 }, same, 70.0),
        (TopConfig::Vgg { channels: vec![8], depth: 1 }, Conventions::default(), 68.0),
        (
            TopConfig::Yaroslav { pool: 3, fc: vec![8], batch_norm: false, heatmap },
            Conventions::default(),
            38.0,
        ),
    ] {
        let trunk = TrunkConfig { width: 0.25, stages: Some(2), ..TrunkConfig::new(Family::Yaroslav) };
        let config = ImageClassifierConfig {
            trunk,
            top_conventions,
            top: top.clone(),
            pooling: MapPooling::Average,
            n_patch_classes: 5,
            input_px: [128, 128],
            dropout: 0.0,
            exam: None,
        };
        let model = initialise(ImageClassifier::new(&config, &device).unwrap(), 3).freeze();
        let cells = top_cells(&config, [128, 128]).unwrap();
        let seen = seen([8, 8], [128, 128], |image| model.feature_map(MapLayer::Top, image));
        assert_eq!(seen, computed(&cells, [8, 8]), "{top:?}");
        let grid = MapGrid::on_input(1, 1, cells.input_from_cell());
        assert_eq!((grid.input_centre(8, 8), seen.centre()), ((centre, centre), (centre, centre)), "{top:?}");
    }
}

fn brightness_trunk() -> TrunkConfig {
    TrunkConfig { width: 0.05, stages: Some(3), ..TrunkConfig::new(Family::Vgg16) }
}

/// A trunk whose single feature grows with brightness, so that the brightest window is known.
fn brightness_network(device: &Device) -> PatchClassifier {
    use mammo_nn::networks::state::{load_state_dict, state_dict};
    let config = PatchClassifierConfig { trunk: brightness_trunk(), n_classes: 5, dropout: 0.0 };
    let model = PatchClassifier::new(&config, device).unwrap();
    let mut tensors = state_dict(&model);
    for (name, tensor) in &mut tensors {
        tensor.values.fill(0.0);
        let mut set = |index: usize, value: f32| tensor.values[index] = value;
        match tensor.shape.len() {
            // The centre of the kernel from the first channel to the first.
            4 => set(4, 1.0),
            // [features, classes]: background against malignant mass.
            2 => set(2, 12.0),
            _ if name == "head.bias" => set(0, 6.0),
            _ => {}
        }
    }
    load_state_dict(model, tensors).unwrap()
}

/// A stored image: a breast at the right edge, black elsewhere, and one bright square.
fn stored_breast(lesion: &Rect) -> GreyImage {
    let (width, height) = (400, 500);
    let mut image = GreyImage::black(width, height);
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = ((x as f64 - 400.0) / 260.0, (y as f64 - 250.0) / 220.0);
            let inside = x as f64 >= lesion.x && (x as f64) < lesion.right();
            let bright = inside && y as f64 >= lesion.y && (y as f64) < lesion.bottom();
            image.pixels[y * width + x] = match (bright, dx * dx + dy * dy < 1.0) {
                (true, _) => 60000,
                (false, true) => 20000,
                (false, false) => 0,
            };
        }
    }
    image
}

#[test]
fn a_lesion_of_known_place_is_found_there_through_crop_flip_and_resize() {
    let device = Device::flex();
    let model = brightness_network(&device);
    let lesion = Rect::new(250.0, 120.0, 40.0, 40.0);
    let image = stored_breast(&lesion);
    let (left, keep) = (Orient::ChestWallLeft, Aspect::Keep);
    let crop = Crop::Breast { margin_fraction: 0.05 };
    for (crop, orient, aspect) in [
        (Crop::None, Orient::AsStored, Aspect::Stretch),
        (crop, Orient::AsStored, keep),
        (Crop::None, left, keep),
        (crop, left, keep),
        (crop, left, Aspect::Stretch),
    ] {
        let preprocessing = Preprocessing {
            height_px: 320,
            width_px: 256,
            crop,
            orient,
            aspect,
            window: Window::FullScale,
            resample: Resample::Area,
            mean: 0.0,
            std: 255.0,
            ..Preprocessing::default()
        };
        let prepared = preprocessing.apply(image.clone(), Polarity::Normal).unwrap();
        let window = PatchWindow::new(32, None, &brightness_trunk()).unwrap();
        let pixels = &prepared.image.pixels;
        let mapper = PatchMapper {
            network: model.clone(),
            classes: PatchClass::ALL.to_vec(),
            window,
            preprocessing: preprocessing.clone(),
            trunk: brightness_trunk(),
            device: device.clone(),
        };
        let map = mapper.map(pixels).unwrap();
        let grid = map.windows.grid.of_stored(&prepared.input_from_stored, Some([0.1, 0.1])).unwrap();
        let breast = BreastFrame::of(&prepared);
        assert_eq!(breast.wall_left, orient == left, "{orient:?}");
        let found = find(&map, &breast, &FindingRule::new(0.05, 32));
        let peak =
            found.first().unwrap_or_else(|| panic!("nothing found: {:?}", map.windows.malignant().max()));
        let (x, y) = grid.stored_from_input.apply(peak.centre.0, peak.centre.1);
        let (cx, cy) = lesion.centre();
        // Half a step of eight input pixels, in stored pixels, and half for the discrete peak.
        let step = 8.0 * grid.stored_from_input.xx.abs().max(grid.stored_from_input.yy.abs());
        assert!((x - cx).abs() <= step && (y - cy).abs() <= step, "{crop:?} {orient:?} {aspect:?}: {x}, {y}");
        let mm = grid.millimetres(&Rect::new(x, y, 0.0, 0.0)).unwrap();
        assert!((mm.x - x * 0.1).abs() < 1e-9);
        // The breast hangs from the right edge: depth grows towards the left of the stored image.
        let [depth, height] = breast.relative(peak.centre.0, peak.centre.1);
        assert!((depth - (400.0 - cx) / 266.0).abs() < 0.1, "depth {depth}");
        assert!((height - (cy - 25.0) / 450.0).abs() < 0.1, "height {height}");
    }
}

fn image_network(seed: u64, top: TopConfig, device: &Device) -> (ImageClassifier, ImageClassifierConfig) {
    let trunk = TrunkConfig { width: 0.125, stages: Some(2), ..TrunkConfig::new(Family::Resnet18) };
    let config = ImageClassifierConfig {
        trunk,
        top,
        pooling: MapPooling::Average,
        top_conventions: Conventions::default(),
        n_patch_classes: 5,
        input_px: [96, 64],
        dropout: 0.0,
        exam: None,
    };
    (initialise(ImageClassifier::new(&config, device).unwrap(), seed).freeze(), config)
}

/// Spearman's rank correlation; 1 for maps of equal order.
fn rank_correlation(a: &HeatMap, b: &HeatMap) -> f64 {
    let ranks = |map: &HeatMap| {
        let mut order: Vec<usize> = (0..map.values.len()).collect();
        order.sort_by(|&i, &j| map.values[i].total_cmp(&map.values[j]));
        let mut ranks = vec![0.0; order.len()];
        order.iter().enumerate().for_each(|(rank, &i)| ranks[i] = rank as f64);
        ranks
    };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() - 1) as f64 / 2.0;
    let cov = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    cov(&a, &b) / (cov(&a, &a) * cov(&b, &b)).sqrt()
}

#[test]
fn saliency_is_the_slope_of_the_log_odds() {
    let device = Device::flex().autodiff();
    let (model, _) = image_network(3, TopConfig::Vgg { channels: vec![8], depth: 1 }, &device);
    let image = noise(5, 96, 64, &device);
    let map = saliency(&model, image.clone());
    let strongest = (0..map.values.len()).max_by(|&i, &j| map.values[i].total_cmp(&map.values[j])).unwrap();
    let log_odds = |change: f32| -> f32 {
        let mut pixels: Vec<f32> = image.clone().into_data().iter::<f32>().collect();
        pixels[strongest] += change;
        let image = Tensor::<4>::from_data(TensorData::new(pixels, [1, 1, 96, 64]), &device);
        let logits: Vec<f32> = model.logits(image, None).into_data().iter::<f32>().collect();
        logits[1] - logits[0]
    };
    let slope = (log_odds(0.01) - log_odds(-0.01)) / 0.02;
    let stored = map.values[strongest];
    assert!((slope.abs() - stored).abs() < 0.05 * stored, "{slope} against {stored}");
}

#[test]
fn grad_cam_of_the_last_map_is_the_class_activation_map_of_the_last_layer() {
    use mammo_nn::networks::state::state_dict;
    let device = Device::flex().autodiff();
    let top = TopConfig::Residual { blocks: vec![[8, 8, 16]], repeats: 1 };
    let (model, config) = image_network(3, top, &device);
    let image = noise(6, 96, 64, &device);
    let map = grad_cam(&model, &config, MapLayer::Top, image.clone()).unwrap();
    // After a global average the gradient is the weight of the last layer over the cells.
    let weights = &state_dict(&model)["head.weight"].values;
    let features: Vec<f32> = model.feature_map(MapLayer::Top, image).into_data().iter::<f32>().collect();
    let n = map.values.len();
    let mut expected = vec![0.0_f32; n];
    for (k, feature) in features.chunks_exact(n).enumerate() {
        let weight = (weights[2 * k + 1] - weights[2 * k]) / n as f32;
        expected.iter_mut().zip(feature).for_each(|(sum, a)| *sum += weight * a);
    }
    expected.iter_mut().for_each(|v| *v = v.max(0.0));
    assert!(worst(&map.values, &expected) < 1e-6 + 1e-4 * map.max());
    assert!(map.max() > 0.0);
}

#[test]
fn maps_change_with_the_weights_of_every_layer_above_and_below() {
    let device = Device::flex().autodiff();
    let image = noise(7, 96, 64, &device);
    for top in [
        TopConfig::Residual { blocks: vec![[8, 8, 16]], repeats: 1 },
        TopConfig::Yaroslav { pool: 3, fc: vec![8, 4], batch_norm: false, heatmap: HeatmapRule::default() },
    ] {
        let (trained, config) = image_network(3, top.clone(), &device);
        let (randomised, _) = image_network(4, top.clone(), &device);
        let similar =
            rank_correlation(&saliency(&trained, image.clone()), &saliency(&randomised, image.clone()));
        assert!(similar < 0.6, "saliency, {top:?}: {similar}");
        let cam = |model| grad_cam(model, &config, MapLayer::Trunk, image.clone()).unwrap();
        let (before, after) = (cam(&trained), cam(&randomised));
        let similar = rank_correlation(&before, &after);
        assert!(similar < 0.8, "grad-cam, {top:?}: {similar}");
        assert_eq!(before, cam(&trained), "the same weights give the same map");
    }
}
