//! `lesions.csv`: rows → annotations → lesions inside accepted images.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::images::{Candidate, path_in_data_set, without_path, word};
use super::table::{Column, Table};
use super::{Checked, Findings, Progress, Refusal, RejectionReason, below_root, refuse};
use crate::geometry::Rect;
use crate::pixels::read_gray;
use crate::record::{Lesion, LesionKind, LesionShape, Mammogram, Pathology};
use crate::{Error, Result};

const COLUMNS: &[Column] = &[
    Column {
        name: "file",
        aliases: &["filename", "file_name", "image", "image_path", "path"],
        required: true,
    },
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

/// The shapes and the columns that each needs, the one that wins first.
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

/// One row: what it says about an image's truth and, when it is usable, the lesion.
pub(super) struct Annotation {
    pub file: String,
    line: u64,
    /// The lesion's truth as stated; `Unknown` also when the word is not known.
    pub pathology: Pathology,
    /// As the row states it, not yet held against the image; masks not yet measured.
    lesion: Checked<Lesion>,
}

/// Reads the rows; what is wrong with a row is told when it is attached.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Result<Vec<Annotation>> {
    let table = Table::open(path, COLUMNS, findings)?;
    if !SHAPES.iter().any(|columns| columns.iter().all(|column| table.has(column))) {
        let expected = "the columns of a shape: x, y, width, height; or cx, cy, radius; or mask";
        return Err(Error::table(path, Some(1), "no columns that place a lesion", expected));
    }
    let annotation = |(line, cells): (u64, Cells)| Annotation {
        file: below_root(cells.file).unwrap_or_else(|| cells.file.to_string()),
        line,
        pathology: cells.pathology.parse().unwrap_or(Pathology::Unknown),
        lesion: lesion(&cells),
    };
    Ok(table.rows(path)?.into_iter().map(annotation).collect())
}

fn lesion(cells: &Cells) -> Checked<Lesion> {
    let kind: LesionKind = word("type", cells.r#type)?;
    let pathology = word("pathology", cells.pathology)?;
    let number = |column: &str, cell: &str, positive: bool| {
        let value = cell.parse::<f64>().ok().filter(|v| v.is_finite() && (!positive || *v > 0.0));
        let expected = if positive { "a number above zero" } else { "a finite number" };
        let problem = || format!("{column} '{cell}'; expected {expected}, in pixels");
        value.ok_or_else(|| Refusal { reason: RejectionReason::BadNumber, problem: problem() })
    };
    let any = |cells: &[&str]| cells.iter().any(|cell| !cell.is_empty());
    let shape = if any(&[cells.mask]) {
        // Its bounds are measured when the image's size is known.
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
        return refuse(RejectionReason::NoShape, "box, circle and mask are all empty; expected one of them");
    };
    Ok(Lesion { kind, pathology, shape })
}

/// How many masks will be opened at most.
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

/// Holds every annotation against its image, on all threads, and gives each image its lesions.
pub(super) fn attach(
    root: &Path,
    images: Vec<Candidate>,
    annotations: Vec<Annotation>,
    progress: &Progress,
    findings: &mut Findings,
) -> Vec<Mammogram> {
    let index: HashMap<String, usize> =
        images.iter().enumerate().map(|(at, image)| (image.mammogram.file.clone(), at)).collect();
    let placed: Vec<_> = annotations
        .par_iter()
        .map(|annotation| {
            let image_idx = index.get(&annotation.file).copied();
            let image = image_idx.and_then(|at| images.get(at));
            let placed = place(root, image.map(|image| &image.mammogram), annotation);
            if annotation.mask().is_some() {
                progress.step();
            }
            placed.map(|lesion| (image_idx, lesion))
        })
        .collect();

    let mut images = images;
    let mut n_rows = vec![0u32; images.len()];
    let (mut clipped, mut protruding) = (0, 0);
    for (annotation, placed) in annotations.iter().zip(placed) {
        if let Some(&at) = index.get(&annotation.file) {
            n_rows[at] += 1;
        }
        let refused = match placed {
            Ok((Some(at), placed)) if !images[at].mammogram.lesions.contains(&placed.lesion) => {
                clipped += usize::from(placed.fit == Fit::Clipped);
                protruding += usize::from(placed.fit == Fit::Protruding);
                images[at].mammogram.lesions.push(placed.lesion);
                continue;
            }
            Ok(_) => Refusal {
                reason: RejectionReason::DuplicateRow,
                problem: "an equal lesion of this image stands above".to_string(),
            },
            Err(refused) => refused,
        };
        findings.reject(&annotation.file, annotation.line, refused);
    }
    let broken_promises = images
        .iter()
        .zip(&n_rows)
        .filter(|(image, n)| image.n_lesions.is_some_and(|said| said != **n))
        .count();
    findings.note(clipped, "lesion boxes reach over the image's edge and were clipped");
    findings.note(protruding, "lesion circles reach over the image's edge and were kept as they are");
    findings.note(broken_promises, "images have another number of rows in lesions.csv than n_lesions says");
    images.into_iter().map(|image| image.mammogram).collect()
}

/// How a lesion lies in its image.
#[derive(PartialEq)]
enum Fit {
    Inside,
    Clipped,
    Protruding,
}

struct Placed {
    lesion: Lesion,
    fit: Fit,
}

fn place(root: &Path, image: Option<&Mammogram>, annotation: &Annotation) -> Checked<Placed> {
    let mut lesion = annotation.lesion.clone()?;
    let Some(image) = image else {
        return refuse(RejectionReason::NoSuchImage, "its image is not in images.csv or was rejected");
    };
    let frame = Rect::new(0.0, 0.0, f64::from(image.width_px), f64::from(image.height_px));
    let outside = |what: String| {
        let problem = format!("{what}; the image has {}x{} pixels", image.width_px, image.height_px);
        refuse(RejectionReason::LesionOutside, problem)
    };
    let fit = match &mut lesion.shape {
        LesionShape::Mask { file, bounds } => {
            *bounds = measure_mask(root, file, image)?;
            Fit::Inside
        }
        LesionShape::Box(stated) => {
            let inside = stated.intersection(&frame);
            if inside.area() <= 0.0 {
                let (right, bottom) = (stated.right(), stated.bottom());
                return outside(format!("box ({}, {}) to ({right}, {bottom})", stated.x, stated.y));
            }
            let is_whole = inside.area() >= stated.area();
            if is_whole {
                Fit::Inside
            } else {
                *stated = inside;
                Fit::Clipped
            }
        }
        LesionShape::Circle { cx, cy, radius } => {
            let (dx, dy) = (*cx - cx.clamp(0.0, frame.width), *cy - cy.clamp(0.0, frame.height));
            if dx.hypot(dy) >= *radius {
                return outside(format!("circle of radius {radius} about ({cx}, {cy})"));
            }
            let bounds = Rect::new(*cx - *radius, *cy - *radius, 2.0 * *radius, 2.0 * *radius);
            if bounds.union(&frame) == frame { Fit::Inside } else { Fit::Protruding }
        }
    };
    Ok(Placed { lesion, fit })
}

/// The bounding box of a mask's non-zero pixels.
fn measure_mask(root: &Path, file: &str, image: &Mammogram) -> Checked<Rect> {
    let path = root.join(file);
    if !path.is_file() {
        return refuse(RejectionReason::MissingFile, format!("no mask {}", path.display()));
    }
    let mask = read_gray(&path)
        .or_else(|e| refuse(RejectionReason::UnreadableImage, format!("mask {file}: {}", without_path(e))))?;
    if (mask.width, mask.height) != (image.width_px as usize, image.height_px as usize) {
        let problem = format!(
            "mask {file} has {}x{} pixels; expected {}x{} as its image",
            mask.width, mask.height, image.width_px, image.height_px
        );
        return refuse(RejectionReason::MaskSize, problem);
    }
    let (mut left, mut right, mut top, mut bottom) = (mask.width, 0, mask.height, 0);
    for y in 0..mask.height {
        let row = mask.row(y);
        let ends = (row.iter().position(|v| *v != 0), row.iter().rposition(|v| *v != 0));
        if let (Some(first), Some(last)) = ends {
            (left, right) = (left.min(first), right.max(last + 1));
            (top, bottom) = (top.min(y), y + 1);
        }
    }
    if right == 0 {
        return refuse(RejectionReason::MaskEmpty, format!("mask {file} has no non-zero pixel"));
    }
    Ok(Rect::new(left as f64, top as f64, (right - left) as f64, (bottom - top) as f64))
}
