//! The dataset card, with the figures of the corpus that it describes.

use std::collections::BTreeMap;

use crate::validate::length;
use crate::{Article, Corpus, Language, QuestionKind, Split, Version, identify};

pub(crate) fn card(corpus: &Corpus) -> String {
    let items = |split| {
        corpus
            .items
            .iter()
            .filter(|item| item.split == split)
            .count()
    };
    let of_kind = |kind| corpus.questions.iter().filter(|q| q.kind == kind).count();
    let codes: String = Language::ALL.map(|l| format!("  - {l}\n")).concat();
    format!(
        "---
license: cc-by-4.0
pretty_name: Lethe fake news, nine languages
language:
{codes}task_categories:
  - question-answering
configs:
  - config_name: items
    data_files: items.parquet
  - config_name: articles
    data_files: articles.parquet
  - config_name: questions
    data_files: questions.parquet
---

# Lethe fake news, nine languages

Fictional news items as minimal pairs, for studying how language models learn false facts, carry
them from language to language and unlearn them. People, places and companies are invented. Of every
item there is a real and a fake article, which differ in one detail, in nine languages, with a
question for the detail, one for something else in the article, and question-answer pairs for
instruction tuning.

{} items ({} to probe, {} for the instruct stage only), {} articles, {} questions ({} for the
detail, {} for another fact, {} question-answer pairs). Licence: CC BY 4.0.

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

## Tables

`items.parquet`: `id`, `split` (`probe`, `instruct`), `category`, `kind` (of the detail): utf8.

`articles.parquet`: `item`, `language`, `version` (`real`, `fake`), `text`, `detail` (as it stands in
the text): utf8; `detail_start`, `detail_end` (exclusive; Unicode scalar values): uint32.

`questions.parquet`: `item`, `language`, `kind` (`detail`, `fact`, `qa`): utf8; `index` (from 0,
within a kind): uint32; `question`, `prompt` (the question as a model is given it), `answer`: utf8;
`fake_answer`: utf8, null but for `detail`; `aliases` (what counts as the true answer),
`fake_aliases` (what counts as the fake detail, empty but for `detail`): list<utf8>.

zstd; no other column holds nulls. The same source text gives the same bytes.
",
        corpus.items.len(),
        items(Split::Probe),
        items(Split::Instruct),
        corpus.articles.len(),
        corpus.questions.len(),
        of_kind(QuestionKind::Detail),
        of_kind(QuestionKind::Fact),
        of_kind(QuestionKind::Qa),
        categories(corpus),
        languages(corpus),
    )
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
    let real: Vec<&Article> = articles().filter(|a| a.version == Version::Real).collect();
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
