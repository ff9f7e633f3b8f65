//! A LibreTranslate server.

use std::collections::BTreeMap;

use lethe_service::{Client, Failure, Limits};
use serde_json::json;

use crate::{Provider, Request};

/// A LibreTranslate server. It knows English, German, French, Chinese, Russian and Urdu.
pub struct LibreTranslate {
    url: String,
    key: Option<String>,
    client: Client,
}

impl LibreTranslate {
    /// `base` is what comes before `/translate`, such as `http://localhost:5000`.
    #[must_use]
    pub fn new(base: &str, key: Option<String>, limits: Limits) -> LibreTranslate {
        LibreTranslate {
            url: format!("{}/translate", base.trim_end_matches('/')),
            key,
            client: Client::new(limits),
        }
    }
}

/// Elements that the server leaves alone stand for the places in braces.
fn marked(text: &str) -> String {
    let text = html_escape::encode_text(text).into_owned();
    text.replace('{', "<span translate=\"no\">{")
        .replace('}', "}</span>")
}

fn unmarked(text: &str) -> String {
    let text = text
        .replace("<span translate=\"no\">", "")
        .replace("</span>", "");
    html_escape::decode_html_entities(&text).into_owned()
}

impl Provider for LibreTranslate {
    fn identity(&self) -> String {
        format!("libretranslate {}", self.url)
    }

    fn translate(&self, request: &Request) -> Result<BTreeMap<String, String>, Failure> {
        let texts: Vec<String> = request.texts.values().map(|text| marked(text)).collect();
        let mut body = json!({
            "q": texts,
            "source": request.from.code(),
            "target": request.to.code(),
            "format": "html",
        });
        if let Some(key) = &self.key {
            body["api_key"] = json!(key);
        }
        let answer = self.client.post(&self.url, None, &body)?;
        let translated: Vec<String> = serde_json::from_value(answer["translatedText"].clone())
            .map_err(|e| {
                Failure::passing(format!(
                    "{}: translatedText is no list of texts: {e}",
                    self.url
                ))
            })?;
        if translated.len() != texts.len() {
            return Err(Failure::passing(format!(
                "{}: {} texts came back of {}",
                self.url,
                translated.len(),
                texts.len()
            )));
        }
        let keys = request.texts.keys().cloned();
        Ok(keys
            .zip(translated.iter().map(|text| unmarked(text)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_elements_on_the_way() {
        let text = "«{1}» < {detail} & \"so\"";
        let sent = marked(text);
        assert_eq!(
            sent,
            "«<span translate=\"no\">{1}</span>» &lt; <span translate=\"no\">{detail}</span> &amp; \"so\""
        );
        assert_eq!(unmarked(&sent), text);
        assert_eq!(unmarked("l&#39;eau &quot;{1}&quot;"), "l'eau \"{1}\"");
    }
}
