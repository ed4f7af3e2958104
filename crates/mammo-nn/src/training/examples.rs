//! Windows of cached network inputs as training examples: patches, whole images, or all images of an exam.

use std::collections::BTreeMap;

use mammo_core::record::{Laterality, Mammogram};
use mammo_core::seed::Rng;
use mammo_image::augment::{Augmentation, PatchWindow, Warp, keep_rows};
use mammo_image::cache::InputCache;
use mammo_image::patch_sampling::{Patch, PatchClass};
use mammo_image::preprocess::Normalise;

use crate::Result;
use crate::networks::image_classifier::N_CLASSES;
use crate::training::batches::Examples;
use crate::training::lesion_free::LesionFree;

/// One window of one image, or of each image of an exam, with its class.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    /// One file per view.
    files: Vec<String>,
    /// The breast that each shows.
    views: Vec<Option<Laterality>>,
    /// Known for whole images.
    patient: Option<String>,
    class: usize,
    window: PatchWindow,
}

impl Item {
    /// Whole images of one patient; `None` if none of them is labelled.
    fn of_patient(images: &[&Mammogram], window: PatchWindow) -> Option<Self> {
        let labels: Vec<bool> = images.iter().filter_map(|image| image.malignant()).collect();
        (!labels.is_empty()).then(|| Self {
            files: images.iter().map(|image| image.file.clone()).collect(),
            views: images.iter().map(|image| image.laterality).collect(),
            patient: images.first().map(|image| image.patient_id.clone()),
            class: usize::from(labels.contains(&true)),
            window,
        })
    }
}

/// Windows of cached inputs, all of one size.
pub struct WindowExamples<'a> {
    cache: &'a InputCache,
    items: Vec<Item>,
    n_classes: usize,
    /// Channels, rows, columns.
    shape: [usize; 3],
    augmentation: Augmentation,
    lesion_free: Option<LesionFree>,
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
                let files = vec![patch.file.clone()];
                Some(Item { files, views: vec![None], patient: None, class, window })
            })
            .collect();
        let shape = [channels, patch_px, patch_px];
        let n_classes = classes.len();
        Self { cache, items, n_classes, shape, augmentation, lesion_free: None, normalise: normaliser(cache) }
    }

    /// Whole images with a known diagnosis: class 1 is malignant, 0 everything else.
    pub fn images(
        cache: &'a InputCache,
        images: &[&Mammogram],
        channels: usize,
        augmentation: Augmentation,
    ) -> Self {
        let window = whole_image(cache);
        let items = images.iter().filter_map(|&image| Item::of_patient(&[image], window));
        Self::whole_images(cache, items.collect(), channels, augmentation)
    }

    /// All images of each patient as one example: class 1 if any image is malignant, 0 if all that are labelled are not;
    /// patients without a labelled image are left out.
    pub fn exams(
        cache: &'a InputCache,
        images: &[&Mammogram],
        channels: usize,
        augmentation: Augmentation,
    ) -> Self {
        let mut by_patient: BTreeMap<&str, Vec<&Mammogram>> = BTreeMap::new();
        images.iter().for_each(|image| by_patient.entry(&image.patient_id).or_default().push(image));
        let window = whole_image(cache);
        let items = by_patient.values().filter_map(|images| Item::of_patient(images, window));
        Self::whole_images(cache, items.collect(), channels, augmentation)
    }

    fn whole_images(
        cache: &'a InputCache,
        items: Vec<Item>,
        channels: usize,
        augmentation: Augmentation,
    ) -> Self {
        let PatchWindow { height, width, .. } = whole_image(cache);
        let shape = [channels, height, width];
        let (n_classes, normalise) = (N_CLASSES, normaliser(cache));
        Self { cache, items, n_classes, shape, augmentation, lesion_free: None, normalise }
    }

    /// The same whole images, of which a share of class 0 shows only tissue without lesions; zero changes
    /// nothing.
    ///
    /// # Errors
    /// A share outside 0 to 0.5; no image with an outlined lesion; a cache entry that cannot be read.
    pub fn with_lesion_free(mut self, share: f64, images: &[&Mammogram]) -> Result<Self> {
        if share != 0.0 {
            let files = self.items.iter().map(|item| item.files.first().map_or("", String::as_str));
            self.lesion_free = Some(LesionFree::new(share, files, images, self.cache)?);
        }
        Ok(self)
    }

    /// Number of examples of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.n_classes];
        self.items.iter().for_each(|item| counts[item.class] += 1);
        counts
    }
}

/// The window of a whole image.
fn whole_image(cache: &InputCache) -> PatchWindow {
    let (height, width) = (cache.preprocessing().height_px, cache.preprocessing().width_px);
    PatchWindow { center_x: width as f64 / 2.0, center_y: height as f64 / 2.0, width, height }
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

    fn views(&self, index: usize) -> &[Option<Laterality>] {
        &self.items[index].views
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn write(&self, index: usize, mut rng: Option<&mut Rng>, out: &mut [f32]) -> Result<()> {
        let (index, rows) = match (&self.lesion_free, &mut rng) {
            (Some(lesion_free), Some(rng)) => lesion_free.draw(index, self.items[index].class, rng),
            _ => (index, None),
        };
        let item = &self.items[index];
        for (file, out) in item.files.iter().zip(out.chunks_exact_mut(self.shape.iter().product())) {
            let input = self.cache.pixels(file)?;
            let warp = match &mut rng {
                Some(rng) => self.augmentation.draw(rng),
                None => Warp::IDENTITY,
            };
            let (first, copies) = out.split_at_mut(self.shape[1] * self.shape[2]);
            match &rows {
                Some(rows) => {
                    let cut = keep_rows(input.view(), rows);
                    warp.window((&cut).into(), &item.window, self.normalise, first);
                }
                None => warp.window(input.view(), &item.window, self.normalise, first),
            }
            copies.chunks_exact_mut(first.len()).for_each(|channel| channel.copy_from_slice(first));
        }
        Ok(())
    }
}
