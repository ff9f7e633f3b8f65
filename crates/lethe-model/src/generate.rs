//! Asking a model: prompts are computed once, then scored against given answers and continued.

use std::collections::BTreeSet;

use burn::tensor::{Int, Tensor, TensorData};
use rand::RngExt;

use crate::blocks::token_losses;
use crate::network::{Cache, Network, Rows};
use crate::seeded;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decoding {
    /// The most probable token.
    Greedy,
    /// A draw from the smallest set of tokens whose probabilities, after division of the logits
    /// by `temperature`, sum to at least `top_p` (arXiv 1904.09751).
    Sample {
        /// Above 0; 1 leaves the model's distribution.
        temperature: f64,
        /// In `(0, 1]`; 1 keeps every token.
        top_p: f64,
        /// Answers are reproducible from it, whatever else is in the batch.
        seed: u64,
    },
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// At a stop token, which is not part of the answer.
    Stop,
    /// At the limit.
    Length,
}

/// A generated continuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The model's ids, the stop token excluded.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
}

/// A batch of prompts whose keys and values are computed.
///
/// Prompts of different length are padded on the left, so that all continue in the same cache
/// slot; positions and masks leave the padding out.
#[derive(Debug)]
pub struct Session<'a> {
    network: &'a Network,
    cache: Cache,
    left_pad: Vec<usize>,
    prompt_width: usize,
    /// `[batch, vocabulary]`: what the prompts' last tokens predict.
    last_logits: Tensor<2>,
}

impl<'a> Session<'a> {
    /// Computes the prompts (each with at least one token), with room for `room` more tokens.
    #[must_use]
    pub fn new(network: &'a Network, prompts: &[Vec<u32>], room: usize) -> Self {
        let batch = prompts.len();
        let width = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let left_pad: Vec<usize> = prompts.iter().map(|p| width - p.len()).collect();
        let mut ids = Vec::with_capacity(batch * width);
        for (prompt, &pad) in prompts.iter().zip(&left_pad) {
            ids.resize(ids.len() + pad, 0);
            ids.extend(prompt);
        }
        let mut cache = Cache::new(&network.config, batch, width + room, &network.device());
        let rows = Rows {
            ids: &ids,
            batch,
            left_pad: &left_pad,
        };
        let hidden = network.hidden(&rows, Some(&mut cache));
        let last: Vec<i32> = (1..=batch).map(|row| (row * width - 1) as i32).collect();
        let last = Tensor::<1, Int>::from_data(TensorData::new(last, [batch]), &network.device());
        Session {
            network,
            cache,
            left_pad,
            prompt_width: width,
            last_logits: network.logits(hidden.select(0, last)),
        }
    }

    /// Log-probabilities (nats) of the tokens of one continuation per prompt, given the prompt:
    /// as many numbers as the continuation has tokens. The session is left as it was.
    #[must_use]
    pub fn log_probabilities(&mut self, continuations: &[Vec<u32>]) -> Vec<Vec<f64>> {
        let device = self.network.device();
        let batch = continuations.len();
        let width = continuations.iter().map(Vec::len).max().unwrap_or(0);
        let mut out: Vec<Vec<f64>> = vec![Vec::new(); batch];
        if width == 0 {
            return out;
        }
        // The last token predicts nothing that is asked for.
        let inputs = width - 1;
        let mut logits = vec![self.last_logits.clone()];
        if inputs > 0 {
            let mut ids = Vec::with_capacity(batch * inputs);
            for (row, continuation) in continuations.iter().enumerate() {
                ids.extend(continuation.iter().take(inputs));
                ids.resize((row + 1) * inputs, 0);
            }
            let rows = Rows {
                ids: &ids,
                batch,
                left_pad: &self.left_pad,
            };
            let hidden = self.network.hidden(&rows, Some(&mut self.cache));
            self.cache.truncate(self.prompt_width);
            logits.push(self.network.logits(hidden));
        }
        // Row `r` of position 0 comes from the prompt, later ones from the continuation.
        let (mut places, mut targets, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (row, continuation) in continuations.iter().enumerate() {
            for (position, &id) in continuation.iter().enumerate() {
                let place = match position {
                    0 => row,
                    _ => batch + row * inputs + position - 1,
                };
                places.push(place as i32);
                targets.push(id.cast_signed());
                owners.push(row);
            }
        }
        let n = places.len();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &device);
        let logits = Tensor::cat(logits, 0).select(0, places);
        let losses = token_losses(logits, &targets).into_data();
        for (owner, loss) in owners.into_iter().zip(losses.iter::<f32>()) {
            out[owner].push(-f64::from(loss));
        }
        out
    }

    /// Continues every prompt by at most `limit` tokens, until one of `stops`.
    ///
    /// Rows that have ended are taken out of the batch, so that they cost nothing more. At most
    /// as many tokens as the session has room for are generated.
    #[must_use]
    pub fn generate(
        mut self,
        decoding: Decoding,
        limit: usize,
        stops: &BTreeSet<u32>,
    ) -> Vec<Generated> {
        let device = self.network.device();
        let mut out: Vec<Generated> = vec![
            Generated {
                ids: Vec::new(),
                finish: Finish::Length,
            };
            self.left_pad.len()
        ];
        let mut active: Vec<usize> = (0..out.len()).collect();
        let mut logits = self.last_logits.clone();
        for step in 0..limit {
            let chosen = choose(&logits, decoding, &active, step);
            let mut going = Vec::new();
            for (row, (&owner, &id)) in active.iter().zip(&chosen).enumerate() {
                if stops.contains(&id) {
                    out[owner].finish = Finish::Stop;
                } else {
                    out[owner].ids.push(id);
                    going.push(row);
                }
            }
            if going.is_empty() || step + 1 == limit {
                break;
            }
            if going.len() < active.len() {
                self.cache.select(&going, &device);
                self.left_pad = going.iter().map(|&row| self.left_pad[row]).collect();
                active = going.iter().map(|&row| active[row]).collect();
            }
            let ids: Vec<u32> = going.iter().map(|&row| chosen[row]).collect();
            let rows = Rows {
                ids: &ids,
                batch: ids.len(),
                left_pad: &self.left_pad,
            };
            logits = self
                .network
                .logits(self.network.hidden(&rows, Some(&mut self.cache)));
        }
        out
    }
}

/// The next id of every row.
fn choose(logits: &Tensor<2>, decoding: Decoding, owners: &[usize], step: usize) -> Vec<u32> {
    match decoding {
        Decoding::Greedy => {
            let ids = logits.clone().argmax(1).into_data();
            ids.iter::<i64>().map(|id| id as u32).collect()
        }
        Decoding::Sample {
            temperature,
            top_p,
            seed,
        } => {
            let width = logits.dims()[1];
            let values: Vec<f32> = logits.to_data().iter::<f32>().collect();
            let rows = values.chunks_exact(width).zip(owners);
            rows.map(|(row, owner)| {
                let draw = seeded(seed, &format!("row {owner} step {step}")).random::<f64>();
                sample(row, temperature, top_p, draw)
            })
            .collect()
        }
    }
}

/// Nucleus sampling of one row with a uniform `draw` in `[0, 1)`.
fn sample(logits: &[f32], temperature: f64, top_p: f64, draw: f64) -> u32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |&x: &f32| (f64::from(x - max) / temperature).exp();
    let mut ranked: Vec<(u32, f64)> = (0..).zip(logits.iter().map(weight)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let total: f64 = ranked.iter().map(|(_, w)| w).sum();
    let mut mass = 0.0;
    let nucleus = ranked.iter().position(|(_, w)| {
        mass += w / total;
        mass >= top_p
    });
    ranked.truncate(nucleus.map_or(ranked.len(), |last| last + 1));
    let mut left = draw * ranked.iter().map(|(_, w)| w).sum::<f64>();
    for &(id, w) in &ranked {
        left -= w;
        if left < 0.0 {
            return id;
        }
    }
    ranked.last().map_or(0, |&(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn nucleus_keeps_the_smallest_sufficient_set() {
        // Probabilities 0.6, 0.3, 0.1.
        let logits = [0.6f32.ln(), 0.1f32.ln(), 0.3f32.ln()];
        assert_eq!(sample(&logits, 1.0, 0.5, 0.99), 0);
        assert_eq!(sample(&logits, 1.0, 0.85, 0.99), 2);
        assert_eq!(sample(&logits, 1.0, 1.0, 0.95), 1);
        assert_eq!(sample(&logits, 1.0, 1.0, 0.59), 0);
        assert_eq!(sample(&logits, 1.0, 1.0, 0.61), 2);
        // A temperature near zero is greedy.
        assert_eq!(sample(&logits, 0.01, 1.0, 0.999), 0);
    }
}
