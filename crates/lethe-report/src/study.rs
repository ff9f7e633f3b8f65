//! The results of a run with the comparisons that findings, tables and figures are made of.

use std::path::Path;

use crate::Error;
use crate::language;
use crate::quality::Quality;
use crate::results::{Answer, Model, Results, Scope, Stage};
use crate::run::RunInfo;
use crate::stats::{Estimate, Intervals};

/// What is compared of an answer to the detail probe.
pub(crate) type Metric = fn(&Answer) -> f64;

/// `ln P(fake) − ln P(true)`, in nats.
pub(crate) fn preference(answer: &Answer) -> f64 {
    answer.preference
}

/// 1 where the fake is preferred.
pub(crate) fn prefers(answer: &Answer) -> f64 {
    f64::from(answer.preference > 0.0)
}

/// 1 where the fake occurs in the answer.
pub(crate) fn occurrence(answer: &Answer) -> f64 {
    answer.fake
}

pub(crate) struct Study<'a> {
    pub(crate) results: &'a Results,
    pub(crate) run: &'a RunInfo,
    pub(crate) intervals: Intervals,
    /// Place of the base model.
    pub(crate) base: usize,
    /// Place of the instruct model, or of the base model in a run without an instruct stage.
    pub(crate) reference: usize,
    /// Codes of the languages in which fakes were taught.
    pub(crate) sources: Vec<String>,
    /// By model, over all languages.
    pub(crate) overall: Vec<Quality>,
    /// By model, then by language.
    pub(crate) by_language: Vec<Vec<Quality>>,
}

impl<'a> Study<'a> {
    /// `folder` is where the results came from, for errors.
    pub(crate) fn new(
        results: &'a Results,
        run: &'a RunInfo,
        folder: &Path,
    ) -> Result<Study<'a>, Error> {
        let models = &results.models;
        let missing = |what: String, reason: &str| Error::MissingModel {
            path: folder.join("answers"),
            what,
            reason: reason.to_owned(),
        };
        let place = |stage| models.iter().position(|m| m.label.stage == stage);
        let base = place(Stage::Base)
            .ok_or_else(|| missing("base model".to_owned(), "every finding compares with it"))?;
        let mut sources: Vec<String> = Vec::new();
        for model in models {
            let label = &model.label;
            if let (Stage::Tuned, Some(source)) = (label.stage, &label.source) {
                sources.push(source.clone());
            }
        }
        if sources.is_empty() {
            return Err(missing(
                "tuned model".to_owned(),
                "there is nothing to report on",
            ));
        }
        let reason = "the run's record lists it: results and run.json are of different runs, or \
                      the evaluation is not complete";
        for source in &run.sources {
            if !sources.contains(source) {
                return Err(missing(format!("model tuned with source {source}"), reason));
            }
        }
        for code in run.languages.iter().chain(&sources) {
            if results.language(code).is_none() {
                return Err(missing(format!("answer in the language {code}"), reason));
            }
        }
        for model in models.iter().filter(|m| m.label.stage == Stage::Unlearned) {
            let source = model.label.source.clone().unwrap_or_default();
            if !sources.contains(&source) {
                let what = format!("model tuned with source {source}");
                return Err(missing(what, &format!("{} unlearned from it", model.name)));
            }
        }
        for name in run.oracles.values() {
            if !models.iter().any(|m| m.is_named(name)) {
                return Err(missing(format!("model {name}, an oracle"), reason));
            }
        }
        let reference = place(Stage::Instruct).unwrap_or(base);
        let all: Vec<usize> = (0..results.languages.len()).collect();
        let measure = |model: &Model, languages: &[usize]| {
            Quality::measure(model, &models[reference], languages, &run.margins)
        };
        Ok(Study {
            results,
            run,
            intervals: Intervals::default(),
            base,
            reference,
            sources,
            overall: models.iter().map(|m| measure(m, &all)).collect(),
            by_language: models
                .iter()
                .map(|m| all.iter().map(|&l| measure(m, &[l])).collect())
                .collect(),
        })
    }

    pub(crate) fn model(&self, place: usize) -> &'a Model {
        &self.results.models[place]
    }

    pub(crate) fn has_instruct(&self) -> bool {
        self.reference != self.base
    }

    /// The reference model in words.
    pub(crate) fn reference_name(&self) -> &'static str {
        self.model(self.reference).label.stage.name()
    }

    /// Places of the languages that `chosen` picks by code.
    pub(crate) fn languages(&self, chosen: impl Fn(&str) -> bool) -> Vec<usize> {
        let codes = self.results.languages.iter().enumerate();
        codes
            .filter(|(_, code)| chosen(code))
            .map(|(place, _)| place)
            .collect()
    }

    pub(crate) fn tuned(&self, source: &str) -> Option<usize> {
        self.results.models.iter().position(|model| {
            model.label.stage == Stage::Tuned && model.label.source.as_deref() == Some(source)
        })
    }

    /// The place of a source's oracle, if the run has one.
    pub(crate) fn oracle(&self, source: &str) -> Option<usize> {
        let name = self.run.oracles.get(source)?;
        self.results.models.iter().position(|m| m.is_named(name))
    }

    /// Places of the models that unlearned fakes learned in `source`, with their scopes.
    pub(crate) fn unlearned(&self, source: &str) -> Vec<(usize, Scope)> {
        let models = self.results.models.iter().enumerate();
        models
            .filter(|(_, m)| m.label.stage == Stage::Unlearned)
            .filter(|(_, m)| m.label.source.as_deref() == Some(source))
            .filter_map(|(place, m)| m.label.scope.map(|scope| (place, scope)))
            .collect()
    }

    /// The model that unlearned in `scope`, or in a scope that has the same languages: for fakes
    /// learned in English, `english`, `source` and `english+source` are one.
    pub(crate) fn unlearned_in(&self, source: &str, scope: Scope) -> Option<(usize, Scope)> {
        let known = self.unlearned(source);
        let exact = known.iter().find(|(_, other)| *other == scope);
        let same = |other: Scope| {
            self.results
                .languages
                .iter()
                .all(|l| scope.covers(source, l) == other.covers(source, l))
        };
        exact
            .or_else(|| known.iter().find(|(_, other)| same(*other)))
            .copied()
    }

    /// A model's short name in tables about one source: its scope, and its strategy where the
    /// results have several.
    pub(crate) fn scope_name(&self, place: usize) -> String {
        let label = &self.model(place).label;
        let scope = label.scope.map_or("–".to_owned(), Scope::name);
        let strategy = label.strategy.as_deref().unwrap_or_default();
        let several = self.results.models.iter().any(|other| {
            other
                .label
                .strategy
                .as_deref()
                .is_some_and(|known| known != strategy)
        });
        match several {
            true => format!("{scope}, {strategy}"),
            false => scope.to_owned(),
        }
    }

    /// One value per item: the mean over these languages.
    pub(crate) fn per_item(&self, place: usize, languages: &[usize], of: Metric) -> Vec<f64> {
        let grid = &self.model(place).detail;
        let mean = |item: usize| {
            let sum: f64 = languages.iter().map(|&l| of(&grid[l][item])).sum();
            sum / languages.len().max(1) as f64
        };
        (0..self.results.items.len()).map(mean).collect()
    }

    /// The mean over items.
    pub(crate) fn level(&self, place: usize, languages: &[usize], of: Metric) -> Estimate {
        self.intervals.mean(&self.per_item(place, languages, of))
    }

    /// The mean of `place` minus `from`, paired by item.
    pub(crate) fn change(
        &self,
        place: usize,
        from: usize,
        languages: &[usize],
        of: Metric,
    ) -> Estimate {
        let (a, b) = (
            self.per_item(place, languages, of),
            self.per_item(from, languages, of),
        );
        self.intervals.paired(&a, &b)
    }

    /// Whether a low fake occurrence of this model in this language is to be trusted.
    pub(crate) fn speaks(&self, place: usize, language: usize) -> bool {
        self.overall[place].speaks() && self.by_language[place][language].speaks()
    }

    /// Names of these languages, in words.
    pub(crate) fn names(&self, languages: &[usize]) -> String {
        let names: Vec<&str> = languages
            .iter()
            .map(|&l| language::name(&self.results.languages[l]))
            .collect();
        crate::text::enumerate(&names)
    }
}
