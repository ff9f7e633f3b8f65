//! The numbers of PyTorch and Transformers, met on the real model.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use command::{gemma, root, run, xtask};

#[test]
fn gemma_3_270m_meets_the_reference() {
    gemma();
    let reference = root().join("tests/fixtures/gemma-3-270m.json");
    let reference = reference.to_str().unwrap();
    let finished = run(&mut xtask(&["models", "parity", "--reference", reference]));
    assert!(finished.success, "{}", finished.all());
    // Nine texts with eleven comparisons each, four fine-tuning texts, four steps with two, seven
    // unlearning losses; in bf16 the texts, a step with two and what four come to, on two sets.
    assert!(
        finished
            .stdout
            .contains("126 numbers and lists compared, 0 past"),
        "{}",
        finished.all()
    );
}

#[test]
fn a_number_past_its_margin_is_a_failure() {
    gemma();
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("tests/fixtures/gemma-3-270m.json")).unwrap();
    let mut reference: serde_json::Value = serde_json::from_str(&text).unwrap();
    let texts = reference["logits"].as_array_mut().unwrap();
    texts.truncate(1);
    texts[0]["mean_nll"] = serde_json::json!(4.191);
    reference["full_finetune"]["steps"] = serde_json::json!([]);
    reference["unlearning"] = serde_json::json!(null);
    let path = folder.path().join("off.json");
    std::fs::write(&path, reference.to_string()).unwrap();
    let finished = run(&mut xtask(&[
        "models",
        "parity",
        "--reference",
        path.to_str().unwrap(),
    ]));
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    assert!(
        finished.stdout.contains("FAIL  en mean NLL"),
        "{}",
        finished.all()
    );
    assert!(
        finished.stderr.contains("no parity: en mean NLL"),
        "{}",
        finished.all()
    );
}
