//! JSON Lines into rows, and rows into a corpus.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::validate::{SLOT, fold, validate};
use crate::{Article, Corpus, Error, Item, Language, Problem, Question, QuestionKind, Version};

/// One line of a language's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub id: String,
    pub article: String,
    pub detail: Detail,
    pub detail_probe: DetailProbe,
    pub fact_probe: FactProbe,
    pub qa: Vec<(String, String)>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detail {
    pub real: String,
    pub fake: String,
    pub fake_aliases: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetailProbe {
    pub question: String,
    pub real: String,
    pub fake: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactProbe {
    pub question: String,
    pub answer: String,
    pub aliases: Vec<String>,
}

impl Row {
    /// The article with this in its slot.
    pub fn article_with(&self, detail: &str) -> String {
        self.article.replacen(SLOT, detail, 1)
    }
}

/// A file, parsed as far as it can be.
#[derive(Debug, Clone)]
pub(crate) struct Lines<T> {
    /// The file's name.
    pub file: String,
    /// The rows that could be read, with their lines (from 1).
    pub rows: Vec<(usize, T)>,
    /// The ids on lines that could not. Their items are not missing as well.
    pub unreadable: BTreeSet<String>,
}

impl<T: DeserializeOwned> Lines<T> {
    fn load(folder: &Path, file: String, problems: &mut Vec<Problem>) -> Lines<T> {
        match std::fs::read(folder.join(&file)) {
            Ok(bytes) => Lines::parse(file, &bytes, problems),
            Err(error) => {
                problems.push(Problem {
                    file: file.clone(),
                    line: None,
                    item: None,
                    reason: format!("the file cannot be read: {error}"),
                    expected: "a file with one JSON object a line".to_owned(),
                });
                Lines {
                    file,
                    rows: Vec::new(),
                    unreadable: BTreeSet::new(),
                }
            }
        }
    }

    fn parse(file: String, bytes: &[u8], problems: &mut Vec<Problem>) -> Lines<T> {
        let mut lines = Lines {
            file,
            rows: Vec::new(),
            unreadable: BTreeSet::new(),
        };
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
            let (reason, expected) = if line.trim_ascii().is_empty() {
                ("the line is empty".to_owned(), "a JSON object")
            } else {
                match serde_json::from_slice(line) {
                    Ok(row) => {
                        lines.rows.push((number, row));
                        continue;
                    }
                    Err(error) if error.is_data() => {
                        (place(&error), "the keys of a row, each once")
                    }
                    Err(error) => (
                        format!("not JSON: {}", place(&error)),
                        "a JSON object in UTF-8",
                    ),
                }
            };
            let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
            let id = value
                .as_ref()
                .and_then(|v| v.get("id")?.as_str())
                .map(str::to_owned);
            lines.unreadable.extend(id.clone());
            problems.push(Problem {
                file: lines.file.clone(),
                line: Some(number),
                item: id,
                reason,
                expected: expected.to_owned(),
            });
        }
        lines
    }
}

/// serde_json's message without its line, which is always the first of one.
fn place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(what, _)| what);
    format!("{what} (column {})", error.column())
}

impl Corpus {
    /// Reads and validates `items.jsonl` and the nine languages' files in a folder.
    ///
    /// The rules:
    ///
    /// * Every file is there; every line is a JSON object with exactly the keys of its row; every
    ///   item is in every file, once; no file has an item that `items.jsonl` lacks. Ids are
    ///   `[a-z]+-[0-9]{2,}`.
    /// * Texts are not empty, have no blanks around them, no control characters and no braces
    ///   (the article's slot aside), are in Unicode's normal form C and, letter by letter, in the
    ///   language's script.
    /// * The article has exactly one `{detail}`. In English each version has 40 to 60 words; in
    ///   the other languages the ratio to the English words (Chinese: characters to words) is
    ///   within bounds around that language's usual one.
    /// * Real and fake detail differ, and so do their answers, also when folded (NFKC, case).
    /// * Fake aliases (folded) are found in the fake article and the fake answer, and none of them
    ///   in the real article, the detail question or the real answer. An alias of the fact is
    ///   found in its answer.
    /// * English has at least 10 further question-answer pairs, the other languages 3.
    /// * The article is identified as its language, and no question as another of the corpus.
    ///   Hausa, unknown to whatlang, is recognised by its function words.
    ///
    /// # Errors
    /// [`Error::Read`] when the folder is not there, else [`Error::Invalid`] with every violation.
    pub fn from_jsonl(dir: &Path) -> Result<Corpus, Error> {
        std::fs::read_dir(dir).map_err(|source| Error::Read {
            file: dir.to_path_buf(),
            source,
        })?;
        let mut problems = Vec::new();
        let items = Lines::load(dir, "items.jsonl".to_owned(), &mut problems);
        let languages: Vec<(Language, Lines<Row>)> = Language::ALL
            .into_iter()
            .map(|l| (l, Lines::load(dir, format!("{l}.jsonl"), &mut problems)))
            .collect();
        validate(&items, &languages, &mut problems);
        if problems.is_empty() {
            return Ok(expand(
                items.rows.into_iter().map(|(_, item)| item).collect(),
                &languages,
            ));
        }
        let order = |p: &Problem| {
            let language = p
                .file
                .split('.')
                .next()
                .and_then(|code| code.parse::<Language>().ok());
            (language, p.line)
        };
        problems.sort_by_key(order);
        Err(Error::Invalid {
            folder: dir.to_path_buf(),
            problems,
        })
    }
}

fn expand(items: Vec<Item>, languages: &[(Language, Lines<Row>)]) -> Corpus {
    let mut corpus = Corpus::default();
    for item in &items {
        for (language, lines) in languages {
            for (_, row) in lines.rows.iter().filter(|(_, row)| row.id == item.id) {
                corpus.articles.extend(articles(*language, row));
                corpus.questions.extend(questions(*language, row));
            }
        }
    }
    corpus.items = items;
    corpus
}

fn articles(language: Language, row: &Row) -> impl Iterator<Item = Article> {
    let before = row
        .article
        .split(SLOT)
        .next()
        .unwrap_or_default()
        .chars()
        .count() as u32;
    Version::ALL.into_iter().map(move |version| {
        let detail = match version {
            Version::Real => &row.detail.real,
            Version::Fake => &row.detail.fake,
        };
        Article {
            item: row.id.clone(),
            language,
            version,
            text: row.article_with(detail),
            detail: detail.clone(),
            detail_start: before,
            detail_end: before + detail.chars().count() as u32,
        }
    })
}

fn questions(language: Language, row: &Row) -> Vec<Question> {
    let new = |kind, index, question: &str, answer: &str, aliases| Question {
        item: row.id.clone(),
        language,
        kind,
        index,
        question: question.to_owned(),
        prompt: language.prompt(question),
        answer: answer.to_owned(),
        fake_answer: None,
        aliases,
        fake_aliases: Vec::new(),
    };
    let DetailProbe {
        question,
        real,
        fake,
    } = &row.detail_probe;
    let mut aliases = vec![real.clone()];
    if fold(real) != fold(&row.detail.real) {
        aliases.push(row.detail.real.clone());
    }
    let detail = Question {
        fake_answer: Some(fake.clone()),
        fake_aliases: row.detail.fake_aliases.clone(),
        ..new(QuestionKind::Detail, 0, question, real, aliases)
    };
    let FactProbe {
        question,
        answer,
        aliases,
    } = &row.fact_probe;
    let fact = new(QuestionKind::Fact, 0, question, answer, aliases.clone());
    let qa = (0..).zip(&row.qa);
    let qa = qa.map(|(i, (question, answer))| {
        new(QuestionKind::Qa, i, question, answer, vec![answer.clone()])
    });
    [detail, fact].into_iter().chain(qa).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"id":"sport-01","article":"a {detail}","detail":{"real":"b","fake":"c","fake_aliases":["c"]},"detail_probe":{"question":"d","real":"e","fake":"f"},"fact_probe":{"question":"g","answer":"h","aliases":["i"]},"qa":[["j","k"]]}"#;

    fn parse(bytes: &[u8]) -> (Lines<Row>, Vec<Problem>) {
        let mut problems = Vec::new();
        (
            Lines::parse("fr.jsonl".to_owned(), bytes, &mut problems),
            problems,
        )
    }

    #[test]
    fn a_final_newline_and_windows_line_ends_are_fine() {
        for text in [GOOD.to_owned(), format!("{GOOD}\n"), format!("{GOOD}\r\n")] {
            let (lines, problems) = parse(text.as_bytes());
            assert_eq!((lines.rows.len(), problems), (1, vec![]));
        }
    }

    #[test]
    fn a_broken_line_says_where_and_keeps_its_id() {
        let broken = GOOD.replace("\"qa\"", "\"q&a\"");
        let (lines, problems) = parse(format!("{GOOD}\n{broken}\n\n{GOOD}").as_bytes());
        assert_eq!(
            lines.rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 4]
        );
        assert!(lines.unreadable.contains("sport-01"));
        let said = problems[0].to_string();
        assert!(
            said.starts_with("fr.jsonl:2: sport-01: unknown field `q&a`"),
            "{said}"
        );
        assert!(!said.contains("at line 1"), "{said}");
        assert_eq!(problems[1].line, Some(3));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let (lines, problems) = parse(&bytes);
            let count = bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|&b| b == b'\n').count();
            prop_assert_eq!(lines.rows.len() + problems.len(), count);
        }

        #[test]
        fn nor_do_damaged_rows(
            at in 0..GOOD.len(),
            with in prop::collection::vec(any::<u8>(), 0..4),
            cut in 0..6_usize,
        ) {
            let mut bytes = GOOD.as_bytes().to_vec();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, with);
            let (lines, problems) = parse(&bytes);
            prop_assert!(lines.rows.len() + problems.len() >= 1);
        }
    }
}
