//! Heat maps and reports of a tiny run.

use std::fs;
use std::path::Path;

use crate::program::{mammo, tiny_data_set};

#[test]
fn heat_maps_of_both_kinds_of_model_and_a_report_of_two_runs() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    tiny_data_set(dir);
    mammo(dir, "train patch data/manifest.json --config tiny.toml --out patch").expect(0);
    let image = "train image data/manifest.json --config tiny.toml";
    mammo(dir, &format!("{image} --from-patch patch/model.safetensors --out image")).expect(0);
    mammo(dir, &format!("{image} --from-scratch --out scratch")).expect(0);

    let mapped = mammo(
        dir,
        "heatmap data/manifest.json --side test --model patch/model.safetensors --min-score 0.01 --out image/heatmaps",
    )
    .expect(0);
    // More images than one examination has: a summary.
    assert_eq!(mapped.stdout.lines().count(), 3, "{}", mapped.stdout);
    for part in ["findings with a probability", "--list", "image/heatmaps/findings.csv", "heatmaps.csv"] {
        assert!(mapped.stdout.contains(part), "no '{part}' in {}", mapped.stdout);
    }
    let findings = fs::read_to_string(dir.join("image/heatmaps/findings.csv")).unwrap();
    let header: Vec<&str> = findings.lines().next().unwrap().split(',').collect();
    for column in ["file", "x", "y", "width", "height", "probability", "kind", "center_x", "depth_in_breast"]
    {
        assert!(header.contains(&column), "{column} in {header:?}");
    }
    let column = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let breasts: Vec<String> = findings
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|row| {
            format!("{} {} {}", row[column("patient_id")], row[column("laterality")], row[column("view")])
        })
        .collect();
    assert!(!breasts.is_empty());
    assert!(breasts.is_sorted(), "the views of a breast stand together: {breasts:?}");
    let images = fs::read_to_string(dir.join("image/heatmaps/heatmaps.csv")).unwrap();
    let first: Vec<&str> = images.lines().nth(1).unwrap().split(',').collect();
    let [overlay, map] = [4, 5].map(|i| dir.join("image/heatmaps").join(first[i]));
    assert!(image::image_dimensions(&overlay).unwrap().1 > 720);
    // 64 x 48 pixels, patches of 24, stride 8: (64 - 24) / 8 + 1 rows.
    assert_eq!(image::image_dimensions(&map).unwrap(), (4, 6));
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(map.with_extension("json")).unwrap()).unwrap();
    assert_eq!(record["grid"]["rows"], 6);
    assert_eq!(record["grid"]["input_from_cell"]["x0"], 8.0);

    findings_of_a_dicom_file_have_millimetres(dir);
    findings_are_listed_on_request_and_broken_files_counted(dir, findings.lines().count() - 1);

    for method in ["grad-cam", "grad-cam-trunk", "saliency"] {
        let words = format!(
            "heatmap data/manifest.json --side test --model image/model.safetensors --method {method} --out {method}"
        );
        mammo(dir, &words).expect(0);
        assert!(!dir.join(method).join("findings.csv").exists());
    }
    mammo(dir, "heatmap data/images --model image/model.safetensors --stride 8 --out x")
        .expect(2)
        .says("--stride");
    mammo(dir, "heatmap data/images --model patch/model.safetensors --stride 9 --out x")
        .expect(2)
        .says("multiple of 8");

    mammo(dir, "report image --manifest data/manifest.json").expect(2).says("mammo predict");
    for run in ["image", "scratch"] {
        let words = format!(
            "predict data/manifest.json --side test --model {run}/model.safetensors --out {run}/scores.csv"
        );
        mammo(dir, &words).expect(0);
    }
    let written =
        mammo(dir, "report image scratch --manifest data/manifest.json --cases 1 --out report").expect(0);
    assert!(written.stdout.contains("report.html"), "{}", written.stdout);
    let page = fs::read_to_string(dir.join("report/report.html")).unwrap();
    for part in
        ["accepted by import", "data:image/jpeg;base64,", "data:image/png;base64,", "Model card", "scratch"]
    {
        assert!(page.contains(part), "no '{part}' on the page");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "the page names an address");
    let numbers: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.join("report/report.json")).unwrap()).unwrap();
    assert_eq!(numbers["runs"].as_array().unwrap().len(), 2);
    assert!(numbers["figures"].as_object().unwrap().contains_key("training-loss"));
    assert!(dir.join("report/figures/training-loss.svg").exists());

    fs::copy(dir.join("image/scores.csv"), dir.join("alone.csv")).unwrap();
    mammo(dir, "report alone.csv --out bare").expect(0);
    let bare = fs::read_to_string(dir.join("bare/report.html")).unwrap();
    assert!(bare.contains("no manifest was given") && bare.contains("What this report does not have"));
}

/// Columns of a table by their header: text of each row.
fn column(table: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(table).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let at = rows.next().unwrap().iter().position(|header| *header == name).unwrap();
    rows.map(|row| row[at].to_string()).collect()
}

fn findings_are_listed_on_request_and_broken_files_counted(dir: &Path, n_findings: usize) {
    let listed = mammo(
        dir,
        "heatmap data/manifest.json --side test --model patch/model.safetensors --min-score 0.01 --list --out listed",
    )
    .expect(0);
    let lines = listed.stdout.lines().filter(|line| line.contains(" depth ") && line.starts_with("  "));
    assert_eq!(lines.count(), n_findings, "{}", listed.stdout);

    let scans = dir.join("scans");
    fs::create_dir(&scans).unwrap();
    fs::copy(dir.join("scan.dcm"), scans.join("scan.dcm")).unwrap();
    (0..12).for_each(|i| fs::write(scans.join(format!("{i}.png")), "not a picture").unwrap());
    let one = mammo(dir, "heatmap scans --model patch/model.safetensors --min-score 0 --out some").expect(1);
    assert!(one.stdout.contains("  depth "), "one image is described without --list: {}", one.stdout);
    assert!(one.stdout.contains("12 images rejected: some/rejected_images.csv"), "{}", one.stdout);
    assert_eq!(column(&dir.join("some/rejected_images.csv"), "file").len(), 12);
    assert_eq!(one.says("rejected: 2 more").stderr.matches("rejected: ").count(), 11);

    // The scores themselves go to stdout unless they go to a file.
    let scored =
        mammo(dir, "predict scans --model image/model.safetensors").expect(1).says("refused: 2 more");
    assert_eq!(scored.stdout.lines().count(), 1 + 13, "{}", scored.stdout);
    let scored = mammo(dir, "predict scans --model image/model.safetensors --out scored.csv").expect(1);
    assert_eq!(scored.stdout.lines().count(), 2, "{}", scored.stdout);
    assert!(
        scored.stdout.contains("1 image scored") && scored.stdout.contains("12 refused"),
        "{}",
        scored.stdout
    );
}

/// Rows 0.07 and columns 0.14 mm apart at the detector, magnified 1.4 times on the way there.
fn findings_of_a_dicom_file_have_millimetres(dir: &Path) {
    mammo(dir, "phantom --layout inbreast --patients 2 --height 128 --width 96 --out dicom").expect(0);
    let view_position = [0x18, 0x00, 0x01, 0x51, b'C', b'S'];
    let place = |bytes: &[u8]| bytes.windows(6).position(|window| window == view_position);
    let scans = fs::read_dir(dir.join("dicom/AllDICOMs")).unwrap();
    let mut explicit = scans.filter_map(|scan| {
        let bytes = fs::read(scan.unwrap().path()).unwrap();
        Some((place(&bytes)?, bytes))
    });
    let (at, mut bytes) = explicit.next().expect("a phantom with explicit value representations");
    let spacing = [
        &[0x18, 0x00, 0x14, 0x11, b'D', b'S', 4, 0][..],
        b"1.4 ",
        &[0x18, 0x00, 0x64, 0x11, b'D', b'S', 10, 0],
        b"0.07\\0.14 ",
    ]
    .concat();
    bytes.splice(at..at, spacing);
    fs::write(dir.join("scan.dcm"), bytes).unwrap();
    mammo(dir, "heatmap scan.dcm --model patch/model.safetensors --min-score 0 --out mm").expect(0);
    let (images, findings) = (dir.join("mm/heatmaps.csv"), dir.join("mm/findings.csv"));
    assert_eq!(column(&images, "spacing_source"), ["imager_demagnified"]);
    let number = |table, name| column(table, name)[0].parse::<f64>().unwrap();
    assert!((number(&images, "spacing_x_mm") - 0.1).abs() < 1e-12);
    for (px, mm, spacing) in [("x", "x_mm", 0.1), ("width", "width_mm", 0.1), ("height", "height_mm", 0.05)] {
        let (px, mm) = (number(&findings, px), number(&findings, mm));
        assert!(px > 0.0 && (mm - px * spacing).abs() < 1e-9, "{px} pixels, {mm} mm");
    }
}
