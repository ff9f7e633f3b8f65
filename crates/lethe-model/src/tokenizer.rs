//! Text to token ids and back, with an optionally trimmed vocabulary.
//!
//! A GGUF file carries a SentencePiece vocabulary with scores but no merge list. SentencePiece's
//! BPE always joins the adjacent pair whose union has the best score, so the merge list follows
//! from the scores: every way to cut a piece into two pieces is a merge, ranked by the piece's
//! score.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::Replace;
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, decoders, models::TrainerWrapper,
};

use crate::gguf::{Gguf, Value};
use crate::{Error, ModelConfig};

/// The ids that mean something to the model rather than standing for text, as ids of the model's
/// (possibly trimmed) vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// Begins every sequence.
    pub bos: u32,
    /// Ends a sequence.
    pub eos: u32,
    /// Fills a batch.
    pub pad: u32,
}

/// Which rows of the full embedding the model keeps.
#[derive(Debug, Clone)]
struct Trimmed {
    kept: Vec<u32>,
    index: HashMap<u32, u32>,
}

/// A tokenizer whose ids are rows of one model's embedding.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    trimmed: Option<Arc<Trimmed>>,
    full_size: usize,
    special: Special,
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::Tokenizer(e.to_string())
}

/// SentencePiece's spelling of text: spaces become `▁`, unknown characters become byte tokens.
fn sentencepiece(bpe: BPE) -> Result<tokenizers::Tokenizer, Error> {
    let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(bpe));
    let space = Replace::new(" ", "▁").map_err(failed)?;
    inner
        .with_normalizer(Some(NormalizerWrapper::Replace(space)))
        .map_err(failed)?;
    let back = Replace::new("▁", " ").map_err(failed)?;
    inner.with_decoder(Some(decoders::sequence::Sequence::new(vec![
        DecoderWrapper::Replace(back),
        DecoderWrapper::ByteFallback(decoders::byte_fallback::ByteFallback::new()),
        DecoderWrapper::Fuse(decoders::fuse::Fuse::new()),
    ])));
    Ok(inner)
}

impl Tokenizer {
    fn new(inner: tokenizers::Tokenizer, config: &ModelConfig) -> Result<Self, Error> {
        let full_size = inner.get_vocab_size(true);
        let full = Tokenizer {
            inner: Arc::new(inner),
            trimmed: None,
            full_size,
            special: Special {
                bos: config.bos_token_id,
                eos: config.eos_token_id,
                pad: config.pad_token_id,
            },
        };
        match &config.kept_tokens {
            None => Ok(full),
            Some(kept) => full.trimmed(kept),
        }
    }

    /// Builds the tokenizer from a GGUF file's metadata.
    ///
    /// # Errors
    /// [`Error::Format`] for metadata that is absent or inconsistent, [`Error::Unsupported`] for
    /// a tokenizer that is not SentencePiece BPE.
    pub fn from_gguf(gguf: &Gguf, config: &ModelConfig) -> Result<Self, Error> {
        let kind = gguf.text("tokenizer.ggml.model")?;
        if kind != "llama" {
            return Err(Error::unsupported(
                gguf.path(),
                format!("tokenizer {kind:?}; supported is \"llama\" (SentencePiece BPE)"),
            ));
        }
        let tokens = gguf.list("tokenizer.ggml.tokens")?;
        let scores = gguf.list("tokenizer.ggml.scores")?;
        let kinds = gguf.list("tokenizer.ggml.token_type")?;
        if scores.len() != tokens.len() || kinds.len() != tokens.len() {
            return Err(Error::format(
                gguf.path(),
                format!(
                    "{} tokens, {} scores, {} token types: expected equally many",
                    tokens.len(),
                    scores.len(),
                    kinds.len()
                ),
            ));
        }
        let mut vocabulary = HashMap::with_capacity(tokens.len());
        let mut pieces = Vec::new();
        let mut added = Vec::new();
        for (id, ((token, score), kind)) in tokens.iter().zip(scores).zip(kinds).enumerate() {
            let (Value::Text(token), Value::Float(score), Value::Int(kind)) = (token, score, kind)
            else {
                return Err(Error::format(
                    gguf.path(),
                    format!(
                        "token {id}: found {token:?}, {score:?}, {kind:?}, expected text, a score and a type"
                    ),
                ));
            };
            if let Some(first) = vocabulary.insert(token.clone(), id as u32) {
                return Err(Error::format(
                    gguf.path(),
                    format!("token {id} {token:?} repeats token {first}"),
                ));
            }
            // ggml's token types: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte.
            match kind {
                1 => pieces.push((token.clone(), *score)),
                3 => added.push(AddedToken::from(token.clone(), true)),
                4 => added.push(AddedToken::from(token.clone(), false).normalized(false)),
                _ => {}
            }
        }
        let unknown = gguf.size("tokenizer.ggml.unknown_token_id")?;
        let Some(Value::Text(unknown)) = tokens.get(unknown) else {
            return Err(Error::format(
                gguf.path(),
                format!("unknown_token_id {unknown} is no token"),
            ));
        };
        let merges = merges(&pieces, &vocabulary);
        let vocabulary: tokenizers::models::bpe::Vocab = vocabulary.into_iter().collect();
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .unk_token(unknown.clone())
            .fuse_unk(true)
            .byte_fallback(true)
            .build()
            .map_err(failed)?;
        let mut inner = sentencepiece(bpe)?;
        inner.add_tokens(added).map_err(failed)?;
        Self::new(inner, config)
    }

    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Format`] when it is none.
    pub fn from_json(path: &Path, config: &ModelConfig) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| Error::format(path, e.to_string()))?;
        Self::new(inner, config)
    }

    /// Trains a byte-fallback BPE tokenizer of at most `size` tokens on `texts`, with the special
    /// tokens `<pad>` 0, `<eos>` 1, `<bos>` 2 and `<unk>` 3: what a small random model for tests
    /// uses.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the library refuses.
    pub fn train(texts: &[&str], size: usize) -> Result<Self, Error> {
        let specials = ["<pad>", "<eos>", "<bos>", "<unk>"].map(|t| AddedToken::from(t, true));
        let bytes = (0..=255u8).map(|b| AddedToken::from(format!("<0x{b:02X}>"), false));
        let trainer = BpeTrainer::builder()
            .vocab_size(size)
            .show_progress(false)
            .max_token_length(Some(12))
            .special_tokens(specials.iter().cloned().chain(bytes).collect())
            .build();
        let bpe = BPE::builder()
            .unk_token("<unk>".to_owned())
            .fuse_unk(true)
            .byte_fallback(true)
            .build()
            .map_err(failed)?;
        let mut inner = sentencepiece(bpe)?;
        inner.with_pre_tokenizer(Some(
            tokenizers::pre_tokenizers::split::Split::new(
                "▁",
                tokenizers::SplitDelimiterBehavior::MergedWithNext,
                false,
            )
            .map_err(failed)?,
        ));
        inner
            .train(&mut TrainerWrapper::BpeTrainer(trainer), texts.iter())
            .map_err(failed)?;
        let full_size = inner.get_vocab_size(true);
        Ok(Tokenizer {
            inner: Arc::new(inner),
            trimmed: None,
            full_size,
            special: Special {
                bos: 2,
                eos: 1,
                pad: 0,
            },
        })
    }

    /// The same tokenizer over a trimmed vocabulary: `kept` are ids of the full one, ascending.
    ///
    /// # Errors
    /// [`Error::Argument`] when `kept` is not ascending, goes beyond the vocabulary, or lacks a
    /// special token.
    pub fn trimmed(&self, kept: &[u32]) -> Result<Self, Error> {
        let ascending = kept.windows(2).all(|w| w[0] < w[1]);
        let inside = kept.last().is_none_or(|&id| (id as usize) < self.full_size);
        if !ascending || !inside {
            return Err(Error::Argument(format!(
                "kept tokens must be ascending ids below {}",
                self.full_size
            )));
        }
        let index: HashMap<u32, u32> = kept.iter().copied().zip(0..).collect();
        let special = |id: u32| {
            let full = self.full_id(id);
            index.get(&full).copied().ok_or_else(|| {
                Error::Argument(format!("kept tokens lack the special token {full}"))
            })
        };
        Ok(Tokenizer {
            inner: Arc::clone(&self.inner),
            full_size: self.full_size,
            special: Special {
                bos: special(self.special.bos)?,
                eos: special(self.special.eos)?,
                pad: special(self.special.pad)?,
            },
            trimmed: Some(Arc::new(Trimmed {
                kept: kept.to_vec(),
                index,
            })),
        })
    }

    /// The ids, in the full vocabulary and ascending, of every token that `texts` can produce:
    /// their own tokens, the special tokens, all single bytes (what the tokenizer falls back to for unknown
    /// characters) and the newline.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn tokens_of<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<Vec<u32>, Error> {
        let Special { bos, eos, pad } = self.special;
        let mut kept = BTreeSet::from([bos, eos, pad].map(|id| self.full_id(id)));
        kept.extend(self.inner.token_to_id("<unk>"));
        kept.extend((0..=255u8).filter_map(|b| self.inner.token_to_id(&format!("<0x{b:02X}>"))));
        for text in texts.chain(["\n", "\n\n"]) {
            let encoding = self.inner.encode_fast(text, false).map_err(failed)?;
            kept.extend(encoding.get_ids());
        }
        Ok(kept.into_iter().collect())
    }

    /// The model's ids of a text, without special tokens.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for a token outside a trimmed vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self.inner.encode_fast(text, false).map_err(failed)?;
        let ids = encoding.get_ids();
        let Some(trimmed) = &self.trimmed else {
            return Ok(ids.to_vec());
        };
        let lookup = |id: &u32| {
            trimmed
                .index
                .get(id)
                .copied()
                .ok_or_else(|| Error::Vocabulary {
                    id: *id,
                    token: self.inner.id_to_token(*id).unwrap_or_default(),
                    text: text.to_owned(),
                    size: trimmed.kept.len(),
                })
        };
        ids.iter().map(lookup).collect()
    }

    /// [`Self::encode`] after the token that begins every sequence.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_sequence(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids = vec![self.special.bos];
        ids.extend(self.encode(text)?);
        Ok(ids)
    }

    /// The text of the model's ids; special tokens leave no trace, and bytes that are no UTF-8
    /// become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        let ids: Vec<u32> = ids.iter().map(|&id| self.full_id(id)).collect();
        self.inner.decode(&ids, true).map_err(failed)
    }

    /// The id in the full vocabulary of one of the model's ids.
    #[must_use]
    pub fn full_id(&self, id: u32) -> u32 {
        match &self.trimmed {
            None => id,
            Some(trimmed) => trimmed.kept.get(id as usize).copied().unwrap_or(id),
        }
    }

    /// The special ids.
    #[must_use]
    pub fn special(&self) -> Special {
        self.special
    }

    /// How many tokens the model has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trimmed
            .as_ref()
            .map_or(self.full_size, |t| t.kept.len())
    }

    /// Whether the vocabulary has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tokens the vocabulary has before trimming.
    #[must_use]
    pub fn full_len(&self) -> usize {
        self.full_size
    }

    /// The model's ids whose text contains a line break, and the end of the sequence: where an
    /// answer stops.
    #[must_use]
    pub fn stops(&self) -> BTreeSet<u32> {
        let breaks = |id: &u32| {
            let token = self.inner.id_to_token(self.full_id(*id));
            token.is_some_and(|token| token.contains('\n') || token == "<0x0A>")
        };
        let mut stops: BTreeSet<u32> = (0..self.len() as u32).filter(breaks).collect();
        stops.insert(self.special.eos);
        stops
    }

    /// The tokenizer as the text of a `tokenizer.json` over the full vocabulary.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn to_json(&self) -> Result<String, Error> {
        self.inner.to_string(false).map_err(failed)
    }
}

fn merges(pieces: &[(String, f64)], vocabulary: &HashMap<String, u32>) -> Vec<(String, String)> {
    let mut ranked = Vec::new();
    for (piece, score) in pieces {
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&l), Some(&r)) = (vocabulary.get(left), vocabulary.get(right)) {
                ranked.push((*score, l, r, left, right));
            }
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    ranked
        .into_iter()
        .map(|(_, _, _, left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}
