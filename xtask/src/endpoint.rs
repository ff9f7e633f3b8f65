//! What commands that ask a service have in common.

use std::io::{IsTerminal, Write};
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use color_eyre::eyre::{Result, bail};
use lethe_service::Limits;

/// A service, and how it is treated.
#[derive(Args)]
pub struct Endpoint {
    /// The environment variable that holds the service's key; it need not be set for a local one
    #[arg(long, default_value = "OPENAI_API_KEY", value_name = "NAME")]
    key_variable: String,
    /// Requests a minute, evenly spaced
    #[arg(long, value_name = "N")]
    per_minute: Option<NonZeroU32>,
    /// Requests at a time
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub parallel: usize,
    /// Seconds that an answer may take
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
    /// What a million input tokens cost, for the estimate
    #[arg(long, value_name = "PRICE", requires = "price_output")]
    price_input: Option<f64>,
    /// What a million output tokens cost
    #[arg(long, value_name = "PRICE", requires = "price_input")]
    price_output: Option<f64>,
    /// Do not ask before sending anything
    #[arg(long)]
    pub yes: bool,
}

impl Endpoint {
    pub fn limits(&self) -> Limits {
        Limits {
            per_minute: self.per_minute,
            timeout: Duration::from_secs(self.timeout),
        }
    }

    pub fn key(&self) -> Option<String> {
        std::env::var(&self.key_variable).ok()
    }

    /// What so many tokens come to, in words, after a comma.
    pub fn tokens(&self, input: usize, output: usize) -> String {
        let mut said = format!(", about {input} input and {output} output tokens");
        if let (Some(input_price), Some(output_price)) = (self.price_input, self.price_output) {
            let price = (input as f64 * input_price + output as f64 * output_price) / 1e6;
            said += &format!(", about {price:.2} at your prices");
        }
        said
    }

    /// Whether to go on, which is asked unless it was said before.
    pub fn agreed(&self) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            bail!("nothing was sent: say --yes to go on without being asked");
        }
        eprint!("go on? [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().eq_ignore_ascii_case("y"))
    }
}
