//! The record of a measurement of speed, `bench.json`, and its page.
//!
//! **In:** a [`BenchRun`]: seconds of every repeat of every case, as they were measured. **Out:** rates with
//! their spread, shares of the roofline, ratios to PyTorch, changes since an earlier run, and a folder
//! with `index.html`, `figures/*.svg`, `tables/*.csv` and `bench.json`, which [`BenchRun::read`] reads.
//!
//! A case is repeated in one process of its own; PyTorch's process takes its turn after every repeat,
//! so that whatever else the machine does meets both.

mod figures;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::stats::{Estimate, LEVEL};
use crate::{Error, write};

/// What `format` says in a record.
const FORMAT: &str = "lethe-bench";
/// The record's file in its folder.
const RECORD: &str = "bench.json";

/// Everything that one run of the measurement found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchRun {
    format: String,
    version: u32,
    /// What it ran on.
    pub machine: Machine,
    /// The model, and how many numbers its weights hold.
    pub model: (String, u64),
    /// How often each case was repeated, after one repeat that does not count.
    pub repeats: usize,
    /// Software and its versions.
    pub versions: BTreeMap<String, String>,
    /// Devices that are compiled in but were not there, and why.
    pub absent: BTreeMap<String, String>,
    /// What was measured, in order.
    pub cases: Vec<BenchCase>,
}

/// A machine, as far as speed depends on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that can be used.
    pub cores: usize,
    /// Memory, in bytes; nothing where it is not known.
    pub memory: Option<u64>,
    /// Of the instructions that the kernels use, those that it has.
    pub instructions: Vec<String>,
    /// The operating system.
    pub system: String,
    /// Processes that were ready to run when the measurement began (the load average of a minute).
    pub load: Option<f64>,
}

/// One case on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchCase {
    /// Its name.
    pub name: String,
    /// What is done, in words.
    pub what: String,
    /// Where.
    pub device: String,
    /// What dense layers multiply: `f32` or `bf16`.
    pub precision: String,
    /// What there is so much of in a repeat: tokens, articles, products.
    pub unit: String,
    /// How much.
    pub amount: f64,
    /// Operations (multiplications and additions of matrix products) in a repeat; nothing where the
    /// model's shape does not say it.
    pub flop: Option<f64>,
    /// The peak memory that the model's shape foretells, in bytes; nothing where it is not foretold.
    #[serde(default)]
    pub planned: Option<u64>,
    /// Of a case that is one point of a curve: along what, and where.
    pub growth: Option<(String, f64)>,
    /// Whether the device's roofline is taken from it: nothing but a product of two matrices.
    pub roofline: bool,
    /// What was measured.
    pub ours: Outcome,
    /// The same work in PyTorch.
    pub torch: Option<Outcome>,
    /// What follows from it.
    #[serde(default)]
    pub derived: Derived,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran.
    Measured(Timing),
    /// The device cannot do it.
    Impossible(String),
    /// It ended in an error.
    Failed(String),
}

/// What a process measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Of every repeat.
    pub seconds: Vec<f64>,
    /// The most of the machine's memory (not the accelerator's) that the process ever had, in bytes;
    /// loading the model is in it.
    pub peak: Option<u64>,
    /// What was computed in the first repeat that did not count, where two implementations can be
    /// compared by it: a loss, or the mean id of the first tokens of 32 answers.
    pub check: Option<f64>,
}

/// A median with the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

/// What follows from a case's seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// Units a second.
    pub rate: Option<Spread>,
    /// Operations per unit.
    pub flop_per_unit: Option<f64>,
    /// Operations a second in the median, over the greatest that a product of matrices reached on this
    /// device in this precision.
    pub roofline_share: Option<f64>,
    /// PyTorch's units a second.
    pub torch_rate: Option<Spread>,
    /// How many times PyTorch's speed: the geometric mean over pairs of repeats with its 95 % interval
    /// (Student's t of the logarithms).
    pub ratio: Option<Estimate>,
    /// Whether both computed the same, within 0.2 %.
    pub same: Option<bool>,
}

/// The change of one case from an earlier run to a later one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The case and its device.
    pub case: (String, String),
    /// Units a second before.
    pub before: Spread,
    /// And now.
    pub now: Spread,
    /// By which share the median is greater now.
    pub change: f64,
    /// Whether the slowest repeat of one run is faster than the fastest of the other.
    pub apart: bool,
}

/// What two runs have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// Of all cases that both measured.
    pub cases: Vec<Change>,
    /// In what else they differ, one sentence each; speeds can then not be compared as they are.
    pub otherwise: Vec<String>,
}

impl Outcome {
    /// What was measured, if it was.
    #[must_use]
    pub fn timing(&self) -> Option<&Timing> {
        match self {
            Outcome::Measured(timing) => Some(timing),
            _ => None,
        }
    }
}

impl Spread {
    /// Of any numbers; nothing of none, or where one is no number.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&low, &high) = values.first().zip(values.last())?;
        let middle = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        let median = f64::midpoint(middle.0, middle.1);
        let all_finite = values.iter().all(|v| v.is_finite());
        all_finite.then_some(Spread { median, low, high })
    }
}

/// `exp` of the mean of `ln(a / b)` over pairs, with its 95 % interval; nothing of fewer than two pairs,
/// and where that is no number.
fn ratio(a: &[f64], b: &[f64]) -> Option<Estimate> {
    let logs: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a / b).ln()).collect();
    let n = logs.len();
    if n < 2 {
        return None;
    }
    let mean = logs.iter().sum::<f64>() / n as f64;
    let square: f64 = logs.iter().map(|x| (x - mean).powi(2)).sum();
    let error = (square / (n - 1) as f64 / n as f64).sqrt();
    let t = StudentsT::new(0.0, 1.0, (n - 1) as f64).ok()?;
    let margin = t.inverse_cdf(1.0 - LEVEL / 2.0) * error;
    let out = Estimate {
        mean: mean.exp(),
        low: (mean - margin).exp(),
        high: (mean + margin).exp(),
        n,
    };
    (out.mean.is_finite() && out.high.is_finite()).then_some(out)
}

impl BenchCase {
    fn rate(&self, of: &Outcome) -> Option<Spread> {
        let seconds = &of.timing()?.seconds;
        Spread::of(seconds.iter().map(|seconds| self.amount / seconds))
    }

    /// Operations a second of the fastest repeat.
    fn fastest(&self) -> Option<f64> {
        let rate = self.rate(&self.ours)?;
        Some(rate.high * self.flop? / self.amount)
    }

    fn derive(&self, roofline: Option<f64>) -> Derived {
        let rate = self.rate(&self.ours);
        let flop_per_unit = self.flop.map(|flop| flop / self.amount);
        let share = |((rate, flop), roofline): ((Spread, f64), f64)| rate.median * flop / roofline;
        let both = self.ours.timing().zip(self.torch.as_ref());
        let both = both.and_then(|(ours, torch)| Some((ours, torch.timing()?)));
        let checks = both.and_then(|(ours, torch)| ours.check.zip(torch.check));
        Derived {
            rate,
            flop_per_unit,
            roofline_share: rate.zip(flop_per_unit).zip(roofline).map(share),
            torch_rate: self.torch.as_ref().and_then(|torch| self.rate(torch)),
            // Seconds: theirs over ours.
            ratio: both.and_then(|(ours, torch)| ratio(&torch.seconds, &ours.seconds)),
            same: checks.map(|(ours, torch)| (ours - torch).abs() <= 2e-3 * torch.abs()),
        }
    }
}

impl Machine {
    /// Whether other processes kept more than half a core busy when the measurement began.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.load.is_some_and(|load| load > 0.5)
    }

    /// In what two machines differ, but for what else they were doing.
    fn differences(&self, other: &Machine) -> Vec<String> {
        let known = |memory: Option<u64>| memory.map_or("unknown".to_owned(), |m| m.to_string());
        let facts = |machine: &Machine| {
            [
                ("the processor", machine.processor.clone()),
                ("the number of cores", machine.cores.to_string()),
                ("the memory (bytes)", known(machine.memory)),
                (
                    "the processor's instructions",
                    machine.instructions.join(", "),
                ),
                ("the operating system", machine.system.clone()),
            ]
        };
        let both = facts(self).into_iter().zip(facts(other));
        let different = both.filter(|((_, own), (_, other))| own != other);
        different
            .map(|((what, own), (_, other))| format!("{what} was {other}, and is {own}"))
            .collect()
    }
}

impl BenchRun {
    /// A record without cases.
    #[must_use]
    pub fn new(machine: Machine, model: (String, u64), repeats: usize) -> BenchRun {
        BenchRun {
            format: FORMAT.to_owned(),
            version: 1,
            machine,
            model,
            repeats,
            versions: BTreeMap::new(),
            absent: BTreeMap::new(),
            cases: Vec::new(),
        }
    }

    /// Reads a record: a `bench.json`, or the folder that it is in.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that is none, or of another version.
    pub fn read(path: &Path) -> Result<BenchRun, Error> {
        let path = match path.is_dir() {
            true => path.join(RECORD),
            false => path.to_path_buf(),
        };
        let failed = |reason: String| Error::Read {
            path: path.clone(),
            reason,
        };
        let text = fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| failed(format!("not JSON: {e}")))?;
        let expected =
            || format!("expected a record of `cargo xtask bench`, which is called {RECORD}");
        match (value["format"].as_str(), value["version"].as_u64()) {
            (Some(FORMAT), Some(1)) => {}
            (Some(FORMAT), version) => {
                let found = version.map_or("none".to_owned(), |v| v.to_string());
                return Err(failed(format!("version {found}, expected 1; measure anew")));
            }
            (Some(other), _) => {
                return Err(failed(format!("its format is {other:?}; {}", expected())));
            }
            (None, _) => return Err(failed(format!("it has no format; {}", expected()))),
        }
        serde_json::from_value(value).map_err(|e| failed(format!("{e}; {}", expected())))
    }

    /// Works out what follows from the seconds, of all cases.
    pub fn derive(&mut self) {
        let mut rooflines: BTreeMap<(String, String), f64> = BTreeMap::new();
        for case in self.cases.iter().filter(|case| case.roofline) {
            if let Some(fastest) = case.fastest() {
                let key = (case.device.clone(), case.precision.clone());
                let known = rooflines.entry(key).or_insert(fastest);
                *known = known.max(fastest);
            }
        }
        for case in &mut self.cases {
            let key = (case.device.clone(), case.precision.clone());
            case.derived = case.derive(rooflines.get(&key).copied());
        }
    }

    /// What changed since an earlier run.
    #[must_use]
    pub fn since(&self, earlier: &BenchRun) -> Changes {
        let mut otherwise: Vec<String> = self.machine.differences(&earlier.machine);
        if self.model != earlier.model {
            let (before, now) = (&earlier.model, &self.model);
            otherwise.push(format!(
                "the model was {} ({} numbers), and is {} ({})",
                before.0, before.1, now.0, now.1
            ));
        }
        let change = |now: &BenchCase| {
            let same = |c: &&BenchCase| (&c.name, &c.device) == (&now.name, &now.device);
            let before = earlier.cases.iter().find(same)?.derived.rate?;
            let rate = now.derived.rate?;
            Some(Change {
                case: (now.name.clone(), now.device.clone()),
                before,
                now: rate,
                change: rate.median / before.median - 1.0,
                apart: rate.low > before.high || rate.high < before.low,
            })
        };
        Changes {
            cases: self.cases.iter().filter_map(change).collect(),
            otherwise,
        }
    }

    /// Whether [`write`](Self::write) would be refused: to be asked before anything is measured.
    ///
    /// # Errors
    /// [`Error::Occupied`] where `out` is something else than an earlier record with its page.
    pub fn check(out: &Path) -> Result<(), Error> {
        write::is_occupied(out, RECORD).map(drop)
    }

    /// Writes the record and its page to `out`, which is replaced as a whole if it is an earlier one.
    /// Gives the page's path.
    ///
    /// # Errors
    /// [`Error::Occupied`] where `out` is something else; [`Error::Write`].
    pub fn write(&self, out: &Path) -> Result<PathBuf, Error> {
        let figures = figures::growth(self)?;
        let tables = page::tables(self);
        let html = page::render(self, &tables, &figures)?;
        let record = format!("{:#}\n", serde_json::json!(self));
        write::report(
            out,
            html,
            &[(RECORD, record)],
            figures,
            tables.iter().filter(|table| !table.rows.is_empty()),
        )?;
        Ok(out.join("index.html"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(seconds: &[f64]) -> Outcome {
        Outcome::Measured(Timing {
            seconds: seconds.to_vec(),
            peak: Some(2_000_000),
            check: Some(4.0),
        })
    }

    fn case(name: &str, amount: f64, flop: f64, seconds: &[f64]) -> BenchCase {
        BenchCase {
            name: name.to_owned(),
            what: String::new(),
            device: "flex".to_owned(),
            precision: "f32".to_owned(),
            unit: "tokens".to_owned(),
            amount,
            flop: Some(flop),
            planned: None,
            growth: None,
            roofline: name == "product",
            ours: outcome(seconds),
            torch: None,
            derived: Derived::default(),
        }
    }

    fn machine() -> Machine {
        Machine {
            processor: "P".to_owned(),
            cores: 2,
            memory: Some(8),
            instructions: Vec::new(),
            system: "linux".to_owned(),
            load: None,
        }
    }

    fn run(cases: Vec<BenchCase>) -> BenchRun {
        let mut run = BenchRun::new(machine(), ("m".to_owned(), 1), 3);
        run.cases = cases;
        run.derive();
        run
    }

    #[test]
    fn rates_and_shares_are_those_of_plain_arithmetic() {
        // 100 tokens of 10 operations each in 2 s, where 1000 operations take 0.5 s at best.
        let run = run(vec![
            case("product", 1.0, 1000.0, &[1.0, 0.5, 0.8]),
            case("step", 100.0, 1000.0, &[2.0, 4.0, 1.0]),
        ]);
        let step = &run.cases[1].derived;
        let rate = step.rate.expect("measured");
        assert_eq!((rate.low, rate.median, rate.high), (25.0, 50.0, 100.0));
        assert_eq!(step.flop_per_unit, Some(10.0));
        // 500 operations a second of 2000.
        assert_eq!(step.roofline_share, Some(0.25));
        assert_eq!(run.cases[0].derived.roofline_share, Some(0.625));
    }

    #[test]
    fn a_ratio_has_the_interval_of_a_t_test() {
        // ln 2 and ln 4: the mean is 1.5 ln 2, the standard error ln 2 / 2, and t with one degree of
        // freedom is tan(0.475 π) = 12.7062.
        let found = ratio(&[2.0, 4.0], &[1.0, 1.0]).expect("two pairs");
        assert!((found.mean - 8f64.sqrt()).abs() < 1e-12);
        let log2 = 2f64.ln();
        let t = (0.475 * std::f64::consts::PI).tan();
        assert!(
            (found.high.ln() - (1.5 + 0.5 * t) * log2).abs() < 1e-6,
            "{found:?}"
        );
        assert!(
            (found.low.ln() - (1.5 - 0.5 * t) * log2).abs() < 1e-6,
            "{found:?}"
        );
        assert!(ratio(&[1.0], &[2.0]).is_none());
        assert!(ratio(&[1.0, 2.0], &[0.0, 1.0]).is_none());
    }

    #[test]
    fn torch_is_compared_by_time_and_by_what_it_computed() {
        let mut slower = case("step", 10.0, 1.0, &[1.0, 1.0]);
        slower.torch = Some(outcome(&[2.0, 2.0]));
        let mut other = slower.clone();
        if let Some(Outcome::Measured(timing)) = &mut other.torch {
            timing.check = Some(4.1);
        }
        let run = run(vec![slower, other]);
        let [first, second] = [0, 1].map(|at| &run.cases[at].derived);
        let found = first.ratio.expect("both ran");
        assert_eq!((found.low, found.mean, found.high), (2.0, 2.0, 2.0));
        assert_eq!((first.same, second.same), (Some(true), Some(false)));
    }

    #[test]
    fn changes_are_of_what_both_have_and_say_what_else_differs() {
        let before = run(vec![
            case("step", 100.0, 1.0, &[1.0, 1.0]),
            case("gone", 1.0, 1.0, &[1.0]),
        ]);
        let mut now = run(vec![case("step", 100.0, 1.0, &[0.8, 0.5])]);
        let changes = now.since(&before);
        assert_eq!(changes.cases.len(), 1);
        // 125 and 200 tokens a second: 162.5 instead of 100.
        assert!((changes.cases[0].change - 0.625).abs() < 1e-12);
        assert!(changes.cases[0].apart && changes.otherwise.is_empty());
        now.machine.cores = 3;
        now.machine.load = Some(7.0);
        assert_eq!(
            now.since(&before).otherwise,
            ["the number of cores was 2, and is 3"]
        );
        let same = before.since(&before);
        assert!(same.cases.iter().all(|c| c.change == 0.0 && !c.apart));
    }

    #[test]
    fn a_record_is_read_as_it_is_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut grown = case("growth", 10.0, 1.0, &[1.0]);
        grown.growth = Some(("length".to_owned(), 32.0));
        let run = run(vec![case("step", 100.0, 1.0, &[1.0, 3.0]), grown]);
        let out = folder.path().join("bench");
        let page = run.write(&out).expect("written");
        let html = fs::read_to_string(page).expect("there");
        assert!(html.contains("step") && html.contains("<svg"), "{html}");
        assert_eq!(BenchRun::read(&out).expect("a record"), run);
        let said = |text: &str| {
            let path = folder.path().join("other.json");
            fs::write(&path, text).expect("written");
            BenchRun::read(&path).expect_err("none").to_string()
        };
        for (text, says) in [
            ("[1]", "it has no format"),
            ("{\"format\":\"criterion\"}", "its format is \"criterion\""),
            ("{\"format\":\"lethe-bench\",\"version\":9}", "version 9"),
            (
                "{\"format\":\"lethe-bench\",\"version\":1}",
                "missing field",
            ),
            ("x", "not JSON"),
        ] {
            let error = said(text);
            assert!(
                error.contains(says) && error.contains("other.json"),
                "{error}"
            );
        }
    }
}
