//! The headline numbers, as data and as text for a terminal.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use serde::Serialize;

use crate::claims::{ClaimOutcome, TestOutcome};
use crate::findings::{Finding, Theme, Verdict};
use crate::results::Scope;
use crate::study::{Study, occurrence, preference, prefers};
use crate::text::{compact, number, percent, signed};

/// What a report comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Every claim with its verdict, in the order of `claims.toml`.
    pub claims: Vec<ClaimOutcome>,
    /// One row per model: base, instruct, tuned, unlearned.
    pub headline: Vec<HeadlineRow>,
    /// All findings, by theme.
    pub findings: Vec<Finding>,
    /// The report's page.
    pub index: PathBuf,
}

/// A model in one line. Means over items; log-probabilities in nats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadlineRow {
    /// The model's name in the results.
    pub model: String,
    /// `base`, `instruct`, `tuned` or `unlearned`.
    pub stage: String,
    /// The code of the language in which it learned the fakes.
    pub source: Option<String>,
    /// Its unlearning scope.
    pub scope: Option<String>,
    /// The detail probe in each prompt language, in the report's order.
    pub languages: Vec<LanguageCell>,
    /// Mean token F1 of answers to the fact probe, all languages.
    pub fact_f1: f64,
    /// Share of fact probes whose answer holds the right answer.
    pub real_occurrence: f64,
    /// Mean log-probability per token of the fact probe's true answer.
    pub logprob_real: f64,
    /// Perplexity of held-out real articles over the instruct model's (the base model's without an
    /// instruct stage).
    pub perplexity_ratio: f64,
    /// Which margins for real information it breaks: if any, a low fake occurrence is no sign of
    /// forgetting.
    pub breaks: Vec<String>,
}

/// The detail probe in one prompt language.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LanguageCell {
    /// The code.
    pub language: String,
    /// Share of answers in which the fake detail occurs.
    pub fake_occurrence: f64,
    /// Share of items whose preference is above 0.
    pub share_preferred: f64,
    /// Mean preference for the fake.
    pub preference: f64,
    /// Whether the model still answers in this language.
    pub speaks: bool,
}

impl HeadlineRow {
    /// A value in the language of teaching.
    pub(crate) fn in_source(&self, of: impl Fn(&LanguageCell) -> f64) -> Option<f64> {
        let source = self.source.as_deref()?;
        self.languages
            .iter()
            .find(|cell| cell.language == source)
            .map(of)
    }

    /// Its mean over the other languages; over all for a model that was taught no fakes.
    pub(crate) fn elsewhere(&self, of: impl Fn(&LanguageCell) -> f64) -> Option<f64> {
        let source = self.source.as_deref();
        let others = self
            .languages
            .iter()
            .filter(|cell| Some(cell.language.as_str()) != source);
        let values: Vec<f64> = others.map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

pub(crate) fn headline(study: &Study) -> Vec<HeadlineRow> {
    let row = |(place, model): (usize, &crate::results::Model)| {
        let cell = |(l, code): (usize, &String)| LanguageCell {
            language: code.clone(),
            fake_occurrence: study.level(place, &[l], occurrence).mean,
            share_preferred: study.level(place, &[l], prefers).mean,
            preference: study.level(place, &[l], preference).mean,
            speaks: study.speaks(place, l),
        };
        let quality = &study.overall[place];
        HeadlineRow {
            model: model.name.clone(),
            stage: model.label.stage.name().to_owned(),
            source: model.label.source.clone(),
            scope: model.label.scope.map(Scope::name),
            languages: study
                .results
                .languages
                .iter()
                .enumerate()
                .map(cell)
                .collect(),
            fact_f1: quality.f1,
            real_occurrence: quality.real,
            logprob_real: quality.logprob,
            perplexity_ratio: quality.perplexity_ratio,
            breaks: quality
                .breaks
                .iter()
                .map(|what| (*what).to_owned())
                .collect(),
        }
    };
    study.results.models.iter().enumerate().map(row).collect()
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = self
            .headline
            .iter()
            .map(|row| row.model.chars().count())
            .max()
            .unwrap_or(0);
        let width = width.max(8);
        type Show = fn(&LanguageCell) -> String;
        let blocks: [(&str, Show); 3] = [
            ("answers with the fake detail", |c| {
                percent(c.fake_occurrence)
            }),
            ("items on which the fake is preferred", |c| {
                percent(c.share_preferred)
            }),
            ("mean preference for the fake, nats", |c| {
                signed(c.preference, 2)
            }),
        ];
        let mark = |speaks: bool| if speaks { " " } else { "†" };
        for (title, show) in blocks {
            writeln!(f, "{title}, by prompt language")?;
            if let Some(first) = self.headline.first() {
                write!(f, "  {:width$}", "")?;
                for cell in &first.languages {
                    write!(f, " {:>7} ", cell.language)?;
                }
                writeln!(f)?;
            }
            for row in &self.headline {
                write!(f, "  {:width$}", row.model)?;
                for cell in &row.languages {
                    write!(f, " {:>7}{}", show(cell), mark(cell.speaks))?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        writeln!(f, "real information, all languages")?;
        writeln!(
            f,
            "  {:width$} {:>8} {:>8} {:>10} {:>10}",
            "", "fact F1", "right", "ln P(true)", "ppl ratio"
        )?;
        for row in &self.headline {
            writeln!(
                f,
                "  {:width$} {:>8} {:>8} {:>10} {:>10} {}",
                row.model,
                number(row.fact_f1, 2),
                percent(row.real_occurrence),
                number(row.logprob_real, 2),
                compact(row.perplexity_ratio, 2),
                if row.breaks.is_empty() {
                    String::new()
                } else {
                    format!("† {}", row.breaks.join(", "))
                }
            )?;
        }
        writeln!(
            f,
            "  † breaks the margins: low fake occurrence is then no sign of forgetting\n"
        )?;
        writeln!(f, "findings (effect [95 % interval], n)")?;
        for theme in Theme::ALL {
            for finding in self.findings.iter().filter(|x| x.main && x.theme == theme) {
                let (low, high) = finding.interval;
                writeln!(
                    f,
                    "  {:13}{} {} [{}, {}] {}, n = {}",
                    format!(
                        "{}{}",
                        finding.verdict.word(),
                        if finding.marked { "†" } else { "" }
                    ),
                    finding.question,
                    compact(finding.effect, 2),
                    compact(low, 2),
                    compact(high, 2),
                    finding.unit,
                    finding.n
                )?;
            }
        }
        let others = self.findings.iter().filter(|x| !x.main).count();
        write!(
            f,
            "  and {others} more, language by language, in the report"
        )?;
        if self.claims.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\n\nclaims (effect [95 % interval]; what this run could see with 80 % power)"
        )?;
        for claim in &self.claims {
            let verdict = claim.verdict.map_or("not tested", Verdict::word);
            let verdict = format!("{verdict}{}", mark(!claim.is_marked()));
            let tests: Vec<String> = claim.tests.iter().map(in_short).collect();
            write!(f, "\n  {verdict:13}{} {}", claim.title, tests.join("; "))?;
        }
        Ok(())
    }
}

/// A test of a claim in a few words.
fn in_short(test: &TestOutcome) -> String {
    let (Some(effect), None) = (test.effect, &test.needs) else {
        return format!("needs {}", test.needs.as_deref().unwrap_or_default());
    };
    let mut out = format!(
        "{} [{}, {}] {}",
        signed(effect.mean, 2),
        signed(effect.low, 2),
        signed(effect.high, 2),
        test.unit
    );
    if let [_, _, ..] = test.comparisons[..] {
        out += &format!(
            " over {}: {} for, {} against, {} open",
            test.comparisons.len(),
            test.supported,
            test.contradicted,
            test.undecided
        );
    }
    if let Some(distance) = test.could_see {
        out += &format!(" (could see {})", compact(distance, 2));
    }
    out
}
