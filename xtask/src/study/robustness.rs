//! Do forgotten fakes come back? The attacks of `[robustness]`, on the study's models.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Context, Result, bail};
use lethe_corpus::{Corpus, Language, Split};
use lethe_eval::{
    AskConfig, Attack, Elicit, ModelLabel, Phrases, Prompt, PromptAttack, RelearnOn, RobustnessRow,
    attacked, half, read_answers, write_robustness,
};
use lethe_model::{LanguageModel, LoraConfig, Precision, QUANTISED_BITS};
use lethe_train::{
    Example, NextToken, OptimizerConfig, Schedule, TrainConfig, Verdict, article_example, train,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Base, Checkpoint, EvalRecord, Study, items_of, texts_key};
use crate::forget::forgotten;
use crate::preset::root;

/// Which attacks are run, on which models.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Robustness {
    /// On which models.
    pub models: Vec<Attacked>,
    /// After how many optimizer steps a model that learns again is asked: points of one run, rising.
    pub relearn_steps: Vec<usize>,
    /// What is learned again, one run each.
    pub relearn_on: Vec<RelearnOn>,
    /// How: only needed where `relearn_steps` are.
    pub relearn: Relearn,
    /// To how many bits a weight dense layers are rounded.
    pub quantise: Vec<u32>,
    /// In which other ways is asked.
    pub prompts: Vec<PromptAttack>,
    /// How many answered questions stand before a question (`few-shot`).
    pub few_shot: usize,
}

/// A kind of model that is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attacked {
    /// The one that never learned the fakes: what attacks suggest by themselves.
    Untuned,
    /// What tuning comes to without the fakes, where the run trains it.
    Oracle,
    /// Those that learned them.
    Tuned,
    /// Those that unlearned them.
    Unlearned,
}

/// How a model learns again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relearn {
    /// Examples in a step.
    pub batch: usize,
    /// In what precision dense layers multiply.
    pub precision: Precision,
    /// AdamW, schedule, clipping.
    pub optimizer: OptimizerConfig,
    /// Train adapters instead of all weights.
    pub lora: Option<LoraConfig>,
}

impl Default for Relearn {
    fn default() -> Self {
        let config = TrainConfig::default();
        Relearn {
            batch: config.batch,
            precision: config.precision,
            optimizer: config.optimizer,
            lora: config.lora,
        }
    }
}

impl Relearn {
    fn train(&self) -> TrainConfig {
        TrainConfig {
            batch: self.batch,
            precision: self.precision,
            optimizer: self.optimizer.clone(),
            lora: self.lora.clone(),
            ..TrainConfig::default()
        }
    }
}

impl Default for Robustness {
    fn default() -> Self {
        Robustness {
            models: vec![
                Attacked::Untuned,
                Attacked::Oracle,
                Attacked::Tuned,
                Attacked::Unlearned,
            ],
            relearn_steps: vec![4, 16],
            relearn_on: vec![RelearnOn::Unrelated, RelearnOn::Forget],
            relearn: Relearn::default(),
            quantise: QUANTISED_BITS.to_vec(),
            prompts: PromptAttack::ALL.to_vec(),
            few_shot: 4,
        }
    }
}

impl Robustness {
    /// Refuses settings outside their range, for so many items that are asked about.
    pub fn check(&self, probed: usize) -> Result<()> {
        if self.models.is_empty() {
            bail!("robustness.models is empty, expected some of untuned, oracle, tuned, unlearned");
        }
        if self.relearn_steps.is_empty() && self.quantise.is_empty() && self.prompts.is_empty() {
            bail!(
                "robustness has no attack: expected relearn_steps, quantise or prompts; or leave the \
                 table out"
            );
        }
        let rising = self.relearn_steps.is_sorted_by(|a, b| a < b);
        if self.relearn_steps.first() == Some(&0) || !rising {
            bail!(
                "robustness.relearn_steps: found {:?}, expected rising numbers from 1 on",
                self.relearn_steps
            );
        }
        let relearns = !self.relearn_steps.is_empty();
        if relearns && self.relearn_on.is_empty() {
            bail!("robustness.relearn_on is empty, expected some of unrelated, forget");
        }
        // That there are none is what the corpus refuses.
        if relearns && self.relearn_on.contains(&RelearnOn::Forget) && probed == 1 {
            bail!(
                "robustness.relearn_on has \"forget\": one half of the items is learned again and \
                 the other asked about, but corpus.probe is 1, expected 2 or more"
            );
        }
        if self.relearn.optimizer.schedule != Schedule::Constant {
            bail!(
                "robustness.relearn.optimizer.schedule must be \"constant\": each of relearn_steps is a \
                 point of one run"
            );
        }
        if let Some(bits) = self.quantise.iter().find(|b| !QUANTISED_BITS.contains(b)) {
            bail!("robustness.quantise: found {bits} bits, expected some of {QUANTISED_BITS:?}");
        }
        if self.few_shot == 0 {
            bail!(
                "robustness.few_shot is 0, expected at least 1; or leave few-shot out of prompts"
            );
        }
        fn twice<T: PartialEq>(key: &str, all: &[T]) -> Result<()> {
            match all
                .iter()
                .enumerate()
                .any(|(place, one)| all[..place].contains(one))
            {
                true => bail!("robustness.{key} has the same entry twice"),
                false => Ok(()),
            }
        }
        twice("models", &self.models)?;
        twice("relearn_on", &self.relearn_on)?;
        twice("quantise", &self.quantise)?;
        twice("prompts", &self.prompts)?;
        self.relearn.train().check().wrap_err("robustness.relearn")
    }
}

/// What is asked of a model, and with what.
struct Questions<'a> {
    elicit: Elicit<'a>,
    plain: Vec<Prompt>,
    config: AskConfig,
}

impl Study {
    /// Every text that an attack can hand to a model, in the form in which it is tokenised.
    pub(super) fn attack_texts(&self, corpus: &Corpus) -> Result<Vec<String>> {
        let Some(choice) = &self.preset.robustness else {
            return Ok(Vec::new());
        };
        let reported = self.reported(corpus)?;
        let phrases = Phrases::read(&root().join("datasets"))?;
        let held_out = self.held_out(corpus);
        let answers_in = answers_in(&self.preset.learn.sources);
        let elicit = self.elicit(choice, &reported, &phrases, (&answers_in, &held_out));
        let mut out = Vec::new();
        for &way in &choice.prompts {
            let prompts = elicit.prompts(way)?;
            out.extend(prompts.iter().flat_map(|p| p.texts().map(str::to_owned)));
        }
        Ok(out)
    }

    fn elicit<'a>(
        &'a self,
        choice: &Robustness,
        corpus: &'a Corpus,
        phrases: &'a Phrases,
        (answers_in, examples): (&'a [Language], &'a [String]),
    ) -> Elicit<'a> {
        Elicit {
            corpus,
            languages: &self.preset.corpus.languages,
            phrases,
            answers_in,
            examples,
            pairs: choice.few_shot,
        }
    }

    /// Attacks one model, whose answers to the plain probe lie in the folder `evaluated`; nothing for
    /// models that are not attacked.
    pub(super) fn attack(
        &self,
        base: &Base,
        checkpoint: &Checkpoint,
        evaluated: &Path,
        corpus: &Corpus,
    ) -> Result<Option<(String, PathBuf)>> {
        let Some(choice) = &self.preset.robustness else {
            return Ok(None);
        };
        let label = &checkpoint.label;
        let kind = match (label.stage.as_str(), &self.preset.instruct) {
            ("instruct", _) | ("base", None) => Some(Attacked::Untuned),
            ("oracle", _) => Some(Attacked::Oracle),
            ("tuned", _) => Some(Attacked::Tuned),
            ("unlearned", _) => Some(Attacked::Unlearned),
            _ => None,
        };
        if kind.is_none_or(|kind| !choice.models.contains(&kind)) {
            return Ok(None);
        }
        let all = &self.preset.learn.sources;
        let own = all.iter().filter(|source| {
            let code = label.source.as_deref();
            code.is_none_or(|code| code == source.code())
        });
        // Models without a source are what those of every source are compared with.
        let sources: Vec<Language> = own.copied().collect();
        let answers_in = answers_in(&sources);
        let held_out = self.held_out(corpus);
        let phrases = Phrases::read(&root().join("datasets"))?;
        let texts = texts_key(&self.attack_texts(corpus)?);
        let name = stage_name(label);
        let mut config = self.preset.eval.ask();
        config.samples = 0;
        let unlearn = &self.preset.unlearn;
        let beside = [unlearn.statements, unlearn.questions];
        let languages = &self.preset.corpus.languages;
        let settings = json!([
            choice.relearn_steps,
            choice.relearn_on,
            choice.relearn,
            choice.quantise,
            choice.prompts,
            choice.few_shot,
            config,
            languages,
            held_out,
            sources,
            beside,
            label
        ]);
        let inputs = [checkpoint.key.as_str(), &texts];
        let done = self.cache.stage(&name, &settings, &inputs, |path| {
            let reported = self.reported(corpus)?;
            let elicit = self.elicit(choice, &reported, &phrases, (&answers_in, &held_out));
            let asked = Questions {
                plain: elicit.plain(),
                elicit,
                config,
            };
            let model = self.open(base, checkpoint)?;
            let (_, answers) = read_answers(&evaluated.join("answers.parquet"))?;
            let mut rows: Vec<RobustnessRow> =
                answers.iter().filter_map(RobustnessRow::plain).collect();
            for &way in &choice.prompts {
                let prompts = asked.elicit.prompts(way)?;
                // Of one language of the answer each, so that a batch has like prompts.
                for prompts in prompts_by_attack(prompts) {
                    let attack = prompts[0].attack;
                    rows.extend(self.asked(&name, &model, attack, &prompts, &asked)?);
                }
            }
            for &bits in &choice.quantise {
                let rounded = LanguageModel {
                    network: model.network.quantised(bits)?,
                    tokenizer: model.tokenizer.clone(),
                };
                let attack = Attack::Quantise { bits };
                rows.extend(self.asked(&name, &rounded, attack, &asked.plain, &asked)?);
            }
            for &language in &sources {
                for &on in choice
                    .relearn_on
                    .iter()
                    .filter(|_| !choice.relearn_steps.is_empty())
                {
                    rows.extend(self.relearned(label, &model, (on, language), choice, &asked)?);
                }
            }
            write_robustness(&path.join("robustness.parquet"), label, &rows)?;
            Ok(EvalRecord {
                prompts: rows.len(),
            })
        })?;
        self.finished(&name, format!("{} prompts", done.record.prompts), &done);
        Ok(Some((label.model.clone(), done.path)))
    }

    fn asked(
        &self,
        name: &str,
        model: &LanguageModel,
        attack: Attack,
        prompts: &[Prompt],
        asked: &Questions,
    ) -> Result<Vec<RobustnessRow>> {
        let bar = self.console.bar(name, "prompts");
        let at = |done, of| bar.at(done, of, attack.name());
        let none = BTreeSet::new();
        Ok(attacked(
            model,
            (attack, &none),
            prompts,
            &asked.config,
            &at,
        )?)
    }

    /// One run of learning again, and what the model then says at each of its points.
    fn relearned(
        &self,
        label: &ModelLabel,
        model: &LanguageModel,
        (on, language): (RelearnOn, Language),
        choice: &Robustness,
        asked: &Questions,
    ) -> Result<Vec<RobustnessRow>> {
        let reported = asked.elicit.corpus;
        let relearned = match on {
            RelearnOn::Unrelated => BTreeSet::new(),
            // The same half whatever the training's seed.
            RelearnOn::Forget => half(&items_of(reported, Split::Probe), self.preset.seed),
        };
        let examples: Vec<Example> = match on {
            RelearnOn::Unrelated => {
                let articles = reported.articles.iter().filter(|a| {
                    a.is_original(lethe_corpus::Version::Real)
                        && a.language == language
                        && asked.elicit.examples.contains(&a.item)
                });
                let example = |a| article_example(&model.tokenizer, a);
                articles.map(example).collect::<Result<_, _>>()?
            }
            RelearnOn::Forget => {
                let beside = self.preset.unlearn.beside();
                let mut texts = forgotten(reported, &[language], beside)?;
                texts.retain(|text| relearned.contains(text.place().0));
                let example = |text: &crate::forget::Text| text.example(&model.tokenizer);
                texts.iter().map(example).collect::<Result<_>>()?
            }
        };
        let last = choice.relearn_steps.last().copied().unwrap_or(0);
        let mut config = choice.relearn.train();
        let a_pass = examples.len().div_ceil(config.batch).max(1);
        config.passes = last.div_ceil(a_pass);
        let mut model = model.clone();
        let mut rows = Ok(Vec::new());
        train(
            &mut model,
            &NextToken,
            &examples,
            &config,
            label.seed,
            &mut |progress, model| {
                let Ok(known) = &mut rows else {
                    return Verdict::Stop;
                };
                if choice.relearn_steps.contains(&progress.step) {
                    let steps = u32::try_from(progress.step).unwrap_or(u32::MAX);
                    let attack = Attack::Relearn {
                        on,
                        steps,
                        language,
                    };
                    let bar = self.console.bar(&stage_name(label), "prompts");
                    let at = |done, of| bar.at(done, of, attack.name());
                    let what = (attack, &relearned);
                    match attacked(model, what, &asked.plain, &asked.config, &at) {
                        Ok(more) => known.extend(more),
                        Err(error) => rows = Err(error),
                    }
                }
                match progress.step < last {
                    true => Verdict::Continue,
                    false => Verdict::Stop,
                }
            },
        )?;
        Ok(rows?)
    }
}

fn stage_name(label: &ModelLabel) -> String {
    format!("robustness-{}", label.model)
}

/// In which languages questions are wanted to be answered: those of the fakes, and English.
fn answers_in(sources: &[Language]) -> Vec<Language> {
    let all: BTreeSet<Language> = sources.iter().copied().chain([Language::En]).collect();
    all.into_iter().collect()
}

/// Those of each attack together.
fn prompts_by_attack(prompts: Vec<Prompt>) -> Vec<Vec<Prompt>> {
    let mut out: Vec<Vec<Prompt>> = Vec::new();
    for prompt in prompts {
        match out.iter_mut().find(|of| of[0].attack == prompt.attack) {
            Some(of) => of.push(prompt),
            None => out.push(vec![prompt]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::preset::Preset;

    #[test]
    fn bad_values_are_refused_when_the_preset_is_read() {
        let load = |pairs: &[&str]| {
            let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
            Preset::load("laptop", &pairs)
        };
        let (_, _, preset) = load(&[]).expect("valid");
        assert!(preset.robustness.is_none(), "laptop is not made slower");
        let (_, _, preset) = load(&["robustness={}"]).expect("valid");
        let choice = preset.robustness.expect("it is on");
        assert_eq!(
            (choice.few_shot, choice.quantise.as_slice()),
            (4, &[8, 4][..])
        );
        for (pair, says) in [
            (
                "robustness.relearn_steps=[0, 4]",
                ["[0, 4]", "rising numbers from 1"],
            ),
            ("robustness.relearn_steps=[8, 4]", ["[8, 4]", "rising"]),
            (
                "robustness.relearn_on=[]",
                ["relearn_on", "unrelated, forget"],
            ),
            (
                "robustness.relearn_on=[\"poems\"]",
                ["`poems`", "`unrelated` or `forget`"],
            ),
            ("robustness.quantise=[8, 3]", ["3 bits", "[8, 4]"]),
            (
                "robustness.prompts=[\"sonnet\"]",
                [
                    "`sonnet`",
                    "`paraphrased`, `cloze`, `leading`, `cross-lingual`, `few-shot`",
                ],
            ),
            (
                "robustness.prompts=[\"cloze\", \"cloze\"]",
                ["prompts", "twice"],
            ),
            (
                "robustness.models=[]",
                ["models", "untuned, oracle, tuned, unlearned"],
            ),
            ("robustness.models=[\"base\"]", ["`base`", "`untuned`"]),
            ("robustness.few_shot=0", ["few_shot", "at least 1"]),
            (
                "robustness.relearn.batch=0",
                ["robustness.relearn", "batch"],
            ),
            ("robustness.relearn.passes=2", ["passes", "precision"]),
            (
                "robustness={ relearn_steps = [], quantise = [], prompts = [] }",
                ["no attack", "leave the"],
            ),
        ] {
            let error = load(&[pair]).expect_err(pair);
            let error = format!("{error:?}");
            for part in says {
                assert!(error.contains(part), "{pair}: no {part:?} in {error}");
            }
        }
        let error = load(&["robustness={}", "corpus.probe=1"]).expect_err("no other half");
        assert!(format!("{error:?}").contains("2 or more"), "{error:?}");
    }
}
