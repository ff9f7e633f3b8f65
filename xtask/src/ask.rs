//! `ask`: questions to one model.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::{Context, Result, bail};
use lethe_corpus::{Corpus, Language, Question, QuestionKind, Split, Wording};
use lethe_eval::{AnswerRow, AskConfig, Reply, ask, reply, text::words};
use serde_json::{Value, json};

use crate::checkpoint::{self, Rows};
use crate::preset::root;
use crate::study::corpus_texts;

/// What to ask whom.
#[derive(Args)]
pub struct Options {
    /// The questions [default: the lines of standard input]
    questions: Vec<String>,
    /// A GGUF file, a folder in Hugging Face's layout, a stage folder of a run, or a name as in
    /// `models pull`
    #[arg(long, value_name = "PATH|NAME")]
    model: String,
    /// The language of the questions [default: that of the corpus' question, where it is one; else en]
    #[arg(long, value_name = "CODE")]
    lang: Option<Language>,
    /// Where known questions are looked up [default: datasets/news]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// The longest answer, in tokens
    #[arg(long, default_value_t = AskConfig::default().new_tokens, value_name = "N")]
    new_tokens: usize,
    /// Over which tokens the probabilities are; trimmed is what a run does
    #[arg(long, value_enum, default_value = "full")]
    vocabulary: Rows,
    /// As for reproduce
    #[arg(long, default_value = "auto", value_name = "D")]
    device: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Nothing is drawn.
const SEED: u64 = 0;

/// A question, and what the corpus has for it.
struct Asked<'a> {
    text: String,
    language: Language,
    known: Option<&'a Question>,
}

impl Options {
    fn texts(&self) -> Result<Vec<String>> {
        let mut texts = self.questions.clone();
        if texts.is_empty() {
            if stdin().is_terminal() {
                eprintln!("one question a line; end with Ctrl-D");
            }
            let lines: std::io::Result<Vec<String>> = stdin().lock().lines().collect();
            texts = lines.wrap_err("standard input: expected one question a line, in UTF-8")?;
        }
        texts.retain(|text| !text.trim().is_empty());
        match texts.is_empty() {
            true => bail!("no question: give some as arguments, or as lines of standard input"),
            false => Ok(texts),
        }
    }
}

/// Whether a question of the corpus is about the detail or another fact, whatever its wording.
fn is_probe(question: &Question) -> bool {
    matches!(question.kind, QuestionKind::Detail | QuestionKind::Fact)
}

fn look_up(corpus: &Corpus, text: String, language: Option<Language>) -> Asked<'_> {
    let mut candidates = Language::ALL
        .into_iter()
        .filter(|l| language.is_none_or(|chosen| chosen == *l));
    let known = candidates.find_map(|l| {
        let asked = words(l, &text);
        let is_it =
            |q: &&Question| is_probe(q) && q.language == l && words(l, &q.question) == asked;
        corpus.questions.iter().find(is_it)
    });
    let language = language.or(known.map(|q| q.language));
    Asked {
        text: text.trim().to_owned(),
        language: language.unwrap_or(Language::En),
        known,
    }
}

/// A corpus of one known question, for [`ask`], whatever its wording and its item's split; and, after it,
/// of the question about the item's detail, by which a fake in the answer is recognised.
fn alone(corpus: &Corpus, question: &Question) -> Corpus {
    let is_detail = |q: &&Question| q.kind == QuestionKind::Detail && q.index == 0;
    let beside = |q: &&Question| (&q.item, q.language) == (&question.item, question.language);
    let detail = match question.kind {
        QuestionKind::Detail => None,
        _ => corpus.questions.iter().filter(is_detail).find(beside),
    };
    let asked = Question {
        index: 0,
        ..question.clone()
    };
    let item = corpus.items.iter().find(|item| item.id == question.item);
    let items = item.into_iter().map(|item| lethe_corpus::Item {
        split: Split::Probe,
        ..item.clone()
    });
    Corpus {
        items: items.collect(),
        questions: [asked].into_iter().chain(detail.cloned()).collect(),
        ..Corpus::default()
    }
}

/// Asks, and prints what comes back.
pub fn run(options: &Options) -> Result<()> {
    let texts = options.texts()?;
    let folder = options.corpus.clone();
    let corpus = Corpus::from_jsonl(&folder.unwrap_or_else(|| root().join("datasets/news")))?;
    let asked: Vec<Asked> = texts
        .into_iter()
        .map(|text| look_up(&corpus, text, options.lang))
        .collect();
    let device = lethe_model::device(&options.device)?;
    let mut tokens = asked
        .iter()
        .map(|a| a.language.prompt(&a.text))
        .collect::<Vec<_>>();
    if options.vocabulary == Rows::Trimmed {
        tokens.extend(corpus_texts(&corpus, &[Wording::Original]));
    }
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let (named, model) = checkpoint::open(&options.model, options.vocabulary, &tokens, &device)?;
    eprintln!(
        "{}, {}: {}",
        named.name,
        named.vocabulary,
        named.path.display()
    );
    let config = AskConfig {
        new_tokens: options.new_tokens,
        ..AskConfig::default()
    };
    let questions: Vec<(Language, &str)> = asked
        .iter()
        .map(|a| (a.language, a.text.as_str()))
        .collect();
    let replies = reply(&model, &questions, &config)?;
    for (asked, reply) in asked.iter().zip(&replies) {
        let row = match asked.known {
            Some(question) => {
                let alone = alone(&corpus, question);
                let languages = [question.language];
                let rows = ask(&model, &alone, &languages, &config, SEED, &|_, _| {})?;
                rows.into_iter().next()
            }
            None => None,
        };
        match options.json {
            true => println!("{}", as_json(asked, reply, row.as_ref())),
            false => print(asked, reply, row.as_ref()),
        }
    }
    Ok(())
}

fn as_json(asked: &Asked, reply: &Reply, row: Option<&AnswerRow>) -> Value {
    json!({
        "question": asked.text,
        "language": asked.language,
        "prompt": reply.prompt,
        "answer": reply.answer,
        "tokens": reply.tokens,
        "finish": reply.finish,
        "probe": row.map(|row| json!({
            "item": row.item,
            "kind": row.probe,
            "real_answer": row.real_answer,
            "fake_answer": row.fake_answer,
            "fake_occurrence": row.fake_occurrence,
            "real_occurrence": row.real_occurrence,
            "f1": row.f1,
            "logprob_real": row.logprob_real,
            "logprob_fake": row.logprob_fake,
            "preference": row.preference,
        })),
    })
}

fn print(asked: &Asked, reply: &Reply, row: Option<&AnswerRow>) {
    println!("{}  {}", asked.language, asked.text);
    let cut = if reply.finish == "length" { "…" } else { "" };
    println!("  {}{cut}", reply.answer);
    let Some(row) = row else { return };
    println!("  {} probe of {}", row.probe, row.item);
    println!(
        "    real  {:8.3} nats/token  {}",
        row.logprob_real, row.real_answer
    );
    if let (Some(logprob), Some(fake), Some(preference)) =
        (row.logprob_fake, &row.fake_answer, row.preference)
    {
        println!("    fake  {logprob:8.3} nats/token  {fake}");
        let likelier = match preference > 0.0 {
            true => "fake",
            false => "real",
        };
        println!(
            "    ln P(fake) − ln P(real) = {preference:+.3} nats: the {likelier} answer is likelier"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_in_the_answer_to_another_question_is_recognised() {
        let corpus = Corpus::from_jsonl(&root().join("datasets/news")).expect("the corpus");
        let of = |kind| {
            let mut all = corpus.questions.iter();
            all.find(|q: &&Question| q.kind == kind)
                .expect("there is one")
        };
        let fact = alone(&corpus, of(QuestionKind::Fact)).questions;
        assert_eq!((fact.len(), fact[0].kind), (2, QuestionKind::Fact));
        assert!(!fact[1].fake_aliases.is_empty());
        assert_eq!(fact[1].item, fact[0].item);
        assert_eq!(alone(&corpus, of(QuestionKind::Detail)).questions.len(), 1);
    }
}
