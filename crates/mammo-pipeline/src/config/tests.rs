//! Configurations read, changed and refused.

use super::*;

const DEMO: &str = include_str!("../../../mammo-cli/configs/demo.toml");

/// The error message for the demo's configuration with changes.
fn refusal(overrides: &[&str]) -> String {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    format!("{:#}", RunConfig::parse(DEMO, &overrides).unwrap_err())
}

#[test]
fn a_misspelt_key_is_refused_with_the_nearest_one() {
    let text = DEMO.replacen("batch_size", "batchsize", 1);
    let message = format!("{:#}", RunConfig::parse(&text, &[]).unwrap_err());
    assert!(message.contains("did you mean `batch_size`?"), "{message}");
}

#[test]
fn an_override_reaches_its_key_and_a_wrong_one_is_refused() {
    let config = RunConfig::parse(DEMO, &["patch.training.batch_size=7".into()]).unwrap();
    assert_eq!(config.patch().unwrap().training.batch_size, 7);
    assert!(refusal(&["patch.training.batch_sise=7"]).contains("did you mean `batch_size`?"));
    assert!(RunConfig::parse(DEMO, &["seed".into()]).is_err());
}

#[test]
fn an_error_names_the_full_path_of_the_key() {
    let stage = |key: &str| {
        format!("image.training.stages=[{{train=\"all\",epochs=1,learning_rate=1e-3}},{{{key}}}]")
    };
    let cases = [
        ("patch.training.batch_size=0", "patch.training.batch_size: 0;"),
        ("image.training.batch_size=0", "image.training.batch_size: 0;"),
        ("transfer.training.batch_size=0", "transfer.training.batch_size: 0;"),
        ("image.training.batch_size=-1", "image.training.batch_size: "),
        ("image.training.batch_size=\"many\"", "image.training.batch_size: "),
        ("image.training.examples_per_epoch=0", "image.training.examples_per_epoch: 0;"),
        ("image.training.examples_per_epoch=9000000000000000000", "image.training.examples_per_epoch: 9"),
        ("patch.training.label_smoothing=1.0", "patch.training.label_smoothing: 1;"),
        (
            "transfer.training.schedule={kind=\"plateau\",patience=1,factor=2.0}",
            "transfer.training.schedule.factor: 2;",
        ),
        ("patch.training.stages=[]", "patch.training.stages: none;"),
        (
            &stage("train=\"top\",epochs=0,learning_rate=1e-3"),
            "image.training.stages.epochs (stage 2): 0; expected 1 to ",
        ),
        (
            &stage("train=\"top\",epochs=1,learning_rate=0.0"),
            "image.training.stages.learning_rate (stage 2): 0;",
        ),
        (
            &stage("train=\"top\",epochs=1,learning_rate=1.0,weight_decay=-1.0"),
            "image.training.stages.weight_decay (stage 2): -1;",
        ),
        (&stage("train=\"top\",epochs=1"), "image.training.stages[1]: missing field `learning_rate`"),
        ("patch.augmentation.rotation_deg=500.0", "patch.augmentation.rotation_deg: 500;"),
        ("image.augmentation.zoom=[2.0,1.0]", "image.augmentation.zoom: 2;"),
        ("transfer.augmentation.rotation_deg=500.0", "transfer.augmentation.rotation_deg: 500;"),
        ("sampling.min_overlap=3.0", "sampling.min_overlap: 3;"),
        ("preprocessing.height_px=1", "preprocessing.height_px: 1;"),
        ("patch.dropout=1.0", "patch.dropout: 1;"),
        ("image.dropout=-0.1", "image.dropout: -0.1;"),
        ("transfer.start_share=1.0", "transfer.start_share: 1;"),
        ("patch.trunk.width=9.0", "patch.trunk.width: 9;"),
        ("patch.trunk.channels=2", "patch.trunk.channels: 2;"),
        ("patch.trunk.conventions.norm_epsilon=2.0", "patch.trunk.conventions.norm_epsilon: 2;"),
        ("image.top={kind=\"vgg\",channels=[],depth=1}", "image.top.channels: [] times 1;"),
        ("image.top={kind=\"yaroslav\",pool=1,fc=[8]}", "image.pooling: Max under"),
    ];
    for (setting, wanted) in cases {
        let message = refusal(&[setting]);
        assert!(message.starts_with(wanted), "{setting}: {message}");
    }
}

#[test]
fn a_command_needs_its_own_sections_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.toml");
    let without = |section: &str| {
        let mut table: toml::Table = DEMO.parse().unwrap();
        table.remove(section).unwrap();
        std::fs::write(&path, table.to_string()).unwrap();
        RunConfig::read(&path, &[]).unwrap()
    };
    let check_message = |section: &str, missing: crate::Error| {
        let message = missing.to_string();
        let file = path.display().to_string();
        assert!(message.starts_with(&format!("{file}: no section [{section}]")), "{message}");
        assert!(message.contains("add one with `"), "{message}");
    };
    let no_transfer = without("transfer");
    assert!(no_transfer.patch().is_ok() && no_transfer.image().is_ok());
    check_message("transfer", no_transfer.transfer().unwrap_err());
    check_message("image", without("image").image().unwrap_err());
    check_message("patch", without("patch").patch().unwrap_err());
    check_message("sampling", without("sampling").sampling().unwrap_err());
    check_message("sampling", without("sampling").use_patch_set(Some("S10")).unwrap_err());
    check_message("preprocessing", without("preprocessing").preprocessing().unwrap_err());
}
