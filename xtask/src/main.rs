//! `cargo xtask`: the orchestrator. `cargo xtask reproduce` runs the whole study.

mod ask;
mod bench;
mod cache;
mod checkpoint;
mod corpus;
mod doctor;
mod endpoint;
mod eval;
mod forget;
mod judge;
mod models;
mod new;
mod parity;
mod plan;
mod power;
mod preset;
mod progress;
mod quality;
mod stop;
mod strategies;
mod study;
mod translate;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use color_eyre::eyre::{Context, Result, bail};
use lethe_corpus::Language;

use crate::study::{Entrants, Study, Until};

// Tensor operations allocate and free megabytes all the time; the system's allocator gives such
// blocks back to the kernel, which then clears every page again (an eighth of a training step).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Learn and unlearn fake facts in multilingual language models (arXiv 2406.13748).
#[derive(Parser)]
#[command(name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the whole study and write its report
    Reproduce(Run),
    /// Build and validate a study's corpus as Parquet; or export, count or show the whole of it
    #[command(args_conflicts_with_subcommands = true)]
    Corpus {
        #[command(flatten)]
        run: Run,
        #[command(subcommand)]
        action: Option<corpus::Action>,
    },
    /// Run as far as fine-tuning: instruct stage, then one tuned model per source language
    Learn(Run),
    /// Run as far as unlearning, in every language scope
    Unlearn(Run),
    /// Run as far as asking every model every question; or evaluate any one model
    Eval(Box<eval::Options>),
    /// Ask a model questions of your own
    Ask(ask::Options),
    /// Write the report; whatever it needs and is missing is run first
    Report(Run),
    /// Run unlearning strategies against each other on one tuned model and write their report
    Compare(Compare),
    /// Say what a preset could see before it runs: minimum detectable effects
    Power(power::Options),
    /// Judge a finished run's answers: by aliases, by a chat model, by people
    Judge(Box<judge::Options>),
    /// Measure speed and memory on this machine, and how they grow
    Bench(bench::Options),
    /// Say how much memory a preset's training takes, before anything is loaded
    Plan(plan::Options),
    /// A process that `bench` measures
    #[command(hide = true)]
    BenchCase {
        /// What it is to do, as JSON
        assignment: String,
    },
    /// List the unlearning strategies with their hyper-parameters
    Strategies,
    /// Write the beginning of something, registered and tested
    #[command(subcommand)]
    New(New),
    /// Fetch, list and check models
    #[command(subcommand)]
    Models(Models),
    /// Say which devices, drivers, libraries and models are here, and how to get what is missing
    Doctor(doctor::Options),
    /// Run the whole test suite
    Test {
        /// Passed to `cargo test`, for example a test's name
        #[arg(trailing_var_arg = true)]
        arguments: Vec<String>,
    },
}

#[derive(Args)]
struct Run {
    /// A preset in pipelines/, or a file [default: laptop; of compare: race]
    #[arg(long, value_name = "NAME|FILE")]
    preset: Option<String>,
    /// auto (flex), flex, wgpu, vulkan, cuda, cuda:N, cpu or tch; each but flex needs a build with
    /// that feature (docs/backends.md), `doctor` says which are there
    #[arg(long, default_value = "auto")]
    device: String,
    /// Where stages, results and the report go [default: runs/PRESET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Change one key of the preset, for example learn.train.passes=8
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

#[derive(Args)]
struct Compare {
    #[command(flatten)]
    run: Run,
    /// Strategies, or all; NAME+RETAIN is one with another retain loss
    #[arg(long, num_args = 1.., default_value = "all", value_name = "NAME")]
    strategies: Vec<String>,
    /// Language scopes, or all; codes with commas between are one scope
    #[arg(long, num_args = 1.., default_value = "source", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The language in which the fakes are learned [default: the preset's first]
    #[arg(long, value_name = "CODE")]
    source: Option<Language>,
    /// Also unlearn the items in so many successive requests
    #[arg(long, default_value_t = 1, value_name = "N")]
    requests: usize,
    /// Also unlearn only these shares of the items
    #[arg(long, num_args = 1.., value_name = "SHARE")]
    forget_fraction: Vec<f64>,
}

#[derive(Subcommand)]
enum New {
    /// A crate with an unlearning strategy
    Strategy {
        /// Its name, such as my-loss
        name: String,
    },
}

#[derive(Subcommand)]
enum Models {
    /// Fetch a model into the cache
    Pull {
        /// Its name in the store, or hf:OWNER/NAME[/FILE][@REVISION]
        #[arg(default_value = "gemma-3-270m")]
        name: String,
    },
    /// List the models that the store knows
    List,
    /// Check cached files against their sha256
    Verify {
        /// Only this model
        name: Option<String>,
    },
    /// Compare this implementation's numbers with another's
    Parity {
        /// The other implementation's numbers
        #[arg(long, value_name = "FILE")]
        reference: PathBuf,
        /// The model, if not the store's
        #[arg(long, value_name = "PATH")]
        model: Option<PathBuf>,
        /// As for reproduce
        #[arg(long, default_value = "auto")]
        device: String,
    },
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match go(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn go(cli: Cli) -> Result<()> {
    match cli.command {
        Task::Reproduce(run) | Task::Report(run) => study(&run, Until::Report),
        Task::Corpus { run, action: None } => study(&run, Until::Corpus),
        Task::Corpus {
            action: Some(action),
            ..
        } => corpus::run(action),
        Task::Learn(run) => study(&run, Until::Learn),
        Task::Unlearn(run) => study(&run, Until::Unlearn),
        Task::Eval(options) => eval::run(&options),
        Task::Power(options) => power::run(&options),
        Task::Ask(options) => ask::run(&options),
        Task::Compare(compare) => race(&compare),
        Task::Judge(options) => judge::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Plan(options) => plan::run(&options),
        Task::BenchCase { assignment } => bench::work(&assignment),
        Task::Strategies => strategies::list(),
        Task::New(New::Strategy { name }) => new::strategy(&name, preset::root()),
        Task::Models(Models::Pull { name }) => {
            let path = models::pull(&name)?;
            println!("{}", path.display());
            Ok(())
        }
        Task::Models(Models::List) => models::list(),
        Task::Models(Models::Verify { name }) => models::verify(name.as_deref()),
        Task::Models(Models::Parity {
            reference,
            model,
            device,
        }) => {
            let name = model.is_none().then_some("gemma-3-270m");
            let (_, path, sha256) = study::locate(name, model.as_deref())?;
            parity::run(&reference, &path, &sha256, &device)
        }
        Task::Doctor(options) => doctor::run(&options),
        Task::Test { arguments } => test(&arguments),
    }
}

/// What a run is about; without a preset, the one called `default`.
fn open(run: &Run, default: &str) -> Result<Study> {
    let preset = run.preset.as_deref().unwrap_or(default);
    Study::new(preset, &run.overrides, &run.device, run.out.as_deref())
}

fn race(compare: &Compare) -> Result<()> {
    let start = Instant::now();
    let summary = open(&compare.run, "race")?.compare(&Entrants {
        strategies: compare.strategies.clone(),
        scopes: compare.scopes.clone(),
        source: compare.source,
        requests: compare.requests,
        fractions: compare.forget_fraction.clone(),
    })?;
    println!("\n{summary}");
    println!("\nreport: {}", summary.index.display());
    eprintln!("done in {}", progress::human(start.elapsed().as_secs_f64()));
    Ok(())
}

fn study(run: &Run, until: Until) -> Result<()> {
    let start = Instant::now();
    let study = open(run, "laptop")?;
    if let Some(summary) = study.reproduce(until)? {
        println!("\n{summary}");
        println!("\nreport: {}", summary.index.display());
    }
    eprintln!("done in {}", progress::human(start.elapsed().as_secs_f64()));
    Ok(())
}

/// The workspace's tests, and those of the examples outside it, unless some are asked for.
fn test(arguments: &[String]) -> Result<()> {
    let root = preset::root();
    let cargo = |arguments: &[&str]| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .current_dir(root)
            .env("CARGO_TARGET_DIR", root.join("target"))
            .args(["test", "--release"])
            .args(arguments)
            .status()
            .wrap_err("cargo could not be run")?;
        match status.success() {
            true => Ok(()),
            false => bail!("tests failed"),
        }
    };
    let asked: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cargo(&[&["--workspace"], asked.as_slice()].concat())?;
    match asked.is_empty() {
        true => cargo(&[
            "--locked",
            "--manifest-path",
            "examples/my-strategy/Cargo.toml",
        ]),
        false => Ok(()),
    }
}
