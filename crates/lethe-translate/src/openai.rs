//! Any endpoint that speaks OpenAI's chat completions.

use std::collections::BTreeMap;

use lethe_service::{Chat, Failure, Limits, Message, Structure};
use serde_json::json;

use crate::{Provider, Request};

/// What the model is told. Its first line's version is a part of what translations are kept under.
pub const PROMPT: &str = include_str!("../prompts/translate-v1.txt");

/// The version of [`PROMPT`].
const VERSION: u32 = 1;

/// A chat model at an OpenAI-compatible endpoint.
pub struct OpenAi {
    chat: Chat,
}

impl OpenAi {
    /// `base` is what comes before `/chat/completions`, such as `https://api.openai.com/v1`; local
    /// servers need no key.
    #[must_use]
    pub fn new(base: &str, model: &str, key: Option<String>, limits: Limits) -> OpenAi {
        OpenAi {
            chat: Chat::new(base, model, key, limits),
        }
    }
}

impl Provider for OpenAi {
    fn identity(&self) -> String {
        let (url, model) = (self.chat.url(), self.chat.model());
        format!("openai {url} {model} prompt {VERSION}")
    }

    fn translate(&self, request: &Request) -> Result<BTreeMap<String, String>, Failure> {
        let mut asked = json!({
            "from": request.from.name(), "to": request.to.name(), "texts": request.texts,
        });
        if !request.complaints.is_empty() {
            asked["complaints"] = json!(request.complaints);
        }
        let answered = self.chat.ask(&Message {
            system: PROMPT,
            user: &asked.to_string(),
            schema: None,
            structure: Structure::Object,
            temperature: None,
        });
        // The next answer to the same request may be an object of texts.
        answered.map_err(|failure| match failure {
            Failure::Malformed(reason) => Failure::passing(reason),
            other => other,
        })
    }
}
