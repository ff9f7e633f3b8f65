//! What is said of a corpus' text beyond the rules: figures beside those of text that nobody here
//! wrote, and what second readings found.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::fold::fold;
use crate::{Error, Language};

/// The file, beside the corpus' text, that [`Quality`] is kept in.
pub const QUALITY: &str = "quality.json";
/// The file, beside the corpus' text, that lists its second readings.
pub const READINGS: &str = "readings.json";

/// Figures of every language's text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Of which text: [`Corpus::text_sha256`](crate::Corpus::text_sha256).
    pub text_sha256: String,
    /// The model whose perplexity is meant.
    pub model: String,
    /// One row per language.
    pub languages: BTreeMap<Language, Figures>,
}

/// The figures of one language: the real articles', and those of the Universal Declaration of
/// Human Rights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// [`diversity`] of the real articles.
    pub diversity: f64,
    /// The same of the declaration.
    pub declaration_diversity: f64,
    /// `exp` of the mean negative log-likelihood per token.
    pub perplexity: f64,
    /// The same of the declaration's paragraphs.
    pub declaration_perplexity: f64,
    /// Articles whose mean negative log-likelihood lies more than [`FAR`] robust standard
    /// deviations above their language's median.
    pub outliers: usize,
}

/// How many tokens are a window of [`diversity`].
pub const WINDOW: usize = 500;

/// From how many robust standard deviations (1.4826 × the median absolute deviation) above the
/// median an article is an outlier.
pub const FAR: f64 = 4.0;

/// A careful second reading of a language's articles: each translated back into English without
/// sight of the original, and compared with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The language.
    pub language: Language,
    /// When, as `2026-11-24`.
    pub date: String,
    /// Articles read.
    pub read: usize,
    /// Of those, how many were mended.
    pub mended: usize,
}

/// The moving-average type-token ratio (Covington & McFall, "Cutting the Gordian Knot", 2010): the
/// mean share of distinct tokens in every window of `window` tokens. Tokens are words without the
/// punctuation around them, folded; in Chinese characters. A text shorter than the window is one.
#[must_use]
pub fn diversity(language: Language, text: &str, window: usize) -> f64 {
    let folded = fold(text);
    let tokens: Vec<String> = match language {
        Language::Zh => folded
            .chars()
            .filter(|c| c.is_alphanumeric())
            .map(String::from)
            .collect(),
        _ => folded
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
            .filter(|word| !word.is_empty())
            .collect(),
    };
    let window = window.min(tokens.len());
    if window == 0 {
        return 0.0;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let (mut sum, mut windows) = (0.0, 0usize);
    for (end, token) in tokens.iter().enumerate() {
        *counts.entry(token).or_default() += 1;
        if end + 1 < window {
            continue;
        }
        sum += counts.len() as f64 / window as f64;
        windows += 1;
        let first = tokens[end + 1 - window].as_str();
        if let Some(count) = counts.get_mut(first) {
            *count -= 1;
            if *count == 0 {
                counts.remove(first);
            }
        }
    }
    sum / windows as f64
}

/// The places of those values that lie more than [`FAR`] robust standard deviations above the
/// median.
#[must_use]
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        (sorted.get(low).copied().unwrap_or_default()
            + sorted.get(high).copied().unwrap_or_default())
            / 2.0
    };
    let middle = median(values);
    let spread = values
        .iter()
        .map(|v| (v - middle).abs())
        .collect::<Vec<_>>();
    let limit = middle + FAR * 1.4826 * median(&spread);
    (0..values.len()).filter(|&i| values[i] > limit).collect()
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Option<T>, Error> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::Read {
                file: file.to_path_buf(),
                source,
            });
        }
    };
    let parsed = serde_json::from_slice(&bytes).map_err(|e| Error::NotFigures {
        file: file.to_path_buf(),
        reason: e.to_string(),
    })?;
    Ok(Some(parsed))
}

/// What a dataset card says beyond what the corpus itself shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct About {
    /// The figures, where there are some of this very text.
    pub quality: Option<Quality>,
    /// The second readings.
    pub readings: Vec<Reading>,
}

impl About {
    /// What a folder of corpus text says: `quality.json`, where its figures are of the text with
    /// this sha256, and `readings.json`. Neither has to be there.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotFigures`].
    pub(crate) fn read(folder: &Path, text_sha256: &str) -> Result<About, Error> {
        let quality: Option<Quality> = read(&folder.join(QUALITY))?;
        Ok(About {
            quality: quality.filter(|q| q.text_sha256 == text_sha256),
            readings: read(&folder.join(READINGS))?.unwrap_or_default(),
        })
    }

    /// The dataset card's sections.
    pub(crate) fn sections(&self) -> String {
        let mut out = String::new();
        if let Some(quality) = &self.quality {
            out += &format!(
                "\n## Text quality\n\nDiversity: moving-average type-token ratio (windows of {WINDOW} \
                 words; Chinese: characters) of the real articles. Perplexity: per token, under \
                 {}. In brackets the same of the Universal Declaration of Human Rights. Outliers: \
                 articles whose mean log-likelihood is more than {FAR} robust standard deviations \
                 below the language's median.\n\n| code | diversity | perplexity | outliers |\n\
                 |---|--:|--:|--:|\n",
                quality.model
            );
            for (language, f) in &quality.languages {
                out += &format!(
                    "| {language} | {:.3} ({:.3}) | {:.1} ({:.1}) | {} |\n",
                    f.diversity,
                    f.declaration_diversity,
                    f.perplexity,
                    f.declaration_perplexity,
                    f.outliers
                );
            }
        }
        if !self.readings.is_empty() {
            out += "\n## Second readings\n\nBy language models, not by native speakers: every article \
                    translated back into English without sight of the original, and compared with \
                    it. Articles whose text was mended, spelling included.\n\n\
                    | code | date | read | mended |\n|---|---|--:|--:|\n";
            for r in &self.readings {
                out += &format!(
                    "| {} | {} | {} | {} |\n",
                    r.language, r.date, r.read, r.mended
                );
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diversity_is_the_mean_over_windows() {
        // Windows of three: aab 2/3, aba 2/3, bac 1.
        let ratio = diversity(Language::En, "A a, b. «A» c!", 3);
        assert!(
            (ratio - (2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12,
            "{ratio}"
        );
        assert!((diversity(Language::Zh, "天地天，人", 2) - 1.0).abs() < 1e-12);
        assert!((diversity(Language::De, "eins eins", 500) - 0.5).abs() < 1e-12);
        assert!(diversity(Language::De, " … ", 500).abs() < 1e-12);
    }

    #[test]
    fn an_outlier_is_far_above_the_median() {
        let mut values: Vec<f64> = (0..21).map(|i| f64::from(i) / 10.0).collect();
        assert!(outliers(&values).is_empty());
        // The median is then 1.2, the median deviation 0.5: the limit lies at 1.2 + 4 × 0.7413.
        values[3] = 4.1;
        values[4] = 4.2;
        assert_eq!(outliers(&values), [4]);
        assert!(outliers(&[]).is_empty());
    }

    #[test]
    fn figures_of_another_text_are_not_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = "the text's";
        let about = || About::read(dir.path(), text);
        assert_eq!(about().expect("neither"), About::default());
        let mut quality = Quality {
            text_sha256: text.to_owned(),
            model: "m".to_owned(),
            languages: BTreeMap::new(),
        };
        let file = dir.path().join(QUALITY);
        let write = |q: &Quality| {
            std::fs::write(&file, serde_json::to_vec(q).expect("json")).expect("written");
        };
        write(&quality);
        assert_eq!(about().expect("read").quality, Some(quality.clone()));
        quality.text_sha256 = "other".to_owned();
        write(&quality);
        assert_eq!(about().expect("read").quality, None);
        std::fs::write(&file, "{").expect("written");
        let error = about().expect_err("damaged").to_string();
        assert!(
            error.contains("quality.json") && error.contains("corpus quality"),
            "{error}"
        );
    }
}
