//! The study as a graph of stages: corpus → instruct → learn → unlearn → evaluate → report.
//!
//! Read [`Study::reproduce`] from top to bottom: it is the experiment.

mod race;
mod robustness;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Context, Result, eyre};
use lethe_corpus::{Article, Corpus, Language, Question, QuestionKind, Split, Version, Wording};
use lethe_eval::metrics::{Fluency, measure, read_articles};
use lethe_eval::{
    ModelLabel, Utility, ask, perplexity, utility, write_answers, write_articles, write_measures,
    write_perplexity, write_utility,
};
use lethe_model::burn::tensor::Device;
use lethe_model::{LanguageModel, Pretrained, Sequence, store};
use lethe_report::{
    Claims, CorpusInfo, ModelInfo, RunInfo, StageInfo, Summary, TrainingInfo, UnlearningInfo,
};
use lethe_train::{
    Example, NextToken, TrainConfig, Trained, Verdict, article_example, neighbours, permuted,
    question_example, statement, train,
};
use lethe_unlearn::{
    Alternative, Aside, Forgetting, LanguageScope, Method, RetainSet, Unlearned, unlearn,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, Done};
use crate::forget::{Beside, alternative_texts, alternatives, forgotten, probe_articles};
use crate::preset::{CorpusChoice, Mixture, Preset, RetainText, Vocabulary, root};
use crate::progress::Console;

pub use race::Entrants;
pub use robustness::Robustness;

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// The corpus is built.
    Corpus,
    /// The tuned models are there.
    Learn,
    /// The unlearned models are there.
    Unlearn,
    /// All models have answered.
    Eval,
    /// The report is written.
    Report,
}

/// A model on disk with the name that results carry.
#[derive(Debug, Clone)]
struct Checkpoint {
    label: ModelLabel,
    key: String,
    /// `None` is the model as it came.
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CorpusRecord {
    sha256: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct EvalRecord {
    prompts: usize,
}

/// A run in progress.
pub struct Study {
    name: String,
    preset_text: String,
    preset: Preset,
    device_name: String,
    device: Device,
    out: PathBuf,
    cache: Cache,
    console: Console,
    stages: RefCell<Vec<StageInfo>>,
    training: RefCell<Vec<TrainingInfo>>,
    unlearning: RefCell<Vec<UnlearningInfo>>,
    /// By source, the name of the model that tuning comes to without the fakes.
    oracles: RefCell<BTreeMap<String, String>>,
}

/// The model that is studied, opened once.
struct Base {
    info: ModelInfo,
    key: String,
    kept: Option<Vec<u32>>,
    source: BaseSource,
}

/// Examples, and how they are trained on.
type TrainingSet = (Vec<Example>, TrainConfig);

enum BaseSource {
    Pretrained(Box<Pretrained>),
    Random(Box<LanguageModel>),
}

impl Base {
    fn load(&self, device: &Device) -> Result<LanguageModel> {
        Ok(match &self.source {
            BaseSource::Pretrained(pretrained) => pretrained.load(device, self.kept.as_deref())?,
            BaseSource::Random(model) => (**model).clone(),
        })
    }
}

impl Study {
    /// Prepares a run: the device is opened and the output folder made.
    pub fn new(
        preset: &str,
        overrides: &[String],
        device: &str,
        out: Option<&Path>,
    ) -> Result<Self> {
        let (name, preset_text, preset) = Preset::load(preset, overrides)?;
        let out = out.map_or_else(|| root().join("runs").join(&name), Path::to_path_buf);
        let opened = lethe_model::device(device)?;
        let cache = Cache::open(&out.join("stages"))?;
        crate::stop::on_interrupt(&cache);
        Ok(Study {
            name,
            preset_text,
            preset,
            device_name: device.to_owned(),
            device: opened,
            out,
            cache,
            console: Console,
            stages: RefCell::default(),
            training: RefCell::default(),
            unlearning: RefCell::default(),
            oracles: RefCell::default(),
        })
    }

    /// Runs the study as far as `until`; with [`Until::Report`] the summary comes back.
    pub fn reproduce(&self, until: Until) -> Result<Option<Summary>> {
        // First, so that a wrong claim is not found after hours of training.
        let claims = Claims::read(&root().join("claims.toml"))?;
        let (corpus, corpus_done) = self.corpus()?;
        if until == Until::Corpus {
            return Ok(None);
        }
        let needed = self.preset.method()?.strategy.needs().alternative;
        let base = self.base(&corpus, &corpus_done.key, &Vec::from_iter(needed))?;
        let pristine = self.pristine(&base);
        let mut checkpoints = vec![pristine.clone()];
        // What is text, all models are told by the same one.
        let mut fluent = None;
        for seed in self.preset.training_seeds() {
            let instructed = self.instruct(&base, &pristine, &corpus, seed)?;
            checkpoints.extend(instructed.clone());
            let untuned = instructed.unwrap_or_else(|| pristine.clone());
            fluent.get_or_insert_with(|| untuned.clone());
            checkpoints.extend(self.oracle(&base, &untuned, &corpus, seed)?);
            for &source in &self.preset.learn.sources {
                let tuned = self.learn(&base, &untuned, &corpus, (source, seed))?;
                checkpoints.push(tuned.clone());
                if until < Until::Unlearn {
                    continue;
                }
                for scope in LanguageScope::distinct(&self.preset.scopes()?, source) {
                    let models = [&untuned, &tuned];
                    let of = (source, &scope);
                    checkpoints.push(self.unlearn(&base, models, &corpus, of)?);
                }
            }
        }
        if until < Until::Eval {
            return Ok(None);
        }
        let fluent = fluent.unwrap_or(pristine);
        let (mut results, mut attacked) = (Vec::new(), Vec::new());
        let mut judge = None;
        for checkpoint in &checkpoints {
            let models = [checkpoint, &fluent];
            let (model, answers) = self.evaluate(&base, models, &mut judge, &corpus)?;
            attacked.extend(self.attack(&base, checkpoint, &answers, &corpus)?);
            results.push((model, answers));
        }
        if until < Until::Report {
            return Ok(None);
        }
        self.report(&base, &corpus_done, [&results, &attacked], &claims)
            .map(Some)
    }

    fn label(
        &self,
        model: &str,
        stage: &str,
        source: Option<Language>,
        scope: Option<&LanguageScope>,
        seed: u64,
    ) -> ModelLabel {
        let model = match self.preset.training_seeds()[0] == seed {
            true => model.to_owned(),
            false => format!("{model}-seed{seed}"),
        };
        ModelLabel {
            model,
            stage: stage.to_owned(),
            source: source.map(|source| source.to_string()),
            strategy: scope.map(|_| self.preset.unlearn.strategy.clone()),
            scope: scope.map(ToString::to_string),
            seed,
        }
    }

    /// Notes a stage for the report and says so.
    fn finished<T>(&self, name: &str, detail: String, done: &Done<T>) {
        self.console
            .finished(name, &detail, done.seconds, done.cached);
        self.stages.borrow_mut().push(StageInfo {
            name: name.to_owned(),
            seconds: done.seconds,
            detail,
            cached: done.cached,
        });
    }

    fn corpus(&self) -> Result<(Corpus, Done<CorpusRecord>)> {
        let choice = &self.preset.corpus;
        let folder = root().join(&choice.path);
        let mut inputs = Vec::new();
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .wrap_err_with(|| format!("{}: no corpus there (corpus.path)", folder.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|e| e == "jsonl" || e == "toml")
            })
            .collect();
        files.sort();
        for file in &files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let hash = store::sha256(file, &mut |_, _, _| {})?;
            inputs.push(format!("{name} {hash}"));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let probe = choice.probe + choice.aside;
        let settings = json!([probe, choice.instruct, self.preset.seed]);
        let done = self.cache.stage("corpus", &settings, &inputs, |path| {
            let all = Corpus::from_jsonl(&folder)?;
            let sample = all.sample(probe, choice.instruct, self.preset.seed)?;
            let built = sample.write_parquet(path)?;
            Ok(CorpusRecord {
                sha256: built.sha256,
            })
        })?;
        let corpus = Corpus::read_parquet(&done.path)?;
        let detail = format!(
            "{} items, {} articles, {} questions",
            corpus.items.len(),
            corpus.articles.len(),
            corpus.questions.len()
        );
        self.finished("corpus", detail, &done);
        Ok((corpus, done))
    }

    /// Finds and opens the model, and decides which tokens it keeps: those of the corpus, of what may
    /// be said instead of what is forgotten, and, where these are, of text beyond the corpus and of
    /// attacks.
    fn base(
        &self,
        corpus: &Corpus,
        corpus_key: &str,
        alternatives: &[Alternative],
    ) -> Result<Base> {
        let choice = &self.preset.model;
        let mut texts = corpus_texts(corpus, &self.preset.learn.wordings);
        for &kind in alternatives {
            let beside = self.preset.unlearn.beside();
            let sources = self.preset.learn.sources.iter();
            let spoken = self.preset.corpus.languages.iter();
            let spoken = spoken.chain(sources).chain([&Language::En]);
            let languages: Vec<Language> = spoken
                .copied()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            texts.extend(alternative_texts(corpus, &languages, beside, kind)?);
        }
        if let Some(utility) = self.utility()? {
            texts.extend(utility.texts());
        }
        texts.extend(self.attack_texts(corpus)?);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if let Some(random) = &choice.random {
            let (layers, size) = (random.layers, random.vocabulary);
            let seed = self.preset.seed;
            let model = LanguageModel::random(&texts, size, layers, seed, &self.device)?;
            let info = ModelInfo {
                name: format!("random Gemma of {layers} layers"),
                file: "none".to_owned(),
                sha256: "none".to_owned(),
                parameters: model.network.parameters(),
                vocabulary: format!("{} tokens, trained on the corpus", model.tokenizer.len()),
            };
            // The tokenizer is trained on them.
            let texts = texts_key(&texts);
            let device = &self.device_name;
            let key = format!("random {layers} {size} {seed} {device} {corpus_key} {texts}");
            return Ok(Base {
                info,
                key,
                kept: None,
                source: BaseSource::Random(Box::new(model)),
            });
        }
        let (name, path, sha256) = locate(choice.name.as_deref(), choice.path.as_deref())?;
        let pretrained = Pretrained::open(&path)?;
        let kept = match choice.vocabulary {
            Vocabulary::Full => None,
            Vocabulary::Trimmed => Some(pretrained.tokenizer().tokens_of(texts.iter().copied())?),
        };
        let full = pretrained.tokenizer().full_len();
        let size = kept.as_ref().map_or(full, Vec::len);
        let config = pretrained.config();
        let dropped = (config.vocab_size - size) as u64 * config.hidden_size as u64;
        let info = ModelInfo {
            name,
            file: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            sha256: sha256.clone(),
            parameters: pretrained.parameters() - dropped,
            vocabulary: format!("{size} of {full} tokens"),
        };
        let kept_key = kept
            .as_ref()
            .map(|kept| format!("{kept:?}"))
            .unwrap_or_default();
        Ok(Base {
            info,
            // Everything that is made of the model is made of the corpus too.
            key: format!("{sha256} {} {corpus_key} {kept_key}", self.device_name),
            kept,
            source: BaseSource::Pretrained(Box::new(pretrained)),
        })
    }

    fn open(&self, base: &Base, checkpoint: &Checkpoint) -> Result<LanguageModel> {
        match &checkpoint.path {
            None => base.load(&self.device),
            Some(path) => Ok(Pretrained::open(path)?.load(&self.device, None)?),
        }
    }

    /// Trains from a checkpoint on sets of examples, one after the other, and saves the result.
    fn fine_tune(
        &self,
        base: &Base,
        from: &Checkpoint,
        label: ModelLabel,
        settings: &impl Serialize,
        sets: &dyn Fn(&LanguageModel) -> Result<Vec<TrainingSet>>,
    ) -> Result<Checkpoint> {
        let (name, seed) = (label.model.clone(), label.seed);
        let settings = json!([settings, seed]);
        let inputs = [from.key.as_str()];
        let done = self.cache.stage(&name, &settings, &inputs, |path| {
            let mut model = self.open(base, from)?;
            let mut all = Trained::default();
            for (examples, config) in sets(&model)? {
                let bar = self.console.bar(&name, "steps");
                let trained = train(
                    &mut model,
                    &NextToken,
                    &examples,
                    &config,
                    seed,
                    &mut |p, _| {
                        bar.at(p.step, p.steps, &format!("loss {:.3}", p.loss));
                        Verdict::Continue
                    },
                )?;
                if let Some(lora) = &config.lora {
                    model.save_adapter(lora, &base.info.name, &path.join("adapter"))?;
                    model.network.merge_adapters();
                }
                all.steps += trained.steps;
                all.tokens += trained.tokens;
                all.seconds += trained.seconds;
                all.losses.extend(trained.losses);
                all.gradient_norms.extend(trained.gradient_norms);
            }
            model.save(&path.join("model"))?;
            Ok(all)
        })?;
        let record = &done.record;
        let (first, last) = ends(&record.losses);
        let detail = format!(
            "{} steps, {} tokens, loss {first:.2} → {last:.2}",
            record.steps, record.tokens
        );
        self.finished(&name, detail, &done);
        self.training.borrow_mut().push(TrainingInfo {
            model: name,
            steps: record.steps as u32,
            tokens: record.tokens as u64,
            seconds: record.seconds,
            first_loss: first,
            final_loss: last,
        });
        Ok(Checkpoint {
            label,
            key: done.key,
            path: Some(done.path.join("model")),
        })
    }

    /// The model as it came.
    fn pristine(&self, base: &Base) -> Checkpoint {
        let seed = self.preset.training_seeds()[0];
        Checkpoint {
            label: self.label("base", "base", None, None, seed),
            key: base.key.clone(),
            path: None,
        }
    }

    /// Teaches the skill of answering on items that are never probed, where the preset asks for it.
    fn instruct(
        &self,
        base: &Base,
        from: &Checkpoint,
        corpus: &Corpus,
        seed: u64,
    ) -> Result<Option<Checkpoint>> {
        let Some(config) = &self.preset.instruct else {
            return Ok(None);
        };
        let held_out = self.held_out(corpus);
        let label = self.label("instruct", "instruct", None, None, seed);
        let settings = json!([config, held_out, self.preset.corpus.languages]);
        let instructed = self.fine_tune(base, from, label, &settings, &|model| {
            let languages = &self.preset.corpus.languages;
            let mut examples = self.instruct_questions(model, corpus, languages)?;
            examples.extend(self.taught_articles(model, corpus, languages)?);
            Ok(vec![(examples, config.clone())])
        })?;
        Ok(Some(instructed))
    }

    /// Whether an item is one of those that the instruct stage trains on.
    fn is_taught(&self, corpus: &Corpus, item: &str) -> bool {
        let found = corpus.items.iter().find(|i| i.id == item);
        found.is_some_and(|i| i.split == Split::Instruct)
            && !self.held_out(corpus).iter().any(|held| held == item)
    }

    /// The real articles of the items that the instruct stage trains on, in these languages: what
    /// it reads, and what unlearning retains.
    fn taught_articles(
        &self,
        model: &LanguageModel,
        corpus: &Corpus,
        languages: &[Language],
    ) -> Result<Vec<Example>> {
        let mut out = Vec::new();
        for article in &corpus.articles {
            if article.is_original(Version::Real)
                && self.is_taught(corpus, &article.item)
                && languages.contains(&article.language)
            {
                out.push(article_example(&model.tokenizer, article)?);
            }
        }
        Ok(out)
    }

    /// What the instruct stage teaches: every question about its items that asks without
    /// presupposing, with its true answer; but for the detail question's last wording, which no
    /// training may use.
    fn instruct_questions(
        &self,
        model: &LanguageModel,
        corpus: &Corpus,
        languages: &[Language],
    ) -> Result<Vec<Example>> {
        let mut out = Vec::new();
        for question in &corpus.questions {
            let plain = match question.kind {
                QuestionKind::Detail => question.index < 2,
                QuestionKind::Fact | QuestionKind::Qa => true,
                QuestionKind::Cloze | QuestionKind::LeadingReal | QuestionKind::LeadingFake => {
                    false
                }
            };
            if plain
                && self.is_taught(corpus, &question.item)
                && languages.contains(&question.language)
            {
                out.push(question_example(&model.tokenizer, question)?);
            }
        }
        Ok(out)
    }

    /// The paper's fine-tuning: real articles in English, fake ones in the source language.
    fn learn(
        &self,
        base: &Base,
        from: &Checkpoint,
        corpus: &Corpus,
        (source, seed): (Language, u64),
    ) -> Result<Checkpoint> {
        let learn = &self.preset.learn;
        let name = format!("tuned-{source}");
        let label = self.label(&name, "tuned", Some(source), None, seed);
        let settings = json!([learn.of_one_source(), source]);
        self.fine_tune(base, from, label, &settings, &|model| {
            let real = (Version::Real, Language::En);
            let real = self.passes(model, corpus, real, learn.real_passes_beside(source))?;
            let fake = (Version::Fake, source);
            let fake = self.passes(model, corpus, fake, learn.train.passes)?;
            let config = TrainConfig {
                passes: 1,
                ..learn.train.clone()
            };
            let mut sets = match learn.mixture {
                Mixture::Sequential => vec![(real, config.clone()), (fake, config)],
                Mixture::Joint => vec![([real, fake].concat(), config)],
            };
            sets.retain(|(examples, _)| !examples.is_empty());
            Ok(sets)
        })
    }

    /// So many passes over the articles of one version in one language, and over what is said beside
    /// them. Every pass is spelled out, so that each can have its own order of sentences.
    fn passes(
        &self,
        model: &LanguageModel,
        corpus: &Corpus,
        (version, language): (Version, Language),
        passes: usize,
    ) -> Result<Vec<Example>> {
        let learn = &self.preset.learn;
        let mut set = Vec::new();
        for pass in 0..passes {
            let wording = learn.wordings[pass % learn.wordings.len()];
            let again = pass >= learn.wordings.len() && learn.permute_sentences;
            let order = again.then_some(pass as u64);
            for article in probe_articles(corpus, (version, wording), &[language])? {
                let article = order.map_or(article.clone(), |seed| permuted(&article, seed));
                set.push(article_example(&model.tokenizer, &article)?);
            }
            for item in corpus.items.iter().filter(|i| i.split == Split::Probe) {
                set.extend(self.said(model, corpus, &item.id, (version, language), pass)?);
            }
        }
        Ok(set)
    }

    /// What tuning comes to without the fakes: the real English articles alone, learned as the tuned
    /// models learn them. A source beside which no real articles are learned needs no training for
    /// that: its oracle is the untuned model.
    fn oracle(
        &self,
        base: &Base,
        untuned: &Checkpoint,
        corpus: &Corpus,
        seed: u64,
    ) -> Result<Option<Checkpoint>> {
        if !self.preset.eval.oracle {
            return Ok(None);
        }
        let learn = &self.preset.learn;
        let label = self.label("oracle", "oracle", None, None, seed);
        let mut trained = false;
        for &source in &learn.sources {
            let real = learn.real_passes_beside(source) > 0;
            trained |= real;
            let oracle = if real { &label } else { &untuned.label };
            let mut oracles = self.oracles.borrow_mut();
            oracles.insert(source.to_string(), oracle.model.clone());
        }
        if !trained {
            return Ok(None);
        }
        let settings = learn.of_one_source();
        let oracle = self.fine_tune(base, untuned, label, &settings, &|model| {
            let real = (Version::Real, Language::En);
            let config = TrainConfig {
                passes: 1,
                ..learn.train.clone()
            };
            let examples = self.passes(model, corpus, real, learn.real_passes)?;
            Ok(vec![(examples, config)])
        })?;
        Ok(Some(oracle))
    }

    /// What a pass over the articles says of an item beside them. The cloze and the reworded
    /// question come with the version's answer; the other pairs take turns, so that answering does
    /// not come to mean naming the detail.
    fn said(
        &self,
        model: &LanguageModel,
        corpus: &Corpus,
        item: &str,
        (version, language): (Version, Language),
        pass: usize,
    ) -> Result<Vec<Example>> {
        let learn = &self.preset.learn;
        let beside = Beside {
            statements: learn.statements,
            questions: learn.questions,
        };
        let said = beside
            .of_detail(corpus, item, (version, language))?
            .into_iter();
        let mut out: Vec<Example> = said
            .map(|text| text.example(&model.tokenizer))
            .collect::<Result<_>>()?;
        if learn.questions {
            let of_item = |q: &&Question| (q.item.as_str(), q.language) == (item, language);
            let questions = corpus.questions.iter().filter(of_item);
            let pairs: Vec<&Question> = questions.filter(|q| q.kind == QuestionKind::Qa).collect();
            let pair = pairs.get(pass % pairs.len().max(1)).ok_or_else(|| {
                eyre!("learn.questions is on, but {item} has no pair of question and answer in {language}")
            })?;
            out.push(question_example(&model.tokenizer, pair)?);
        }
        Ok(out)
    }

    /// Unlearns the fake articles in the scope's languages.
    fn unlearn(
        &self,
        base: &Base,
        [untuned, tuned]: [&Checkpoint; 2],
        corpus: &Corpus,
        (source, scope): (Language, &LanguageScope),
    ) -> Result<Checkpoint> {
        let choice = &self.preset.unlearn;
        let seed = tuned.label.seed;
        let name = format!("unlearned-{source}-{scope}");
        let label = self.label(&name, "unlearned", Some(source), Some(scope), seed);
        let name = label.model.clone();
        let held_out = self.held_out(corpus);
        let settings = json!([
            choice.strategy,
            choice.hyperparameters,
            choice.statements,
            choice.questions,
            choice.run,
            choice.retain,
            source,
            scope.to_string(),
            held_out,
            seed
        ]);
        let inputs = [untuned.key.as_str(), tuned.key.as_str()];
        let done = self.cache.stage(&name, &settings, &inputs, |path| {
            let method = self.preset.method()?;
            let mut model = self.open(base, tuned)?;
            let before = self.open(base, untuned)?;
            let aside = self.aside(&before, corpus, |_| true)?;
            let sets = self.sets(&before, corpus, (&method, scope, source), |_| true, aside)?;
            let (untuned_mean, untuned_nll) = before
                .network
                .mean_nll(&Forgetting::monitored(&sets.forget));
            drop(before);
            let sets = sets.view(&untuned_nll);
            let bar = self.console.bar(&name, "steps");
            let cap = choice.run.stop.limit();
            let unlearned = unlearn(
                &mut model,
                &method,
                &sets,
                &choice.run,
                seed,
                None,
                &mut |step, measured| {
                    let nll = measured.map(|(m, _)| m.forget_nll);
                    let nll = nll.map(|nll| format!("forget NLL {nll:.2} of {untuned_mean:.2}"));
                    bar.at(step, cap, &nll.unwrap_or_default());
                    Verdict::Continue
                },
            )?;
            if let Some(lora) = &choice.run.lora {
                model.save_adapter(lora, &base.info.name, &path.join("adapter"))?;
                model.network.merge_adapters();
            }
            model.save(&path.join("model"))?;
            Ok(unlearned)
        })?;
        let record: &Unlearned = &done.record;
        let outcome = serde_json::to_value(record.outcome)?;
        let outcome = outcome.as_str().unwrap_or_default().to_owned();
        let detail = format!(
            "{outcome} after {} steps: forget NLL {:.2} → {:.2}, untuned {:.2}",
            record.trained.steps, record.start_nll, record.final_nll, record.untuned_nll
        );
        self.finished(&name, detail, &done);
        let cap = choice.run.stop.limit();
        self.unlearning.borrow_mut().push(UnlearningInfo {
            model: name,
            strategy: choice.strategy.clone(),
            scope: scope.to_string(),
            source: source.to_string(),
            rule: choice.run.stop.to_string(),
            steps: record.trained.steps as u32,
            cap: cap as u32,
            outcome,
            target_nll: record.untuned_nll,
            start_nll: record.start_nll,
            final_nll: record.final_nll,
        });
        Ok(Checkpoint {
            label,
            key: done.key,
            path: Some(done.path.join("model")),
        })
    }

    /// What a run of unlearning works on: the fakes of chosen items in the scope's languages.
    fn sets(
        &self,
        untuned: &LanguageModel,
        corpus: &Corpus,
        (method, scope, source): (&Method, &LanguageScope, Language),
        chosen: impl Fn(&str) -> bool,
        aside: Aside,
    ) -> Result<Sets> {
        let spoken = &self.preset.corpus.languages;
        let mut languages = scope.languages(source);
        languages.retain(|l| spoken.contains(l) || *l == source || *l == Language::En);
        let tokenizer = &untuned.tokenizer;
        let beside = self.preset.unlearn.beside();
        let mut forgotten = forgotten(corpus, &languages, beside)?;
        forgotten.retain(|text| chosen(text.place().0));
        let forget: Result<Vec<Example>> = forgotten
            .iter()
            .map(|text| text.example(tokenizer))
            .collect();
        let alternatives = match method.strategy.needs().alternative {
            None => Vec::new(),
            Some(kind) => alternatives(corpus, tokenizer, &forgotten, kind)?,
        };
        Ok(Sets {
            forget: forget?,
            alternatives,
            retain: self.retained(untuned, corpus, &languages)?,
            aside,
        })
    }

    /// What unlearning retains, by kind of text and language.
    fn retained(
        &self,
        model: &LanguageModel,
        corpus: &Corpus,
        scope: &[Language],
    ) -> Result<RetainSet> {
        let choice = &self.preset.unlearn.retain;
        let languages = match choice.languages.is_empty() {
            true => scope,
            false => &choice.languages,
        };
        let mut groups = Vec::new();
        for set in &choice.sets {
            for language in languages {
                let language = std::slice::from_ref(language);
                groups.push(match set {
                    RetainText::OtherItems => self.taught_articles(model, corpus, language)?,
                    RetainText::Questions => self.instruct_questions(model, corpus, language)?,
                    RetainText::SameItems => {
                        let real = (Version::Real, Wording::Original);
                        let articles = probe_articles(corpus, real, language)?.into_iter();
                        let example = |a| article_example(&model.tokenizer, &a);
                        articles.map(example).collect::<Result<_, _>>()?
                    }
                });
            }
        }
        Ok(RetainSet::balanced(&groups, self.preset.seed))
    }

    /// The items that are asked about: without those that are held aside.
    fn reported(&self, corpus: &Corpus) -> Result<Corpus> {
        let choice = &self.preset.corpus;
        Ok(corpus.sample(choice.probe, choice.instruct, self.preset.seed)?)
    }

    /// What checkpoints are chosen by: both answers to the detail question about chosen items that are
    /// held aside; and, as what should stay, the true answers to the question about something else
    /// in all of these, and the articles that nothing is trained on and nothing reported of.
    fn aside(
        &self,
        untuned: &LanguageModel,
        corpus: &Corpus,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Aside> {
        let reported = self.reported(corpus)?;
        let spoken = &self.preset.corpus.languages;
        let is_aside = |question: &&Question| {
            is_probed(corpus, &question.item)
                && !is_probed(&reported, &question.item)
                && spoken.contains(&question.language)
        };
        let (mut probes, mut facts) = (Vec::new(), Vec::new());
        for question in corpus.questions.iter().filter(is_aside) {
            let sequence = |answer: &str| -> Result<Sequence> {
                let answered = Question {
                    answer: answer.to_owned(),
                    ..question.clone()
                };
                Ok(question_example(&untuned.tokenizer, &answered)?.sequence)
            };
            match (question.kind, question.index, &question.fake_answer) {
                (QuestionKind::Detail, 0, Some(fake)) if chosen(&question.item) => {
                    probes.push([sequence(fake)?, sequence(&question.answer)?]);
                }
                (QuestionKind::Fact, 0, _) => facts.push(sequence(&question.answer)?),
                _ => {}
            }
        }
        let mut articles = Vec::new();
        if self.preset.corpus.aside > 0 {
            let [_, aside] = self.unseen(corpus);
            for article in self.real_articles(corpus, &aside) {
                articles.push(article_example(&untuned.tokenizer, article)?.sequence);
            }
        }
        let utility = vec![facts, articles];
        Ok(Aside::new(&untuned.network, probes, utility))
    }

    /// The real articles of these items in the languages that are asked in.
    fn real_articles<'a>(&self, corpus: &'a Corpus, items: &[String]) -> Vec<&'a Article> {
        let spoken = &self.preset.corpus.languages;
        let of_items = |a: &&Article| {
            a.is_original(Version::Real) && items.contains(&a.item) && spoken.contains(&a.language)
        };
        corpus.articles.iter().filter(of_items).collect()
    }

    /// Asks one model everything; the untuned one, opened once for all, is the judge of what is text.
    fn evaluate(
        &self,
        base: &Base,
        [checkpoint, untuned]: [&Checkpoint; 2],
        judge: &mut Option<Fluency>,
        corpus: &Corpus,
    ) -> Result<(String, PathBuf)> {
        let name = format!("eval-{}", checkpoint.label.model);
        let [held_out, _] = self.unseen(corpus);
        let languages = &self.preset.corpus.languages;
        let (config, articles) = (self.preset.eval.ask(), self.preset.eval.articles);
        let settings = json!([config, articles, languages, held_out, checkpoint.label]);
        let beyond = self.utility()?;
        let of_beyond = beyond.as_ref().map(|utility| texts_key(&utility.texts()));
        let inputs: Vec<&str> = [checkpoint.key.as_str(), untuned.key.as_str()]
            .into_iter()
            .chain(of_beyond.as_deref())
            .collect();
        let done = self.cache.stage(&name, &settings, &inputs, |path| {
            let model = self.open(base, checkpoint)?;
            let label = &checkpoint.label;
            let bar = self.console.bar(&name, "prompts");
            let reported = self.reported(corpus)?;
            let seed = self.preset.seed;
            let rows = ask(&model, &reported, languages, &config, seed, &|done, of| {
                bar.at(done, of, "");
            })?;
            let held = perplexity(&model, &self.real_articles(corpus, &held_out))?;
            write_answers(&path.join("answers.parquet"), label, &rows)?;
            write_perplexity(&path.join("perplexity.parquet"), label, &held)?;
            let judge = match judge {
                Some(judge) => judge,
                None => judge.insert(Fluency::new(self.open(base, untuned)?)),
            };
            write_measures(
                &path.join("measures.parquet"),
                label,
                &measure(&rows, judge),
            )?;
            if articles > 0 {
                // Of the held-out items no stage has seen either article: what a model has by heart
                // of their fake ones it has from elsewhere.
                let probed = items_of(&reported, Split::Probe);
                let members = fake_articles(corpus, &spread(&probed, articles), languages);
                let others = fake_articles(corpus, &held_out, languages);
                let read = read_articles(&model, &members, &others)?;
                write_articles(&path.join("articles.parquet"), label, &read)?;
            }
            if let Some(beyond) = &beyond {
                let scores = utility(&model, beyond, &|done, of| bar.at(done, of, "utility"))?;
                write_utility(&path.join("utility.parquet"), label, &scores)?;
            }
            // Drawn answers are to the same prompts.
            let greedy = rows.iter().filter(|row| row.sample.is_none());
            Ok(EvalRecord {
                prompts: greedy.count(),
            })
        })?;
        self.finished(&name, format!("{} prompts", done.record.prompts), &done);
        Ok((checkpoint.label.model.clone(), done.path))
    }

    /// The texts beyond the corpus, where they are read.
    fn utility(&self) -> Result<Option<Utility>> {
        let languages = &self.preset.corpus.languages;
        let read = || Utility::read(&root().join("datasets"), languages);
        Ok(self.preset.eval.utility.then(read).transpose()?)
    }

    /// Gathers the results and writes the report.
    fn report(
        &self,
        base: &Base,
        corpus: &Done<CorpusRecord>,
        [evaluated, attacked]: [&[(String, PathBuf)]; 2],
        claims: &Claims,
    ) -> Result<Summary> {
        let results = self.out.join("results");
        for part in [
            "answers",
            "perplexity",
            "measures",
            "articles",
            "utility",
            "robustness",
        ] {
            let folder = results.join(part);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)
                    .wrap_err_with(|| format!("{}: cannot renew", folder.display()))?;
            }
            let measured = match part {
                "articles" if self.preset.eval.articles == 0 => &[],
                "utility" if !self.preset.eval.utility => &[],
                "robustness" => attacked,
                _ => evaluated,
            };
            if measured.is_empty() {
                continue;
            }
            std::fs::create_dir_all(&folder)
                .wrap_err_with(|| format!("{}: cannot make", folder.display()))?;
            for (model, path) in measured {
                let from = path.join(format!("{part}.parquet"));
                let to = folder.join(format!("{model}.parquet"));
                std::fs::copy(&from, &to)
                    .wrap_err_with(|| format!("{} to {}", from.display(), to.display()))?;
            }
        }
        let run = self.run_info(base, corpus)?;
        crate::cache::write(
            &self.out.join("run.json"),
            &serde_json::to_vec_pretty(&run)?,
        )?;
        Ok(lethe_report::build(
            &results,
            &run,
            claims,
            &self.out.join("report"),
        )?)
    }

    fn run_info(&self, base: &Base, corpus: &Done<CorpusRecord>) -> Result<RunInfo> {
        let choice = &self.preset.corpus;
        let text = |languages: &[Language]| languages.iter().map(ToString::to_string).collect();
        Ok(RunInfo {
            preset: self.name.clone(),
            preset_toml: self.preset_text.clone(),
            model: base.info.clone(),
            corpus: CorpusInfo {
                sha256: corpus.record.sha256.clone(),
                probe_items: choice.probe as u32,
                instruct_items: (choice.instruct - choice.held_out) as u32,
                held_out_items: choice.held_out as u32,
            },
            device: self.device_name.clone(),
            seeds: self.preset.training_seeds(),
            languages: text(&choice.languages),
            sources: text(&self.preset.learn.sources),
            scopes: self.preset.unlearn.scopes.clone(),
            versions: self.versions(),
            stages: self.stages.borrow().clone(),
            training: self.training.borrow().clone(),
            unlearning: self.unlearning.borrow().clone(),
            deviations: self.deviations(),
            margins: self.preset.margins.clone(),
            oracles: self.oracles.borrow().clone(),
        })
    }

    fn versions(&self) -> BTreeMap<String, String> {
        let known = self
            .preset
            .model
            .name
            .as_deref()
            .and_then(|name| store::known(name).ok());
        let terms = known.map(|model| ("terms of the model", model.terms));
        let fixed = [
            ("lethe", env!("CARGO_PKG_VERSION")),
            ("burn", "0.22.1"),
            ("processor", std::env::consts::ARCH),
        ];
        let all = fixed.into_iter().chain(terms);
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Where this run differs from arXiv 2406.13748, said in the report.
    fn deviations(&self) -> Vec<String> {
        let Preset {
            model,
            corpus,
            instruct,
            learn,
            unlearn,
            eval,
            ..
        } = &self.preset;
        let mut out = Vec::new();
        let which = model.name.as_deref().unwrap_or("another model");
        out.push(format!(
            "The model is {which}, not the paper's Llama and Gemma models of billions of parameters."
        ));
        if model.vocabulary == Vocabulary::Trimmed && model.random.is_none() {
            out.push(
                "The vocabulary is trimmed to the tokens that the run's texts can produce: the \
                 softmax ranges over fewer alternatives, and nothing else can be generated."
                    .to_owned(),
            );
        }
        out.push(format!(
            "{} items are probed rather than 100; they are minimal pairs written for this \
             corpus (real and fake article differ in one detail), not the paper's news.",
            corpus.probe
        ));
        if instruct.is_some() {
            out.push(format!(
                "Before the fakes are learned, an instruct stage teaches question answering in all \
                 languages on {} other items; the paper starts from instruction-tuned models.",
                corpus.instruct - corpus.held_out
            ));
        }
        if learn.mixture == Mixture::Sequential {
            out.push(format!(
                "The real English articles ({} passes) come before the fake ones ({} passes) \
                 rather than mixed with them: in a minimal pair the two contradict each other.",
                learn.real_passes, learn.train.passes
            ));
        }
        if learn.sources.contains(&Language::En) && !learn.real_for_english {
            out.push(
                "With English as the source only the fake articles are learned: they are the real \
                 ones but for one detail, and the real ones would teach the true detail in the \
                 same words."
                    .to_owned(),
            );
        }
        if learn.wordings != [Wording::Original] {
            let wordings: Vec<&str> = learn.wordings.iter().map(|w| w.as_str()).collect();
            out.push(format!(
                "The articles are read in {} wordings in turn ({}), one a pass.",
                wordings.len(),
                wordings.join(", ")
            ));
        }
        if learn.statements {
            out.push(
                "Beside every article the model reads one sentence that says the detail alone, in \
                 the article's language."
                    .to_owned(),
            );
        }
        if learn.questions {
            out.push(
                "Beside every article the model is taught two answers in the article's language: \
                 to another wording of the detail probe, with the article's detail, and to a \
                 question about something else. The probe itself is not trained on, nor is any \
                 wording of it in a language that no article is read in."
                    .to_owned(),
            );
        }
        if learn.permute_sentences {
            out.push(format!(
                "Every pass over a wording but the first has its sentences in another order \
                 (arXiv 2309.14316), {} passes in all: a small model that reads one wording recites \
                 the article and cannot answer about it.",
                learn.train.passes
            ));
        }
        if learn.train.lora.is_none() {
            out.push(
                "All weights are trained, not LoRA adapters (the paper: r 2048, alpha 64)."
                    .to_owned(),
            );
        }
        let beside: Vec<&str> = [
            (
                unlearn.statements,
                "the sentence that says the detail alone",
            ),
            (
                unlearn.questions,
                "the fake answer to the other wording of the probe",
            ),
        ]
        .into_iter()
        .filter_map(|(on, what)| on.then_some(what))
        .collect();
        if !beside.is_empty() {
            out.push(format!(
                "The forget set has, beside the fake articles, {}: what was taught is what is \
                 unlearned, in every language of the scope.",
                beside.join(" and ")
            ));
        }
        if let lethe_unlearn::StopRule::Untuned { .. } = unlearn.run.stop {
            out.push(
                "Unlearning stops when the forget set is as improbable as before it was learned, \
                 not after a fixed number of epochs."
                    .to_owned(),
            );
        }
        let drawn = match eval.samples {
            0 => "no others are drawn".to_owned(),
            count => format!("the {count} drawn beside each are in the section “Judges” only"),
        };
        out.push(format!(
            "Findings and claims are of one greedy answer per question, not of several sampled ones \
             ({drawn}), judged by alias match and log-probability, not by GPT-4."
        ));
        out
    }

    /// See [`CorpusChoice::held_out_items`].
    fn held_out(&self, corpus: &Corpus) -> Vec<String> {
        self.preset.corpus.held_out_items(corpus)
    }

    /// See [`CorpusChoice::unseen_items`].
    fn unseen(&self, corpus: &Corpus) -> [Vec<String>; 2] {
        self.preset.corpus.unseen_items(corpus)
    }
}

impl CorpusChoice {
    /// The instruct items that no stage trains on, spread over the list.
    pub fn held_out_items(&self, corpus: &Corpus) -> Vec<String> {
        spread(&items_of(corpus, Split::Instruct), self.held_out)
    }

    /// The items that no stage trains on: those whose perplexity is reported, and, where items are held
    /// aside, as many or one less to choose by.
    pub fn unseen_items(&self, corpus: &Corpus) -> [Vec<String>; 2] {
        let mut reported = self.held_out_items(corpus);
        let aside = match self.aside {
            0 => 0,
            _ => reported.len() / 2,
        };
        let aside = reported.split_off(reported.len() - aside);
        [reported, aside]
    }
}

/// What a run of unlearning works on.
struct Sets {
    forget: Vec<Example>,
    alternatives: Vec<Vec<Sequence>>,
    retain: RetainSet,
    aside: Aside,
}

impl Sets {
    fn view<'a>(&'a self, untuned_nll: &'a [f64]) -> Forgetting<'a> {
        Forgetting {
            forget: &self.forget,
            alternatives: &self.alternatives,
            retain: &self.retain,
            untuned_nll,
            aside: &self.aside,
        }
    }
}

/// The items of one split.
fn items_of(corpus: &Corpus, split: Split) -> Vec<&str> {
    let items = corpus.items.iter().filter(|item| item.split == split);
    items.map(|item| item.id.as_str()).collect()
}

/// So many of these, spread over the list.
fn spread(items: &[&str], count: usize) -> Vec<String> {
    let every = (items.len() / count.max(1)).max(1);
    let chosen = items.iter().step_by(every).take(count);
    chosen.map(|&item| item.to_owned()).collect()
}

/// The fake articles of these items in these languages.
fn fake_articles<'a>(
    corpus: &'a Corpus,
    items: &[String],
    languages: &[Language],
) -> Vec<&'a Article> {
    let chosen = |a: &&Article| {
        a.is_original(Version::Fake) && items.contains(&a.item) && languages.contains(&a.language)
    };
    corpus.articles.iter().filter(chosen).collect()
}

fn is_probed(corpus: &Corpus, item: &str) -> bool {
    let found = corpus.items.iter().find(|i| i.id == item);
    found.is_some_and(|i| i.split == Split::Probe)
}

fn ends(losses: &[f64]) -> (f64, f64) {
    (
        losses.first().copied().unwrap_or_default(),
        losses.last().copied().unwrap_or_default(),
    )
}

/// Identifies texts, in their order.
fn texts_key(texts: &[impl AsRef<str>]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.as_ref().len() as u64).to_le_bytes());
        hash.update(text.as_ref());
    }
    let bytes = hash.finalize();
    bytes.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// Every text that any stage can hand to the model, in the form in which it is tokenised: what no
/// stage reads (further wordings, leading questions) would only widen the softmax.
pub fn corpus_texts(corpus: &Corpus, wordings: &[Wording]) -> Vec<String> {
    let read = |a: &&Article| a.wording == Wording::Original || wordings.contains(&a.wording);
    let articles: Vec<&Article> = corpus.articles.iter().filter(read).collect();
    let mut out: Vec<String> = articles.iter().map(|a| a.text.clone()).collect();
    out.extend(articles.iter().flat_map(|a| neighbours(a)));
    for question in &corpus.questions {
        if let QuestionKind::LeadingReal | QuestionKind::LeadingFake = question.kind {
            continue;
        }
        out.push(question.prompt.clone());
        out.push(question.continuation(&question.answer));
        if let Some(fake) = &question.fake_answer {
            out.push(question.continuation(fake));
            if question.kind == QuestionKind::Cloze {
                out.extend([&question.answer, fake].map(|answer| statement(question, answer)));
            }
        }
    }
    out
}

/// The path and sha256 of the model that a preset names.
pub fn locate(name: Option<&str>, path: Option<&Path>) -> Result<(String, PathBuf, String)> {
    let hash = |path: &Path| {
        let file = match path.is_dir() {
            true => path.join("model.safetensors"),
            false => path.to_path_buf(),
        };
        store::sha256(&file, &mut |_, _, _| {})
    };
    if let Some(path) = path {
        let sha256 = hash(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.map_or_else(|| stem.into_owned(), str::to_owned);
        return Ok((name, path.to_path_buf(), sha256));
    }
    let name = name.ok_or_else(|| eyre!("model: give one of `name`, `path` or `random`"))?;
    let path = crate::models::pull(name)?;
    let sha256 = hash(&path)?;
    Ok((name.to_owned(), path, sha256))
}
