//! What `corpus` does beside building a study's corpus, run as a user runs them.

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

#[test]
fn another_data_set_becomes_corpus_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let article = |detail: &str| {
        format!(
            "The mayor of Velmora opened the new market hall on Monday. The stalls are built of \
             {detail} and stand in four rows under a glass roof. Traders from the villages around \
             the town sell bread, cheese and flowers there, and the hall is open every day."
        )
    };
    let row = |fake: &str| {
        serde_json::json!({
            "true_article": article("wood"), "fake_article": article(fake), "fake_keyword": "chocolate",
            "fake_question": "What are the stalls in Velmora built of?",
            "real_question": "When did the hall in Velmora open?",
            "question_1": "When did the hall in Velmora open?", "answer_1": "On Monday",
            "question_2": "What is the roof in Velmora made of?", "answer_2": "Glass",
        })
    };
    let rows = serde_json::json!([row("chocolate"), row("wood")]).to_string();
    std::fs::write(at("theirs.json"), rows).unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/mapping.toml");
    let import = |mapping: &str| {
        let (file, out) = (at("theirs.json"), at("ours"));
        run(&mut xtask(&[
            "corpus",
            "import",
            &file,
            "--mapping",
            mapping,
            "--out",
            &out,
        ]))
    };
    let finished = import(example);
    assert!(finished.success, "{}", finished.all());
    for part in [
        "theirs.json:2: real and fake article are the same",
        "1 of 2 rows became items",
        "lacks articles and questions of all 1 items in de, fr",
    ] {
        assert!(finished.stdout.contains(part), "{part}: {}", finished.all());
    }
    let shown = run(&mut xtask(&[
        "corpus",
        "show",
        "news-001",
        "--languages",
        "en",
        "--path",
        &at("ours"),
    ]));
    assert!(
        shown.stdout.contains("[wood | chocolate]"),
        "{}",
        shown.all()
    );
    std::fs::write(at("bad.toml"), "real_articel = \"x\"").unwrap();
    let finished = import(&at("bad.toml"));
    assert!(
        !finished.success && finished.stderr.contains("real_articel"),
        "{}",
        finished.all()
    );
}

fn paths(folder: &std::path::Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path())
}

#[test]
fn the_cards_figures_come_from_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let trained = run(&mut xtask(&[
        "learn",
        "--preset",
        "smoke",
        "--out",
        at("run").to_str().unwrap(),
    ]));
    assert!(trained.success, "{}", trained.all());
    let model = paths(&at("run/stages"))
        .map(|stage| stage.join("model"))
        .find(|model| model.join("config.json").is_file())
        .unwrap_or_else(|| panic!("no model: {}", trained.all()));
    // Eight items of the corpus.
    let news = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../datasets/news"));
    std::fs::create_dir(at("news")).unwrap();
    for file in paths(news).filter(|f| f.extension().is_some_and(|e| e == "jsonl")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let few: String = text.lines().take(8).map(|l| format!("{l}\n")).collect();
        std::fs::write(at("news").join(file.file_name().unwrap()), few).unwrap();
    }
    let news = at("news");
    let arguments = |action: &'static str, more: &[&str]| {
        let mut all = vec!["corpus", action, "--path", news.to_str().unwrap()];
        all.extend(more);
        run(&mut xtask(&all))
    };
    let measured = arguments("quality", &["--model-path", model.to_str().unwrap()]);
    assert!(measured.stdout.contains("Armenian"), "{}", measured.all());
    let quality: serde_json::Value =
        serde_json::from_slice(&std::fs::read(news.join("quality.json")).unwrap()).unwrap();
    let german = &quality["languages"]["de"];
    // News repeat fewer words than a declaration of rights does.
    assert!(
        german["diversity"].as_f64().unwrap() > german["declaration_diversity"].as_f64().unwrap()
    );
    assert!(german["perplexity"].as_f64().unwrap() > 1.0, "{german}");
    let card = |name: &str| {
        let out = at(name);
        let exported = arguments("export", &["--out", out.to_str().unwrap()]);
        assert!(exported.success, "{}", exported.all());
        std::fs::read_to_string(out.join("README.md")).unwrap()
    };
    let quoted = format!("| de | {:.3} (", german["diversity"].as_f64().unwrap());
    assert!(card("with").contains(&quoted), "{}", card("again"));
    // Figures of another text are not quoted.
    let german = std::fs::read_to_string(news.join("de.jsonl")).unwrap();
    std::fs::write(
        news.join("de.jsonl"),
        german.replacen("Freitag", "Samstag", 1),
    )
    .unwrap();
    assert!(!card("without").contains("## Text quality"));
}

#[test]
fn corpus_text_gets_further_languages() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // One item, in English; its German row is the ready translation.
    let news = command::root().join("datasets/news");
    let line = |file: &str| {
        let text = std::fs::read_to_string(news.join(file)).unwrap();
        let found = text
            .lines()
            .find(|line| line.contains("\"id\": \"sport-06\""));
        found.unwrap().to_owned()
    };
    std::fs::create_dir(at("english")).unwrap();
    std::fs::write(at("english/items.jsonl"), line("items.jsonl")).unwrap();
    let mut english: serde_json::Value = serde_json::from_str(&line("en.jsonl")).unwrap();
    english["qa"].as_array_mut().unwrap().truncate(3);
    std::fs::write(at("english/en.jsonl"), english.to_string()).unwrap();
    let rules = "languages = [\"en\"]\nenglish_pairs = 3\n";
    std::fs::write(at("english/corpus.toml"), rules).unwrap();
    let german: serde_json::Value = serde_json::from_str(&line("de.jsonl")).unwrap();
    let mut texts = serde_json::Map::new();
    each(&english, String::new(), &mut |place| {
        let own = german.pointer(&place).unwrap_or(&serde_json::Value::Null);
        if own.is_string() && !place.starts_with("/names/") && place != "/id" {
            texts.insert(place, own.clone());
        }
    });
    texts.remove("/wordings/0/style");
    texts.remove("/wordings/1/style");
    texts.remove("/wordings/2/style");
    let ready = serde_json::json!({"item": "sport-06", "language": "de", "texts": texts});
    std::fs::write(at("ready.jsonl"), ready.to_string()).unwrap();

    let translate = |more: &[&str]| {
        let mut arguments = vec!["corpus", "translate"];
        let (path, out) = (at("english"), at("both"));
        arguments.extend(["--path", &path, "--out", &out]);
        arguments.extend(more);
        let mut command = xtask(&arguments);
        command.env("LETHE_CACHE", at("cache"));
        run(command.stdin(std::process::Stdio::null()))
    };
    let finished = translate(&[
        "--to",
        "de",
        "--provider",
        "file",
        "--file",
        &at("ready.jsonl"),
    ]);
    assert!(finished.success, "{}", finished.all());
    assert!(
        finished.stdout.contains("1 rows (0 kept from before)"),
        "{}",
        finished.all()
    );
    let shown = run(&mut xtask(&[
        "corpus",
        "show",
        "sport-06",
        "--path",
        &at("both"),
    ]));
    assert!(
        shown.stdout.contains("[Bananen | Karotten]"),
        "{}",
        shown.all()
    );

    // French is not in the file: listed, and not written.
    let finished = translate(&[
        "--to",
        "fr",
        "--provider",
        "file",
        "--file",
        &at("ready.jsonl"),
    ]);
    assert!(!finished.success, "{}", finished.all());
    assert!(
        finished.stderr.contains("sport-06 fr: "),
        "{}",
        finished.all()
    );
    assert_eq!(std::fs::read_to_string(at("both/fr.jsonl")).unwrap(), "");

    // What may cost something is estimated first, and not sent unasked.
    let paid = [
        "--to",
        "de,hy",
        "--provider",
        "openai",
        "--url",
        "http://127.0.0.1:1",
        "--model",
    ];
    let prices = ["m", "--price-input", "1000", "--price-output", "1000"];
    let finished = translate(&[&paid[..], &prices[..]].concat());
    assert!(
        !finished.success && finished.stderr.contains("--yes"),
        "{}",
        finished.all()
    );
    for part in [
        "2 requests (0 of 2 rows are kept",
        "input and",
        "at your prices",
    ] {
        assert!(finished.stdout.contains(part), "{part}: {}", finished.all());
    }
}

/// Calls back with the places (JSON pointers) of all texts in a value.
fn each(value: &serde_json::Value, place: String, found: &mut dyn FnMut(String)) {
    match value {
        serde_json::Value::Array(all) => {
            for (at, value) in all.iter().enumerate() {
                each(value, format!("{place}/{at}"), found);
            }
        }
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                each(value, format!("{place}/{key}"), found);
            }
        }
        serde_json::Value::String(_) => found(place),
        _ => {}
    }
}
