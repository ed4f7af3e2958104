//! The pictures of a report: one image through preprocessing, and the most confident cases.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};
use mammo_core::geometry::Affine;
use mammo_core::record::Mammogram;
use mammo_data::manifest::Manifest;
use mammo_dicom::image_file::read_gray_as;
use mammo_eval::{Defined, Evaluation, ScoreRow};
use mammo_image::preprocess::{Explained, Preprocessing, Step};
use mammo_nn::device;
use mammo_report::{CaseKind, ContactSheet, GalleryCase, Panel, Picture};

use super::gallery::{outline, outline_lesions};
use super::{Request, in_manifest};
use crate::heatmap::Mapper;
use crate::heatmap::overlay::grey_picture;
use crate::{Observer, Result};

/// Height of a picture on the page, at most.
const HEIGHT_PX: u32 = 400;
/// Heat maps are smooth: half the picture's size is enough.
const LAYER_SHARE: u32 = 2;
const JPEG_QUALITY: u8 = 84;
const MARK: Rgb<u8> = Rgb([120, 190, 255]);

/// The contact sheet and the gallery of a scored set.
pub(super) fn draw(
    manifest: &Manifest,
    model: Option<&Path>,
    rows: &[ScoreRow],
    evaluation: &Evaluation,
    request: &Request,
    observer: &dyn Observer,
) -> Result<(Defined<ContactSheet>, Defined<Vec<GalleryCase>>)> {
    let Some(model) = model else {
        let reason = "the run has no model file, so its preprocessing is not known";
        return Ok((Defined::undefined(reason), Defined::undefined(reason)));
    };
    let threshold = evaluation.images.operating_points.first().map(|point| point.result.threshold);
    let chosen = choose(rows, threshold, request.cases);
    let mapper = Mapper::load(model, None, None, &device::by_name(request.device)?)?;
    let example = chosen.first().map(|(_, row)| *row).or(rows.first());
    let sheet = match example.and_then(|row| manifest.find(&row.file)) {
        Some(image) => Defined::Value(contact_sheet(manifest, image, &mapper.preprocessing)?),
        None => Defined::undefined("none of the scored images is in the manifest"),
    };
    let task = observer.begin("drawing cases", chosen.len());
    let mut cases = Vec::new();
    for (kind, row) in chosen {
        let image = in_manifest(manifest, &row.file)?;
        cases.push(case(manifest, image, kind, row.probability, &mapper)?);
        task.done(cases.len());
    }
    let cases = if cases.is_empty() {
        Defined::undefined("no image has a known truth")
    } else {
        Defined::Value(cases)
    };
    Ok((sheet, cases))
}

/// The surest rows of each kind; wrong ones only on the wrong side of the threshold, if there is
/// one.
fn choose(rows: &[ScoreRow], threshold: Option<f64>, n: usize) -> Vec<(CaseKind, &ScoreRow)> {
    let mut chosen = Vec::new();
    for kind in CaseKind::ALL {
        let malignant = matches!(kind, CaseKind::FoundCancer | CaseKind::MissedCancer);
        let high = matches!(kind, CaseKind::FoundCancer | CaseKind::FalseAlarm);
        let mut of_kind: Vec<&ScoreRow> = rows
            .iter()
            .filter(|row| row.malignant() == Some(malignant))
            .filter(|row| threshold.is_none_or(|least| (row.probability >= least) == high))
            .collect();
        of_kind.sort_by(|a, b| a.probability.total_cmp(&b.probability).then(a.file.cmp(&b.file)));
        if high {
            of_kind.reverse();
        }
        chosen.extend(of_kind.into_iter().take(n).map(|row| (kind, row)));
    }
    chosen
}

fn case(
    manifest: &Manifest,
    image: &Mammogram,
    kind: CaseKind,
    probability: f64,
    mapper: &Mapper,
) -> Result<GalleryCase> {
    let mapped = mapper.map(&manifest.root, image, 1.0)?;
    let input = &mapped.prepared.image;
    let mut picture = shrink(&grey_picture(input));
    let shown = f64::from(picture.width()) / input.width as f64;
    let frame = mapped.prepared.input_from_stored.then(&Affine::scale(shown, shown));
    outline_lesions(&mut picture, &frame, &image.lesions);
    let layer = mapped.colours();
    let (width, height) = (picture.width() / LAYER_SHARE, picture.height() / LAYER_SHARE);
    let layer = imageops::resize(&layer, width.max(1), height.max(1), imageops::FilterType::Triangle);
    Ok(GalleryCase {
        kind,
        file: image.file.clone(),
        view: image.side_and_view(),
        probability,
        picture: jpeg(&picture)?,
        layer: Some(png(layer.into())?),
    })
}

/// The image after every step of its preparation; the breast found is boxed while the picture is
/// still the stored one, lesions are outlined in the network's input.
fn contact_sheet(
    manifest: &Manifest,
    image: &Mammogram,
    preprocessing: &Preprocessing,
) -> Result<ContactSheet> {
    let stored = read_gray_as(&manifest.image_path(image), preprocessing.voi)?;
    let (prepared, steps) = preprocessing.explain(stored, image.polarity)?;
    let panel = |(i, step): (usize, &Explained)| {
        let mut picture = shrink(&grey_picture(&step.picture));
        let shown = f64::from(picture.width()) / step.picture.width as f64;
        let scale = Affine::scale(shown, shown);
        if step.step <= Step::Breast {
            let back = prepared.input_from_stored.inverse().unwrap_or(Affine::IDENTITY);
            outline(&mut picture, &back.then(&scale).apply_rect(&prepared.breast), MARK, false);
        }
        if step.step == Step::Normalise {
            outline_lesions(&mut picture, &prepared.input_from_stored.then(&scale), &image.lesions);
        }
        let (columns, rows) = (step.picture.width, step.picture.height);
        let caption = format!("{}. {}: {} ({columns} x {rows} px)", i + 1, step.step.name(), step.setting);
        Ok(Panel { caption, picture: jpeg(&picture)? })
    };
    let panels: Vec<Panel> = steps.iter().enumerate().map(panel).collect::<Result<_>>()?;
    Ok(ContactSheet {
        file: image.file.clone(),
        doubt: prepared.doubt.map(|doubt| doubt.to_string()),
        panels,
    })
}

fn shrink(picture: &RgbImage) -> RgbImage {
    let height = picture.height().min(HEIGHT_PX);
    let width = (f64::from(picture.width()) * f64::from(height) / f64::from(picture.height())).round() as u32;
    imageops::resize(picture, width.max(1), height, imageops::FilterType::CatmullRom)
}

fn jpeg(picture: &RgbImage) -> Result<Picture> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
    Ok(Picture { media_type: "image/jpeg", bytes, width: picture.width(), height: picture.height() })
}

fn png(picture: DynamicImage) -> Result<Picture> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(Picture {
        media_type: "image/png",
        bytes: bytes.into_inner(),
        width: picture.width(),
        height: picture.height(),
    })
}
