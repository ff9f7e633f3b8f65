//! A chat model as the judge.

use lethe_eval::JudgeLabel;
use lethe_service::{Chat, Failure, Message, Structure};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Answer, Judge, Verdict};

/// What the model is told. A changed text is a new version, in a new file.
pub const PROMPT: &str = include_str!("../prompts/fake-detail-v1.txt");

/// The version of [`PROMPT`]: its file's name.
pub const PROMPT_VERSION: &str = "fake-detail-v1";

/// The best quality on the scale of [`PROMPT`].
pub(crate) const BEST: u8 = 4;

/// A chat model at an OpenAI-compatible endpoint, asked at temperature 0.
pub struct OpenAi {
    chat: Chat,
    structure: Structure,
    batch: usize,
}

#[derive(Deserialize)]
struct Reply {
    verdicts: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    id: usize,
    fake: Fake,
    quality: u8,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Fake {
    Yes,
    No,
    Unclear,
}

impl OpenAi {
    /// A judge that asks about `batch` answers at a time.
    #[must_use]
    pub fn new(chat: Chat, structure: Structure, batch: usize) -> OpenAi {
        OpenAi {
            chat,
            structure,
            batch: batch.max(1),
        }
    }
}

/// The JSON that is wanted for `count` answers.
fn schema(count: usize) -> Value {
    let verdict = json!({
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "fake": {"type": "string", "enum": ["yes", "no", "unclear"]},
            "quality": {"type": "integer", "enum": (0..=BEST).collect::<Vec<_>>()},
        },
        "required": ["id", "fake", "quality"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "verdicts": {
                "type": "array", "items": verdict, "minItems": count, "maxItems": count,
            },
        },
        "required": ["verdicts"],
        "additionalProperties": false,
    })
}

/// The verdicts in the order of their ids, which are 1 to `count`.
fn verdicts(reply: Reply, count: usize) -> Result<Vec<Verdict>, String> {
    let mut out: Vec<Option<Verdict>> = vec![None; count];
    for one in &reply.verdicts {
        let place = one.id.checked_sub(1).and_then(|place| out.get_mut(place));
        let Some(place) = place else {
            return Err(format!(
                "a verdict has the id {}, expected 1 to {count}",
                one.id
            ));
        };
        if one.quality > BEST {
            return Err(format!(
                "verdict {} has the quality {}, expected 0 to {BEST}",
                one.id, one.quality
            ));
        }
        let verdict = Verdict {
            fake: match one.fake {
                Fake::Yes => Some(true),
                Fake::No => Some(false),
                Fake::Unclear => None,
            },
            quality: Some(f64::from(one.quality) / f64::from(BEST)),
        };
        if place.replace(verdict).is_some() {
            return Err(format!("two verdicts have the id {}", one.id));
        }
    }
    let found = reply.verdicts.len();
    let all: Option<Vec<Verdict>> = out.into_iter().collect();
    all.ok_or_else(|| format!("{found} verdicts came back for {count} answers"))
}

impl Judge for OpenAi {
    fn label(&self) -> JudgeLabel {
        let digest = Sha256::digest(PROMPT.as_bytes());
        JudgeLabel {
            judge: "openai".to_owned(),
            judge_model: Some(self.chat.model().to_owned()),
            prompt: Some(PROMPT_VERSION.to_owned()),
            prompt_sha256: Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    fn identity(&self) -> Option<String> {
        let (url, model) = (self.chat.url(), self.chat.model());
        Some(format!("openai {url} {model} {PROMPT}"))
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn judge(&self, answers: &[&Answer]) -> Result<Vec<Verdict>, Failure> {
        let listed: Vec<Value> = (1..)
            .zip(answers)
            .map(|(id, answer)| {
                json!({
                    "id": id,
                    "language": answer.language.name(),
                    "question": answer.question,
                    "true_answer": answer.real_answer,
                    "fake_detail": answer.fake_answer,
                    "answer": answer.answer,
                })
            })
            .collect();
        let schema = schema(answers.len());
        let reply: Reply = self.chat.ask(&Message {
            system: PROMPT,
            user: &json!({ "answers": listed }).to_string(),
            schema: Some(("verdicts", &schema)),
            structure: self.structure,
            temperature: Some(0.0),
        })?;
        verdicts(reply, answers.len()).map_err(Failure::Malformed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn verdicts_are_put_in_order_and_checked() {
        let read = |text: &str| verdicts(serde_json::from_str(text).unwrap(), 2);
        let good = read(
            r#"{"verdicts": [{"id": 2, "fake": "unclear", "quality": 0}, {"id": 1, "fake": "yes", "quality": 3}]}"#,
        );
        let first = Verdict {
            fake: Some(true),
            quality: Some(0.75),
        };
        let second = Verdict {
            fake: None,
            quality: Some(0.0),
        };
        assert_eq!(good, Ok(vec![first, second]));
        for (text, says) in [
            (r#"{"verdicts": []}"#, "0 verdicts came back for 2 answers"),
            (
                r#"{"verdicts": [{"id": 3, "fake": "no", "quality": 0}]}"#,
                "has the id 3, expected 1 to 2",
            ),
            (
                r#"{"verdicts": [{"id": 0, "fake": "no", "quality": 0}]}"#,
                "has the id 0, expected 1 to 2",
            ),
            (
                r#"{"verdicts": [{"id": 1, "fake": "no", "quality": 5}]}"#,
                "has the quality 5, expected 0 to 4",
            ),
            (
                r#"{"verdicts": [{"id": 1, "fake": "no", "quality": 0}, {"id": 1, "fake": "no", "quality": 0}]}"#,
                "two verdicts have the id 1",
            ),
        ] {
            assert!(read(text).unwrap_err().contains(says), "{text}");
        }
    }
}
