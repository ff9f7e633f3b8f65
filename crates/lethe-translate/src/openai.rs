//! Any endpoint that speaks OpenAI's chat completions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::Client;
use crate::{Failure, Limits, Provider, Request};

/// What the model is told. Its first line's version is a part of what translations are kept under.
pub const PROMPT: &str = include_str!("../prompts/translate-v1.txt");

/// The version of [`PROMPT`].
const VERSION: u32 = 1;

/// A chat model at an OpenAI-compatible endpoint.
pub struct OpenAi {
    url: String,
    model: String,
    key: Option<String>,
    client: Client,
}

impl OpenAi {
    /// `base` is what comes before `/chat/completions`, such as `https://api.openai.com/v1`; local
    /// servers need no key.
    #[must_use]
    pub fn new(base: &str, model: &str, key: Option<String>, limits: Limits) -> OpenAi {
        OpenAi {
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            model: model.to_owned(),
            key,
            client: Client::new(limits),
        }
    }
}

impl Provider for OpenAi {
    fn identity(&self) -> String {
        format!("openai {} {} prompt {VERSION}", self.url, self.model)
    }

    fn translate(&self, request: &Request) -> Result<BTreeMap<String, String>, Failure> {
        let mut asked = json!({
            "from": request.from.name(), "to": request.to.name(), "texts": request.texts,
        });
        if !request.complaints.is_empty() {
            asked["complaints"] = json!(request.complaints);
        }
        let body = json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": asked.to_string()},
            ],
            "response_format": {"type": "json_object"},
        });
        let answer = self.client.post(&self.url, self.key.as_deref(), &body)?;
        let choice = &answer["choices"][0];
        let Some(content) = choice["message"]["content"].as_str() else {
            return Err(Failure::passing(format!(
                "{}: the answer has no choices[0].message.content: {}",
                self.url,
                short(&answer)
            )));
        };
        if choice["finish_reason"] == "length" {
            return Err(Failure::Unanswered(
                "the answer is longer than the model may write".to_owned(),
            ));
        }
        // Some models put JSON between fences although they are told not to.
        let bare = content.trim();
        let bare = bare
            .strip_prefix("```json")
            .or_else(|| bare.strip_prefix("```"))
            .unwrap_or(bare);
        let bare = bare.strip_suffix("```").unwrap_or(bare);
        serde_json::from_str(bare)
            .map_err(|e| Failure::passing(format!("the model's answer is no object of texts: {e}")))
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
