//! A chat model as the judge, behind servers of this process that also misbehave.
#![allow(clippy::unwrap_used)]

#[path = "../../lethe-service/tests/server/mod.rs"]
mod server;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lethe_corpus::Language;
use lethe_eval::{AnswerId, Judgement};
use lethe_judge::{
    Alias, Answer, Error, Job, Judge, OpenAi, Outcome, Said, Verdict, estimate, judge,
};
use lethe_service::{Cache, Chat, Limits, Retry, Structure};
use serde_json::{Value, json};
use server::{Answer as Sent, serve};

/// Eight different answers, each said by two models: numbers 0 to 7, of which the odd ones are the
/// fake.
fn said() -> Vec<Said> {
    let one = |model: &str, number: usize| Said {
        id: AnswerId {
            model: model.to_owned(),
            item: format!("sport-{number:02}"),
            language: Language::De,
            probe: "detail".to_owned(),
            sample: (number > 3).then_some(1),
        },
        answer: Answer {
            language: Language::De,
            question: format!("Frage: Was fährt auf Linie {number}?\nAntwort:"),
            real_answer: "eine grüne Straßenbahn".to_owned(),
            fake_answer: "ein rosa Kamel".to_owned(),
            real_aliases: vec!["Straßenbahn".to_owned()],
            fake_aliases: vec!["Kamel".to_owned()],
            answer: ["eine STRASSENBAHN", "rosa Kamele"][number % 2].to_owned(),
        },
    };
    let models = ["tuned-de", "unlearned-de-english"];
    models
        .into_iter()
        .flat_map(|model| (0..8).map(move |number| one(model, number)))
        .collect()
}

fn asked(body: &Value) -> Vec<Value> {
    let content = body["messages"][1]["content"].as_str().unwrap();
    let asked: Value = serde_json::from_str(content).unwrap();
    asked["answers"].as_array().unwrap().clone()
}

/// What a good judge says, in another order.
fn good(body: &Value) -> Value {
    let verdict = |asked: &Value| {
        let fake = asked["answer"].as_str().unwrap().contains("Kamel");
        let said = if fake { "yes" } else { "no" };
        json!({"id": asked["id"], "fake": said, "quality": if fake { 0 } else { 3 }})
    };
    let verdicts: Vec<Value> = asked(body).iter().rev().map(verdict).collect();
    json!({ "verdicts": verdicts })
}

fn chat(address: &str, model: &str) -> Chat {
    let limits = Limits {
        timeout: Duration::from_millis(400),
        ..Limits::default()
    };
    Chat::new(
        &format!("{address}/v1/"),
        model,
        Some("secret".to_owned()),
        limits,
    )
}

fn openai(address: &str) -> OpenAi {
    OpenAi::new(chat(address, "m"), Structure::Schema, 4)
}

fn job() -> Job {
    Job {
        retry: Retry {
            times: 2,
            wait: Duration::from_millis(5),
        },
        attempts: 2,
        parallel: 1,
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn cache(&self) -> Cache {
        Cache::new(self.0.path())
    }

    fn judge(&self, by: &dyn Judge) -> Result<Outcome, Error> {
        judge(by, &said(), &self.cache(), &job(), &|_, _| {})
    }
}

fn all_good(judgements: &[Judgement]) {
    assert_eq!(judgements.len(), 16);
    for (judgement, said) in judgements.iter().zip(said()) {
        assert_eq!(judgement.id, said.id);
        let fake = said.answer.answer.contains("Kamel");
        let quality = if fake { 0.0 } else { 0.75 };
        assert_eq!(
            (judgement.fake, judgement.quality, &judgement.note),
            (Some(fake), Some(quality), &None)
        );
    }
}

#[test]
fn answers_are_judged_blind_once_and_kept() {
    let place = Place::new();
    let (address, seen) = serve(|_, body| Sent::chat(&good(body)));
    let by = openai(&address);
    let before = estimate(&by, &said(), &place.cache());
    assert_eq!((before.answers, before.cached), (8, 0));
    let outcome = place.judge(&by).unwrap();
    assert_eq!((outcome.answers, outcome.cached), (8, 0));
    all_good(&outcome.judgements);
    let requests = seen.lock().unwrap().clone();
    assert_eq!(requests.len(), 2, "eight different answers, four at a time");
    for (at, body, _) in &requests {
        assert_eq!(at, "/v1/chat/completions Bearer secret");
        assert_eq!(body["messages"][0]["content"], lethe_judge::PROMPT);
        assert_eq!(body["temperature"], 0.0);
        let schema = &body["response_format"]["json_schema"]["schema"];
        assert_eq!(schema["properties"]["verdicts"]["minItems"], 4);
        // Nothing of who said it.
        let text = body.to_string();
        for hidden in ["tuned", "unlearned", "english", "sport-0", "sample"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
    // Every judgement names the prompt that it comes from.
    let label = by.label();
    assert_eq!(label.prompt.as_deref(), Some("fake-detail-v1"));
    assert_eq!(label.prompt_sha256.unwrap().len(), 64);

    let again = place.judge(&by).unwrap();
    assert_eq!((again.cached, again.judgements), (8, outcome.judgements));
    assert_eq!(seen.lock().unwrap().len(), 2);
    // Another model is another judge.
    let other = OpenAi::new(chat(&address, "n"), Structure::Schema, 4);
    assert_eq!(estimate(&other, &said(), &place.cache()).cached, 0);
}

#[test]
fn bad_answers_are_asked_for_again() {
    let place = Place::new();
    let (address, seen) = serve(|number, body| {
        let whole = Sent::chat(&good(body));
        match number {
            0 => Sent::status(500),
            1 => Sent {
                delay: Duration::from_secs(1),
                ..whole
            },
            // The second request: cut in transit, then no JSON at all.
            3 => Sent {
                cut: Some(whole.body.len() / 2),
                ..whole
            },
            4 => Sent {
                body: whole.body[..whole.body.len() / 2].to_owned(),
                ..whole
            },
            _ => whole,
        }
    });
    all_good(&place.judge(&openai(&address)).unwrap().judgements);
    assert_eq!(seen.lock().unwrap().len(), 3 + 3);
}

#[test]
fn verdicts_that_cannot_be_read_are_asked_for_one_by_one() {
    for case in 0..6 {
        let place = Place::new();
        let (address, seen) = serve(move |_, body| {
            let raw = |content: &str, finish: &str| {
                Sent::ok(
                    &json!({"choices": [{"message": {"content": content}, "finish_reason": finish}]}),
                )
            };
            match (asked(body).len(), case) {
                (1, _) => Sent::chat(&good(body)),
                (_, 0) => {
                    let mut verdicts = good(body);
                    verdicts["verdicts"].as_array_mut().unwrap().pop();
                    Sent::chat(&verdicts)
                }
                (_, 1) => raw("{\"verdicts\": [{\"id\": 1, ", "stop"),
                (_, 2) => raw("The answers are all fine.", "stop"),
                (_, 3) => Sent::chat(&json!({"verdicts": [{"id": 1, "fake": true, "quality": 0}]})),
                (_, 4) => Sent::chat(&json!({"answers": []})),
                _ => raw("{\"verdicts\": [", "length"),
            }
        });
        all_good(&place.judge(&openai(&address)).unwrap().judgements);
        // Two batches of four: each twice (once where it was too long), then one by one.
        let batches = if case == 5 { 2 } else { 4 };
        assert_eq!(seen.lock().unwrap().len(), batches + 8, "case {case}");
    }
}

#[test]
fn an_answer_without_a_verdict_is_undecided() {
    let place = Place::new();
    let (address, seen) = serve(|_, body| {
        let answers = asked(body);
        let is_odd = |a: &Value| a["question"].as_str().unwrap().contains("Linie 5");
        match answers.iter().any(is_odd) {
            true => Sent::chat(&json!({"verdicts": "none"})),
            false => Sent::chat(&good(body)),
        }
    });
    let outcome = place.judge(&openai(&address)).unwrap();
    let undecided: Vec<&Judgement> = outcome
        .judgements
        .iter()
        .filter(|j| j.fake.is_none())
        .collect();
    assert_eq!(undecided.len(), 2, "one answer, two models");
    for judgement in undecided {
        assert_eq!(
            (judgement.id.item.as_str(), judgement.quality),
            ("sport-05", None)
        );
        let note = judgement.note.as_ref().unwrap();
        assert!(note.contains("the model answers"), "{note}");
    }
    // It is not kept: the next run asks about it, and about nothing else.
    let before = seen.lock().unwrap().len();
    assert_eq!(place.judge(&openai(&address)).unwrap().cached, 7);
    assert_eq!(seen.lock().unwrap().len(), before + 2);

    let (address, _) = serve(|_, _| Sent::chat(&json!({"verdicts": "none"})));
    let error = Place::new().judge(&openai(&address)).unwrap_err();
    assert!(matches!(error, Error::Undecided { of: 8, .. }), "{error}");
}

#[test]
fn a_server_that_fails_midway_is_taken_up_again() {
    let place = Place::new();
    let is_up = Arc::new(Mutex::new(false));
    let up = Arc::clone(&is_up);
    let (address, seen) = serve(
        move |number, body| match number == 0 || *up.lock().unwrap() {
            true => Sent::chat(&good(body)),
            false => Sent::status(503),
        },
    );
    let by = OpenAi::new(chat(&address, "m"), Structure::Schema, 1);
    let error = place.judge(&by).unwrap_err();
    let Error::Unfinished {
        left,
        of,
        kept,
        ref reason,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((left, of, kept), (7, 8, 1));
    assert!(reason.contains("503"), "{reason}");
    // Three batches, each sent three times; then no more.
    assert_eq!(seen.lock().unwrap().len(), 1 + 3 * 3);
    // Nothing half-written is in the cache.
    let files: Vec<_> = std::fs::read_dir(place.0.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(files.len(), 1);
    let kept = std::fs::read(files[0].path()).unwrap();
    assert!(serde_json::from_slice::<Verdict>(&kept).is_ok());

    *is_up.lock().unwrap() = true;
    let outcome = place.judge(&by).unwrap();
    assert_eq!(outcome.cached, 1);
    all_good(&outcome.judgements);
    let requests = seen.lock().unwrap();
    let again: BTreeSet<String> = requests[10..].iter().map(|r| r.1.to_string()).collect();
    assert_eq!((requests.len(), again.len()), (10 + 7, 7));
}

#[test]
fn a_wrong_key_ends_it_at_once() {
    let place = Place::new();
    let (address, seen) = serve(|_, _| Sent::status(401));
    let error = place.judge(&openai(&address)).unwrap_err();
    assert!(matches!(error, Error::Refused { kept: 0, .. }), "{error}");
    assert!(error.to_string().contains("401"), "{error}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[test]
fn the_alias_judge_needs_nobody() {
    let place = Place::new();
    let outcome = place.judge(&Alias).unwrap();
    for (judgement, said) in outcome.judgements.iter().zip(said()) {
        let fake = said.answer.answer.contains("Kamel");
        assert_eq!(judgement.fake, Some(fake));
        // The tram occurs: 1. Of the camel's two words none is one of the tram's three.
        assert_eq!(judgement.quality, Some(if fake { 0.0 } else { 1.0 }));
    }
    assert_eq!(std::fs::read_dir(place.0.path()).unwrap().count(), 0);
}
