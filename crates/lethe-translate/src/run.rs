//! A whole corpus, row by row.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lethe_corpus::{Item, Language, SourceText};
use lethe_service::{Cache, Failure, Retry};
use rayon::prelude::*;
use serde_json::Value;

use crate::row::Parts;
use crate::{Provider, Request};

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The corpus text that is to be translated is not good.
    #[error(transparent)]
    Corpus(#[from] lethe_corpus::Error),
    /// The service answers no request.
    #[error("{provider}: {reason}; {kept} translated rows are kept, nothing was written")]
    Refused {
        /// The service.
        provider: String,
        /// What it says.
        reason: String,
        /// Rows that are in the cache.
        kept: usize,
    },
    /// Nothing to do.
    #[error("the corpus has {} already; ask for languages that it lacks", .0.name())]
    There(Language),
    /// A file of translations could not be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file of translations is something else.
    #[error(
        "{}:{line}: {reason}; expected {{\"item\", \"language\", \"texts\"}} in every line",
        .path.display()
    )]
    NotTranslations {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The folder or the cache could not be written.
    #[error("{}: {reason}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// What is to be done, and how patiently.
#[derive(Debug, Clone)]
pub struct Job {
    /// The languages to add.
    pub to: Vec<Language>,
    /// How often a row is asked for whose answer breaks a rule.
    pub attempts: usize,
    /// How often a request is sent again that failed in passing.
    pub retries: usize,
    /// The first wait before that; it doubles, and is spread by chance.
    pub wait: Duration,
    /// Requests at a time.
    pub parallel: usize,
}

impl Default for Job {
    fn default() -> Self {
        Job {
            to: Vec::new(),
            attempts: 3,
            retries: 5,
            wait: Duration::from_secs(1),
            parallel: 4,
        }
    }
}

/// What a job asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Rows in all.
    pub rows: usize,
    /// Of those, rows that are kept from before.
    pub cached: usize,
    /// Characters of the texts that have to be sent.
    pub characters: usize,
}

/// A row that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The item's id.
    pub item: String,
    /// The language.
    pub language: Language,
    /// What was wrong with the last answer.
    pub reasons: Vec<String>,
}

/// What came of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows written.
    pub written: usize,
    /// Of those, rows that were kept from before.
    pub cached: usize,
    /// Rows that are not written, in the corpus' order.
    pub failed: Vec<Failed>,
}

/// Told how many rows of how many are done.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// What marks a folder as written here, which may be written anew.
const MARK: &str = "translated.json";

struct Task<'a> {
    item: &'a Item,
    to: Language,
    parts: Parts,
}

impl Task<'_> {
    /// All that a translator is asked, which is what its translations are kept under.
    fn asked<'a>(&'a self, identity: &'a str, from: Language) -> Vec<&'a str> {
        let texts = self.parts.texts.iter();
        let texts = texts.flat_map(|(key, text)| [key.as_str(), text]);
        [identity, from.code(), self.to.code()]
            .into_iter()
            .chain(texts)
            .collect()
    }
}

fn tasks<'a>(source: &'a SourceText, job: &Job) -> Result<Vec<Task<'a>>, Error> {
    let mut tasks = Vec::new();
    for &to in &job.to {
        if source.languages().contains(&to) {
            return Err(Error::There(to));
        }
        for item in source.items() {
            if let Some(row) = source.row(&item.id) {
                let parts = Parts::of(row, to);
                tasks.push(Task { item, to, parts });
            }
        }
    }
    Ok(tasks)
}

/// What a job would ask of a service.
///
/// # Errors
/// [`Error::There`].
pub fn estimate(
    source: &SourceText,
    provider: &dyn Provider,
    cache: &Cache,
    job: &Job,
) -> Result<Estimate, Error> {
    let mut out = Estimate::default();
    for task in tasks(source, job)? {
        out.rows += 1;
        let kept: Option<BTreeMap<String, String>> =
            cache.get(&task.asked(&provider.identity(), source.language()));
        match kept {
            Some(_) if provider.is_remote() => out.cached += 1,
            _ => {
                let texts = task.parts.texts.values();
                out.characters += texts.map(|text| text.chars().count()).sum::<usize>();
            }
        }
    }
    Ok(out)
}

/// Translates a corpus' text and writes it, with the rows in all its languages, into a folder that
/// is new or was written by this function. The folder appears whole or not at all. A row whose
/// translation breaks a rule of the corpus, however often it is asked for, is not in it.
///
/// # Errors
/// [`Error`]; nothing is written then.
pub fn translate(
    (folder, source): (&Path, &SourceText),
    provider: &dyn Provider,
    cache: &Cache,
    job: &Job,
    (out, progress): (&Path, Progress),
) -> Result<Outcome, Error> {
    if out.exists() && !out.join(MARK).exists() {
        return Err(Error::Write {
            path: out.to_path_buf(),
            reason: "is there already, and no earlier translation; name another folder".to_owned(),
        });
    }
    let tasks = tasks(source, job)?;
    let worker = Worker {
        source,
        provider,
        cache,
        job,
        refused: OnceLock::new(),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(job.parallel.max(1));
    let pool = pool.build().map_err(|e| Error::Write {
        path: out.to_path_buf(),
        reason: e.to_string(),
    })?;
    let done = AtomicUsize::new(0);
    let rows: Vec<Option<Row>> = pool.install(|| {
        let one = |task: &Task| {
            let row = worker.row(task);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, tasks.len());
            row
        };
        tasks
            .par_iter()
            .with_max_len(1)
            .map(one)
            .collect::<Result<_, _>>()
    })?;
    if let Some(reason) = worker.refused.into_inner() {
        let kept = rows.iter().flatten().filter(|row| row.good.is_ok());
        return Err(Error::Refused {
            provider: provider.identity(),
            reason,
            kept: kept.count(),
        });
    }
    let mut outcome = Outcome::default();
    let mut lines: BTreeMap<Language, String> = BTreeMap::new();
    for &to in &job.to {
        lines.insert(to, String::new());
    }
    for (task, row) in tasks.iter().zip(rows) {
        let Some(row) = row else { continue };
        match row.good {
            Ok(value) => {
                outcome.written += 1;
                outcome.cached += usize::from(row.cached);
                let line = lines.entry(task.to).or_default();
                line.push_str(&format!("{value}\n"));
            }
            Err(reasons) => outcome.failed.push(Failed {
                item: task.item.id.clone(),
                language: task.to,
                reasons,
            }),
        }
    }
    write(folder, source, &lines, &provider.identity(), out)?;
    Ok(outcome)
}

/// A row, or what was wrong with it.
struct Row {
    good: Result<Value, Vec<String>>,
    cached: bool,
}

struct Worker<'a> {
    source: &'a SourceText,
    provider: &'a dyn Provider,
    cache: &'a Cache,
    job: &'a Job,
    /// Why the service answers no request, once it has said so: then none is sent any more.
    refused: OnceLock<String>,
}

impl Worker<'_> {
    /// None once the service has refused.
    fn row(&self, task: &Task) -> Result<Option<Row>, Error> {
        let identity = self.provider.identity();
        let asked = task.asked(&identity, self.source.language());
        let texts = &task.parts.texts;
        if self.provider.is_remote()
            && let Some(kept) = self.cache.get(&asked)
            && let Ok(good) = self.judge(task, &kept)
        {
            return Ok(Some(Row {
                good: Ok(good),
                cached: true,
            }));
        }
        let mut complaints: Vec<String> = Vec::new();
        for _ in 0..self.job.attempts.max(1) {
            if self.refused.get().is_some() {
                return Ok(None);
            }
            let request = Request {
                item: &task.item.id,
                from: self.source.language(),
                to: task.to,
                texts,
                complaints: &complaints,
            };
            let retry = Retry {
                times: self.job.retries,
                wait: self.job.wait,
            };
            let translated = match retry.call(|| self.provider.translate(&request)) {
                Ok(translated) => translated,
                Err(Failure::Lasting(reason)) => {
                    self.refused.get_or_init(|| reason);
                    return Ok(None);
                }
                Err(failure) => {
                    complaints = vec![failure.reason().to_owned()];
                    break;
                }
            };
            match self.judge(task, &translated) {
                Ok(good) => {
                    if self.provider.is_remote() {
                        let kept = self.cache.put(&asked, &translated);
                        kept.map_err(|e| Error::Write {
                            path: self.cache.folder().to_path_buf(),
                            reason: e.to_string(),
                        })?;
                    }
                    return Ok(Some(Row {
                        good: Ok(good),
                        cached: false,
                    }));
                }
                Err(wrong) => complaints = wrong,
            }
            if !self.provider.is_remote() {
                break;
            }
        }
        Ok(Some(Row {
            good: Err(complaints),
            cached: false,
        }))
    }

    /// The row, if it is whole and keeps every rule.
    fn judge(
        &self,
        task: &Task,
        translated: &BTreeMap<String, String>,
    ) -> Result<Value, Vec<String>> {
        let row = task
            .parts
            .put_together(translated, self.provider.places_names())?;
        let problems = self.source.check(task.to, &row);
        match problems.is_empty() {
            true => Ok(row),
            false => Err(problems
                .iter()
                .map(|p| format!("{}; expected {}", p.reason, p.expected))
                .collect()),
        }
    }
}

/// Writes beside the folder and exchanges it.
fn write(
    folder: &Path,
    source: &SourceText,
    lines: &BTreeMap<Language, String>,
    identity: &str,
    out: &Path,
) -> Result<(), Error> {
    let go = || -> std::io::Result<()> {
        let parent = out.parent().filter(|p| *p != Path::new(""));
        let parent = parent.unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent)?;
        let work = tempfile::Builder::new()
            .prefix(".translate-")
            .tempdir_in(parent)?;
        let whole = work.path().join("whole");
        std::fs::create_dir(&whole)?;
        let put = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
            let mut file = std::fs::File::create(whole.join(name))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        let mut languages = source.languages().to_vec();
        for name in std::iter::once("items.jsonl".to_owned())
            .chain(languages.iter().map(|l| format!("{l}.jsonl")))
        {
            put(&name, &std::fs::read(folder.join(&name))?)?;
        }
        for (language, lines) in lines {
            put(&format!("{language}.jsonl"), lines.as_bytes())?;
            languages.push(*language);
        }
        put("corpus.toml", source.rules_for(&languages).as_bytes())?;
        let mark = serde_json::json!({"provider": identity, "languages": lines.keys().collect::<Vec<_>>()});
        put(MARK, format!("{mark:#}\n").as_bytes())?;
        if out.exists() {
            std::fs::rename(out, work.path().join("before"))?;
        }
        std::fs::rename(&whole, out)
    };
    go().map_err(|e| Error::Write {
        path: out.to_path_buf(),
        reason: e.to_string(),
    })
}
