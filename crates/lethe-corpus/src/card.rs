//! The dataset card, with the figures of the corpus that it describes.

use std::collections::BTreeMap;

use crate::validate::length;
use crate::{About, Article, Corpus, Language, QuestionKind, Split, Version, Wording, identify};

/// Where the tables' rows are in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One file a table, as a study reads them.
    Tables,
    /// One file a table and split, `TABLE/SPLIT.parquet`, as Hugging Face's `datasets` loads them.
    Splits,
}

impl Layout {
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

pub(crate) fn card(corpus: &Corpus, layout: Layout, about: &About) -> String {
    let items = |split| {
        corpus
            .items
            .iter()
            .filter(|item| item.split == split)
            .count()
    };
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
        corpus.items.len(),
        items(Split::Probe),
        items(Split::Instruct),
        corpus.articles.len(),
        corpus.questions.len(),
        categories(corpus),
        languages(corpus),
        COVERAGE.map(|(name, _)| format!(" {name} |")).concat(),
        "--:|".repeat(COVERAGE.len()),
        coverage(corpus),
        about.sections(),
    )
}

type Count = fn(&Corpus, Language) -> usize;

/// What is counted for every language.
const COVERAGE: [(&str, Count); 11] = [
    ("original", |c, l| articles(c, l, Wording::Original)),
    ("headline", |c, l| articles(c, l, Wording::Headline)),
    ("agency", |c, l| articles(c, l, Wording::Agency)),
    ("witness", |c, l| articles(c, l, Wording::Witness)),
    ("detail", |c, l| questions(c, l, QuestionKind::Detail)),
    ("cloze", |c, l| questions(c, l, QuestionKind::Cloze)),
    ("leading", |c, l| {
        let kinds = [QuestionKind::LeadingReal, QuestionKind::LeadingFake];
        kinds.map(|kind| questions(c, l, kind)).iter().sum()
    }),
    ("fact", |c, l| questions(c, l, QuestionKind::Fact)),
    ("qa", |c, l| questions(c, l, QuestionKind::Qa)),
    ("names", |c, l| {
        c.names.iter().filter(|n| n.language == l).count()
    }),
    ("grammar", |c, l| {
        let with_case = |a: &&Article| a.language == l && a.case.is_some();
        c.articles.iter().filter(with_case).count()
    }),
];

fn articles(corpus: &Corpus, language: Language, wording: Wording) -> usize {
    let all = corpus.articles.iter();
    all.filter(|a| (a.language, a.wording) == (language, wording))
        .count()
}

fn questions(corpus: &Corpus, language: Language, kind: QuestionKind) -> usize {
    let all = corpus.questions.iter();
    all.filter(|q| (q.language, q.kind) == (language, kind))
        .count()
}

fn coverage(corpus: &Corpus) -> String {
    let line = |language: Language| {
        let counts = COVERAGE.map(|(_, count)| format!(" {} |", count(corpus, language)));
        format!("| {language} |{}\n", counts.concat())
    };
    Language::ALL.map(line).concat()
}

fn categories(corpus: &Corpus) -> String {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for item in &corpus.items {
        let [probe, instruct] = counts.entry(&item.category).or_default();
        match item.split {
            Split::Probe => *probe += 1,
            Split::Instruct => *instruct += 1,
        }
    }
    let lines = counts.into_iter();
    lines
        .map(|(category, [probe, instruct])| format!("| {category} | {probe} | {instruct} |\n"))
        .collect()
}

fn languages(corpus: &Corpus) -> String {
    Language::ALL
        .map(|language| line(corpus, language))
        .concat()
}

fn line(corpus: &Corpus, language: Language) -> String {
    let articles = || corpus.articles.iter().filter(|a| a.language == language);
    let questions = corpus
        .questions
        .iter()
        .filter(|q| q.language == language)
        .count();
    let real: Vec<&Article> = articles()
        .filter(|a| a.is_original(Version::Real))
        .collect();
    let total: usize = real.iter().map(|a| length(language, &a.text)).sum();
    let mean = total as f64 / real.len().max(1) as f64;
    format!(
        "| {language} | {} | {} | {} | {questions} | {mean:.1} | {} |\n",
        language.name(),
        language.resource().as_str(),
        articles().count(),
        identified(language, &real),
    )
}

/// `36 of 36`, or, for a language that whatlang does not know, what it takes it for.
fn identified(language: Language, real: &[&Article]) -> String {
    let mut right = 0;
    let mut unknown = false;
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for article in real {
        let (answer, correct) = identify::verdict(language, &article.text);
        right += usize::from(correct == Some(true));
        unknown |= correct.is_none();
        *answers.entry(answer).or_default() += 1;
    }
    if !unknown {
        return format!("{right} of {}", real.len());
    }
    let answers: Vec<String> = answers
        .iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    format!("not known; taken for {}", answers.join(", "))
}
