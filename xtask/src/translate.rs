//! `corpus translate`: corpus text in further languages.

use std::io::{IsTerminal, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, bail, eyre};
use lethe_corpus::{Language, SourceText};
use lethe_service::{Cache, Limits};
use lethe_translate::{
    Estimate, File, Job, LibreTranslate, OpenAi, Provider, estimate, translate,
};

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
    /// The environment variable that holds the service's key; it need not be set for a local one
    #[arg(long, default_value = "OPENAI_API_KEY", value_name = "NAME")]
    key_variable: String,
    /// Requests a minute, evenly spaced
    #[arg(long, value_name = "N")]
    per_minute: Option<NonZeroU32>,
    /// Requests at a time
    #[arg(long, default_value_t = 4, value_name = "N")]
    parallel: usize,
    /// Seconds that an answer may take
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
    /// How often a row is asked for whose answer breaks a rule
    #[arg(long, default_value_t = 3, value_name = "N")]
    attempts: usize,
    /// What a million input tokens cost, for the estimate
    #[arg(long, value_name = "PRICE", requires = "price_output")]
    price_input: Option<f64>,
    /// What a million output tokens cost
    #[arg(long, value_name = "PRICE", requires = "price_input")]
    price_output: Option<f64>,
    /// Do not ask before sending anything
    #[arg(long)]
    yes: bool,
}

impl Options {
    fn provider(&self) -> Result<Box<dyn Provider>> {
        let limits = Limits {
            per_minute: self.per_minute,
            timeout: Duration::from_secs(self.timeout),
        };
        let key = std::env::var(&self.key_variable).ok();
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
        let mut said = format!(
            "{asked} requests ({} of {} rows are kept from before), about {input} input and \
             {output} output tokens",
            estimate.cached, estimate.rows
        );
        if let (Some(input_price), Some(output_price)) = (self.price_input, self.price_output) {
            let price = (input as f64 * input_price + output as f64 * output_price) / 1e6;
            said += &format!(", about {price:.2} at your prices");
        }
        said
    }
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nothing was sent: say --yes to go on without being asked");
    }
    eprint!("go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// Says what it would cost, translates, and lists the rows that could not be had.
pub fn run(options: &Options) -> Result<()> {
    let to: Result<Vec<Language>, _> = options.to.iter().map(|code| code.trim().parse()).collect();
    let job = Job {
        to: to?,
        attempts: options.attempts,
        parallel: options.parallel,
        ..Job::default()
    };
    let provider = options.provider()?;
    let source = SourceText::open(&options.path)?;
    let cache = lethe_model::store::cache_dir()?.join("translations");
    let cache = Cache::new(&cache);
    if provider.is_remote() {
        let estimate = estimate(&source, provider.as_ref(), &cache, &job)?;
        println!("{}", options.cost(&estimate));
        if estimate.cached < estimate.rows && !options.yes && !agreed()? {
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
