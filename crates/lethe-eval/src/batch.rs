//! Prompts in batches of like length: answers scored, and given.

use std::sync::atomic::{AtomicUsize, Ordering};

use lethe_model::{Decoding, Generated, LanguageModel, Session, in_parallel};
use sha2::{Digest, Sha256};

use crate::AskConfig;

/// A prompt, and what is to be scored after it.
pub(crate) struct Asked {
    /// The prompt's ids, never none.
    pub prompt: Vec<u32>,
    /// Answers' ids. One without ids is not scored.
    pub answers: Vec<Vec<u32>>,
}

/// What a model makes of a prompt.
pub(crate) struct Answered {
    /// Of every answer, its tokens' log-probabilities given the prompt, in nats.
    pub scores: Vec<Vec<f64>>,
    /// The greedy answer, and then the drawn ones.
    pub said: Vec<Generated>,
}

/// Scores and continues every prompt; results come in the order of the prompts. `progress` hears how
/// many of how many are done.
pub(crate) fn answered(
    model: &LanguageModel,
    asked: &[Asked],
    config: &AskConfig,
    seed: u64,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Vec<Answered> {
    let stops = model.tokenizer.stops();
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|&i| asked[i].prompt.len());
    let chunks: Vec<(usize, &[usize])> = order.chunks(config.batch.max(1)).enumerate().collect();
    let done = AtomicUsize::new(0);
    let in_chunks = in_parallel(&chunks, |&(number, chunk)| {
        let batch: Vec<Vec<u32>> = chunk.iter().map(|&i| asked[i].prompt.clone()).collect();
        let answers = || chunk.iter().map(|&i| &asked[i].answers);
        let longest = answers().flatten().map(Vec::len).max().unwrap_or(0);
        let mut session = Session::new(&model.network, &batch, longest.max(config.new_tokens));
        // One of every prompt's at a time; prompts that have fewer have none in the last rounds.
        let rounds = answers().map(Vec::len).max().unwrap_or(0);
        let mut scores: Vec<Vec<Vec<f64>>> = vec![Vec::new(); chunk.len()];
        for round in 0..rounds {
            let ids = answers().map(|of| of.get(round).cloned().unwrap_or_default());
            let scored = session.log_probabilities(&ids.collect::<Vec<_>>());
            for ((to, of), scored) in scores.iter_mut().zip(answers()).zip(scored) {
                if round < of.len() {
                    to.push(scored);
                }
            }
        }
        let mut generated = vec![session.generate(Decoding::Greedy, config.new_tokens, &stops)];
        for sample in 1..=config.samples {
            let decoding = Decoding::Sample {
                temperature: config.temperature,
                top_p: 1.0,
                seed: seed_of(seed, sample, number),
            };
            let session = Session::new(&model.network, &batch, config.new_tokens);
            generated.push(session.generate(decoding, config.new_tokens, &stops));
        }
        let so_far = done.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
        progress(so_far, asked.len());
        let mut rows: Vec<Answered> = Vec::with_capacity(chunk.len());
        for (place, scores) in scores.into_iter().enumerate() {
            let said = generated.iter().map(|answers| answers[place].clone());
            let said = said.collect();
            rows.push(Answered { scores, said });
        }
        rows
    });
    let places = chunks.iter().flat_map(|(_, chunk)| chunk.iter().copied());
    let mut out: Vec<(usize, Answered)> = places.zip(in_chunks.into_iter().flatten()).collect();
    out.sort_by_key(|(place, _)| *place);
    out.into_iter().map(|(_, answered)| answered).collect()
}

/// A seed for one sample of one batch: a batch draws by its rows' places.
fn seed_of(seed: u64, sample: usize, batch: usize) -> u64 {
    let name = format!("answers {seed}, sample {sample}, batch {batch}");
    let digest = Sha256::digest(name.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}
