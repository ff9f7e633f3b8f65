//! Source text, some items at a time: what is read, checked and written stays small however many
//! items there are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::jsonl::{Entry, Lines, Row};
use crate::quality::About;
use crate::rules::Rules;
use crate::tables::Tables;
use crate::validate::{English, Folded, Known, check_item, check_row};
use crate::{Built, Corpus, Error, Item, Language, Layout, Problem};

/// How many items are in memory at a time.
const CHUNK: usize = 512;

/// After so many problems nothing more is read: a file of another kind has one in every line.
const ENOUGH: usize = 1000;

/// A folder of corpus text, being read.
pub(crate) struct Source {
    folder: PathBuf,
    rules: Rules,
    items: Lines<Item>,
    languages: Vec<(Language, Lines<Row>)>,
    known: Known,
    problems: Vec<Problem>,
}

impl Source {
    /// # Errors
    /// [`Error::Read`] when the folder is not there, [`Error::Rules`] for a bad `corpus.toml`.
    pub fn open(folder: &Path) -> Result<Source, Error> {
        std::fs::read_dir(folder).map_err(|source| Error::Read {
            file: folder.to_path_buf(),
            source,
        })?;
        let rules = Rules::read(folder)?;
        let mut problems = Vec::new();
        let items = Lines::open(folder, "items.jsonl".to_owned(), &mut problems);
        let languages = rules.languages.iter();
        let languages = languages
            .map(|&l| (l, Lines::open(folder, format!("{l}.jsonl"), &mut problems)))
            .collect();
        Ok(Source {
            folder: folder.to_path_buf(),
            rules,
            items,
            languages,
            known: Known::default(),
            problems,
        })
    }

    /// The next items with all that belongs to them; once something is wrong they are of use to
    /// nobody, and [`Source::finish`] says what it is.
    pub fn chunk(&mut self) -> Option<Vec<Entry>> {
        if self.problems.len() > ENOUGH {
            return None;
        }
        let read = self.items.read(CHUNK, &mut self.problems);
        if read.is_empty() && self.items.ended() {
            for (_, lines) in &mut self.languages {
                let known = |id: &str| self.known.has(id);
                lines.rest(known, &self.items.unreadable, &mut self.problems);
            }
            return None;
        }
        let mut items = Vec::with_capacity(read.len());
        for (line, item) in read {
            let file = &self.items.file;
            if check_item(&item, (file, line), &mut self.known, &mut self.problems) {
                items.push(item);
            }
        }
        let wanted: HashMap<&str, usize> = items
            .iter()
            .enumerate()
            .map(|(at, item)| (item.id.as_str(), at))
            .collect();
        let mut rows: Vec<_> = self
            .languages
            .par_iter_mut()
            .map(|(language, lines)| {
                let mut problems = Vec::new();
                let found = lines.of(&wanted, &mut problems);
                (*language, found.into_iter(), problems)
            })
            .collect();
        drop(wanted);
        let mut entries: Vec<Entry> = Vec::with_capacity(items.len());
        for item in items {
            let rows = rows.iter_mut();
            let rows = rows.map(|(language, found, _)| (*language, found.next().flatten()));
            let rows = rows.collect();
            entries.push(Entry { item, rows });
        }
        self.problems.extend(rows.into_iter().flat_map(|r| r.2));
        let wrong: Vec<Vec<Problem>> = entries
            .par_iter()
            .map(|entry| check(&self.rules, entry))
            .collect();
        self.problems.extend(wrong.into_iter().flatten());
        Some(entries)
    }

    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong in what was read.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.known.is_empty() && self.problems.is_empty() {
            self.problems.push(Problem {
                file: self.items.file,
                line: None,
                item: None,
                reason: "there is no item".to_owned(),
                expected: "a line for every item".to_owned(),
            });
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        let order = |p: &Problem| {
            let language = p
                .file
                .split('.')
                .next()
                .and_then(|code| code.parse::<Language>().ok());
            (language, p.line)
        };
        self.problems.sort_by_key(order);
        Err(Error::Invalid {
            folder: self.folder,
            problems: self.problems,
        })
    }
}

/// Turns a folder of corpus text into Parquet tables and a dataset card in another folder, in
/// memory that does not grow with the corpus. The card says what `quality.json` and
/// `readings.json` beside the text say. The same text gives the same bytes.
///
/// # Errors
/// Those of [`Corpus::from_jsonl`]; [`Error::Write`]; [`Error::NotFigures`]. Nothing is in the
/// folder then.
pub fn build(folder: &Path, out: &Path, layout: Layout) -> Result<Built, Error> {
    let mut source = Source::open(folder)?;
    let mut tables = Tables::create(out, layout)?;
    // What is checked is written while more is read.
    let source = std::thread::scope(|scope| {
        let (send, chunks) = sync_channel(1);
        let reader = scope.spawn(move || {
            while let Some(chunk) = source.chunk() {
                // Nobody is there any more when writing has failed.
                if send.send(chunk).is_err() {
                    break;
                }
            }
            source
        });
        for chunk in chunks {
            tables.append(&chunk)?;
        }
        let source = reader.join();
        Ok(source.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    source.finish()?;
    let about = About::read(folder, &tables.text_sha256())?;
    tables.finish(&about)
}

/// Corpus text as it is written, and its rules, to write rows in further languages beside it.
#[derive(Debug)]
pub struct SourceText {
    rules: Rules,
    items: Vec<Item>,
    rows: HashMap<String, (Value, Row)>,
}

impl SourceText {
    /// Reads a folder of corpus text, which must keep the rules.
    ///
    /// # Errors
    /// Those of [`Corpus::from_jsonl`].
    pub fn open(folder: &Path) -> Result<SourceText, Error> {
        let corpus = Corpus::from_jsonl(folder)?;
        let rules = Rules::read(folder)?;
        let file = folder.join(format!("{}.jsonl", rules.languages[0]));
        let text = std::fs::read_to_string(&file).map_err(|source| Error::Read {
            file: file.clone(),
            source,
        })?;
        let mut rows = HashMap::new();
        for line in text.lines() {
            let value: Result<Value, _> = serde_json::from_str(line);
            let row: Result<Row, _> = serde_json::from_str(line);
            // It has just been read: a file that changes meanwhile lacks the row.
            if let (Ok(value), Ok(row)) = (value, row) {
                rows.insert(row.id.clone(), (value, row));
            }
        }
        Ok(SourceText {
            rules,
            items: corpus.items,
            rows,
        })
    }

    /// The language that further ones are translated from: the first.
    #[must_use]
    pub fn language(&self) -> Language {
        self.rules.languages[0]
    }

    /// All languages that there are.
    #[must_use]
    pub fn languages(&self) -> &[Language] {
        &self.rules.languages
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// An item's row in [`language`](Self::language), with the keys of the file.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<&Value> {
        self.rows.get(id).map(|(value, _)| value)
    }

    /// What a row in another language breaks of the rules, beside the item's own row.
    #[must_use]
    pub fn check(&self, language: Language, row: &Value) -> Vec<Problem> {
        let wrong = |item: Option<&str>, reason: String| Problem {
            file: format!("{language}.jsonl"),
            line: None,
            item: item.map(str::to_owned),
            reason,
            expected: "a row of an item, with the keys of a row".to_owned(),
        };
        let id = row.get("id").and_then(Value::as_str);
        let parsed = match Row::deserialize(row) {
            Ok(parsed) => parsed,
            Err(error) => return vec![wrong(id, error.to_string())],
        };
        let item = self.items.iter().find(|item| item.id == parsed.id);
        let (Some(item), Some((_, first))) = (item, self.rows.get(&parsed.id)) else {
            return vec![wrong(id, "there is no such item".to_owned())];
        };
        let english = (self.language() == Language::En)
            .then(|| English::of(first, &Folded::of(Language::En, first)))
            .flatten();
        let mut problems = Vec::new();
        let beside = (item, english.as_ref());
        let folded = Folded::of(language, &parsed);
        let row = (0, &parsed, &folded);
        check_row(&self.rules, language, row, beside, &mut problems);
        for problem in &mut problems {
            problem.line = None;
        }
        problems
    }

    /// `corpus.toml` for a folder with these languages and the same bounds.
    #[must_use]
    pub fn rules_for(&self, languages: &[Language]) -> String {
        let rules = Rules {
            languages: languages.to_vec(),
            ..self.rules.clone()
        };
        // Rules are numbers and codes, which TOML can hold.
        toml::to_string(&rules).unwrap_or_default()
    }
}

/// What is wrong with an item's rows.
fn check(rules: &Rules, entry: &Entry) -> Vec<Problem> {
    let mut problems = Vec::new();
    let rows = entry.rows.iter();
    let rows = rows.filter_map(|(language, row)| row.as_ref().map(|(n, row)| (*language, *n, row)));
    let english = rows
        .clone()
        .find(|(language, ..)| *language == Language::En);
    let mut looked = english.map(|(language, _, row)| Folded::of(language, row));
    let english = english.zip(looked.as_ref());
    let english = english.and_then(|((.., row), folded)| English::of(row, folded));
    for (language, line, row) in rows {
        let english_folded = looked.take_if(|_| language == Language::En);
        let folded = english_folded.unwrap_or_else(|| Folded::of(language, row));
        let beside = (&entry.item, english.as_ref());
        check_row(rules, language, (line, row, &folded), beside, &mut problems);
    }
    problems
}
