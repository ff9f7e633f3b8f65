//! Other people's data sets of real and fake articles, as corpus text.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fold::fold;
use crate::rules::{RULES, Rules};
use crate::validate::{SLOT, length};
use crate::{Corpus, Error, Language, Problem};

/// Which columns hold what: they are called differently in every copy of a data set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The language of the text.
    pub language: Language,
    /// The real article.
    pub real_article: String,
    /// The article with the false detail.
    pub fake_article: String,
    /// The word or phrase by which the false detail is recognised.
    pub fake_keyword: String,
    /// A question whose answer is the detail.
    pub fake_question: String,
    /// Its true answer; left out, what the real article has in the detail's place.
    pub fake_question_real_answer: Option<String>,
    /// Its false answer; left out, the keyword.
    pub fake_question_fake_answer: Option<String>,
    /// A question about something that both articles say.
    pub real_question: String,
    /// Its answer; left out, that of the pair which asks the same.
    pub real_answer: Option<String>,
    /// Question-answer pairs, each in two columns.
    #[serde(default)]
    pub pairs: Vec<(String, String)>,
    /// Or all in one column: a list of `[question, answer]` or `{"question": …, "answer": …}`, or
    /// JSON text of such a list.
    pub pairs_column: Option<String>,
    /// The category's column; left out, all are `news`.
    pub category: Option<String>,
    /// How many rows, the last ones, are for the instruct stage rather than to be probed.
    #[serde(default)]
    pub instruct: usize,
}

/// What an import made of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Rows of the data set.
    pub rows: usize,
    /// Rows that became items.
    pub kept: usize,
    /// Why the others did not: `line` is the row, from 1.
    pub refused: Vec<Problem>,
    /// What the corpus text still lacks for the study in nine languages, in words.
    pub lacks: Vec<String>,
}

type Row = Map<String, Value>;

fn not_read(file: &Path, reason: impl ToString) -> Error {
    Error::NotTable {
        file: file.to_path_buf(),
        reason: reason.to_string(),
    }
}

/// The rows of a Parquet, JSON, JSONL or CSV file, by its extension.
fn rows(file: &Path) -> Result<Vec<Row>, Error> {
    let bytes = || {
        std::fs::read(file).map_err(|source| Error::Read {
            file: file.to_path_buf(),
            source,
        })
    };
    let object = |value: Value, row: usize| match value {
        Value::Object(map) => Ok(map),
        other => Err(not_read(
            file,
            format!("row {row} is {other}, expected an object with a key per column"),
        )),
    };
    let kind = file.extension().unwrap_or_default().to_string_lossy();
    match kind.as_ref() {
        "json" => {
            let all: Vec<Value> = serde_json::from_slice(&bytes()?)
                .map_err(|e| not_read(file, format!("expected a JSON array of objects: {e}")))?;
            all.into_iter()
                .zip(1..)
                .map(|(v, row)| object(v, row))
                .collect()
        }
        "jsonl" | "ndjson" => {
            let bytes = bytes()?;
            let lines = bytes.split(|&b| b == b'\n').zip(1..);
            lines
                .filter(|(line, _)| !line.trim_ascii().is_empty())
                .map(|(line, row)| {
                    let value = serde_json::from_slice(line)
                        .map_err(|e| not_read(file, format!("line {row}: {e}")))?;
                    object(value, row)
                })
                .collect()
        }
        "csv" => {
            let mut reader = csv::Reader::from_reader(std::io::Cursor::new(bytes()?));
            let records = reader.deserialize::<BTreeMap<String, String>>();
            records
                .map(|record| {
                    let record = record.map_err(|e| not_read(file, e))?;
                    let cells = record.into_iter();
                    Ok(cells.map(|(k, v)| (k, Value::String(v))).collect())
                })
                .collect()
        }
        "parquet" => {
            let handle = File::open(file).map_err(|source| Error::Read {
                file: file.to_path_buf(),
                source,
            })?;
            // Some damage makes the Parquet reader panic instead of saying so.
            let read = std::panic::AssertUnwindSafe(|| {
                let reader = SerializedFileReader::new(handle)?;
                let rows = reader.get_row_iter(None)?;
                rows.map(|row| Ok(row?.to_json_value()))
                    .collect::<Result<Vec<Value>, parquet::errors::ParquetError>>()
            });
            let all = std::panic::catch_unwind(read)
                .map_err(|_| not_read(file, "the Parquet reader gave up"))?
                .map_err(|e| not_read(file, e))?;
            all.into_iter()
                .zip(1..)
                .map(|(v, row)| object(v, row))
                .collect()
        }
        other => Err(not_read(
            file,
            format!("its name ends in {other:?}, expected parquet, json, jsonl or csv"),
        )),
    }
}

/// Where two texts differ: what is before and after in both, and what each has there, whole words
/// and never nothing.
fn difference<'a>(real: &'a str, fake: &'a str) -> Option<(String, &'a str, &'a str, String)> {
    let spans = |text: &'a str| -> Vec<(usize, usize)> {
        let start = text.as_ptr() as usize;
        text.split_whitespace()
            .map(|word| {
                let at = word.as_ptr() as usize - start;
                (at, at + word.len())
            })
            .collect()
    };
    let (a, b) = (spans(real), spans(fake));
    let word = |text: &'a str, (from, to): (usize, usize)| &text[from..to];
    let same = |i: usize, j: usize| word(real, a[i]) == word(fake, b[j]);
    let shorter = a.len().min(b.len());
    let mut first = (0..shorter).take_while(|&i| same(i, i)).count();
    let mut last = (0..shorter - first)
        .take_while(|&i| same(a.len() - 1 - i, b.len() - 1 - i))
        .count();
    if first == a.len() && first == b.len() {
        return None;
    }
    // What one article inserts gets a neighbouring word on both sides.
    if first + last == shorter {
        if first > 0 {
            first -= 1;
        } else {
            last = last.checked_sub(1)?;
        }
    }
    // Punctuation after the last word stays outside, where both have the same.
    let middle = |text: &'a str, spans: &[(usize, usize)]| {
        let (from, to) = (spans[first].0, spans[spans.len() - 1 - last].1);
        (&text[..from], &text[from..to], &text[to..])
    };
    let (before, real, after) = middle(real, &a);
    let (_, fake, _) = middle(fake, &b);
    let tail = |text: &str| {
        let bare = text.trim_end_matches(|c: char| c.is_ascii_punctuation());
        text.len() - bare.len()
    };
    let (x, y) = (
        &real[real.len() - tail(real)..],
        &fake[fake.len() - tail(fake)..],
    );
    let (bare_real, bare_fake) = (&real[..real.len() - x.len()], &fake[..fake.len() - y.len()]);
    if x == y && !bare_real.is_empty() && !bare_fake.is_empty() {
        return Some((
            before.to_owned(),
            bare_real,
            bare_fake,
            format!("{x}{after}"),
        ));
    }
    Some((before.to_owned(), real, fake, after.to_owned()))
}

/// At most this many words may differ for two articles to count as a minimal pair.
const WORDS: usize = 12;

struct Source<'a> {
    mapping: &'a Mapping,
    row: &'a Row,
}

impl Source<'_> {
    fn text(&self, column: &str) -> Result<String, (String, String)> {
        let found = match self.row.get(column) {
            Some(Value::String(text)) => {
                let words: Vec<&str> = text.split_whitespace().collect();
                words.join(" ")
            }
            Some(Value::Null) | None => {
                let columns: Vec<&str> = self.row.keys().map(String::as_str).collect();
                return Err((
                    format!("column {column:?} is missing"),
                    format!("a text there; the row has {}", columns.join(", ")),
                ));
            }
            Some(other) => other.to_string(),
        };
        match found.is_empty() {
            true => Err((format!("column {column:?} is empty"), "a text".to_owned())),
            false => Ok(found),
        }
    }

    fn pairs(&self) -> Result<Vec<(String, String)>, (String, String)> {
        let mut out = Vec::new();
        for (question, answer) in &self.mapping.pairs {
            out.push((self.text(question)?, self.text(answer)?));
        }
        let Some(column) = &self.mapping.pairs_column else {
            return Ok(out);
        };
        let bad = |found: &Value| {
            (
                format!("column {column:?} holds {found}"),
                "a list of [question, answer] or {\"question\": …, \"answer\": …}".to_owned(),
            )
        };
        let mut value = self.row.get(column).cloned().unwrap_or(Value::Null);
        if let Value::String(text) = &value {
            value = serde_json::from_str(text).map_err(|_| bad(&value))?;
        }
        let list = value.as_array().ok_or_else(|| bad(&value))?;
        for pair in list {
            let part = |key: &str, index: usize| {
                let found = pair.get(key).or_else(|| pair.get(index));
                found.and_then(Value::as_str).map(|t| t.trim().to_owned())
            };
            match (part("question", 0), part("answer", 1)) {
                (Some(question), Some(answer)) => out.push((question, answer)),
                _ => return Err(bad(pair)),
            }
        }
        Ok(out)
    }

    /// The row as an item's line, or what is wrong and what was expected.
    fn line(&self, id: &str) -> Result<(Value, usize), (String, String)> {
        let m = self.mapping;
        let (real, fake) = (self.text(&m.real_article)?, self.text(&m.fake_article)?);
        let expected = || format!("articles that differ in one place of at most {WORDS} words");
        let (before, real_detail, fake_detail, after) = difference(&real, &fake)
            .ok_or_else(|| ("real and fake article are the same".to_owned(), expected()))?;
        let changed = [real_detail, fake_detail].map(|t| t.split_whitespace().count());
        if changed.iter().any(|&n| n > WORDS) {
            let found = format!(
                "the articles differ from {:?} on, over {} and {} words",
                real_detail.split_whitespace().next().unwrap_or_default(),
                changed[0],
                changed[1]
            );
            return Err((found, expected()));
        }
        let keyword = self.text(&m.fake_keyword)?;
        let optional = |column: &Option<String>, otherwise: &str| match column {
            Some(column) => self.text(column),
            None => Ok(otherwise.to_owned()),
        };
        let true_answer = optional(&m.fake_question_real_answer, real_detail)?;
        let false_answer = optional(&m.fake_question_fake_answer, &keyword)?;
        let pairs = self.pairs()?;
        let question = self.text(&m.real_question)?;
        let answer = match &m.real_answer {
            Some(column) => self.text(column)?,
            None => {
                let asked = pairs.iter().find(|(q, _)| fold(q) == fold(&question));
                let (_, answer) = asked.ok_or_else(|| {
                    (
                        format!("no pair asks {question:?}"),
                        "its answer among the pairs, or `real_answer` in the mapping".to_owned(),
                    )
                })?;
                answer.clone()
            }
        };
        let pairs: Vec<_> = pairs
            .into_iter()
            .filter(|(q, _)| fold(q) != fold(&question))
            .collect();
        // The keyword may be another form of the detail than the one that stands in the texts.
        let mut aliases = vec![keyword.clone()];
        for form in [fake_detail, &*false_answer] {
            let folded = fold(form);
            if !aliases.iter().any(|alias| folded.contains(&fold(alias))) {
                aliases.push(form.to_owned());
            }
        }
        let article = format!("{before}{SLOT}{after}");
        let words = length(m.language, &real);
        Ok((
            json!({
                "id": id,
                "article": article,
                "detail": {"real": real_detail, "fake": fake_detail, "fake_aliases": aliases},
                "detail_probe": {
                    "question": self.text(&m.fake_question)?,
                    "real": true_answer, "fake": false_answer,
                },
                "fact_probe": {"question": question, "answer": answer, "aliases": [answer]},
                "qa": pairs,
            }),
            words,
        ))
    }
}

/// Reads a data set of real and fake articles in one language from a Parquet, JSON, JSONL or CSV
/// file, and writes it as corpus text into a new folder: `items.jsonl`, the language's file and
/// `corpus.toml`. A row becomes an item when its articles are a minimal pair and it keeps the rules
/// of [`Corpus::from_jsonl`]; the others are reported.
///
/// # Errors
/// [`Error::Read`], [`Error::NotTable`] for a file that is not what its name says;
/// [`Error::Invalid`] when no row is usable; [`Error::Write`]; nothing is written then.
pub fn import(file: &Path, mapping: &Mapping, out: &Path) -> Result<Imported, Error> {
    let rows = rows(file)?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut refused = Vec::new();
    let mut lines: Vec<(usize, Value, Value)> = Vec::new();
    let mut bounds = (usize::MAX, 0);
    for (number, row) in (1..).zip(&rows) {
        let id = format!("news-{number:03}");
        let source = Source { mapping, row };
        let category = mapping.category.as_ref().map(|column| source.text(column));
        let line = match category.transpose() {
            Ok(category) => source.line(&id).map(|line| (line, category)),
            Err(problem) => Err(problem),
        };
        match line {
            Ok(((line, words), category)) => {
                bounds = (bounds.0.min(words), bounds.1.max(words));
                let instruct = number + mapping.instruct > rows.len();
                let item = json!({
                    "id": id,
                    "split": if instruct { "instruct" } else { "probe" },
                    "category": category.unwrap_or_else(|| "news".to_owned()),
                    "kind": "unknown",
                });
                lines.push((number, item, line));
            }
            Err((reason, expected)) => refused.push(Problem {
                file: name.clone(),
                line: Some(number),
                item: None,
                reason,
                expected,
            }),
        }
    }
    let rules = Rules {
        languages: vec![mapping.language],
        article_words: Some([bounds.0, bounds.1]),
        english_pairs: 1,
        other_pairs: 1,
    };
    // Items that break a rule are taken out one after the other; what is left is valid.
    let parent = out
        .parent()
        .filter(|p| *p != Path::new(""))
        .unwrap_or(Path::new("."));
    let failed = |reason: String| Error::Write {
        file: out.to_path_buf(),
        reason,
    };
    if out.exists() {
        return Err(failed(
            "exists already; name another folder, or delete it".to_owned(),
        ));
    }
    std::fs::create_dir_all(parent).map_err(|e| failed(e.to_string()))?;
    let work = tempfile::Builder::new()
        .prefix(".import-")
        .tempdir_in(parent)
        .map_err(|e| failed(e.to_string()))?;
    let folder = work.path().join("whole");
    loop {
        if lines.is_empty() {
            return Err(Error::Invalid {
                folder: PathBuf::from(file),
                problems: refused,
            });
        }
        write_folder(&folder, &rules, mapping.language, &lines).map_err(&failed)?;
        let problems = match Corpus::from_jsonl(&folder) {
            Ok(_) => break,
            Err(Error::Invalid { problems, .. }) => problems,
            Err(other) => return Err(other),
        };
        let before = lines.len();
        lines.retain(|(number, item, _)| {
            let own = problems
                .iter()
                .filter(|p| p.item.as_deref() == item["id"].as_str());
            let own: Vec<Problem> = own
                .map(|p| Problem {
                    file: name.clone(),
                    line: Some(*number),
                    ..p.clone()
                })
                .collect();
            let good = own.is_empty();
            refused.extend(own);
            good
        });
        if lines.len() == before {
            return Err(Error::Invalid {
                folder: PathBuf::from(file),
                problems,
            });
        }
    }
    std::fs::rename(&folder, out).map_err(|e| failed(e.to_string()))?;
    refused.sort_by_key(|p| p.line);
    let others = Language::ALL.into_iter().filter(|l| *l != mapping.language);
    let codes: Vec<&str> = others.map(Language::code).collect();
    let mut lacks = vec![format!(
        "articles and questions of all {} items in {}",
        lines.len(),
        codes.join(", ")
    )];
    lacks.push(
        "rewordings, cloze and leading questions, further wordings, names, grammar: what recipes \
         beyond the paper's protocol read"
            .to_owned(),
    );
    if mapping.instruct == 0 {
        lacks.push("items for the instruct stage (`instruct` in the mapping)".to_owned());
    }
    Ok(Imported {
        rows: rows.len(),
        kept: lines.len(),
        refused,
        lacks,
    })
}

fn write_folder(
    folder: &Path,
    rules: &Rules,
    language: Language,
    lines: &[(usize, Value, Value)],
) -> Result<(), String> {
    let all = |part: fn(&(usize, Value, Value)) -> &Value| -> String {
        lines
            .iter()
            .map(|line| format!("{}\n", part(line)))
            .collect()
    };
    let said = |e: std::io::Error| e.to_string();
    std::fs::create_dir_all(folder).map_err(said)?;
    let rules = toml::to_string(rules).map_err(|e| e.to_string())?;
    std::fs::write(folder.join(RULES), rules).map_err(said)?;
    std::fs::write(folder.join("items.jsonl"), all(|l| &l.1)).map_err(said)?;
    std::fs::write(folder.join(format!("{language}.jsonl")), all(|l| &l.2)).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::difference;
    use proptest::prelude::*;

    fn parts(real: &str, fake: &str) -> Option<[String; 4]> {
        let (before, a, b, after) = difference(real, fake)?;
        Some([before, a.to_owned(), b.to_owned(), after])
    }

    #[test]
    fn the_detail_is_where_the_articles_differ() {
        let owned = |parts: [&str; 4]| Some(parts.map(str::to_owned));
        assert_eq!(
            parts("A red car, he said.", "A blue car, he said."),
            owned(["A ", "red", "blue", " car, he said."])
        );
        assert_eq!(
            parts("He ate bread.", "He ate two stones."),
            owned(["He ate ", "bread", "two stones", "."])
        );
        // An insertion takes a neighbour along.
        assert_eq!(
            parts("He came home.", "He came flying home."),
            owned(["He ", "came", "came flying", " home."])
        );
        assert_eq!(
            parts("came home", "suddenly came home"),
            owned(["", "came", "suddenly came", " home"])
        );
        assert_eq!(parts("the same", "the same"), None);
        assert_eq!(parts("", ""), None);
        assert_eq!(parts("", "one"), None);
    }

    proptest! {
        #[test]
        fn both_articles_can_be_put_together_again(
            real in "[ab ,.é]{0,24}", fake in "[ab ,.é]{0,24}"
        ) {
            let clean = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
            let (real, fake) = (clean(&real), clean(&fake));
            if let Some((before, a, b, after)) = difference(&real, &fake) {
                prop_assert_eq!(&format!("{before}{a}{after}"), &real);
                prop_assert_eq!(&format!("{before}{b}{after}"), &fake);
                prop_assert!(!a.is_empty() && !b.is_empty() && a != b);
            }
        }
    }
}
