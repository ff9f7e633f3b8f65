//! What a run could see, before it runs: the minimum detectable effect of every measure and of every
//! test in a file of claims.
//!
//! **In:** a [`Plan`] (items, languages, models), the [`Claims`], and how much differences scatter
//! between items: [`Assumed`], or what an earlier run shows. **Out:** a [`Row`] for each test.
//!
//! The claims are expanded over the planned models as [`build`](crate::build) expands them over
//! real ones, so that the number of comparisons, the family of Holm's correction and the units are
//! those that the run will have. Two numbers answer each question:
//! * the closed form ([`minimum_detectable`]), and
//! * a simulation: made-up items, whose differences scatter as stated around a true effect, go through
//!   the same resamples as a report's, and the effect is sought that comes out as decided four times
//!   in five.
//!
//! Both are at 5 %, as if the comparison were the only one, and at 5 % over the size of its family: what
//! the first step of Holm's correction asks of the clearest comparison, and all that one effect alone
//! can count on. A simulated effect is good to about 3 %.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::claims::{Basis, Test};
use crate::findings::FEWEST;
use crate::language;
use crate::results::{Answer, Item, Label, Model, Results, Scope, Stage};
use crate::stats::{
    LEVEL, POWER, RESAMPLES, SEED, achieved_power, deviation, draw, least_p, minimum_detectable,
    p_beyond, resampled,
};
use crate::study::Study;
use crate::{Claims, CorpusInfo, Error, Margins, ModelInfo, RunInfo};

/// Made-up runs per simulated number.
pub const SIMULATED: usize = 400;

/// A model that a run will have, in the words of its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedModel {
    /// `base`, `instruct`, `oracle`, `tuned` or `unlearned`.
    pub stage: String,
    /// The language in which it learns the fakes.
    pub source: Option<String>,
    /// The unlearning strategy.
    pub strategy: Option<String>,
    /// The unlearning language scope.
    pub scope: Option<String>,
}

/// A run before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Items that are probed.
    pub items: usize,
    /// Items whose articles perplexity is measured on.
    pub held_out: usize,
    /// Codes of the prompt languages.
    pub languages: Vec<String>,
    /// The models.
    pub models: Vec<PlannedModel>,
}

/// How differences are assumed to scatter between items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assumed {
    /// By measure, the standard deviation of a paired difference in one language.
    pub sd: BTreeMap<String, f64>,
    /// The correlation of an item's differences in two languages: what a mean over k languages
    /// scatters is √(ρ + (1 − ρ)/k) of it.
    pub correlation: f64,
}

impl Default for Assumed {
    /// What 16 items in nine languages scattered in a race of Gemma 3 270M (`docs/race.md`), tuned
    /// against untuned: 2.2 to 4.6 nats of preference, correlated by −0.04 to 0.23; 0.0 to 0.45 of
    /// preferring the fake at all; 0.2 to 1.7 nats per token of true answers. The others are as
    /// wide as numbers of their kind can be thought to be.
    fn default() -> Self {
        let sd = [
            ("preference", 3.2),
            ("prefers", 0.4),
            ("fake-occurrence", 0.4),
            ("fact-logprob", 1.0),
            ("fact-f1", 0.3),
            ("fact-occurrence", 0.4),
            ("degenerate", 0.4),
            ("foreign", 0.4),
            ("held-out-nll", 0.3),
        ];
        Assumed {
            sd: sd.map(|(name, sd)| (name.to_owned(), sd)).into(),
            correlation: 0.2,
        }
    }
}

impl Assumed {
    fn check(&self, effects: &BTreeMap<String, f64>) -> Result<(), Error> {
        let known = Assumed::default().sd;
        for (what, given) in [("sd", &self.sd), ("effect", effects)] {
            for (measure, value) in given {
                if !known.contains_key(measure) {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    return Err(Error::Plan {
                        what: what.to_owned(),
                        found: format!("{measure:?}"),
                        expected: format!("one of {}", names.join(", ")),
                    });
                }
                if !(*value > 0.0 && value.is_finite()) {
                    return Err(Error::Plan {
                        what: format!("{what} {measure}"),
                        found: value.to_string(),
                        expected: "a number above 0".to_owned(),
                    });
                }
            }
        }
        match (0.0..=1.0).contains(&self.correlation) {
            true => Ok(()),
            false => Err(Error::Plan {
                what: "correlation".to_owned(),
                found: self.correlation.to_string(),
                expected: "a number from 0 to 1".to_owned(),
            }),
        }
    }
}

/// The least effect that is seen with 80 % power at a level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Detectable {
    /// The level.
    pub alpha: f64,
    /// By [`minimum_detectable`].
    pub closed: f64,
    /// By simulation; none where no effect is enough: too few units, a family too large for
    /// 10,000 resamples, or a share that cannot differ by so much.
    pub simulated: Option<f64>,
}

/// The probability with which a stated effect is seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Seen {
    /// The effect.
    pub effect: f64,
    /// The probability at 5 %, by [`achieved_power`] and by simulation.
    pub alone: [f64; 2],
    /// The same at 5 % over the family's size.
    pub in_family: [f64; 2],
}

/// What a test could see.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The claim; none for the comparison of taught models with the untuned one that stands for its
    /// measure in general.
    pub claim: Option<String>,
    /// The test, in the words of `claims.toml`.
    pub test: String,
    /// What is measured.
    pub measure: &'static str,
    /// In which unit.
    pub unit: &'static str,
    /// Items, or held-out articles in a language, behind a comparison.
    pub units: usize,
    /// The fewest and the most languages that a comparison averages over.
    pub languages: [usize; 2],
    /// Comparisons of this test.
    pub comparisons: usize,
    /// Comparisons of its claim, which are one family (of the largest one, where it is of none).
    pub family: usize,
    /// The standard deviation of a difference over units, with the fewest languages.
    pub sd: f64,
    /// Whether that is what an earlier run shows rather than an assumption.
    pub observed: bool,
    /// At 5 %.
    pub alone: Detectable,
    /// At 5 % over the family's size.
    pub in_family: Detectable,
    /// With which probability the stated effect is seen.
    pub seen: Option<Seen>,
}

/// What a run could see, and what it could not test at all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Foreseen {
    /// The measures in general first, then the claims' tests.
    pub rows: Vec<Row>,
    /// Claim, test, and what the run lacks for it.
    pub untested: Vec<[String; 3]>,
}

/// A test with what it comes to.
struct Planned<'a> {
    claim: Option<&'a str>,
    test: &'a Test,
    bases: Vec<Basis>,
    family: usize,
}

/// Foresees what a run could see. `from` is the folder of an earlier run, whose differences are then
/// taken where it has them; `effects` are by measure.
///
/// # Errors
/// [`Error::Plan`] for a plan or assumptions that cannot be; those of [`build`](crate::build) for
/// the earlier run.
pub fn foresee(
    plan: &Plan,
    claims: &Claims,
    assumed: &Assumed,
    from: Option<&Path>,
    effects: &BTreeMap<String, f64>,
) -> Result<Foreseen, Error> {
    assumed.check(effects)?;
    let (results, run) = (plan.results()?, plan.run());
    let study = Study::new(&results, &run, Path::new("the plan"))?;
    let earlier = from.map(earlier).transpose()?;
    let earlier = match (&earlier, from) {
        (Some((results, run)), Some(from)) => Some(Study::new(results, run, from)?),
        _ => None,
    };
    let in_general = Test::of_every_measure();
    let mut untested = Vec::new();
    let mut planned: Vec<Planned> = Vec::new();
    let mut largest = 1;
    for (claim, tests) in claims.tests() {
        let first = planned.len();
        for test in tests {
            match test.bases(&study) {
                Ok(bases) => planned.push(Planned {
                    claim: Some(claim),
                    test,
                    bases,
                    family: 0,
                }),
                Err(lack) => untested.push([claim.to_owned(), test.says(), lack]),
            }
        }
        let of_claim = planned.iter().skip(first);
        let family = of_claim.map(|one| one.bases.len()).sum::<usize>();
        for one in planned.iter_mut().skip(first) {
            one.family = family;
        }
        largest = largest.max(family);
    }
    let mut all = Vec::new();
    for test in &in_general {
        match test.bases(&study) {
            Ok(bases) => all.push(Planned {
                claim: None,
                test,
                bases,
                family: largest,
            }),
            Err(lack) => untested.push([String::new(), test.says(), lack]),
        }
    }
    all.extend(planned);
    // Not what a study holds can cross threads, but what a simulation needs of it.
    let jobs: Vec<(Row, Noise)> = all
        .iter()
        .map(|one| one.sized(assumed, earlier.as_ref()))
        .collect();
    // Many rows ask for the same number.
    let mut asked: Vec<(&Noise, usize, f64)> = Vec::new();
    for (row, noise) in &jobs {
        for alpha in [row.alone.alpha, row.in_family.alpha] {
            let one = (noise, row.units, alpha);
            if !asked.contains(&one) {
                asked.push(one);
            }
        }
    }
    let answers = asked.par_iter().map(|&(noise, units, alpha)| {
        let closed = minimum_detectable(noise.sd(), units, alpha, POWER);
        Simulation::new(noise, units).detectable(alpha, closed)
    });
    let answers: Vec<Option<f64>> = answers.collect();
    let simulated = |noise: &Noise, units: usize, alpha: f64| {
        let place = asked.iter().position(|one| *one == (noise, units, alpha));
        place.and_then(|place| answers.get(place).copied().flatten())
    };
    let rows = jobs.par_iter().map(|(row, noise)| {
        let mut row = row.clone();
        for to in [&mut row.alone, &mut row.in_family] {
            to.closed = minimum_detectable(row.sd, row.units, to.alpha, POWER);
            to.simulated = simulated(noise, row.units, to.alpha);
        }
        row.seen = effects
            .get(row.measure)
            .map(|&effect| row.seen(noise, effect));
        row
    });
    Ok(Foreseen {
        rows: rows.collect(),
        untested,
    })
}

/// The results and the record of a run.
fn earlier(folder: &Path) -> Result<(Results, RunInfo), Error> {
    let record = folder.join("run.json");
    let failed = |reason: String| Error::Read {
        path: record.clone(),
        reason: format!("{reason}; expected the folder of a run that has its report"),
    };
    let text = std::fs::read_to_string(&record).map_err(|e| failed(e.to_string()))?;
    let run = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
    Ok((Results::read(&folder.join("results"))?, run))
}

impl Planned<'_> {
    /// The row but for what is simulated, and what to simulate.
    fn sized(&self, assumed: &Assumed, earlier: Option<&Study>) -> (Row, Noise) {
        let counts = self.bases.iter().map(|basis| basis.languages);
        let languages = [counts.clone().min().unwrap_or(1), counts.max().unwrap_or(1)];
        let units = self.bases.iter().map(|basis| basis.values.len()).min();
        let (measure, unit, is_share) = self.test.measures();
        let observed = earlier.and_then(|study| residuals(&self.test.bases(study).ok()?));
        let is_observed = observed.is_some();
        let noise = observed.unwrap_or_else(|| {
            let sd = assumed.sd.get(measure).copied().unwrap_or(1.0);
            // Held-out articles in two languages are two units.
            let over = if measure == "held-out-nll" {
                1
            } else {
                languages[0]
            };
            Noise::assumed(sd, assumed.correlation, over, is_share)
        });
        let nothing = Detectable {
            alpha: LEVEL,
            closed: 0.0,
            simulated: None,
        };
        let row = Row {
            claim: self.claim.map(str::to_owned),
            test: self.test.says(),
            measure,
            unit,
            units: units.unwrap_or(0),
            languages,
            comparisons: self.bases.len(),
            family: self.family,
            sd: noise.sd(),
            observed: is_observed,
            alone: nothing,
            in_family: Detectable {
                alpha: LEVEL / self.family as f64,
                ..nothing
            },
            seen: None,
        };
        (row, noise)
    }
}

impl Row {
    /// With which probability an effect is seen.
    fn seen(&self, noise: &Noise, effect: f64) -> Seen {
        let simulation = Simulation::new(noise, self.units);
        let power = |alpha: f64| {
            let closed = achieved_power(self.sd, self.units, alpha, effect);
            [closed, simulation.power(effect, alpha)]
        };
        Seen {
            effect,
            alone: power(self.alone.alpha),
            in_family: power(self.in_family.alpha),
        }
    }
}

/// How the differences of units scatter around the true effect.
#[derive(Debug, Clone, PartialEq)]
enum Noise {
    /// Normally, with this standard deviation.
    Normal(f64),
    /// As an earlier run's differences around their means: drawn from these with replacement.
    Observed(Vec<f64>),
    /// A mean over languages of a difference of two answers that are right or not: −1, 0 or 1. With
    /// probability √`together` a language has what the item has in common, else its own, so that
    /// `together` is the correlation of two languages.
    Shares {
        /// In one language.
        sd: f64,
        together: f64,
        languages: usize,
    },
}

impl Noise {
    fn assumed(sd: f64, correlation: f64, languages: usize, is_share: bool) -> Noise {
        match is_share {
            true => Noise::Shares {
                sd,
                together: correlation,
                languages,
            },
            false => Noise::Normal(sd * averaged(correlation, languages)),
        }
    }

    /// The standard deviation of a unit's difference.
    fn sd(&self) -> f64 {
        match self {
            Noise::Normal(sd) => *sd,
            Noise::Observed(values) => {
                let squares = values.iter().map(|x| x * x).sum::<f64>();
                (squares / values.len() as f64).sqrt()
            }
            Noise::Shares {
                sd,
                together,
                languages,
            } => sd * averaged(*together, *languages),
        }
    }

    /// One unit's difference, if the true one is `effect`; none where a share cannot differ so much.
    fn draw(&self, effect: f64, rng: &mut impl Rng) -> Option<f64> {
        match self {
            Noise::Normal(sd) => {
                // Neither 0 nor 1.
                let share = (f64::from(rng.random::<u32>()) + 0.5) / (f64::from(u32::MAX) + 1.0);
                Some(effect + sd * Normal::standard().inverse_cdf(share))
            }
            Noise::Observed(values) => {
                let place = rng.random_range(0..values.len());
                Some(effect + values[place])
            }
            Noise::Shares {
                sd,
                together,
                languages,
            } => {
                if effect > 1.0 {
                    return None;
                }
                // With a mean of x, as many differ as scatter asks for, but no fewer than x of
                // them, all in one direction, and no more than all.
                let differing = (sd.powi(2) + effect.powi(2)).clamp(effect, 1.0);
                let (more, less) = ((differing + effect) / 2.0, (differing - effect) / 2.0);
                let one = |share: f64| match share {
                    share if share < more => 1.0,
                    share if share < more + less => -1.0,
                    _ => 0.0,
                };
                let common = one(rng.random());
                let each = (0..*languages).map(|_| {
                    let own = one(rng.random());
                    let is_common = rng.random::<f64>() < together.sqrt();
                    if is_common { common } else { own }
                });
                let sum: f64 = each.sum();
                Some(sum / *languages as f64)
            }
        }
    }
}

/// How much less a mean over languages scatters than one of them.
fn averaged(correlation: f64, languages: usize) -> f64 {
    (correlation + (1.0 - correlation) / languages.max(1) as f64).sqrt()
}

/// The differences of all comparisons around their own means, widened to the standard deviation that
/// n − 1 gives; none where there is no scatter to see.
fn residuals(bases: &[Basis]) -> Option<Noise> {
    let mut out = Vec::new();
    for basis in bases {
        deviation(&basis.values)?;
        let n = basis.values.len() as f64;
        let mean = basis.values.iter().sum::<f64>() / n;
        let wider = (n / (n - 1.0)).sqrt();
        out.extend(basis.values.iter().map(|value| (value - mean) * wider));
    }
    let noise = Noise::Observed(out);
    (noise.sd() > 0.0).then_some(noise)
}

/// Made-up runs of one comparison.
struct Simulation<'a> {
    noise: &'a Noise,
    units: usize,
    drawn: Vec<u32>,
    /// Where an effect only moves what scatters: every run's resampled means without any.
    still: Option<Vec<Vec<f64>>>,
}

impl<'a> Simulation<'a> {
    fn new(noise: &'a Noise, units: usize) -> Simulation<'a> {
        let mut out = Simulation {
            noise,
            units,
            drawn: Vec::new(),
            still: None,
        };
        if units >= FEWEST {
            out.drawn = draw(units, SEED);
        }
        if units >= FEWEST && !matches!(noise, Noise::Shares { .. }) {
            let runs = 0..SIMULATED as u64;
            out.still = runs.map(|run| out.means(0.0, run)).collect();
        }
        out
    }

    /// The resampled means of a made-up run.
    fn means(&self, effect: f64, run: u64) -> Option<Vec<f64>> {
        // Equal runs of different effects draw equal numbers.
        let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ run);
        let values = (0..self.units).map(|_| self.noise.draw(effect, &mut rng));
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        Some(resampled(&values, &self.drawn))
    }

    /// The share of made-up runs in which an effect is decided, as [`build`](crate::build) decides.
    fn power(&self, effect: f64, alpha: f64) -> f64 {
        if self.units < FEWEST || least_p(self.units).max(1.0 / RESAMPLES as f64) > alpha {
            return 0.0;
        }
        let decided = |run: u64| {
            let p = match &self.still {
                Some(still) => still
                    .get(run as usize)
                    .map_or(1.0, |means| p_beyond(means, -effect)),
                None => self
                    .means(effect, run)
                    .map_or(1.0, |means| p_beyond(&means, 0.0)),
            };
            p.max(least_p(self.units)) <= alpha
        };
        let runs = 0..SIMULATED as u64;
        runs.filter(|&run| decided(run)).count() as f64 / SIMULATED as f64
    }

    /// The effect that is seen with 80 % power, sought around the closed form's.
    fn detectable(&self, alpha: f64, closed: f64) -> Option<f64> {
        let (mut low, mut high) = (0.25 * closed, 2.0 * closed);
        if let Noise::Shares { .. } = self.noise {
            high = high.min(1.0);
        }
        if self.power(high, alpha) < POWER {
            return None;
        }
        for _ in 0..8 {
            let middle = f64::midpoint(low, high);
            match self.power(middle, alpha) < POWER {
                true => low = middle,
                false => high = middle,
            }
        }
        Some(high)
    }
}

impl Plan {
    /// Results of the shape that the run's will have, without any effect.
    fn results(&self) -> Result<Results, Error> {
        let wrong = |what: &str, found: String, expected: &str| Error::Plan {
            what: what.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        if self.items == 0 || self.held_out == 0 || self.languages.is_empty() {
            let found = format!(
                "{} items, {} held out, {} languages",
                self.items,
                self.held_out,
                self.languages.len()
            );
            return Err(wrong("plan", found, "at least one of each"));
        }
        let mut languages = self.languages.clone();
        languages.sort_by(|a, b| language::rank(a).cmp(&language::rank(b)));
        let answer = Answer {
            prompt: String::new(),
            answer: String::new(),
            real_answer: String::new(),
            fake_answer: None,
            fake: 0.0,
            real: 0.0,
            f1: 0.0,
            logprob_real: 0.0,
            preference: 0.0,
            degenerate: 0.0,
            foreign: 0.0,
        };
        let mut models = Vec::new();
        for planned in &self.models {
            let stage = Stage::parse(&planned.stage).ok_or_else(|| {
                let expected = "base, instruct, oracle, tuned or unlearned";
                wrong("a model's stage", planned.stage.clone(), expected)
            })?;
            let scope = planned.scope.as_ref().map(|text| {
                let found = || wrong("a model's scope", text.clone(), "the name of a scope");
                Scope::parse(text).ok_or_else(found)
            });
            let parts = [&planned.source, &planned.strategy, &planned.scope];
            let parts = parts.into_iter().flatten().map(String::as_str);
            let name: Vec<&str> = [planned.stage.as_str()].into_iter().chain(parts).collect();
            models.push(Model {
                name: name.join("-"),
                label: Label {
                    stage,
                    source: planned.source.clone(),
                    strategy: planned.strategy.clone(),
                    scope: scope.transpose()?,
                },
                seeds: Vec::new(),
                detail: vec![vec![answer.clone(); self.items]; languages.len()],
                fact: vec![vec![answer.clone(); self.items]; languages.len()],
                nll: vec![vec![0.0; self.held_out]; languages.len()],
                measures: None,
                also: Vec::new(),
            });
        }
        models.sort_by(|a, b| a.label.order().cmp(&b.label.order()));
        let item = |n: usize| Item {
            id: n.to_string(),
            category: String::new(),
        };
        Ok(Results {
            languages,
            items: (0..self.items).map(item).collect(),
            held_out: (0..self.held_out).map(|n| n.to_string()).collect(),
            models,
        })
    }

    /// A record that says no more than the plan.
    fn run(&self) -> RunInfo {
        RunInfo {
            preset: String::new(),
            preset_toml: String::new(),
            model: ModelInfo {
                name: String::new(),
                file: String::new(),
                sha256: String::new(),
                parameters: 0,
                vocabulary: String::new(),
            },
            corpus: CorpusInfo {
                sha256: String::new(),
                probe_items: 0,
                instruct_items: 0,
                held_out_items: 0,
            },
            device: String::new(),
            seeds: Vec::new(),
            languages: self.languages.clone(),
            sources: Vec::new(),
            scopes: Vec::new(),
            versions: BTreeMap::new(),
            stages: Vec::new(),
            training: Vec::new(),
            unlearning: Vec::new(),
            deviations: Vec::new(),
            margins: Margins {
                logprob: f64::MAX,
                f1: f64::MAX,
                perplexity_ratio: f64::MAX,
            },
            oracles: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn near(found: f64, expected: f64, relative: f64) {
        assert!(
            (found / expected - 1.0).abs() < relative,
            "{found}, expected {expected}"
        );
    }

    #[test]
    fn simulation_meets_the_closed_form_on_normal_data() {
        // The percentile interval of n items is the normal one with the biased variance: narrower
        // by √(1 − 1/n), which many items hide.
        for (n, alpha) in [(60, 0.05), (60, 0.005), (200, 0.05)] {
            let noise = Noise::Normal(3.0);
            let closed = minimum_detectable(3.0, n, alpha, POWER);
            let simulation = Simulation::new(&noise, n);
            let found = simulation.detectable(alpha, closed).unwrap();
            near(found, closed, 0.06);
            near(simulation.power(closed, alpha), POWER, 0.08);
            // Without an effect it is seen about as often as the level says.
            assert!(simulation.power(0.0, alpha) < alpha + 0.04);
        }
    }

    #[test]
    fn shares_scatter_and_correlate_as_stated() {
        let noise = Noise::Shares {
            sd: 0.5,
            together: 0.3,
            languages: 4,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f64> = (0..40_000)
            .map(|_| noise.draw(0.2, &mut rng).unwrap())
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - 0.2).abs() < 0.01, "{mean}");
        // 0.5 · √(0.3 + 0.7/4) = 0.344601.
        near(noise.sd(), 0.344_601, 1e-5);
        near(deviation(&values).unwrap(), 0.344_601, 0.02);
        assert_eq!(noise.draw(1.1, &mut rng), None);
        // If half of the items differ on average, they scatter by at least √(0.5 · 0.5).
        let narrow = Noise::Shares {
            sd: 0.1,
            together: 0.0,
            languages: 1,
        };
        let values: Vec<f64> = (0..40_000)
            .map(|_| narrow.draw(0.5, &mut rng).unwrap())
            .collect();
        near(deviation(&values).unwrap(), 0.5, 0.01);
        // One language, 40 items: the normal approximation is nearly right.
        let one = Noise::Shares {
            sd: 0.4,
            together: 0.0,
            languages: 1,
        };
        let closed = minimum_detectable(0.4, 40, 0.05, POWER);
        let found = Simulation::new(&one, 40).detectable(0.05, closed).unwrap();
        near(found, closed, 0.1);
    }

    #[test]
    fn observed_differences_have_their_own_scatter() {
        let basis = |values: &[f64]| Basis {
            languages: 1,
            values: values.to_vec(),
        };
        // Variances (n − 1) 1 and 4: together 2.5.
        let noise = residuals(&[basis(&[1.0, 2.0, 3.0]), basis(&[10.0, 12.0, 14.0])]).unwrap();
        near(noise.sd(), 2.5f64.sqrt(), 1e-9);
        assert_eq!(residuals(&[basis(&[2.0, 2.0])]), None);
        assert_eq!(residuals(&[basis(&[2.0])]), None);
    }

    #[test]
    fn too_few_units_and_too_large_families_see_nothing() {
        let noise = Noise::Normal(1.0);
        for (units, alpha) in [(5, 0.05), (8, 0.005), (50, 0.000_09)] {
            let simulation = Simulation::new(&noise, units);
            assert_eq!(simulation.power(100.0, alpha), 0.0);
            assert_eq!(simulation.detectable(alpha, 1.0), None);
        }
        // 2/2⁹ < 0.005.
        assert!(Simulation::new(&noise, 9).power(100.0, 0.005) == 1.0);
    }
}
