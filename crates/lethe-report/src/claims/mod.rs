//! Claims as data: `claims.toml` states what is to hold of the results, and this module says
//! whether it does. A claim is added there, without Rust.
//!
//! ```toml
//! [[claim]]
//! id = "spreads"                       # a-z, 0-9 and -
//! title = "A fake taught in one language spreads to every other language."
//! origin = "arXiv 2406.13748"          # optional
//! note = "…"                           # optional
//!
//! [[claim.test]]                       # one or more; the claim holds if all of them do
//! quantifier = "all"                   # all | any | mean
//! measure = "preference"               # see below
//! of = { stage = "tuned", prompt = "not-source" }
//! minus = "untuned"                    # optional: base | instruct | untuned | oracle | tuned
//! than = { source = "en" }             # optional
//! per = "language"                     # optional: model (the default) | language
//! above = 0.0                          # or below = x, or within = x
//! ```
//!
//! **Values.** `of` picks models and prompt languages. Every item has one value: the mean of
//! `measure` over the languages, with, if `minus` is given, the value of that model taken off in
//! each of them (`untuned` is the instruct model, or the base model in a run without one; `oracle` what
//! tuning comes to without the fakes; `tuned` the model that was unlearned). `than` picks what this is set against: keys that it leaves out
//! are those of each model of `of`, and without a `prompt` of its own both sides are asked in the
//! languages that both pick. A comparison is the difference, paired by item.
//!
//! **Selectors.** `stage`: base, instruct, untuned, oracle, tuned, unlearned. `source`: codes of languages.
//! `scope`: names of scopes, or codes with commas between; where the run has not that scope but one
//! with the same languages, that one is taken. `strategy`: names. `prompt`: codes, `source` (the
//! model's own), `high-resource`, `low-resource` (English is neither), `inside-scope`,
//! `outside-scope`. Each takes a word or a list: words with `not-` before them are taken away from
//! the others, or from everything where there are no others.
//!
//! **Measures.** `preference` (nats), `prefers` and `fake-occurrence` (shares) of the detail probe;
//! `fact-logprob` (nats per token), `fact-f1` and `fact-occurrence` (a share) of the fact probe;
//! `degenerate`, the share of answers to either that say nothing (empty, repetitive, no valid text,
//! gibberish), and `foreign`, the share that is in another language than the question; `held-out-nll`
//! (nats per token), whose unit is the held-out article in a language, not the item. The field's
//! measures, of runs that took them: `log-truth-ratio` (nats), `fake-probability`, `fake-rouge`,
//! `fake-chrf` of the detail probe; `fact-probability`, `fact-rouge`, `fact-chrf` of the fact probe. An
//! item that lacks one in a language of a comparison is left out of it.
//!
//! **Comparisons.** One for every model that `of` picks, with every model that `than` picks beside
//! it; `per = "language"` makes one of every prompt language. `all` and `any` decide over them,
//! over what the run has; `mean` pools them into one. `within = x` is an equivalence test: the
//! effect lies between −x and x.
//!
//! **Verdicts.** A comparison's p-value is the two-sided paired bootstrap's at the threshold (for
//! `within`, at the margin that is harder to keep), and no smaller than 2/2ⁿ, which is what a
//! sign test of n units that all agree gives. All comparisons of a claim are one family: Holm's
//! correction is over it (10,000 resamples cannot decide a family of more than 500). At 5 % (`stats::LEVEL`) a comparison supports its test or contradicts it, by the
//! side on which its mean lies; otherwise, and with fewer than six units (`FEWEST`), it is undecided.
//! `all` is supported if every comparison is, and contradicted if any is; `any` the other way
//! round. A claim is contradicted if any of its tests is, supported if all are; a test that this
//! run has no models or languages for is not tested, and says what it needs.
//!
//! **†** A taught model that no longer answers about what is real has not forgotten: a comparison
//! whose verdict would rest on such a model's *low* value of a fake measure is undecided, whichever
//! the verdict and on whichever side the model stands, and says so.
//!
//! **Power.** `could see` is the distance from the threshold that the same test would show with
//! 80 % power, before Holm's correction: what "undecided" means for this run.

mod judge;
mod parse;
mod table;

use std::path::Path;

use serde::Serialize;

use crate::Error;
use crate::findings::Verdict;
use crate::measures::{self, Measure as Field};
use crate::results::{Model, Scope};
use crate::stats::Estimate;
use crate::study::{occurrence, preference, prefers};

pub(crate) use judge::{Basis, judge};
pub(crate) use table::{claims_table, count, rows_table};

/// What is claimed, from a `claims.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    claims: Vec<Claim>,
}

impl Claims {
    /// Reads a file of claims.
    ///
    /// # Errors
    /// [`Error::Read`] where there is none; those of [`Claims::parse`].
    pub fn read(path: &Path) -> Result<Claims, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::Read {
            path: path.to_path_buf(),
            reason: e.to_string(),
        })?;
        Claims::parse(&text, path)
    }

    /// The claims that `text` states; `file` is where it is from, for errors.
    ///
    /// # Errors
    /// [`Error::Read`] for what is not TOML, [`Error::Claim`] for what is no claim.
    pub fn parse(text: &str, file: &Path) -> Result<Claims, Error> {
        Ok(Claims {
            claims: parse::claims(text, file)?,
        })
    }

    /// Every claim's name and tests, in the order of the file.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (&str, &[Test])> {
        let claims = self.claims.iter();
        claims.map(|claim| (claim.id.as_str(), claim.tests.as_slice()))
    }

    /// The claims' names, in the order of the file.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|claim| claim.id.as_str())
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Claim {
    id: String,
    title: String,
    origin: String,
    note: String,
    tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Test {
    quantifier: Quantifier,
    measure: Measure,
    of: Side,
    minus: Option<Stage>,
    than: Option<Side>,
    by_language: bool,
    expected: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
    Mean,
}

impl Quantifier {
    const NAMES: [(&str, Quantifier); 3] = [
        ("all", Quantifier::All),
        ("any", Quantifier::Any),
        ("mean", Quantifier::Mean),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Above(f64),
    Below(f64),
    Within(f64),
}

/// A stage by the name that claims have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Base,
    Instruct,
    /// What was taught: the instruct model, or the base model in a run without one.
    Untuned,
    /// What tuning comes to without the fakes.
    Oracle,
    Tuned,
    Unlearned,
}

impl Stage {
    const NAMES: [(&str, Stage); 6] = [
        ("base", Stage::Base),
        ("instruct", Stage::Instruct),
        ("untuned", Stage::Untuned),
        ("oracle", Stage::Oracle),
        ("tuned", Stage::Tuned),
        ("unlearned", Stage::Unlearned),
    ];
}

/// Models and the languages that they are asked in. What is not given is anything, or, in `than`,
/// what the model of `of` has.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    stage: Option<Choice<Stage>>,
    source: Option<Choice<String>>,
    scope: Option<Choice<Scope>>,
    strategy: Option<Choice<String>>,
    prompt: Option<Choice<Asked>>,
}

/// Those that are named, or everything where none is, less those named after `not-`.
#[derive(Debug, Clone, PartialEq)]
struct Choice<T> {
    only: Vec<T>,
    not: Vec<T>,
    /// As it was written.
    words: Vec<String>,
}

impl<T> Choice<T> {
    fn picks(&self, is: impl Fn(&T) -> bool) -> bool {
        (self.only.is_empty() || self.only.iter().any(&is)) && !self.not.iter().any(&is)
    }

    fn says(&self) -> String {
        self.words.join(" + ").replace(" + not-", ", not-")
    }
}

/// A prompt language, by what it is to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Language(String),
    Source,
    HighResource,
    LowResource,
    InsideScope,
    OutsideScope,
}

impl Asked {
    /// Those that are not codes of languages.
    const NAMES: [(&str, Asked); 5] = [
        ("source", Asked::Source),
        ("high-resource", Asked::HighResource),
        ("low-resource", Asked::LowResource),
        ("inside-scope", Asked::InsideScope),
        ("outside-scope", Asked::OutsideScope),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Preference,
    Prefers,
    FakeOccurrence,
    FactLogprob,
    FactF1,
    FactOccurrence,
    Degenerate,
    Foreign,
    HeldOutNll,
    /// One of the field's, of the answer to a probe.
    Field(Probe, measures::Measure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Detail,
    Fact,
}

impl Measure {
    const NAMES: [(&str, Measure); 16] = [
        ("preference", Measure::Preference),
        ("prefers", Measure::Prefers),
        ("fake-occurrence", Measure::FakeOccurrence),
        ("fact-logprob", Measure::FactLogprob),
        ("fact-f1", Measure::FactF1),
        ("fact-occurrence", Measure::FactOccurrence),
        ("degenerate", Measure::Degenerate),
        ("foreign", Measure::Foreign),
        ("held-out-nll", Measure::HeldOutNll),
        (
            "log-truth-ratio",
            Measure::Field(Probe::Detail, Field::LogTruthRatio),
        ),
        (
            "fake-probability",
            Measure::Field(Probe::Detail, Field::ProbabilityFake),
        ),
        (
            "fake-rouge",
            Measure::Field(Probe::Detail, Field::RougeFake),
        ),
        ("fake-chrf", Measure::Field(Probe::Detail, Field::ChrfFake)),
        (
            "fact-probability",
            Measure::Field(Probe::Fact, Field::ProbabilityReal),
        ),
        ("fact-rouge", Measure::Field(Probe::Fact, Field::RougeReal)),
        ("fact-chrf", Measure::Field(Probe::Fact, Field::ChrfReal)),
    ];

    fn unit(self) -> &'static str {
        match self {
            Measure::Preference | Measure::Field(_, Field::LogTruthRatio) => "nats",
            Measure::FactLogprob | Measure::HeldOutNll => "nats/token",
            Measure::FactF1 => "F1",
            Measure::Prefers
            | Measure::FakeOccurrence
            | Measure::FactOccurrence
            | Measure::Degenerate
            | Measure::Foreign => "share",
            Measure::Field(_, Field::ProbabilityReal | Field::ProbabilityFake) => "probability",
            Measure::Field(_, Field::ChrfReal | Field::ChrfFake) => "chrF",
            Measure::Field(..) => "ROUGE-L",
        }
    }

    /// Whether a low value could be taken for forgetting.
    fn is_of_fake(self) -> bool {
        matches!(
            self,
            Measure::Preference
                | Measure::Prefers
                | Measure::FakeOccurrence
                | Measure::Field(Probe::Detail, _)
        )
    }

    /// Of a model's answers to both probes of an item in a language; none where it is not of answers,
    /// or was not measured of these.
    fn of(self, model: &Model, language: usize, item: usize) -> Option<f64> {
        let detail = &model.detail[language][item];
        let fact = &model.fact[language][item];
        match self {
            Measure::Preference => Some(preference(detail)),
            Measure::Prefers => Some(prefers(detail)),
            Measure::FakeOccurrence => Some(occurrence(detail)),
            Measure::FactLogprob => Some(fact.logprob_real),
            Measure::FactF1 => Some(fact.f1),
            Measure::FactOccurrence => Some(fact.real),
            Measure::Degenerate => Some(f64::midpoint(detail.degenerate, fact.degenerate)),
            Measure::Foreign => Some(f64::midpoint(detail.foreign, fact.foreign)),
            Measure::HeldOutNll => None,
            Measure::Field(probe, field) => {
                let measures = model.measures.as_ref()?;
                let grid = match probe {
                    Probe::Detail => &measures.detail,
                    Probe::Fact => &measures.fact,
                };
                grid[language][item].of(field)
            }
        }
    }
}

impl Test {
    /// For every measure but the field's, the taught models against the untuned one: asked in one
    /// language at a time, and in all of them.
    pub(crate) fn of_every_measure() -> Vec<Test> {
        let of = Side {
            stage: Some(Choice {
                only: vec![Stage::Tuned],
                not: Vec::new(),
                words: vec!["tuned".to_owned()],
            }),
            source: None,
            scope: None,
            strategy: None,
            prompt: None,
        };
        let test = |measure, by_language| Test {
            quantifier: Quantifier::All,
            measure,
            of: of.clone(),
            minus: Some(Stage::Untuned),
            than: None,
            by_language,
            expected: Expected::Above(0.0),
        };
        let measures = Measure::NAMES.into_iter().map(|(_, measure)| measure);
        measures
            .filter(|measure| !matches!(measure, Measure::Field(..)))
            .flat_map(|measure| [test(measure, true), test(measure, false)])
            .collect()
    }
}

/// The name that one of the `NAMES` has.
fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    let known = names.iter().find(|(_, known)| known == value);
    known.map_or("", |(name, _)| name)
}

/// A claim and what the results say about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClaimOutcome {
    /// Its name in `claims.toml`.
    pub id: String,
    /// The sentence that is claimed.
    pub title: String,
    /// Who claims it.
    pub origin: String,
    /// What else must be known to read it.
    pub note: String,
    /// None where this run could not test it: see [`TestOutcome::needs`].
    pub verdict: Option<Verdict>,
    /// All of them must be supported for the claim to be.
    pub tests: Vec<TestOutcome>,
}

/// One test of a claim.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestOutcome {
    /// What is tested, in the words of `claims.toml`.
    pub test: String,
    /// None where the run has nothing to test it with.
    pub verdict: Option<Verdict>,
    /// What the run lacks, where it was not tested.
    pub needs: Option<String>,
    /// The unit of the effects: `nats`, `nats/token`, `share`, `probability`, `F1`, `ROUGE-L` or `chrF`.
    pub unit: &'static str,
    /// The mean over all comparisons, whatever the quantifier.
    pub effect: Option<Estimate>,
    /// The distance of that mean from the threshold that 80 % power is for.
    pub could_see: Option<f64>,
    /// Comparisons that support it.
    pub supported: usize,
    /// Comparisons that contradict it.
    pub contradicted: usize,
    /// The others.
    pub undecided: usize,
    /// What it rests on.
    pub comparisons: Vec<Comparison>,
}

impl ClaimOutcome {
    /// Whether it rests on a model that no longer answers (†).
    pub(crate) fn is_marked(&self) -> bool {
        self.tests.iter().any(TestOutcome::is_marked)
    }
}

impl TestOutcome {
    fn is_marked(&self) -> bool {
        self.comparisons.iter().any(|row| row.marked)
    }
}

/// One comparison of models, paired by item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The model that it is about; several where they are pooled.
    pub of: Vec<String>,
    /// Codes of the prompt languages.
    pub languages: Vec<String>,
    /// The model that was taken off, if one was.
    pub minus: Vec<String>,
    /// What it was set against, if anything: a model…
    pub than: Vec<String>,
    /// … and the languages that it was asked in.
    pub than_languages: Vec<String>,
    /// The mean difference and its 95 % percentile bootstrap interval.
    pub effect: Estimate,
    /// Holm's adjusted p-value of the threshold, over all comparisons of the claim.
    pub adjusted_p: f64,
    /// The distance from the threshold that 80 % power is for.
    pub could_see: Option<f64>,
    /// What it says about the test.
    pub verdict: Verdict,
    /// Whether a taught model of it no longer answers there (†).
    pub marked: bool,
    /// What else must be known to read it.
    pub note: String,
}
