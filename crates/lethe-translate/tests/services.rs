//! Translation against real servers in this process, which also misbehave.
#![allow(clippy::unwrap_used)]

#[path = "../../lethe-service/tests/server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lethe_corpus::{Corpus, Language, SourceText};
use lethe_service::{Cache, Limits};
use lethe_translate::row::Parts;
use lethe_translate::{
    Error, Estimate, File, Job, LibreTranslate, OpenAi, Outcome, Provider, estimate, translate,
};
use serde_json::{Value, json};
use server::{Answer, serve};

const ITEMS: [&str; 3] = ["sport-05", "sport-06", "science-09"];

/// The chosen items' lines of a file of `datasets/news`.
fn lines(file: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let chosen = text.lines().filter(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        ITEMS.contains(&row["id"].as_str().unwrap())
    });
    chosen.map(str::to_owned).collect()
}

/// The chosen items' rows, with two pairs and one alias each: the languages differ in how many
/// they have.
fn rows(language: Language) -> Vec<Value> {
    let rows = lines(&format!("{language}.jsonl")).into_iter();
    rows.map(|line| {
        let mut row: Value = serde_json::from_str(&line).unwrap();
        for (place, kept) in [
            ("/qa", 2),
            ("/detail/fake_aliases", 1),
            ("/fact_probe/aliases", 1),
        ] {
            let list = row.pointer_mut(place).unwrap();
            list.as_array_mut().unwrap().truncate(kept);
        }
        for wording in row["wordings"].as_array_mut().unwrap() {
            let wording = wording.as_object_mut().unwrap();
            wording.retain(|key, _| key == "style" || key == "article");
        }
        row
    })
    .collect()
}

/// A corpus in English only.
fn english() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: String| std::fs::write(dir.path().join(file), text).unwrap();
    write("items.jsonl", lines("items.jsonl").join("\n"));
    let rows: Vec<String> = rows(Language::En).iter().map(Value::to_string).collect();
    write("en.jsonl", rows.join("\n"));
    let rules = "languages = [\"en\"]\nenglish_pairs = 2\nother_pairs = 2\n";
    write("corpus.toml", rules.to_owned());
    dir
}

/// What a good translator answers: the rows that people wrote, under the English rows' keys.
fn good(to: Language) -> BTreeMap<BTreeMap<String, String>, (String, BTreeMap<String, String>)> {
    let mut out = BTreeMap::new();
    for (english, other) in rows(Language::En).into_iter().zip(rows(to)) {
        let id = english["id"].as_str().unwrap().to_owned();
        let sent = Parts::of(&english, to).texts;
        let text = |key: &str| other.pointer(key).unwrap().as_str().unwrap().to_owned();
        let translated = sent
            .keys()
            .map(|key| match key.starts_with("/names") {
                true => (key.clone(), text(key)),
                false => (key.clone(), numbered(text(key), &other["names"])),
            })
            .collect();
        out.insert(sent, (id, translated));
    }
    out
}

/// A text with the numbers of its names: every name's, then those of its words.
fn numbered(mut text: String, names: &Value) -> String {
    let mut known = Vec::new();
    for name in names.as_array().unwrap() {
        let name = name.as_str().unwrap();
        known.push(name);
        let words: Vec<&str> = name.split([' ', '·']).collect();
        if words.len() > 1 {
            known.extend(words);
        }
    }
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(known[at].len()));
    for at in order {
        text = text.replace(known[at], &format!("{{{}}}", at + 1));
    }
    text
}

/// The texts in a chat request.
fn asked(body: &Value) -> BTreeMap<String, String> {
    let content = body["messages"][1]["content"].as_str().unwrap();
    let asked: Value = serde_json::from_str(content).unwrap();
    serde_json::from_value(asked["texts"].clone()).unwrap()
}

fn limits() -> Limits {
    Limits {
        timeout: Duration::from_millis(400),
        ..Limits::default()
    }
}

fn job(to: &[Language]) -> Job {
    Job {
        to: to.to_vec(),
        wait: Duration::from_millis(5),
        parallel: 2,
        ..Job::default()
    }
}

struct Place {
    source: tempfile::TempDir,
    work: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let source = english();
        Place {
            source,
            work: tempfile::tempdir().unwrap(),
        }
    }

    fn out(&self) -> PathBuf {
        self.work.path().join("out")
    }

    fn cache(&self) -> Cache {
        Cache::new(&self.work.path().join("cache"))
    }

    fn text(&self) -> SourceText {
        SourceText::open(self.source.path()).unwrap()
    }

    fn translate(&self, provider: &dyn Provider, job: &Job) -> Result<Outcome, Error> {
        translate(
            (self.source.path(), &self.text()),
            provider,
            &self.cache(),
            job,
            (&self.out(), &|_, _| {}),
        )
    }

    fn estimate(&self, provider: &dyn Provider, job: &Job) -> Estimate {
        estimate(&self.text(), provider, &self.cache(), job).unwrap()
    }
}

#[test]
fn a_chat_model_translates_and_is_paid_once() {
    let place = Place::new();
    let answers = (good(Language::De), good(Language::Zh));
    let (address, seen) = serve(move |_, body| {
        let texts = asked(body);
        let found = answers.0.get(&texts).or_else(|| answers.1.get(&texts));
        Answer::chat(&found.unwrap().1)
    });
    let model = || {
        OpenAi::new(
            &format!("{address}/v1/"),
            "m",
            Some("secret".to_owned()),
            limits(),
        )
    };
    let job = job(&[Language::De, Language::Zh]);
    let first = place.estimate(&model(), &job);
    assert_eq!((first.rows, first.cached), (6, 0));
    assert!(first.characters > 6 * 1000, "{first:?}");

    let outcome = place.translate(&model(), &job).unwrap();
    assert_eq!(
        (outcome.written, outcome.cached, outcome.failed),
        (6, 0, vec![])
    );
    let asked = seen.lock().unwrap().len();
    assert_eq!(asked, 6);
    let (at, body, _) = seen.lock().unwrap()[0].clone();
    assert_eq!(at, "/v1/chat/completions Bearer secret");
    assert_eq!(body["model"], "m");
    assert_eq!(body["messages"][0]["content"], lethe_translate::PROMPT);

    // The whole folder is a corpus, and has what people wrote.
    let corpus = Corpus::from_jsonl(&place.out()).unwrap();
    for language in [Language::En, Language::De, Language::Zh] {
        let articles = corpus.articles.iter().filter(|a| a.language == language);
        assert_eq!(articles.count(), ITEMS.len() * 8, "{language}");
    }
    let name = |language| {
        let found = corpus
            .names
            .iter()
            .find(|n| n.language == language && n.index == 0);
        found.unwrap().name.clone()
    };
    assert_eq!(name(Language::De), name(Language::En));
    assert_ne!(name(Language::Zh), name(Language::En));
    let theirs: Value = serde_json::from_str(&lines("zh.jsonl")[0]).unwrap();
    let written = std::fs::read_to_string(place.out().join("zh.jsonl")).unwrap();
    let ours: Value = serde_json::from_str(written.lines().next().unwrap()).unwrap();
    assert_eq!(ours["detail_probe"]["real"], theirs["detail_probe"]["real"]);

    // Again, nothing is asked, nothing is changed.
    assert_eq!(place.estimate(&model(), &job).cached, 6);
    let again = place.translate(&model(), &job).unwrap();
    assert_eq!((again.written, again.cached), (6, 6));
    assert_eq!(seen.lock().unwrap().len(), asked);
    assert_eq!(
        std::fs::read_to_string(place.out().join("zh.jsonl")).unwrap(),
        written
    );
    // Another model is another translator.
    let other = OpenAi::new(&format!("{address}/v1"), "n", None, limits());
    assert_eq!(place.estimate(&other, &job).cached, 0);
}

#[test]
fn passing_failures_are_retried() {
    let place = Place::new();
    let answers = good(Language::De);
    let (address, seen) = serve(move |number, body| {
        let good = Answer::chat(&answers.get(&asked(body)).unwrap().1);
        match number {
            0 => Answer {
                retry_after: Some(1),
                ..Answer::status(429)
            },
            1 => Answer::status(500),
            2 => Answer {
                delay: Duration::from_secs(1),
                ..good
            },
            3 => Answer {
                cut: Some(good.body.len() / 2),
                ..good
            },
            4 => Answer {
                body: good.body[..good.body.len() / 2].to_owned(),
                ..good
            },
            5 => Answer::ok(&json!({"choices": [{"message": {"content": "{\"/article\": \"In"}}]})),
            6 => Answer::ok(&json!({"choices": []})),
            _ => good,
        }
    });
    let model = OpenAi::new(&address, "m", None, limits());
    let job = Job {
        parallel: 1,
        retries: 7,
        ..job(&[Language::De])
    };
    let start = Instant::now();
    let outcome = place.translate(&model, &job).unwrap();
    assert_eq!((outcome.written, outcome.failed), (3, vec![]));
    assert_eq!(seen.lock().unwrap().len(), 7 + 3);
    // The 429 asked for a second of rest.
    let seen = seen.lock().unwrap();
    assert!(seen[1].2 - seen[0].2 >= Duration::from_millis(900));
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_server_that_stays_down_is_given_up_and_taken_up_again() {
    let place = Place::new();
    let answers = good(Language::De);
    let up = Arc::new(Mutex::new(false));
    let is_up = Arc::clone(&up);
    let (address, seen) = serve(move |_, body| {
        let (id, texts) = answers.get(&asked(body)).unwrap();
        match id == "sport-06" && !*is_up.lock().unwrap() {
            true => Answer::status(503),
            false => Answer::chat(texts),
        }
    });
    let model = OpenAi::new(&address, "m", None, limits());
    let job = Job {
        retries: 2,
        ..job(&[Language::De])
    };
    let outcome = place.translate(&model, &job).unwrap();
    assert_eq!((outcome.written, outcome.failed.len()), (2, 1));
    let failed = &outcome.failed[0];
    assert_eq!(
        (failed.item.as_str(), failed.language),
        ("sport-06", Language::De)
    );
    assert!(failed.reasons[0].contains("503"), "{failed:?}");
    assert_eq!(seen.lock().unwrap().len(), 2 + 3);
    let written = std::fs::read_to_string(place.out().join("de.jsonl")).unwrap();
    assert!(!written.contains("sport-06"), "never written");

    *up.lock().unwrap() = true;
    let outcome = place.translate(&model, &job).unwrap();
    assert_eq!(
        (outcome.written, outcome.cached, outcome.failed),
        (3, 2, vec![])
    );
    assert_eq!(seen.lock().unwrap().len(), 5 + 1);
}

#[test]
fn a_dropped_place_or_a_broken_rule_is_told_retried_and_listed() {
    let place = Place::new();
    let answers = good(Language::De);
    let (address, seen) = serve(move |_, body| {
        let (id, texts) = answers.get(&asked(body)).unwrap();
        let mut texts = texts.clone();
        let user = body["messages"][1]["content"].as_str().unwrap();
        let complained = user.contains("complaints");
        match id.as_str() {
            // Mended when told.
            "sport-05" if !complained => {
                let article = texts["/article"].replace("{detail}", "ein Adler");
                texts.insert("/article".to_owned(), article);
            }
            // A rule of the corpus, not of this crate: the numbers are others.
            "sport-06" => {
                let article = texts["/article"].replace("190", "191");
                texts.insert("/article".to_owned(), article);
            }
            "science-09" => {
                let question = texts["/detail_probe/question"].replace("{1}", "X");
                texts.insert("/detail_probe/question".to_owned(), question);
            }
            _ => {}
        }
        Answer::chat(&texts)
    });
    let model = OpenAi::new(&address, "m", None, limits());
    let outcome = place.translate(&model, &job(&[Language::De])).unwrap();
    assert_eq!(
        (outcome.written, outcome.failed.len()),
        (1, 2),
        "{outcome:?}"
    );
    let said = format!("{:?}", outcome.failed);
    assert!(said.contains("sport-06") && said.contains("191"), "{said}");
    assert!(
        said.contains("science-09") && said.contains("{1}"),
        "{said}"
    );
    let written = std::fs::read_to_string(place.out().join("de.jsonl")).unwrap();
    assert_eq!(written.lines().count(), 1);
    assert!(written.contains("sport-05"));
    // Two for the one that was mended, three each for the others.
    assert_eq!(seen.lock().unwrap().len(), 2 + 3 + 3);
    let seen = seen.lock().unwrap();
    let told = seen
        .iter()
        .map(|(_, body, _)| body["messages"][1]["content"].to_string());
    assert!(told.clone().any(|t| t.contains("/article has the places")));
    assert!(
        told.clone()
            .any(|t| t.contains("the article has the numbers"))
    );
}

#[test]
fn a_wrong_key_ends_the_run_and_writes_nothing() {
    let place = Place::new();
    let (address, seen) = serve(|_, _| Answer::status(401));
    let model = OpenAi::new(&address, "m", Some("wrong".to_owned()), limits());
    let job = Job {
        parallel: 1,
        ..job(&[Language::De, Language::Fr])
    };
    let error = place.translate(&model, &job).unwrap_err().to_string();
    assert!(
        error.contains("401") && error.contains("nothing was written"),
        "{error}"
    );
    assert!(!place.out().exists());
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(place.work.path()).unwrap().count(), 0);
}

#[test]
fn requests_keep_their_distance() {
    let place = Place::new();
    let answers = good(Language::De);
    let (address, seen) = serve(move |_, body| Answer::chat(&answers[&asked(body)].1));
    let limits = Limits {
        per_minute: NonZeroU32::new(300),
        ..limits()
    };
    let model = OpenAi::new(&address, "m", None, limits);
    place
        .translate(
            &model,
            &Job {
                parallel: 3,
                ..job(&[Language::De])
            },
        )
        .unwrap();
    let mut times: Vec<Instant> = seen.lock().unwrap().iter().map(|s| s.2).collect();
    times.sort();
    // 300 a minute: one every 200 ms.
    assert!(
        times[2] - times[0] >= Duration::from_millis(350),
        "{times:?}"
    );
}

#[test]
fn libretranslate_gets_elements_for_places() {
    let place = Place::new();
    let answers = good(Language::Fr);
    let span = |text: &str| {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        text.replace('{', "<span translate=\"no\">{")
            .replace('}', "}</span>")
    };
    let (address, seen) = serve(move |number, body| {
        if number == 0 {
            return Answer {
                retry_after: Some(0),
                ..Answer::status(429)
            };
        }
        let sent: Vec<String> = serde_json::from_value(body["q"].clone()).unwrap();
        let found = answers.iter().find(|(texts, _)| {
            sent.iter()
                .eq(texts.values().map(|t| span(t)).collect::<Vec<_>>().iter())
        });
        let texts = &found.unwrap().1.1;
        let keys = found.unwrap().0.keys();
        let back: Vec<String> = keys
            .map(|key| span(&texts[key]).replace('\'', "&#39;"))
            .collect();
        Answer::ok(&json!({"translatedText": back}))
    });
    let service = LibreTranslate::new(&address, Some("k".to_owned()), limits());
    let outcome = place.translate(&service, &job(&[Language::Fr])).unwrap();
    assert_eq!((outcome.written, outcome.failed), (3, vec![]));
    let seen = seen.lock().unwrap();
    let (at, body, _) = &seen[1];
    assert_eq!(at.trim(), "/translate");
    assert_eq!(
        [
            &body["source"],
            &body["target"],
            &body["format"],
            &body["api_key"]
        ],
        ["en", "fr", "html", "k"]
    );
    drop(seen);

    let (address, _) = serve(|_, _| Answer {
        body: json!({"error": "jv is not supported"}).to_string(),
        ..Answer::status(400)
    });
    let service = LibreTranslate::new(&address, None, limits());
    let place = Place::new();
    let error = place
        .translate(&service, &job(&[Language::Jv]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("jv is not supported"), "{error}");
}

#[test]
fn ready_translations_come_from_a_file() {
    let place = Place::new();
    let file = place.work.path().join("ready.jsonl");
    let rows: Vec<String> = good(Language::Ru)
        .values()
        .zip(lines("ru.jsonl"))
        .map(|((id, _), _)| {
            let row = lines("ru.jsonl")
                .into_iter()
                .find(|l| l.contains(id.as_str()))
                .unwrap();
            let row: Value = serde_json::from_str(&row).unwrap();
            let keys = good(Language::Ru)
                .into_iter()
                .find(|(_, (i, _))| i == id)
                .unwrap()
                .0;
            let texts: BTreeMap<&String, &Value> = keys
                .keys()
                .map(|key| (key, row.pointer(key).unwrap()))
                .collect();
            json!({"item": id, "language": "ru", "texts": texts}).to_string()
        })
        .take(2)
        .collect();
    std::fs::write(&file, rows.join("\n")).unwrap();
    let ready = File::open(&file).unwrap();
    let outcome = place.translate(&ready, &job(&[Language::Ru])).unwrap();
    assert_eq!((outcome.written, outcome.failed.len()), (2, 1));
    assert!(outcome.failed[0].reasons[0].contains("has no line for it in Russian"));
    // A file costs nothing: it is read anew every time.
    assert_eq!(place.estimate(&ready, &job(&[Language::Ru])).cached, 0);

    std::fs::write(&file, format!("{}\n{{\"item\": 1}}", rows[0])).unwrap();
    let error = File::open(&file).unwrap_err().to_string();
    assert!(error.contains("ready.jsonl:2"), "{error}");
    std::fs::write(&file, format!("{}\n{}", rows[0], rows[0])).unwrap();
    let error = File::open(&file).unwrap_err().to_string();
    assert!(error.contains("is there twice"), "{error}");
}

#[test]
fn other_folders_and_languages_that_are_there_are_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.out()).unwrap();
    std::fs::write(place.out().join("mine"), "x").unwrap();
    let (address, seen) = serve(|_, _| Answer::status(500));
    let model = OpenAi::new(&address, "m", None, limits());
    let error = place
        .translate(&model, &job(&[Language::De]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("name another folder"), "{error}");
    assert!(place.out().join("mine").exists());
    std::fs::remove_dir_all(place.out()).unwrap();
    let error = place
        .translate(&model, &job(&[Language::En]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("has English already"), "{error}");
    assert!(seen.lock().unwrap().is_empty());
}
