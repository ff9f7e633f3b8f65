//! Measures from their files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Known, Measure, Measured, Measures, Read};
use crate::Error;
use crate::columns::Columns;
use crate::results::{Grid, Item, Label, describe, list_some};

/// The measures of one model as its files have them.
pub(crate) struct MeasureFile {
    path: PathBuf,
    name: String,
    label: Label,
    seed: u64,
    /// By language, item and probe.
    answers: HashMap<(String, String, String), Measured>,
    /// By language; none where no articles were read.
    articles: Option<HashMap<String, Vec<Read>>>,
}

/// Reads `measures/*.parquet` and, where they are, `articles/*.parquet` in `folder`; nothing where
/// the evaluation did not measure.
pub(crate) fn of_folder(folder: &Path) -> Result<Vec<MeasureFile>, Error> {
    let measures = folder.join("measures");
    if !measures.exists() {
        return Ok(Vec::new());
    }
    let has_articles = folder.join("articles").exists();
    let mut out = Vec::new();
    for path in list_some(&measures)? {
        let mut file = read_measures(&path)?;
        if has_articles {
            let path = folder
                .join("articles")
                .join(format!("{}.parquet", file.name));
            file.articles = Some(read_articles(&path, &file)?);
        }
        out.push(file);
    }
    Ok(out)
}

/// The measures of the model whose answers are in `answers`; none where nothing was measured.
pub(crate) fn beside(
    all: &[MeasureFile],
    (answers, name): (&Path, &str),
    (label, seed): (&Label, u64),
    (languages, items): (&[String], &[Item]),
) -> Result<Option<Measures>, Error> {
    let Some(first) = all.first() else {
        return Ok(None);
    };
    let Some(file) = all.iter().find(|file| file.name == name) else {
        return Err(Error::Read {
            path: first.path.with_file_name(format!("{name}.parquet")),
            reason: format!("there is none, though {} exists", answers.display()),
        });
    };
    file.is_of(label, seed, answers)?;
    let grid = |probe: &str| -> Result<Grid<Measured>, Error> {
        let cell = |language: &String, item: &Item| {
            let key = (language.clone(), item.id.clone(), probe.to_owned());
            file.answers
                .get(&key)
                .cloned()
                .ok_or_else(|| Error::MissingRow {
                    path: file.path.clone(),
                    key: describe(&item.id, language, &format!("{probe} probe")),
                    other: answers.to_path_buf(),
                })
        };
        let row = |language| items.iter().map(|item| cell(language, item)).collect();
        languages.iter().map(row).collect()
    };
    let mut articles = Vec::new();
    if let (Some(own), Some(expected)) = (&file.articles, &first.articles) {
        for language in languages {
            let keys = |of: &HashMap<String, Vec<Read>>| -> Vec<(String, bool)> {
                let row = of.get(language).into_iter().flatten();
                row.map(|read| (read.item.clone(), read.member)).collect()
            };
            if let Some((item, _)) = keys(expected).into_iter().find(|k| !keys(own).contains(k)) {
                return Err(Error::MissingRow {
                    path: articles_of(&file.path),
                    key: describe(&item, language, "article"),
                    other: articles_of(&first.path),
                });
            }
            if let Some((item, _)) = keys(own).into_iter().find(|k| !keys(expected).contains(k)) {
                return Err(Error::MissingRow {
                    path: articles_of(&first.path),
                    key: describe(&item, language, "article"),
                    other: articles_of(&file.path),
                });
            }
            articles.push(own.get(language).cloned().unwrap_or_default());
        }
    }
    Ok(Some(Measures {
        detail: grid("detail")?,
        fact: grid("fact")?,
        articles,
    }))
}

/// `results/articles/x.parquet` of `results/measures/x.parquet`.
fn articles_of(measures: &Path) -> PathBuf {
    let name = measures.file_name().unwrap_or_default();
    let results = measures.parent().and_then(Path::parent);
    results.unwrap_or(Path::new("")).join("articles").join(name)
}

impl MeasureFile {
    fn is_of(&self, label: &Label, seed: u64, other: &Path) -> Result<(), Error> {
        if (&self.label, self.seed) == (label, seed) {
            return Ok(());
        }
        Err(Error::Value {
            path: self.path.clone(),
            row: 1,
            key: "all rows".to_owned(),
            column: "stage, source, strategy, scope or seed",
            found: format!("{:?}, seed {}", self.label, self.seed),
            expected: format!("{label:?}, seed {seed} as in {}", other.display()),
        })
    }
}

fn read_measures(path: &Path) -> Result<MeasureFile, Error> {
    let columns = Columns::open(path)?;
    let (name, label, seed) = columns.model()?;
    let [item, language] = [columns.text("item")?, columns.text("language")?];
    let probe = columns.text("probe")?;
    let key = |row: usize| describe(&item[row], &language[row], &format!("{} probe", probe[row]));
    let mut values = Vec::new();
    for (column, measure) in Measure::ALL {
        values.push(match measure {
            Measure::InLanguage | Measure::Invalid | Measure::Gibberish => {
                let truth = columns.optional_truth(column)?.into_iter();
                truth.map(|value| value.map(f64::from)).collect()
            }
            _ => columns.optional_number(column, key)?,
        });
    }
    let mut answers = HashMap::new();
    for row in 0..item.len() {
        let mut measured = Measured {
            values: [None; Measure::ALL.len()],
        };
        for ((column, measure), values) in Measure::ALL.into_iter().zip(&values) {
            let value = values[row];
            if value.is_none() && measure.is_required(&probe[row]) {
                return Err(columns.wrong(row, key(row), column, "null", "a value"));
            }
            let is_share = measure != Measure::LogTruthRatio;
            if let Some(value) = value.filter(|v| is_share && !(0.0..=1.0 + 1e-9).contains(v)) {
                let expected = "a number from 0 to 1";
                return Err(columns.wrong(row, key(row), column, &value.to_string(), expected));
            }
            measured.values[measure as usize] = value;
        }
        let cell = (language[row].clone(), item[row].clone(), probe[row].clone());
        if answers.insert(cell, measured).is_some() {
            let expected = "one row per item, language and probe";
            return Err(columns.wrong(row, key(row), "item", "the same row twice", expected));
        }
    }
    Ok(MeasureFile {
        path: path.to_path_buf(),
        name,
        label,
        seed,
        answers,
        articles: None,
    })
}

fn read_articles(path: &Path, beside: &MeasureFile) -> Result<HashMap<String, Vec<Read>>, Error> {
    let columns = Columns::open(path)?;
    let (_, label, seed) = columns.model()?;
    beside.is_of(&label, seed, path)?;
    let [item, language] = [columns.text("item")?, columns.text("language")?];
    let key = |row: usize| describe(&item[row], &language[row], "article");
    let member = columns.truth("member", key)?;
    columns.u32("tokens", key)?;
    let mut values = Vec::new();
    for (column, _) in Known::ALL {
        values.push(columns.number(column, key)?);
    }
    let mut out: HashMap<String, Vec<Read>> = HashMap::new();
    for row in 0..item.len() {
        let mut read = Read {
            item: item[row].clone(),
            member: member[row],
            values: [0.0; Known::ALL.len()],
        };
        for (to, values) in read.values.iter_mut().zip(&values) {
            *to = values[row];
        }
        let known = out.entry(language[row].clone()).or_default();
        if known.iter().any(|other| other.item == read.item) {
            let expected = "one row per item and language";
            return Err(columns.wrong(row, key(row), "item", "the same row twice", expected));
        }
        known.push(read);
    }
    // In one order for all models, whatever that of the rows.
    for row in out.values_mut() {
        row.sort_by(|a, b| (!a.member, &a.item).cmp(&(!b.member, &b.item)));
    }
    Ok(out)
}
