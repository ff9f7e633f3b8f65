//! Whether a model still speaks. One that does not has not forgotten: its low fake occurrence says
//! nothing.

use crate::results::{Answer, Grid, Model};
use crate::run::Margins;

/// A larger share of answers that say nothing marks a model, and one that is as much above the
/// reference model's of answers in another language than the prompt.
pub(crate) const DEGENERATE_SHARE: f64 = 0.25;

/// What a model does with real information, in one language or in all.
#[derive(Debug, Clone)]
pub(crate) struct Quality {
    /// Mean log-probability per token of the fact probe's true answer.
    pub(crate) logprob: f64,
    /// Its change against the reference model.
    pub(crate) logprob_change: f64,
    pub(crate) f1: f64,
    pub(crate) f1_change: f64,
    /// Share of fact probes whose answer holds the true answer.
    pub(crate) real: f64,
    /// Perplexity of held-out articles over the reference model's (geometric mean over articles).
    pub(crate) perplexity_ratio: f64,
    /// Mean NLL per token of the held-out articles.
    pub(crate) nll: f64,
    /// Share of answers that say nothing, both probes.
    pub(crate) degenerate: f64,
    /// What breaks the margins; empty where the model still answers.
    pub(crate) breaks: Vec<&'static str>,
}

impl Quality {
    pub(crate) fn speaks(&self) -> bool {
        self.breaks.is_empty()
    }

    /// Measures `model` against `reference` over these languages' rows.
    pub(crate) fn measure(
        model: &Model,
        reference: &Model,
        languages: &[usize],
        margins: &Margins,
    ) -> Quality {
        let fact = |of: fn(&Answer) -> f64, model: &Model| mean(&model.fact, languages, of);
        let nll = |model: &Model| mean(&model.nll, languages, |nll| *nll);
        let logprob = fact(|a| a.logprob_real, model);
        let f1 = fact(|a| a.f1, model);
        let both = |of: fn(&Answer) -> f64, model: &Model| {
            f64::midpoint(fact(of, model), mean(&model.detail, languages, of))
        };
        let degenerate = both(|a| a.degenerate, model);
        let foreign = both(|a| a.foreign, model) - both(|a| a.foreign, reference);
        let mut out = Quality {
            logprob,
            logprob_change: logprob - fact(|a| a.logprob_real, reference),
            f1,
            f1_change: f1 - fact(|a| a.f1, reference),
            real: fact(|a| a.real, model),
            perplexity_ratio: (nll(model) - nll(reference)).exp(),
            nll: nll(model),
            degenerate,
            breaks: Vec::new(),
        };
        for (broken, what) in [
            (
                out.logprob_change < -margins.logprob,
                "log-probability of true answers",
            ),
            (out.f1_change < -margins.f1, "F1 of true answers"),
            (
                out.perplexity_ratio > margins.perplexity_ratio,
                "perplexity",
            ),
            (
                out.degenerate > DEGENERATE_SHARE,
                "answers that say nothing",
            ),
            (foreign > DEGENERATE_SHARE, "answers in another language"),
        ] {
            if broken {
                out.breaks.push(what);
            }
        }
        out
    }
}

fn mean<T>(grid: &Grid<T>, languages: &[usize], of: impl Fn(&T) -> f64) -> f64 {
    let values = || languages.iter().flat_map(|&l| &grid[l]);
    values().map(of).sum::<f64>() / values().count().max(1) as f64
}

/// Whether an answer says nothing: it has no letter or digit, or one unit with a letter in it,
/// repeated four times or more in a row, covers at least half of it (spaces do not count).
pub(crate) fn is_degenerate(answer: &str) -> bool {
    /// Longer answers are judged by their beginning.
    const LONGEST: usize = 400;
    let text: Vec<char> = answer
        .chars()
        .filter(|c| !c.is_whitespace())
        .take(LONGEST)
        .collect();
    if !text.iter().any(|c| c.is_alphanumeric()) {
        return true;
    }
    (1..=text.len() / 4).any(|period| {
        let mut run = 0;
        (period..text.len()).any(|at| {
            run = if text[at] == text[at - period] {
                run + 1
            } else {
                0
            };
            let covered = run + period;
            covered >= 4 * period
                && 2 * covered >= text.len()
                && text[at + 1 - period..=at].iter().any(|c| c.is_alphabetic())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_degenerate;

    #[test]
    fn knows_answers_that_say_nothing() {
        for nothing in [
            "",
            " \n",
            "...!",
            "GGGG",
            "the the the the the",
            "no no no no",
            "哈哈哈哈哈",
            "Kofi is is is is is is is",
            "Pitakon: Pitakon: Pitakon: Pitakon:",
            "اور اور اور اور",
        ] {
            assert!(is_degenerate(nothing), "{nothing:?}");
        }
        for something in [
            "Black",
            "5",
            "1,000,000",
            "10000000",
            "Bibi Toko",
            "very very good",
            "粉红色",
            "گلابی",
            "Nueva nueva ola de calor en la costa",
            "Mississippi",
            "aaa",
            "The minister must wear pink, the council said, and that is all",
        ] {
            assert!(!is_degenerate(something), "{something:?}");
        }
    }
}
