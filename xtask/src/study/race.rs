//! The race: unlearning strategies against each other on one tuned model.
//!
//! Every strategy is run in every scope with every learning rate and hyper-parameter of the preset's
//! grid, and measured on the way on items that are held aside. For every budget of utility loss the
//! checkpoint that leaves least of their fakes within it is scored on the other items: what is
//! reported was not chosen on what is reported. Successive requests and smaller forget sets are run
//! with what was chosen for the greatest budget.

use std::collections::{BTreeMap, BTreeSet};

use color_eyre::eyre::{Result, bail, eyre};
use lethe_corpus::{Corpus, Language, Split};
use lethe_eval::{
    AskConfig, RaceMeasurement, RaceModel, RaceOutcome, RaceRun, RaceScore, ask, perplexity,
    write_race_measurements, write_race_models, write_race_scores,
};
use lethe_model::LanguageModel;
use lethe_report::{RaceInfo, RaceSummary};
use lethe_train::Verdict;
use lethe_unlearn::{
    Alternative, Choose, LanguageScope, Measurement, Method, StopRule, UnlearnConfig, unlearn,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Base, Sets, Study, is_probed};
use crate::preset::Race;
use crate::strategies::{is_own, registry};

/// What runs against what.
#[derive(Debug, Clone)]
pub struct Entrants {
    /// Names of strategies; `all` is all that are registered.
    pub strategies: Vec<String>,
    /// Names or lists of scopes; `all` is all that have a name.
    pub scopes: Vec<String>,
    /// The language in which the fakes are learned; without one, the preset's first.
    pub source: Option<Language>,
    /// In how many successive requests the items are forgotten, beside in one.
    pub requests: usize,
    /// The shares of the items that are forgotten.
    pub fractions: Vec<f64>,
}

/// What all of a race have in common.
struct Field<'a> {
    corpus: &'a Corpus,
    race: &'a Race,
    source: Language,
    seed: u64,
    untuned: LanguageModel,
    tuned: LanguageModel,
    keys: [&'a str; 2],
}

/// What came of one strategy in one scope.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Entry {
    models: Vec<(RaceModel, Vec<RaceScore>)>,
    /// Learning rate and hyper-parameters that were chosen for every budget.
    chosen: Vec<Setting>,
    measured: Vec<RaceMeasurement>,
}

type Setting = (f64, BTreeMap<String, f64>);

/// A model's NLL of held-out articles, and what it holds about the reported items.
type Scored = (f64, Vec<RaceScore>);

/// The best checkpoint within a budget so far.
struct Kept {
    budget: f64,
    setting: Setting,
    run: RaceRun,
    /// How its run ended, in how many tokens and seconds.
    end: (String, usize, f64),
    at: Measurement,
    utility_loss: f64,
    model: LanguageModel,
}

impl Study {
    /// Runs the race and writes its report.
    pub fn compare(&self, entrants: &Entrants) -> Result<RaceSummary> {
        let race = self.preset.race.as_ref().ok_or_else(|| {
            eyre!("the preset has no [race]; pipelines/race.toml shows what it says")
        })?;
        if let seeds @ [_, _, ..] = &self.preset.seeds[..] {
            bail!("seeds is {seeds:?}, and a comparison trains with one: --set seeds=[1]");
        }
        let source = entrants.source.unwrap_or(self.preset.learn.sources[0]);
        let strategies = self.entrants(&entrants.strategies)?;
        let scopes = scopes(&entrants.scopes, source)?;
        self.check_parts(entrants)?;

        let (corpus, corpus_done) = self.corpus()?;
        let every = [
            Alternative::Truth,
            Alternative::Refusal,
            Alternative::Plausible,
        ];
        let base = self.base(&corpus, &corpus_done.key, &every)?;
        let seed = self.preset.training_seeds()[0];
        let pristine = self.pristine(&base);
        let instructed = self.instruct(&base, &pristine, &corpus, seed)?;
        let untuned = &instructed.unwrap_or(pristine);
        let tuned = self.learn(&base, untuned, &corpus, (source, seed))?;
        let field = Field {
            corpus: &corpus,
            race,
            source,
            seed,
            untuned: self.open(&base, untuned)?,
            tuned: self.open(&base, &tuned)?,
            keys: [&untuned.key, &tuned.key],
        };

        let mut all = Entry::default();
        for (stage, model) in [("untuned", &field.untuned), ("tuned", &field.tuned)] {
            all.models.push(self.as_reference(&field, stage, model)?);
        }
        let mut skipped = Vec::new();
        for scope in &scopes {
            for strategy in &strategies {
                let entry = match self.enter(&field, strategy, scope) {
                    Ok(entry) => entry,
                    // Among all there may be some that this preset gives nothing to work on.
                    Err(error) if entrants.strategies == ["all"] && is_impossible(&error) => {
                        skipped.push(format!("{strategy} in scope {scope}: {error}"));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let last = entry.chosen.last().cloned();
                all.models.extend(entry.models);
                all.measured.extend(entry.measured);
                let Some(setting) = last else { continue };
                let mut parts = vec![(1.0, 1)];
                let fractions = entrants.fractions.iter().map(|&fraction| (fraction, 1));
                for part in fractions.chain([(1.0, entrants.requests)]) {
                    if parts.contains(&part) {
                        continue;
                    }
                    parts.push(part);
                    let entry = self.in_parts(&field, strategy, scope, &setting, part)?;
                    all.models.extend(entry.models);
                    all.measured.extend(entry.measured);
                }
            }
        }
        self.write_race(&all)?;
        let info = self.race_info(&base, &field, &strategies, skipped)?;
        let info_json = serde_json::to_vec_pretty(&info)?;
        crate::cache::write(&self.out.join("race.json"), &info_json)?;
        Ok(lethe_report::build_race(
            &self.out.join("race"),
            &info,
            &self.out.join("race-report"),
        )?)
    }

    /// The strategies that were asked for; every one is known.
    fn entrants(&self, asked: &[String]) -> Result<Vec<String>> {
        let registry = registry()?;
        if asked == ["all"] {
            let all = registry.all().iter();
            return Ok(all.map(|entry| entry.name.to_owned()).collect());
        }
        let mut out: Vec<String> = Vec::new();
        for name in asked {
            registry.method(name, &BTreeMap::new())?;
            if !out.contains(name) {
                out.push(name.clone());
            }
        }
        Ok(out)
    }

    /// Refuses parts that would be empty.
    fn check_parts(&self, entrants: &Entrants) -> Result<()> {
        let choice = &self.preset.corpus;
        let fewest = choice.probe.min(choice.aside);
        if choice.aside == 0 || choice.held_out < 2 {
            bail!(
                "a comparison chooses on items that are not reported: expected corpus.aside of 1 or \
                 more and corpus.held_out of 2 or more, found {} and {}",
                choice.aside,
                choice.held_out
            );
        }
        if entrants.requests == 0 || entrants.requests > fewest {
            bail!(
                "--requests {}: expected 1 to {fewest}, so that every request has items to report \
                 (corpus.probe) and to choose by (corpus.aside)",
                entrants.requests
            );
        }
        let wrong = |f: &&f64| !(**f > 0.0 && **f <= 1.0);
        match entrants.fractions.iter().find(wrong) {
            Some(found) => bail!("--forget-fraction {found}: expected a number above 0, at most 1"),
            None => Ok(()),
        }
    }

    fn as_reference(
        &self,
        field: &Field,
        stage: &str,
        model: &LanguageModel,
    ) -> Result<(RaceModel, Vec<RaceScore>)> {
        let [untuned, tuned] = field.keys;
        let inputs = match stage {
            "tuned" => [tuned],
            _ => [untuned],
        };
        let name = format!("race-{stage}");
        let settings = json!([self.preset.corpus.languages, self.unseen(field.corpus)]);
        let done = self.cache.stage(&name, &settings, &inputs, |_| {
            let (held_out_nll, scores) = self.score(field.corpus, model, |_| false)?;
            let model = RaceModel {
                model: stage.to_owned(),
                stage: stage.to_owned(),
                unlearned: None,
                held_out_nll,
            };
            Ok((model, scores))
        })?;
        self.finished(&name, format!("{} scores", done.record.1.len()), &done);
        Ok(done.record)
    }

    /// What a model holds about the reported items, and its NLL of held-out articles.
    fn score(
        &self,
        corpus: &Corpus,
        model: &LanguageModel,
        is_forgotten: impl Fn(&str) -> bool,
    ) -> Result<Scored> {
        // What it would say is not read, nor what is measured beside the preference: no setting of the
        // evaluation may change a score, as none is in the stages' keys.
        let config = AskConfig {
            batch: self.preset.eval.batch,
            new_tokens: 0,
            wrong_answers: 0,
            samples: 0,
            ..AskConfig::default()
        };
        let spoken = &self.preset.corpus.languages;
        let reported = self.reported(corpus)?;
        let answers = ask(
            model,
            &reported,
            spoken,
            &config,
            self.preset.seed,
            &|_, _| {},
        )?;
        let [held_out, _] = self.unseen(corpus);
        let held = perplexity(model, &self.real_articles(corpus, &held_out))?;
        let of_language = |language: &Language| {
            let own = held.iter().filter(|row| row.language == *language);
            let own: Vec<f64> = own.map(|row| row.nll).collect();
            own.iter().sum::<f64>() / own.len().max(1) as f64
        };
        let sum: f64 = spoken.iter().map(of_language).sum();
        let scores = RaceScore::of(&answers, is_forgotten)?;
        Ok((sum / spoken.len() as f64, scores))
    }

    /// What decides what a run comes to, beside its models and what it is told.
    fn race_key(&self, field: &Field) -> serde_json::Value {
        let unlearn = &self.preset.unlearn;
        json!([
            unlearn.statements,
            unlearn.questions,
            unlearn.retain,
            unlearn.run,
            self.preset.corpus,
            field.race.steps,
            field.race.check_every,
            field.source
        ])
    }

    /// One strategy in one scope, with everything that is tried.
    fn enter(&self, field: &Field, strategy: &str, scope: &LanguageScope) -> Result<Entry> {
        let name = format!("race-{strategy}-{scope}");
        let tried = field.race.settings(strategy);
        let (budgets, common) = (&field.race.budgets, self.race_key(field));
        let settings = json!([strategy, scope.to_string(), tried, budgets, common]);
        let done = self.cache.stage(&name, &settings, &field.keys, |_| {
            let mut entry = Entry::default();
            let mut kept: Vec<Kept> = Vec::new();
            let aside = self.aside(&field.untuned, field.corpus, |_| true)?;
            for setting in &tried {
                let run = run_of(strategy, scope, setting);
                let method = registry()?.method(strategy, &setting.1)?;
                let what = (&method, scope, field.source);
                let (untuned, aside) = (&field.untuned, aside.clone());
                let sets = self.sets(untuned, field.corpus, what, |_| true, aside)?;
                let what = (&method, setting, &run);
                let measured =
                    self.attempt(field, &field.tuned, &sets, what, budgets, &mut kept)?;
                entry.measured.extend(measured);
            }
            let mut last: Option<((RaceRun, usize), Scored)> = None;
            for kept in kept {
                entry.chosen.push(kept.setting.clone());
                // Budgets often keep the same checkpoint.
                let checkpoint = (kept.run.clone(), kept.at.step);
                let scored = match last.take() {
                    Some((same, scored)) if same == checkpoint => scored,
                    _ => self.score(field.corpus, &kept.model, |_| true)?,
                };
                last = Some((checkpoint, scored.clone()));
                entry.models.push(listed(kept, scored));
            }
            Ok(entry)
        })?;
        self.finished(&name, described(&done.record), &done);
        Ok(done.record)
    }

    /// A share of the items, or all of them in successive requests, with one setting; every request
    /// may cost the greatest budget.
    fn in_parts(
        &self,
        field: &Field,
        strategy: &str,
        scope: &LanguageScope,
        setting: &Setting,
        (fraction, requests): (f64, usize),
    ) -> Result<Entry> {
        let part = match requests {
            1 => format!("fraction-{fraction}"),
            _ => format!("requests-{requests}"),
        };
        let name = format!("race-{strategy}-{scope}-{part}");
        let budget = greatest(&field.race.budgets);
        let common = self.race_key(field);
        let settings = json!([strategy, scope.to_string(), setting, budget, part, common]);
        let done = self.cache.stage(&name, &settings, &field.keys, |_| {
            let mut entry = Entry::default();
            let mut model = field.tuned.clone();
            let mut so_far = BTreeSet::new();
            let parts = self.parts(field.corpus, fraction, requests)?;
            for (place, part) in parts.into_iter().enumerate() {
                so_far.extend(part.iter().cloned());
                let run = RaceRun {
                    fraction,
                    request: place as u32 + 1,
                    requests: requests as u32,
                    ..run_of(strategy, scope, setting)
                };
                let method = registry()?.method(strategy, &setting.1)?;
                let what = (&method, scope, field.source);
                let of_part = |item: &str| part.contains(item);
                // What was forgotten before must not come back.
                let of_all = |item: &str| so_far.contains(item);
                let aside = self.aside(&field.untuned, field.corpus, of_all)?;
                let sets = self.sets(&field.untuned, field.corpus, what, of_part, aside)?;
                let mut kept = Vec::new();
                let what = (&method, setting, &run);
                let measured = self.attempt(field, &model, &sets, what, &[budget], &mut kept)?;
                entry.measured.extend(measured);
                for kept in kept {
                    model = kept.model.clone();
                    let scored = self.score(field.corpus, &kept.model, of_all)?;
                    entry.models.push(listed(kept, scored));
                }
            }
            Ok(entry)
        })?;
        self.finished(&name, described(&done.record), &done);
        Ok(done.record)
    }

    /// One run, in which every budget keeps the best checkpoint within it.
    fn attempt(
        &self,
        field: &Field,
        from: &LanguageModel,
        sets: &Sets,
        (method, setting, run): (&Method, &Setting, &RaceRun),
        budgets: &[f64],
        kept: &mut Vec<Kept>,
    ) -> Result<Vec<RaceMeasurement>> {
        let check_every = field.race.check_every;
        let within = |budget: f64| Choose {
            check_every,
            utility_margin: budget,
        };
        let greatest = greatest(budgets);
        let mut config = UnlearnConfig {
            stop: StopRule::Steps {
                steps: field.race.steps,
            },
            choose: Some(within(greatest)),
            ..self.preset.unlearn.run.clone()
        };
        config.optimizer.learning_rate = setting.0;
        // No later checkpoint of a run that is so far beyond every budget is likely to count.
        let guard = &mut config.guard;
        guard.perplexity_ratio = guard.perplexity_ratio.min((2.0 * greatest).exp());
        guard.check_every = check_every;
        let mut model = from.clone();
        let bar = self.console.bar(&name_of(run), "steps");
        let mut first: Option<Measurement> = None;
        let record = unlearn(
            &mut model,
            method,
            &sets.view(&[]),
            &config,
            field.seed,
            None,
            &mut |step, measured| {
                let Some((now, network)) = measured else {
                    bar.at(step, field.race.steps, "");
                    return Verdict::Continue;
                };
                let residue = now.residue.unwrap_or_default();
                bar.at(step, field.race.steps, &format!("{residue:.2} nats left"));
                let first = &*first.get_or_insert(*now);
                let as_it_is = || {
                    let mut model = from.clone();
                    model.network = network.clone();
                    model.network.merge_adapters();
                    model
                };
                if kept.is_empty() {
                    kept.extend(budgets.iter().map(|&budget| Kept {
                        budget,
                        setting: setting.clone(),
                        run: run.clone(),
                        end: Default::default(),
                        at: *now,
                        utility_loss: 0.0,
                        model: as_it_is(),
                    }));
                }
                for kept in &mut *kept {
                    if within(kept.budget).prefers(first, &kept.at, now) {
                        (kept.setting, kept.run) = (setting.clone(), run.clone());
                        (kept.at, kept.model) = (*now, as_it_is());
                        kept.utility_loss = lost(first, now);
                    }
                }
                Verdict::Continue
            },
        )?;
        let outcome = serde_json::to_value(record.outcome)?;
        let outcome = outcome.as_str().unwrap_or_default();
        let trained = &record.trained;
        for kept in kept.iter_mut().filter(|kept| kept.run == *run) {
            kept.end = (outcome.to_owned(), trained.tokens, trained.seconds);
        }
        let of_step = |now: &Measurement| RaceMeasurement {
            run: run.clone(),
            step: now.step as u32,
            forget_nll: now.forget_nll,
            residue: now.residue.unwrap_or_default(),
            utility_loss: first.map_or(0.0, |first| lost(&first, now)),
        };
        let measured = record.measured.iter();
        Ok(measured.filter(|now| is_number(now)).map(of_step).collect())
    }

    /// The items of every request: reported ones and ones held aside in each.
    fn parts(
        &self,
        corpus: &Corpus,
        fraction: f64,
        requests: usize,
    ) -> Result<Vec<BTreeSet<String>>> {
        let reported = self.reported(corpus)?;
        let probed = corpus.items.iter().filter(|i| i.split == Split::Probe);
        let (first, second): (Vec<&str>, Vec<&str>) = probed
            .map(|item| item.id.as_str())
            .partition(|id| is_probed(&reported, id));
        let mut parts = vec![BTreeSet::new(); requests];
        for ids in [first, second] {
            // Spread over the corpus' order, and so over categories.
            let before = |place: usize| (fraction * place as f64).ceil();
            let chosen = (0..ids.len()).filter(|&place| before(place + 1) > before(place));
            for (place, chosen) in chosen.enumerate() {
                parts[place % requests].insert(ids[chosen].to_owned());
            }
        }
        Ok(parts)
    }

    fn write_race(&self, all: &Entry) -> Result<()> {
        let folder = self.out.join("race");
        let file = |name: &str| folder.join(format!("{name}.parquet"));
        let models: Vec<RaceModel> = all.models.iter().map(|(model, _)| model.clone()).collect();
        let scores = all.models.iter().flat_map(|(model, scores)| {
            let name = model.model.as_str();
            scores.iter().map(move |score| (name, score))
        });
        write_race_models(&file("models"), &models)?;
        write_race_scores(&file("scores"), &scores.collect::<Vec<_>>())?;
        write_race_measurements(&file("measured"), &all.measured)?;
        Ok(())
    }

    fn race_info(
        &self,
        base: &Base,
        field: &Field,
        strategies: &[String],
        skipped: Vec<String>,
    ) -> Result<RaceInfo> {
        let registry = registry()?;
        let found = |name: &&String| registry.find(name).is_some_and(is_own);
        let own = strategies.iter().filter(found).cloned().collect();
        let mut informed = Vec::new();
        for name in strategies {
            let method = registry.method(name, &BTreeMap::new())?;
            if method.strategy.needs().alternative == Some(Alternative::Truth) {
                informed.push(name.as_str());
            }
        }
        let unlearn = &self.preset.unlearn.run;
        let how = match &unlearn.lora {
            None => "all weights are trained",
            Some(_) => "adapters are trained",
        };
        let mut deviations = vec![format!(
            "Every strategy runs with AdamW, {} sequences a step and {} steps, and {how}; its learning \
             rate is one of the preset's, its other hyper-parameters are its paper's or those of the \
             preset's grid.",
            unlearn.batch, field.race.steps
        )];
        if !informed.is_empty() {
            deviations.push(format!(
                "These strategies are also given the true text beside every fake one: {}. Others learn \
                 only what is to be forgotten.",
                informed.join(", ")
            ));
        }
        Ok(RaceInfo {
            preset: self.name.clone(),
            preset_toml: self.preset_text.clone(),
            model: base.info.clone(),
            device: self.device_name.clone(),
            seed: field.seed,
            source: field.source.to_string(),
            items: self.preset.corpus.probe as u32,
            aside: self.preset.corpus.aside as u32,
            own,
            skipped,
            stages: self.stages.borrow().clone(),
            deviations,
            versions: self.versions(),
        })
    }
}

/// The last of budgets, which rise.
fn greatest(budgets: &[f64]) -> f64 {
    budgets.last().copied().unwrap_or_default()
}

/// Whether a model still gave numbers.
fn is_number(now: &Measurement) -> bool {
    let measured = [Some(now.forget_nll), now.residue, now.utility_nll];
    measured.into_iter().flatten().all(|value| value < f64::MAX)
}

/// Whether a strategy has nothing to work on.
fn is_impossible(error: &color_eyre::Report) -> bool {
    use lethe_unlearn::Error::{NoAlternative, NoRetainSet};
    let error = error.downcast_ref::<lethe_unlearn::Error>();
    matches!(error, Some(NoAlternative { .. } | NoRetainSet(_)))
}

/// The utility loss since `first`, in nats per token.
fn lost(first: &Measurement, now: &Measurement) -> f64 {
    let both = now.utility_nll.zip(first.utility_nll);
    both.map_or(0.0, |(now, first)| now - first)
}

/// A checkpoint with its scores.
fn listed(kept: Kept, (held_out_nll, scores): Scored) -> (RaceModel, Vec<RaceScore>) {
    let (outcome, tokens, seconds) = kept.end;
    let end = RaceOutcome {
        budget: kept.budget,
        step: kept.at.step as u32,
        outcome,
        aside_residue: kept.at.residue.unwrap_or_default(),
        aside_utility_loss: kept.utility_loss,
        tokens: tokens as u64,
        seconds,
    };
    let model = RaceModel {
        model: format!("{} within {}", name_of(&kept.run), kept.budget),
        stage: "unlearned".to_owned(),
        unlearned: Some((kept.run, end)),
        held_out_nll,
    };
    (model, scores)
}

/// The scopes that were asked for and differ for the source language.
fn scopes(asked: &[String], source: Language) -> Result<Vec<LanguageScope>> {
    let all: Vec<LanguageScope> = match asked == ["all"] {
        true => LanguageScope::NAMED.to_vec(),
        false => {
            let parsed: Result<_, _> = asked.iter().map(|scope| scope.parse()).collect();
            parsed?
        }
    };
    Ok(LanguageScope::distinct(&all, source))
}

/// All items in one request.
fn run_of(strategy: &str, scope: &LanguageScope, (rate, set): &Setting) -> RaceRun {
    let set: Vec<String> = set
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    RaceRun {
        strategy: strategy.to_owned(),
        scope: scope.to_string(),
        settings: set.join(" "),
        learning_rate: *rate,
        fraction: 1.0,
        request: 1,
        requests: 1,
    }
}

/// What tells a run from those with other settings and all others.
fn name_of(run: &RaceRun) -> String {
    let mut out = format!("{} in {}", run.strategy, run.scope);
    if run.fraction < 1.0 {
        out += &format!(", {} of the items", run.fraction);
    }
    if run.requests > 1 {
        out += &format!(", request {} of {}", run.request, run.requests);
    }
    out
}

/// An entry in a line: what is left within every budget.
fn described(entry: &Entry) -> String {
    let models = entry.models.iter();
    let ends = models.filter_map(|(model, _)| model.unlearned.as_ref());
    let said: Vec<String> = ends
        .map(|(_, end)| {
            format!(
                "{:.2} left at {:+.2}",
                end.aside_residue, end.aside_utility_loss
            )
        })
        .collect();
    format!("nats on items aside: {}", said.join(", "))
}
