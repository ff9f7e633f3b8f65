//! Free questions: what a model answers, without anything to compare it with.

use lethe_corpus::Language;
use lethe_model::{Decoding, Finish, LanguageModel, Session};

use crate::{AskConfig, Error};

/// What a model said to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the model was given: [`Language::prompt`].
    pub prompt: String,
    /// What it answered.
    pub answer: String,
    /// Tokens of the answer.
    pub tokens: usize,
    /// Why it ended: `stop` or `length`.
    pub finish: &'static str,
}

/// Asks `questions`, each in its language, in the form in which [`ask`](crate::ask) asks probes;
/// replies come in the order of the questions.
///
/// # Errors
/// The model's, for instance for text outside a trimmed vocabulary.
pub fn reply(
    model: &LanguageModel,
    questions: &[(Language, &str)],
    config: &AskConfig,
) -> Result<Vec<Reply>, Error> {
    let tokenizer = &model.tokenizer;
    let stops = tokenizer.stops();
    let mut out = Vec::with_capacity(questions.len());
    for batch in questions.chunks(config.batch.max(1)) {
        let prompts: Vec<String> = batch.iter().map(|(l, q)| l.prompt(q)).collect();
        let mut ids = Vec::with_capacity(batch.len());
        for prompt in &prompts {
            ids.push(tokenizer.encode_sequence(prompt)?);
        }
        let session = Session::new(&model.network, &ids, config.new_tokens);
        let answers = session.generate(Decoding::Greedy, config.new_tokens, &stops);
        for (prompt, answer) in prompts.into_iter().zip(answers) {
            out.push(Reply {
                prompt,
                answer: tokenizer.decode(&answer.ids)?.trim().to_owned(),
                tokens: answer.ids.len(),
                finish: finish(answer.finish),
            });
        }
    }
    Ok(out)
}

/// The word that rows have for it.
pub(crate) fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}
