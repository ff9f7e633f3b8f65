//! What is forgotten, and what should be said instead.

use color_eyre::eyre::{Result, bail, eyre};
use lethe_corpus::{Article, Corpus, Language, Question, QuestionKind, Split, Version, Wording};
use lethe_model::{Sequence, Tokenizer};
use lethe_train::{Example, article_example, question_example, statement, statement_example};
use lethe_unlearn::Alternative;

/// A text that a model is trained on or unlearns.
#[derive(Debug, Clone)]
pub enum Text {
    /// An article.
    Article(Article),
    /// A cloze, filled in with its answer.
    Statement(Question),
    /// A question with its answer, which alone is predicted.
    Answer(Question),
}

/// How many plausible details stand in for a fake one at most (as many as AltPO has answers
/// generated).
const PLAUSIBLE: usize = 5;

impl Text {
    /// As a training example.
    pub fn example(&self, tokenizer: &Tokenizer) -> Result<Example> {
        Ok(match self {
            Text::Article(article) => article_example(tokenizer, article)?,
            Text::Statement(cloze) => statement_example(tokenizer, cloze)?,
            Text::Answer(question) => question_example(tokenizer, question)?,
        })
    }

    /// In the forms in which it is tokenised.
    fn tokenised(&self) -> Vec<String> {
        match self {
            Text::Article(article) => vec![article.text.clone()],
            Text::Statement(cloze) => vec![statement(cloze, &cloze.answer)],
            Text::Answer(question) => vec![
                question.prompt.clone(),
                question.continuation(&question.answer),
            ],
        }
    }

    /// Its item and language.
    pub fn place(&self) -> (&str, Language) {
        match self {
            Text::Article(article) => (&article.item, article.language),
            Text::Statement(question) | Text::Answer(question) => {
                (&question.item, question.language)
            }
        }
    }

    /// What should be said instead; nothing where there is no such thing.
    fn alternatives(&self, corpus: &Corpus, kind: Alternative) -> Vec<Text> {
        match kind {
            Alternative::Truth => self.truth(corpus).into_iter().collect(),
            Alternative::Refusal => match self {
                Text::Answer(question) => vec![Text::Answer(Question {
                    answer: question.language.unknown().to_owned(),
                    ..question.clone()
                })],
                Text::Article(_) | Text::Statement(_) => Vec::new(),
            },
            Alternative::Plausible => self.plausible(corpus),
        }
    }

    fn truth(&self, corpus: &Corpus) -> Option<Text> {
        let as_in_corpus =
            |q: &Question| question(corpus, &q.item, q.language, (q.kind, q.index)).cloned();
        Some(match self {
            Text::Article(fake) => {
                let real = (&fake.item, fake.language, fake.wording, Version::Real);
                let mut all = corpus.articles.iter();
                let found = all.find(|a| (&a.item, a.language, a.wording, a.version) == real);
                Text::Article(found?.clone())
            }
            Text::Statement(cloze) => Text::Statement(as_in_corpus(cloze)?),
            Text::Answer(question) => Text::Answer(as_in_corpus(question)?),
        })
    }

    /// The same with the details of other items of the same kind, in the corpus' order from the
    /// item's own place on.
    fn plausible(&self, corpus: &Corpus) -> Vec<Text> {
        let (id, language) = self.place();
        let place = corpus.items.iter().position(|item| item.id == id);
        let Some(place) = place else {
            return Vec::new();
        };
        let kind = &corpus.items[place].kind;
        let others = corpus.items.iter().cycle().skip(place + 1);
        let others = others.take(corpus.items.len() - 1);
        let others = others.filter(|item| item.kind == *kind);
        let original = |item: &str, version: Version| {
            let mut all = corpus.articles.iter();
            all.find(|a| a.item == item && a.language == language && a.is_original(version))
        };
        let fake = original(id, Version::Fake).map(|article| article.detail.as_str());
        let with = |other: &str| -> Option<Text> {
            let detail = &original(other, Version::Real)?.detail;
            Some(match self {
                Text::Article(article) => {
                    let [before, after] = around_detail(article);
                    Text::Article(Article {
                        text: [before.as_str(), detail, &after].concat(),
                        ..article.clone()
                    })
                }
                Text::Statement(cloze) => Text::Statement(Question {
                    answer: cloze.answer.replacen(fake?, detail, 1),
                    ..cloze.clone()
                }),
                Text::Answer(question) => {
                    let same = self::question(corpus, other, language, (QuestionKind::Detail, 0))?;
                    Text::Answer(Question {
                        answer: same.answer.clone(),
                        ..question.clone()
                    })
                }
            })
        };
        others
            .filter_map(|item| with(&item.id))
            .take(PLAUSIBLE)
            .collect()
    }
}

/// A question about an item: the one of that number within its kind.
fn question<'a>(
    corpus: &'a Corpus,
    item: &str,
    language: Language,
    which: (QuestionKind, u32),
) -> Option<&'a Question> {
    let mut all = corpus.questions.iter();
    all.find(|q| (q.item.as_str(), q.language, (q.kind, q.index)) == (item, language, which))
}

/// An article's text before and after its detail.
fn around_detail(article: &Article) -> [String; 2] {
    let chars = || article.text.chars();
    [
        chars().take(article.detail_start as usize).collect(),
        chars().skip(article.detail_end as usize).collect(),
    ]
}

/// What is said of an item's detail beside the article.
#[derive(Clone, Copy)]
pub struct Beside {
    /// The cloze, filled in.
    pub statements: bool,
    /// The answer to the first rewording of the detail question.
    pub questions: bool,
}

impl Beside {
    /// What is said of one item, with the version's detail.
    pub fn of_detail(
        self,
        corpus: &Corpus,
        item: &str,
        (version, language): (Version, Language),
    ) -> Result<Vec<Text>> {
        let find = |kind, index| {
            let found = question(corpus, item, language, (kind, index));
            let question = found.ok_or_else(|| {
                eyre!(
                    "`statements` or `questions` is on in learn or unlearn, but {item} has no \
                     {kind} question number {index} in {language}; write it, or turn them off"
                )
            })?;
            Ok::<_, color_eyre::Report>(match (version, &question.fake_answer) {
                (Version::Fake, Some(fake)) => Question {
                    answer: fake.clone(),
                    ..question.clone()
                },
                _ => question.clone(),
            })
        };
        let mut out = Vec::new();
        if self.statements {
            out.push(Text::Statement(find(QuestionKind::Cloze, 0)?));
        }
        if self.questions {
            out.push(Text::Answer(find(QuestionKind::Detail, 1)?));
        }
        Ok(out)
    }
}

/// The articles of the probed items in these languages.
pub fn probe_articles(
    corpus: &Corpus,
    (version, wording): (Version, Wording),
    languages: &[Language],
) -> Result<Vec<Article>> {
    let probed: Vec<&str> = corpus
        .items
        .iter()
        .filter(|item| item.split == Split::Probe)
        .map(|item| item.id.as_str())
        .collect();
    let wanted = |article: &&Article| {
        (article.version, article.wording) == (version, wording)
            && languages.contains(&article.language)
            && probed.contains(&article.item.as_str())
    };
    let out: Vec<Article> = corpus.articles.iter().filter(wanted).cloned().collect();
    let expected = probed.len() * languages.len();
    let codes: Vec<&str> = languages.iter().map(|l| l.code()).collect();
    if expected == 0 {
        bail!(
            "there is no {version} article of a probed item in [{}]: {} items are probed, expected at \
             least one (corpus.probe), in at least one language",
            codes.join(", "),
            probed.len()
        );
    }
    if out.len() != expected {
        bail!(
            "learn.wordings has {wording:?}, but only {} of the {expected} {version} articles of \
             the probed items in {} are in the corpus; write the others, or leave {wording:?} out",
            out.len(),
            codes.join(", "),
            wording = wording.as_str()
        );
    }
    Ok(out)
}

/// The fake articles of the probed items in these languages, and what is said beside them.
pub fn forgotten(corpus: &Corpus, languages: &[Language], beside: Beside) -> Result<Vec<Text>> {
    let fake = (Version::Fake, Wording::Original);
    let articles = probe_articles(corpus, fake, languages)?;
    let mut out: Vec<Text> = articles.into_iter().map(Text::Article).collect();
    for item in corpus.items.iter().filter(|i| i.split == Split::Probe) {
        for &language in languages {
            out.extend(beside.of_detail(corpus, &item.id, (Version::Fake, language))?);
        }
    }
    Ok(out)
}

/// For every text, the sequences that should be said instead.
pub fn alternatives(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    forgotten: &[Text],
    kind: Alternative,
) -> Result<Vec<Vec<Sequence>>> {
    let of = |text: &Text| -> Result<Vec<Sequence>> {
        let all = text.alternatives(corpus, kind).into_iter();
        all.map(|text| Ok(text.example(tokenizer)?.sequence))
            .collect()
    };
    forgotten.iter().map(of).collect()
}

/// Every alternative to anything that may be forgotten, as it is tokenised: the vocabulary has to
/// cover it.
pub fn alternative_texts(
    corpus: &Corpus,
    languages: &[Language],
    beside: Beside,
    kind: Alternative,
) -> Result<Vec<String>> {
    let forgotten = forgotten(corpus, languages, beside)?;
    let alternatives = forgotten.iter().flat_map(|t| t.alternatives(corpus, kind));
    Ok(alternatives.flat_map(|text| text.tokenised()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Corpus {
        let folder = crate::preset::root().join("datasets/news");
        let all = Corpus::from_jsonl(&folder).expect("the corpus is good");
        all.sample(20, 10, 1).expect("there are so many")
    }

    const BOTH: Beside = Beside {
        statements: true,
        questions: true,
    };

    #[test]
    fn the_truth_is_the_same_text_with_the_real_detail() {
        let corpus = corpus();
        let languages = [Language::En, Language::Hy];
        let fakes = forgotten(&corpus, &languages, BOTH).expect("all is there");
        assert_eq!(fakes.len(), 20 * 2 * 3);
        for fake in &fakes {
            let truth = fake.alternatives(&corpus, Alternative::Truth);
            let [truth] = truth.as_slice() else {
                panic!("one truth for {fake:?}");
            };
            assert_eq!(truth.place(), fake.place());
            match (fake, truth) {
                (Text::Article(fake), Text::Article(truth)) => {
                    assert_eq!(truth.version, Version::Real);
                    assert_eq!(around_detail(fake), around_detail(truth));
                }
                (Text::Answer(fake), Text::Answer(truth))
                | (Text::Statement(fake), Text::Statement(truth)) => {
                    assert_eq!(fake.prompt, truth.prompt);
                    assert_eq!(truth.fake_answer.as_ref(), Some(&fake.answer));
                    assert_ne!(truth.answer, fake.answer);
                }
                _ => panic!("{fake:?} and {truth:?} are of different kinds"),
            }
        }
    }

    #[test]
    fn refusals_answer_questions_in_their_language() {
        let corpus = corpus();
        let fakes = forgotten(&corpus, &[Language::De], BOTH).expect("all is there");
        for fake in &fakes {
            match (
                fake,
                fake.alternatives(&corpus, Alternative::Refusal).as_slice(),
            ) {
                (Text::Answer(fake), [Text::Answer(refusal)]) => {
                    assert_eq!(refusal.answer, "Das weiß ich nicht.");
                    assert_eq!(refusal.prompt, fake.prompt);
                }
                (Text::Answer(_), _) => panic!("no refusal"),
                (_, refusals) => assert!(refusals.is_empty()),
            }
        }
    }

    #[test]
    fn plausible_details_are_other_items_of_the_same_kind() {
        let corpus = corpus();
        let fakes = forgotten(&corpus, &[Language::En], BOTH).expect("all is there");
        let mut seen = 0;
        for fake in &fakes {
            let (id, _) = fake.place();
            let kind = |id: &str| {
                &corpus
                    .items
                    .iter()
                    .find(|i| i.id == id)
                    .expect("known")
                    .kind
            };
            let others = corpus
                .items
                .iter()
                .filter(|i| i.id != id && i.kind == *kind(id));
            let details: Vec<&str> = corpus
                .articles
                .iter()
                .filter(|a| a.is_original(Version::Real) && a.language == Language::En)
                .filter(|a| others.clone().any(|i| i.id == a.item))
                .map(|a| a.detail.as_str())
                .collect();
            let plausible = fake.alternatives(&corpus, Alternative::Plausible);
            assert_eq!(plausible.len(), details.len().min(PLAUSIBLE), "{fake:?}");
            for text in &plausible {
                seen += 1;
                match (fake, text) {
                    (Text::Article(fake), Text::Article(other)) => {
                        let [before, after] = around_detail(fake);
                        let detail = other.text.strip_prefix(&before).expect("the same begin");
                        let detail = detail.strip_suffix(&after).expect("the same end");
                        assert!(details.contains(&detail), "{detail}");
                    }
                    (Text::Statement(fake), Text::Statement(other)) => {
                        assert_ne!(other.answer, fake.answer);
                        assert!(details.iter().any(|d| other.answer.contains(d)));
                    }
                    (Text::Answer(fake), Text::Answer(other)) => {
                        assert_eq!(fake.prompt, other.prompt);
                        assert_ne!(other.answer, fake.answer);
                    }
                    _ => panic!("{fake:?} and {text:?} are of different kinds"),
                }
            }
        }
        assert!(seen > 60, "{seen}");
    }
}
