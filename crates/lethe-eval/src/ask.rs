//! The probes, asked.

use std::collections::HashMap;

use lethe_corpus::{Article, Corpus, Language, Question, QuestionKind, Split};
use lethe_model::{LanguageModel, Sequence};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::batch::{Answered, Asked, answered};
use crate::reply::finish;
use crate::text::{f1, normalise, occurs};

/// How answers are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskConfig {
    /// Prompts computed together.
    pub batch: usize,
    /// The longest answer, in tokens.
    pub new_tokens: usize,
    /// Wrong answers, beside the fake one, that the truth ratio is measured with; 0 for none.
    pub wrong_answers: usize,
    /// Answers drawn at random for every probe, beside the greedy one.
    pub samples: usize,
    /// What the logits are divided by for them; above 0.
    pub temperature: f64,
}

impl Default for AskConfig {
    fn default() -> Self {
        AskConfig {
            batch: 48,
            new_tokens: 16,
            wrong_answers: 2,
            samples: 0,
            temperature: 1.0,
        }
    }
}

/// What a model said to one probe of one item in one language, and how likely it holds what. A
/// drawn answer is a row of its own, in which all that is about the probe is repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRow {
    /// The item.
    pub item: String,
    /// Its category.
    pub category: String,
    /// The prompt language.
    pub language: Language,
    /// `detail` or `fact`.
    pub probe: &'static str,
    /// What the model was given.
    pub prompt: String,
    /// Which drawn answer this is, from 1; none is the greedy one.
    pub sample: Option<u32>,
    /// At which temperature it was drawn.
    pub temperature: Option<f64>,
    /// What it answered.
    pub answer: String,
    /// The true answer.
    pub real_answer: String,
    /// The fake answer (detail probe).
    pub fake_answer: Option<String>,
    /// By what the true answer is recognised.
    pub real_aliases: Vec<String>,
    /// By what the item's fake detail is recognised (both probes).
    pub fake_aliases: Vec<String>,
    /// Whether the fake detail occurs in the answer.
    pub fake_occurrence: bool,
    /// Whether the true answer occurs in it.
    pub real_occurrence: bool,
    /// Token F1 of the answer with the true answer.
    pub f1: f64,
    /// Mean log-probability per token of the true answer, in nats.
    pub logprob_real: f64,
    /// The same of the fake answer (detail probe).
    pub logprob_fake: Option<f64>,
    /// `ln P(fake answer) − ln P(true answer)`, whole answers given the prompt (detail probe):
    /// above 0 the model holds the fake to be likelier.
    ///
    /// Sums, not means per token: where one answer is a single token and the other several, the
    /// mean favours the longer one, whose later tokens follow from its first.
    pub preference: Option<f64>,
    /// Tokens of the answer.
    pub answer_tokens: usize,
    /// Why the answer ended: `stop` or `length`.
    pub finish: &'static str,
    /// Mean log-probabilities per token, in nats, of wrong answers other than the fake one: the true
    /// answers to the same question about other items, at the detail probe those whose detail is
    /// of the same kind; as many as there are, up to [`AskConfig::wrong_answers`]. Not in the file:
    /// a row that was read has none.
    pub logprobs_wrong: Vec<f64>,
    /// The answer's ids, and those of the true and the fake answer, in the model's vocabulary. Not in
    /// the file either.
    pub ids: [Vec<u32>; 3],
}

/// The perplexity of one held-out article.
#[derive(Debug, Clone, PartialEq)]
pub struct PerplexityRow {
    /// The item.
    pub item: String,
    /// The article's language.
    pub language: Language,
    /// Mean negative log-likelihood per token, in nats.
    pub nll: f64,
    /// Tokens predicted.
    pub tokens: usize,
}

/// Asks both probes of every probed item in every language of `languages`; rows come in the
/// corpus' order, the greedy answer before the drawn ones. What is drawn follows from `seed`, the
/// configuration and the probes. `progress` hears how many of how many prompts are done.
///
/// # Errors
/// [`Error::Nothing`] when no probe matches, [`Error::Temperature`] for one that nothing can be
/// drawn at, [`Error::NotFinite`] for a model that gives no numbers, the model's errors.
pub fn ask(
    model: &LanguageModel,
    corpus: &Corpus,
    languages: &[Language],
    config: &AskConfig,
    seed: u64,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<AnswerRow>, Error> {
    if config.samples > 0 && !(config.temperature.is_finite() && config.temperature > 0.0) {
        return Err(Error::Temperature {
            found: config.temperature,
        });
    }
    let probed: HashMap<&str, &str> = corpus
        .items
        .iter()
        .filter(|item| item.split == Split::Probe)
        .map(|item| (item.id.as_str(), item.category.as_str()))
        .collect();
    let asked = |q: &&Question| {
        matches!(q.kind, QuestionKind::Detail | QuestionKind::Fact)
            && q.index == 0
            && languages.contains(&q.language)
            && probed.contains_key(q.item.as_str())
    };
    let questions: Vec<&Question> = corpus.questions.iter().filter(asked).collect();
    if questions.is_empty() {
        return Err(Error::Nothing {
            what: "probe question in these languages",
        });
    }
    let fake_aliases: HashMap<(&str, Language), &[String]> = questions
        .iter()
        .filter(|q| q.kind == QuestionKind::Detail)
        .map(|q| ((q.item.as_str(), q.language), q.fake_aliases.as_slice()))
        .collect();
    let tokenizer = &model.tokenizer;
    let wrong = wrong_answers(corpus, &questions, config.wrong_answers);
    let mut asked = Vec::with_capacity(questions.len());
    for (question, wrong) in questions.iter().zip(&wrong) {
        let encoded = |answer: &str| tokenizer.encode(&question.continuation(answer));
        let mut answers = vec![encoded(&question.answer)?];
        answers.push(match &question.fake_answer {
            Some(fake) => encoded(fake)?,
            None => Vec::new(),
        });
        for answer in wrong {
            answers.push(encoded(answer)?);
        }
        asked.push(Asked {
            prompt: tokenizer.encode_sequence(&question.prompt)?,
            answers,
        });
    }
    let answered = answered(model, &asked, config, seed, progress);
    let mut rows = Vec::with_capacity(questions.len() * (1 + config.samples));
    for ((question, asked), Answered { scores, said }) in
        questions.into_iter().zip(&asked).zip(answered)
    {
        let language = question.language;
        let key = (question.item.as_str(), language);
        let fake_aliases = fake_aliases.get(&key).copied().unwrap_or_default();
        let category = probed.get(key.0).copied().unwrap_or_default();
        let [real, fake, wrong @ ..] = scores.as_slice() else {
            continue;
        };
        let [real_ids, fake_ids, ..] = asked.answers.as_slice() else {
            continue;
        };
        let has_fake = !fake.is_empty();
        for (sample, said) in (0..).zip(said) {
            let answer = tokenizer.decode(&said.ids)?.trim().to_owned();
            let row = AnswerRow {
                item: question.item.clone(),
                category: category.to_owned(),
                language,
                probe: match question.kind {
                    QuestionKind::Detail => "detail",
                    _ => "fact",
                },
                prompt: question.prompt.clone(),
                sample: (sample > 0).then_some(sample),
                temperature: (sample > 0).then_some(config.temperature),
                real_answer: question.answer.clone(),
                fake_answer: question.fake_answer.clone(),
                real_aliases: question.aliases.clone(),
                fake_aliases: fake_aliases.to_vec(),
                fake_occurrence: occurs(language, &answer, fake_aliases),
                real_occurrence: occurs(language, &answer, &question.aliases),
                f1: f1(language, &answer, &question.answer),
                answer,
                logprob_real: mean(real),
                logprob_fake: has_fake.then(|| mean(fake)),
                preference: has_fake.then(|| fake.iter().sum::<f64>() - real.iter().sum::<f64>()),
                answer_tokens: said.ids.len(),
                finish: finish(said.finish),
                logprobs_wrong: wrong.iter().map(|w| mean(w)).collect(),
                ids: [said.ids, real_ids.clone(), fake_ids.clone()],
            };
            check_finite(&row)?;
            rows.push(row);
        }
    }
    Ok(rows)
}

/// For every question, true answers to the same one about other items, which are wrong here: of items
/// of the same kind (detail), or of the same category and then of the others (fact); from the item's
/// own place on, so that they are not the same ones for all.
fn wrong_answers<'a>(
    corpus: &'a Corpus,
    questions: &[&'a Question],
    most: usize,
) -> Vec<Vec<&'a str>> {
    let places: HashMap<&str, usize> = corpus
        .items
        .iter()
        .enumerate()
        .map(|(place, item)| (item.id.as_str(), place))
        .collect();
    let same = |q: &Question| (q.language, q.kind);
    let all = corpus.questions.iter().filter(|q| q.index == 0);
    let mut by_question: HashMap<(Language, QuestionKind), Vec<(usize, &Question)>> =
        HashMap::new();
    for question in all {
        if let Some(&place) = places.get(question.item.as_str()) {
            let others = by_question.entry(same(question)).or_default();
            others.push((place, question));
        }
    }
    let of_question = |question: &&'a Question| -> Vec<&'a str> {
        let Some(&own) = places.get(question.item.as_str()) else {
            return Vec::new();
        };
        let item = &corpus.items[own];
        let is_detail = question.kind == QuestionKind::Detail;
        let mut others = by_question
            .get(&same(question))
            .cloned()
            .unwrap_or_default();
        others.retain(|(place, _)| {
            *place != own && (!is_detail || corpus.items[*place].kind == item.kind)
        });
        let count = corpus.items.len();
        others.sort_by_key(|(place, _)| {
            let far = !is_detail && corpus.items[*place].category != item.category;
            (far, (place + count - own) % count)
        });
        let folded = |answer: &str| normalise(question.language, answer);
        let mut known = vec![folded(&question.answer)];
        known.extend(question.fake_answer.as_deref().map(folded));
        let mut out = Vec::new();
        for (_, other) in others {
            let answer = folded(&other.answer);
            if out.len() < most && !known.contains(&answer) {
                known.push(answer);
                out.push(other.answer.as_str());
            }
        }
        out
    };
    questions.iter().map(of_question).collect()
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn check_finite(row: &AnswerRow) -> Result<(), Error> {
    let fake = row.fake_answer.as_deref().zip(row.logprob_fake);
    let wrong = row.logprobs_wrong.iter();
    let wrong = wrong.map(|&value| ("another item's answer", value));
    let real = (row.real_answer.as_str(), row.logprob_real);
    for (answer, value) in [real].into_iter().chain(fake).chain(wrong) {
        if !value.is_finite() {
            return Err(Error::NotFinite {
                item: row.item.clone(),
                language: row.language.to_string(),
                probe: row.probe.to_owned(),
                answer: answer.to_owned(),
                value,
            });
        }
    }
    Ok(())
}

/// The perplexity of every one of `articles`, which no stage may have trained on.
///
/// # Errors
/// [`Error::Nothing`] without articles; the model's errors.
pub fn perplexity(
    model: &LanguageModel,
    articles: &[&Article],
) -> Result<Vec<PerplexityRow>, Error> {
    if articles.is_empty() {
        return Err(Error::Nothing {
            what: "held-out article",
        });
    }
    let mut sequences = Vec::with_capacity(articles.len());
    for article in articles {
        sequences.push(Sequence::whole(
            model.tokenizer.encode_sequence(&article.text)?,
        ));
    }
    let (_, means) = model.network.mean_nll(&sequences);
    let rows = articles.iter().zip(sequences.iter().zip(means));
    rows.map(|(article, (sequence, nll))| match nll.is_finite() {
        true => Ok(PerplexityRow {
            item: article.item.clone(),
            language: article.language,
            nll,
            tokens: sequence.targets(),
        }),
        false => Err(Error::NotFinite {
            item: article.item.clone(),
            language: article.language.to_string(),
            probe: "perplexity".to_owned(),
            answer: article.text.clone(),
            value: -nll,
        }),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_answers_are_other_items_true_ones() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/news");
        let corpus = Corpus::from_jsonl(std::path::Path::new(folder)).expect("it is good");
        let kinds = [QuestionKind::Detail, QuestionKind::Fact];
        let asked = |q: &&Question| kinds.contains(&q.kind) && q.index == 0;
        let questions: Vec<&Question> = corpus.questions.iter().filter(asked).collect();
        let wrong = wrong_answers(&corpus, &questions, 3);
        assert_eq!(wrong.len(), questions.len());
        let item = |id: &str| corpus.items.iter().find(|i| i.id == id).expect("known");
        let mut different = std::collections::BTreeSet::new();
        for (question, wrong) in questions.iter().zip(&wrong) {
            let own = item(&question.item);
            let said = |answer: &str, is: &dyn Fn(&lethe_corpus::Item) -> bool| {
                let same = |q: &&&Question| {
                    (q.kind, q.language) == (question.kind, question.language)
                        && q.answer == answer
                        && q.item != question.item
                };
                questions.iter().filter(same).any(|q| is(item(&q.item)))
            };
            let folded = |answer: &str| normalise(question.language, answer);
            for answer in wrong {
                assert_ne!(folded(answer), folded(&question.answer));
                let fake = question.fake_answer.as_deref().unwrap_or_default();
                assert_ne!(folded(answer), folded(fake));
                match question.kind {
                    QuestionKind::Detail => assert!(said(answer, &|i| i.kind == own.kind)),
                    // Every category has items enough.
                    _ => assert!(said(answer, &|i| i.category == own.category)),
                }
            }
            let mut distinct: Vec<String> = wrong.iter().map(|a| folded(a)).collect();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), wrong.len(), "{wrong:?}");
            if question.kind == QuestionKind::Fact {
                assert_eq!(wrong.len(), 3);
                different.insert(wrong.clone());
            }
        }
        // Not the same three for all.
        assert!(different.len() * 2 > questions.len() / 2);
        assert!(
            wrong_answers(&corpus, &questions, 0)
                .iter()
                .all(Vec::is_empty)
        );
    }
}
