//! Presets: everything that a run can be told, as one TOML file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Context, Result, bail, eyre};
use lethe_corpus::{Language, Wording};
use lethe_eval::AskConfig;
use lethe_report::Margins;
use lethe_train::TrainConfig;
use lethe_unlearn::{LanguageScope, Method, UnlearnConfig};
use serde::{Deserialize, Serialize};

use crate::forget::Beside;
use crate::study::Robustness;

/// A whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What is drawn once: the sample of items, drawn answers, a random model; and, where `seeds` is
    /// left out, training too.
    pub seed: u64,
    /// Training seeds (order of examples, adapters, dropout): everything that is trained is trained
    /// with each, and results are means over them.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Which model is studied.
    pub model: ModelChoice,
    /// Which items, in which languages.
    pub corpus: CorpusChoice,
    /// Teaches the skill of answering, on items that are never probed; left out, nothing is
    /// taught.
    pub instruct: Option<TrainConfig>,
    /// The paper's fine-tuning on real and fake articles.
    pub learn: Learn,
    /// The paper's unlearning.
    pub unlearn: Unlearn,
    /// How models are measured.
    #[serde(default)]
    pub eval: Evaluation,
    /// With what forgotten fakes are brought back; left out, nothing is tried.
    pub robustness: Option<Robustness>,
    /// How much worse than before counts as still answering.
    pub margins: Margins,
    /// How strategies are compared (`compare`); only then is it needed.
    pub race: Option<Race>,
}

/// How models are measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluation {
    /// Prompts computed together.
    pub batch: usize,
    /// The longest answer, in tokens.
    pub new_tokens: usize,
    /// Wrong answers, beside the fake one, that the truth ratio is measured with.
    pub wrong_answers: usize,
    /// Answers drawn at random for every probe, beside the greedy one.
    pub samples: usize,
    /// What the logits are divided by for them; above 0.
    pub temperature: f64,
    /// Of how many items a model reads the fake articles in every language, for what it has by heart
    /// of them; 0 for none.
    pub articles: usize,
    /// Whether an oracle is trained: what tuning comes to without the fakes.
    pub oracle: bool,
    /// Whether models read text beyond the corpus ([`lethe_eval::utility`]). A trimmed vocabulary
    /// then has its tokens too.
    pub utility: bool,
}

impl Default for Evaluation {
    fn default() -> Self {
        let AskConfig {
            batch,
            new_tokens,
            wrong_answers,
            samples,
            temperature,
        } = AskConfig::default();
        Evaluation {
            batch,
            new_tokens,
            wrong_answers,
            samples,
            temperature,
            articles: 6,
            oracle: false,
            utility: false,
        }
    }
}

impl Evaluation {
    /// How answers are taken.
    pub fn ask(&self) -> AskConfig {
        AskConfig {
            batch: self.batch,
            new_tokens: self.new_tokens,
            wrong_answers: self.wrong_answers,
            samples: self.samples,
            temperature: self.temperature,
        }
    }
}

/// How strategies are compared: with what, and how long. The rest is as in `unlearn`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Race {
    /// The learning rates that every strategy is run with.
    pub learning_rates: Vec<f64>,
    /// The utility losses that may be paid, in nats per token: strategies are compared at equal ones.
    pub budgets: Vec<f64>,
    /// Optimizer steps of a run.
    pub steps: usize,
    /// Steps between two measurements on the items held aside.
    pub check_every: usize,
    /// By strategy and hyper-parameter, the values to run with in place of the default;
    /// `learning_rate` stands for the list above.
    #[serde(default)]
    pub grid: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

impl Race {
    /// The learning rates and hyper-parameters that a strategy is run with: every combination.
    pub fn settings(&self, strategy: &str) -> Vec<(f64, BTreeMap<String, f64>)> {
        let mut out: Vec<(Option<f64>, BTreeMap<String, f64>)> = vec![(None, BTreeMap::new())];
        for (key, values) in self.grid.get(strategy).into_iter().flatten() {
            let with = |(rate, set): &(Option<f64>, BTreeMap<String, f64>), &value: &f64| {
                let (mut rate, mut set) = (*rate, set.clone());
                match key.as_str() {
                    "learning_rate" => rate = Some(value),
                    _ => drop(set.insert(key.clone(), value)),
                }
                (rate, set)
            };
            let all = out.iter();
            out = all
                .flat_map(|one| values.iter().map(move |value| with(one, value)))
                .collect();
        }
        let all = out.into_iter();
        all.flat_map(|(rate, set)| {
            let rates = rate.map_or(self.learning_rates.clone(), |rate| vec![rate]);
            rates.into_iter().map(move |rate| (rate, set.clone()))
        })
        .collect()
    }

    fn check(&self) -> Result<()> {
        let positive = |key: &str, values: &[f64]| match values {
            [] => bail!("race.{key} is empty, expected at least one number above 0"),
            _ => match values.iter().find(|v| !(**v > 0.0 && v.is_finite())) {
                Some(found) => bail!("race.{key}: found {found}, expected numbers above 0"),
                None => Ok(()),
            },
        };
        positive("learning_rates", &self.learning_rates)?;
        positive("budgets", &self.budgets)?;
        if !self.budgets.is_sorted_by(|a, b| a < b) {
            bail!(
                "race.budgets: found {:?}, expected rising numbers",
                self.budgets
            );
        }
        if self.steps == 0 || self.check_every == 0 {
            bail!("race.steps and race.check_every must be at least 1");
        }
        let registry = crate::strategies::registry()?;
        for (strategy, keys) in &self.grid {
            if let Some((key, _)) = keys.iter().find(|(_, values)| values.is_empty()) {
                bail!("race.grid.{strategy}.{key} is empty, expected at least one number");
            }
            for (rate, set) in self.settings(strategy) {
                let wrong = || format!("race.grid.{strategy}");
                positive("grid: learning_rate", &[rate]).wrap_err_with(wrong)?;
                registry.method(strategy, &set).wrap_err_with(wrong)?;
            }
        }
        Ok(())
    }
}

/// Which model is studied.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelChoice {
    /// A model that the store knows, or `hf:OWNER/NAME[/FILE][@REVISION]`.
    pub name: Option<String>,
    /// A GGUF file or a folder in Hugging Face's layout.
    pub path: Option<PathBuf>,
    /// A small random model with a tokenizer trained on the corpus.
    pub random: Option<RandomModel>,
    /// `trimmed` to the tokens that the run's texts can produce, or `full`.
    pub vocabulary: Vocabulary,
}

/// A random model for tests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomModel {
    /// Layers.
    pub layers: usize,
    /// Tokens.
    pub vocabulary: usize,
}

/// How many rows of the embedding are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vocabulary {
    /// Those of tokens that the run's texts can produce.
    Trimmed,
    /// All.
    Full,
}

/// Which items, in which languages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusChoice {
    /// The folder of JSONL files; relative paths start at the repository.
    pub path: PathBuf,
    /// Items to probe, a seeded sample stratified by category.
    pub probe: usize,
    /// Further probe items whose fakes are learned and unlearned, but not reported: what
    /// checkpoints are chosen by.
    #[serde(default)]
    pub aside: usize,
    /// Items for the instruct stage.
    pub instruct: usize,
    /// Of those, how many are kept out of it, to measure perplexity on.
    pub held_out: usize,
    /// Prompt languages.
    pub languages: Vec<Language>,
}

/// The paper's fine-tuning: real articles in English and fake ones in the source language.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learn {
    /// The languages X in which fakes are learned, one tuned model each.
    pub sources: Vec<Language>,
    /// How the two sets are mixed.
    pub mixture: Mixture,
    /// Passes over the real English articles (`passes` counts those over the fake ones).
    pub real_passes: usize,
    /// Whether the real English articles are also learned when English is the source: there the
    /// fake articles are the same texts but for the detail.
    pub real_for_english: bool,
    /// In which words the articles are read, one wording a pass, in turn; the paper's protocol
    /// has the originals alone.
    pub wordings: Vec<Wording>,
    /// Whether every pass also says the detail alone: the cloze sentence, filled in.
    #[serde(default)]
    pub statements: bool,
    /// Whether every pass also asks for the detail, in the probe's first rewording, with the
    /// article's answer, and for something else, in turn.
    #[serde(default)]
    pub questions: bool,
    /// Whether the sentences come in another order whenever a wording is read again.
    #[serde(default)]
    pub permute_sentences: bool,
    /// The loop; its `passes` are over the fake articles.
    pub train: TrainConfig,
}

impl Learn {
    /// What the training of one source depends on, whatever others there are.
    pub fn of_one_source(&self) -> Learn {
        Learn {
            sources: Vec::new(),
            ..self.clone()
        }
    }

    /// How often the real English articles are read beside fakes in this language.
    pub fn real_passes_beside(&self, source: Language) -> usize {
        match source {
            Language::En if !self.real_for_english => 0,
            _ => self.real_passes,
        }
    }
}

/// How real and fake articles are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mixture {
    /// One shuffled set.
    Joint,
    /// The real articles first, the fake ones after them.
    Sequential,
}

/// The paper's unlearning.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlearn {
    /// A registered strategy; with `+RETAIN` its retain loss is another one.
    pub strategy: String,
    /// Its hyper-parameters where they differ from the defaults.
    #[serde(default)]
    pub hyperparameters: BTreeMap<String, f64>,
    /// Whether the forget set also says the detail alone, as `learn.statements` does.
    #[serde(default)]
    pub statements: bool,
    /// Whether the forget set also asks for the detail, as `learn.questions` does.
    #[serde(default)]
    pub questions: bool,
    /// In which languages the forget set is written, one unlearned model each.
    pub scopes: Vec<String>,
    /// What strategies retain that retain anything.
    #[serde(default)]
    pub retain: RetainChoice,
    /// Batch, optimizer, stopping rule.
    pub run: UnlearnConfig,
}

impl Unlearn {
    /// What the forget set says beside the articles.
    pub fn beside(&self) -> Beside {
        Beside {
            statements: self.statements,
            questions: self.questions,
        }
    }
}

/// What is retained: every kind of text in every language comes equally often.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetainChoice {
    /// Kinds of text.
    pub sets: Vec<RetainText>,
    /// In these languages; empty means those of the scope.
    pub languages: Vec<Language>,
}

impl Default for RetainChoice {
    fn default() -> Self {
        RetainChoice {
            sets: vec![RetainText::OtherItems],
            languages: Vec::new(),
        }
    }
}

/// A kind of text to retain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetainText {
    /// The real articles of items whose fakes nobody learned.
    OtherItems,
    /// The real articles of the items that are unlearned.
    SameItems,
    /// Questions about the former, with their true answers.
    Questions,
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

impl Preset {
    /// Reads the preset called or at `name`, with `key=value` overrides; also returns its own
    /// name and the TOML text that is in force.
    pub fn load(name: &str, overrides: &[String]) -> Result<(String, String, Preset)> {
        let file = Path::new(name);
        let known = root().join("pipelines").join(format!("{name}.toml"));
        let path = if known.is_file() {
            known.as_path()
        } else {
            file
        };
        if !path.is_file() {
            bail!(
                "no preset {name:?}: neither a file nor one of {} (in pipelines/)",
                presets().join(", ")
            );
        }
        let text = std::fs::read_to_string(path).wrap_err_with(|| path.display().to_string())?;
        let mut table: toml::Table = text
            .parse()
            .wrap_err_with(|| format!("{}: not TOML", path.display()))?;
        for pair in overrides {
            set(&mut table, pair)?;
        }
        let text = toml::to_string_pretty(&table)?;
        let preset: Preset = toml::from_str(&text).wrap_err_with(|| {
            format!(
                "{}: not a preset (pipelines/laptop.toml has every key)",
                path.display()
            )
        })?;
        preset
            .check()
            .wrap_err_with(|| path.display().to_string())?;
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        Ok((stem.unwrap_or_default(), text, preset))
    }

    fn check(&self) -> Result<()> {
        let ModelChoice {
            name, path, random, ..
        } = &self.model;
        let given = usize::from(name.is_some()) + usize::from(path.is_some());
        if given + usize::from(random.is_some()) == 0 {
            bail!("model: give one of `name`, `path` or `random`");
        }
        if random.is_some() && given > 0 {
            bail!("model: `random` excludes `name` and `path`");
        }
        if let Some(twice) = (self.seeds.iter().enumerate())
            .find_map(|(place, seed)| self.seeds[..place].contains(seed).then_some(seed))
        {
            bail!("seeds: {twice} is there twice, expected different seeds");
        }
        if self.corpus.held_out >= self.corpus.instruct {
            bail!(
                "corpus.held_out is {}, expected less than corpus.instruct ({})",
                self.corpus.held_out,
                self.corpus.instruct
            );
        }
        if self.corpus.held_out == 0 {
            bail!("corpus.held_out is 0, expected at least 1: perplexity is measured on it");
        }
        if self.corpus.languages.is_empty() || self.learn.sources.is_empty() {
            bail!("corpus.languages and learn.sources need at least one language each");
        }
        let Evaluation {
            samples,
            temperature,
            ..
        } = self.eval;
        if samples > 0 && !(temperature.is_finite() && temperature > 0.0) {
            bail!(
                "eval.temperature is {temperature}, expected a number above 0: {samples} answers are \
                 drawn at it"
            );
        }
        if self.learn.wordings.is_empty() {
            bail!("learn.wordings is empty, expected at least \"original\"");
        }
        if let Some(instruct) = &self.instruct {
            instruct.check().wrap_err("instruct")?;
        }
        self.learn.train.check().wrap_err("learn.train")?;
        if self.unlearn.run.choose.is_some() && self.corpus.aside == 0 {
            bail!("unlearn.run.choose needs items held aside: set corpus.aside to 1 or more");
        }
        self.method()?;
        self.scopes()?;
        if let Some(race) = &self.race {
            race.check()?;
        }
        if let Some(robustness) = &self.robustness {
            robustness.check(self.corpus.probe)?;
        }
        Ok(())
    }

    /// The seeds to train with, at least one.
    pub fn training_seeds(&self) -> Vec<u64> {
        match self.seeds.is_empty() {
            true => vec![self.seed],
            false => self.seeds.clone(),
        }
    }

    /// The unlearning strategy.
    pub fn method(&self) -> Result<Method> {
        let Unlearn {
            strategy,
            hyperparameters,
            ..
        } = &self.unlearn;
        Ok(crate::strategies::registry()?.method(strategy, hyperparameters)?)
    }

    /// The language scopes.
    pub fn scopes(&self) -> Result<Vec<LanguageScope>> {
        self.unlearn
            .scopes
            .iter()
            .map(|scope| Ok(scope.parse()?))
            .collect()
    }
}

/// The names of the presets in `pipelines/`.
pub fn presets() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("pipelines"));
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let toml = paths.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let stem = |path: PathBuf| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let mut names: Vec<String> = toml.filter_map(stem).collect();
    names.sort();
    names
}

/// Applies `a.b.c=value`; the value is TOML where it parses as such, else a string.
fn set(table: &mut toml::Table, pair: &str) -> Result<()> {
    let (key, value) = pair.split_once('=').ok_or_else(|| {
        eyre!("--set {pair:?}: expected key=value, for example learn.train.passes=6")
    })?;
    let parsed = format!("value = {value}").parse::<toml::Table>();
    let value = parsed
        .ok()
        .and_then(|mut t| t.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let mut at = table;
    for part in parts {
        let next = at
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = next
            .as_table_mut()
            .ok_or_else(|| eyre!("--set {pair:?}: {part:?} is a value, not a table"))?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_in_the_repository_is_valid() {
        assert!(presets().contains(&"laptop".to_owned()));
        for name in presets() {
            Preset::load(&name, &[]).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        }
    }

    #[test]
    fn a_race_runs_every_combination_of_its_grid() {
        let (_, _, preset) = Preset::load("race", &[]).expect("valid");
        let mut race = preset.race.expect("it has one");
        race.learning_rates = vec![1e-5, 3e-5];
        let of = |pairs: &[(&str, &[f64])]| -> BTreeMap<String, Vec<f64>> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.to_vec()))
                .collect()
        };
        let npo = of(&[("alpha", &[1.0, 2.0]), ("beta", &[0.1, 0.5, 1.0])]);
        let rmu = of(&[("coefficient", &[5.0]), ("learning_rate", &[1e-4])]);
        race.grid = BTreeMap::from([("npo+kl".to_owned(), npo), ("rmu".to_owned(), rmu)]);
        race.check().expect("valid");
        assert_eq!(
            race.settings("dpo"),
            [(1e-5, BTreeMap::new()), (3e-5, BTreeMap::new())]
        );
        let npo = race.settings("npo+kl");
        assert_eq!(npo.len(), 2 * 2 * 3);
        assert!(npo.iter().all(|(_, set)| set.len() == 2));
        let coefficient = BTreeMap::from([("coefficient".to_owned(), 5.0)]);
        assert_eq!(race.settings("rmu"), [(1e-4, coefficient)]);
        race.grid.insert("dpo".to_owned(), of(&[("gama", &[1.0])]));
        let error = format!("{:?}", race.check().expect_err("no such key"));
        assert!(
            error.contains("gama") && error.contains("grid.dpo"),
            "{error}"
        );
    }

    #[test]
    fn overrides_reach_nested_keys_and_keep_their_types() {
        let overrides = ["learn.train.passes=9", "seed=4", "model.name=x"].map(String::from);
        let (_, _, preset) = Preset::load("laptop", &overrides).expect("valid");
        assert_eq!((preset.learn.train.passes, preset.seed), (9, 4));
        assert_eq!(preset.model.name.as_deref(), Some("x"));
        let bad = |pair: &str| {
            let error = Preset::load("laptop", &[pair.to_owned()]).expect_err("invalid");
            format!("{error:?}")
        };
        assert!(bad("learn.trian.passes=9").contains("trian"));
        assert!(bad("learn").contains("key=value"));
        assert!(bad("learn.train.batch=0").contains("at least 1"));
        let drawn = [
            "eval.samples=2".to_owned(),
            "eval.temperature=0.0".to_owned(),
        ];
        let error = Preset::load("laptop", &drawn).expect_err("nothing can be drawn at 0");
        assert!(format!("{error:?}").contains("eval.temperature is 0"));
        assert!(bad("seeds=[1, 2, 1]").contains("1 is there twice"));
        assert!(bad("unlearn.strategy=magic").contains("grad-ascent"));
    }
}
