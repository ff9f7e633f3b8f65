//! The process that does a case's work, one repeat whenever it is told to: `xtask bench-case` on one side,
//! its parent on the other, who has one of PyTorch's beside it. They speak lines of JSON.
//!
//! A process of its own, because the most memory that a process ever had is asked for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use color_eyre::eyre::{Result, WrapErr, eyre};
use lethe_report::{Outcome, Timing};
use serde::{Deserialize, Serialize};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    /// The first repeat is done; it does not count.
    Ready { check: Option<f64> },
    /// Another one is.
    Done { seconds: f64 },
    /// The device cannot do it.
    Impossible(String),
}

/// The worker's side: what times the repeats.
pub struct Clock {
    start: Instant,
    is_warm: bool,
}

impl Clock {
    pub fn new() -> Clock {
        Clock {
            start: Instant::now(),
            is_warm: false,
        }
    }

    /// A repeat begins: what came before is not counted.
    pub fn start(&mut self) {
        self.start = Instant::now();
    }

    /// A repeat is done; waits until another is wanted. Gives whether one is.
    pub fn lap(&mut self, check: Option<f64>) -> Result<bool> {
        let seconds = self.start.elapsed().as_secs_f64();
        say(&match std::mem::replace(&mut self.is_warm, true) {
            false => Said::Ready { check },
            true => Said::Done { seconds },
        })?;
        let mut line = String::new();
        let wanted = std::io::stdin().lock().read_line(&mut line)? > 0;
        self.start = Instant::now();
        Ok(wanted)
    }
}

fn say(what: &Said) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    Ok(out.flush()?)
}

/// Says that the device cannot do the work.
pub fn impossible(why: &str) -> Result<()> {
    say(&Said::Impossible(why.to_owned()))
}

/// The parent's side.
pub struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    errors: File,
    timing: Timing,
    impossible: Option<String>,
}

impl Worker {
    /// Starts a process, and waits until it has done the work once.
    pub fn start(command: &mut Command) -> Result<Worker> {
        let errors = tempfile::tempfile().wrap_err("a temporary file")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?)
            .spawn()
            .wrap_err_with(|| format!("{}: cannot be run", command.get_program().display()))?;
        let orders = child.stdin.take();
        let lines = child.stdout.take();
        let lines = lines.ok_or_else(|| eyre!("a worker without an output"))?;
        let mut worker = Worker {
            child,
            orders,
            lines: BufReader::new(lines),
            errors,
            timing: Timing {
                seconds: Vec::new(),
                peak: None,
                check: None,
            },
            impossible: None,
        };
        match worker.hear()? {
            Said::Ready { check } => worker.timing.check = check,
            Said::Impossible(why) => worker.impossible = Some(why),
            Said::Done { .. } => return Err(eyre!("a worker was done before it was ready")),
        }
        Ok(worker)
    }

    /// Has the work done once more.
    pub fn lap(&mut self) -> Result<()> {
        if self.impossible.is_some() {
            return Ok(());
        }
        let told = match &mut self.orders {
            Some(orders) => orders.write_all(b"\n").and_then(|()| orders.flush()),
            None => Ok(()),
        };
        // Whoever does not listen any more has said why.
        drop(told);
        match self.hear()? {
            Said::Done { seconds } => self.timing.seconds.push(seconds),
            other => return Err(eyre!("a worker said {other:?} instead of how long it took")),
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<Said> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            let mut said = String::new();
            self.errors.rewind()?;
            self.errors.read_to_string(&mut said)?;
            let said = said.trim();
            // The last lines say why; before them is how it came to it.
            let from = said.lines().count().saturating_sub(4);
            let why: Vec<&str> = said.lines().skip(from).collect();
            return Err(eyre!("{status}: {}", why.join(" | ")));
        }
        serde_json::from_str(&line).wrap_err_with(|| format!("a worker said {line:?}"))
    }

    /// Ends the process.
    pub fn end(mut self) -> Outcome {
        self.timing.peak = peak(self.child.id());
        match self.impossible.take() {
            Some(why) => Outcome::Impossible(why),
            None => Outcome::Measured(self.timing.clone()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends when nobody can tell it anything any more. What it is doing is not waited for.
        self.orders = None;
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The most memory that a running process ever had, in bytes, where the system says it: Linux'
/// `VmHWM`. Not `ru_maxrss`, which a process inherits from the one that started it.
pub fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
