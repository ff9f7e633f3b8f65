//! `bench`: how fast everything is on this machine, how much memory it takes, and how that grows.
//!
//! Every case runs in a process of its own (`worker.rs`), on each device; where there is a Python with
//! PyTorch, its process takes its turn after every repeat. What follows from the seconds, the page and the
//! record are `lethe-report`'s.

mod cases;
pub mod flop;
mod work;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr, bail, eyre};
use comfy_table::{CellAlignment, Table};
use lethe_model::{ModelConfig, Precision, compiled_devices};
use lethe_report::{BenchCase, BenchRun, Changes, Derived, Machine, Outcome, Spread};

use crate::checkpoint::Rows;
use crate::plan::memory::parameters;
use crate::preset::root;
use crate::progress::Console;
use cases::{Case, Work};
use sysinfo::{CpuRefreshKind, RefreshKind, System};
use work::Assignment;
use worker::Worker;

pub use work::run as work;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Only these cases [default: all but those of --growth]
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// Also how the cost grows with length, batch, depth and items: minutes
    #[arg(long)]
    growth: bool,
    /// On these devices [default: all that are compiled in and there]
    #[arg(long, num_args = 1.., value_name = "D")]
    device: Vec<String>,
    /// As for `ask`; random is a small one without a download
    #[arg(long, default_value = "gemma-3-270m", value_name = "PATH|NAME")]
    model: String,
    /// How often each case is repeated
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// A Python with torch: also measure the same work in PyTorch
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Where bench.json and its page go [default: runs/bench]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the change since this earlier bench.json
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Measure nothing, show this earlier bench.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "growth", "device", "python", "out"])]
    show: Option<PathBuf>,
}

/// Measures, and prints what came of it.
pub fn run(options: &Options) -> Result<()> {
    // Before anything takes its time.
    let earlier = options.compare.as_deref().map(BenchRun::read).transpose()?;
    let run = match &options.show {
        Some(path) => BenchRun::read(path)?,
        None => measure(options)?,
    };
    println!("{}", table(&run));
    for line in failures(&run) {
        println!("{line}");
    }
    if run.machine.is_loaded() {
        println!(
            "The machine was busy with something else when this began (load {:.1}): the numbers are too \
             low.",
            run.machine.load.unwrap_or_default()
        );
    }
    if let Some(earlier) = &earlier {
        println!("\n{}", changes(&run.since(earlier)));
    }
    let failed = run
        .cases
        .iter()
        .flat_map(|c| [Some(&c.ours), c.torch.as_ref()]);
    match failed
        .flatten()
        .filter(|o| matches!(o, Outcome::Failed(_)))
        .count()
    {
        0 => Ok(()),
        n => bail!("{n} cases failed; why stands above"),
    }
}

fn measure(options: &Options) -> Result<BenchRun> {
    let registry = crate::strategies::registry()?;
    let (name, config) = work::describe(&options.model)?;
    let layers = config.num_hidden_layers;
    let cases = cases::chosen(&registry, layers, &options.only, options.growth)?;
    let repeats = usize::from(options.repeats);
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| root().join("runs/bench"));
    BenchRun::check(&out)?;
    let beside = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(beside).wrap_err_with(|| beside.display().to_string())?;
    let mut bench = Bench {
        options,
        own: std::env::current_exe().wrap_err("this program's own file")?,
        // Not the system's folder for such things, which may be in memory.
        folder: tempfile::Builder::new()
            .prefix(".bench-")
            .tempdir_in(beside)?,
        torch: None,
        config,
        exported: Vec::new(),
    };
    crate::stop::removes(bench.folder.path());
    let parameters = parameters(&bench.config);
    let mut run = BenchRun::new(machine(), (name, parameters), repeats);
    run.versions
        .insert("lethe".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    if let Some(python) = &options.python {
        let version = torch_version(python)?;
        run.versions.insert("torch".to_owned(), version);
        bench.torch = Some(python.clone());
    }
    for device in bench.devices(&mut run.absent)? {
        for case in &cases {
            let start = Instant::now();
            let done = bench.case(case, &device)?;
            let said = match &done.ours {
                Outcome::Measured(_) => case.what.clone(),
                Outcome::Impossible(why) | Outcome::Failed(why) => why.clone(),
            };
            let stage = format!("{} on {device}", case.name);
            Console.finished(&stage, &said, start.elapsed().as_secs_f64(), false);
            run.cases.push(done);
        }
    }
    run.derive();
    let page = run.write(&out)?;
    eprintln!("page: {}", page.display());
    Ok(run)
}

struct Bench<'a> {
    options: &'a Options,
    /// This program.
    own: PathBuf,
    /// Where the model lies for PyTorch.
    folder: tempfile::TempDir,
    /// A Python with torch.
    torch: Option<PathBuf>,
    config: ModelConfig,
    exported: Vec<Rows>,
}

impl Bench<'_> {
    /// The devices to measure on. Of those that nobody asked for, the absent ones are noted.
    fn devices(&self, absent: &mut BTreeMap<String, String>) -> Result<Vec<String>> {
        let asked = &self.options.device;
        let mut out: Vec<String> = Vec::new();
        let all = match asked.is_empty() {
            true => compiled_devices().map(str::to_owned).collect(),
            false => asked.clone(),
        };
        for device in all {
            let device = match device.as_str() {
                "auto" => "flex".to_owned(),
                _ => device,
            };
            // In another process: a driver that is not there may take its process with it.
            let probe = Work::Product {
                precision: Precision::F32,
                plain: true,
            };
            let there = match device.as_str() {
                "flex" => Ok(()),
                _ => Worker::start(&mut self.ours(&probe, &device)?).map(drop),
            };
            match there {
                Ok(()) if out.contains(&device) => {}
                Ok(()) => out.push(device),
                Err(error) if asked.is_empty() => drop(absent.insert(device, error.to_string())),
                Err(error) => return Err(error.wrap_err(format!("--device {device}"))),
            }
        }
        Ok(out)
    }

    fn ours(&self, work: &Work, device: &str) -> Result<Command> {
        let assignment = Assignment::Case {
            work: work.clone(),
            device: device.to_owned(),
            model: self.options.model.clone(),
            repeats: self.options.repeats.into(),
        };
        let mut command = Command::new(&self.own);
        command.args(["bench-case", &serde_json::to_string(&assignment)?]);
        Ok(command)
    }

    /// The same work in PyTorch, if it can be done there.
    fn theirs(&mut self, work: &Work, device: &str) -> Result<Option<Command>> {
        let on = match device {
            "flex" | "cpu" | "tch" => "cpu",
            cuda if cuda.starts_with("cuda") => cuda,
            _ => return Ok(None),
        };
        let Some(python) = self.torch.clone().filter(|_| work.in_torch()) else {
            return Ok(None);
        };
        let mut model = None;
        if let Some(rows) = work.rows() {
            let folder = self.folder.path().join(format!("{rows:?}"));
            if !self.exported.contains(&rows) {
                work::export(&self.own, &self.options.model, rows, &folder)?;
                self.exported.push(rows);
            }
            model = Some(folder);
        }
        let assignment = serde_json::json!({
            "work": work,
            "device": on,
            "model": model,
            "side": work::side(device),
        });
        let mut command = Command::new(python);
        command.arg(root().join("benches/pytorch_baseline.py"));
        command.arg(assignment.to_string());
        Ok(Some(command))
    }

    fn case(&mut self, case: &Case, device: &str) -> Result<BenchCase> {
        let ours = self.ours(&case.work, device)?;
        let theirs = match case.growth {
            None => self.theirs(&case.work, device)?,
            Some(_) => None,
        };
        let (ours, torch) = self.take_turns(ours, theirs);
        let (unit, amount) = case.work.amount();
        Ok(BenchCase {
            name: case.name.clone(),
            what: case.what.clone(),
            device: device.to_owned(),
            precision: match case.work.precision() {
                Precision::F32 => "f32".to_owned(),
                Precision::Bf16 => "bf16".to_owned(),
            },
            unit: unit.to_owned(),
            amount,
            flop: case.work.flop(&self.config, work::side(device))?,
            planned: match device {
                "flex" => case.work.planned(&self.config)?,
                _ => None,
            },
            growth: case.growth.map(|(axis, at)| (axis.to_owned(), at)),
            roofline: matches!(case.work, Work::Product { .. }),
            ours,
            torch,
            derived: Derived::default(),
        })
    }

    /// Repeats of ours and of theirs in turn, so that what else the machine does meets both.
    fn take_turns(&self, mut ours: Command, theirs: Option<Command>) -> (Outcome, Option<Outcome>) {
        let failed = |error: color_eyre::Report| Outcome::Failed(format!("{error:#}"));
        let mut workers = vec![Worker::start(&mut ours)];
        workers.extend(theirs.map(|mut theirs| Worker::start(&mut theirs)));
        for _ in 0..self.options.repeats {
            for worker in &mut workers {
                let lap = match worker {
                    Ok(running) => running.lap(),
                    Err(_) => continue,
                };
                if let Err(error) = lap {
                    *worker = Err(error);
                }
            }
        }
        let mut done = workers.into_iter().map(|worker| match worker {
            Ok(worker) => worker.end(),
            Err(error) => failed(error),
        });
        let ours = done.next();
        let ours = ours.unwrap_or_else(|| failed(eyre!("nothing ran")));
        (ours, done.next())
    }
}

/// The version of a Python's torch.
fn torch_version(python: &Path) -> Result<String> {
    let way_out = "name one in which `import torch` works, or leave --python out";
    let output = Command::new(python)
        .args(["-c", "import torch; print(torch.__version__)"])
        .output()
        .wrap_err_with(|| format!("--python {}: cannot be run; {way_out}", python.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or_default();
        bail!("--python {}: {last}; {way_out}", python.display());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn machine() -> Machine {
    let processors = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(processors);
    let brand = system.cpus().first().map(|cpu| cpu.brand().to_owned());
    let name = brand.filter(|brand| !brand.is_empty());
    Machine {
        processor: name.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: Some(crate::doctor::memory().1),
        instructions: instructions(),
        system: std::env::consts::OS.to_owned(),
        load: Some(System::load_average().one),
    }
}

/// Of the instructions that the kernels have their own code for, those of this processor.
fn instructions() -> Vec<String> {
    let known = [
        ("AVX-512", Precision::F32),
        ("AVX512-BF16", Precision::Bf16),
    ];
    let there = known
        .into_iter()
        .filter(|(_, precision)| lethe_model::is_native(*precision));
    there.map(|(name, _)| name.to_owned()).collect()
}

/// A number with three digits or all that it has.
fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn spread(of: Option<Spread>) -> String {
    of.map_or("–".to_owned(), |s| {
        format!(
            "{} [{}, {}]",
            digits(s.median),
            digits(s.low),
            digits(s.high)
        )
    })
}

fn table(run: &BenchRun) -> Table {
    let with_torch = run.cases.iter().any(|case| case.torch.is_some());
    let mut header = vec![
        "case",
        "device",
        "a second",
        "unit",
        "GFLOP/unit",
        "roofline",
        "peak MB",
        "planned MB",
    ];
    if with_torch {
        header.extend(["torch a second", "torch peak MB", "× torch"]);
    }
    let mut table = crate::corpus::table(&header);
    let dash = || "–".to_owned();
    for case in &run.cases {
        let derived = &case.derived;
        let peak = |outcome: Option<&Outcome>| {
            let peak = outcome.and_then(|outcome| outcome.timing()?.peak);
            peak.map_or_else(dash, |bytes| (bytes / 1_000_000).to_string())
        };
        let share = derived.roofline_share;
        let flop = derived.flop_per_unit;
        let mut row = vec![
            case.name.clone(),
            case.device.clone(),
            spread(derived.rate),
            case.unit.clone(),
            flop.map_or_else(dash, |flop| digits(flop / 1e9)),
            share.map_or_else(dash, |share| format!("{:.0} %", 100.0 * share)),
            peak(Some(&case.ours)),
            case.planned
                .map_or_else(dash, |bytes| (bytes / 1_000_000).to_string()),
        ];
        if with_torch {
            let ratio = derived.ratio.map_or_else(dash, |r| {
                let mark = if derived.same == Some(false) {
                    "†"
                } else {
                    ""
                };
                format!("{:.2} [{:.2}, {:.2}]{mark}", r.mean, r.low, r.high)
            });
            row.extend([spread(derived.torch_rate), peak(case.torch.as_ref()), ratio]);
        }
        table.add_row(row);
    }
    for at in (2..table.column_count()).filter(|at| *at != 3) {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// What did not run, and pairs that did not compute the same.
fn failures(run: &BenchRun) -> Vec<String> {
    let mut out = Vec::new();
    for case in &run.cases {
        for (whose, outcome) in [("", Some(&case.ours)), (" in PyTorch", case.torch.as_ref())] {
            if let Some(Outcome::Failed(why) | Outcome::Impossible(why)) = outcome {
                out.push(format!("{} on {}{whose}: {why}", case.name, case.device));
            }
        }
        let checks = case.torch.as_ref().and_then(|torch| torch.timing()?.check);
        let checks = case.ours.timing().and_then(|ours| ours.check).zip(checks);
        if let (Some(false), Some((ours, theirs))) = (case.derived.same, checks) {
            out.push(format!(
                "† {}: not the same work: {ours:.4} here, {theirs:.4} in PyTorch",
                case.name
            ));
        }
    }
    let absent = run.absent.iter();
    out.extend(absent.map(|(device, why)| format!("{device} is not there: {why}")));
    out
}

fn changes(changes: &Changes) -> String {
    let mut table = crate::corpus::table(&["case", "device", "before", "now", "change"]);
    for change in &changes.cases {
        let mark = if change.apart { "" } else { " ~" };
        let share = 100.0 * change.change;
        table.add_row([
            change.case.0.clone(),
            change.case.1.clone(),
            spread(Some(change.before)),
            spread(Some(change.now)),
            format!("{:+.1} %{mark}", if share == 0.0 { 0.0 } else { share }),
        ]);
    }
    let mut out = format!("{table}\n~ repeats of both overlap");
    for sentence in &changes.otherwise {
        out.push_str(&format!("\nNot the same conditions: {sentence}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_of_a_process_and_a_machine_is_read() {
        let peak = worker::peak(std::process::id());
        let machine = machine();
        if cfg!(target_os = "linux") {
            let (peak, all) = (peak.expect("known"), machine.memory.expect("known"));
            assert!(1_000_000 < peak && peak < all, "{peak} of {all}");
            assert!(machine.load.expect("known") >= 0.0);
            assert_ne!(machine.processor, std::env::consts::ARCH);
        }
    }
}
