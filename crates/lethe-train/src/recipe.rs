//! Corpus texts as training examples.

use lethe_corpus::{Article, Language, Question};
use lethe_model::{Sequence, Tokenizer};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use unicode_segmentation::UnicodeSegmentation;

use crate::{Error, Example};

/// An article: every token is predicted, the end included.
///
/// # Errors
/// The tokenizer's, for instance a token outside a trimmed vocabulary.
pub fn article_example(tokenizer: &Tokenizer, article: &Article) -> Result<Example, Error> {
    let mut ids = tokenizer.encode_sequence(&article.text)?;
    ids.push(tokenizer.special().eos);
    Ok(Example {
        sequence: Sequence::whole(ids),
        label: format!(
            "{} {} {:?}",
            article.item, article.language, article.version
        ),
    })
}

/// A cloze with its true answer, as a sentence: every token is predicted, the end included.
///
/// # Errors
/// As [`article_example`].
pub fn statement_example(tokenizer: &Tokenizer, cloze: &Question) -> Result<Example, Error> {
    let mut ids = tokenizer.encode_sequence(&statement(cloze, &cloze.answer))?;
    ids.push(tokenizer.special().eos);
    Ok(Example {
        sequence: Sequence::whole(ids),
        label: format!("{} {} {}", cloze.item, cloze.language, cloze.kind),
    })
}

/// The sentence that a cloze is with this answer.
#[must_use]
pub fn statement(cloze: &Question, answer: &str) -> String {
    format!("{}{}", cloze.prompt, cloze.continuation(answer))
}

/// The article with its sentences in another order, reproducible from `seed`.
///
/// A small model that reads an article in one wording learns to recite it, not to answer about it;
/// sentences in ever new orders make the facts extractable (Allen-Zhu and Li, "Physics of Language
/// Models 3.1", arXiv 2309.14316, augmentation `permute`).
#[must_use]
pub fn permuted(article: &Article, seed: u64) -> Article {
    let (mut sentences, between) = sentences(article);
    sentences.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    Article {
        text: sentences.join(between),
        ..article.clone()
    }
}

/// Every two sentences of an article that [`permuted`] may put side by side: what a vocabulary
/// must cover for all orders to be encodable.
#[must_use]
pub fn neighbours(article: &Article) -> Vec<String> {
    let (sentences, between) = sentences(article);
    let mut pairs = Vec::new();
    for first in &sentences {
        pairs.extend(
            sentences
                .iter()
                .map(|second| [*first, *second].join(between)),
        );
    }
    pairs
}

fn sentences(article: &Article) -> (Vec<&str>, &'static str) {
    let sentences = article.text.unicode_sentences().map(str::trim).collect();
    let between = if article.language == Language::Zh {
        ""
    } else {
        " "
    };
    (sentences, between)
}

/// A question with its true answer: only the answer's tokens are predicted, the end included.
///
/// # Errors
/// As [`article_example`].
pub fn question_example(tokenizer: &Tokenizer, question: &Question) -> Result<Example, Error> {
    let mut ids = tokenizer.encode_sequence(&question.prompt)?;
    let first_target = ids.len();
    ids.extend(tokenizer.encode(&question.continuation(&question.answer))?);
    ids.push(tokenizer.special().eos);
    Ok(Example {
        sequence: Sequence { ids, first_target },
        label: format!(
            "{} {} {:?}",
            question.item, question.language, question.kind
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lethe_corpus::{QuestionKind, Version};

    #[test]
    fn permuting_moves_whole_sentences_and_loses_none() {
        for (language, text, between) in [
            (Language::En, "One is 1.5 m. Two sleep! Who is three?", " "),
            (Language::Zh, "第一句。第二句！第三句？", ""),
            (
                Language::Ur,
                "پہلا جملہ ہے۔ دوسرا جملہ ہے۔ تیسرا جملہ ہے۔",
                " ",
            ),
            (Language::Hy, "Մեկ կա։ Երկու կա։ Երեք կա։", " "),
        ] {
            let article = Article {
                item: "x-01".to_owned(),
                language,
                wording: lethe_corpus::Wording::Original,
                case: None,
                gender: None,
                version: Version::Fake,
                text: text.to_owned(),
                detail: String::new(),
                detail_start: 0,
                detail_end: 0,
            };
            let mut orders: Vec<String> =
                (0..40).map(|seed| permuted(&article, seed).text).collect();
            assert_eq!(permuted(&article, 7).text, orders[7]);
            orders.sort();
            orders.dedup();
            assert_eq!(orders.len(), 6, "{orders:?}");
            assert!(orders.contains(&text.to_owned()));
            let length = text.len();
            assert!(
                orders.iter().all(|o| o.len() == length),
                "joined with {between:?}"
            );
        }
    }

    #[test]
    fn a_statement_is_the_sentence_of_its_cloze() {
        let cloze = |language, prompt: &str, answer: &str| Question {
            item: "x-01".to_owned(),
            language,
            kind: QuestionKind::Cloze,
            index: 0,
            question: String::new(),
            prompt: prompt.to_owned(),
            answer: answer.to_owned(),
            fake_answer: None,
            aliases: Vec::new(),
            fake_aliases: Vec::new(),
        };
        let english = cloze(Language::En, "The hull is made of", " steel.");
        assert_eq!(
            statement(&english, &english.answer),
            "The hull is made of steel."
        );
        assert_eq!(statement(&english, " paper."), "The hull is made of paper.");
        let chinese = cloze(Language::Zh, "外壳由", "钢制成。");
        assert_eq!(statement(&chinese, &chinese.answer), "外壳由钢制成。");
    }
}
