//! Batches of examples in a seeded, class-balanced order, prefetched by a background thread.
//!
//! The order and every augmentation are functions of (seed, stage, epoch, position), so a resumed epoch continues
//! with the batch at which it stopped. Loading and augmentation overlap with the training step; at most [`AHEAD`]
//! batches are prefetched, whatever the size of the data.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use burn::tensor::{Device, Int, Tensor, TensorData};
use mammo_core::record::Laterality;
use mammo_core::seed;
use mammo_core::seed::Rng;
use rand::seq::SliceRandom;

use crate::Result;
use crate::networks::exam::Views;

/// Number of prefetched batches.
pub const AHEAD: usize = 3;

/// Labelled images of one size, read one at a time.
pub trait Examples: Sync {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// Class of example `index`.
    fn class(&self, index: usize) -> usize;

    /// Patient of example `index`; `None` if every image counts as independent.
    fn patient(&self, _index: usize) -> Option<&str> {
        None
    }

    /// The breast that each image of example `index` shows: one entry, unless examples are exams.
    fn views(&self, _index: usize) -> &[Option<Laterality>] {
        &[None]
    }

    /// Channels, rows, columns of every image.
    fn shape(&self) -> [usize; 3];

    /// Writes the normalised pixels of example `index` to `out`, which has the length of all its images; each is
    /// augmented if `rng` is given.
    ///
    /// # Errors
    /// When the cached input cannot be read.
    fn write(&self, index: usize, rng: Option<&mut Rng>, out: &mut [f32]) -> Result<()>;
}

/// A pass over the data, which names its random streams.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Seed of the run.
    pub seed: u64,
    /// Stage, from zero.
    pub stage: usize,
    /// Epoch within the stage, from zero.
    pub epoch: usize,
}

impl Pass {
    /// The random stream of one item of this pass.
    pub fn stream(&self, purpose: &str, item: usize) -> Rng {
        seed::stream(self.seed, &format!("{purpose}/{}/{}", self.stage, self.epoch), item as u64)
    }
}

/// The order of one epoch's examples: `n` of them, padded to whole batches.
///
/// If balanced, every sequence of `n_classes` draws has one example of each class (without classes that have no
/// examples), and each class cycles through its own shuffled examples.
pub fn epoch_order(
    examples: &dyn Examples,
    n: usize,
    batch_size: usize,
    balanced: bool,
    pass: Pass,
) -> Vec<usize> {
    let mut rng = pass.stream("order", 0);
    let n_pools = if balanced { examples.n_classes() } else { 1 };
    let mut pools: Vec<Vec<usize>> = vec![Vec::new(); n_pools];
    for index in 0..examples.len() {
        let pool = if balanced { examples.class(index) } else { 0 };
        pools[pool].push(index);
    }
    pools.retain(|pool| !pool.is_empty());
    if pools.is_empty() {
        return Vec::new();
    }
    let mut next = vec![0; pools.len()];
    let mut turn: Vec<usize> = (0..pools.len()).collect();
    let n = n.div_ceil(batch_size) * batch_size;
    let mut order = Vec::with_capacity(n + pools.len());
    while order.len() < n {
        turn.shuffle(&mut rng);
        for &pool in &turn {
            let position = next[pool] % pools[pool].len();
            if position == 0 {
                pools[pool].shuffle(&mut rng);
            }
            order.push(pools[pool][position]);
            next[pool] += 1;
        }
    }
    order.truncate(n);
    order
}

/// Images and classes of one step, not yet on a device.
pub struct Batch {
    /// `images * channels * rows * columns` normalised values.
    pub pixels: Vec<f32>,
    /// Class of each example.
    pub classes: Vec<usize>,
    /// Which images are of one example.
    pub views: Views,
    /// Shape of `pixels`.
    pub shape: [usize; 4],
}

impl Batch {
    /// Reads the given examples; `streams` gives each its augmentation stream.
    fn read(
        examples: &dyn Examples,
        indices: &[usize],
        mut stream: impl FnMut(usize) -> Option<Rng>,
    ) -> Result<Self> {
        let [c, h, w] = examples.shape();
        let mut views = Views::default();
        indices.iter().for_each(|&index| views.add(examples.views(index)));
        let n_images = indices.iter().map(|&index| examples.views(index).len()).sum::<usize>();
        let mut pixels = vec![0.0; n_images * c * h * w];
        let mut rest = &mut pixels[..];
        for (i, &index) in indices.iter().enumerate() {
            let (out, after) = rest.split_at_mut(examples.views(index).len() * c * h * w);
            examples.write(index, stream(i).as_mut(), out)?;
            rest = after;
        }
        let classes = indices.iter().map(|&i| examples.class(i)).collect();
        Ok(Self { pixels, classes, views, shape: [n_images, c, h, w] })
    }

    /// The images on a device: `[n, channels, rows, columns]`.
    pub fn images(self, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.pixels, self.shape), device)
    }

    /// The classes on a device: `[n]`.
    pub fn targets(&self, device: &Device) -> Tensor<1, Int> {
        let classes: Vec<i64> = self.classes.iter().map(|&c| c as i64).collect();
        Tensor::from_data(TensorData::new(classes, [self.classes.len()]), device)
    }

    /// The first channel of each image, of which the others are copies.
    pub fn grey(&self) -> Cow<'_, [f32]> {
        let [_, channels, h, w] = self.shape;
        match channels {
            1 => Cow::Borrowed(&self.pixels),
            _ => self.pixels.chunks_exact(h * w).step_by(channels).flatten().copied().collect(),
        }
    }
}

/// Augmented training batches of a pass, from batch `first_step` on.
pub fn training_batches<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    examples: &'env dyn Examples,
    order: Vec<usize>,
    batch_size: usize,
    pass: Pass,
    first_step: usize,
) -> Receiver<Result<Batch>> {
    let (send, receive) = sync_channel(AHEAD);
    scope.spawn(move || {
        for (step, indices) in order.chunks(batch_size).enumerate().skip(first_step) {
            let stream = |i| Some(pass.stream("augment", step * batch_size + i));
            // A closed channel means that the training loop has stopped.
            if send.send(Batch::read(examples, indices, stream)).is_err() {
                break;
            }
        }
    });
    receive
}

/// All examples once, in order and without augmentation.
pub fn evaluation_batches<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    examples: &'env dyn Examples,
    batch_size: usize,
) -> Receiver<Result<Batch>> {
    let (send, receive) = sync_channel(AHEAD);
    scope.spawn(move || {
        let indices: Vec<usize> = (0..examples.len()).collect();
        for indices in indices.chunks(batch_size) {
            if send.send(Batch::read(examples, indices, |_| None)).is_err() {
                break;
            }
        }
    });
    receive
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class of each example, no pixels.
    struct Classes(Vec<usize>);

    impl Examples for Classes {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn n_classes(&self) -> usize {
            5
        }
        fn class(&self, index: usize) -> usize {
            self.0[index]
        }
        fn shape(&self) -> [usize; 3] {
            [1, 1, 1]
        }
        fn write(&self, index: usize, _rng: Option<&mut Rng>, out: &mut [f32]) -> Result<()> {
            out[0] = index as f32;
            Ok(())
        }
    }

    const PASS: Pass = Pass { seed: 1, stage: 0, epoch: 0 };

    #[test]
    fn a_balanced_order_draws_each_present_class_equally_often() {
        let examples = Classes([vec![0; 90], vec![2; 9], vec![4; 3]].concat());
        let order = epoch_order(&examples, 300, 10, true, PASS);
        let count = |class| order.iter().filter(|&&i| examples.0[i] == class).count();
        assert_eq!((count(0), count(1), count(2), count(4)), (100, 0, 100, 100));
        // The rare class is drawn evenly: 100 draws over 3 examples.
        let draws: Vec<usize> = (99..102).map(|i| order.iter().filter(|&&d| d == i).count()).collect();
        assert!(draws.iter().all(|n| (33..=34).contains(n)), "{draws:?}");
    }

    #[test]
    fn an_unbalanced_order_shows_every_example_once() {
        let examples = Classes(vec![0; 20]);
        let mut order = epoch_order(&examples, 20, 5, false, PASS);
        order.sort_unstable();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn batches_from_the_middle_equal_those_of_a_whole_pass() {
        let examples = Classes(vec![0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
        let order = epoch_order(&examples, 10, 3, true, PASS);
        let pixels = |first_step| -> Vec<Vec<f32>> {
            std::thread::scope(|scope| {
                training_batches(scope, &examples, order.clone(), 3, PASS, first_step)
                    .iter()
                    .map(|batch| batch.unwrap().pixels)
                    .collect()
            })
        };
        assert_eq!(pixels(0)[2..], pixels(2)[..]);
        assert_eq!(pixels(0).len(), 4);
    }
}
