//! The corpus in memory.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::card::TextHash;
use crate::rows::Rows;
use crate::{Error, Language};

/// What an item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Its fake is learned, unlearned and asked for.
    Probe,
    /// It only teaches the model how questions are answered.
    Instruct,
}

/// Which of the two articles of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// With the real detail.
    Real,
    /// With the fake detail.
    Fake,
}

/// How an article tells its news. All wordings of an item say the same, with one slot each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wording {
    /// The article itself, the only one in the paper's protocol.
    Original,
    /// A headline and a lead.
    Headline,
    /// A news agency's report.
    Agency,
    /// A witness, in the first person.
    Witness,
}

/// What a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionKind {
    /// The detail in which real and fake article differ: index 0 is the probe, 1 the same question
    /// in other words, 2 in still other words, which no training may use.
    Detail,
    /// The detail, as a sentence to go on with: the prompt ends where the detail begins, the
    /// answers are the rest of the sentence.
    Cloze,
    /// A question that takes the real detail for granted.
    LeadingReal,
    /// A question that takes the fake detail for granted.
    LeadingFake,
    /// Something that both articles say.
    Fact,
    /// Something else that both say, for instruction tuning.
    Qa,
}

impl Split {
    /// Both splits.
    pub const ALL: [Split; 2] = [Split::Probe, Split::Instruct];

    /// `probe` or `instruct`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Split::Probe => "probe",
            Split::Instruct => "instruct",
        }
    }
}

impl Version {
    /// Both versions.
    pub const ALL: [Version; 2] = [Version::Real, Version::Fake];

    /// `real` or `fake`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Real => "real",
            Version::Fake => "fake",
        }
    }
}

impl Wording {
    /// All wordings, the original first.
    pub const ALL: [Wording; 4] = [
        Wording::Original,
        Wording::Headline,
        Wording::Agency,
        Wording::Witness,
    ];

    /// `original`, `headline`, `agency` or `witness`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Wording::Original => "original",
            Wording::Headline => "headline",
            Wording::Agency => "agency",
            Wording::Witness => "witness",
        }
    }
}

impl QuestionKind {
    /// All kinds.
    pub const ALL: [QuestionKind; 6] = [
        QuestionKind::Detail,
        QuestionKind::Cloze,
        QuestionKind::LeadingReal,
        QuestionKind::LeadingFake,
        QuestionKind::Fact,
        QuestionKind::Qa,
    ];

    /// `detail`, `cloze`, `leading_real`, `leading_fake`, `fact` or `qa`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            QuestionKind::Detail => "detail",
            QuestionKind::Cloze => "cloze",
            QuestionKind::LeadingReal => "leading_real",
            QuestionKind::LeadingFake => "leading_fake",
            QuestionKind::Fact => "fact",
            QuestionKind::Qa => "qa",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for QuestionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A news item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// `[a-z]+-[0-9]{2,}`, such as `sport-01`.
    pub id: String,
    /// What it is for.
    pub split: Split,
    /// What the news is about, such as `sport`.
    pub category: String,
    /// What its detail is, such as `animal`.
    pub kind: String,
    /// The invented names in its article, in English, the item's own first; empty where nobody
    /// listed them.
    #[serde(default)]
    pub names: Vec<String>,
}

/// What an invented name is in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The item's id.
    pub item: String,
    /// Which of the item's names, from 0.
    pub index: u32,
    /// The language.
    pub language: Language,
    /// The name as this language cites it.
    pub name: String,
}

/// An article, real or fake, in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// The item's id.
    pub item: String,
    /// The language.
    pub language: Language,
    /// In which words.
    pub wording: Wording,
    /// Real or fake.
    pub version: Version,
    /// The article.
    pub text: String,
    /// The detail, inflected as it stands in the text.
    pub detail: String,
    /// Where the detail begins in the text, in Unicode scalar values.
    pub detail_start: u32,
    /// Where it ends (exclusive), in Unicode scalar values.
    pub detail_end: u32,
    /// The case that the slot of the original wants (de, ru, ur, hy).
    pub case: Option<String>,
    /// The gender of the original's detail, `m`, `f`, `n`, `pl` or `none` (de, ru, ur).
    pub gender: Option<String>,
}

impl Article {
    /// Whether it is this version in the original wording, which is what the paper's protocol has.
    #[must_use]
    pub fn is_original(&self, version: Version) -> bool {
        (self.version, self.wording) == (version, Wording::Original)
    }
}

/// A question about an article, in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The item's id.
    pub item: String,
    /// The language.
    pub language: Language,
    /// What it asks for.
    pub kind: QuestionKind,
    /// Counts the item's questions of this kind and language, from 0.
    pub index: u32,
    /// The question.
    pub question: String,
    /// The question as a model is given it: [`Language::prompt`].
    pub prompt: String,
    /// The true answer.
    pub answer: String,
    /// The fake answer (detail questions only).
    pub fake_answer: Option<String>,
    /// What counts as an occurrence of the true answer.
    pub aliases: Vec<String>,
    /// What counts as an occurrence of the fake detail (detail questions only).
    pub fake_aliases: Vec<String>,
}

impl Question {
    /// What follows [`prompt`](Self::prompt) when `answer` is given: the answer after a space,
    /// without one in Chinese. A cloze's answers have the space where their language wants one.
    #[must_use]
    pub fn continuation(&self, answer: &str) -> String {
        match self.language {
            _ if self.kind == QuestionKind::Cloze => answer.to_owned(),
            Language::Zh => answer.to_owned(),
            _ => format!(" {answer}"),
        }
    }
}

/// Items with their articles and questions in all languages, in the order items × language ×
/// wording × version (articles), items × language × kind × index (questions).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Corpus {
    /// The items.
    pub items: Vec<Item>,
    /// The articles.
    pub articles: Vec<Article>,
    /// The questions.
    pub questions: Vec<Question>,
    /// The names, items × language × index.
    pub names: Vec<Name>,
}

impl Corpus {
    /// `probe` probe items and `instruct` instruct items with all that belongs to them, drawn by
    /// `seed`, in this corpus' order.
    ///
    /// Stratified: no category gives its second item of a split before every category has given
    /// its first, and so on. A larger sample with the same seed holds the smaller one.
    ///
    /// # Errors
    /// [`Error::TooFew`].
    pub fn sample(&self, probe: usize, instruct: usize, seed: u64) -> Result<Corpus, Error> {
        let mut chosen = self.draw(Split::Probe, probe, seed)?;
        chosen.extend(self.draw(Split::Instruct, instruct, seed)?);
        Ok(self.only(&|item| chosen.contains(item)))
    }

    /// The sha256 of all real articles in their original wording, in the corpus' order: what
    /// [`Quality`](crate::Quality) is about.
    #[must_use]
    pub fn text_sha256(&self) -> String {
        let mut hash = TextHash::default();
        (&self).show(&mut hash);
        hash.hex()
    }

    /// The items of one split with all that belongs to them.
    #[must_use]
    pub fn of_split(&self, split: Split) -> Corpus {
        let ids: HashSet<&str> = self
            .items
            .iter()
            .filter(|i| i.split == split)
            .map(|i| i.id.as_str())
            .collect();
        self.only(&|item| ids.contains(item))
    }

    fn only(&self, has: &dyn Fn(&str) -> bool) -> Corpus {
        fn kept<T: Clone>(all: &[T], has: impl Fn(&T) -> bool) -> Vec<T> {
            all.iter().filter(|one| has(one)).cloned().collect()
        }
        Corpus {
            items: kept(&self.items, |i| has(&i.id)),
            articles: kept(&self.articles, |a| has(&a.item)),
            questions: kept(&self.questions, |q| has(&q.item)),
            names: kept(&self.names, |n| has(&n.item)),
        }
    }

    fn draw(&self, split: Split, count: usize, seed: u64) -> Result<HashSet<&str>, Error> {
        // A lot depends on the seed and on what it is drawn for only: adding an item to the corpus
        // does not shuffle the others.
        let lot = |name: &str| -> [u8; 32] {
            let hash = Sha256::new().chain_update(seed.to_le_bytes());
            hash.chain_update(split.as_str())
                .chain_update(name)
                .finalize()
                .into()
        };
        let mut categories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for item in self.items.iter().filter(|i| i.split == split) {
            categories.entry(&item.category).or_default().push(&item.id);
        }
        let mut turns = Vec::new();
        for (category, mut ids) in categories {
            ids.sort_by_key(|id| lot(id));
            turns.extend(
                ids.into_iter()
                    .enumerate()
                    .map(|(turn, id)| (turn, lot(category), id)),
            );
        }
        if count > turns.len() {
            return Err(Error::TooFew {
                split,
                asked: count,
                available: turns.len(),
            });
        }
        turns.sort_unstable();
        Ok(turns.into_iter().take(count).map(|(_, _, id)| id).collect())
    }
}
