//! The examples run: training, scoring, evaluating, each through the library alone.

#[path = "../examples/evaluate_a_table.rs"]
mod evaluate_a_table;
#[path = "../examples/score_one_image.rs"]
mod score_one_image;
#[path = "../examples/train_on_phantoms.rs"]
mod train_on_phantoms;

use mammo::{Laterality, Model, Polarity};

#[test]
fn a_model_trained_by_the_library_scores_a_film_from_disk_and_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let model = train_on_phantoms::run(dir.path()).unwrap();
    let films = dir.path().join("films/images");
    let film = std::fs::read_dir(films).unwrap().next().unwrap().unwrap().path();
    let probability = score_one_image::run(&model, &film).unwrap().unwrap();
    assert!((0.0..=1.0).contains(&probability));
    let image = mammo::dicom::image_file::read_grey(&film).unwrap();
    let score = Model::open(&model).unwrap().score_image(&image, Polarity::Normal, "film").unwrap();
    assert_eq!(score.probability, probability);
    let exam = dir.path().join("exam");
    std::fs::create_dir(&exam).unwrap();
    for name in ["P1_LCC.png", "P1_LMLO.png", "P1_RCC.png", "P1.png", "P1_RMLO.txt"] {
        std::fs::copy(&film, exam.join(name)).unwrap();
    }
    std::fs::write(exam.join("P1_RMLO.png"), "no image").unwrap();
    let exam_score = Model::open(&model).unwrap().score_exam(std::slice::from_ref(&exam)).unwrap();
    let left = exam_score.breast(Laterality::Left).unwrap();
    assert!((left.score.probability - probability).abs() < 1e-12, "the mean of the same image twice");
    assert_eq!((left.images.len(), exam_score.breasts.len(), exam_score.images.len()), (2, 3, 4));
    assert_eq!(exam_score.breast(Laterality::Right).unwrap().images.len(), 1);
    assert_eq!(exam_score.refused[0].1.code, "unreadable");
    assert!(exam_score.patient.as_ref().unwrap().score.probability >= left.score.probability);
    std::fs::copy(&film, exam.join("P2_LCC.png")).unwrap();
    let error = Model::open(&model).unwrap().score_exam(&[exam]).unwrap_err().to_string();
    assert!(error.contains("of patient P1") && error.contains("of patient P2"), "{error}");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "no image").unwrap();
    assert_eq!(score_one_image::run(&model, &text).unwrap(), None);
}

#[test]
fn a_table_of_another_program_is_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("scores.csv");
    let mut text = "file,patient_id,laterality,view,label,probability\n".to_string();
    for i in 0..20 {
        let (label, probability) = if i % 2 == 0 { ("benign", i) } else { ("malignant", i + 4) };
        text += &format!("{i}.png,p{i},left,cc,{label},{}\n", f64::from(probability) / 25.0);
    }
    std::fs::write(&table, text).unwrap();
    // Of 100 pairs, a cancer i outscores a benign j where i + 4 > j; odd and even numbers do not tie.
    let expected = (0..20)
        .step_by(2)
        .flat_map(|j| (1..20).step_by(2).map(move |i| f64::from(u8::from(i + 4 > j))))
        .sum::<f64>()
        / 100.0;
    assert_eq!(evaluate_a_table::run(&table).unwrap(), expected);
}
