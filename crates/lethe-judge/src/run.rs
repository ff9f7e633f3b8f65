//! All answers of a run, judged.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lethe_eval::Judgement;
use lethe_service::{Cache, Failure, Retry};
use rayon::prelude::*;

use crate::{Answer, Error, Judge, Said, Verdict};

/// How patiently, and how much at a time, is judged.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// How a service's passing failures are met.
    pub retry: Retry,
    /// How often the same answers are judged that got no verdicts that can be read.
    pub attempts: usize,
    /// Requests at a time.
    pub parallel: usize,
}

impl Default for Job {
    fn default() -> Self {
        Job {
            retry: Retry::default(),
            attempts: 2,
            parallel: 4,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Different answers.
    pub answers: usize,
    /// Of those, answers whose verdicts are kept from before.
    pub cached: usize,
    /// Characters of the texts that have to be sent.
    pub characters: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// One judgement for every answer, in their order.
    pub judgements: Vec<Judgement>,
    /// Different answers that were judged.
    pub answers: usize,
    /// Of those, answers whose verdicts were kept from before.
    pub cached: usize,
}

/// Told how many of how many different answers are judged.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Batches in a row that a service failed to answer, after which no more are sent.
const GIVE_UP: usize = 3;

/// What is said of batches that were not sent for that reason.
const STOPPED: &str = "the service had stopped answering";

/// A verdict, or why there is none.
type Judged = Result<Verdict, String>;

/// All that a judge is asked about an answer, which is what its verdict is kept under.
fn asked(identity: &str, answer: &Answer) -> [String; 6] {
    [
        identity.to_owned(),
        answer.language.code().to_owned(),
        answer.question.clone(),
        answer.real_answer.clone(),
        answer.fake_answer.clone(),
        answer.answer.clone(),
    ]
}

/// The different answers, each with its kept verdict.
fn kept<'a>(
    judge: &dyn Judge,
    answers: &'a [Said],
    cache: &Cache,
) -> BTreeMap<&'a Answer, Option<Verdict>> {
    let mut out: BTreeMap<&Answer, Option<Verdict>> =
        answers.iter().map(|said| (&said.answer, None)).collect();
    if let Some(identity) = judge.identity() {
        for (answer, verdict) in &mut out {
            *verdict = cache.get(&asked(&identity, answer));
        }
    }
    out
}

/// What judging would ask of a service.
#[must_use]
pub fn estimate(judge: &dyn Judge, answers: &[Said], cache: &Cache) -> Estimate {
    let kept = kept(judge, answers, cache);
    let left = kept.iter().filter(|(_, verdict)| verdict.is_none());
    let length = |answer: &Answer| {
        let said = [
            &answer.question,
            &answer.real_answer,
            &answer.fake_answer,
            &answer.answer,
        ];
        said.iter().map(|text| text.chars().count()).sum::<usize>()
    };
    Estimate {
        answers: kept.len(),
        cached: kept.values().flatten().count(),
        characters: left.map(|(answer, _)| length(answer)).sum(),
    }
}

/// Judges answers. Those that differ in who said them alone are judged once. Where a batch gets no
/// verdicts that can be read, however often it is asked for, its answers are judged one by one; one
/// that gets none even so is undecided.
///
/// # Errors
/// [`Error::Refused`], [`Error::Unfinished`], [`Error::Undecided`], [`Error::Write`]; verdicts are
/// kept in `cache` then.
pub fn judge(
    judge: &dyn Judge,
    answers: &[Said],
    cache: &Cache,
    job: &Job,
    progress: Progress,
) -> Result<Outcome, Error> {
    let mut verdicts: BTreeMap<&Answer, Judged> = BTreeMap::new();
    let mut left: Vec<&Answer> = Vec::new();
    for (answer, kept) in kept(judge, answers, cache) {
        match kept {
            Some(verdict) => {
                verdicts.insert(answer, Ok(verdict));
            }
            None => left.push(answer),
        }
    }
    let (cached, of) = (verdicts.len(), verdicts.len() + left.len());
    progress(cached, of);
    let session = Session {
        judge,
        cache,
        job,
        failures: AtomicUsize::new(0),
        refused: Mutex::new(None),
    };
    let done = AtomicUsize::new(cached);
    let name = judge.label().judge;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(job.parallel.max(1))
        .build()
        .map_err(|e| Error::Refused {
            judge: name.clone(),
            reason: e.to_string(),
            kept: cached,
        })?;
    let judged: Result<Vec<Result<Vec<Judged>, String>>, Error> = pool.install(|| {
        let batches = left.par_chunks(judge.batch().max(1));
        batches
            .map(|batch| {
                let judged = session.batch(batch)?;
                if judged.is_ok() {
                    let now = done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len();
                    progress(now, of);
                }
                Ok(judged)
            })
            .collect()
    });
    let (mut unanswered, mut first) = (0, None::<String>);
    for (batch, judged) in left.chunks(judge.batch().max(1)).zip(judged?) {
        match judged {
            Ok(judged) => verdicts.extend(batch.iter().copied().zip(judged)),
            Err(reason) => {
                unanswered += batch.len();
                if first.as_ref().is_none_or(|first| first == STOPPED) {
                    first = Some(reason);
                }
            }
        }
    }
    let kept = verdicts.values().filter(|v| v.is_ok()).count();
    let refused = session.refused.into_inner();
    if let Some(reason) = refused.unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(Error::Refused {
            judge: name,
            reason,
            kept,
        });
    }
    if let Some(reason) = first {
        return Err(Error::Unfinished {
            judge: name,
            left: unanswered,
            of,
            reason,
            kept,
        });
    }
    if kept == 0
        && let Some(reason) = verdicts.values().find_map(|v| v.as_ref().err())
    {
        return Err(Error::Undecided {
            judge: name,
            of,
            reason: reason.clone(),
        });
    }
    let judgements = answers
        .iter()
        .filter_map(|said| Some((said, verdicts.get(&said.answer)?)))
        .map(|(said, judged)| {
            let verdict = judged.clone().unwrap_or_default();
            Judgement {
                id: said.id.clone(),
                answer: said.answer.answer.clone(),
                fake: verdict.fake,
                quality: verdict.quality,
                note: judged.as_ref().err().cloned(),
            }
        })
        .collect();
    Ok(Outcome {
        judgements,
        answers: of,
        cached,
    })
}

struct Session<'a> {
    judge: &'a dyn Judge,
    cache: &'a Cache,
    job: &'a Job,
    /// Batches in a row that the service failed to answer.
    failures: AtomicUsize,
    /// Why the service answers no request, once it has said so: then none is sent any more.
    refused: Mutex<Option<String>>,
}

impl Session<'_> {
    /// Verdicts on a batch, which are kept; or why the service does not answer.
    fn batch(&self, batch: &[&Answer]) -> Result<Result<Vec<Judged>, String>, Error> {
        let judged = match self.ask(batch) {
            Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
            Err(Failure::Malformed(reason) | Failure::Unanswered(reason)) if batch.len() == 1 => {
                tracing::warn!("an answer is undecided: {reason}");
                vec![Err(reason)]
            }
            Err(Failure::Malformed(reason) | Failure::Unanswered(reason)) => {
                tracing::warn!("{reason}; {} answers are judged one by one", batch.len());
                let mut judged = Vec::with_capacity(batch.len());
                for &answer in batch {
                    match self.batch(&[answer])? {
                        Ok(one) => judged.extend(one),
                        Err(reason) => return Ok(Err(reason)),
                    }
                }
                return Ok(Ok(judged));
            }
            Err(failure) => return Ok(Err(failure.reason().to_owned())),
        };
        if let Some(identity) = self.judge.identity() {
            for (answer, verdict) in batch.iter().zip(&judged) {
                if let Ok(verdict) = verdict {
                    let kept = self.cache.put(&asked(&identity, answer), verdict);
                    kept.map_err(|e| Error::Write {
                        path: self.cache.folder().to_path_buf(),
                        reason: e.to_string(),
                    })?;
                }
            }
        }
        Ok(Ok(judged))
    }

    /// Asks until there are verdicts, as often as is worth it.
    fn ask(&self, batch: &[&Answer]) -> Result<Vec<Verdict>, Failure> {
        let mut last = Failure::Malformed("it was not asked".to_owned());
        for _ in 0..self.job.attempts.max(1) {
            if self.failures.load(Ordering::Relaxed) >= GIVE_UP || self.is_refused() {
                return Err(Failure::passing(STOPPED));
            }
            last = match self.job.retry.call(|| self.once(batch)) {
                Ok(verdicts) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(verdicts);
                }
                Err(failure) => failure,
            };
            match &last {
                Failure::Malformed(_) => self.failures.store(0, Ordering::Relaxed),
                Failure::Unanswered(_) => break,
                Failure::Passing { .. } => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Failure::Lasting(reason) => {
                    if let Ok(mut refused) = self.refused.lock() {
                        refused.get_or_insert_with(|| reason.clone());
                    }
                    break;
                }
            }
        }
        Err(last)
    }

    fn once(&self, batch: &[&Answer]) -> Result<Vec<Verdict>, Failure> {
        let verdicts = self.judge.judge(batch)?;
        match verdicts.len() == batch.len() {
            true => Ok(verdicts),
            false => Err(Failure::Malformed(format!(
                "{} verdicts for {} answers",
                verdicts.len(),
                batch.len()
            ))),
        }
    }

    fn is_refused(&self) -> bool {
        self.refused.lock().is_ok_and(|refused| refused.is_some())
    }
}
