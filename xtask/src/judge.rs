//! `judge`: a finished run's answers, judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Context, Result, bail, eyre};
use lethe_corpus::Language;
use lethe_eval::{AnswerId, JudgeLabel, Judgement, write_judgements};
use lethe_judge::{
    Alias, Estimate, Human, Job, Judge, OpenAi, PROMPT, Said, Sheet, answers, estimate, export,
    judge,
};
use lethe_report::stats::{Agreement, SEED, bootstrap_kappa};
use lethe_report::{Claims, RunInfo};
use lethe_service::{Cache, Chat, Structure};

use crate::endpoint::Endpoint;
use crate::preset::root;
use crate::progress::Console;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The corpus' aliases, looked for in any script; offline
    Alias,
    /// A chat model at any OpenAI-compatible endpoint
    Openai,
    /// People: write a sheet with --export, read the ratings with --import
    Human,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Structured {
    /// response_format json_schema (OpenAI, vLLM, llama.cpp, Ollama)
    Schema,
    /// json_object with the schema beside it (llama-cpp-python)
    ObjectSchema,
    /// json_object alone
    Object,
}

/// Whose answers, by whom.
#[derive(Args)]
pub struct Options {
    /// A finished run's folder, such as runs/laptop
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[arg(long = "judge", value_enum, default_value = "alias")]
    judge: Kind,
    /// Judge only answers in these languages
    #[arg(long, value_delimiter = ',', value_name = "CODES")]
    languages: Vec<Language>,
    /// Judge only these models' answers
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    models: Vec<String>,
    /// Where the chat model is, up to /chat/completions
    #[arg(long, value_name = "URL", required_if_eq("judge", "openai"))]
    url: Option<String>,
    /// The chat model
    #[arg(long, required_if_eq("judge", "openai"))]
    model: Option<String>,
    /// Answers in one request
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// How the endpoint is told what JSON is wanted
    #[arg(long, value_enum, default_value = "schema")]
    structured: Structured,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Write a blinded sheet and a page to rate in
    #[arg(long, value_name = "FOLDER", conflicts_with = "import")]
    export: Option<PathBuf>,
    /// Different answers in the sheet, chosen at random
    #[arg(long, default_value_t = 200, value_name = "N")]
    sample: usize,
    /// What the choice and the order follow from
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Read ratings
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Whose ratings they are
    #[arg(long, default_value = "rater", value_name = "NAME")]
    rater: String,
}

impl Options {
    fn openai(&self) -> OpenAi {
        let url = self.url.as_deref().unwrap_or_default();
        let model = self.model.as_deref().unwrap_or_default();
        let chat = Chat::new(url, model, self.endpoint.key(), self.endpoint.limits());
        let structure = match self.structured {
            Structured::Schema => Structure::Schema,
            Structured::ObjectSchema => Structure::ObjectSchema,
            Structured::Object => Structure::Object,
        };
        OpenAi::new(chat, structure, self.batch)
    }

    /// What the estimate comes to. Tokens are guessed: four characters each, beside the instructions;
    /// twenty for a verdict, and thirty for the names of an answer's fields.
    fn cost(&self, estimate: &Estimate) -> String {
        let left = estimate.answers - estimate.cached;
        let requests = left.div_ceil(self.batch.max(1));
        let input = estimate.characters / 4 + requests * PROMPT.len() / 4 + left * 30;
        format!(
            "{requests} requests about {left} different answers ({} of {} are judged already){}",
            estimate.cached,
            estimate.answers,
            self.endpoint.tokens(input, left * 20)
        )
    }

    fn chosen(&self) -> Result<Vec<Said>> {
        let all = answers(&self.run.join("results/answers"))?;
        for name in &self.models {
            if !all.iter().any(|said| said.id.model == *name) {
                let models: std::collections::BTreeSet<&str> =
                    all.iter().map(|said| said.id.model.as_str()).collect();
                let models: Vec<&str> = models.into_iter().collect();
                bail!(
                    "--models: the run has no {name:?}, only {}",
                    models.join(", ")
                );
            }
        }
        for language in &self.languages {
            if !all.iter().any(|said| said.id.language == *language) {
                bail!("--languages: the run has no answers in {}", language.name());
            }
        }
        let wanted = |said: &Said| {
            (self.models.is_empty() || self.models.contains(&said.id.model))
                && (self.languages.is_empty() || self.languages.contains(&said.id.language))
        };
        let chosen: Vec<Said> = all.into_iter().filter(wanted).collect();
        match chosen.is_empty() {
            true => bail!("these models gave no answers in these languages"),
            false => Ok(chosen),
        }
    }
}

/// Judges, writes the judgements, says how far they agree with the aliases, and renews the report.
pub fn run(options: &Options) -> Result<()> {
    let said = options.chosen()?;
    let keys = options.run.join("results/sheets");
    let cache = Cache::new(&lethe_model::store::cache_dir()?.join("judgements"));
    match (options.judge, &options.export, &options.import) {
        (Kind::Human, Some(folder), _) => {
            let sheet = Sheet {
                sample: options.sample,
                seed: options.seed,
            };
            let exported = export(&said, &sheet, folder, &keys)?;
            println!(
                "{} answers to rate: {} and {}\nthe key, which raters must not see: {}",
                exported.rows,
                folder.join("rate.html").display(),
                folder.join("sheet.csv").display(),
                exported.key.display()
            );
            Ok(())
        }
        (Kind::Human, None, Some(file)) => {
            let human = Human::import(file, &keys, &options.rater)?;
            let rated: Vec<Said> = said
                .into_iter()
                .filter(|said| human.rated(&said.answer))
                .collect();
            if rated.is_empty() {
                bail!(
                    "{}: none of the rated answers is one of the run's (any more); export a new \
                     sheet",
                    file.display()
                );
            }
            judged(options, &human, &rated, &cache)
        }
        (Kind::Human, None, None) => bail!(
            "--judge human takes --export FOLDER, for a sheet to rate in, or --import FILE, for \
             its ratings"
        ),
        (_, Some(_), _) | (_, _, Some(_)) => {
            bail!("--export and --import go with --judge human")
        }
        (Kind::Alias, None, None) => judged(options, &Alias, &said, &cache),
        (Kind::Openai, None, None) => {
            let openai = options.openai();
            let estimate = estimate(&openai, &said, &cache);
            println!("{}", options.cost(&estimate));
            if estimate.cached < estimate.answers && !options.endpoint.agreed()? {
                return Ok(());
            }
            judged(options, &openai, &said, &cache)
        }
    }
}

fn judged(options: &Options, by: &dyn Judge, said: &[Said], cache: &Cache) -> Result<()> {
    let job = Job {
        parallel: options.endpoint.parallel,
        ..Job::default()
    };
    let bar = Console.bar("judge", "answers");
    let outcome = judge(by, said, cache, &job, &|done, of| bar.at(done, of, ""))?;
    drop(bar);
    let label = by.label();
    let file = options
        .run
        .join("results/judgements")
        .join(file_name(&label));
    write_judgements(&file, &label, &outcome.judgements)?;
    println!(
        "{} judgements of {} different answers ({} kept from before): {}",
        outcome.judgements.len(),
        outcome.answers,
        outcome.cached,
        file.display()
    );
    let undecided: Vec<&Judgement> = outcome
        .judgements
        .iter()
        .filter(|j| j.fake.is_none() || j.quality.is_none())
        .collect();
    if let Some(first) = undecided.first() {
        let why = first.note.as_deref().unwrap_or("the judge could not say");
        println!(
            "{} of them are undecided, the first: {why}",
            undecided.len()
        );
    }
    if options.judge != Kind::Alias {
        let alias = judge(&Alias, said, cache, &job, &|_, _| {})?;
        let agreement = |what, of: fn(&Judgement) -> Option<bool>| {
            println!(
                "{}",
                agreement(what, of, &outcome.judgements, &alias.judgements)
            );
        };
        agreement("the fake detail occurs", |j| j.fake);
        agreement("the quality is at least 1/2", |j| Some(j.quality? >= 0.5));
    }
    renew_report(&options.run)
}

/// A name of which one judge has one.
fn file_name(label: &JudgeLabel) -> String {
    let plain = |c: char| match c.is_alphanumeric() || matches!(c, '.' | '_') {
        true => c,
        false => '-',
    };
    match &label.judge_model {
        Some(model) => {
            let model: String = model.chars().map(plain).collect();
            format!("{}-{model}.parquet", label.judge)
        }
        None => format!("{}.parquet", label.judge),
    }
}

/// How far a judge agrees with the aliases, in words.
fn agreement(
    what: &str,
    of: fn(&Judgement) -> Option<bool>,
    judgements: &[Judgement],
    aliases: &[Judgement],
) -> String {
    let aliases: BTreeMap<&AnswerId, &Judgement> = aliases.iter().map(|j| (&j.id, j)).collect();
    let mut items: BTreeMap<&str, Agreement> = BTreeMap::new();
    let mut all = Agreement::default();
    for judgement in judgements {
        let alias = aliases.get(&judgement.id).and_then(|alias| of(alias));
        if let (Some(alias), Some(own)) = (alias, of(judgement)) {
            items.entry(&judgement.id.item).or_default().add(alias, own);
            all.add(alias, own);
        }
    }
    let items: Vec<Agreement> = items.into_values().collect();
    let share = all.observed().unwrap_or_default();
    let kappa = match bootstrap_kappa(&items, SEED) {
        Some(kappa) => format!(
            "Cohen's kappa {:.2} [{:.2}, {:.2}] over {} items",
            kappa.mean, kappa.low, kappa.high, kappa.n
        ),
        None => "no kappa, as both always say the same".to_owned(),
    };
    let pairs = all.pairs();
    format!(
        "{what}: as alias says in {:.0} % of {pairs}, {kappa}",
        100.0 * share
    )
}

/// The report with the judgements in it, where there is one already.
fn renew_report(run: &Path) -> Result<()> {
    let (record, report) = (run.join("run.json"), run.join("report"));
    if !record.is_file() || !report.is_dir() {
        println!("no report to put them in yet: cargo xtask report");
        return Ok(());
    }
    let text = std::fs::read(&record).wrap_err_with(|| format!("{}", record.display()))?;
    let info: RunInfo = serde_json::from_slice(&text)
        .map_err(|e| eyre!("{}: no record of a run: {e}", record.display()))?;
    let claims = Claims::read(&root().join("claims.toml"))?;
    let summary = lethe_report::build(&run.join("results"), &info, &claims, &report)?;
    println!("report: {}", summary.index.display());
    Ok(())
}
