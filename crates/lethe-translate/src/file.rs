//! Translations that somebody made.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use lethe_corpus::Language;
use lethe_service::Failure;
use serde::Deserialize;

use crate::{Error, Provider, Request};

/// Ready translations in a JSON Lines file: `{"item": "sport-01", "language": "de", "texts":
/// {"/article": "…", "/detail/real": "…", …}}`, one line per row, the keys being places in the
/// row. Names and `{detail}` stand in the texts.
#[derive(Debug, Clone)]
pub struct File {
    rows: HashMap<(String, Language), BTreeMap<String, String>>,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    item: String,
    language: Language,
    texts: BTreeMap<String, String>,
}

impl File {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotTranslations`] with the line.
    pub fn open(path: &Path) -> Result<File, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let mut rows = HashMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |reason: String| Error::NotTranslations {
                path: path.to_path_buf(),
                line,
                reason,
            };
            let row: Line = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
            let key = (row.item, row.language);
            if rows.contains_key(&key) {
                return Err(wrong(format!("{} in {} is there twice", key.0, key.1)));
            }
            rows.insert(key, row.texts);
        }
        Ok(File {
            rows,
            name: path.display().to_string(),
        })
    }
}

impl Provider for File {
    fn identity(&self) -> String {
        "file".to_owned()
    }

    fn translate(&self, request: &Request) -> Result<BTreeMap<String, String>, Failure> {
        let found = self.rows.get(&(request.item.to_owned(), request.to));
        found.cloned().ok_or_else(|| {
            Failure::Unanswered(format!(
                "{} has no line for it in {}",
                self.name,
                request.to.name()
            ))
        })
    }

    fn places_names(&self) -> bool {
        true
    }

    fn is_remote(&self) -> bool {
        false
    }
}
