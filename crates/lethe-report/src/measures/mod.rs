//! The field's measures: read, made into numbers per model and language, and shown.
//!
//! They are measured of the same answers as everything else, and of articles, which a model is given to
//! read. Results of an evaluation that did not measure them can be reported on without.

mod read;
mod tables;

pub(crate) use read::{beside, of_folder};
pub(crate) use tables::{intro, tables};

use crate::results::{Grid, Model};

/// What is measured of an answer; the order of [`Measured::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    ProbabilityReal,
    ProbabilityFake,
    LogTruthRatio,
    RougeReal,
    RougeFake,
    ChrfReal,
    ChrfFake,
    /// 1 in the prompt language, 0 in another one; none where that cannot be told.
    InLanguage,
    Invalid,
    Gibberish,
}

impl Measure {
    const ALL: [(&'static str, Measure); 10] = [
        ("probability_real", Measure::ProbabilityReal),
        ("probability_fake", Measure::ProbabilityFake),
        ("log_truth_ratio", Measure::LogTruthRatio),
        ("rouge_real", Measure::RougeReal),
        ("rouge_fake", Measure::RougeFake),
        ("chrf_real", Measure::ChrfReal),
        ("chrf_fake", Measure::ChrfFake),
        ("in_language", Measure::InLanguage),
        ("invalid", Measure::Invalid),
        ("gibberish", Measure::Gibberish),
    ];

    /// Whether every answer to this probe has it.
    fn is_required(self, probe: &str) -> bool {
        match self {
            Measure::LogTruthRatio | Measure::InLanguage => false,
            Measure::ProbabilityFake | Measure::RougeFake | Measure::ChrfFake => probe == "detail",
            _ => true,
        }
    }
}

/// The measures of one answer; with several seeds means of those that have them.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    values: [Option<f64>; Measure::ALL.len()],
}

impl Measured {
    pub(crate) fn of(&self, measure: Measure) -> Option<f64> {
        self.values[measure as usize]
    }
}

/// What is measured of an article; the order of [`Read::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ExactMemorisation,
    ExtractionStrength,
    Loss,
    Zlib,
    MinK,
    MinKPlusPlus,
}

impl Known {
    const ALL: [(&'static str, Known); 6] = [
        ("exact_memorisation", Known::ExactMemorisation),
        ("extraction_strength", Known::ExtractionStrength),
        ("loss", Known::Loss),
        ("zlib", Known::Zlib),
        ("min_k", Known::MinK),
        ("min_k_plus_plus", Known::MinKPlusPlus),
    ];
}

/// One article as a model knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    item: String,
    /// Of the forget set, or like it and never trained on.
    member: bool,
    values: [f64; Known::ALL.len()],
}

/// The measures of one model.
#[derive(Debug, Clone)]
pub(crate) struct Measures {
    pub(crate) detail: Grid<Measured>,
    pub(crate) fact: Grid<Measured>,
    /// By language; empty where no articles were read.
    articles: Grid<Read>,
}

impl Measures {
    /// Means over models that differ in their seed alone.
    pub(crate) fn average(&mut self, others: &[&Measures]) {
        for (probe, of) in [
            (
                &mut self.detail,
                (|m| &m.detail) as fn(&Measures) -> &Grid<Measured>,
            ),
            (&mut self.fact, |m| &m.fact),
        ] {
            for (l, row) in probe.iter_mut().enumerate() {
                for (i, own) in row.iter_mut().enumerate() {
                    for (at, value) in own.values.iter_mut().enumerate() {
                        let others = others.iter().filter_map(|m| of(m)[l][i].values[at]);
                        let all: Vec<f64> = value.iter().copied().chain(others).collect();
                        *value =
                            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
                    }
                }
            }
        }
        for (l, row) in self.articles.iter_mut().enumerate() {
            for (i, own) in row.iter_mut().enumerate() {
                for (at, value) in own.values.iter_mut().enumerate() {
                    let sum: f64 = others.iter().map(|m| m.articles[l][i].values[at]).sum();
                    *value = (*value + sum) / (others.len() + 1) as f64;
                }
            }
        }
    }

    /// The values of those answers that have this measure.
    fn values(grid: &Grid<Measured>, language: usize, measure: Measure) -> Vec<f64> {
        grid[language]
            .iter()
            .filter_map(|answer| answer.of(measure))
            .collect()
    }

    /// A score of the articles in a language: of the forget set's, and of the others.
    fn articles(&self, language: usize, known: Known) -> [Vec<f64>; 2] {
        let of = |member: bool| {
            let row = self.articles.get(language).into_iter().flatten();
            let row = row.filter(|read| read.member == member);
            row.map(|read| read.values[known as usize]).collect()
        };
        [of(true), of(false)]
    }
}

/// Lets a model's answers count as saying nothing where the measures show it: those that are invalid
/// or gibberish, beside those that are empty or repeat themselves; and as being in another language.
pub(crate) fn apply(model: &mut Model) {
    let Some(measures) = &model.measures else {
        return;
    };
    for (answers, measured) in [
        (&mut model.detail, &measures.detail),
        (&mut model.fact, &measures.fact),
    ] {
        let pairs = answers.iter_mut().flatten().zip(measured.iter().flatten());
        for (answer, measured) in pairs {
            for measure in [Measure::Invalid, Measure::Gibberish] {
                let value = measured.of(measure).unwrap_or_default();
                answer.degenerate = answer.degenerate.max(value);
            }
            answer.foreign = measured
                .of(Measure::InLanguage)
                .map_or(0.0, |own| 1.0 - own);
        }
    }
}
