//! From the views of an exam to one score per breast and one per exam.
//!
//! The margin of an image is the difference of its two logits. The margin of a breast is the largest of its views plus
//! an increment that a small network computes from the largest and the smallest value of each pooled feature over its
//! views, so that it sees what all views show and what only one does; that of an exam is the largest of its breasts plus
//! an increment from the difference between left and right. Increments are never negative and need something to
//! compare, so that by construction
//!
//! - a breast scores at least as high as each of its images, an exam at least as high as each of its breasts;
//! - a breast with one view has the score of that view, an exam with one breast that of the breast: any view may be
//!   missing.
//!
//! Not in the paper, which scores images one by one.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softplus};
use burn::tensor::{Device, Int, Tensor, TensorData};
use mammo_core::record::Laterality;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The heads of [`ExamHeads`] as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExamHeadsConfig {
    /// Units of the hidden layer of each head.
    pub units: usize,
}

impl ExamHeadsConfig {
    /// Checks the number of units.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(&self) -> Result<()> {
        match self.units {
            1..=4096 => Ok(()),
            n => Err(Error::network("units", n.to_string(), "1 to 4096")),
        }
    }
}

/// Which images of a batch belong to one breast and which breasts to one exam.
///
/// An image of unknown laterality counts as a breast of its own, which is compared with no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// The images of each breast.
    breasts: Vec<Vec<usize>>,
    /// The breasts of each exam.
    exams: Vec<Vec<usize>>,
    /// For each exam its left and its right breast, if it has both.
    pairs: Vec<Option<[usize; 2]>>,
}

impl Views {
    /// One image per exam.
    pub fn single(n: usize) -> Self {
        let each: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
        Self { breasts: each.clone(), exams: each, pairs: vec![None; n] }
    }

    /// Adds an exam whose images, in the order of the batch, show these breasts.
    pub fn add(&mut self, images: &[Option<Laterality>]) {
        let first = self.breasts.iter().map(Vec::len).sum();
        let (mut exam, mut sides) = (Vec::new(), [None::<usize>; 2]);
        for (image, laterality) in (first..).zip(images) {
            let place = laterality.map(|laterality| match laterality {
                Laterality::Left => 0,
                Laterality::Right => 1,
            });
            match place.and_then(|side| sides[side]) {
                Some(known) => self.breasts[known].push(image),
                None => {
                    let number = self.breasts.len();
                    self.breasts.push(vec![image]);
                    exam.push(number);
                    if let Some(side) = place {
                        sides[side] = Some(number);
                    }
                }
            }
        }
        self.exams.push(exam);
        self.pairs.push(match sides {
            [Some(left), Some(right)] => Some([left, right]),
            _ => None,
        });
    }

    /// True if every exam has one image.
    pub fn is_single(&self) -> bool {
        self.breasts.len() == self.exams.len() && self.breasts.iter().all(|images| images.len() == 1)
    }

    /// The laterality of each breast, given that of each image.
    pub fn lateralities(&self, images: &[Option<Laterality>]) -> Vec<Option<Laterality>> {
        self.breasts.iter().map(|breast| images[breast[0]]).collect()
    }
}

/// The margins of a batch at each level.
#[derive(Clone, Debug)]
pub struct Margins {
    /// `[images]`.
    pub images: Tensor<1>,
    /// `[breasts]`, in the order in which they were added.
    pub breasts: Tensor<1>,
    /// `[exams]`.
    pub exams: Tensor<1>,
}

impl Margins {
    /// Logits of the two classes of each exam.
    ///
    /// # Shapes
    /// `[exams, 2]`.
    pub fn exam_logits(&self) -> Tensor<2> {
        let half = self.exams.clone() * 0.5;
        Tensor::stack(vec![-half.clone(), half], 1)
    }
}

/// A network whose output is never negative.
#[derive(Module, Debug)]
struct Increment {
    hidden: Linear,
    out: Linear,
}

/// Subtracted before softplus: untrained increments are about 0.05, so that training begins at the largest view.
const START: f32 = 3.0;

impl Increment {
    fn new(d_in: usize, units: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(d_in, units).init(device),
            out: LinearConfig::new(units, 1).init(device),
        }
    }

    /// `[n, d_in]` to `[n]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<1> {
        let n = x.dims()[0];
        softplus(self.out.forward(relu(self.hidden.forward(x))) - START, 1.0).reshape([n])
    }
}

/// The networks that compare views and breasts.
#[derive(Module, Debug)]
pub struct ExamHeads {
    breast: Increment,
    exam: Increment,
}

impl ExamHeads {
    /// Heads on pooled features of `d` values; weights are filled by [`init`](crate::networks::init).
    pub fn new(config: ExamHeadsConfig, d: usize, device: &Device) -> Self {
        let head = || Increment::new(2 * d, config.units, device);
        Self { breast: head(), exam: head() }
    }
}

/// Combines the views of each exam; without heads by the largest value alone.
///
/// # Shapes
/// `features`: `[images, d]`; `logits`: `[images, 2]`.
pub fn combine(heads: Option<&ExamHeads>, features: Tensor<2>, logits: Tensor<2>, views: &Views) -> Margins {
    let [n, d] = features.dims();
    let device = features.device();
    let images = (logits.clone().slice([0..n, 1..2]) - logits.slice([0..n, 0..1])).reshape([n]);
    let mut breasts = largest_of(images.clone().reshape([n, 1]), &views.breasts).reshape([-1]);
    // Features of each breast: the largest of its views, in which a finding of any view is visible.
    let of_breasts = largest_of(features.clone(), &views.breasts);
    if let Some(heads) = heads {
        let compared: Vec<usize> = (0..views.breasts.len()).filter(|&b| views.breasts[b].len() > 1).collect();
        if !compared.is_empty() {
            let smallest = -largest_of(-features, &views.breasts);
            let both = Tensor::cat(vec![of_breasts.clone(), smallest], 1);
            let increment = heads.breast.forward(rows(both, &compared));
            breasts = breasts + placed(increment, &compared, views.breasts.len(), &device);
        }
    }
    let mut exams = largest_of(breasts.clone().reshape([-1, 1]), &views.exams).reshape([-1]);
    if let Some(heads) = heads {
        let compared: Vec<usize> = (0..views.pairs.len()).filter(|&e| views.pairs[e].is_some()).collect();
        if !compared.is_empty() {
            let side =
                |i: usize| -> Vec<usize> { views.pairs.iter().flatten().map(|pair| pair[i]).collect() };
            let [left, right] = [side(0), side(1)].map(|side| rows(of_breasts.clone(), &side));
            let larger = left.clone().max_pair(right.clone());
            let both = Tensor::cat(vec![larger, (left - right).abs()], 1);
            let increment = heads.exam.forward(both.reshape([-1, 2 * d as i32]));
            exams = exams + placed(increment, &compared, views.exams.len(), &device);
        }
    }
    Margins { images, breasts, exams }
}

/// The largest row of each group, column by column: `[n, d]` to `[groups, d]`.
fn largest_of(x: Tensor<2>, groups: &[Vec<usize>]) -> Tensor<2> {
    let d = x.dims()[1];
    let most = groups.iter().map(Vec::len).max().unwrap_or(1);
    // Short groups are filled with their first row.
    let padded: Vec<usize> =
        groups.iter().flat_map(|group| (0..most).map(|i| *group.get(i).unwrap_or(&group[0]))).collect();
    rows(x, &padded).reshape([groups.len(), most, d]).max_dim(1).reshape([groups.len(), d])
}

/// The named rows of `x`.
fn rows(x: Tensor<2>, at: &[usize]) -> Tensor<2> {
    let at: Vec<i64> = at.iter().map(|&i| i as i64).collect();
    let n = at.len();
    let at = Tensor::<1, Int>::from_data(TensorData::new(at, [n]), &x.device());
    x.select(0, at)
}

/// `[n]` zeros with `values` at the named places.
fn placed(values: Tensor<1>, at: &[usize], n: usize, device: &Device) -> Tensor<1> {
    let mut places = vec![0.0f32; n * at.len()];
    at.iter().enumerate().for_each(|(i, &place)| places[place * at.len() + i] = 1.0);
    let places = Tensor::<2>::from_data(TensorData::new(places, [n, at.len()]), device);
    places.matmul(values.reshape([at.len(), 1])).reshape([n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::init::initialise;

    const LEFT: Option<Laterality> = Some(Laterality::Left);
    const RIGHT: Option<Laterality> = Some(Laterality::Right);

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    /// Two exams: four views; one view.
    fn two_exams() -> Views {
        let mut views = Views::default();
        views.add(&[LEFT, RIGHT, LEFT, RIGHT]);
        views.add(&[RIGHT]);
        views
    }

    fn inputs(device: &Device) -> (Tensor<2>, Tensor<2>) {
        let features: Vec<f32> = (0..15).map(|i| (i * 7 % 11) as f32 / 5.0).collect();
        let logits = [0.0, 1.0, 0.0, -2.0, 0.0, 0.5, 0.0, 3.0, 1.0, 0.0];
        (
            Tensor::from_data(TensorData::new(features, [5, 3]), device),
            Tensor::from_data(TensorData::new(logits.to_vec(), [5, 2]), device),
        )
    }

    #[test]
    fn images_are_grouped_by_breast_and_exam() {
        let views = two_exams();
        assert_eq!(views.breasts, [vec![0, 2], vec![1, 3], vec![4]]);
        assert_eq!(views.exams, [vec![0, 1], vec![2]]);
        assert_eq!(views.pairs, [Some([0, 1]), None]);
        assert!(!views.is_single() && Views::single(3).is_single());
        let mut unknown = Views::default();
        unknown.add(&[None, None, LEFT]);
        assert_eq!((unknown.breasts.len(), unknown.pairs[0]), (3, None));
    }

    #[test]
    fn without_heads_the_largest_view_counts() {
        let (features, logits) = inputs(&Device::flex());
        let margins = combine(None, features, logits, &two_exams());
        assert_eq!(values(margins.images), [1.0, -2.0, 0.5, 3.0, -1.0]);
        assert_eq!(values(margins.breasts), [1.0, 3.0, -1.0]);
        assert_eq!(values(margins.exams), [3.0, -1.0]);
    }

    #[test]
    fn heads_add_where_there_is_something_to_compare_and_never_subtract() {
        let device = Device::flex();
        let (features, logits) = inputs(&device);
        for seed in 0..5 {
            let heads = initialise(ExamHeads::new(ExamHeadsConfig { units: 4 }, 3, &device), seed);
            let margins = combine(Some(&heads), features.clone(), logits.clone(), &two_exams());
            let (breasts, exams) = (values(margins.breasts.clone()), values(margins.exams.clone()));
            assert!(breasts[0] > 1.0 && breasts[1] > 3.0 && exams[0] > breasts[0].max(breasts[1]));
            assert_eq!((breasts[2], exams[1]), (-1.0, -1.0), "one view alone");
            let logits: Vec<f32> = margins.exam_logits().into_data().iter::<f32>().collect();
            assert!((logits[1] - logits[0] - exams[0]).abs() < 1e-6);
        }
    }

    #[test]
    fn gradients_reach_both_heads_and_the_winning_view() {
        let device = Device::flex().autodiff();
        let heads = initialise(ExamHeads::new(ExamHeadsConfig { units: 16 }, 3, &device), 1);
        let (features, logits) = inputs(&device);
        let logits = logits.require_grad();
        let margins = combine(Some(&heads), features, logits.clone(), &two_exams());
        let grads = margins.exams.sum().backward();
        let of_logits: Vec<f32> = logits.grad(&grads).unwrap().into_data().iter::<f32>().collect();
        assert_eq!(of_logits, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 1.0, -1.0, 1.0]);
        for head in [&heads.breast, &heads.exam] {
            let gradient = head.out.weight.val().grad(&grads).unwrap();
            assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0);
        }
    }
}
