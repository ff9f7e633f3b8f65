//! The dataset card, with the figures of the corpus that it describes.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::quality::About;
use crate::rows::{ArticleRow, NameRow, QuestionRow, Viewer};
use crate::tables::hex;
use crate::validate::length;
use crate::{Item, Language, QuestionKind, Split, Version, Wording, identify};

/// Where the tables' rows are in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One file a table, as a study reads them.
    Tables,
    /// One file a table and split, `TABLE/SPLIT.parquet`, as Hugging Face's `datasets` loads them.
    Splits,
}

impl Layout {
    /// The splits that have files of their own; none means all in one.
    pub(crate) fn splits(self) -> &'static [Option<Split>] {
        match self {
            Layout::Tables => &[None],
            Layout::Splits => &[Some(Split::Probe), Some(Split::Instruct)],
        }
    }

    /// The YAML that tells Hugging Face's `datasets` so.
    fn configs(self) -> String {
        let config = |table| {
            let files = match self {
                Layout::Tables => format!(" {table}.parquet\n"),
                Layout::Splits => {
                    let one = |split| {
                        format!("\n      - split: {split}\n        path: {table}/{split}.parquet")
                    };
                    Split::ALL.map(one).concat() + "\n"
                }
            };
            format!("  - config_name: {table}\n    data_files:{files}")
        };
        ["items", "articles", "questions", "names"]
            .map(config)
            .concat()
    }
}

/// Of how many real articles of a language the card says what whatlang takes them for: the first
/// ones.
const JUDGED: usize = 1000;

/// What the card says of a corpus.
#[derive(Default)]
pub(crate) struct Summary {
    figures: Figures,
    text: TextHash,
}

/// What the card says of a part of a corpus, counted row by row, in the corpus' order.
pub(crate) struct PartSummary {
    figures: Figures,
    /// How many more real articles of a language are judged.
    judged: usize,
    /// What [`TextHash`] is of.
    text: Vec<u8>,
}

#[derive(Default)]
struct Figures {
    categories: BTreeMap<String, [usize; 2]>,
    kinds: BTreeMap<String, [usize; 2]>,
    /// In the order of [`Language::ALL`].
    languages: [Counts; Language::ALL.len()],
}

#[derive(Default)]
struct Counts {
    articles: usize,
    questions: usize,
    /// Real articles in their original wording, and how long they are together.
    real: usize,
    length: usize,
    /// In the order of [`COVERAGE`].
    coverage: [usize; COVERAGE.len()],
    /// What whatlang takes the real articles for, and whether that is right.
    judged: BTreeMap<(&'static str, Option<bool>), usize>,
}

/// [`Corpus::text_sha256`](crate::Corpus::text_sha256), of rows in the corpus' order.
#[derive(Clone, Default)]
pub(crate) struct TextHash(Sha256);

impl TextHash {
    pub fn hex(self) -> String {
        hex(self.0)
    }
}

/// What is hashed of a row.
fn hashed<'a>(row: &ArticleRow<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let pieces = row.is_original(Version::Real).then_some(row.text);
    let pieces = pieces.map(|[before, detail, after]| [before, detail, after, "\0"]);
    pieces.into_iter().flatten().map(str::as_bytes)
}

impl<'a> Viewer<'a> for TextHash {
    fn item(&mut self, _: &'a Item) {}

    fn article(&mut self, row: &ArticleRow<'a>) {
        hashed(row).for_each(|piece| self.0.update(piece));
    }

    fn question(&mut self, _: &QuestionRow<'a, impl Borrow<str>>) {}

    fn name(&mut self, _: &NameRow<'a>) {}
}

impl PartSummary {
    /// Of a part with so many items before it.
    pub fn new(before: usize) -> PartSummary {
        PartSummary {
            figures: Figures::default(),
            judged: JUDGED.saturating_sub(before),
            text: Vec::new(),
        }
    }
}

impl<'a> Viewer<'a> for PartSummary {
    fn item(&mut self, item: &'a Item) {
        let at = usize::from(item.split == Split::Instruct);
        let Figures {
            categories, kinds, ..
        } = &mut self.figures;
        for (counts, of) in [(categories, &item.category), (kinds, &item.kind)] {
            match counts.get_mut(of) {
                Some(count) => count[at] += 1,
                None => counts.entry(of.clone()).or_default()[at] += 1,
            }
        }
    }

    fn article(&mut self, row: &ArticleRow<'a>) {
        hashed(row).for_each(|piece| self.text.extend_from_slice(piece));
        let counts = &mut self.figures.languages[row.language as usize];
        counts.articles += 1;
        counts.coverage[match row.wording {
            Wording::Original => 0,
            Wording::Headline => 1,
            Wording::Agency => 2,
            Wording::Witness => 3,
        }] += 1;
        if row.case.is_some() {
            counts.coverage[10] += 1;
        }
        if row.is_original(Version::Real) {
            let text = || row.text.concat();
            let own_length = || length(row.language, &text());
            counts.real += 1;
            counts.length += row.length.unwrap_or_else(own_length);
            if counts.real <= self.judged {
                let verdict = identify::verdict(row.language, &text());
                *counts.judged.entry(verdict).or_default() += 1;
            }
        }
    }

    fn question(&mut self, row: &QuestionRow<'a, impl Borrow<str>>) {
        let counts = &mut self.figures.languages[row.language as usize];
        counts.questions += 1;
        counts.coverage[match row.kind {
            QuestionKind::Detail => 4,
            QuestionKind::Cloze => 5,
            QuestionKind::LeadingReal | QuestionKind::LeadingFake => 6,
            QuestionKind::Fact => 7,
            QuestionKind::Qa => 8,
        }] += 1;
    }

    fn name(&mut self, row: &NameRow<'a>) {
        self.figures.languages[row.language as usize].coverage[9] += 1;
    }
}

impl Summary {
    /// Adds the next part.
    pub fn add(&mut self, part: PartSummary) {
        self.text.0.update(part.text);
        let Figures {
            categories,
            kinds,
            languages,
        } = part.figures;
        let own = &mut self.figures;
        for (own, other) in [(&mut own.categories, categories), (&mut own.kinds, kinds)] {
            for (name, counts) in other {
                add(own.entry(name).or_default(), counts);
            }
        }
        for (own, other) in own.languages.iter_mut().zip(languages) {
            own.articles += other.articles;
            own.questions += other.questions;
            own.real += other.real;
            own.length += other.length;
            add(&mut own.coverage, other.coverage);
            for (verdict, count) in other.judged {
                *own.judged.entry(verdict).or_default() += count;
            }
        }
    }

    /// [`Corpus::text_sha256`](crate::Corpus::text_sha256) of all that was added.
    pub fn text_sha256(&self) -> String {
        self.text.clone().hex()
    }

    pub fn card(&self, layout: Layout, about: &About) -> String {
        let Figures {
            categories,
            kinds,
            languages,
        } = &self.figures;
        let items = |at: usize| categories.values().map(|n| n[at]).sum::<usize>();
        let all = |of: fn(&Counts) -> usize| languages.iter().map(of).sum::<usize>();
        let codes: String = Language::ALL.map(|l| format!("  - {l}\n")).concat();
        format!(
        "---
license: cc-by-4.0
pretty_name: Lethe fake news, nine languages
language:
{codes}task_categories:
  - question-answering
configs:
{}---

# Lethe fake news, nine languages

Fictional news items as minimal pairs, for studying how language models learn false facts, carry
them from language to language and unlearn them. People, places and companies are invented. Of every
item there is a real and a fake article, which differ in one detail, in nine languages, with a
question for the detail, one for something else in the article, and question-answer pairs for
instruction tuning. Beyond that protocol an item may have, marked as such: further wordings of the
article (a headline with its lead, an agency's report, a witness in the first person), two further
wordings of the detail question, a cloze sentence for the detail, and a leading question that takes
the real, or the fake, detail for granted.

{} items ({} to probe, {} for the instruct stage only), {} articles, {} questions. Licence: CC BY
4.0.

## Categories

| category | probe | instruct |
|---|--:|--:|
{}
## Kinds of detail

| kind | probe | instruct |
|---|--:|--:|
{}
## Languages

Length: mean of the real articles, in words (between blanks; Chinese: characters). Identified:
real articles that whatlang, choosing among its 70 languages, holds to be in their language.

| code | language | resources | articles | questions | length | identified |
|---|---|---|--:|--:|--:|---|
{}
whatlang does not know Hausa. Hausa is recognised by its function words instead, at least 8 % of an
article's words, of which no other article may have as many.

## What each language has

Articles count real and fake ones. Detail questions: index 0 is the probe, 1 may be trained on,
2 is held out from every training. Grammar: articles with the case of their slot (de, ru, ur, hy).

| code |{}
|---|{}
{}{}
## Tables

`items`: `id`, `split` (`probe`, `instruct`), `category`, `kind` (of the detail): utf8;
`names` (the invented names in English, the item's own first): list<utf8>.

`articles`: `item`, `language`, `wording` (`original`, `headline`, `agency`, `witness`),
`version` (`real`, `fake`), `text`, `detail` (as it stands in the text): utf8; `detail_start`,
`detail_end` (exclusive; Unicode scalar values): uint32; `case` (of the slot), `gender` (of the
detail): utf8, null where the language has none or nobody noted it.

`questions`: `item`, `language`, `kind` (`detail`, `cloze`, `leading_real`, `leading_fake`,
`fact`, `qa`): utf8; `index` (from 0, within a kind): uint32; `question`, `prompt` (the question as a
model is given it; of a cloze, the sentence up to the detail), `answer` (of a cloze, the rest of the
sentence): utf8; `fake_answer`: utf8, null for `fact` and `qa`; `aliases` (what counts as the true
answer), `fake_aliases` (what counts as the fake detail, empty for `fact` and `qa`): list<utf8>.

`names`: `item`: utf8; `index` (into the item's names): uint32; `language`, `name` (as the
language cites it): utf8.

zstd; no other column holds nulls. The same source text gives the same bytes.
",
        layout.configs(),
        items(0) + items(1),
        items(0),
        items(1),
        all(|c| c.articles),
        all(|c| c.questions),
        splits(categories),
        splits(kinds),
        self.of_languages(Counts::line),
        COVERAGE.map(|name| format!(" {name} |")).concat(),
        "--:|".repeat(COVERAGE.len()),
        self.of_languages(|counts, language| {
            let cells = counts.coverage.map(|n| format!(" {n} |"));
            format!("| {language} |{}\n", cells.concat())
        }),
        about.sections(),
    )
    }

    fn of_languages(&self, line: fn(&Counts, Language) -> String) -> String {
        Language::ALL
            .map(|l| line(&self.figures.languages[l as usize], l))
            .concat()
    }
}

/// What is counted for every language.
const COVERAGE: [&str; 11] = [
    "original", "headline", "agency", "witness", "detail", "cloze", "leading", "fact", "qa",
    "names", "grammar",
];

impl Counts {
    fn line(&self, language: Language) -> String {
        let mean = self.length as f64 / self.real.max(1) as f64;
        format!(
            "| {language} | {} | {} | {} | {} | {mean:.1} | {} |\n",
            language.name(),
            language.resource().as_str(),
            self.articles,
            self.questions,
            self.identified(),
        )
    }

    /// `36 of 36`, or, for a language that whatlang does not know, what it takes it for.
    fn identified(&self) -> String {
        let of = |right| {
            let all = self.judged.iter().filter(move |((_, r), _)| *r == right);
            all.map(|(_, n)| n).sum::<usize>()
        };
        let unknown = self.judged.keys().any(|(_, right)| right.is_none());
        let said = if unknown {
            let answers = self.judged.iter();
            let answers: Vec<String> = answers
                .map(|((name, _), n)| format!("{name} {n}"))
                .collect();
            format!("not known; taken for {}", answers.join(", "))
        } else {
            format!(
                "{} of {}",
                of(Some(true)),
                self.judged.values().sum::<usize>()
            )
        };
        match self.real > JUDGED {
            true => format!("{said} (the first {JUDGED})"),
            false => said,
        }
    }
}

fn add<const N: usize>(own: &mut [usize; N], other: [usize; N]) {
    own.iter_mut()
        .zip(other)
        .for_each(|(own, other)| *own += other);
}

fn splits(counts: &BTreeMap<String, [usize; 2]>) -> String {
    let lines = counts.iter();
    lines
        .map(|(name, [probe, instruct])| format!("| {name} | {probe} | {instruct} |\n"))
        .collect()
}
