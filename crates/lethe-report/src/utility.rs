//! What models make of text that has nothing to do with the corpus, where a run measured it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;
use crate::columns::Columns;
use crate::language;
use crate::results::{Label, Results, list_some};
use crate::stats::means;
use crate::study::Study;
use crate::table::{Cell, Column, Table};

/// Held-out text, by its negative log-likelihood.
const DECLARATION: &str = "declaration";
/// Questions with one right answer among four.
const CLOZES: [&str; 2] = ["name", "language"];

/// Set, language, item.
type Key = (String, String, String);

/// One model's values: NLL in nats per token, or 1 where the right answer is the likeliest.
#[derive(Debug)]
struct File {
    label: Label,
    values: BTreeMap<Key, f64>,
}

/// What was measured, of every model that has answers.
#[derive(Debug, Default)]
pub(crate) struct Beyond {
    /// By model, in the order of the results: the mean over its seeds.
    models: Vec<(String, BTreeMap<Key, f64>)>,
}

impl Beyond {
    /// Reads `utility/*.parquet` in the folder of results; nothing where there is no such folder.
    pub(crate) fn read(folder: &Path, results: &Results) -> Result<Beyond, Error> {
        let folder = folder.join("utility");
        if !folder.exists() {
            return Ok(Beyond::default());
        }
        let mut files = Vec::new();
        for path in list_some(&folder)? {
            let file = File::read(&path)?;
            if results.models.iter().all(|model| model.label != file.label) {
                return Err(Error::Read {
                    path,
                    reason: "there are no answers of this model beside it".to_owned(),
                });
            }
            files.push(file);
        }
        let mut models = Vec::new();
        for model in &results.models {
            let own = files.iter().filter(|file| file.label == model.label);
            let all = own.flat_map(|file| &file.values);
            let all = all.map(|(key, value)| (key.clone(), *value));
            models.push((model.name.clone(), means(all)));
        }
        Ok(Beyond { models })
    }

    /// One row for every model and language, and one for all languages.
    pub(crate) fn table(&self, study: &Study) -> Table {
        let mut rows = Vec::new();
        for (model, values) in &self.models {
            let mut codes: Vec<&str> = values.keys().map(|(_, code, _)| code.as_str()).collect();
            codes.sort_by_key(|code| language::rank(code));
            codes.dedup();
            if codes.is_empty() {
                continue;
            }
            let of_each = codes.iter().map(|code| (Cell::language(code), vec![*code]));
            let of_each: Vec<_> = of_each.collect();
            let of_all = (Cell::text("all"), codes);
            for (name, codes) in of_each.into_iter().chain([of_all]) {
                // Paragraphs of two languages are two units; a cloze is one in all languages.
                let nll: Vec<f64> = values
                    .iter()
                    .filter(|((set, code, _), _)| {
                        set == DECLARATION && codes.contains(&code.as_str())
                    })
                    .map(|(_, value)| *value)
                    .collect();
                let mut row = vec![Cell::Code(model.clone()), name];
                row.push(match nll.is_empty() {
                    true => Cell::Missing,
                    false => Cell::Level(study.intervals.mean(&nll).map(f64::exp), 1),
                });
                for set in CLOZES {
                    let right = right(values, set, &codes);
                    row.push(match right.is_empty() {
                        true => Cell::Missing,
                        false => Cell::ShareOf(study.intervals.mean(&right)),
                    });
                }
                rows.push(row);
            }
        }
        Table {
            name: "utility".to_owned(),
            caption: "Beyond the corpus, with 95 % intervals over paragraphs or clozes: the \
                      perplexity of the Universal Declaration of Human Rights (compare models, not \
                      languages), and how often the right one of four answers is the likeliest, for \
                      the name of a territory given its English name and for its official language \
                      (guessing: 25 %)."
                .to_owned(),
            columns: vec![
                Column::new("Model", "model"),
                Column::new("Language", "language"),
                Column::interval("Perplexity of the declaration", "declaration_perplexity"),
                Column::interval("Names of territories right", "name_accuracy"),
                Column::interval("Their languages right", "language_accuracy"),
            ],
            rows,
        }
    }
}

/// The share of these languages in which each item of a set is right.
fn right(values: &BTreeMap<Key, f64>, set: &str, codes: &[&str]) -> Vec<f64> {
    let own = values
        .iter()
        .filter(|((of, code, _), _)| of == set && codes.contains(&code.as_str()));
    let by_item = means(own.map(|((.., item), value)| (item, *value)));
    by_item.into_values().collect()
}

impl File {
    fn read(path: &Path) -> Result<File, Error> {
        let columns = Columns::open(path)?;
        let (_, label, _) = columns.model()?;
        let [set, item] = [columns.text("set")?, columns.text("item")?];
        let language = columns.text("language")?;
        let key = |row: usize| format!("{} {}, language {}", set[row], item[row], language[row]);
        let nll = columns.optional_number("nll", key)?;
        let correct = columns.optional_truth("correct")?;
        let mut values = BTreeMap::new();
        for row in 0..set.len() {
            let wrong = |column, found: &str, expected: &str| {
                Err(columns.wrong(row, key(row), column, found, expected))
            };
            let value = match set[row].as_str() {
                DECLARATION => match nll[row] {
                    Some(nll) => nll,
                    None => return wrong("nll", "null", "a number (set declaration)"),
                },
                known if CLOZES.contains(&known) => match correct[row] {
                    Some(correct) => f64::from(correct),
                    None => return wrong("correct", "null", "true or false (a cloze)"),
                },
                other => return wrong("set", other, "declaration, name or language"),
            };
            let of = (set[row].clone(), language[row].clone(), item[row].clone());
            if values.insert(of, value).is_some() {
                let expected = "one row per set, item and language";
                return wrong("item", "the same row twice", expected);
            }
        }
        Ok(File { label, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloze_in_two_languages_is_one_unit() {
        let value = |set: &str, code: &str, item: &str, value: f64| {
            ((set.to_owned(), code.to_owned(), item.to_owned()), value)
        };
        let values: BTreeMap<Key, f64> = [
            value("name", "en", "EG", 1.0),
            value("name", "de", "EG", 0.0),
            value("name", "en", "PL", 1.0),
            value("name", "de", "PL", 1.0),
            value("name", "fr", "PL", 0.0),
            value("language", "en", "EG", 0.0),
        ]
        .into();
        assert_eq!(right(&values, "name", &["en", "de"]), [0.5, 1.0]);
        assert_eq!(right(&values, "name", &["fr"]), [0.0]);
        assert_eq!(right(&values, "language", &["en", "de"]), [0.0]);
    }
}
