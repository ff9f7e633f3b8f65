//! JSON Lines into rows, and rows into a corpus.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;

use serde::Deserialize;

use crate::rows::Rows;
use crate::source::Source;
use crate::validate::{PRESUPPOSES_FAKE, PRESUPPOSES_REAL};
use crate::{Corpus, Error, Item, Language, Problem, Wording};

/// A text of a row: where it stands on the line, unless it is written with escapes there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// One line of a language's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(default)]
    pub names: Vec<Text<'a>>,
    pub article: Text<'a>,
    pub detail: Detail<'a>,
    pub grammar: Option<Grammar<'a>>,
    pub detail_probe: DetailProbe<'a>,
    pub fact_probe: FactProbe<'a>,
    pub qa: Vec<(Text<'a>, Text<'a>)>,
    #[serde(default)]
    pub wordings: Vec<Reworded<'a>>,
}

/// The slot's case, and the gender of the forms that fill it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grammar<'a> {
    #[serde(borrow)]
    pub case: Text<'a>,
    pub real: Option<Text<'a>>,
    pub fake: Option<Text<'a>>,
}

/// The article in other words. Its slot may need other forms of the detail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reworded<'a> {
    pub style: Wording,
    #[serde(borrow)]
    pub article: Text<'a>,
    pub real: Option<Text<'a>>,
    pub fake: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detail<'a> {
    #[serde(borrow)]
    pub real: Text<'a>,
    pub fake: Text<'a>,
    pub fake_aliases: Vec<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetailProbe<'a> {
    #[serde(borrow)]
    pub question: Text<'a>,
    pub rewordings: Option<[Text<'a>; 2]>,
    pub real: Text<'a>,
    pub fake: Text<'a>,
    pub cloze: Option<Text<'a>>,
    pub leading: Option<Leading<'a>>,
}

impl DetailProbe<'_> {
    /// All ways of asking for the detail, each with what a report calls it.
    pub fn questions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let rewordings = self.rewordings.iter().flatten();
        let leading = self.leading.iter().flat_map(|leading| {
            [
                (PRESUPPOSES_REAL, &*leading.real),
                (PRESUPPOSES_FAKE, &leading.fake),
            ]
        });
        std::iter::once(("the detail question", &*self.question))
            .chain(rewordings.map(|question| ("a rewording of it", &**question)))
            .chain(leading)
    }
}

/// Questions that take the real or the fake detail for granted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leading<'a> {
    #[serde(borrow)]
    pub real: Text<'a>,
    pub fake: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactProbe<'a> {
    #[serde(borrow)]
    pub question: Text<'a>,
    pub answer: Text<'a>,
    pub aliases: Vec<Text<'a>>,
}

impl Row<'_> {
    /// The article in all its wordings, the original first: text with slot, real and fake form.
    pub fn texts(&self) -> impl Iterator<Item = (Wording, &str, [&str; 2])> {
        let Detail { real, fake, .. } = &self.detail;
        let original = (Wording::Original, &*self.article, [&**real, fake]);
        let others = self.wordings.iter().map(move |w| {
            let forms = [
                w.real.as_ref().unwrap_or(real),
                w.fake.as_ref().unwrap_or(fake),
            ];
            (w.style, &*w.article, forms.map(|form| &**form))
        });
        std::iter::once(original).chain(others)
    }
}

/// A line of a file, without its end.
pub(crate) struct Line {
    /// Its number, from 1.
    pub number: usize,
    pub bytes: Vec<u8>,
}

/// A file of rows, read line by line. Of a line, no more is parsed than tells its item: the rows
/// are parsed where they are checked.
pub(crate) struct Lines {
    /// The file's name.
    pub file: String,
    /// The ids on lines that could not be read. Their items are not missing as well.
    pub unreadable: BTreeSet<String>,
    /// What is still to be read.
    rest: Option<Box<dyn BufRead + Send>>,
    /// Lines read so far.
    line: usize,
    /// How long the last one was.
    length: usize,
    /// Lines read before their turn, by their ids.
    ahead: HashMap<String, Line>,
}

/// How far a row may be from its item's place: what is read ahead is kept in memory.
pub(crate) const AHEAD: usize = 8192;

impl Lines {
    pub fn open(folder: &Path, file: String, problems: &mut Vec<Problem>) -> Lines {
        let opened = File::open(folder.join(&file));
        let rest = opened
            .map_err(|error| problems.push(unreadable(&file, &error)))
            .ok();
        let rest = rest.map(|f| Box::new(BufReader::with_capacity(1 << 18, f)) as _);
        Lines::new(file, rest)
    }

    fn new(file: String, rest: Option<Box<dyn BufRead + Send>>) -> Lines {
        Lines {
            file,
            unreadable: BTreeSet::new(),
            rest,
            line: 0,
            length: 0,
            ahead: HashMap::new(),
        }
    }

    /// The next line, if there is one.
    pub fn next(&mut self, problems: &mut Vec<Problem>) -> Option<Line> {
        // About as long as the one before.
        let mut bytes = Vec::with_capacity(self.length + self.length / 4);
        match self.rest.as_mut()?.read_until(b'\n', &mut bytes) {
            Ok(0) => self.rest = None,
            Ok(length) => {
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                self.line += 1;
                self.length = length;
                return Some(Line {
                    number: self.line,
                    bytes,
                });
            }
            Err(error) => {
                problems.push(unreadable(&self.file, &error));
                self.rest = None;
            }
        }
        None
    }

    /// What is on a line.
    pub fn parse<'a, T: Deserialize<'a>>(
        &mut self,
        line: &'a Line,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let parsed = parse(&self.file, line);
        let wrong = parsed.map_err(|problem| {
            self.unreadable.extend(problem.item.clone());
            problems.push(problem);
        });
        wrong.ok()
    }

    /// Whether nothing is left to read.
    pub fn ended(&self) -> bool {
        self.rest.is_none()
    }

    /// The lines of these items (by their ids, with places from 0), each at its item's place.
    pub fn of(
        &mut self,
        wanted: &HashMap<&str, usize>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Option<Line>> {
        let mut found: Vec<Option<Line>> = Vec::new();
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
            for _ in 0..open.max(64) {
                let Some(line) = self.next(problems) else {
                    break;
                };
                let id = match quick_id(&line.bytes) {
                    Some(id) => Cow::Borrowed(id),
                    None => match self.parse::<Row>(&line, problems) {
                        Some(row) => Cow::Owned(row.id.to_string()),
                        None => continue,
                    },
                };
                let twice = match wanted.get(&*id) {
                    Some(&at) if found[at].is_none() => {
                        drop(id);
                        found[at] = Some(line);
                        continue;
                    }
                    Some(_) => true,
                    None => self.ahead.contains_key(&*id),
                };
                let id = id.into_owned();
                if !twice {
                    self.ahead.insert(id, line);
                } else if self.parse::<Row>(&line, problems).is_some() {
                    problems.push(self.doubled(line.number, &id));
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
        let mut ahead: Vec<Line> = ahead.into_values().collect();
        ahead.sort_unstable_by_key(|line| line.number);
        let mut ahead = ahead.into_iter();
        while let Some(line) = ahead.next().or_else(|| self.next(problems)) {
            let Some(row) = self.parse::<Row>(&line, problems) else {
                continue;
            };
            if known(&row.id) {
                problems.push(self.doubled(line.number, &row.id));
            } else if !unreadable.contains(&*row.id) {
                problems.push(Problem {
                    file: self.file.clone(),
                    line: Some(line.number),
                    item: Some(row.id.to_string()),
                    reason: "the item is not in items.jsonl".to_owned(),
                    expected: "a line for it there".to_owned(),
                });
            }
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

/// The id that a line begins with, if it does, written without escapes.
fn quick_id(line: &[u8]) -> Option<&str> {
    let value = line.strip_prefix(b"{\"id\":")?.trim_ascii_start();
    let id = value.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', id).filter(|&end| id[end] == b'"')?;
    std::str::from_utf8(&id[..end]).ok()
}

/// What is on a line of a file.
pub(crate) fn parse<'a, T: Deserialize<'a>>(file: &str, line: &'a Line) -> Result<T, Problem> {
    let bytes = &line.bytes;
    let (reason, expected) = if bytes.trim_ascii().is_empty() {
        ("the line is empty".to_owned(), "a JSON object")
    } else {
        // Bytes that are no text go to the parser too, which says where.
        let parsed = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(bytes),
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
    let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let id = value.as_ref().and_then(|v| v.get("id")?.as_str());
    Err(Problem {
        file: file.to_owned(),
        line: Some(line.number),
        item: id.map(str::to_owned),
        reason,
        expected: expected.to_owned(),
    })
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
        while let Some(chunk) = source.read() {
            for (entry, problems) in source.check(&chunk) {
                entry.show(&mut corpus);
                source.problems.extend(problems);
            }
        }
        source.finish()?;
        Ok(corpus)
    }
}

/// An item with the lines of its rows, in the order of the languages, where they are there.
pub(crate) struct Unparsed {
    pub item: Item,
    pub lines: Vec<(Language, Line)>,
}

/// An item with its rows.
pub(crate) struct Entry<'a> {
    pub item: &'a Item,
    /// Each with the [`length`](crate::length) of its real article.
    pub rows: Vec<(Language, Row<'a>, usize)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"id":"sport-01","article":"a {detail}","detail":{"real":"b","fake":"c","fake_aliases":["c"]},"detail_probe":{"question":"d","real":"e","fake":"f"},"fact_probe":{"question":"g","answer":"h","aliases":["i"]},"qa":[["j","k"]]}"#;

    struct Parsed {
        /// The lines that are rows.
        rows: Vec<usize>,
        unreadable: BTreeSet<String>,
    }

    fn parse(bytes: &[u8]) -> (Parsed, Vec<Problem>) {
        let mut problems = Vec::new();
        let bytes = std::io::Cursor::new(bytes.to_vec());
        let mut lines = Lines::new("fr.jsonl".to_owned(), Some(Box::new(bytes)));
        let mut rows = Vec::new();
        while let Some(line) = lines.next(&mut problems) {
            let row = lines.parse::<Row>(&line, &mut problems);
            if let Some(id) = quick_id(&line.bytes)
                && let Some(row) = &row
            {
                assert_eq!(id, &*row.id);
            }
            rows.extend(row.map(|_| line.number));
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
        assert_eq!(lines.rows, [1, 4]);
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
