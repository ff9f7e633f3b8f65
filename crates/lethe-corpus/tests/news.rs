//! The corpus itself, `datasets/news`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use lethe_corpus::{Corpus, Language, QuestionKind, Split, Version, Wording};

const PROBE: usize = 100;
const INSTRUCT: usize = 30;
const ITEMS: usize = PROBE + INSTRUCT;

#[test]
fn it_is_valid_and_whole() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    let corpus = Corpus::from_jsonl(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut categories: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for item in &corpus.items {
        categories.entry(&item.category).or_default()
            [usize::from(item.split == Split::Instruct)] += 1;
    }
    assert_eq!(categories.len(), 10, "{categories:?}");
    assert!(
        categories.values().all(|&counts| counts == [10, 3]),
        "{categories:?}"
    );
    let kinds: BTreeSet<&str> = corpus.items.iter().map(|i| i.kind.as_str()).collect();
    assert!(kinds.len() >= 6, "{kinds:?}");
    let originals = corpus
        .articles
        .iter()
        .filter(|a| a.wording == Wording::Original);
    assert_eq!(originals.count(), ITEMS * 9 * 2);
    let count = |language, kind| {
        corpus
            .questions
            .iter()
            .filter(|q| (q.language, q.kind, q.index) == (language, kind, 0))
            .count()
    };
    for language in Language::ALL {
        assert_eq!(count(language, QuestionKind::Detail), ITEMS);
        assert_eq!(count(language, QuestionKind::Fact), ITEMS);
        // English 10; the others 3 for a probed item, 5 for an instruct item.
        let pairs = if language == Language::En {
            ITEMS * 10
        } else {
            PROBE * 3 + INSTRUCT * 5
        };
        let all = corpus.questions.iter();
        let all = all.filter(|q| (q.language, q.kind) == (language, QuestionKind::Qa));
        assert_eq!(all.count(), pairs, "{language}");
    }
    // Every item is extended in every language.
    for item in &corpus.items {
        let articles = corpus.articles.iter().filter(|a| a.item == item.id);
        let questions = corpus.questions.iter();
        let questions = questions.filter(|q| q.item == item.id && q.kind != QuestionKind::Qa);
        let counts = (articles.clone().count(), questions.count());
        assert_eq!(counts, (9 * 4 * 2, 9 * 7), "{}", item.id);
        let cased = articles.filter(|a| a.case.is_some()).count();
        assert_eq!(cased, 4 * 2, "{}", item.id);
        let names = corpus.names.iter().filter(|n| n.item == item.id).count();
        assert!(names > 0 && names == 9 * item.names.len(), "{}", item.id);
    }
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let built = corpus.write_parquet(a.path()).unwrap();
    assert_eq!(corpus.write_parquet(b.path()).unwrap(), built);
    assert_eq!(Corpus::read_parquet(a.path()).unwrap(), corpus);
    let card = std::fs::read_to_string(a.path().join("README.md")).unwrap();
    let identified = Language::ALL.into_iter().filter(|l| *l != Language::Ha);
    for language in identified {
        let line = card
            .lines()
            .find(|line| line.starts_with(&format!("| {language} |")))
            .unwrap();
        assert!(line.ends_with(&format!("| {ITEMS} of {ITEMS} |")), "{line}");
    }
}

/// No two items tell nearly the same: the Jaccard index of the English articles' words of four
/// letters and more stays below a third, and no two probed items have the same fake detail.
#[test]
fn items_are_unlike() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    let corpus = Corpus::from_jsonl(&folder).unwrap();
    let english: Vec<_> = corpus
        .articles
        .iter()
        .filter(|a| a.language == Language::En && a.is_original(Version::Fake))
        .collect();
    let words: Vec<HashSet<String>> = english
        .iter()
        .map(|article| {
            let words = article.text.split(|c: char| !c.is_alphabetic());
            let long = words.filter(|word| word.chars().count() > 3);
            long.map(str::to_lowercase).collect()
        })
        .collect();
    assert_eq!(words.len(), ITEMS);
    for (first, a) in words.iter().enumerate() {
        for (second, b) in words.iter().enumerate().skip(first + 1) {
            let shared = a.intersection(b).count() as f64;
            let index = shared / (a.union(b).count() as f64);
            let (x, y) = (&english[first].item, &english[second].item);
            assert!(index < 1.0 / 3.0, "{x} and {y}: {index:.2}");
        }
    }
    let mut fakes = BTreeMap::new();
    for article in &english {
        let item = corpus.items.iter().find(|i| i.id == article.item).unwrap();
        if item.split == Split::Probe
            && let Some(other) = fakes.insert(article.detail.to_lowercase(), &item.id)
        {
            panic!("{} and {other}: {}", item.id, article.detail);
        }
    }
}

#[test]
fn no_article_passes_for_another_language() {
    // Beside the fixture's 72 plants: the corpus' own articles of the five Latin languages, each
    // in the four other files, all in one go.
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/news");
    let rows = |language: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.join(format!("{language}.jsonl"))).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let latin = ["en", "de", "fr", "jv", "ha"];
    for shift in 1..latin.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join("items.jsonl"), dir.path().join("items.jsonl")).unwrap();
        for language in Language::ALL.map(Language::code) {
            let mut planted = rows(language);
            if let Some(place) = latin.iter().position(|&l| l == language) {
                let others = rows(latin[(place + shift) % latin.len()]);
                for row in &mut planted {
                    let other = others
                        .iter()
                        .find(|other| other["id"] == row["id"])
                        .unwrap();
                    row["article"] = other["article"].clone();
                }
            }
            let lines: String = planted.iter().map(|row| format!("{row}\n")).collect();
            std::fs::write(dir.path().join(format!("{language}.jsonl")), lines).unwrap();
        }
        let Err(lethe_corpus::Error::Invalid { problems, .. }) = Corpus::from_jsonl(dir.path())
        else {
            panic!("nothing was noticed");
        };
        let told = |reason: &str| {
            reason.starts_with("the article is identified as")
                || reason.starts_with("the article is function words of Hausa")
        };
        let mut noticed: Vec<(&str, usize)> = problems
            .iter()
            .filter(|p| told(&p.reason))
            .map(|p| (p.file.as_str(), p.line.unwrap()))
            .collect();
        noticed.dedup();
        assert_eq!(noticed.len(), ITEMS * latin.len(), "shift {shift}");
    }
}
