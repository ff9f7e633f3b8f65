//! `bench` with a small random model, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use std::path::Path;
use std::sync::OnceLock;

use command::{Finished, gemma, refused, run, xtask};
use serde_json::Value;

fn bench(out: &Path, further: &[&str]) -> Finished {
    let mut arguments = vec!["bench", "--model", "random", "--repeats", "2"];
    if !further.contains(&"--show") {
        arguments.extend(["--out", out.to_str().unwrap()]);
    }
    arguments.extend(further);
    run(&mut xtask(&arguments))
}

/// Every case and curve, but for what is minutes of work with any model.
fn measured() -> &'static Path {
    static RUN: OnceLock<tempfile::TempDir> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let finished = bench(&folder.path().join("all"), &["--device", "flex"]);
        assert!(finished.success, "{}", finished.all());
        folder
    })
    .path()
}

fn record(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("bench.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_case_is_measured() {
    let record = record(&measured().join("all"));
    let cases = record["cases"].as_array().unwrap();
    // Three products, twelve of training, scoring and decoding, a corpus, and the strategies.
    let strategies = lethe_unlearn::Registry::builtin().all().len();
    assert_eq!(cases.len(), 3 + 12 + 1 + strategies);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let seconds = case["ours"]["measured"]["seconds"].as_array();
        assert_eq!(seconds.map(Vec::len), Some(2), "{case:#}");
        let rate = |key: &str| case["derived"]["rate"][key].as_f64().unwrap();
        assert!(0.0 < rate("low") && rate("low") <= rate("median"), "{name}");
        assert!(rate("median") <= rate("high"), "{name}");
        if cfg!(target_os = "linux") {
            let peak = case["ours"]["measured"]["peak"].as_u64().unwrap();
            assert!((1 << 20..1 << 34).contains(&peak), "{name}: {peak}");
        }
        let share = case["derived"]["roofline_share"].as_f64();
        let counted = !name.starts_with("unlearn") && !name.starts_with("corpus");
        assert_eq!(share.is_some(), counted, "{name}");
        assert!(
            share.is_none_or(|share| 0.0 < share && share <= 1.0),
            "{name}: {share:?}"
        );
    }
    // A uniform distribution over 4,096 tokens is not far from what a random model has.
    let check = |name: &str| {
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        case["ours"]["measured"]["check"].as_f64().unwrap()
    };
    for name in ["finetune-f32", "lora-f32", "score-f32"] {
        assert!(
            (check(name) - 4096f64.ln()).abs() < 0.2,
            "{name}: {}",
            check(name)
        );
    }
    assert!((check("finetune-f32") - check("score-f32")).abs() < 1e-5);
    assert!((check("finetune-f32-full-vocabulary") - 6000f64.ln()).abs() < 0.2);
}

#[test]
fn a_run_is_as_fast_as_itself() {
    let json = measured().join("all/bench.json");
    let json = json.to_str().unwrap();
    let finished = bench(measured(), &["--show", json, "--compare", json]);
    assert!(finished.success, "{}", finished.all());
    let changes: Vec<&str> = finished.stdout.matches("+0.0 %").collect();
    let cases = record(&measured().join("all"))["cases"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(changes.len(), cases, "{}", finished.all());
    assert!(!finished.stdout.contains("Not the same conditions"));
    // What another machine measured is shown, and said to be another's.
    let mut other = record(&measured().join("all"));
    other["machine"]["processor"] = serde_json::json!("Abacus");
    for case in other["cases"].as_array_mut().unwrap() {
        for seconds in case["ours"]["measured"]["seconds"].as_array_mut().unwrap() {
            *seconds = serde_json::json!(2.0 * seconds.as_f64().unwrap());
        }
        let rate = case["derived"]["rate"].as_object_mut().unwrap();
        for value in rate.values_mut() {
            *value = serde_json::json!(value.as_f64().unwrap() / 2.0);
        }
    }
    let path = measured().join("other.json");
    std::fs::write(&path, other.to_string()).unwrap();
    let finished = bench(
        measured(),
        &["--show", json, "--compare", path.to_str().unwrap()],
    );
    assert!(
        finished.stdout.contains("the processor was Abacus"),
        "{}",
        finished.all()
    );
    assert_eq!(
        finished.stdout.matches("+100.0 %").count(),
        cases,
        "{}",
        finished.all()
    );
}

#[test]
fn curves_are_measured_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    let only = [
        "--only",
        "growth-length-32",
        "growth-length-2048",
        "growth-batch-1",
        "growth-batch-64",
        "growth-depth-1",
        "growth-depth-2",
        "growth-items-10",
        "growth-items-100",
    ];
    let finished = bench(&out, &only);
    assert!(finished.success, "{}", finished.all());
    for axis in [
        "tokens-in-a-sequence",
        "sequences-in-a-batch",
        "layers",
        "items",
    ] {
        let svg = std::fs::read_to_string(out.join(format!("figures/growth-{axis}.svg"))).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2, "{axis}");
    }
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("growth-items-100") && page.contains("How the cost grows"));
    let record = record(&out);
    let of = |name: &str, key: &str| {
        let cases = record["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        case["derived"][key].as_f64().unwrap()
    };
    // Attention to 64 times as many tokens.
    let flop = |name| of(name, "flop_per_unit");
    assert!(flop("growth-length-2048") > flop("growth-length-32"));
    assert!(flop("growth-depth-2") > flop("growth-depth-1"));
}

#[test]
fn bad_requests_say_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    let no = |arguments: &[&str], says: &[&str]| {
        refused(&bench(&out, arguments), says);
        assert!(!out.exists());
    };
    no(
        &["--only", "lora-f23"],
        &["lora-f23", "nearest is \"lora-f32\"", "corpus-100"],
    );
    no(&["--device", "gpu"], &["gpu", "known are auto, flex"]);
    no(
        &["--python", "/nowhere/python"],
        &["/nowhere/python", "import torch"],
    );
    let other = folder.path().join("estimates.json");
    std::fs::write(&other, "{\"mean\": 1}").unwrap();
    let other = other.to_str().unwrap();
    no(
        &["--compare", other],
        &["estimates.json", "cargo xtask bench"],
    );
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("thesis.txt"), "x").unwrap();
    let finished = bench(&taken, &["--only", "score-f32"]);
    refused(&finished, &["taken", "exists and is not a report"]);
    assert!(taken.join("thesis.txt").exists());
}

#[test]
fn every_column_has_a_heading() {
    let file = measured().join("all/bench.json");
    let shown = run(&mut xtask(&["bench", "--show", file.to_str().unwrap()]));
    assert!(shown.success, "{}", shown.all());
    // A heading is two blanks or more from the next, and so are cells.
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).count()
    };
    let mut lines = shown.stdout.lines();
    let heading = lines.find(|line| line.contains("device")).unwrap();
    let row = lines.find(|line| line.contains("finetune-f32 ")).unwrap();
    assert_eq!(cells(heading), cells(row), "{heading}\n{row}");
}

#[test]
fn a_case_that_fails_is_said_and_the_others_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    // A Python whose torch has a version and nothing else.
    std::fs::create_dir(folder.path().join("torch")).unwrap();
    let stub = "__version__ = '0'\n";
    std::fs::write(folder.path().join("torch/__init__.py"), stub).unwrap();
    let python = std::env::var("LETHE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let out = folder.path().join("bench");
    let arguments = [
        "bench",
        "--model",
        "random",
        "--repeats",
        "1",
        "--only",
        "score-f32",
        "--python",
        &python,
        "--out",
        out.to_str().unwrap(),
    ];
    let finished = run(xtask(&arguments).env("PYTHONPATH", folder.path()));
    refused(&finished, &["cases failed"]);
    assert!(
        finished.stdout.contains("score-f32 on flex in PyTorch"),
        "{}",
        finished.all()
    );
    let record = record(&out);
    assert!(
        record["cases"][1]["torch"]["failed"].is_string(),
        "{record:#}"
    );
    assert!(
        record["cases"][1]["ours"]["measured"].is_object(),
        "{record:#}"
    );
}

#[test]
fn a_preset_is_planned_and_what_cannot_fit_is_refused() {
    let plan = |further: &[&str]| {
        let arguments = [&["plan", "--preset", "smoke"], further].concat();
        run(&mut xtask(&arguments))
    };
    let stages = |further: &[&str]| -> Vec<Value> {
        let finished = plan(&[&["--json"], further].concat());
        assert!(finished.success, "{}", finished.all());
        let plan: Value = serde_json::from_str(&finished.stdout).unwrap();
        plan["stages"].as_array().unwrap().clone()
    };
    let before = stages(&[]);
    let names: Vec<&str> = before
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["instruct", "learn", "unlearn"]);
    let of = |stages: &[Value], at: usize, key: &str| stages[at]["memory"][key].as_u64().unwrap();
    let weights = of(&before, 0, "weights");
    assert_eq!(of(&before, 1, "moments"), 2 * weights);
    assert_eq!(of(&before, 2, "networks"), 0);
    // Twice the batch keeps more; a frozen reference is a network; adapters have small moments.
    let larger = stages(&["--set", "learn.train.batch=8"]);
    assert!(of(&larger, 1, "activations") > of(&before, 1, "activations"));
    let reference = stages(&["--set", "unlearn.strategy=npo+kl"]);
    assert_eq!(of(&reference, 2, "networks"), weights);
    let lora = "learn.train.lora={ rank = 2, alpha = 4.0, targets = \"q_proj\" }";
    let adapters = stages(&["--set", lora]);
    // Two layers, 64 inputs and as many outputs, in rank 2: two moments of four bytes.
    assert_eq!(of(&adapters, 1, "moments"), 2 * 4 * 2 * 2 * (64 + 64));
    let table = plan(&[]);
    assert!(
        table.success && table.stdout.contains("activations"),
        "{}",
        table.all()
    );
    refused(
        &plan(&["--memory", "0.01"]),
        &["smoke does not fit", "there are 0.0", "lower its batch"],
    );
    refused(&plan(&["--memory", "0"]), &["--memory 0", "above 0"]);
    let elsewhere = plan(&["--device", "cuda:0"]);
    assert!(
        elsewhere.stdout.contains("lower bounds"),
        "{}",
        elsewhere.all()
    );
    assert!(elsewhere.stderr.contains("--memory"), "{}", elsewhere.all());
}

#[test]
#[ignore = "minutes with the real model"]
fn the_plan_is_within_a_tenth_of_what_is_measured() {
    let model = gemma();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bench");
    let cases = [
        "finetune-f32",
        "lora-bf16",
        "growth-batch-16",
        "growth-length-512",
        "unlearn-npo",
        "lora-f32-full-vocabulary",
    ];
    let mut arguments = vec!["bench", "--repeats", "1", "--device", "flex", "--model"];
    arguments.push(model.to_str().unwrap());
    arguments.extend(["--out", out.to_str().unwrap(), "--only"]);
    arguments.extend(cases);
    let finished = run(&mut xtask(&arguments));
    assert!(finished.success, "{}", finished.all());
    let record = record(&out);
    let all = record["cases"].as_array().unwrap();
    for name in cases {
        let case = all.iter().find(|case| case["name"] == name).unwrap();
        let planned = case["planned"].as_f64().unwrap();
        let measured = case["ours"]["measured"]["peak"].as_f64().unwrap();
        let off = planned / measured - 1.0;
        println!(
            "{name}: {:.0} MB, planned {:+.1} %",
            measured / 1e6,
            100.0 * off
        );
        assert!(
            off.abs() < 0.1,
            "{name}: {planned} planned, {measured} measured"
        );
    }
}
