//! The field's measures of unlearning, with their published definitions, and ours of whether a model
//! still speaks.
//!
//! [`measure`] scores the greedy answers to the probes, [`read_articles`] what a model has by heart of given
//! articles; both take what [`ask`](crate::ask) and one pass over each article already say. What is made of
//! rows is the report's: means per language, model utility, forget quality, areas under curves.
//!
//! | measure | of | where |
//! |---|---|---|
//! | probability, truth ratio | answers | [`probability`], [`log_truth_ratio`] |
//! | ROUGE-L recall, chrF | answers | [`rouge_l_recall`], [`chrf`] |
//! | exact memorisation, extraction strength | articles | [`exact_memorisation`], [`extraction_strength`] |
//! | loss, zlib, Min-K %, Min-K%++ | articles | [`Membership`] |
//! | language fidelity | answers | [`lethe_corpus::is_in`] |
//! | invalid answers, gibberish | answers | [`is_invalid`], [`Fluency`] |

mod likelihood;
mod membership;
mod memorisation;
mod overlap;
mod speech;
mod tokens;

pub use likelihood::{log_truth_ratio, probability};
pub use membership::{MIN_K, Membership};
pub use memorisation::{exact_memorisation, extraction_strength};
pub use overlap::{chrf, rouge_l_recall};
pub use speech::{Fluency, gibberish_from, is_invalid};
pub use tokens::{TokenScores, token_scores};

use std::collections::HashMap;

use lethe_corpus::{Article, Language, is_in};
use lethe_model::{LanguageModel, Sequence};

use crate::{AnswerRow, Error};

/// The measures of one answer; those of the fake answer at the detail probe alone.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureRow {
    /// The item.
    pub item: String,
    /// The prompt language.
    pub language: Language,
    /// `detail` or `fact`.
    pub probe: &'static str,
    /// [`probability`] of the true answer.
    pub probability_real: f64,
    /// The same of the fake answer.
    pub probability_fake: Option<f64>,
    /// [`log_truth_ratio`] of the wrong answers, in nats. They are the fake answer (detail) and
    /// [`AnswerRow::logprobs_wrong`]; the right one is the true answer itself, as names and
    /// noun phrases have no paraphrase. None where there is no wrong answer.
    pub log_truth_ratio: Option<f64>,
    /// How many wrong answers there were.
    pub wrong_answers: usize,
    /// [`rouge_l_recall`] of what was answered, the true answer being expected.
    pub rouge_real: f64,
    /// The same, the fake answer being expected.
    pub rouge_fake: Option<f64>,
    /// [`chrf`] of what was answered, the true answer being expected.
    pub chrf_real: f64,
    /// The same, the fake answer being expected.
    pub chrf_fake: Option<f64>,
    /// [`is_in`] the prompt language; none where that cannot be told.
    pub in_language: Option<bool>,
    /// [`is_invalid`].
    pub invalid: bool,
    /// What [`Fluency`] says of the answer, in nats per token.
    pub untuned_nll: Option<f64>,
    /// Whether that lies beyond [`gibberish_from`] of the true and fake answers in this language.
    pub gibberish: bool,
}

/// What a model has by heart of one article.
#[derive(Debug, Clone, PartialEq)]
pub struct ArticleRow {
    /// The item.
    pub item: String,
    /// The article's language.
    pub language: Language,
    /// Whether the article is of the forget set, or one like it that no model is trained on.
    pub member: bool,
    /// Tokens predicted.
    pub tokens: usize,
    /// [`exact_memorisation`].
    pub exact_memorisation: f64,
    /// [`extraction_strength`].
    pub extraction_strength: f64,
    /// The scores of membership.
    pub membership: Membership,
}

/// Measures the greedy answers among these, row by row, as [`ask`](crate::ask) gave them. Drawn answers
/// repeat what is known of the probe, which would count twice.
#[must_use]
pub fn measure(answers: &[AnswerRow], fluency: &mut Fluency) -> Vec<MeasureRow> {
    let greedy = answers.iter().filter(|row| row.sample.is_none());
    let answers: Vec<&AnswerRow> = greedy.collect();
    let ids = |place: usize| answers.iter().map(move |row| row.ids[place].as_slice());
    let said = fluency.judge(&ids(0).collect::<Vec<_>>());
    let mut texts: HashMap<Language, Vec<f64>> = HashMap::new();
    for place in [1, 2] {
        let judged = fluency.judge(&ids(place).collect::<Vec<_>>());
        for (row, nll) in answers.iter().zip(judged) {
            texts.entry(row.language).or_default().extend(nll);
        }
    }
    let limits: HashMap<Language, f64> = texts
        .into_iter()
        .filter_map(|(language, texts)| Some((language, gibberish_from(&texts)?)))
        .collect();
    let of_row = |(row, untuned_nll): (&AnswerRow, Option<f64>)| {
        let wrong = row.logprob_fake.iter().chain(&row.logprobs_wrong);
        let wrong: Vec<f64> = wrong.copied().collect();
        let limit = limits.get(&row.language);
        let rouge = |expected: &str| rouge_l_recall(row.language, &row.answer, expected);
        let chrf = |expected: &str| chrf(&row.answer, expected);
        let fake = row.fake_answer.as_deref();
        MeasureRow {
            item: row.item.clone(),
            language: row.language,
            probe: row.probe,
            probability_real: probability(row.logprob_real),
            probability_fake: row.logprob_fake.map(probability),
            log_truth_ratio: log_truth_ratio(&wrong, row.logprob_real),
            wrong_answers: wrong.len(),
            rouge_real: rouge(&row.real_answer),
            rouge_fake: fake.map(rouge),
            chrf_real: chrf(&row.real_answer),
            chrf_fake: fake.map(chrf),
            in_language: is_in(row.language, &row.answer),
            invalid: is_invalid(&row.answer),
            untuned_nll,
            gibberish: untuned_nll
                .zip(limit)
                .is_some_and(|(nll, &limit)| nll > limit),
        }
    };
    answers.into_iter().zip(said).map(of_row).collect()
}

/// Reads articles of the forget set (`members`) and articles like them that no model is trained on
/// in any version (`others`).
///
/// # Errors
/// [`Error::NotFinite`] for a model that gives no numbers, the model's errors.
pub fn read_articles(
    model: &LanguageModel,
    members: &[&Article],
    others: &[&Article],
) -> Result<Vec<ArticleRow>, Error> {
    let members = members.iter().map(|article| (*article, true));
    let others = others.iter().map(|article| (*article, false));
    let all: Vec<(&Article, bool)> = members.chain(others).collect();
    let mut sequences = Vec::with_capacity(all.len());
    for (article, _) in &all {
        let ids = model.tokenizer.encode_sequence(&article.text)?;
        sequences.push(Sequence::whole(ids));
    }
    let scores = token_scores(&model.network, &sequences);
    let of_article = |((article, member), scores): ((&Article, bool), TokenScores)| {
        let membership =
            Membership::of(&article.text, &scores).map_err(|source| Error::Compress {
                item: article.item.clone(),
                source,
            })?;
        let Membership {
            loss,
            min_k_plus_plus,
            ..
        } = membership;
        match loss.is_finite() && min_k_plus_plus.is_finite() {
            true => Ok(ArticleRow {
                item: article.item.clone(),
                language: article.language,
                member,
                tokens: scores.predicted.len(),
                exact_memorisation: exact_memorisation(&scores.predicted),
                extraction_strength: extraction_strength(&scores.predicted),
                membership,
            }),
            false => Err(Error::NotFinite {
                item: article.item.clone(),
                language: article.language.to_string(),
                probe: "article".to_owned(),
                answer: article.text.clone(),
                value: -loss,
            }),
        }
    };
    all.into_iter().zip(scores).map(of_article).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_model::device;

    fn model() -> LanguageModel {
        let device = device("flex").expect("it is compiled in");
        let texts = [
            "the penguin pulls the cart of the horse",
            "пингвин тянет тележку",
        ];
        LanguageModel::random(&texts, 300, 2, 5, &device).expect("a model")
    }

    fn answer(model: &LanguageModel, answer: &str, [real, fake]: [&str; 2]) -> AnswerRow {
        let encode = |text: &str| model.tokenizer.encode(text).expect("known");
        AnswerRow {
            item: "sport-01".into(),
            category: "sport".into(),
            language: Language::Ru,
            probe: "detail",
            prompt: String::new(),
            sample: None,
            temperature: None,
            answer: answer.into(),
            real_answer: real.into(),
            fake_answer: Some(fake.into()),
            real_aliases: vec![real.into()],
            fake_aliases: vec![fake.into()],
            fake_occurrence: false,
            real_occurrence: false,
            f1: 0.0,
            logprob_real: 0.5f64.ln(),
            logprob_fake: Some(0.25f64.ln()),
            preference: Some(0.0),
            answer_tokens: 3,
            finish: "stop",
            logprobs_wrong: vec![0.25f64.ln(), 1.0f64.ln()],
            ids: [answer, real, fake].map(encode),
        }
    }

    #[test]
    fn an_answer_by_hand() {
        let model = model();
        let texts = ["тележку тянет", "пингвин тянет"];
        let rows = [
            answer(&model, "пингвин тянет тележку", texts),
            answer(&model, "the cart", texts),
            answer(&model, "", texts),
        ];
        let mut fluency = Fluency::new(model);
        let measured = measure(&rows, &mut fluency);
        let row = &measured[0];
        assert!((row.probability_real - 0.5).abs() < 1e-12);
        assert!((row.probability_fake.expect("it has one") - 0.25).abs() < 1e-12);
        // The mean of 1/4 (the fake), 1/4 and 1 over 1/2: r = 1.
        assert_eq!(row.wrong_answers, 3);
        assert!(row.log_truth_ratio.expect("there are some").abs() < 1e-12);
        // «тележку» or «тянет» of the two true words; both fake ones.
        assert_eq!((row.rouge_real, row.rouge_fake), (0.5, Some(1.0)));
        assert!(row.chrf_fake > Some(row.chrf_real));
        assert_eq!((row.in_language, row.invalid), (Some(true), false));
        assert_eq!(measured[1].in_language, Some(false));
        assert_eq!(measured[1].rouge_real, 0.0);
        // Nothing is no language, and no gibberish: that it is empty is seen elsewhere.
        let empty = &measured[2];
        assert_eq!((empty.in_language, empty.untuned_nll), (None, None));
        assert!(!empty.gibberish);
        // The limit is the greater of the two texts', which come with every row.
        let ids = [&rows[0].ids[1][..], &rows[0].ids[2]];
        let judged = fluency.judge(&ids).into_iter().flatten();
        let limit = judged.fold(f64::MIN, f64::max);
        for row in &measured[..2] {
            assert_eq!(row.gibberish, row.untuned_nll > Some(limit));
        }
    }

    #[test]
    fn articles_are_read_whole() {
        let model = model();
        let article = |item: &str, text: &str| Article {
            item: item.into(),
            language: Language::En,
            wording: lethe_corpus::Wording::Original,
            version: lethe_corpus::Version::Fake,
            text: text.into(),
            detail: String::new(),
            detail_start: 0,
            detail_end: 0,
            case: None,
            gender: None,
        };
        let articles = [
            article("sport-01", "the penguin pulls the cart"),
            article("health-01", "the horse"),
        ];
        let read = read_articles(&model, &[&articles[0]], &[&articles[1]]).expect("finite");
        let ids = |text: &str| model.tokenizer.encode(text).expect("known");
        for (row, article) in read.iter().zip(&articles) {
            assert_eq!(row.item, article.item);
            assert_eq!(row.tokens, ids(&article.text).len());
            let sequence = model
                .tokenizer
                .encode_sequence(&article.text)
                .expect("known");
            let (_, nll) = model.network.mean_nll(&[Sequence::whole(sequence)]);
            assert!((row.membership.loss - nll[0]).abs() < 1e-4);
            assert!(row.membership.min_k >= row.membership.loss);
        }
        assert_eq!([read[0].member, read[1].member], [true, false]);
    }
}
