//! JSON Lines into rows, and rows into a corpus.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::rows::Rows;
use crate::source::Source;
use crate::validate::{PRESUPPOSES_FAKE, PRESUPPOSES_REAL};
use crate::{Corpus, Error, Item, Language, Problem, Wording};

/// One line of a language's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub id: String,
    #[serde(default)]
    pub names: Vec<String>,
    pub article: String,
    pub detail: Detail,
    pub grammar: Option<Grammar>,
    pub detail_probe: DetailProbe,
    pub fact_probe: FactProbe,
    pub qa: Vec<(String, String)>,
    #[serde(default)]
    pub wordings: Vec<Reworded>,
}

/// The slot's case, and the gender of the forms that fill it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grammar {
    pub case: String,
    pub real: Option<String>,
    pub fake: Option<String>,
}

/// The article in other words. Its slot may need other forms of the detail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reworded {
    pub style: Wording,
    pub article: String,
    pub real: Option<String>,
    pub fake: Option<String>,
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
    pub rewordings: Option<[String; 2]>,
    pub real: String,
    pub fake: String,
    pub cloze: Option<String>,
    pub leading: Option<Leading>,
}

impl DetailProbe {
    /// All ways of asking for the detail, each with what a report calls it.
    pub fn questions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let rewordings = self.rewordings.iter().flatten();
        let leading = self.leading.iter().flat_map(|leading| {
            [
                (PRESUPPOSES_REAL, leading.real.as_str()),
                (PRESUPPOSES_FAKE, &leading.fake),
            ]
        });
        std::iter::once(("the detail question", self.question.as_str()))
            .chain(rewordings.map(|question| ("a rewording of it", question.as_str())))
            .chain(leading)
    }
}

/// Questions that take the real or the fake detail for granted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leading {
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
    /// The article in all its wordings, the original first: text with slot, real and fake form.
    pub fn texts(&self) -> impl Iterator<Item = (Wording, &str, [&str; 2])> {
        let Detail { real, fake, .. } = &self.detail;
        let original = (
            Wording::Original,
            self.article.as_str(),
            [real.as_str(), fake.as_str()],
        );
        let others = self.wordings.iter().map(move |w| {
            let forms = [
                w.real.as_ref().unwrap_or(real),
                w.fake.as_ref().unwrap_or(fake),
            ];
            (w.style, w.article.as_str(), forms.map(String::as_str))
        });
        std::iter::once(original).chain(others)
    }
}

/// A line of a file that belongs to an item.
pub(crate) trait Keyed: DeserializeOwned + Send {
    /// The item's id.
    fn id(&self) -> &str;
}

impl Keyed for Row {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Keyed for Item {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A file, read line by line and parsed as far as it can be.
pub(crate) struct Lines<T> {
    /// The file's name.
    pub file: String,
    /// The ids on lines that could not be read. Their items are not missing as well.
    pub unreadable: BTreeSet<String>,
    /// What is still to be read.
    rest: Option<Box<dyn BufRead + Send>>,
    /// Lines read so far.
    line: usize,
    /// Rows read before their turn, with their lines (from 1).
    ahead: HashMap<String, (usize, T)>,
}

/// How far a row may be from its item's place: what is read ahead is kept in memory.
pub(crate) const AHEAD: usize = 8192;

impl<T: Keyed> Lines<T> {
    pub fn open(folder: &Path, file: String, problems: &mut Vec<Problem>) -> Lines<T> {
        let opened = File::open(folder.join(&file));
        let rest = opened
            .map_err(|error| problems.push(unreadable(&file, &error)))
            .ok();
        let rest = rest.map(|f| Box::new(BufReader::with_capacity(1 << 18, f)) as _);
        Lines::new(file, rest)
    }

    fn new(file: String, rest: Option<Box<dyn BufRead + Send>>) -> Lines<T> {
        Lines {
            file,
            unreadable: BTreeSet::new(),
            rest,
            line: 0,
            ahead: HashMap::new(),
        }
    }

    /// The rows of the next `count` lines; fewer when a line cannot be parsed, none and no more
    /// when the file is at its end.
    pub fn read(&mut self, count: usize, problems: &mut Vec<Problem>) -> Vec<(usize, T)> {
        let mut lines: Vec<(usize, Vec<u8>)> = Vec::with_capacity(count);
        while lines.len() < count
            && let Some(rest) = &mut self.rest
        {
            // About as long as the one before.
            let before = lines.last().map_or(0, |(_, line)| line.len());
            let mut line = Vec::with_capacity(before + before / 4);
            match rest.read_until(b'\n', &mut line) {
                Ok(0) => self.rest = None,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    self.line += 1;
                    lines.push((self.line, line));
                }
                Err(error) => {
                    problems.push(unreadable(&self.file, &error));
                    self.rest = None;
                }
            }
        }
        let parsed: Vec<_> = lines
            .into_par_iter()
            .map(|(number, line)| (number, parse(&line)))
            .collect();
        let mut rows = Vec::with_capacity(parsed.len());
        for (number, parsed) in parsed {
            match parsed {
                Ok(row) => rows.push((number, row)),
                Err((id, reason, expected)) => {
                    self.unreadable.extend(id.clone());
                    problems.push(Problem {
                        file: self.file.clone(),
                        line: Some(number),
                        item: id,
                        reason,
                        expected: expected.to_owned(),
                    });
                }
            }
        }
        rows
    }

    /// Whether nothing is left to read.
    pub fn ended(&self) -> bool {
        self.rest.is_none()
    }

    /// The rows of these items (by their ids, with places from 0), each at its item's place.
    pub fn of(
        &mut self,
        wanted: &HashMap<&str, usize>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Option<(usize, T)>> {
        let mut found: Vec<Option<(usize, T)>> = Vec::new();
        found.resize_with(wanted.len(), || None);
        if !self.ahead.is_empty() {
            for (&id, &at) in wanted {
                found[at] = self.ahead.remove(id);
            }
        }
        loop {
            let open = wanted
                .iter()
                .filter(|&(&id, &at)| found[at].is_none() && !self.unreadable.contains(id))
                .count();
            if open == 0 || self.ended() || self.ahead.len() >= AHEAD {
                break;
            }
            for (line, row) in self.read(open.max(64), problems) {
                let twice = match wanted.get(row.id()) {
                    Some(&at) if found[at].is_none() => {
                        found[at] = Some((line, row));
                        continue;
                    }
                    Some(_) => true,
                    None => self.ahead.contains_key(row.id()),
                };
                if twice {
                    problems.push(self.doubled(line, row.id()));
                } else {
                    self.ahead.insert(row.id().to_owned(), (line, row));
                }
            }
        }
        let mut missing: Vec<(usize, &str)> = wanted
            .iter()
            .filter(|&(&id, &at)| found[at].is_none() && !self.unreadable.contains(id))
            .map(|(&id, &at)| (at, id))
            .collect();
        missing.sort_unstable();
        for (_, id) in missing {
            let reason = match self.ended() {
                true => "the item is missing".to_owned(),
                false => format!("the item is not within {AHEAD} lines of its place"),
            };
            problems.push(Problem {
                file: self.file.clone(),
                line: None,
                item: Some(id.to_owned()),
                reason,
                expected: "a line for every item of items.jsonl, in about their order".to_owned(),
            });
        }
        found
    }

    /// What is left when every item has had its turn does not belong there.
    pub fn rest(
        &mut self,
        known: impl Fn(&str) -> bool,
        unreadable: &BTreeSet<String>,
        problems: &mut Vec<Problem>,
    ) {
        let ahead = std::mem::take(&mut self.ahead);
        let mut rows: Vec<(usize, String)> = ahead
            .into_iter()
            .map(|(id, (line, _))| (line, id))
            .collect();
        loop {
            for (line, id) in rows {
                if known(&id) {
                    problems.push(self.doubled(line, &id));
                } else if !unreadable.contains(&id) {
                    problems.push(Problem {
                        file: self.file.clone(),
                        line: Some(line),
                        item: Some(id),
                        reason: "the item is not in items.jsonl".to_owned(),
                        expected: "a line for it there".to_owned(),
                    });
                }
            }
            if self.ended() {
                return;
            }
            let read = self.read(1024, problems);
            rows = read
                .into_iter()
                .map(|(line, row)| (line, row.id().to_owned()))
                .collect();
        }
    }

    fn doubled(&self, line: usize, id: &str) -> Problem {
        Problem {
            file: self.file.clone(),
            line: Some(line),
            item: Some(id.to_owned()),
            reason: "the id is there twice".to_owned(),
            expected: "each id once".to_owned(),
        }
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> Problem {
    Problem {
        file: file.to_owned(),
        line: None,
        item: None,
        reason: format!("the file cannot be read: {error}"),
        expected: "a file with one JSON object a line".to_owned(),
    }
}

/// A row, or the id on its line, what is wrong and what is expected.
fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, (Option<String>, String, &'static str)> {
    let (reason, expected) = if line.trim_ascii().is_empty() {
        ("the line is empty".to_owned(), "a JSON object")
    } else {
        // Bytes that are no text go to the parser too, which says where.
        let parsed = match simdutf8::basic::from_utf8(line) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(line),
        };
        match parsed {
            Ok(row) => return Ok(row),
            Err(error) if error.is_data() => (place(&error), "the keys of a row, each once"),
            Err(error) => (
                format!("not JSON: {}", place(&error)),
                "a JSON object in UTF-8",
            ),
        }
    };
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let id = value.as_ref().and_then(|v| v.get("id")?.as_str());
    Err((id.map(str::to_owned), reason, expected))
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
    /// Reads and validates `items.jsonl` and the languages' files in a folder.
    ///
    /// A file `corpus.toml` in it may say in which `languages` it is (else all nine), the fewest and
    /// most `article_words` of its English articles (else 40 to 60, and bounds for the further
    /// wordings), and the fewest question-answer pairs (`english_pairs`, else 10; `other_pairs`,
    /// else 3).
    ///
    /// The rules:
    ///
    /// * Every file is there; every line is a JSON object with exactly the keys of its row; every
    ///   item is in every file, once; no file has an item that `items.jsonl` lacks. Ids are
    ///   `[a-z]+-[0-9]{2,}`.
    /// * Texts are not empty, have no blanks around them, no control characters and no braces
    ///   (the article's slot aside), are in Unicode's normal form C and, letter by letter, in the
    ///   language's script.
    /// * Articles, wordings and clozes have exactly one `{detail}`. In English each version of the
    ///   article has 40 to 60 words; in the other languages the ratio to the English words
    ///   (Chinese: characters to words) is within bounds around that language's usual one. Wordings
    ///   have bounds of their own.
    /// * The wordings are headline, agency and witness, each once, or none. The detail question and
    ///   its rewordings differ.
    /// * The article has the English one's numbers, and a wording only the article's.
    /// * The real detail (in Chinese: of two characters or more) is nowhere outside its slot.
    /// * Where names are listed, they are as many as in English, every one is in the article, its
    ///   words' endings aside, and the item's own is in every wording and every detail question. No
    ///   word of an English name is in two items.
    /// * Case and gender are among those of the language, where it has them.
    /// * Real and fake detail differ, and so do their answers, also when folded (NFKC, case).
    /// * Fake aliases (folded) are found in the fake article and the fake answer, and none of them
    ///   in the real article, a question about it, or a true answer. An alias of the fact is found
    ///   in its answer.
    /// * English has at least 10 further question-answer pairs, the other languages 3.
    /// * The article is identified as its language, and no question or wording as another of the
    ///   corpus; none has a function word of English in it. Hausa, unknown to whatlang, is
    ///   recognised by its function words.
    ///
    /// # Errors
    /// [`Error::Read`] when the folder is not there, [`Error::Rules`] for a bad `corpus.toml`, else
    /// [`Error::Invalid`] with every violation.
    pub fn from_jsonl(dir: &Path) -> Result<Corpus, Error> {
        let mut source = Source::open(dir)?;
        let mut corpus = Corpus::default();
        while let Some(chunk) = source.chunk() {
            for entry in &chunk {
                entry.show(&mut corpus);
            }
        }
        source.finish()?;
        Ok(corpus)
    }
}

/// An item with its rows, in the order of the languages.
pub(crate) struct Entry {
    pub item: Item,
    /// Each with its line, where it is there.
    pub rows: Vec<(Language, Option<(usize, Row)>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"id":"sport-01","article":"a {detail}","detail":{"real":"b","fake":"c","fake_aliases":["c"]},"detail_probe":{"question":"d","real":"e","fake":"f"},"fact_probe":{"question":"g","answer":"h","aliases":["i"]},"qa":[["j","k"]]}"#;

    struct Parsed {
        rows: Vec<(usize, Row)>,
        unreadable: BTreeSet<String>,
    }

    fn parse(bytes: &[u8]) -> (Parsed, Vec<Problem>) {
        let mut problems = Vec::new();
        let bytes = std::io::Cursor::new(bytes.to_vec());
        let mut lines = Lines::new("fr.jsonl".to_owned(), Some(Box::new(bytes)));
        let mut rows = Vec::new();
        while !lines.ended() {
            rows.extend(lines.read(2, &mut problems));
        }
        let unreadable = lines.unreadable;
        (Parsed { rows, unreadable }, problems)
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
            let count = bytes.split_inclusive(|&b| b == b'\n').count();
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
