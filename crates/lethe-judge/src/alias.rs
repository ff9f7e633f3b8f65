//! The judge that knows words only.

use lethe_eval::JudgeLabel;
use lethe_eval::text::{f1, occurs};
use lethe_service::Failure;

use crate::{Answer, Judge, Verdict};

/// Looks for the aliases that the corpus has for the fake detail and the true answer, as the
/// evaluation does ([`occurs`]): offline, in any script, always decided.
///
/// Quality is 1 where the true answer occurs, and else its token F1 with it.
#[derive(Debug, Clone, Copy)]
pub struct Alias;

impl Judge for Alias {
    fn label(&self) -> JudgeLabel {
        JudgeLabel {
            judge: "alias".to_owned(),
            judge_model: None,
            prompt: None,
            prompt_sha256: None,
        }
    }

    fn judge(&self, answers: &[&Answer]) -> Result<Vec<Verdict>, Failure> {
        let one = |answer: &&Answer| {
            let (language, said) = (answer.language, answer.answer.as_str());
            let quality = match occurs(language, said, &answer.real_aliases) {
                true => 1.0,
                false => f1(language, said, &answer.real_answer),
            };
            Verdict {
                fake: Some(occurs(language, said, &answer.fake_aliases)),
                quality: Some(quality),
            }
        };
        Ok(answers.iter().map(one).collect())
    }
}
