//! Reads `lesions.csv` and attaches the lesions to the accepted images.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::images::{ImageRow, path_in_data_set, word};
use super::shape::{Fit, MaskSize, Placed, place};
use super::table::{Column, FILE, Table};
use super::{Progress, RejectionReason, RowError, TableProblems, row_error};
use crate::{Error, Result};
use mammo_core::geometry::Rect;
use mammo_core::record::{Lesion, LesionKind, LesionShape, Mammogram, Pathology};

const COLUMNS: &[Column] = &[
    FILE,
    Column { name: "type", aliases: &["kind", "lesion_type", "abnormality_type"], required: true },
    Column { name: "pathology", aliases: &["label"], required: true },
    Column { name: "x", aliases: &["left"], required: false },
    Column { name: "y", aliases: &["top"], required: false },
    Column { name: "width", aliases: &["w"], required: false },
    Column { name: "height", aliases: &["h"], required: false },
    Column { name: "cx", aliases: &["center_x"], required: false },
    Column { name: "cy", aliases: &["center_y"], required: false },
    Column { name: "radius", aliases: &["r"], required: false },
    Column { name: "mask", aliases: &["mask_file", "roi_mask"], required: false },
];

/// The columns of each shape, in order of precedence.
const SHAPES: [&[&str]; 3] = [&["mask"], &["x", "y", "width", "height"], &["cx", "cy", "radius"]];

#[derive(Deserialize)]
struct Cells<'r> {
    file: &'r str,
    r#type: &'r str,
    pathology: &'r str,
    #[serde(default)]
    x: &'r str,
    #[serde(default)]
    y: &'r str,
    #[serde(default)]
    width: &'r str,
    #[serde(default)]
    height: &'r str,
    #[serde(default)]
    cx: &'r str,
    #[serde(default)]
    cy: &'r str,
    #[serde(default)]
    radius: &'r str,
    #[serde(default)]
    mask: &'r str,
}

/// One row: the pathology for its image and, when the row is valid, the lesion.
pub(crate) struct Annotation {
    pub file: String,
    pub line: u64,
    /// The lesion's pathology; `Unknown` also for an invalid word.
    pub pathology: Pathology,
    /// The lesion of the row; not yet checked against the image, masks not yet measured.
    pub lesion: Result<Lesion, RowError>,
}

/// Reads the rows; problems of a row are reported by [`attach`].
pub(super) fn read(path: &Path, problems: &mut TableProblems) -> Result<Vec<Annotation>> {
    let table = Table::open(path, COLUMNS, problems)?;
    if !SHAPES.iter().any(|columns| columns.iter().all(|column| table.has(column))) {
        let expected = "the columns of a shape: x, y, width, height; or cx, cy, radius; or mask";
        return Err(Error::table(path, Some(1), "no columns for the position of a lesion", expected));
    }
    let annotation = |(line, cells): (u64, Cells)| Annotation {
        file: path_in_data_set(cells.file).unwrap_or_else(|_| cells.file.to_string()),
        line,
        pathology: cells.pathology.parse().unwrap_or(Pathology::Unknown),
        lesion: lesion(&cells),
    };
    Ok(table.rows(path)?.into_iter().map(annotation).collect())
}

fn lesion(cells: &Cells) -> Result<Lesion, RowError> {
    let kind: LesionKind = word("type", cells.r#type)?;
    let pathology = word("pathology", cells.pathology)?;
    let number = |column: &str, cell: &str, positive: bool| {
        let value = cell.parse::<f64>().ok().filter(|v| v.is_finite() && (!positive || *v > 0.0));
        let expected = if positive { "a number above zero" } else { "a finite number" };
        let problem = || format!("{column} '{cell}'; expected {expected}, in pixels");
        value.ok_or_else(|| RowError { reason: RejectionReason::BadNumber, problem: problem() })
    };
    let any = |cells: &[&str]| cells.iter().any(|cell| !cell.is_empty());
    let shape = if any(&[cells.mask]) {
        // The bounds are measured when the size of the image is known.
        let file = path_in_data_set(cells.mask)?;
        LesionShape::Mask { file, bounds: Rect::default() }
    } else if any(&[cells.x, cells.y, cells.width, cells.height]) {
        let (x, y) = (number("x", cells.x, false)?, number("y", cells.y, false)?);
        let (width, height) = (number("width", cells.width, true)?, number("height", cells.height, true)?);
        LesionShape::Box(Rect::new(x, y, width, height))
    } else if any(&[cells.cx, cells.cy, cells.radius]) {
        let (cx, cy) = (number("cx", cells.cx, false)?, number("cy", cells.cy, false)?);
        LesionShape::Circle { cx, cy, radius: number("radius", cells.radius, true)? }
    } else {
        return row_error(
            RejectionReason::NoShape,
            "box, circle and mask are all empty; expected one of them",
        );
    };
    Ok(Lesion { kind, pathology, shape })
}

/// Largest number of masks that will be opened.
pub(super) fn count_masks(annotations: &[Annotation]) -> usize {
    annotations.iter().filter(|annotation| annotation.mask().is_some()).count()
}

impl Annotation {
    fn mask(&self) -> Option<&str> {
        match &self.lesion {
            Ok(Lesion { shape: LesionShape::Mask { file, .. }, .. }) => Some(file),
            _ => None,
        }
    }
}

/// Checks every annotation against its image, on all threads, and adds the lesions to the images.
pub(super) fn attach(
    root: &Path,
    mut images: Vec<ImageRow>,
    annotations: Vec<Annotation>,
    masks: MaskSize,
    progress: &Progress,
    problems: &mut TableProblems,
) -> Vec<Mammogram> {
    let index: HashMap<String, usize> =
        images.iter().enumerate().map(|(at, image)| (image.mammogram.file.clone(), at)).collect();
    let placed: Vec<Result<(usize, Placed), RowError>> = annotations
        .par_iter()
        .map(|annotation| {
            let placed = match (index.get(&annotation.file), &annotation.lesion) {
                (None, _) => {
                    row_error(RejectionReason::NoSuchImage, "its image is not in images.csv or was rejected")
                }
                (_, Err(refusal)) => Err(refusal.clone()),
                (Some(&at), Ok(lesion)) => {
                    place(root, &images[at].mammogram, masks, lesion.clone()).map(|placed| (at, placed))
                }
            };
            if annotation.mask().is_some() {
                progress.step();
            }
            placed
        })
        .collect();

    let mut n_rows = vec![0u32; images.len()];
    let (mut clipped, mut protruding, mut stretched) = (0, 0, 0);
    for (annotation, placed) in annotations.iter().zip(placed) {
        if let Some(&at) = index.get(&annotation.file) {
            n_rows[at] += 1;
        }
        let refused = match placed {
            Ok((at, placed)) if !images[at].mammogram.lesions.contains(&placed.lesion) => {
                clipped += usize::from(placed.fit == Fit::Clipped);
                protruding += usize::from(placed.fit == Fit::Protruding);
                stretched += usize::from(placed.fit == Fit::Stretched);
                images[at].mammogram.lesions.push(placed.lesion);
                continue;
            }
            Ok(_) => RowError {
                reason: RejectionReason::DuplicateRow,
                problem: "an earlier row has the same lesion of this image".to_string(),
            },
            Err(refused) => refused,
        };
        problems.reject(&annotation.file, annotation.line, refused);
    }
    let differing_counts = images
        .iter()
        .zip(&n_rows)
        .filter(|(image, n)| image.n_lesions.is_some_and(|stated| stated != **n))
        .count();
    problems.note(clipped, "lesion box", "clipped at the edge of the image");
    problems.note(stretched, "lesion mask", "of another size than the image, scaled to it");
    problems.note(
        protruding,
        "lesion outline",
        "(circle or contour) extending beyond the edge of the image, kept unchanged",
    );
    problems.note(differing_counts, "image", "whose number of rows in lesions.csv differs from n_lesions");
    images.into_iter().map(|image| image.mammogram).collect()
}
