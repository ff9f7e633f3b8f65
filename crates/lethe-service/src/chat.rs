//! Any endpoint that speaks OpenAI's chat completions.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Client, Failure, Limits};

/// A chat model at an OpenAI-compatible endpoint.
pub struct Chat {
    url: String,
    model: String,
    key: Option<String>,
    client: Client,
}

/// How an endpoint is told what JSON is wanted: they differ in what they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// `response_format` of type `json_schema`, strict (OpenAI's structured output).
    Schema,
    /// Type `json_object` with the schema beside it.
    ObjectSchema,
    /// Type `json_object`; the schema stands in the prompt alone.
    Object,
}

/// What a chat model is told.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its instructions.
    pub system: &'a str,
    /// What it is to work on.
    pub user: &'a str,
    /// The JSON that is wanted: a name and a JSON schema. None is any object.
    pub schema: Option<(&'a str, &'a Value)>,
    /// How the endpoint is told.
    pub structure: Structure,
    /// The sampling temperature; none is the endpoint's own.
    pub temperature: Option<f64>,
}

impl Message<'_> {
    fn response_format(&self) -> Value {
        match (self.structure, self.schema) {
            (Structure::Schema, Some((name, schema))) => json!({
                "type": "json_schema",
                "json_schema": {"name": name, "strict": true, "schema": schema},
            }),
            (Structure::ObjectSchema, Some((_, schema))) => {
                json!({"type": "json_object", "schema": schema})
            }
            _ => json!({"type": "json_object"}),
        }
    }
}

impl Chat {
    /// `base` is what comes before `/chat/completions`, such as `https://api.openai.com/v1`; local
    /// servers need no key.
    #[must_use]
    pub fn new(base: &str, model: &str, key: Option<String>, limits: Limits) -> Chat {
        Chat {
            url: format!("{}/chat/completions", base.trim_end_matches('/')),
            model: model.to_owned(),
            key,
            client: Client::new(limits),
        }
    }

    /// Where requests go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The model's name there.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What the model answers, read as JSON.
    ///
    /// # Errors
    /// [`Failure::Malformed`] for an answer that is no such JSON, [`Failure::Unanswered`] for one
    /// that was cut at the model's limit, and the [`Client`]'s.
    pub fn ask<T: DeserializeOwned>(&self, message: &Message) -> Result<T, Failure> {
        let mut body = json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": message.system},
                {"role": "user", "content": message.user},
            ],
            "response_format": message.response_format(),
        });
        if let Some(temperature) = message.temperature {
            body["temperature"] = json!(temperature);
        }
        let answer = self.client.post(&self.url, self.key.as_deref(), &body)?;
        let choice = &answer["choices"][0];
        let Some(content) = choice["message"]["content"].as_str() else {
            return Err(Failure::passing(format!(
                "{}: the answer has no choices[0].message.content: {}",
                self.url,
                short(&answer.to_string())
            )));
        };
        if choice["finish_reason"] == "length" {
            return Err(Failure::Unanswered(
                "the answer is longer than the model may write".to_owned(),
            ));
        }
        serde_json::from_str(bare(content)).map_err(|e| {
            let found = short(content);
            Failure::Malformed(format!("the model answers {found:?}: {e}"))
        })
    }
}

/// Some models put JSON between fences although they are told not to.
fn bare(content: &str) -> &str {
    let bare = content.trim();
    let bare = bare
        .strip_prefix("```json")
        .or_else(|| bare.strip_prefix("```"))
        .unwrap_or(bare);
    bare.strip_suffix("```").unwrap_or(bare)
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
