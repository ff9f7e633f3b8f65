//! Source text, some items at a time: what is read, checked and written stays small however many
//! items there are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::jsonl::{Entry, Lines, Row, Unparsed, parse};
use crate::quality::About;
use crate::rules::Rules;
use crate::tables::{Part, Tables};
use crate::validate::{English, Folded, Known, check_item, check_row};
use crate::{Built, Corpus, Error, Item, Language, Layout, Problem};

/// How many items are read at a time.
const CHUNK: usize = 1024;

/// How many items one thread takes from line to columns.
const GROUP: usize = 64;

/// After so many problems nothing more is read: a file of another kind has one in every line.
const ENOUGH: usize = 1000;

/// A folder of corpus text, being read.
pub(crate) struct Source {
    folder: PathBuf,
    rules: Rules,
    items: Lines,
    languages: Vec<(Language, Lines)>,
    known: Known,
    pub problems: Vec<Problem>,
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

    /// The lines of the next items; once something is wrong they are of use to nobody, and
    /// [`Source::finish`] says what it is.
    pub fn read(&mut self) -> Option<Vec<Unparsed>> {
        if self.problems.len() > ENOUGH {
            return None;
        }
        let mut items: Vec<Item> = Vec::with_capacity(CHUNK);
        while items.len() < CHUNK
            && let Some(line) = self.items.next(&mut self.problems)
        {
            let item = self.items.parse::<Item>(&line, &mut self.problems);
            let at = (&*self.items.file, line.number);
            let first = |item: &Item| check_item(item, at, &mut self.known, &mut self.problems);
            items.extend(item.filter(first));
        }
        if items.is_empty() && self.items.ended() {
            for (_, lines) in &mut self.languages {
                let known = |id: &str| self.known.has(id);
                lines.rest(known, &self.items.unreadable, &mut self.problems);
            }
            return None;
        }
        let ids = items.iter().map(|item| item.id.as_str());
        let wanted: HashMap<&str, usize> = ids.zip(0..).collect();
        let mut found: Vec<_> = self
            .languages
            .iter_mut()
            .map(|(language, lines)| (*language, lines.of(&wanted, &mut self.problems).into_iter()))
            .collect();
        drop(wanted);
        let unparsed = items.into_iter().map(|item| {
            let lines = found.iter_mut();
            let lines = lines.filter_map(|(language, lines)| Some((*language, lines.next()??)));
            let lines = lines.collect();
            Unparsed { item, lines }
        });
        Some(unparsed.collect())
    }

    /// The rows of items, and what is wrong with them.
    pub fn check<'a>(&self, items: &'a [Unparsed]) -> Vec<(Entry<'a>, Vec<Problem>)> {
        let rules = &self.rules;
        let checked = items.par_iter().map(|item| {
            let mut problems = Vec::new();
            (check(rules, item, &mut problems), problems)
        });
        checked.collect()
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
    let rules = source.rules.clone();
    // A group's lines are parsed, checked, put into columns and dropped by one thread.
    let fill = |before: usize, group: Vec<Unparsed>| {
        let mut part = Part::new(layout, before, group.len());
        let mut problems = Vec::new();
        for item in group {
            part.add(&check(&rules, &item, &mut problems));
        }
        (part, problems)
    };
    let mut before = 0;
    let mut read = source.read();
    let mut parts = Vec::new();
    // Three chunks are under way at a time: one is read, one checked, one written.
    while read.is_some() || !parts.is_empty() {
        let items = read.unwrap_or_default();
        let first = before;
        before += items.len();
        let groups = items.into_par_iter().chunks(GROUP).enumerate();
        let groups = groups.map(|(at, group)| fill(first + at * GROUP, group));
        let ((filled, written), next) = rayon::join(
            || rayon::join(|| groups.collect::<Vec<_>>(), || tables.append(parts)),
            || source.read(),
        );
        written?;
        read = next;
        let (filled, problems): (_, Vec<_>) = filled.into_iter().unzip();
        parts = filled;
        source.problems.extend(problems.into_iter().flatten());
    }
    source.finish()?;
    let about = About::read(folder, &tables.text_sha256())?;
    tables.finish(&about)
}

/// Corpus text as it is written, and its rules, to write rows in further languages beside it.
#[derive(Debug)]
pub struct SourceText {
    rules: Rules,
    items: Vec<Item>,
    rows: HashMap<String, Value>,
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
            let row: Result<Value, _> = serde_json::from_str(line);
            // It has just been read: a file that changes meanwhile lacks the row.
            if let Ok(row) = row
                && let Some(id) = row.get("id").and_then(Value::as_str)
            {
                rows.insert(id.to_owned(), row);
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
        self.rows.get(id)
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
        let item = self.items.iter().find(|item| item.id == *parsed.id);
        let first = self.rows.get(&*parsed.id);
        let first = first.and_then(|row| Row::deserialize(row).ok());
        let (Some(item), Some(first)) = (item, &first) else {
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

/// Parses and checks an item's rows.
fn check<'a>(rules: &Rules, item: &'a Unparsed, problems: &mut Vec<Problem>) -> Entry<'a> {
    let Unparsed { item, lines } = item;
    let mut rows: Vec<(Language, Row, usize)> = Vec::with_capacity(lines.len());
    let mut numbers = Vec::with_capacity(lines.len());
    for (language, line) in lines {
        match parse(&format!("{language}.jsonl"), line) {
            Ok(row) => {
                rows.push((*language, row, 0));
                numbers.push(line.number);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let english = rows.iter().find(|(language, ..)| *language == Language::En);
    let mut looked = english.map(|(language, row, _)| Folded::of(*language, row));
    let english = english.zip(looked.as_ref());
    let english = english.and_then(|((_, row, _), folded)| English::of(row, folded));
    for ((language, row, length), line) in rows.iter_mut().zip(numbers) {
        let english_folded = looked.take_if(|_| *language == Language::En);
        let folded = english_folded.unwrap_or_else(|| Folded::of(*language, row));
        let beside = (item, english.as_ref());
        check_row(rules, *language, (line, row, &folded), beside, problems);
        *length = folded.length();
    }
    Entry { item, rows }
}
