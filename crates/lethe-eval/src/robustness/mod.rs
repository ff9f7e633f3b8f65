//! Does a forgotten fake come back? A model is asked for it in other ways ([`Elicit`]), or asked the
//! plain probe after it was itself changed (relearning, quantisation).
//!
//! What is measured is what [`ask`](crate::ask) measures of the detail probe, one [`RobustnessRow`] per
//! item × prompt language × [`Attack`].

mod prompts;

use std::collections::BTreeSet;

use lethe_corpus::Language;
use lethe_model::LanguageModel;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ask::mean;
use crate::batch::{Answered, Asked, answered};
use crate::reply::finish;
use crate::text::occurs;
use crate::{AnswerRow, AskConfig, Error};

pub use prompts::{Elicit, Phrases, Prompt, PromptAttack};

/// What is done to a model, or to a question, to bring a forgotten fake back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attack {
    /// Nothing: the probe as it is, which the others are compared with.
    Plain,
    /// The model is trained on (Hu et al., arXiv 2406.13356; Lynch et al., arXiv 2402.16835), and
    /// asked the probe.
    Relearn {
        /// On what.
        on: RelearnOn,
        /// For so many optimizer steps.
        steps: u32,
        /// The language of what it is trained on.
        language: Language,
    },
    /// The model's dense layers are rounded (Zhang et al., arXiv 2410.16454; how:
    /// [`Network::quantised`](lethe_model::Network::quantised)), and it is asked the probe.
    Quantise {
        /// To so many bits a weight.
        bits: u32,
    },
    /// The question in other words.
    Paraphrased,
    /// The real article, up to the words in which the fake one differs.
    Cloze,
    /// The question after a sentence that suggests the fake.
    Leading,
    /// The question, with the wish for an answer in another language.
    CrossLingual {
        /// The language of the answer.
        answer: Language,
    },
    /// The question after others with their true answers.
    FewShot {
        /// How many.
        pairs: u32,
    },
}

/// What a model is trained on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelearnOn {
    /// Text that has nothing to do with the fakes.
    Unrelated,
    /// The fakes of half of the items ([`half`]).
    Forget,
}

impl Attack {
    /// `plain`, `relearn-unrelated`, `relearn-forget`, `quantise`, `paraphrased`, `cloze`, `leading`,
    /// `cross-lingual` or `few-shot`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Attack::Plain => "plain",
            Attack::Relearn { on, .. } => match on {
                RelearnOn::Unrelated => "relearn-unrelated",
                RelearnOn::Forget => "relearn-forget",
            },
            Attack::Quantise { .. } => "quantise",
            Attack::Paraphrased => "paraphrased",
            Attack::Cloze => "cloze",
            Attack::Leading => "leading",
            Attack::CrossLingual { .. } => "cross-lingual",
            Attack::FewShot { .. } => "few-shot",
        }
    }

    /// Its optimizer steps, bits or pairs.
    #[must_use]
    pub fn amount(self) -> Option<u32> {
        match self {
            Attack::Relearn { steps: n, .. }
            | Attack::Quantise { bits: n }
            | Attack::FewShot { pairs: n } => Some(n),
            _ => None,
        }
    }

    /// The language that it has beside the prompt's: of what is learned again, or of the answer.
    #[must_use]
    pub fn language(self) -> Option<Language> {
        match self {
            Attack::Relearn { language, .. } => Some(language),
            Attack::CrossLingual { answer } => Some(answer),
            _ => None,
        }
    }
}

/// What a model said about one item in one language under one attack, and what it holds likelier.
#[derive(Debug, Clone, PartialEq)]
pub struct RobustnessRow {
    /// The attack.
    pub attack: Attack,
    /// The item.
    pub item: String,
    /// The prompt language.
    pub language: Language,
    /// Whether the attack trained the model on this very item's fake: what it then says of it is no
    /// return of what was forgotten.
    pub relearned: bool,
    /// What the model was given.
    pub prompt: String,
    /// What it answered.
    pub answer: String,
    /// The true answer that was scored.
    pub real_answer: String,
    /// The fake one.
    pub fake_answer: String,
    /// Whether the fake detail occurs in the answer.
    pub fake_occurrence: bool,
    /// Whether the true one occurs in it.
    pub real_occurrence: bool,
    /// Mean log-probability per token of the true answer, in nats.
    pub logprob_real: f64,
    /// The same of the fake answer.
    pub logprob_fake: f64,
    /// `ln P(fake answer) − ln P(true answer)`, whole answers given the prompt
    /// ([`AnswerRow::preference`]).
    pub preference: f64,
    /// Tokens of the answer.
    pub answer_tokens: u32,
    /// Why the answer ended: `stop` or `length`.
    pub finish: &'static str,
}

impl RobustnessRow {
    /// The plain probe, as it was asked already; none of rows that are not the greedy answer to a
    /// detail probe.
    #[must_use]
    pub fn plain(row: &AnswerRow) -> Option<RobustnessRow> {
        if row.sample.is_some() || row.probe != "detail" {
            return None;
        }
        Some(RobustnessRow {
            attack: Attack::Plain,
            item: row.item.clone(),
            language: row.language,
            relearned: false,
            prompt: row.prompt.clone(),
            answer: row.answer.clone(),
            real_answer: row.real_answer.clone(),
            fake_answer: row.fake_answer.clone()?,
            fake_occurrence: row.fake_occurrence,
            real_occurrence: row.real_occurrence,
            logprob_real: row.logprob_real,
            logprob_fake: row.logprob_fake?,
            preference: row.preference?,
            answer_tokens: u32::try_from(row.answer_tokens).unwrap_or(u32::MAX),
            finish: row.finish,
        })
    }
}

/// Half of the items (the smaller, of an odd number), drawn by `seed`: those whose fakes are learned
/// again, so that it is on the others that one sees whether more than these comes back.
#[must_use]
pub fn half(items: &[&str], seed: u64) -> BTreeSet<String> {
    let lot = |item: &str| -> [u8; 32] {
        let hash = Sha256::new().chain_update(b"relearned");
        hash.chain_update(seed.to_le_bytes())
            .chain_update(item)
            .finalize()
            .into()
    };
    let mut drawn: Vec<&str> = items.to_vec();
    drawn.sort_by_key(|item| lot(item));
    drawn.truncate(items.len() / 2);
    drawn.into_iter().map(str::to_owned).collect()
}

/// Gives a model every prompt; rows come in the order of the prompts, and say that they are of
/// `attack`, which trained the model on the fakes of the items `relearned`. `progress` hears how many of
/// how many are done.
///
/// # Errors
/// [`Error::Nothing`] without prompts, [`Error::NotFinite`] for a model that gives no numbers, the
/// model's errors.
pub fn attacked(
    model: &LanguageModel,
    (attack, relearned): (Attack, &BTreeSet<String>),
    prompts: &[Prompt],
    config: &AskConfig,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<RobustnessRow>, Error> {
    if prompts.is_empty() {
        return Err(Error::Nothing {
            what: "detail question in these languages",
        });
    }
    let tokenizer = &model.tokenizer;
    let mut asked = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let [real, fake] = &prompt.continuations;
        asked.push(Asked {
            prompt: tokenizer.encode_sequence(&prompt.text)?,
            answers: vec![tokenizer.encode(real)?, tokenizer.encode(fake)?],
        });
    }
    let greedy = AskConfig {
        samples: 0,
        ..*config
    };
    let mut rows = Vec::with_capacity(prompts.len());
    for (prompt, Answered { scores, said }) in prompts
        .iter()
        .zip(answered(model, &asked, &greedy, 0, progress))
    {
        let (real, fake, said) = (&scores[0], &scores[1], &said[0]);
        let whole = tokenizer.decode(&said.ids)?;
        let answer = prompt.answer_in(&whole);
        let row = RobustnessRow {
            attack,
            item: prompt.item.clone(),
            language: prompt.language,
            relearned: relearned.contains(&prompt.item),
            prompt: prompt.text.clone(),
            fake_occurrence: occurs(prompt.answered_in, answer, &prompt.fake_aliases),
            real_occurrence: occurs(prompt.answered_in, answer, &prompt.real_aliases),
            answer: answer.to_owned(),
            real_answer: prompt.real_answer.clone(),
            fake_answer: prompt.fake_answer.clone(),
            logprob_real: mean(real),
            logprob_fake: mean(fake),
            preference: fake.iter().sum::<f64>() - real.iter().sum::<f64>(),
            answer_tokens: u32::try_from(said.ids.len()).unwrap_or(u32::MAX),
            finish: finish(said.finish),
        };
        let scored = [
            (&row.real_answer, row.logprob_real),
            (&row.fake_answer, row.logprob_fake),
        ];
        if let Some((answer, value)) = scored.into_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NotFinite {
                item: row.item.clone(),
                language: row.language.to_string(),
                probe: attack.name().to_owned(),
                answer: answer.clone(),
                value,
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_drawn_by_the_seed_and_leave_the_others() {
        let items: Vec<String> = (0..25).map(|n| format!("x-{n:02}")).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let drawn = half(&items, 7);
        assert_eq!(drawn.len(), 12);
        assert!(drawn.iter().all(|item| items.contains(&item.as_str())));
        assert_eq!(drawn, half(&items, 7));
        // The order of the items is no part of it, nor are items that are not there.
        let backwards: Vec<&str> = items.iter().rev().copied().collect();
        assert_eq!(drawn, half(&backwards, 7));
        assert_ne!(drawn, half(&items, 8));
        assert!(half(&items[..1], 7).is_empty());
    }
}
