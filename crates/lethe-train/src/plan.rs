//! Which examples go into which step.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::Example;

/// One pass over the examples: steps of `accumulate` micro-batches of at most `batch` examples,
/// as indices. Examples are shuffled, then sorted by length within windows of eight steps, so
/// that a micro-batch holds little padding and every pass mixes differently; the order of steps is
/// shuffled again.
#[must_use]
pub fn plan(
    examples: &[Example],
    batch: usize,
    accumulate: usize,
    seed: u64,
    pass: usize,
) -> Vec<Vec<Vec<usize>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(pass as u64);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.retain(|&i| examples[i].sequence.targets() > 0);
    order.shuffle(&mut rng);
    let mut batches = Vec::new();
    for window in order.chunks_mut((batch * accumulate * 8).max(1)) {
        window.sort_by_key(|&i| examples[i].sequence.ids.len());
        batches.extend(window.chunks(batch.max(1)).map(<[usize]>::to_vec));
    }
    batches.shuffle(&mut rng);
    batches
        .chunks(accumulate.max(1))
        .map(<[Vec<usize>]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::Example;
    use lethe_model::Sequence;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pass_holds_every_example_once(
            lengths in prop::collection::vec(2usize..40, 0..70),
            batch in 1usize..9,
            accumulate in 1usize..4,
            seed: u64,
        ) {
            let examples: Vec<Example> = lengths
                .iter()
                .map(|&n| Example { sequence: Sequence::whole(vec![1; n]), label: String::new() })
                .collect();
            let steps = plan(&examples, batch, accumulate, seed, 0);
            prop_assert!(steps.iter().all(|s| s.len() <= accumulate));
            prop_assert!(steps.iter().flatten().all(|b| !b.is_empty() && b.len() <= batch));
            let mut seen: Vec<usize> = steps.into_iter().flatten().flatten().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..examples.len()).collect::<Vec<_>>());
            prop_assert_eq!(
                plan(&examples, batch, accumulate, seed, 3),
                plan(&examples, batch, accumulate, seed, 3)
            );
        }
    }
}
