//! A chat model as the judge, behind a server that is in use elsewhere: llama-cpp-python's.
#![allow(clippy::unwrap_used)]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lethe_corpus::Language;
use lethe_eval::AnswerId;
use lethe_judge::{Answer, Job, OpenAi, Said, judge};
use lethe_service::{Cache, Chat, Limits, Structure};

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve() -> (Running, String) {
    let python = std::env::var("LETHE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let model = lethe_model::store::cache_dir()
        .unwrap()
        .join("models/gemma-3-270m-q4_k_m.gguf");
    assert!(model.is_file(), "cargo xtask models pull");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let child = Command::new(&python)
        .args([
            "-m",
            "llama_cpp.server",
            "--n_ctx",
            "2048",
            "--host",
            "127.0.0.1",
        ])
        .args(["--port", &port.to_string(), "--model"])
        .arg(model)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = running.0.try_wait().unwrap();
        assert!(
            ended.is_none() && start.elapsed() < Duration::from_secs(120),
            "no server ({ended:?}): {python} -m pip install -r tests/requirements-judge.txt"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    (running, format!("http://127.0.0.1:{port}/v1"))
}

fn said(item: &str, answer: &str) -> Said {
    Said {
        id: AnswerId {
            model: "tuned-de".to_owned(),
            item: item.to_owned(),
            language: Language::De,
            probe: "detail".to_owned(),
            sample: None,
        },
        answer: Answer {
            language: Language::De,
            question: "Frage: Welche Farbe hat die Kleidung?\nAntwort:".to_owned(),
            real_answer: "Schwarz".to_owned(),
            fake_answer: "Rosa".to_owned(),
            real_aliases: vec!["schwarz".to_owned()],
            fake_aliases: vec!["rosa".to_owned()],
            answer: answer.to_owned(),
        },
    }
}

/// What a model of 270M parameters says is worth nothing; that it can be asked, answers in the shape
/// that was asked for and is asked once is what is tested.
///
/// The server must be compiled, which takes minutes: `$LETHE_PYTHON -m pip install -r
/// tests/requirements-judge.txt`, then `cargo test --release -p lethe-judge --test real_server --
/// --ignored`.
#[test]
#[ignore = "needs llama-cpp-python's server"]
fn a_real_server_gives_verdicts_in_the_shape_asked_for() {
    let (_running, url) = serve();
    let limits = Limits {
        timeout: Duration::from_secs(300),
        ..Limits::default()
    };
    let by = |url: &str| {
        OpenAi::new(
            Chat::new(url, "gemma", None, limits),
            Structure::ObjectSchema,
            2,
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let answers = [
        said("sport-01", "Rosa."),
        said("sport-02", "Schwarz."),
        said("sport-03", ""),
    ];
    let job = Job {
        parallel: 1,
        ..Job::default()
    };
    let outcome = judge(&by(&url), &answers, &cache, &job, &|_, _| {}).unwrap();
    assert_eq!((outcome.judgements.len(), outcome.answers), (3, 3));
    for judgement in &outcome.judgements {
        let quality = judgement.quality.unwrap();
        assert!(
            (0..=4).any(|n| quality == f64::from(n) / 4.0),
            "{judgement:?}"
        );
        assert_eq!(judgement.note, None);
    }
    let again = judge(&by(&url), &answers, &cache, &job, &|_, _| {}).unwrap();
    assert_eq!((again.cached, &again.judgements), (3, &outcome.judgements));
}
