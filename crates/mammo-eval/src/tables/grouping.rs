//! Grouping of images by columns of the score table and of the manifest.

use std::collections::{BTreeSet, HashMap};

use crate::tables::scores::ScoreTable;
use crate::{Error, Result};
use mammo_core::record::{Lesion, Mammogram};

/// A column with more distinct values is split into thirds if it is numeric, and ignored otherwise.
const MAX_VALUES: usize = 12;

/// Prefix of the columns with the ratings of a reader.
pub const READER_PREFIX: &str = "reader_";

/// The column of `mammo predict` with sentences about single images, and one beside it that tells its tables from others.
const REMARK: &str = "reason";
const GATE: &str = "gate";

/// The values of one column for the rows of a score table.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// Name of the column.
    pub column: String,
    /// Value of each row; `None` for a blank cell.
    pub values: Vec<Option<String>>,
    /// The distinct values, in the order in which they are listed.
    pub order: Vec<String>,
    /// Rows without any lesion; in a column about lesions they belong to every group.
    pub without_lesion: Vec<bool>,
}

/// All columns that split the rows of a table into 2 to 12 groups; `images` are those of a
/// manifest. A column of the table takes precedence over one of the manifest with the same name.
pub fn groupings(table: &ScoreTable, images: &[Mammogram]) -> Vec<Grouping> {
    let rows = &table.rows;
    let of_rows = |column: &str, value: &dyn Fn(usize) -> Option<String>| {
        let values: Vec<Option<String>> = (0..rows.len()).map(value).collect();
        let without_lesion = values.iter().map(|value| is_about_lesions(column) && value.is_none()).collect();
        grouping(column, values, without_lesion)
    };
    let mut found = vec![
        of_rows("view", &|row| rows[row].view.map(|view| view.to_string())),
        of_rows("laterality", &|row| rows[row].laterality.map(|side| side.to_string())),
    ];
    for (column, values) in &table.columns {
        let is_remark = column == REMARK && table.columns.contains_key(GATE);
        if !column.starts_with(READER_PREFIX) && !is_remark {
            found.push(of_rows(column, &|row| Some(values[row].clone()).filter(|text| !text.is_empty())));
        }
    }
    found.extend(of_manifest(table, images));
    let mut names = BTreeSet::new();
    found.retain(|grouping| grouping.order.len() >= 2 && names.insert(grouping.column.clone()));
    found
}

/// Whether a column describes lesions, so that a blank cell means an image without lesion.
fn is_about_lesions(column: &str) -> bool {
    column == "subtlety" || column.starts_with("lesion_")
}

/// The groupings with these names; all of them if `wanted` is empty.
///
/// # Errors
/// [`Error::Setting`] for a name that none of the groupings has.
pub fn chosen(all: &[Grouping], wanted: &[String]) -> Result<Vec<Grouping>> {
    if wanted.is_empty() {
        return Ok(all.to_vec());
    }
    let by_name = |name: &String| {
        all.iter().find(|grouping| grouping.column == *name).cloned().ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|grouping| grouping.column.as_str()).collect();
            let expected =
                format!("a column with 2 to {MAX_VALUES} values, or numbers: {}", known.join(", "));
            Error::setting("subgroups", format!("no column '{name}' groups the images"), expected)
        })
    };
    wanted.iter().map(by_name).collect()
}

/// Groupings by the manifest: density, assessment, site, kind and size of lesions.
fn of_manifest(table: &ScoreTable, images: &[Mammogram]) -> Vec<Grouping> {
    let by_file: HashMap<&str, &Mammogram> =
        images.iter().map(|image| (image.file.as_str(), image)).collect();
    let image_of: Vec<Option<&Mammogram>> =
        table.rows.iter().map(|row| by_file.get(row.file.as_str()).copied()).collect();
    let without_lesion: Vec<bool> =
        image_of.iter().map(|image| image.is_some_and(|image| image.lesions.is_empty())).collect();
    let column = |name: &str, about_lesions: bool, value: &dyn Fn(&Mammogram) -> Option<String>| {
        let values = image_of.iter().map(|image| image.and_then(value)).collect();
        let without_lesion =
            if about_lesions { without_lesion.clone() } else { vec![false; table.rows.len()] };
        grouping(name, values, without_lesion)
    };
    vec![
        column("density", false, &|image| image.density.map(|density| density.to_string())),
        column("assessment", false, &|image| image.assessment.map(|assessment| assessment.to_string())),
        column("site", false, &|image| image.site.clone()),
        column("lesion_kind", true, &|image| {
            let kinds: BTreeSet<String> =
                image.lesions.iter().map(|lesion| lesion.kind.to_string()).collect();
            (!kinds.is_empty()).then(|| kinds.into_iter().collect::<Vec<_>>().join("+"))
        }),
        column("lesion_size_px", true, &|image| {
            let sizes = image.lesions.iter().map(size_px);
            sizes.reduce(f64::max).map(|size| size.to_string())
        }),
    ]
}

/// Side of the square as large as the lesion's box, in pixels of the image as stored.
fn size_px(lesion: &Lesion) -> f64 {
    let bounds = lesion.shape.bounds();
    (bounds.width * bounds.height).sqrt()
}

/// Groups by the values of a column, or by thirds if it holds many distinct numbers. A column with
/// many distinct texts gets an empty order and is not used.
fn grouping(column: &str, values: Vec<Option<String>>, without_lesion: Vec<bool>) -> Grouping {
    let column = column.to_string();
    let distinct: BTreeSet<&str> = values.iter().flatten().map(String::as_str).collect();
    let numbers: Option<Vec<f64>> =
        distinct.iter().map(|text| text.parse().ok().filter(|number: &f64| number.is_finite())).collect();
    if distinct.len() > MAX_VALUES {
        let Some(numbers) = numbers else {
            return Grouping { column, values, order: vec![], without_lesion };
        };
        let (values, order) = in_thirds(&values, numbers.len());
        return Grouping { column, values, order, without_lesion };
    }
    let mut order: Vec<String> = distinct.iter().map(ToString::to_string).collect();
    if numbers.is_some() {
        let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
        order.sort_by(|a, b| number(a).total_cmp(&number(b)));
    }
    Grouping { column, values, order, without_lesion }
}

/// Replaces numbers by thirds: split at the first and second tercile of all rows.
fn in_thirds(values: &[Option<String>], n_distinct: usize) -> (Vec<Option<String>>, Vec<String>) {
    let numbers: Vec<Option<f64>> =
        values.iter().map(|text| text.as_ref().and_then(|text| text.parse().ok())).collect();
    let mut sorted: Vec<f64> = numbers.iter().flatten().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    debug_assert!(sorted.len() >= n_distinct);
    let (first, second) = (sorted[sorted.len() / 3], sorted[2 * sorted.len() / 3]);
    let rounded = |number: f64| format!("{}", (100.0 * number).round() / 100.0);
    let names = [
        format!("below {}", rounded(first)),
        format!("{} to {}", rounded(first), rounded(second)),
        format!("from {}", rounded(second)),
    ];
    let third = |number: f64| names[usize::from(number >= first) + usize::from(number >= second)].clone();
    (numbers.iter().map(|number| number.map(third)).collect(), names.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::scores::tests::row;
    use crate::tests::mammogram;
    use mammo_core::geometry::Rect;
    use mammo_core::record::Pathology::{Benign, Malignant};
    use mammo_core::record::{LesionKind, LesionShape};

    fn table(columns: &[(&str, Vec<String>)]) -> ScoreTable {
        let rows = (0..columns[0].1.len()).map(|i| row(&format!("{i}.png"), "p", Benign, 0.5)).collect();
        let columns = columns.iter().map(|(name, values)| (name.to_string(), values.clone())).collect();
        ScoreTable { rows, columns, ..ScoreTable::default() }
    }

    #[test]
    fn few_values_stay_many_numbers_become_thirds_and_names_group_nothing() {
        let text = |f: &dyn Fn(usize) -> String| (0..30).map(f).collect::<Vec<String>>();
        let table = table(&[
            ("vendor", text(&|i| ["A", "B", ""][i % 3].into())),
            ("grade", text(&|i| ["10", "9", "2"][i % 3].into())),
            ("age", text(&|i| i.to_string())),
            ("remark", text(&|i| format!("r{i}"))),
            ("reader_x", text(&|i| ["1", "2"][i % 2].into())),
            ("gate", text(&|_| "passed".into())),
            ("reason", text(&|i| ["", "unusual shape", "stored inverted"][i % 3].into())),
        ]);
        let found = groupings(&table, &[]);
        let order = |name: &str| found.iter().find(|g| g.column == name).map(|g| g.order.clone());
        assert_eq!(order("vendor").unwrap(), ["A", "B"]);
        assert_eq!(order("grade").unwrap(), ["2", "9", "10"]);
        assert_eq!(order("age").unwrap(), ["below 10", "10 to 20", "from 20"]);
        assert_eq!((order("remark"), order("reader_x"), order("view")), (None, None, None));
        assert_eq!(order("reason"), None, "sentences of predict group nothing");
        let age = found.iter().find(|g| g.column == "age").unwrap();
        assert_eq!(age.values.iter().filter(|v| v.as_deref() == Some("10 to 20")).count(), 10);
        let error = chosen(&found, &["hospital".into()]).unwrap_err().to_string();
        assert!(error.contains("no column 'hospital'") && error.contains("vendor"), "{error}");
    }

    #[test]
    fn images_without_lesion_are_controls_of_every_kind_of_lesion() {
        let mut images: Vec<Mammogram> =
            (0..4).map(|i| mammogram(&format!("{i}.png"), "p", Malignant)).collect();
        for (image, kind) in [(0, LesionKind::Mass), (1, LesionKind::Calcification)] {
            let shape = LesionShape::Box(Rect::new(0.0, 0.0, 4.0, 9.0));
            images[image].lesions.push(Lesion { kind, pathology: Malignant, shape });
        }
        let table = table(&[("n", vec!["1".into(), "1".into(), "2".into(), "2".into()])]);
        let found = groupings(&table, &images);
        let kind = found.iter().find(|g| g.column == "lesion_kind").unwrap();
        assert_eq!(kind.order, ["calcification", "mass"]);
        assert_eq!(kind.without_lesion, [false, false, true, true]);
        assert!(found.iter().all(|g| g.column != "lesion_size_px"), "one size groups nothing");
    }

    #[test]
    fn a_blank_in_a_column_about_lesions_is_an_image_without_one() {
        let text = |texts: [&str; 4]| texts.map(String::from).to_vec();
        let table = table(&[
            ("lesion_type", text(["mass", "calcification", "", ""])),
            ("vendor", text(["a", "b", "", "b"])),
        ]);
        let found = groupings(&table, &[]);
        let without = |name: &str| &found.iter().find(|g| g.column == name).unwrap().without_lesion;
        assert_eq!(without("lesion_type"), &[false, false, true, true]);
        assert_eq!(without("vendor"), &[false; 4]);
    }
}
