//! Every rule of the source text rejects a planted violation, and says where it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixture;

use fixture::Fixture;
use lethe_corpus::{Corpus, Error, Language, Problem, QuestionKind, Version};
use serde_json::{Value, json};

fn found(fixture: &Fixture) -> Vec<Problem> {
    match fixture.corpus() {
        Ok(_) => Vec::new(),
        Err(Error::Invalid { problems, .. }) => problems,
        Err(other) => panic!("{other}"),
    }
}

/// Plants an error in row 1 (line 2) of a file of a corpus without problems, and expects one
/// there that says all of `said`, and none in another item.
fn rejects(file: &str, said: &[&str], plant: impl FnOnce(&mut Value)) {
    let mut fixture = Fixture::new(3, &[]);
    plant(fixture.row(file, 1));
    let problems = found(&fixture);
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let told = problems.iter().zip(&shown).any(|(problem, shown)| {
        (problem.file.as_str(), problem.line) == (file, Some(2))
            && said.iter().all(|part| shown.contains(part))
    });
    assert!(told, "{said:?} not said of {file}:2: {shown:#?}");
    let elsewhere = problems
        .iter()
        .any(|p| p.item.as_deref() != Some("harbour-01"));
    assert!(!elsewhere, "{shown:#?}");
}

fn replace(row: &mut Value, pointer: &str, from: &str, to: &str) {
    let value = row.pointer_mut(pointer).unwrap();
    let text = value.as_str().unwrap();
    assert!(text.contains(from), "{text}");
    *value = json!(text.replace(from, to));
}

fn set(pointer: &'static str, to: impl Into<Value>) -> impl FnOnce(&mut Value) {
    move |row| *row.pointer_mut(pointer).unwrap() = to.into()
}

fn remove(row: &mut Value, pointer: &str, key: &str) {
    row.pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(key)
        .unwrap();
}

fn first_line(fixture: &Fixture) -> String {
    let problems = found(fixture);
    assert!(!problems.is_empty());
    problems[0].to_string()
}

#[test]
fn the_fixture_keeps_every_rule() {
    let corpus = Fixture::new(3, &[]).corpus().unwrap();
    assert_eq!(
        (corpus.items.len(), corpus.articles.len()),
        (3, 3 * 9 * 4 * 2)
    );
    // Per language three detail questions, a cloze, two leading ones, a fact and the pairs.
    assert_eq!(corpus.questions.len(), 3 * (9 * 7 + 10 + 8 * 3));
    assert_eq!(corpus.names.len(), 3 * 9);
    for article in &corpus.articles {
        let (start, end) = (article.detail_start as usize, article.detail_end as usize);
        let slot: String = article.text.chars().take(end).skip(start).collect();
        assert_eq!(slot, article.detail);
    }
    let languages: Vec<Language> = corpus
        .articles
        .iter()
        .step_by(8)
        .map(|a| a.language)
        .collect();
    assert_eq!(languages, [Language::ALL; 3].concat());
    let pair = &corpus.articles[..2];
    assert_eq!(
        (pair[0].version, pair[1].version),
        (Version::Real, Version::Fake)
    );
    assert_eq!(pair[0].text.replace("a dog", "a lobster"), pair[1].text);
}

#[test]
fn questions_carry_prompts_and_aliases() {
    let corpus = Fixture::new(1, &[]).corpus().unwrap();
    let of = |language, kind| {
        let mut all = corpus
            .questions
            .iter()
            .filter(move |q| (q.language, q.kind) == (language, kind));
        (all.next().unwrap(), all.count())
    };
    let (detail, others) = of(Language::De, QuestionKind::Detail);
    assert_eq!((detail.index, others), (0, 2));
    assert_eq!(
        detail.prompt,
        "Frage: Welches Tier bewacht den Hafen von Tolvane?\nAntwort:"
    );
    assert_eq!(detail.continuation(&detail.answer), " Ein Hund");
    // "Ein Hund" and "ein Hund" are one alias.
    assert_eq!(detail.aliases, ["Ein Hund"]);
    assert_eq!(detail.fake_answer.as_deref(), Some("Ein Hummer"));
    assert_eq!(detail.fake_aliases, ["Ein Hummer", "ein Hummer"]);
    let (detail, _) = of(Language::En, QuestionKind::Detail);
    assert_eq!(detail.aliases, ["A dog", "dog"]);
    let (fact, _) = of(Language::Zh, QuestionKind::Fact);
    assert_eq!(fact.prompt, "问题：托尔瓦内港的港务长是谁？\n回答：");
    assert_eq!(fact.continuation(&fact.answer), "伊尔玛·索尔登");
    assert_eq!(
        (fact.aliases.as_slice(), &fact.fake_answer),
        (&["索尔登".to_owned()][..], &None)
    );
    assert!(fact.fake_aliases.is_empty());
    let (qa, others) = of(Language::En, QuestionKind::Qa);
    assert_eq!(
        (qa.aliases.as_slice(), others),
        (&["200".to_owned()][..], 9)
    );
}

#[test]
fn missing_folder_file_item_and_field() {
    let gone = Corpus::from_jsonl(std::path::Path::new("/nonexistent/news")).unwrap_err();
    assert!(matches!(gone, Error::Read { .. }) && gone.to_string().contains("/nonexistent/news"));

    let mut fixture = Fixture::new(2, &[]);
    fixture.0.remove("jv.jsonl");
    assert!(first_line(&fixture).starts_with("jv.jsonl: the file cannot be read"));
    let mut fixture = Fixture::new(2, &[]);
    fixture.0.remove("items.jsonl");
    assert!(first_line(&fixture).starts_with("items.jsonl: the file cannot be read"));

    let mut fixture = Fixture::new(2, &[]);
    fixture.0.get_mut("hy.jsonl").unwrap().pop();
    let problems = found(&fixture);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .to_string()
            .starts_with("hy.jsonl: harbour-01: the item is missing")
    );

    rejects("ur.jsonl", &["missing field `fake`"], |row| {
        remove(row, "/detail", "fake");
    });
    rejects("ru.jsonl", &["missing field `qa`"], |row| {
        remove(row, "", "qa");
    });
    rejects("items.jsonl", &["missing field `kind`"], |row| {
        remove(row, "", "kind");
    });
}

#[test]
fn unknown_keys_and_malformed_rows() {
    rejects("fr.jsonl", &["unknown field `note`", "expected"], |row| {
        row["note"] = json!("x");
    });
    rejects("fr.jsonl", &["unknown field `hint`"], |row| {
        row["detail"]["hint"] = json!("x");
    });
    rejects("items.jsonl", &["unknown field `topic`"], |row| {
        row["topic"] = json!("x");
    });
    rejects(
        "items.jsonl",
        &["unknown variant `test`", "probe"],
        set("/split", "test"),
    );
    rejects(
        "de.jsonl",
        &["invalid length 1"],
        set("/qa/0", json!(["Wer?"])),
    );
    rejects(
        "de.jsonl",
        &["invalid type"],
        set("/detail/fake_aliases", "Hummer"),
    );
}

#[test]
fn lines_that_are_no_json() {
    for (line, said) in [
        ("{\"id\": ", "not JSON"),
        ("", "the line is empty"),
        ("\u{feff}{}", "not JSON"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        Fixture::new(1, &[]).write(dir.path());
        let file = dir.path().join("zh.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}{line}\n")).unwrap();
        let error = Corpus::from_jsonl(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("zh.jsonl:2: {said}")), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    Fixture::new(1, &[]).write(dir.path());
    std::fs::write(dir.path().join("zh.jsonl"), b"{\"id\": \"\xff\"}").unwrap();
    let error = Corpus::from_jsonl(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("zh.jsonl:1: not JSON") && error.contains("UTF-8"),
        "{error}"
    );
}

#[test]
fn ids() {
    for file in ["items.jsonl", "ha.jsonl"] {
        let mut fixture = Fixture::new(2, &[]);
        let lines = fixture.0.get_mut(file).unwrap();
        lines.push(lines[0].clone());
        let said: Vec<String> = found(&fixture).iter().map(ToString::to_string).collect();
        let twice = format!("{file}:3: harbour-00: the id is there twice");
        assert!(said.iter().any(|s| s.starts_with(&twice)), "{said:?}");
    }
    let mut fixture = Fixture::new(1, &[]);
    for rows in fixture.0.values_mut() {
        rows[0]["id"] = json!("Harbour-1");
    }
    let problems = found(&fixture);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .to_string()
            .contains("lower-case letters, a hyphen and two or more digits")
    );

    let mut fixture = Fixture::new(2, &[]);
    fixture.0.get_mut("items.jsonl").unwrap().pop();
    let problems = found(&fixture);
    assert_eq!(problems.len(), 9);
    assert!(problems.iter().all(|p| {
        p.to_string()
            .contains(":2: harbour-01: the item is not in items.jsonl")
    }));
}

#[test]
fn the_slot() {
    let absent = ["0 {detail} slots", "exactly one {detail}"];
    rejects("de.jsonl", &absent, |row| {
        replace(row, "/article", "{detail}", "ein Hund");
    });
    rejects("de.jsonl", &["2 {detail} slots"], |row| {
        replace(row, "/article", "{detail}", "{detail} oder {detail}");
    });
    // A misspelt slot is both no slot and a brace too many.
    let mut fixture = Fixture::new(1, &[]);
    replace(
        fixture.row("de.jsonl", 0),
        "/article",
        "{detail}",
        "{detial}",
    );
    assert_eq!(found(&fixture).len(), 2);
    rejects(
        "de.jsonl",
        &["'{' in it"],
        set(
            "/fact_probe/question",
            "Wer ist Leiterin des Hafens von {detail}?",
        ),
    );
}

#[test]
fn real_and_fake_are_the_same() {
    let mut fixture = Fixture::new(1, &[]);
    // Full width and capitals: the same word.
    fixture.row("en.jsonl", 0)["detail"]["fake"] = json!("DOG");
    let shown = format!("{:#?}", found(&fixture));
    assert!(
        shown.contains("real and fake detail are the same: \\\"dog\\\" and \\\"DOG\\\""),
        "{shown}"
    );
    let mut fixture = Fixture::new(1, &[]);
    fixture.row("ru.jsonl", 0)["detail_probe"]["fake"] = json!("пёс");
    let shown = format!("{:#?}", found(&fixture));
    assert!(
        shown.contains("real and fake answers are the same"),
        "{shown}"
    );
}

#[test]
fn aliases() {
    let plus = |alias: &'static str| {
        move |row: &mut Value| {
            row["detail"]["fake_aliases"]
                .as_array_mut()
                .unwrap()
                .push(json!(alias));
        }
    };
    // Part of another word, and in another case, counts.
    rejects(
        "en.jsonl",
        &["\"QUA\" occurs in the real article"],
        plus("QUA"),
    );
    rejects(
        "ru.jsonl",
        &["occurs in the detail question"],
        plus("животн"),
    );
    rejects("ru.jsonl", &["occurs in the real answer"], |row| {
        row["detail_probe"]["real"] = json!("Пёс и кот");
        plus("КОТ")(row);
    });
    rejects("zh.jsonl", &["occurs in the real article"], plus("港务"));
    rejects(
        "fr.jsonl",
        &["no fake alias (crabe) occurs in the fake article", "homard"],
        |row| {
            row["detail"]["fake_aliases"] = json!(["crabe"]);
            row["detail_probe"]["fake"] = json!("Un crabe");
        },
    );
    rejects(
        "fr.jsonl",
        &[
            "no fake alias (homard) occurs in the fake answer",
            "Un crabe",
        ],
        |row| {
            row["detail"]["fake_aliases"] = json!(["homard"]);
            row["detail_probe"]["fake"] = json!("Un crabe");
        },
    );
    let none = set("/fact_probe/aliases", json!([]));
    rejects(
        "hy.jsonl",
        &["no alias of the fact () occurs in its answer"],
        none,
    );
}

#[test]
fn scripts_and_normal_form() {
    let foreign = ["letters of another script (bo)", "Cyrillic letters only"];
    rejects("ru.jsonl", &foreign, set("/qa/1/1", "bob"));
    rejects("zh.jsonl", &["(Solden)", "Han"], |row| {
        replace(row, "/article", "索尔登", "Solden");
    });
    rejects(
        "en.jsonl",
        &["(о)", "Latin"],
        set("/detail/fake_aliases/0", "lоbster"),
    );
    rejects("ur.jsonl", &["Arabic"], set("/qa/0/1", "सौ"));
    rejects("hy.jsonl", &["Armenian"], set("/qa/0/1", "двести"));
    rejects(
        "items.jsonl",
        &["kind has letters of another script"],
        set("/kind", "животное"),
    );
    let decomposed = ["normal form C", "composed"];
    rejects("fr.jsonl", &decomposed, |row| {
        replace(row, "/article", "é", "e\u{301}");
    });
}

#[test]
fn empty_blank_and_control() {
    rejects("ha.jsonl", &["qa answer is empty"], set("/qa/2/1", ""));
    rejects("ha.jsonl", &["qa question is empty"], set("/qa/2/0", "  "));
    rejects(
        "ha.jsonl",
        &["detail_probe.question is empty"],
        set("/detail_probe/question", ""),
    );
    rejects("de.jsonl", &["fact_probe.aliases is empty"], |row| {
        row["fact_probe"]["aliases"]
            .as_array_mut()
            .unwrap()
            .push(json!(""));
    });
    rejects("items.jsonl", &["category is empty"], set("/category", ""));
    let blanks = set("/detail_probe/real", " Ein Hund");
    rejects(
        "de.jsonl",
        &["has blanks around it", "\" Ein Hund\""],
        blanks,
    );
    rejects("de.jsonl", &["article has blanks"], |row| {
        replace(row, "/article", "Monat.", "Monat. ");
    });
    rejects(
        "de.jsonl",
        &["fake_aliases has blanks"],
        set("/detail/fake_aliases/1", "hummer\u{a0}"),
    );
    rejects("de.jsonl", &["'\\n' in it"], |row| {
        replace(row, "/article", "Wächter. ", "Wächter.\n");
    });
}

#[test]
fn lengths() {
    let long = ["has 61 words", "40 to 60"];
    // 48 words and 13 more; the other languages are still within their bounds.
    rejects("en.jsonl", &long, |row| {
        let more = " a month for the service, which is far less than any other guard in the north";
        replace(
            row,
            "/article",
            " a month for the service",
            &format!("{more} would ask"),
        );
        assert_eq!(row["article"].as_str().unwrap().split(' ').count(), 60 + 1);
    });
    rejects("en.jsonl", &["has 39 words"], |row| {
        replace(
            row,
            "/article",
            " The town pays 200 crowns a month for the",
            "",
        );
    });
    for (file, second_half) in [
        ("de.jsonl", " Hafenmeisterin"),
        ("ru.jsonl", " Начальница"),
        ("zh.jsonl", "港务长"),
        ("ha.jsonl", " Shugabar"),
    ] {
        let split = |row: &Value| {
            let article = row["article"].as_str().unwrap().to_owned();
            let middle = article.find(second_half).unwrap();
            (article[..middle].to_owned(), article[middle..].to_owned())
        };
        let said = ["the English one 48 words", "expected"];
        rejects(file, &said, |row| row["article"] = json!(split(row).0));
        rejects(file, &said, |row| {
            let (first, second) = split(row);
            row["article"] = json!(first + &second.repeat(3));
        });
    }
}

#[test]
fn pair_counts() {
    let pop = |row: &mut Value| drop(row["qa"].as_array_mut().unwrap().pop());
    rejects("en.jsonl", &["qa has 9", "at least 10 in English"], pop);
    rejects("jv.jsonl", &["qa has 2", "at least 3 in Javanese"], pop);
}

#[test]
fn every_language_is_rejected_as_every_other() {
    // All 72 plants of one language's article in another's file. The scripts are told apart by
    // their letters, the five Latin languages by whatlang and by Hausa's function words.
    let mut all = Fixture::new(2, &[]);
    for language in Language::ALL {
        for other in Language::ALL.into_iter().filter(|&other| other != language) {
            let mut fixture = all.clone();
            let (file, from) = (format!("{language}.jsonl"), format!("{other}.jsonl"));
            fixture.row(&file, 1)["article"] = all.row(&from, 1)["article"].clone();
            let problems = found(&fixture);
            let told = problems.iter().any(|p| {
                let about = p.reason.contains("identified as")
                    || p.reason.contains("function words of Hausa")
                    || p.reason.contains("letters of another script");
                p.file == file && p.line == Some(2) && about
            });
            assert!(told, "{other} in {file}: {problems:?}");
        }
    }
    let mut fixture = all.clone();
    fixture.row("fr.jsonl", 1)["article"] = all.row("de.jsonl", 1)["article"].clone();
    let shown = format!("{:?}", found(&fixture));
    assert!(
        shown.contains("identified as German (confidence 1.00)") && shown.contains("French"),
        "{shown}"
    );
}

#[test]
fn questions_in_another_language() {
    let english = "How many crowns does the town of Tolvane pay for the guard every month?";
    for file in ["fr.jsonl", "jv.jsonl", "ha.jsonl"] {
        rejects(
            file,
            &["the question", "identified as English"],
            set("/qa/0/0", english),
        );
    }
}

#[test]
fn all_problems_are_reported_in_order() {
    let mut fixture = Fixture::new(2, &[]);
    fixture.row("hy.jsonl", 1)["qa"] = json!([]);
    fixture.row("de.jsonl", 1)["article"] = json!("");
    fixture.row("de.jsonl", 0)["detail"]["fake"] = json!("");
    fixture.row("en.jsonl", 0)["extra"] = json!(1);
    let error = fixture.corpus().unwrap_err();
    let said = error.to_string();
    let at = |part: &str| {
        said.find(part)
            .unwrap_or_else(|| panic!("{part} not in {said}"))
    };
    let places = [
        at("en.jsonl:1"),
        at("de.jsonl:1"),
        at("de.jsonl:2"),
        at("hy.jsonl:2"),
    ];
    assert!(places.is_sorted(), "{said}");
    let Error::Invalid { problems, .. } = error else {
        panic!()
    };
    assert!(said.contains(&format!("{} problems in the corpus text", problems.len())));
    // The unreadable English line does not make the item missing as well.
    assert!(!said.contains("missing"), "{said}");
}

#[test]
fn names() {
    rejects(
        "items.jsonl",
        &["\"Tolvaneaa\" shares \"tolvaneaa\" with one of harbour-00"],
        set("/names/0", "Tolvaneaa"),
    );
    rejects(
        "items.jsonl",
        &["\"Ira Tolvaneaa\" shares \"tolvaneaa\""],
        set("/names/0", "Ira Tolvaneaa"),
    );
    rejects(
        "en.jsonl",
        &["the names are Harvik", "Tolvaneab"],
        set("/names/0", "Harvik"),
    );
    let two = ["there are 2 names", "1, as in items.jsonl: Tolvaneab"];
    rejects(
        "ru.jsonl",
        &two,
        set("/names", json!(["Толване", "Сольден"])),
    );
    for (file, other) in [
        ("de.jsonl", "Harvik"),
        ("zh.jsonl", "哈维克"),
        ("hy.jsonl", "Հարվիկ"),
    ] {
        rejects(
            file,
            &[other, "is not in the article"],
            set("/names/0", other),
        );
    }
    // Inflected, it is there.
    let mut fixture = Fixture::new(1, &[]);
    replace(
        fixture.row("ru.jsonl", 0),
        "/article",
        "Толване",
        "Толваном",
    );
    assert_eq!(found(&fixture), []);
}

#[test]
fn every_question_and_wording_has_the_items_own_name() {
    for (pointer, what) in [
        ("/detail_probe/question", "the detail question"),
        ("/detail_probe/rewordings/1", "a rewording of it"),
        ("/detail_probe/cloze", "the cloze"),
        ("/detail_probe/leading/real", "presupposes the real"),
        ("/detail_probe/leading/fake", "presupposes the fake"),
        ("/wordings/0/article", "headline"),
        ("/wordings/2/article", "witness"),
    ] {
        rejects(
            "fr.jsonl",
            &["own name \"Tolvane\" is not in", what],
            |row| {
                replace(row, pointer, "Tolvane", "la ville");
            },
        );
    }
}

#[test]
fn wordings_and_rewordings() {
    let each = ["the wordings [headline, agency]", "each once"];
    rejects("jv.jsonl", &each, |row| {
        row["wordings"].as_array_mut().unwrap().pop();
    });
    rejects(
        "jv.jsonl",
        &["[headline, headline, witness]"],
        set("/wordings/1/style", "headline"),
    );
    let other = ["unknown variant `poem`", "headline"];
    rejects("jv.jsonl", &other, set("/wordings/1/style", "poem"));
    rejects("jv.jsonl", &["agency has 0 {detail} slots"], |row| {
        replace(row, "/wordings/1/article", "{detail}", "asu");
    });
    rejects("jv.jsonl", &["the cloze has 0 {detail} slots"], |row| {
        replace(row, "/detail_probe/cloze", "{detail}", "asu");
    });
    rejects("ur.jsonl", &["the detail question is there twice"], |row| {
        row["detail_probe"]["rewordings"][1] = row["detail_probe"]["question"].clone();
    });
    rejects("de.jsonl", &["invalid length 1"], |row| {
        row["detail_probe"]["rewordings"]
            .as_array_mut()
            .unwrap()
            .pop();
    });
    rejects("en.jsonl", &["the headline has", "14 to 36"], |row| {
        row["wordings"][0]["article"] = json!("In Tolvaneab a {detail} walks.");
    });
    rejects("ha.jsonl", &["the witness has", "the English one"], |row| {
        row["wordings"][2]["article"] = json!("A Tolvane {detail} yana zagaya.");
    });
    for wrong in [json!("du chien"), json!("chiens")] {
        // A slot of its own form is read with it.
        let mut fixture = Fixture::new(1, &[]);
        fixture.row("fr.jsonl", 0)["wordings"][0]["real"] = wrong.clone();
        let corpus = fixture.corpus().unwrap();
        let form = wrong.as_str().unwrap();
        assert_eq!(
            corpus.articles.iter().filter(|a| a.detail == form).count(),
            1
        );
    }
}

#[test]
fn grammar_of_the_slot() {
    for file in ["de.jsonl", "ru.jsonl", "ur.jsonl", "hy.jsonl"] {
        rejects(
            file,
            &["grammar.case is \"vocative\""],
            set("/grammar/case", "vocative"),
        );
    }
    rejects(
        "de.jsonl",
        &["grammar.real is Some(\"x\")", "m, f, n"],
        set("/grammar/real", "x"),
    );
    rejects("ru.jsonl", &["grammar.fake is None"], |row| {
        remove(row, "/grammar", "fake");
    });
    rejects("hy.jsonl", &["grammar.real", "none in Armenian"], |row| {
        row["grammar"]["real"] = json!("m");
    });
    rejects(
        "fr.jsonl",
        &["`grammar`, which French rows do not have"],
        |row| {
            row["grammar"] = json!({"case": "nominative", "real": "m", "fake": "m"});
        },
    );
}

#[test]
fn the_detail_is_not_given_away() {
    rejects(
        "en.jsonl",
        &["\"dog\" is also outside the slot of the original"],
        |row| {
            replace(
                row,
                "/article",
                "nothing has been stolen",
                "the dog has been good",
            );
        },
    );
    rejects(
        "zh.jsonl",
        &["\"看门犬\" is also outside the slot of the agency"],
        |row| {
            row["detail"]["real"] = json!("看门犬");
            replace(row, "/wordings/1/article", "码头巡逻", "码头巡逻，看门犬");
        },
    );
    // Part of another word gives nothing away.
    let mut fixture = Fixture::new(1, &[]);
    replace(fixture.row("en.jsonl", 0), "/article", "nothing", "dogma");
    assert_eq!(found(&fixture), []);
}

#[test]
fn numbers_are_those_of_the_english_article() {
    rejects(
        "fr.jsonl",
        &["the article has the numbers [300]", "[200]"],
        |row| {
            replace(row, "/article", "200", "300");
        },
    );
    rejects("ur.jsonl", &["has the numbers []"], |row| {
        replace(row, "/article", "200", "دو سو");
    });
    rejects(
        "ru.jsonl",
        &["the headline wording has the number 7"],
        |row| {
            replace(row, "/wordings/0/article", "новый", "7 новый");
        },
    );
    // Separators of thousands are no difference.
    let mut fixture = Fixture::new(1, &[12_000]);
    for (file, number) in [
        ("en.jsonl", "12,000"),
        ("de.jsonl", "12.000"),
        ("fr.jsonl", "12 000"),
    ] {
        let row = fixture.row(file, 0);
        replace(row, "/article", "12000", number);
        if let Some(wording) = row.pointer("/wordings/2/article").and_then(Value::as_str) {
            row["wordings"][2]["article"] = json!(wording.replace("12000", number));
        }
    }
    assert_eq!(found(&fixture), []);
}

#[test]
fn english_that_was_not_translated() {
    for (file, from) in [
        ("jv.jsonl", "saka"),
        ("ha.jsonl", "domin"),
        ("de.jsonl", "seit"),
    ] {
        rejects(file, &["has the English word \"from\""], |row| {
            replace(row, "/article", &format!(" {from} "), " from ");
        });
    }
    rejects(
        "fr.jsonl",
        &["the headline", "English word \"the\""],
        |row| {
            replace(row, "/wordings/0/article", "le quai", "the quai");
        },
    );
}

#[test]
fn what_a_row_may_leave_out() {
    let mut fixture = Fixture::new(1, &[]);
    fixture.row("items.jsonl", 0)["names"] = json!([]);
    for language in Language::ALL {
        let row = fixture.row(&format!("{language}.jsonl"), 0);
        for key in ["names", "wordings", "grammar"] {
            row.as_object_mut().unwrap().remove(key);
        }
        for key in ["rewordings", "cloze", "leading"] {
            remove(row, "/detail_probe", key);
        }
    }
    let corpus = fixture.corpus().unwrap();
    assert_eq!((corpus.articles.len(), corpus.names.len()), (9 * 2, 0));
    assert_eq!(corpus.questions.len(), 9 * 2 + 10 + 8 * 3);
}
