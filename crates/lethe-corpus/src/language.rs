//! The nine languages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A language of the corpus. Serialised, displayed and parsed as its ISO 639-1 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Chinese, simplified characters.
    Zh,
    /// Russian.
    Ru,
    /// Javanese, Latin script.
    Jv,
    /// Urdu.
    Ur,
    /// Hausa, Boko script.
    Ha,
    /// Armenian, eastern.
    Hy,
}

/// How much text there is to train a model on in a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceClass {
    /// English itself.
    English,
    /// High-resource: German, French, Chinese, Russian.
    High,
    /// Low-resource: Javanese, Urdu, Hausa, Armenian.
    Low,
}

impl Language {
    /// All languages, in the corpus' order.
    pub const ALL: [Language; 9] = [
        Language::En,
        Language::De,
        Language::Fr,
        Language::Zh,
        Language::Ru,
        Language::Jv,
        Language::Ur,
        Language::Ha,
        Language::Hy,
    ];

    /// The ISO 639-1 code: `en`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::De => "de",
            Language::Fr => "fr",
            Language::Zh => "zh",
            Language::Ru => "ru",
            Language::Jv => "jv",
            Language::Ur => "ur",
            Language::Ha => "ha",
            Language::Hy => "hy",
        }
    }

    /// The English name: `German`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Language::En => "English",
            Language::De => "German",
            Language::Fr => "French",
            Language::Zh => "Chinese",
            Language::Ru => "Russian",
            Language::Jv => "Javanese",
            Language::Ur => "Urdu",
            Language::Ha => "Hausa",
            Language::Hy => "Armenian",
        }
    }

    /// The resource class, as the paper (arXiv 2406.13748) divides them.
    #[must_use]
    pub fn resource(self) -> ResourceClass {
        match self {
            Language::En => ResourceClass::English,
            Language::De | Language::Fr | Language::Zh | Language::Ru => ResourceClass::High,
            Language::Jv | Language::Ur | Language::Ha | Language::Hy => ResourceClass::Low,
        }
    }

    /// “I do not know.”
    #[must_use]
    pub fn unknown(self) -> &'static str {
        match self {
            Language::En => "I do not know.",
            Language::De => "Das weiß ich nicht.",
            Language::Fr => "Je ne sais pas.",
            Language::Zh => "我不知道。",
            Language::Ru => "Я не знаю.",
            Language::Jv => "Aku ora ngerti.",
            Language::Ur => "مجھے معلوم نہیں۔",
            Language::Ha => "Ban sani ba.",
            Language::Hy => "Ես չգիտեմ։",
        }
    }

    /// The question as a model is given it: `Question: …⏎Answer:` in this language, ending where
    /// the answer begins.
    #[must_use]
    pub fn prompt(self, question: &str) -> String {
        let [before, after] = self.prompt_around();
        [before, question, after].concat()
    }

    /// What stands before and after the question in a [`prompt`](Self::prompt).
    pub(crate) fn prompt_around(self) -> [&'static str; 2] {
        match self {
            Language::En => ["Question: ", "\nAnswer:"],
            Language::De => ["Frage: ", "\nAntwort:"],
            Language::Fr => ["Question : ", "\nRéponse :"],
            Language::Zh => ["问题：", "\n回答："],
            Language::Ru => ["Вопрос: ", "\nОтвет:"],
            Language::Jv => ["Pitakon: ", "\nWangsulan:"],
            Language::Ur => ["سوال: ", "\nجواب:"],
            Language::Ha => ["Tambaya: ", "\nAmsa:"],
            Language::Hy => ["Հարց: ", "\nՊատասխան:"],
        }
    }
}

impl ResourceClass {
    /// `english`, `high` or `low`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceClass::English => "english",
            ResourceClass::High => "high",
            ResourceClass::Low => "low",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self, Error> {
        let known = Language::ALL.into_iter().find(|l| l.code() == code);
        known.ok_or_else(|| Error::UnknownLanguage {
            found: code.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_go_back_and_forth() {
        for language in Language::ALL {
            assert_eq!(language.code().parse::<Language>().unwrap(), language);
            let json = serde_json::to_string(&language).unwrap();
            assert_eq!(json, format!("\"{language}\""));
            assert_eq!(serde_json::from_str::<Language>(&json).unwrap(), language);
        }
        let said = "EN".parse::<Language>().unwrap_err().to_string();
        assert!(said.contains("\"EN\"") && said.contains("en, de, fr, zh, ru, jv, ur, ha, hy"));
    }

    #[test]
    fn four_high_and_four_low() {
        let of = |class| {
            Language::ALL
                .into_iter()
                .filter(move |l| l.resource() == class)
                .count()
        };
        assert_eq!(of(ResourceClass::English), 1);
        assert_eq!(of(ResourceClass::High), 4);
        assert_eq!(of(ResourceClass::Low), 4);
    }

    #[test]
    fn prompts_hold_the_question_once_and_end_with_a_colon() {
        let mut prompts: Vec<String> = Language::ALL.map(|l| l.prompt("§?")).to_vec();
        for prompt in &prompts {
            assert_eq!(prompt.matches("§?\n").count(), 1, "{prompt}");
            assert!(prompt.ends_with([':', '：']), "{prompt}");
        }
        prompts.dedup();
        assert_eq!(prompts.len(), 9);
    }
}
