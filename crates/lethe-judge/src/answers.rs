//! The answers of a run, as judges see them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lethe_corpus::Language;
use lethe_eval::{AnswerId, AnswerRow, read_answers};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a judge is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The language of the question.
    pub language: Language,
    /// The question, as the model was given it.
    pub question: String,
    /// What the real news says.
    pub real_answer: String,
    /// The item's fake detail, as an answer to its own question.
    pub fake_answer: String,
    /// By what the true answer is recognised.
    pub real_aliases: Vec<String>,
    /// By what the fake detail is recognised.
    pub fake_aliases: Vec<String>,
    /// What was said.
    pub answer: String,
}

/// An answer with who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Model, item, language, probe and sample.
    pub id: AnswerId,
    /// What is judged.
    pub answer: Answer,
}

/// All answers in a folder of `<model>.parquet`, the models in the order of their names.
///
/// # Errors
/// [`Error::NoAnswers`] without such a file, [`Error::Results`] for one that cannot be read,
/// [`Error::NoFake`] for an item that has no detail probe in a language.
pub fn answers(folder: &Path) -> Result<Vec<Said>, Error> {
    let none = |reason: String| Error::NoAnswers {
        path: folder.to_path_buf(),
        reason,
    };
    let entries = std::fs::read_dir(folder).map_err(|e| none(e.to_string()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| none(e.to_string()))?.path();
        if path.extension().is_some_and(|e| e == "parquet") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(none("no .parquet file there".to_owned()));
    }
    files.sort();
    let mut out = Vec::new();
    for file in &files {
        let (label, rows) = read_answers(file)?;
        said(file, &label.model, rows, &mut out)?;
    }
    Ok(out)
}

fn said(file: &Path, model: &str, rows: Vec<AnswerRow>, out: &mut Vec<Said>) -> Result<(), Error> {
    let fakes: HashMap<(String, Language), String> = rows
        .iter()
        .filter_map(|row| Some(((row.item.clone(), row.language), row.fake_answer.clone()?)))
        .collect();
    for row in rows {
        let key = (row.item, row.language);
        let Some(fake) = fakes.get(&key) else {
            return Err(Error::NoFake {
                path: PathBuf::from(file),
                item: key.0,
                language: row.language,
            });
        };
        out.push(Said {
            id: AnswerId {
                model: model.to_owned(),
                item: key.0,
                language: row.language,
                probe: row.probe.to_owned(),
                sample: row.sample,
            },
            answer: Answer {
                language: row.language,
                question: row.prompt,
                real_answer: row.real_answer,
                fake_answer: fake.clone(),
                real_aliases: row.real_aliases,
                fake_aliases: row.fake_aliases,
                answer: row.answer,
            },
        });
    }
    Ok(())
}
