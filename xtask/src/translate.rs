//! `corpus translate`: corpus text in further languages.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, eyre};
use lethe_corpus::{Language, SourceText};
use lethe_service::Cache;
use lethe_translate::{Estimate, File, Job, LibreTranslate, OpenAi, Provider, estimate, translate};

use crate::endpoint::Endpoint;
use crate::progress::Console;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Service {
    /// Translations that somebody made, in a file
    File,
    /// Any OpenAI-compatible chat endpoint
    Openai,
    /// A LibreTranslate server
    Libretranslate,
}

/// What to translate, into what, by whom.
#[derive(Args)]
pub struct Options {
    /// The corpus' folder of JSON Lines, in one language or more; the first is translated
    #[arg(long, value_name = "DIR")]
    path: PathBuf,
    /// The folder to write: new, or written by this command before
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Language codes
    #[arg(long, value_delimiter = ',', required = true, value_name = "CODES")]
    to: Vec<String>,
    #[arg(long, value_enum)]
    provider: Service,
    /// Ready translations: {"item", "language", "texts"} a line
    #[arg(long, value_name = "FILE", required_if_eq("provider", "file"))]
    file: Option<PathBuf>,
    /// Where the service is, up to /chat/completions or /translate
    #[arg(long, value_name = "URL", required_if_eq_any([("provider", "openai"), ("provider", "libretranslate")]))]
    url: Option<String>,
    /// The chat model
    #[arg(long, required_if_eq("provider", "openai"))]
    model: Option<String>,
    #[command(flatten)]
    endpoint: Endpoint,
    /// How often a row is asked for whose answer breaks a rule
    #[arg(long, default_value_t = 3, value_name = "N")]
    attempts: usize,
}

impl Options {
    fn provider(&self) -> Result<Box<dyn Provider>> {
        let (limits, key) = (self.endpoint.limits(), self.endpoint.key());
        let url = self.url.as_deref().unwrap_or_default();
        Ok(match self.provider {
            Service::File => Box::new(File::open(self.file.as_deref().unwrap_or(Path::new("")))?),
            Service::Openai => {
                let model = self.model.as_deref().unwrap_or_default();
                Box::new(OpenAi::new(url, model, key, limits))
            }
            Service::Libretranslate => Box::new(LibreTranslate::new(url, key, limits)),
        })
    }

    /// What the estimate comes to. Tokens are guessed from characters: four a token in the request,
    /// beside the instructions, and three in the answer, which has the same texts in a language
    /// that takes more.
    fn cost(&self, estimate: &Estimate) -> String {
        let asked = estimate.rows - estimate.cached;
        let input = estimate.characters / 4 + asked * lethe_translate::PROMPT.len() / 4;
        let output = estimate.characters / 3;
        format!(
            "{asked} requests ({} of {} rows are kept from before){}",
            estimate.cached,
            estimate.rows,
            self.endpoint.tokens(input, output)
        )
    }
}

/// Says what it would cost, translates, and lists the rows that could not be had.
pub fn run(options: &Options) -> Result<()> {
    let to: Result<Vec<Language>, _> = options.to.iter().map(|code| code.trim().parse()).collect();
    let job = Job {
        to: to?,
        attempts: options.attempts,
        parallel: options.endpoint.parallel,
        ..Job::default()
    };
    let provider = options.provider()?;
    let source = SourceText::open(&options.path)?;
    let cache = lethe_model::store::cache_dir()?.join("translations");
    let cache = Cache::new(&cache);
    if provider.is_remote() {
        let estimate = estimate(&source, provider.as_ref(), &cache, &job)?;
        println!("{}", options.cost(&estimate));
        if estimate.cached < estimate.rows && !options.endpoint.agreed()? {
            return Ok(());
        }
    }
    let bar = Console.bar("translate", "rows");
    let outcome = translate(
        (&options.path, &source),
        provider.as_ref(),
        &cache,
        &job,
        (&options.out, &|done, of| bar.at(done, of, "")),
    )?;
    drop(bar);
    println!(
        "{} rows ({} kept from before): {}",
        outcome.written,
        outcome.cached,
        options.out.display()
    );
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = outcome
        .failed
        .iter()
        .map(|f| format!("{} {}: {}", f.item, f.language, f.reasons.join("; ")))
        .collect();
    Err(eyre!(
        "{} rows could not be had and are not written; run again, or give them by hand with \
         --provider file:\n  {}",
        lines.len(),
        lines.join("\n  ")
    ))
}
