//! Heat maps and reports of a tiny run.

use std::fs;

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
    assert!(mapped.stdout.contains("findings"), "{}", mapped.stdout);
    let findings = fs::read_to_string(dir.join("image/heatmaps/findings.csv")).unwrap();
    let header: Vec<&str> = findings.lines().next().unwrap().split(',').collect();
    for column in ["file", "x", "y", "width", "height", "probability", "kind", "depth_in_breast"] {
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
