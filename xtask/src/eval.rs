//! `eval --model`: answers, perplexity and utility, which a run measures of its models, of any model.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Context, Result, bail, eyre};
use comfy_table::{CellAlignment, Table};
use lethe_corpus::{Article, Corpus, Language, Split, Version, Wording};
use lethe_eval::{
    AnswerRow, AskConfig, ModelLabel, PerplexityRow, Utility, UtilityRow, ask, perplexity, utility,
    write_answers, write_perplexity, write_utility,
};
use lethe_report::stats::{Estimate, SEED, bootstrap_mean};
use serde_json::json;

use crate::checkpoint::{self, Rows};
use crate::preset::{Preset, root};
use crate::progress::Console;
use crate::study::{Until, corpus_texts};
use crate::{Run, cache};

/// What to evaluate.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    one: One,
}

/// One model, of no run or out of one.
#[derive(Args)]
struct One {
    /// Evaluate this model rather than a run's: a GGUF file, a folder in Hugging Face's layout, a
    /// stage folder of a run, or a name as in `models pull`. With --preset it is asked what that
    /// run's models are asked, else the whole corpus. --out is then a folder to write
    /// [default: runs/eval-LABEL]
    #[arg(long, value_name = "PATH|NAME")]
    model: Option<String>,
    /// Another corpus' folder of JSON Lines [default: datasets/news]
    #[arg(
        long,
        value_name = "DIR",
        requires = "model",
        conflicts_with = "preset"
    )]
    corpus: Option<PathBuf>,
    /// In which languages to ask [default: the preset's, else all]
    #[arg(long, value_name = "CODES", value_delimiter = ',', requires = "model")]
    languages: Vec<Language>,
    /// Over which tokens the probabilities are, where the model on disk has all
    #[arg(long, value_enum, default_value = "trimmed", requires = "model")]
    vocabulary: Rows,
    /// Leave out what has nothing to do with the corpus
    #[arg(long, requires = "model")]
    no_utility: bool,
    /// What the rows call the model [default: its own name]
    #[arg(long, value_name = "NAME", requires = "model")]
    label: Option<String>,
    /// What the rows say of how it came to be
    #[arg(long, value_enum, default_value = "base", requires = "model")]
    stage: Stage,
    /// The language in which it learned the fakes (stage tuned or unlearned)
    #[arg(long, value_name = "CODE", requires = "model")]
    source: Option<Language>,
    /// The unlearning strategy (stage unlearned)
    #[arg(long, value_name = "NAME", requires = "model")]
    strategy: Option<String>,
    /// The unlearning language scope (stage unlearned)
    #[arg(long, value_name = "SCOPE", requires = "model")]
    scope: Option<String>,
    /// Its training seed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "model")]
    seed: u64,
    /// Replace an earlier evaluation at --out
    #[arg(long, requires = "model")]
    replace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    Base,
    Instruct,
    Oracle,
    Tuned,
    Unlearned,
}

/// The file that says that a folder is an evaluation.
const RECORD: &str = "eval.json";

/// Does what is asked: a run as far as evaluation, or one model.
pub fn run(options: &Options) -> Result<()> {
    match &options.one.model {
        None => crate::study(&options.run, Until::Eval),
        Some(model) => evaluate(model, &options.one, &options.run),
    }
}

impl One {
    /// What every row says of the model, if it is consistent.
    fn label(&self, name: &str) -> Result<ModelLabel> {
        let name = self.label.as_deref().unwrap_or(name);
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            bail!("--label {name:?}: it becomes a file's name: expected no slash and no dot first");
        }
        let needs = |key: &str, given: bool, needed: bool| match (given, needed) {
            (true, false) => bail!(
                "--{key}: a model of the stage {} has none; give --stage too, or leave it out",
                self.stage.name()
            ),
            (false, true) => bail!("--stage {}: give --{key} too", self.stage.name()),
            _ => Ok(()),
        };
        let is_unlearned = self.stage == Stage::Unlearned;
        let is_taught = is_unlearned || self.stage == Stage::Tuned;
        needs("source", self.source.is_some(), is_taught)?;
        needs("strategy", self.strategy.is_some(), is_unlearned)?;
        needs("scope", self.scope.is_some(), is_unlearned)?;
        if let Some(scope) = &self.scope {
            scope.parse::<lethe_unlearn::LanguageScope>()?;
        }
        Ok(ModelLabel {
            model: name.to_owned(),
            stage: self.stage.name().to_owned(),
            source: self.source.map(|source| source.to_string()),
            strategy: self.strategy.clone(),
            scope: self.scope.clone(),
            seed: self.seed,
        })
    }
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Base => "base",
            Stage::Instruct => "instruct",
            Stage::Oracle => "oracle",
            Stage::Tuned => "tuned",
            Stage::Unlearned => "unlearned",
        }
    }
}

/// What a model is asked and how.
struct Questions {
    /// What the vocabulary is trimmed to.
    texts: Vec<String>,
    probed: Corpus,
    held_out: Vec<Article>,
    languages: Vec<Language>,
    config: AskConfig,
    /// Of what is drawn.
    seed: u64,
    /// In words.
    what: String,
}

fn real_articles(
    corpus: &Corpus,
    languages: &[Language],
    has: impl Fn(&str) -> bool,
) -> Vec<Article> {
    let is_it = |a: &&Article| {
        a.is_original(Version::Real) && languages.contains(&a.language) && has(&a.item)
    };
    corpus.articles.iter().filter(is_it).cloned().collect()
}

/// What the models of a run with this preset are asked, or the whole of a corpus.
fn questions(one: &One, run: &Run) -> Result<Questions> {
    let asked = |all: &[Language]| match one.languages.as_slice() {
        [] => all.to_vec(),
        some => some.to_vec(),
    };
    let Some(preset) = &run.preset else {
        if !run.overrides.is_empty() {
            bail!("--set changes a preset: give --preset too");
        }
        let folder = one.corpus.clone();
        let folder = folder.unwrap_or_else(|| root().join("datasets/news"));
        let corpus = Corpus::from_jsonl(&folder)?;
        let languages = asked(&Language::ALL);
        let instruct = corpus.of_split(Split::Instruct);
        return Ok(Questions {
            texts: corpus_texts(&corpus, &[Wording::Original]),
            held_out: real_articles(&instruct, &languages, |_| true),
            probed: corpus.of_split(Split::Probe),
            languages,
            config: AskConfig::default(),
            seed: one.seed,
            what: folder.display().to_string(),
        });
    };
    let (name, _, preset) = Preset::load(preset, &run.overrides)?;
    let choice = &preset.corpus;
    let all = Corpus::from_jsonl(&root().join(&choice.path))?;
    let sample = |probe| all.sample(probe, choice.instruct, preset.seed);
    let corpus = sample(choice.probe + choice.aside)?;
    let languages = asked(&choice.languages);
    let [held_out, _] = choice.unseen_items(&corpus);
    Ok(Questions {
        texts: corpus_texts(&corpus, &preset.learn.wordings),
        held_out: real_articles(&corpus, &languages, |item| {
            held_out.iter().any(|held| held == item)
        }),
        probed: sample(choice.probe)?,
        languages,
        config: preset.eval.ask(),
        seed: preset.seed,
        what: format!("preset {name}"),
    })
}

fn evaluate(model: &str, one: &One, run: &Run) -> Result<()> {
    let mut asked = questions(one, run)?;
    let languages = asked.languages.as_slice();
    let beyond = match one.no_utility {
        true => None,
        false => Some(Utility::read(&root().join("datasets"), languages)?),
    };
    asked.texts.extend(beyond.iter().flat_map(Utility::texts));
    let texts: Vec<&str> = asked.texts.iter().map(String::as_str).collect();
    let device = lethe_model::device(&run.device)?;
    let (named, model) = checkpoint::open(model, one.vocabulary, &texts, &device)?;
    let label = one.label(&named.name)?;
    let standard = || root().join("runs").join(format!("eval-{}", label.model));
    let out = run.out.clone().unwrap_or_else(standard);
    // Before the work, not only after it.
    place(&out, one.replace)?;
    eprintln!(
        "{}, {}: {}",
        label.model,
        named.vocabulary,
        named.path.display()
    );

    let console = Console;
    let bar = console.bar("eval", "prompts");
    let at = |done, of| bar.at(done, of, "");
    let answers = ask(
        &model,
        &asked.probed,
        languages,
        &asked.config,
        asked.seed,
        &at,
    )?;
    let articles: Vec<&Article> = asked.held_out.iter().collect();
    let held_out = perplexity(&model, &articles)?;
    let scores = match &beyond {
        Some(beyond) => utility(&model, beyond, &at)?,
        None => Vec::new(),
    };
    drop(bar);

    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let said = || out.display().to_string();
    std::fs::create_dir_all(parent).wrap_err_with(said)?;
    let work = tempfile::Builder::new().prefix(".eval-").tempdir_in(parent);
    let work = work.wrap_err_with(said)?;
    let whole = work.path().join("whole");
    let file = |part: &str| whole.join(part).join(format!("{}.parquet", label.model));
    write_answers(&file("answers"), &label, &answers)?;
    write_perplexity(&file("perplexity"), &label, &held_out)?;
    if beyond.is_some() {
        write_utility(&file("utility"), &label, &scores)?;
    }
    let record = json!({
        "label": label,
        "model": named,
        "asked": asked.what,
        "languages": languages,
        "config": asked.config,
        "seed": asked.seed,
        "device": run.device,
        "version": env!("CARGO_PKG_VERSION"),
    });
    cache::write(&whole.join(RECORD), &serde_json::to_vec_pretty(&record)?)?;
    place(&out, one.replace)?;
    if out.exists() {
        std::fs::rename(&out, work.path().join("old")).wrap_err_with(said)?;
    }
    std::fs::rename(&whole, &out).wrap_err_with(said)?;

    println!("{}", table(languages, &answers, &held_out));
    if beyond.is_some() {
        println!("{}", beyond_table(languages, &scores));
    }
    println!("95 % bootstrap intervals over items; nats are of the whole answers, or per token.");
    println!("{}", out.display());
    Ok(())
}

/// An error if something is there that may not be replaced.
fn place(out: &Path, replace: bool) -> Result<()> {
    match (out.exists(), replace) {
        (false, _) => Ok(()),
        (true, true) if out.join(RECORD).is_file() => Ok(()),
        (true, true) => Err(eyre!(
            "{}: it is no evaluation (no {RECORD}), so it is not replaced; name another folder",
            out.display()
        )),
        (true, false) => Err(eyre!(
            "{}: exists already; name another folder with --out, or add --replace if it is an \
             earlier evaluation",
            out.display()
        )),
    }
}

/// Values with the item that each is of: those of an item are averaged.
fn by_item<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Vec<f64> {
    let mut items: Vec<(&str, f64, f64)> = Vec::new();
    for (item, value) in values {
        match items.iter_mut().find(|(known, ..)| *known == item) {
            Some((_, sum, count)) => {
                *sum += value;
                *count += 1.0;
            }
            None => items.push((item, value, 1.0)),
        }
    }
    items.iter().map(|(_, sum, count)| sum / count).collect()
}

fn cell(values: &[f64], shown: impl Fn(f64) -> String) -> String {
    match bootstrap_mean(values, SEED) {
        Ok(Estimate {
            mean, low, high, ..
        }) => format!("{} [{},\u{a0}{}]", shown(mean), shown(low), shown(high)),
        // Nothing was asked there.
        Err(_) => "–".to_owned(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0}", 100.0 * share)
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

fn perplexity_of(nll: f64) -> String {
    format!("{:.1}", nll.exp())
}

/// The languages, each with which rows are its own, and all of them together.
fn with_all(languages: &[Language]) -> Vec<(&'static str, Option<Language>)> {
    let each = languages.iter().map(|&l| (l.name(), Some(l)));
    match languages.len() {
        1 => each.collect(),
        _ => each.chain([("all", None)]).collect(),
    }
}

fn aligned(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Of the greedy answers.
fn table(languages: &[Language], answers: &[AnswerRow], held_out: &[PerplexityRow]) -> Table {
    let mut table = crate::corpus::table(&[
        "language",
        "fake said, %",
        "fake preferred, %",
        "preference, nats",
        "truth said, %",
        "F1",
        "ln P(truth)/token",
        "perplexity",
    ]);
    for (name, language) in with_all(languages) {
        let is_of = |l: Language| language.is_none_or(|language| language == l);
        let of = |probe: &str, value: fn(&AnswerRow) -> Option<f64>| -> Vec<f64> {
            let rows = answers
                .iter()
                .filter(|row| row.sample.is_none() && row.probe == probe)
                .filter(|row| is_of(row.language));
            by_item(rows.filter_map(|row| Some((row.item.as_str(), value(row)?))))
        };
        let nll = held_out.iter().filter(|row| is_of(row.language));
        let nll: Vec<f64> = nll.map(|row| row.nll).collect();
        table.add_row([
            name.to_owned(),
            cell(
                &of("detail", |r| Some(f64::from(r.fake_occurrence))),
                percent,
            ),
            cell(
                &of("detail", |r| Some(f64::from(r.preference? > 0.0))),
                percent,
            ),
            cell(&of("detail", |r| r.preference), two),
            cell(&of("fact", |r| Some(f64::from(r.real_occurrence))), percent),
            cell(&of("fact", |r| Some(r.f1)), two),
            cell(&of("fact", |r| Some(r.logprob_real)), two),
            cell(&nll, perplexity_of),
        ]);
    }
    aligned(table)
}

fn beyond_table(languages: &[Language], rows: &[UtilityRow]) -> Table {
    let mut table = crate::corpus::table(&[
        "beyond the corpus",
        "perplexity of the declaration",
        "names right, %",
        "languages right, %",
        "margin, nats",
    ]);
    for (name, language) in with_all(languages) {
        let is_of = |row: &&UtilityRow| language.is_none_or(|language| language == row.language);
        let right = |set: &str| -> Vec<f64> {
            let rows = rows.iter().filter(is_of).filter(|row| row.set == set);
            by_item(rows.filter_map(|r| Some((r.item.as_str(), f64::from(r.correct()?)))))
        };
        let nll: Vec<f64> = rows.iter().filter(is_of).filter_map(|r| r.nll).collect();
        let margins = rows.iter().filter(is_of);
        let named = margins.filter_map(|r| Some((format!("{} {}", r.set, r.item), r.margin?)));
        let named: Vec<(String, f64)> = named.collect();
        let margins = by_item(named.iter().map(|(item, margin)| (item.as_str(), *margin)));
        table.add_row([
            name.to_owned(),
            cell(&nll, perplexity_of),
            cell(&right("name"), percent),
            cell(&right("language"), percent),
            cell(&margins, two),
        ]);
    }
    aligned(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_in_several_languages_is_one_unit() {
        let values = [("a", 1.0), ("b", 0.0), ("a", 0.0), ("c", 4.0)];
        assert_eq!(by_item(values.into_iter()), [0.5, 0.0, 4.0]);
        // Equal values have no width.
        assert_eq!(cell(&[0.25, 0.25], percent), "25 [25,\u{a0}25]");
        assert_eq!(cell(&[0.0, 0.0], perplexity_of), "1.0 [1.0,\u{a0}1.0]");
        assert_eq!(cell(&[], two), "–");
    }
}
