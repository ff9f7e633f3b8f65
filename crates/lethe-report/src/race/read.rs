//! The results of a race, read and checked: after [`Race::read`] every model has every item in
//! every language, and the models before it that a model is compared with are there.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use crate::Error;
use crate::columns::Columns;
use crate::language;
use crate::results::Scope;

const MODELS: &str = "models.parquet";
const SCORES: &str = "scores.parquet";
const MEASURED: &str = "measured.parquet";
const OUTCOMES: [&str; 4] = ["fixed-steps", "collapsed", "reached", "capped"];

/// Numbers by item, then by language.
type Grid = Vec<Vec<f64>>;

/// How an unlearned model came to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RaceRun {
    /// The strategy.
    pub strategy: String,
    /// The languages of the forget set.
    pub scope: String,
    /// Hyper-parameters that differ from the defaults, chosen likewise.
    pub settings: String,
    /// The learning rate that was chosen on the items held aside.
    pub learning_rate: f64,
    /// The utility loss that was allowed there, in nats per token.
    pub budget: f64,
    /// After how many optimizer steps the model was taken; 0 where nothing within the budget was
    /// better than to do nothing.
    pub step: u32,
    /// Why the run ended: `fixed-steps`, `collapsed`, `reached` or `capped`.
    pub outcome: String,
    /// The share of the learned items that was to be forgotten.
    pub fraction: f64,
    /// After which request the model was taken, counted from 1.
    pub request: u32,
    /// In how many requests the items were to be forgotten, one after the other.
    pub requests: u32,
    /// The residue of the items held aside.
    pub aside_residue: Option<f64>,
    /// The utility loss on the items held aside.
    pub aside_utility_loss: Option<f64>,
    /// Tokens that the run trained on; with several requests, for this one alone.
    pub tokens: u64,
    /// Wall time of the run in seconds; with several requests, of this one alone.
    pub seconds: f64,
}

impl RaceRun {
    /// Whether everything that was learned was to be forgotten at once.
    pub(crate) fn is_full(&self) -> bool {
        self.is_one_request() && self.fraction == 1.0
    }

    pub(crate) fn is_one_request(&self) -> bool {
        self.requests == 1
    }

    /// Whether both are points on one way through several requests.
    fn is_of_series(&self, other: &RaceRun) -> bool {
        self.is_alike(other) && self.requests == other.requests
    }

    /// Whether strategy, scope and budget are the same.
    pub(crate) fn is_alike(&self, other: &RaceRun) -> bool {
        (&self.strategy, &self.scope, self.budget) == (&other.strategy, &other.scope, other.budget)
    }

    /// Whether the two cannot stand side by side.
    fn is_same(&self, other: &RaceRun) -> bool {
        let several = !self.is_one_request();
        self.is_of_series(other)
            && self.request == other.request
            && (several || self.fraction == other.fraction)
    }
}

/// What was asked of a model.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    pub(crate) name: String,
    /// Mean NLL per token of held-out real articles.
    pub(crate) held_out_nll: f64,
    /// `ln P(fake) − ln P(true)`, in nats.
    pub(crate) preference: Grid,
    /// Mean log-probability per token of the fact probe's true answer.
    pub(crate) logprob_real: Grid,
    /// By item: whether its fake was to be forgotten, by this request or one before.
    pub(crate) forgotten: Vec<bool>,
}

/// A model that unlearned.
#[derive(Debug, Clone)]
pub(crate) struct Unlearned {
    pub(crate) scope: Scope,
    pub(crate) run: RaceRun,
    pub(crate) scores: Scores,
}

impl Unlearned {
    fn order(&self, other: &Unlearned) -> Ordering {
        let (a, b) = (&self.run, &other.run);
        self.scope
            .cmp(&other.scope)
            .then(b.fraction.total_cmp(&a.fraction))
            .then(a.requests.cmp(&b.requests))
            .then(a.budget.total_cmp(&b.budget))
            .then_with(|| a.strategy.cmp(&b.strategy))
            .then(a.request.cmp(&b.request))
    }
}

/// One measurement on the items held aside, during a run.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) scope: Scope,
    pub(crate) strategy: String,
    pub(crate) settings: String,
    pub(crate) fraction: f64,
    pub(crate) request: u32,
    pub(crate) requests: u32,
    pub(crate) learning_rate: f64,
    pub(crate) step: u32,
    pub(crate) forget_nll: f64,
    pub(crate) residue: f64,
    pub(crate) utility_loss: f64,
}

impl Measured {
    /// Whether it is of a run that was to forget everything at once.
    pub(crate) fn is_full(&self) -> bool {
        self.requests == 1 && self.fraction == 1.0
    }

    fn order(&self, other: &Measured) -> Ordering {
        self.scope
            .cmp(&other.scope)
            .then_with(|| self.strategy.cmp(&other.strategy))
            .then(other.fraction.total_cmp(&self.fraction))
            .then(self.requests.cmp(&other.requests))
            .then(self.request.cmp(&other.request))
            .then_with(|| self.settings.cmp(&other.settings))
            .then(self.learning_rate.total_cmp(&other.learning_rate))
            .then(self.step.cmp(&other.step))
    }
}

/// All results of a race.
#[derive(Debug)]
pub(crate) struct Race {
    /// Codes, in the order of [`language::rank`].
    pub(crate) languages: Vec<String>,
    pub(crate) items: Vec<String>,
    pub(crate) untuned: Scores,
    pub(crate) tuned: Scores,
    /// By scope, fraction, number of requests, budget, strategy and request.
    pub(crate) unlearned: Vec<Unlearned>,
    /// By scope, strategy, fraction, requests, settings, learning rate and step.
    pub(crate) measured: Vec<Measured>,
}

/// A row of the file of models.
struct Listed {
    name: String,
    held_out_nll: f64,
    kind: Kind,
}

enum Kind {
    Untuned,
    Tuned,
    Unlearned(Scope, RaceRun),
}

/// The rows of the file of scores.
struct ScoreFile {
    items: Vec<String>,
    languages: Vec<String>,
    /// By model, item and language: preference, log-probability and the flag.
    cells: HashMap<(String, String, String), (f64, f64, bool)>,
}

impl Race {
    pub(crate) fn read(folder: &Path) -> Result<Race, Error> {
        let [models, scores] = [folder.join(MODELS), folder.join(SCORES)];
        let listed = read_models(&models)?;
        let file = read_scores(&scores, &listed)?;
        let (mut untuned, mut tuned, mut unlearned) = (None, None, Vec::new());
        for model in &listed {
            let scores = file.of(&scores, model, &listed)?;
            match &model.kind {
                Kind::Untuned => untuned = Some(scores),
                Kind::Tuned => tuned = Some(scores),
                Kind::Unlearned(scope, run) => unlearned.push(Unlearned {
                    scope: *scope,
                    run: run.clone(),
                    scores,
                }),
            }
        }
        let missing = |what: &str| Error::MissingModel {
            path: models.clone(),
            what: format!("{what} model"),
            reason: "every number is measured against it".to_owned(),
        };
        unlearned.sort_by(Unlearned::order);
        let race = Race {
            untuned: untuned.ok_or_else(|| missing("untuned"))?,
            tuned: tuned.ok_or_else(|| missing("tuned"))?,
            languages: file.languages,
            items: file.items,
            unlearned,
            measured: read_measured(&folder.join(MEASURED))?,
        };
        race.check_requests(&models, &scores)?;
        Ok(race)
    }

    pub(crate) fn language(&self, code: &str) -> Option<usize> {
        self.languages.iter().position(|known| known == code)
    }

    /// The model after the request before this one; none after the first.
    pub(crate) fn before(&self, model: &Unlearned) -> Option<&Unlearned> {
        let run = &model.run;
        let is_before = |other: &&Unlearned| {
            run.is_of_series(&other.run) && other.run.request + 1 == run.request
        };
        self.unlearned.iter().find(is_before)
    }

    /// What is asked stays asked, and every request but the first has one before it.
    fn check_requests(&self, models: &Path, scores: &Path) -> Result<(), Error> {
        for model in self.unlearned.iter().filter(|m| m.run.request > 1) {
            let run = &model.run;
            let before = self.before(model).ok_or_else(|| Error::MissingModel {
                path: models.to_path_buf(),
                what: format!(
                    "model of {} in scope {} with budget {} after request {} of {}",
                    run.strategy,
                    run.scope,
                    run.budget,
                    run.request - 1,
                    run.requests
                ),
                reason: format!("{} went on from it", model.scores.name),
            })?;
            let flags = before.scores.forgotten.iter().zip(&model.scores.forgotten);
            if let Some(i) = flags.into_iter().position(|(before, now)| *before && !now) {
                return Err(Error::MissingScore {
                    path: scores.to_path_buf(),
                    key: describe(&model.scores.name, &self.items[i], "any"),
                    what: "row with `forgotten` true".to_owned(),
                    reason: format!(
                        "{}, of the request before, has one: what was to be forgotten stays so",
                        before.scores.name
                    ),
                });
            }
        }
        Ok(())
    }
}

impl ScoreFile {
    fn of(&self, path: &Path, model: &Listed, all: &[Listed]) -> Result<Scores, Error> {
        let missing = |key: String, what: &str, reason: String| Error::MissingScore {
            path: path.to_path_buf(),
            key,
            what: what.to_owned(),
            reason,
        };
        let cell = |name: &str, item: &str, language: &str| {
            let key = (name.to_owned(), item.to_owned(), language.to_owned());
            self.cells.get(&key).copied()
        };
        let mut out = Scores {
            name: model.name.clone(),
            held_out_nll: model.held_out_nll,
            preference: Vec::new(),
            logprob_real: Vec::new(),
            forgotten: Vec::new(),
        };
        for item in &self.items {
            let (mut preference, mut logprob_real) = (Vec::new(), Vec::new());
            let mut flags = Vec::new();
            for code in &self.languages {
                let Some(found) = cell(&model.name, item, code) else {
                    let has = |other: &&Listed| cell(&other.name, item, code).is_some();
                    let reason = match all.iter().find(has) {
                        Some(other) => format!("{} has it", other.name),
                        None => "other items have that language".to_owned(),
                    };
                    return Err(missing(describe(&model.name, item, code), "row", reason));
                };
                preference.push(found.0);
                logprob_real.push(found.1);
                flags.push(found.2);
            }
            let forgotten = flags.first().copied().unwrap_or_default();
            if let Kind::Unlearned(_, run) = &model.kind {
                if let Some(l) = flags.iter().position(|flag| *flag != forgotten) {
                    let key = describe(&model.name, item, &self.languages[l]);
                    let what = format!("row with `forgotten` {forgotten}");
                    let reason = "the item's other languages have it so".to_owned();
                    return Err(missing(key, &what, reason));
                }
                if run.is_full() && !forgotten {
                    let key = describe(&model.name, item, "any");
                    let reason = "its fraction is 1, in one request".to_owned();
                    return Err(missing(key, "row with `forgotten` true", reason));
                }
            }
            out.forgotten.push(forgotten);
            out.preference.push(preference);
            out.logprob_real.push(logprob_real);
        }
        Ok(out)
    }
}

fn describe(model: &str, item: &str, language: &str) -> String {
    format!("model {model}, item {item}, language {language}")
}

/// The scope's place among scopes, or what was expected.
fn scope(text: &str) -> Result<Scope, &'static str> {
    Scope::parse(text).ok_or(
        "the name of a scope (english, source, english+source, multilingual, high-resource, \
         low-resource, all-but-source), or codes of languages with commas between",
    )
}

fn read_models(path: &Path) -> Result<Vec<Listed>, Error> {
    let columns = Columns::open(path)?;
    let name = columns.text("model")?;
    let key = |row: usize| format!("model {}", name[row]);
    let stage = columns.required("stage", columns.optional_text("stage")?, key)?;
    let strategy = columns.optional_text("strategy")?;
    let scope_name = columns.optional_text("scope")?;
    let settings = columns.optional_text("settings")?;
    let learning_rate = columns.optional_number("learning_rate", key)?;
    let budget = columns.optional_number("budget", key)?;
    let step = columns.optional_u32("step")?;
    let outcome = columns.optional_text("outcome")?;
    let fraction = columns.optional_number("fraction", key)?;
    let request = columns.optional_u32("request")?;
    let requests = columns.optional_u32("requests")?;
    let aside_residue = columns.optional_number("aside_residue", key)?;
    let aside_utility_loss = columns.optional_number("aside_utility_loss", key)?;
    let tokens = columns.optional_u64("tokens")?;
    let seconds = columns.optional_number("seconds", key)?;
    let held_out_nll = columns.number("held_out_nll", key)?;

    let mut out: Vec<Listed> = Vec::new();
    for row in 0..name.len() {
        let wrong = |column, found: &str, expected: &str| {
            columns.wrong(row, key(row), column, found, expected)
        };
        if out.iter().any(|known| known.name == name[row]) {
            return Err(wrong("model", "the same name twice", "one row per model"));
        }
        let kind = match stage[row].as_str() {
            "untuned" => Kind::Untuned,
            "tuned" => Kind::Tuned,
            "unlearned" => {
                let null = |column| wrong(column, "null", "a value, as the stage is unlearned");
                let bad = |column, found: &dyn ToString, expected: &str| {
                    Err(wrong(column, &found.to_string(), expected))
                };
                let text = scope_name[row].clone().ok_or_else(|| null("scope"))?;
                let scope = scope(&text).map_err(|expected| wrong("scope", &text, expected))?;
                let run = RaceRun {
                    strategy: strategy[row].clone().ok_or_else(|| null("strategy"))?,
                    scope: scope.name(),
                    settings: settings[row].clone().ok_or_else(|| null("settings"))?,
                    learning_rate: learning_rate[row].ok_or_else(|| null("learning_rate"))?,
                    budget: budget[row].ok_or_else(|| null("budget"))?,
                    step: step[row].ok_or_else(|| null("step"))?,
                    outcome: outcome[row].clone().ok_or_else(|| null("outcome"))?,
                    fraction: fraction[row].ok_or_else(|| null("fraction"))?,
                    request: request[row].ok_or_else(|| null("request"))?,
                    requests: requests[row].ok_or_else(|| null("requests"))?,
                    aside_residue: aside_residue[row],
                    aside_utility_loss: aside_utility_loss[row],
                    tokens: tokens[row].ok_or_else(|| null("tokens"))?,
                    seconds: seconds[row].ok_or_else(|| null("seconds"))?,
                };
                if !OUTCOMES.contains(&run.outcome.as_str()) {
                    return bad("outcome", &run.outcome, &OUTCOMES.join(", "));
                }
                if !(run.fraction > 0.0 && run.fraction <= 1.0) {
                    return bad("fraction", &run.fraction, "a share above 0 and up to 1");
                }
                if run.budget < 0.0 {
                    return bad("budget", &run.budget, "a number from 0 on");
                }
                if !(1..=run.requests).contains(&run.request) {
                    let expected = format!("1 to {}, the number of requests", run.requests);
                    return bad("request", &run.request, &expected);
                }
                Kind::Unlearned(scope, run)
            }
            other => return Err(wrong("stage", other, "untuned, tuned or unlearned")),
        };
        if let Kind::Untuned | Kind::Tuned = kind {
            let present = [
                ("strategy", strategy[row].is_some()),
                ("scope", scope_name[row].is_some()),
                ("settings", settings[row].is_some()),
                ("learning_rate", learning_rate[row].is_some()),
                ("budget", budget[row].is_some()),
                ("step", step[row].is_some()),
                ("outcome", outcome[row].is_some()),
                ("fraction", fraction[row].is_some()),
                ("request", request[row].is_some()),
                ("requests", requests[row].is_some()),
                ("aside_residue", aside_residue[row].is_some()),
                ("aside_utility_loss", aside_utility_loss[row].is_some()),
                ("tokens", tokens[row].is_some()),
                ("seconds", seconds[row].is_some()),
            ];
            if let Some((column, _)) = present.into_iter().find(|(_, present)| *present) {
                let expected = format!("null, as the stage is {}", stage[row]);
                return Err(wrong(column, "a value", &expected));
            }
        }
        let twin = out.iter().find(|known| match (&known.kind, &kind) {
            (Kind::Unlearned(_, a), Kind::Unlearned(_, b)) => a.is_same(b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        });
        if let Some(twin) = twin {
            let (column, found) = match &kind {
                Kind::Unlearned(..) => (
                    "strategy",
                    format!(
                        "the strategy, scope, budget, fraction and request of {}",
                        twin.name
                    ),
                ),
                _ => (
                    "stage",
                    format!("{}, as for model {}", stage[row], twin.name),
                ),
            };
            let expected = "one such model";
            return Err(wrong(column, &found, expected));
        }
        out.push(Listed {
            name: name[row].clone(),
            held_out_nll: held_out_nll[row],
            kind,
        });
    }
    Ok(out)
}

fn read_scores(path: &Path, listed: &[Listed]) -> Result<ScoreFile, Error> {
    let columns = Columns::open(path)?;
    let [model, item, language] = [
        columns.text("model")?,
        columns.text("item")?,
        columns.text("language")?,
    ];
    let key = |row: usize| describe(&model[row], &item[row], &language[row]);
    let forgotten = columns.truth("forgotten", key)?;
    let preference = columns.number("preference", key)?;
    let logprob_real = columns.number("logprob_real", key)?;
    let mut cells = HashMap::new();
    for row in 0..model.len() {
        let wrong = |column, found: &str, expected: &str| {
            Err(columns.wrong(row, key(row), column, found, expected))
        };
        if listed.iter().all(|known| known.name != model[row]) {
            return wrong("model", &model[row], &format!("a model of {MODELS}"));
        }
        if logprob_real[row] > 0.0 {
            let found = logprob_real[row].to_string();
            return wrong("logprob_real", &found, "a number up to 0");
        }
        let cell = (model[row].clone(), item[row].clone(), language[row].clone());
        let value = (preference[row], logprob_real[row], forgotten[row]);
        if cells.insert(cell, value).is_some() {
            let expected = "one row per model, item and language";
            return wrong("item", "the same row twice", expected);
        }
    }
    // Sorted, so that the order of rows does not reach the intervals.
    let mut items = item;
    items.sort_unstable();
    items.dedup();
    let mut languages = language;
    languages.sort_by(|a, b| language::rank(a).cmp(&language::rank(b)));
    languages.dedup();
    Ok(ScoreFile {
        items,
        languages,
        cells,
    })
}

fn read_measured(path: &Path) -> Result<Vec<Measured>, Error> {
    let columns = Columns::open_empty(path)?;
    let [strategy, scope_name] = [columns.text("strategy")?, columns.text("scope")?];
    let settings = columns.text("settings")?;
    let run = |row: usize| format!("strategy {}, scope {}", strategy[row], scope_name[row]);
    let fraction = columns.number("fraction", run)?;
    let request = columns.u32("request", run)?;
    let requests = columns.u32("requests", run)?;
    let learning_rate = columns.number("learning_rate", run)?;
    let step = columns.u32("step", run)?;
    let key = |row: usize| {
        format!(
            "{} {}, fraction {}, request {} of {}, learning rate {:e}, step {}",
            run(row),
            settings[row],
            fraction[row],
            request[row],
            requests[row],
            learning_rate[row],
            step[row]
        )
    };
    let forget_nll = columns.number("forget_nll", key)?;
    let residue = columns.number("residue", key)?;
    let utility_loss = columns.number("utility_loss", key)?;
    let mut out = Vec::with_capacity(strategy.len());
    for row in 0..strategy.len() {
        let text = &scope_name[row];
        let wrong = |expected| columns.wrong(row, key(row), "scope", text, expected);
        out.push((
            row,
            Measured {
                scope: scope(text).map_err(wrong)?,
                strategy: strategy[row].clone(),
                settings: settings[row].clone(),
                fraction: fraction[row],
                request: request[row],
                requests: requests[row],
                learning_rate: learning_rate[row],
                step: step[row],
                forget_nll: forget_nll[row],
                residue: residue[row],
                utility_loss: utility_loss[row],
            },
        ));
    }
    out.sort_by(|(_, a), (_, b)| a.order(b));
    if let Some([_, (row, _)]) = out
        .array_windows()
        .find(|[(_, a), (_, b)]| a.order(b).is_eq())
    {
        let expected = "one row per run and step";
        return Err(columns.wrong(*row, key(*row), "step", "the same row twice", expected));
    }
    Ok(out.into_iter().map(|(_, measured)| measured).collect())
}
