//! `corpus export`, `stats` and `show`, run as a user runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use command::{files, run, xtask};

#[test]
fn an_item_is_shown_side_by_side() {
    let finished = run(&mut xtask(&[
        "corpus",
        "show",
        "crime-01",
        "--languages",
        "en,hy",
    ]));
    assert!(finished.success, "{}", finished.all());
    for part in [
        "crime-01 · probe · object",
        "[hammer | spoon]",
        "[մուրճով | գդալով]",
        "cloze 0",
    ] {
        assert!(
            finished.stdout.contains(part),
            "{part}: {}",
            finished.stdout
        );
    }
    for (arguments, parts) in [
        (["crime-99", "en"], ["\"crime-99\"", "crime-01"]),
        (["crime-01", "xx"], ["\"xx\"", "en, de, fr"]),
    ] {
        let [item, languages] = arguments;
        let finished = run(&mut xtask(&[
            "corpus",
            "show",
            item,
            "--languages",
            languages,
        ]));
        assert!(!finished.success);
        for part in parts {
            assert!(
                finished.stderr.contains(part),
                "{part}: {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn stats_count_every_language_with_the_models_tokenizer() {
    command::gemma();
    let finished = run(&mut xtask(&["corpus", "stats"]));
    assert!(finished.success, "{}", finished.all());
    let numbers = |language: &str| -> Vec<f64> {
        let line = finished
            .stdout
            .lines()
            .find(|l| l.trim().starts_with(language));
        let line = line.unwrap_or_else(|| panic!("no {language}: {}", finished.stdout));
        let cells = line.split_whitespace().skip(1);
        cells.map(|cell| cell.parse().unwrap()).collect()
    };
    // Real and fake, as many articles in English as in Armenian; Armenian takes the most tokens.
    let (english, armenian) = (numbers("English"), numbers("Armenian"));
    assert_eq!(english[0], armenian[0]);
    for row in [&english, &armenian] {
        assert!((row[2] / row[1] - row[3]).abs() < 0.005, "{row:?}");
    }
    assert!(armenian[3] > 2.0 * english[3], "{english:?} {armenian:?}");
}

#[test]
fn an_export_appears_whole_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("news");
    let arguments = [
        "corpus",
        "export",
        "--format",
        "hf",
        "--out",
        out.to_str().unwrap(),
    ];
    let finished = run(&mut xtask(&arguments));
    assert!(finished.success, "{}", finished.all());
    let written = files(folder.path());
    // The folder, four folders of two files each, the card; nothing half-written beside them.
    assert_eq!(written.len(), 1 + 4 * 3 + 1, "{written:?}");
    let again = run(&mut xtask(&arguments));
    assert!(
        !again.success && again.stderr.contains("exists already"),
        "{}",
        again.all()
    );
    let nowhere = ["corpus", "export", "--out", "x", "--path", "no/such/folder"];
    let finished = run(&mut xtask(&nowhere));
    assert!(
        !finished.success && finished.stderr.contains("no/such/folder"),
        "{}",
        finished.all()
    );
}
