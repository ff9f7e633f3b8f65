//! `cargo xtask judge` on a small run, as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;
#[path = "../crates/lethe-service/tests/server/mod.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt32Type;
use command::{Finished, read, refused, run, xtask};
use serde_json::{Value, json};
use server::{Answer, serve};

fn judge(out: &Path, more: &[&str]) -> Finished {
    let mut command: Command = xtask(&["judge", out.to_str().unwrap()]);
    // Verdicts are kept with the run, not with the user's.
    command.env("LETHE_CACHE", out.join("cache")).args(more);
    run(&mut command)
}

#[test]
fn a_run_is_judged_by_aliases_a_chat_model_and_people() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    refused(&judge(&out, &[]), &["results/answers", "finished run"]);
    let finished = run(&mut xtask(&[
        "reproduce",
        "--preset",
        "smoke",
        "--out",
        out.to_str().unwrap(),
        "--set",
        "learn.sources=[\"de\"]",
        "--set",
        "unlearn.scopes=[\"source\"]",
        "--set",
        "eval.samples=2",
        "--set",
        "eval.temperature=0.8",
    ]));
    assert!(finished.success, "{}", finished.all());
    let answers = read(&out.join("results/answers/tuned-de.parquet"));
    assert_eq!(answers.num_rows(), 3 * 9 * 2 * 3);
    let samples = answers
        .column_by_name("sample")
        .unwrap()
        .as_primitive::<UInt32Type>();
    assert_eq!(samples.null_count(), 3 * 9 * 2);
    let page = || std::fs::read_to_string(out.join("report/index.html")).unwrap();
    assert!(page().contains("2 drawn at temperature 0.8"));
    // Measures are of the greedy answers alone, and have a section of their own.
    let measures = read(&out.join("results/measures/tuned-de.parquet"));
    assert_eq!(measures.num_rows(), 3 * 9 * 2);
    assert!(page().contains("id=\"measures\"") && page().contains("id=\"judged\""));
    assert!(!page().contains("agreement.csv"));

    let finished = judge(&out, &[]);
    assert!(finished.success, "{}", finished.all());
    let judged = read(&out.join("results/judgements/alias.parquet"));
    assert_eq!(judged.num_rows(), 5 * 3 * 9 * 2 * 3);

    // A judge that finds the fake in every answer that begins with a vowel.
    let (address, seen) = serve(|_, body| {
        let content = body["messages"][1]["content"].as_str().unwrap();
        let asked: Value = serde_json::from_str(content).unwrap();
        let verdict = |answer: &Value| {
            let vowel = answer["answer"]
                .as_str()
                .unwrap()
                .starts_with(['a', 'e', 'i', 'o', 'u']);
            json!({"id": answer["id"], "fake": if vowel { "yes" } else { "no" }, "quality": 1})
        };
        let verdicts: Vec<Value> = asked["answers"]
            .as_array()
            .unwrap()
            .iter()
            .map(verdict)
            .collect();
        Answer::chat(&json!({ "verdicts": verdicts }))
    });
    let url = format!("{address}/v1");
    let openai = [
        "--judge",
        "openai",
        "--url",
        &url,
        "--model",
        "org/judge:1",
        "--languages",
        "en,de",
    ];
    refused(&judge(&out, &openai), &["nothing was sent", "--yes"]);
    assert_eq!(seen.lock().unwrap().len(), 0);
    let finished = judge(&out, &[&openai[..], &["--yes"]].concat());
    assert!(finished.success, "{}", finished.all());
    assert!(
        finished
            .stdout
            .contains("the fake detail occurs: as alias says in"),
        "{}",
        finished.all()
    );
    let file = out.join("results/judgements/openai-org-judge-1.parquet");
    let judged = read(&file);
    assert_eq!(judged.num_rows(), 5 * 3 * 2 * 2 * 3);
    let hash = judged.column_by_name("prompt_sha256").unwrap();
    assert_eq!(hash.as_string::<i32>().value(0).len(), 64);
    assert_eq!(judged.column_by_name("fake").unwrap().null_count(), 0);
    let sent = seen.lock().unwrap().len();
    assert!(page().contains("tables/agreement.csv") && page().contains("judge:1"));
    let bytes = std::fs::read(&file).unwrap();
    // Again: nothing is sent, nothing changes.
    assert!(judge(&out, &[&openai[..], &["--yes"]].concat()).success);
    assert_eq!(
        (seen.lock().unwrap().len(), std::fs::read(&file).unwrap()),
        (sent, bytes)
    );

    // People: a sheet out, ratings in.
    let sheet = folder.path().join("sheet");
    let sheet = sheet.to_str().unwrap();
    let finished = judge(
        &out,
        &["--judge", "human", "--export", sheet, "--sample", "12"],
    );
    assert!(finished.success, "{}", finished.all());
    let text = std::fs::read_to_string(Path::new(sheet).join("sheet.csv")).unwrap();
    assert!(!text.contains("tuned"));
    let rows = text.lines().filter(|line| {
        line.split_once(',')
            .is_some_and(|(id, _)| id.len() == 11 && id.contains('-'))
    });
    let rated: Vec<String> = rows
        .map(|line| format!("{},no,0", line.split_once(',').unwrap().0))
        .collect();
    assert_eq!(rated.len(), 12);
    let ratings = folder.path().join("ratings.csv");
    let path = ratings.to_str().unwrap().to_owned();
    let import = ["--judge", "human", "--import", &path, "--rater", "Ada"];
    std::fs::write(
        &ratings,
        format!("id,fake,quality\n{}", rated[1..].join("\n")),
    )
    .unwrap();
    refused(
        &judge(&out, &import),
        &["no line has it", "nothing was imported"],
    );
    std::fs::write(&ratings, format!("id,fake,quality\n{}", rated.join("\n"))).unwrap();
    let finished = judge(&out, &import);
    assert!(finished.success, "{}", finished.all());
    let judged = read(&out.join("results/judgements/human-Ada.parquet"));
    assert!(judged.num_rows() >= 12);
    assert!(page().contains("human Ada"));
    refused(&judge(&out, &["--judge", "human"]), &["--export FOLDER"]);
    refused(
        &judge(&out, &["--models", "tuned-fr"]),
        &["\"tuned-fr\"", "tuned-de"],
    );
}
