//! Windows of cached network inputs as training examples: patches, or whole images.

use mammo_core::record::Mammogram;
use mammo_core::seed::Rng;
use mammo_image::augment::{Augmentation, PatchWindow, Warp};
use mammo_image::cache::InputCache;
use mammo_image::patch_sampling::{Patch, PatchClass};
use mammo_image::preprocess::Normalise;

use crate::Result;
use crate::networks::image_classifier::N_CLASSES;
use crate::training::batches::Examples;

/// One window of one image, with its class.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    file: String,
    /// Known for whole images.
    patient: Option<String>,
    class: usize,
    window: PatchWindow,
}

/// Windows of cached inputs, all of one size.
pub struct WindowExamples<'a> {
    cache: &'a InputCache,
    items: Vec<Item>,
    n_classes: usize,
    /// Channels, rows, columns.
    shape: [usize; 3],
    augmentation: Augmentation,
    normalise: Normalise,
}

impl<'a> WindowExamples<'a> {
    /// Patches of `patch_px` pixels a side. A patch's class is its position in `classes`; patches of other classes
    /// are left out.
    pub fn patches(
        cache: &'a InputCache,
        patches: &[Patch],
        classes: &[PatchClass],
        patch_px: usize,
        channels: usize,
        augmentation: Augmentation,
    ) -> Self {
        let items = patches
            .iter()
            .filter_map(|patch| {
                let class = classes.iter().position(|&class| class == patch.class)?;
                let (center_x, center_y) = (patch.center_x, patch.center_y);
                let window = PatchWindow { center_x, center_y, width: patch_px, height: patch_px };
                Some(Item { file: patch.file.clone(), patient: None, class, window })
            })
            .collect();
        let shape = [channels, patch_px, patch_px];
        Self { cache, items, n_classes: classes.len(), shape, augmentation, normalise: normaliser(cache) }
    }

    /// Whole images with a known diagnosis: class 1 is malignant, 0 everything else.
    pub fn images(
        cache: &'a InputCache,
        images: &[&Mammogram],
        channels: usize,
        augmentation: Augmentation,
    ) -> Self {
        let (height, width) = (cache.preprocessing().height_px, cache.preprocessing().width_px);
        let (center_x, center_y) = (width as f64 / 2.0, height as f64 / 2.0);
        let window = PatchWindow { center_x, center_y, width, height };
        let items = images
            .iter()
            .filter_map(|image| {
                let (file, patient) = (image.file.clone(), Some(image.patient_id.clone()));
                Some(Item { file, patient, class: usize::from(image.malignant()?), window })
            })
            .collect();
        let shape = [channels, height, width];
        Self { cache, items, n_classes: N_CLASSES, shape, augmentation, normalise: normaliser(cache) }
    }

    /// Number of examples of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.n_classes];
        self.items.iter().for_each(|item| counts[item.class] += 1);
        counts
    }
}

fn normaliser(cache: &InputCache) -> Normalise {
    cache.preprocessing().normaliser()
}

impl Examples for WindowExamples<'_> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn class(&self, index: usize) -> usize {
        self.items[index].class
    }

    fn patient(&self, index: usize) -> Option<&str> {
        self.items[index].patient.as_deref()
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn write(&self, index: usize, rng: Option<&mut Rng>, out: &mut [f32]) -> Result<()> {
        let item = &self.items[index];
        let input = self.cache.pixels(&item.file)?;
        let warp = match rng {
            Some(rng) => self.augmentation.draw(rng),
            None => Warp::IDENTITY,
        };
        let (first, copies) = out.split_at_mut(self.shape[1] * self.shape[2]);
        warp.window(input.view(), &item.window, self.normalise, first);
        copies.chunks_exact_mut(first.len()).for_each(|channel| channel.copy_from_slice(first));
        Ok(())
    }
}
