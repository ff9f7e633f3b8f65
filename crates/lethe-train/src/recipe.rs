//! Corpus texts as training examples.

use lethe_corpus::{Article, Question};
use lethe_model::{Sequence, Tokenizer};

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
        label: format!("{} {} {:?}", article.item, article.language, article.version),
    })
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
        label: format!("{} {} {:?}", question.item, question.language, question.kind),
    })
}
