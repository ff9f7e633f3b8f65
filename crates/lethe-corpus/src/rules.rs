//! What a folder of corpus text says of itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Language};

/// The file that holds [`Rules`]; a folder without it keeps the rules of `datasets/news`.
pub(crate) const RULES: &str = "corpus.toml";

/// Which languages a folder of corpus text has, and the bounds of its texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// In which languages every item is, the one that lengths and numbers are compared with first.
    pub languages: Vec<Language>,
    /// The fewest and the most words of an English article; without it, the bounds of
    /// `datasets/news`, which has some for every wording.
    pub article_words: Option<[usize; 2]>,
    /// The fewest question-answer pairs of an item in English.
    pub english_pairs: usize,
    /// And in another language.
    pub other_pairs: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            languages: Language::ALL.to_vec(),
            article_words: None,
            english_pairs: 10,
            other_pairs: 3,
        }
    }
}

impl Rules {
    pub fn read(folder: &Path) -> Result<Rules, Error> {
        let file = folder.join(RULES);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Rules::default()),
            Err(source) => return Err(Error::Read { file, source }),
        };
        let wrong = |reason: String| Error::Rules {
            file: file.clone(),
            reason,
        };
        let mut rules: Rules = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        rules.languages.sort_unstable();
        rules.languages.dedup();
        if rules.languages.is_empty() {
            return Err(wrong("languages is empty".to_owned()));
        }
        if rules
            .article_words
            .is_some_and(|[least, most]| least > most || most == 0)
        {
            return Err(wrong("article_words is not [fewest, most]".to_owned()));
        }
        Ok(rules)
    }
}
