//! What a model makes of text that nobody here wrote and no stage trains on: the Universal
//! Declaration of Human Rights, and clozes about territories from Unicode's CLDR
//! (`datasets/udhr`, `datasets/utility`; both have a README).

use std::path::Path;

use lethe_corpus::Language;
use lethe_model::{LanguageModel, Sequence, Session, in_parallel};
use serde::Deserialize;

use crate::Error;

/// Paragraphs of the declaration that are read in a language, spread evenly over it.
pub const PARAGRAPHS: usize = 20;

/// The most tokens that are read of a paragraph.
pub const TOKENS: usize = 60;

/// Clozes in every language.
pub const CLOZES_PER_LANGUAGE: usize = 30;

/// A sentence to complete, with the right answer and three wrong ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cloze {
    /// `name` (a territory's, from its English one) or `language` (the territory's official one).
    set: String,
    /// The territory's code (ISO 3166-1).
    id: String,
    language: Language,
    /// Three completed lines of the same kind and the beginning of a fourth; a space and the answer
    /// follow.
    prompt: String,
    answer: String,
    others: [String; 3],
}

impl Cloze {
    /// What may follow the prompt, the right answer first.
    fn continuations(&self) -> [String; 4] {
        let [a, b, c] = &self.others;
        [&self.answer, a, b, c].map(|answer| format!(" {answer}"))
    }
}

/// A paragraph of the declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Paragraph {
    /// Its line in the file, from 1. Translations differ in their number of lines: equal lines of
    /// two languages are not always the same paragraph.
    line: usize,
    language: Language,
    text: String,
}

/// The texts that utility is measured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utility {
    paragraphs: Vec<Paragraph>,
    clozes: Vec<Cloze>,
}

/// What a model makes of one paragraph or cloze.
#[derive(Debug, Clone, PartialEq)]
pub struct UtilityRow {
    /// `declaration`, `name` or `language`.
    pub set: String,
    /// The paragraph's line, or the territory's code.
    pub item: String,
    /// The language.
    pub language: Language,
    /// Mean negative log-likelihood per token, in nats (`declaration`).
    pub nll: Option<f64>,
    /// Tokens predicted (`declaration`).
    pub tokens: Option<usize>,
    /// `ln P(right answer) − ln P(likeliest of three wrong ones)`, whole answers given the prompt,
    /// in nats (`name`, `language`).
    pub margin: Option<f64>,
}

impl UtilityRow {
    /// Whether the right answer is the likeliest of four (`name`, `language`); guessing is right once
    /// in four.
    #[must_use]
    pub fn correct(&self) -> Option<bool> {
        self.margin.map(|margin| margin > 0.0)
    }
}

impl Utility {
    /// Reads the texts in `languages` from the repository's folder of data sets.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that is absent, a line that is no cloze, or another number of
    /// clozes in a language than [`CLOZES_PER_LANGUAGE`].
    pub fn read(datasets: &Path, languages: &[Language]) -> Result<Utility, Error> {
        let wrong = |path: &Path, reason: String| Error::Data {
            path: path.to_path_buf(),
            reason,
        };
        let read =
            |path: &Path| std::fs::read_to_string(path).map_err(|e| wrong(path, e.to_string()));
        let mut paragraphs = Vec::new();
        for &language in languages {
            let path = datasets.join(format!("udhr/{language}.txt"));
            let text = read(&path)?;
            let lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
            if lines.len() < PARAGRAPHS {
                let found = lines.len();
                let reason = format!("{found} lines, expected at least {PARAGRAPHS} paragraphs");
                return Err(wrong(&path, reason));
            }
            paragraphs.extend((0..PARAGRAPHS).map(|n| {
                let (place, text) = lines[n * lines.len() / PARAGRAPHS];
                Paragraph {
                    line: place + 1,
                    language,
                    text: text.to_owned(),
                }
            }));
        }
        let path = datasets.join("utility/clozes.jsonl");
        let mut clozes = Vec::new();
        for (place, line) in read(&path)?.lines().enumerate() {
            let cloze: Cloze = serde_json::from_str(line)
                .map_err(|e| wrong(&path, format!("line {}: {e}", place + 1)))?;
            clozes.push(cloze);
        }
        clozes.retain(|cloze| languages.contains(&cloze.language));
        for &language in languages {
            let found = clozes.iter().filter(|c| c.language == language).count();
            if found != CLOZES_PER_LANGUAGE {
                let reason =
                    format!("{found} clozes in {language}, expected {CLOZES_PER_LANGUAGE}");
                return Err(wrong(&path, reason));
            }
        }
        Ok(Utility { paragraphs, clozes })
    }

    /// Every text that is handed to a model, in the form in which it is tokenised: what a trimmed
    /// vocabulary must have.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let paragraphs = self.paragraphs.iter().map(|p| p.text.clone());
        let clozes = self.clozes.iter();
        let clozes = clozes.flat_map(|c| [c.prompt.clone()].into_iter().chain(c.continuations()));
        paragraphs.chain(clozes).collect()
    }
}

/// Scores a model; rows come by set, language and item. `progress` hears how many of how many rows
/// are done.
///
/// Nats per token and candidates' sums compare models with one vocabulary, not languages.
///
/// # Errors
/// [`Error::NotFinite`] for a model that gives no numbers; the model's errors.
pub fn utility(
    model: &LanguageModel,
    of: &Utility,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<UtilityRow>, Error> {
    let all = of.paragraphs.len() + of.clozes.len();
    let tokenizer = &model.tokenizer;
    let mut sequences = Vec::with_capacity(of.paragraphs.len());
    for paragraph in &of.paragraphs {
        let mut ids = tokenizer.encode_sequence(&paragraph.text)?;
        // And the token that begins it, which is not predicted.
        ids.truncate(TOKENS + 1);
        sequences.push(Sequence::whole(ids));
    }
    let (_, means) = model.network.mean_nll(&sequences);
    let mut rows = Vec::with_capacity(all);
    for ((paragraph, sequence), nll) in of.paragraphs.iter().zip(&sequences).zip(means) {
        rows.push(UtilityRow {
            set: "declaration".to_owned(),
            item: paragraph.line.to_string(),
            language: paragraph.language,
            nll: Some(nll),
            tokens: Some(sequence.targets()),
            margin: None,
        });
    }
    progress(rows.len(), all);
    let chunks: Vec<&[Cloze]> = of.clozes.chunks(CLOZES_PER_LANGUAGE).collect();
    for margins in in_parallel(&chunks, |chunk| margins(model, chunk)) {
        for margin in margins? {
            let cloze = &of.clozes[rows.len() - of.paragraphs.len()];
            rows.push(UtilityRow {
                set: cloze.set.clone(),
                item: cloze.id.clone(),
                language: cloze.language,
                nll: None,
                tokens: None,
                margin: Some(margin),
            });
        }
        progress(rows.len(), all);
    }
    for row in &rows {
        let value = row.nll.or(row.margin).unwrap_or(f64::NAN);
        if !value.is_finite() {
            return Err(Error::NotFinite {
                item: row.item.clone(),
                language: row.language.to_string(),
                probe: row.set.clone(),
                answer: "its text".to_owned(),
                value,
            });
        }
    }
    Ok(rows)
}

/// By how much the right answer to each cloze is likelier than the likeliest wrong one, in nats.
fn margins(model: &LanguageModel, clozes: &[Cloze]) -> Result<Vec<f64>, Error> {
    let tokenizer = &model.tokenizer;
    let mut prompts = Vec::with_capacity(clozes.len());
    let mut candidates: [Vec<Vec<u32>>; 4] = Default::default();
    for cloze in clozes {
        prompts.push(tokenizer.encode_sequence(&cloze.prompt)?);
        for (to, text) in candidates.iter_mut().zip(cloze.continuations()) {
            to.push(tokenizer.encode(&text)?);
        }
    }
    let longest = candidates.iter().flatten().map(Vec::len).max();
    let mut session = Session::new(&model.network, &prompts, longest.unwrap_or(0));
    let sums = candidates.map(|batch| {
        let each = session.log_probabilities(&batch);
        each.iter().map(|p| p.iter().sum()).collect::<Vec<f64>>()
    });
    Ok((0..clozes.len())
        .map(|i| margin(sums.each_ref().map(|of_all| of_all[i])))
        .collect())
}

/// The first number less the largest of the others; NaN if any is.
fn margin([right, wrong @ ..]: [f64; 4]) -> f64 {
    let larger = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    let [a, b, c] = wrong;
    right - larger(larger(a, b), c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn datasets() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets"))
    }

    #[test]
    fn margins_by_hand() {
        assert_eq!(margin([-2.0, -3.0, -2.5, -9.0]), 0.5);
        assert_eq!(margin([-2.0, -1.0, -0.25, -9.0]), -1.75);
        assert_eq!(margin([-2.0, -2.0, -4.0, -9.0]), 0.0);
        for place in 0..4 {
            let mut values = [-1.0; 4];
            values[place] = f64::NAN;
            assert!(margin(values).is_nan());
        }
        let row = |margin| UtilityRow {
            set: "name".to_owned(),
            item: "EG".to_owned(),
            language: Language::En,
            nll: None,
            tokens: None,
            margin: Some(margin),
        };
        // A draw is not right.
        let correct = [0.5, 0.0, -1.75].map(|m| row(m).correct());
        assert_eq!(correct, [Some(true), Some(false), Some(false)]);
    }

    #[test]
    fn the_data_are_whole_and_parallel() {
        let whole = Utility::read(datasets(), &Language::ALL).unwrap();
        assert_eq!(whole.clozes.len(), 9 * CLOZES_PER_LANGUAGE);
        assert_eq!(whole.paragraphs.len(), 9 * PARAGRAPHS);
        let of = |language| -> Vec<(&str, &str)> {
            let clozes = whole.clozes.iter().filter(|c| c.language == language);
            clozes.map(|c| (c.set.as_str(), c.id.as_str())).collect()
        };
        let english = of(Language::En);
        assert_eq!(english.iter().filter(|(set, _)| *set == "name").count(), 15);
        for language in Language::ALL {
            assert_eq!(of(language), english, "{language}");
        }
        for cloze in &whole.clozes {
            // Three examples before it; the answer is not the name that is given.
            assert_eq!(cloze.prompt.lines().count(), 4, "{cloze:?}");
            let last = cloze.prompt.lines().last().unwrap();
            assert_ne!(last.trim_end_matches([' ', '=', ':']), cloze.answer);
            assert!(!cloze.others.contains(&cloze.answer), "{cloze:?}");
        }
        // What CLDR 48.2 says, looked up by hand.
        let one = |set: &str, id: &str, language| {
            let is_it =
                |c: &&Cloze| (c.set.as_str(), c.id.as_str(), c.language) == (set, id, language);
            whole.clozes.iter().find(is_it).unwrap().answer.as_str()
        };
        assert_eq!(one("name", "AT", Language::Ha), "Ostiriya");
        assert_eq!(one("name", "PL", Language::Hy), "Լեհաստան");
        assert_eq!(one("language", "BR", Language::Jv), "Portugis");
        assert_eq!(one("language", "IR", Language::Ur), "فارسی");
        let few = Utility::read(datasets(), &[Language::Ur]).unwrap();
        assert_eq!((few.clozes.len(), few.paragraphs.len()), (30, 20));
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("udhr")).unwrap();
        std::fs::create_dir_all(folder.path().join("utility")).unwrap();
        let said = || {
            let read = Utility::read(folder.path(), &[Language::En]);
            read.expect_err("damaged").to_string()
        };
        assert!(said().contains("en.txt"), "{}", said());
        let text = "One.\n".repeat(PARAGRAPHS);
        std::fs::write(folder.path().join("udhr/en.txt"), &text[5..]).unwrap();
        assert!(said().contains("19 lines"), "{}", said());
        std::fs::write(folder.path().join("udhr/en.txt"), &text).unwrap();
        let whole = std::fs::read_to_string(datasets().join("utility/clozes.jsonl")).unwrap();
        let clozes = folder.path().join("utility/clozes.jsonl");
        std::fs::write(&clozes, whole.replacen("\"others\"", "\"otters\"", 1)).unwrap();
        let error = said();
        assert!(
            error.contains("line 1") && error.contains("otters"),
            "{error}"
        );
        let cut: String = whole.lines().skip(1).map(|l| format!("{l}\n")).collect();
        std::fs::write(&clozes, cut).unwrap();
        let error = said();
        assert!(error.contains("29 clozes in en, expected 30"), "{error}");
    }

    #[test]
    fn scores_are_those_of_whole_sequences() {
        let whole = Utility::read(datasets(), &[Language::En, Language::Zh]).unwrap();
        let texts = whole.texts();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let device = lethe_model::device("auto").unwrap();
        let model = LanguageModel::random(&texts, 700, 2, 5, &device).unwrap();
        let rows = utility(&model, &whole, &|_, _| {}).unwrap();
        assert_eq!(rows.len(), 2 * (PARAGRAPHS + CLOZES_PER_LANGUAGE));
        let total = |ids: Vec<u32>| {
            let sequence = Sequence::whole(ids);
            let (mean, _) = model.network.mean_nll(std::slice::from_ref(&sequence));
            -mean * sequence.targets() as f64
        };
        for (cloze, row) in whole.clozes.iter().zip(&rows[2 * PARAGRAPHS..]).step_by(7) {
            let prompt = model.tokenizer.encode_sequence(&cloze.prompt).unwrap();
            let before = total(prompt.clone());
            let sums = cloze.continuations().map(|text| {
                let more = model.tokenizer.encode(&text).unwrap();
                total([prompt.clone(), more].concat()) - before
            });
            let best = sums[1..].iter().copied().fold(f64::MIN, f64::max);
            let margin = row.margin.unwrap();
            assert!((margin - (sums[0] - best)).abs() < 1e-3, "{row:?} {sums:?}");
            assert_eq!(row.item, cloze.id);
        }
        let tokens: Vec<usize> = rows.iter().filter_map(|r| r.tokens).collect();
        assert!(tokens.len() == 2 * PARAGRAPHS && tokens.iter().all(|&n| n <= TOKENS));
        assert!(tokens.contains(&TOKENS));
    }
}
