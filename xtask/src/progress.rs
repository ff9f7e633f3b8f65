//! What a run shows: a bar for the stage that runs, one line for each that is finished.

use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Where progress goes (standard error, so that output can be piped).
#[derive(Debug)]
pub struct Console;

/// A bar that vanishes with its stage.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Console {
    /// A bar for a stage that counts `unit`.
    pub fn bar(&self, stage: &str, unit: &str) -> Bar {
        let bar = ProgressBar::new(0);
        let template = format!(
            "{{spinner}} {stage:<32} {{bar:24}} {{pos}}/{{len}} {unit}  {{per_sec}}  {{eta}} left  {{msg}}"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(bar)
    }

    /// The line of a finished stage.
    pub fn finished(&self, stage: &str, detail: &str, seconds: f64, cached: bool) {
        let time = match cached {
            true => "cached".to_owned(),
            false => format!("{seconds:.1} s"),
        };
        eprintln!("✔ {stage:<32} {time:>9}  {detail}");
    }
}

impl Bar {
    /// Moves the bar.
    pub fn at(&self, done: usize, of: usize, message: &str) {
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
        if !message.is_empty() {
            self.0.set_message(message.to_owned());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A duration for the closing line.
pub fn human(seconds: f64) -> String {
    HumanDuration(Duration::from_secs_f64(seconds)).to_string()
}
