//! What goes wrong ends in a clear error and exit code, leaves nothing half-written, and a later
//! run works.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command::{Finished, files, gemma, root, run, xtask};

fn smoke(out: &Path, more: &[&str]) -> Command {
    let mut arguments = vec![
        "reproduce",
        "--preset",
        "smoke",
        "--out",
        out.to_str().unwrap(),
    ];
    arguments.extend(more);
    xtask(&arguments)
}

fn refused(finished: &Finished, says: &[&str]) {
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    command::refused(finished, says);
}

fn nothing_partial(out: &Path) {
    let left = files(out);
    assert!(
        left.iter()
            .all(|f| !f.contains(".partial") && !f.contains(".tmp")),
        "{left:?}"
    );
}

#[test]
fn a_truncated_gguf() {
    let folder = tempfile::tempdir().unwrap();
    let mut start = vec![0; 20_000_000];
    std::fs::File::open(gemma())
        .unwrap()
        .read_exact(&mut start)
        .unwrap();
    let path = folder.path().join("cut.gguf");
    std::fs::write(&path, start).unwrap();
    let model = format!("model.path={}", path.display());
    let out = folder.path().join("out");
    let arguments = ["reproduce", "--out", out.to_str().unwrap(), "--set", &model];
    let finished = run(&mut xtask(&arguments));
    refused(&finished, &["cut.gguf", "truncated", "20000000"]);
    nothing_partial(&out);
}

#[test]
fn a_wrong_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    std::fs::write(models.join("gemma-3-270m-q4_k_m.gguf"), "not the model").unwrap();
    let out = folder.path().join("out");
    let mut command = xtask(&["reproduce", "--out", out.to_str().unwrap()]);
    let finished = run(command.env("LETHE_CACHE", folder.path()));
    refused(
        &finished,
        &[
            "gemma-3-270m-q4_k_m.gguf",
            "sha256",
            "a5fd3b62",
            "pull the model again",
        ],
    );
}

#[test]
fn a_corpus_line_without_its_slot() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("news");
    std::fs::create_dir(&corpus).unwrap();
    for entry in std::fs::read_dir(root().join("datasets/news")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, corpus.join(path.file_name().unwrap())).unwrap();
        }
    }
    let french = corpus.join("fr.jsonl");
    let whole = std::fs::read_to_string(&french).unwrap();
    let third = whole.lines().nth(2).unwrap();
    let damaged = whole.replace(third, &third.replace("{detail}", "rien"));
    std::fs::write(&french, damaged).unwrap();
    let out = folder.path().join("out");
    let path = format!("corpus.path={}", corpus.display());
    let finished = run(&mut smoke(&out, &["--set", &path]));
    refused(&finished, &["fr.jsonl", "3", "{detail}"]);
    nothing_partial(&out);
    // Mended, the same command works.
    std::fs::write(&french, whole).unwrap();
    let finished = run(&mut smoke(&out, &["--set", &path]));
    assert!(finished.success, "{}", finished.all());
}

#[test]
fn an_unknown_key_in_a_preset() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("pipelines/smoke.toml")).unwrap();
    let preset = folder.path().join("mine.toml");
    std::fs::write(&preset, text.replace("real_passes", "real_pases")).unwrap();
    let out = folder.path().join("out");
    let arguments = [
        "reproduce",
        "--preset",
        preset.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    refused(
        &run(&mut xtask(&arguments)),
        &["mine.toml", "real_pases", "real_passes"],
    );
    assert!(!out.exists());
    let finished = run(&mut xtask(&["reproduce", "--preset", "nonesuch"]));
    refused(&finished, &["nonesuch", "laptop", "smoke"]);
}

#[test]
fn an_absent_device() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    if cfg!(not(feature = "tch")) {
        refused(
            &run(&mut smoke(&out, &["--device", "tch"])),
            &["tch", "--features tch"],
        );
    }
    refused(
        &run(&mut smoke(&out, &["--device", "abacus"])),
        &["abacus", "flex"],
    );
    assert!(!out.exists());
}

/// On a file system of 300 kB, in a mount namespace of its own.
#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let script = format!(
        "mount -t tmpfs -o size=300k none {out} && {xtask} reproduce --preset smoke --out {out}; \
         code=$?; find {out} -name '.partial*'; exit $code",
        out = out.display(),
        xtask = env!("CARGO_BIN_EXE_xtask"),
    );
    let finished = run(Command::new("unshare").args(["-rm", "sh", "-c", &script]));
    refused(
        &finished,
        &["No space left on device", out.to_str().unwrap()],
    );
    assert!(!finished.stdout.contains(".partial"), "{}", finished.all());
    let finished = run(&mut smoke(out, &[]));
    assert!(finished.success, "{}", finished.all());
}

#[test]
fn interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut child = smoke(&out, &["--set", "learn.train.passes=100000"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Until the stage that takes forever has begun.
    let begun = |out: &Path| files(out).iter().any(|f| f.contains(".partial-tuned-en"));
    let start = Instant::now();
    while !begun(&out) {
        assert!(start.elapsed() < Duration::from_secs(60), "it never began");
        std::thread::sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("goes on"), "{said}");
    nothing_partial(&out);
    // A later run goes on: what was finished is found.
    let finished = run(&mut smoke(&out, &[]));
    assert!(finished.success, "{}", finished.all());
    assert!(
        finished.stderr.matches("cached").count() >= 2,
        "{}",
        finished.stderr
    );
}

#[test]
fn a_recipe_that_the_corpus_lacks_the_texts_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // The corpus as it is, without other wordings of articles and questions in Hausa.
    let poor = folder.path().join("poor");
    std::fs::create_dir(&poor).unwrap();
    for entry in std::fs::read_dir(root().join("datasets/news")).unwrap() {
        let file = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&file).unwrap();
        if file.ends_with("ha.jsonl") {
            let bare = |line: &str| {
                let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
                row.as_object_mut().unwrap().remove("wordings");
                let probe = row["detail_probe"].as_object_mut().unwrap();
                probe.remove("rewordings");
                format!("{row}\n")
            };
            text = text.lines().map(bare).collect();
        }
        std::fs::write(poor.join(file.file_name().unwrap()), text).unwrap();
    }
    let poor = format!("corpus.path={}", poor.display());
    let hausa = ["--set", &poor, "--set", "learn.sources=[\"ha\"]", "--set"];
    let with = |more| [hausa.as_slice(), &[more]].concat();
    let finished = run(&mut smoke(&out, &with("learn.questions=true")));
    refused(&finished, &["`questions`", "in ha", "turn them off"]);
    let finished = run(&mut smoke(&out, &with("learn.wordings=[\"headline\"]")));
    refused(&finished, &["learn.wordings", "headline", "leave"]);
    let finished = run(&mut smoke(&out, &["--set", "learn.wordings=[]"]));
    refused(&finished, &["learn.wordings is empty", "original"]);
    let finished = run(&mut smoke(&out, &["--set", "learn.wordings=[\"sonnet\"]"]));
    refused(&finished, &["sonnet", "headline"]);
}

#[test]
fn a_preset_that_probes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let finished = run(&mut smoke(&out, &["--set", "corpus.probe=0"]));
    refused(&finished, &["0 items are probed", "corpus.probe"]);
}
