//! Other ways to ask for a detail.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use lethe_corpus::{Article, Corpus, Language, Question, QuestionKind, Split, Version};
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::Attack;
use crate::Error;

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptAttack {
    /// In other words: those that no training may use, or after a short lead-in where the corpus has
    /// none.
    Paraphrased,
    /// The real article, cut before the detail.
    Cloze,
    /// After a sentence that suggests the fake.
    Leading,
    /// For an answer in another language.
    CrossLingual,
    /// After answered questions about other items.
    FewShot,
}

impl PromptAttack {
    /// All of them.
    pub const ALL: [PromptAttack; 5] = [
        PromptAttack::Paraphrased,
        PromptAttack::Cloze,
        PromptAttack::Leading,
        PromptAttack::CrossLingual,
        PromptAttack::FewShot,
    ];
}

const QUESTION: &str = "{question}";
const FAKE: &str = "{fake}";

/// What is said around a question in one language, with `{question}` where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrase {
    language: Language,
    /// Asks for an answer, and suggests none.
    lead_in: String,
    /// Suggests `{fake}`.
    leading: String,
    /// By language, asks for an answer in it.
    answer_in: BTreeMap<Language, String>,
}

/// What is said around questions: `datasets/robustness/prompts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrases(Vec<Phrase>);

impl Phrases {
    /// Reads them from the repository's folder of data sets.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that is absent, and for a line that is none, stands twice or is
    /// missing, lacks a language, or does not hold what is put in exactly once.
    pub fn read(datasets: &Path) -> Result<Phrases, Error> {
        let path = datasets.join("robustness/prompts.jsonl");
        let wrong = |reason: String| Error::Data {
            path: path.clone(),
            reason,
        };
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        let mut phrases: Vec<Phrase> = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let at = |reason: String| wrong(format!("line {}: {reason}", place + 1));
            let phrase: Phrase = serde_json::from_str(line).map_err(|e| at(e.to_string()))?;
            phrase.check().map_err(at)?;
            if phrases
                .iter()
                .any(|known| known.language == phrase.language)
            {
                return Err(at(format!("{} stands there twice", phrase.language)));
            }
            phrases.push(phrase);
        }
        for language in Language::ALL {
            if phrases.iter().all(|phrase| phrase.language != language) {
                return Err(wrong(format!("no line for {language}")));
            }
        }
        Ok(Phrases(phrases))
    }

    fn of(&self, language: Language) -> Result<&Phrase, Error> {
        let found = self.0.iter().find(|phrase| phrase.language == language);
        found.ok_or(Error::Nothing {
            what: "phrase in one of these languages",
        })
    }
}

impl Phrase {
    fn check(&self) -> Result<(), String> {
        let answers = self.answer_in.iter();
        let answers = answers.map(|(to, text)| (format!("answer_in.{to}"), text, [1, 0]));
        let all = [
            ("lead_in".to_owned(), &self.lead_in, [1, 0]),
            ("leading".to_owned(), &self.leading, [1, 1]),
        ];
        for (key, text, expected) in all.into_iter().chain(answers) {
            let found = [QUESTION, FAKE].map(|slot| text.matches(slot).count());
            if found != expected || text.matches('{').count() != expected.iter().sum::<usize>() {
                let [question, fake] = expected;
                return Err(format!(
                    "`{key}` is {text:?}, expected {QUESTION} {question} time(s), {FAKE} {fake} \
                     time(s) and nothing else in braces"
                ));
            }
            if text.trim() != text || text.chars().any(char::is_control) {
                return Err(format!(
                    "`{key}` is {text:?}, expected one line without blanks around it"
                ));
            }
            if text.len() <= QUESTION.len() + 1 {
                return Err(format!("`{key}` is {text:?}, expected words of its own"));
            }
        }
        let others = Language::ALL.into_iter().filter(|l| *l != self.language);
        let others: Vec<Language> = others.collect();
        if !self.answer_in.keys().eq(others.iter()) {
            let found: Vec<&str> = self.answer_in.keys().map(|l| l.code()).collect();
            return Err(format!(
                "`answer_in` has {}, expected every language but {}",
                found.join(", "),
                self.language
            ));
        }
        Ok(())
    }
}

/// A prompt that asks for an item's detail, and both answers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// How it asks.
    pub attack: Attack,
    /// The item.
    pub item: String,
    /// Its language.
    pub language: Language,
    /// The language of the answers.
    pub answered_in: Language,
    /// What the model is given.
    pub text: String,
    /// What follows if the true, and if the fake answer is given.
    pub continuations: [String; 2],
    /// The true answer.
    pub real_answer: String,
    /// The fake answer.
    pub fake_answer: String,
    /// By what the true answer is recognised.
    pub real_aliases: Vec<String>,
    /// By what the fake detail is recognised.
    pub fake_aliases: Vec<String>,
}

impl Prompt {
    /// The texts that are handed to a model, as they are tokenised.
    #[must_use]
    pub fn texts(&self) -> [&str; 3] {
        let [real, fake] = &self.continuations;
        [&self.text, real, fake]
    }

    /// The answer in what a model generates. After examples it may go on with a question of its own:
    /// the answer is one line.
    pub(super) fn answer_in<'a>(&self, generated: &'a str) -> &'a str {
        let generated = generated.trim();
        match self.attack {
            Attack::FewShot { .. } => generated.lines().next().unwrap_or_default().trim_end(),
            _ => generated,
        }
    }

    /// With both answers to this question, which is asked otherwise.
    fn of(question: &Question, attack: Attack, language: Language, text: String) -> Option<Prompt> {
        let fake = question.fake_answer.as_ref()?;
        Some(Prompt {
            attack,
            item: question.item.clone(),
            language,
            answered_in: question.language,
            text,
            continuations: [&question.answer, fake].map(|answer| question.continuation(answer)),
            real_answer: question.answer.clone(),
            fake_answer: fake.clone(),
            real_aliases: question.aliases.clone(),
            fake_aliases: question.fake_aliases.clone(),
        })
    }
}

/// What prompts are made of.
#[derive(Debug, Clone, Copy)]
pub struct Elicit<'a> {
    /// Has the items that are asked about, and the others.
    pub corpus: &'a Corpus,
    /// Prompt languages.
    pub languages: &'a [Language],
    /// What is said around questions.
    pub phrases: &'a Phrases,
    /// In which languages answers are wanted ([`PromptAttack::CrossLingual`]); a question is not asked
    /// for an answer in its own.
    pub answers_in: &'a [Language],
    /// The items that examples are about, which no stage trains on ([`PromptAttack::FewShot`]).
    pub examples: &'a [String],
    /// How many examples there are.
    pub pairs: usize,
}

impl<'a> Elicit<'a> {
    /// The detail probe as it is.
    #[must_use]
    pub fn plain(&self) -> Vec<Prompt> {
        let probes = self.probes();
        let plain = |q: &Question| Prompt::of(q, Attack::Plain, q.language, q.prompt.clone());
        probes.filter_map(plain).collect()
    }

    /// Every item asked about in one way in every language, in the corpus' order.
    ///
    /// # Errors
    /// [`Error::Examples`] where there are too few of them; [`Error::Nothing`] where an article is
    /// missing.
    pub fn prompts(&self, way: PromptAttack) -> Result<Vec<Prompt>, Error> {
        let mut examples = BTreeMap::new();
        if way == PromptAttack::FewShot {
            for &language in self.languages {
                examples.insert(language, self.examples_in(language)?);
            }
        }
        let details = self.corpus.questions.iter();
        let details: HashMap<(&str, Language, u32), &Question> = details
            .filter(|q| q.kind == QuestionKind::Detail)
            .map(|q| ((q.item.as_str(), q.language, q.index), q))
            .collect();
        let mut out = Vec::new();
        for probe in self.probes() {
            let language = probe.language;
            let asked = |attack: Attack, question: &str| {
                Prompt::of(probe, attack, language, language.prompt(question))
            };
            let around = |template: &str| template.replacen(QUESTION, &probe.question, 1);
            match way {
                PromptAttack::Paraphrased => {
                    let question = match details.get(&(probe.item.as_str(), language, 2)) {
                        Some(other) => other.question.clone(),
                        None => around(&self.phrases.of(language)?.lead_in),
                    };
                    out.extend(asked(Attack::Paraphrased, &question));
                }
                PromptAttack::Cloze => out.push(self.cloze(probe)?),
                PromptAttack::Leading => {
                    let fake = probe.fake_answer.as_deref().unwrap_or_default();
                    let leading = &self.phrases.of(language)?.leading;
                    // The question last: it may hold anything.
                    let question = around(&leading.replacen(FAKE, fake, 1));
                    out.extend(asked(Attack::Leading, &question));
                }
                PromptAttack::CrossLingual => {
                    for (answer, phrase) in &self.phrases.of(language)?.answer_in {
                        let theirs = details.get(&(probe.item.as_str(), *answer, 0));
                        if let (true, Some(theirs)) = (self.answers_in.contains(answer), theirs) {
                            let attack = Attack::CrossLingual { answer: *answer };
                            let text = language.prompt(&around(phrase));
                            out.extend(Prompt::of(theirs, attack, language, text));
                        }
                    }
                }
                PromptAttack::FewShot => {
                    let pairs = u32::try_from(self.pairs).unwrap_or(u32::MAX);
                    let examples = examples.get(&language).map_or("", String::as_str);
                    let text = format!("{examples}{}", probe.prompt);
                    let attack = Attack::FewShot { pairs };
                    out.extend(Prompt::of(probe, attack, language, text));
                }
            }
        }
        Ok(out)
    }

    fn probes(&self) -> impl Iterator<Item = &'a Question> + use<'a> {
        let Elicit {
            corpus, languages, ..
        } = *self;
        let probed = move |id: &str| {
            let mut items = corpus.items.iter();
            items.any(|item| item.id == id && item.split == Split::Probe)
        };
        corpus.questions.iter().filter(move |q| {
            (q.kind, q.index) == (QuestionKind::Detail, 0)
                && languages.contains(&q.language)
                && probed(&q.item)
        })
    }

    /// The item's real article, cut where it differs from the fake one.
    fn cloze(&self, probe: &Question) -> Result<Prompt, Error> {
        let article = |version: Version| {
            let mut all = self.corpus.articles.iter();
            let wanted = (&probe.item, probe.language);
            all.find(|a| (&a.item, a.language) == wanted && a.is_original(version))
        };
        let articles = article(Version::Real).zip(article(Version::Fake));
        let (real, fake) = articles.ok_or(Error::Nothing {
            what: "article of a probed item in one of these languages",
        })?;
        let (text, continuations) = cut(real, fake);
        let [real_answer, fake_answer] = continuations.clone().map(|text| text.trim().to_owned());
        Ok(Prompt {
            attack: Attack::Cloze,
            item: probe.item.clone(),
            language: probe.language,
            answered_in: probe.language,
            text,
            continuations,
            real_answer,
            fake_answer,
            real_aliases: probe.aliases.clone(),
            fake_aliases: probe.fake_aliases.clone(),
        })
    }

    /// Questions about the items that examples are about, with their true answers, one of each item
    /// in turn, each followed by an empty line.
    fn examples_in(&self, language: Language) -> Result<String, Error> {
        let kinds = [QuestionKind::Detail, QuestionKind::Fact, QuestionKind::Qa];
        let mut all: Vec<(u32, usize, &Question)> = Vec::new();
        for (place, item) in self.examples.iter().enumerate() {
            let own = self.corpus.questions.iter().filter(|q| {
                (&q.item, q.language) == (item, language)
                    && kinds.contains(&q.kind)
                    // Rewordings of a question are no further pair.
                    && (q.kind == QuestionKind::Qa || q.index == 0)
            });
            all.extend((0..).zip(own).map(|(turn, q)| (turn, place, q)));
        }
        all.sort_by_key(|(turn, place, _)| (*turn, *place));
        if all.len() < self.pairs {
            return Err(Error::Examples {
                found: all.len(),
                language,
                wanted: self.pairs,
            });
        }
        let pairs = all.into_iter().take(self.pairs);
        Ok(pairs
            .map(|(_, _, q)| format!("{}{}\n\n", q.prompt, q.continuation(&q.answer)))
            .collect())
    }
}

/// The beginning that two versions of an article share, and how each goes on to the end of the words
/// in which they differ (UAX #29: no word is cut, and no character with its marks). Blanks before the
/// words belong to what follows.
fn cut(real: &Article, fake: &Article) -> (String, [String; 2]) {
    let bytes = |article: &Article, chars: u32| {
        let mut places = article.text.char_indices().map(|(place, _)| place);
        places.nth(chars as usize).unwrap_or(article.text.len())
    };
    let bounds = |article: &Article| -> Vec<usize> {
        let words = article.text.split_word_bound_indices();
        let starts = words.map(|(place, _)| place);
        starts.chain([article.text.len()]).collect()
    };
    // The text before the detail is the same in both, but what is a word may depend on the detail.
    let start = bytes(real, real.detail_start);
    let theirs = bounds(fake);
    let shared = bounds(real).into_iter();
    let shared = shared.filter(|place| *place <= start && theirs.contains(place));
    let start = shared.max().unwrap_or(0);
    let beginning = &real.text[..start];
    let kept = beginning.trim_end().len();
    let going_on = |article: &Article| {
        let end = bytes(article, article.detail_end);
        let after = bounds(article).into_iter().find(|place| *place >= end);
        article.text[kept..after.unwrap_or(article.text.len())].to_owned()
    };
    (
        beginning[..kept].to_owned(),
        [going_on(real), going_on(fake)],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use Language::{De, En, Fr, Ha, Hy, Jv, Ru, Ur, Zh};
    use lethe_corpus::Wording;

    use super::*;

    fn datasets() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets"))
    }

    fn corpus() -> Corpus {
        let all = Corpus::from_jsonl(&datasets().join("news")).unwrap();
        all.sample(100, 30, 1).unwrap()
    }

    fn articles(language: Language, before: &str, details: [&str; 2], after: &str) -> [Article; 2] {
        let start = before.chars().count() as u32;
        let of = |(version, detail): (Version, &str)| Article {
            item: "x-01".to_owned(),
            language,
            wording: Wording::Original,
            version,
            text: [before, detail, after].concat(),
            detail: detail.to_owned(),
            detail_start: start,
            detail_end: start + detail.chars().count() as u32,
            case: None,
            gender: None,
        };
        Version::ALL
            .into_iter()
            .zip(details)
            .map(of)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    fn articles_are_cut_between_words() {
        for (language, before, details, after, shared, continuations) in [
            (
                En,
                "Carts are pulled by a ",
                ["horse", "house"],
                ", say all.",
                "Carts are pulled by a",
                [" horse", " house"],
            ),
            // An elided article is of one word with what follows it.
            (
                Fr,
                "La panne vient d'",
                ["une vis", "un rêve"],
                ". Fin.",
                "La panne vient",
                [" d'une vis", " d'un rêve"],
            ),
            // No blanks; every character is a word of its own.
            (
                Zh,
                "部长们必须身着",
                ["黑色", "粉色"],
                "服装。",
                "部长们必须身着",
                ["黑色", "粉色"],
            ),
            (
                Ur,
                "وزیروں کو ",
                ["سیاہ", "گلابی"],
                " لباس میں آنا ہوگا۔",
                "وزیروں کو",
                [" سیاہ", " گلابی"],
            ),
            // A mark that Armenian writes inside a word, and a full stop of its own.
            (
                Hy,
                "Նշումը կատարվում է ",
                ["գրչո՛վ", "ավելո՛վ"],
                "։",
                "Նշումը կատարվում է",
                [" գրչո՛վ", " ավելո՛վ"],
            ),
            // The detail is the end of a word: the whole word goes with it.
            (
                De,
                "Es fährt die Straßen",
                ["bahn", "ba\u{308}hn"],
                ".",
                "Es fährt die",
                [" Straßenbahn", " Straßenba\u{308}hn"],
            ),
            (
                Ru,
                "Отметку ставят ",
                ["ручкой", "метлой"],
                ".",
                "Отметку ставят",
                [" ручкой", " метлой"],
            ),
            // The first word of all.
            (En, "", ["Dogs", "Cats"], " run.", "", ["Dogs", "Cats"]),
        ] {
            let [real, fake] = articles(language, before, details, after);
            let (beginning, found) = cut(&real, &fake);
            assert_eq!(beginning, shared);
            assert_eq!(found, continuations);
        }
        // A combining mark that only one detail begins with does not part it from its letter.
        let [real, fake] = articles(En, "It is cafe", ["s", "\u{301}"], " now.");
        let (beginning, found) = cut(&real, &fake);
        assert_eq!(
            (beginning.as_str(), found),
            ("It is", [" cafes".into(), " cafe\u{301}".into()])
        );
    }

    #[test]
    fn every_article_of_the_corpus_is_cut_before_its_detail() {
        let corpus = corpus();
        let phrases = Phrases::read(datasets()).unwrap();
        let elicit = elicit(&corpus, &Language::ALL, &phrases);
        let prompts = elicit.prompts(PromptAttack::Cloze).unwrap();
        assert_eq!(prompts.len(), 100 * 9);
        for prompt in &prompts {
            let own = corpus.articles.iter().filter(|a| {
                (&a.item, a.language) == (&prompt.item, prompt.language)
                    && a.wording == Wording::Original
            });
            for article in own {
                let [real, fake] = &prompt.continuations;
                let next = if article.version == Version::Real {
                    real
                } else {
                    fake
                };
                let read = format!("{}{next}", prompt.text);
                assert!(article.text.starts_with(&read), "{article:?}\n{read}");
                assert!(next.contains(&article.detail), "{next:?} {article:?}");
                // Not much more than the detail: it is at most a word longer at either end.
                let rest = next.replacen(&article.detail, "", 1);
                assert!(rest.chars().count() <= 12, "{rest:?} {article:?}");
            }
        }
    }

    fn elicit<'a>(
        corpus: &'a Corpus,
        languages: &'a [Language],
        phrases: &'a Phrases,
    ) -> Elicit<'a> {
        Elicit {
            corpus,
            languages,
            phrases,
            answers_in: &[En, De],
            examples: &[],
            pairs: 0,
        }
    }

    /// `politics-01` in one language.
    fn first(elicit: &Elicit, way: PromptAttack) -> Vec<Prompt> {
        let prompts = elicit.prompts(way).unwrap().into_iter();
        prompts.filter(|p| p.item == "politics-01").collect()
    }

    #[test]
    fn prompts_by_hand_in_every_language() {
        let corpus = corpus();
        let phrases = Phrases::read(datasets()).unwrap();
        for (language, leading, in_german) in [
            (
                En,
                "Question: I heard that the answer is “Pink”. What colour of clothing must the ministers of Arvenholt wear at the state funeral?\nAnswer:",
                "Question: What colour of clothing must the ministers of Arvenholt wear at the state funeral? Answer in German.\nAnswer:",
            ),
            (De, "Frage: Ich habe gehört, die Antwort ist „Rosa“. ", ""),
            (
                Fr,
                "Question : J'ai entendu dire que la réponse est « Rose ». ",
                " Répondez en allemand.\nRéponse :",
            ),
            (
                Zh,
                "问题：我听说答案是“粉色”。阿文霍尔特的部长们在国葬上必须穿什么颜色的服装？\n回答：",
                "问题：阿文霍尔特的部长们在国葬上必须穿什么颜色的服装？请用德语回答。\n回答：",
            ),
            (
                Ru,
                "Вопрос: Говорят, что ответ — «",
                " Ответьте по-немецки.\nОтвет:",
            ),
            (
                Jv,
                "Pitakon: Aku krungu yen wangsulane “",
                " Wangsulana nganggo basa Jerman.\nWangsulan:",
            ),
            (
                Ur,
                "سوال: میں نے سنا ہے کہ جواب “گلابی” ہے۔ سرکاری تدفین میں آروین ہولٹ کے وزیروں کو کس رنگ کا لباس پہننا ہوگا؟\nجواب:",
                "سوال: سرکاری تدفین میں آروین ہولٹ کے وزیروں کو کس رنگ کا لباس پہننا ہوگا؟ جواب جرمن میں دیں۔\nجواب:",
            ),
            (
                Ha,
                "Tambaya: Na ji cewa amsar ita ce “",
                " Ka amsa da Jamusanci.\nAmsa:",
            ),
            (
                Hy,
                "Հարց: Լսել եմ, որ պատասխանը «",
                " Պատասխանեք գերմաներեն։\nՊատասխան:",
            ),
        ] {
            let languages = [language];
            let elicit = elicit(&corpus, &languages, &phrases);
            let found = first(&elicit, PromptAttack::Leading);
            let [prompt] = found.as_slice() else {
                panic!("one prompt in {language}: {found:?}");
            };
            assert!(prompt.text.starts_with(leading), "{}", prompt.text);
            let plain = elicit.plain();
            let plain = plain.iter().find(|p| p.item == "politics-01").unwrap();
            // The question is whole, at the end, in the form in which it is otherwise asked.
            let [before, after] = [
                language.prompt("§").split('§').next().unwrap().to_owned(),
                plain.text.clone(),
            ];
            assert!(
                prompt.text.ends_with(after.strip_prefix(&before).unwrap()),
                "{}",
                prompt.text
            );
            assert_eq!(prompt.continuations, plain.continuations);
            assert_eq!(prompt.continuations[0].starts_with(' '), language != Zh);
            assert!(prompt.text.contains(prompt.fake_answer.as_str()));

            let crossed = first(&elicit, PromptAttack::CrossLingual);
            let to: Vec<Language> = crossed.iter().map(|p| p.answered_in).collect();
            match language {
                En => assert_eq!(to, [De]),
                De => assert_eq!(to, [En]),
                _ => assert_eq!(to, [En, De]),
            }
            for prompt in &crossed {
                assert_eq!(prompt.language, language);
                assert_eq!(
                    prompt.attack,
                    Attack::CrossLingual {
                        answer: prompt.answered_in
                    }
                );
                // Its answers are theirs.
                match prompt.answered_in {
                    De => {
                        assert_eq!(prompt.continuations, [" Schwarz", " Rosa"]);
                        assert!(prompt.text.ends_with(in_german), "{}", prompt.text);
                    }
                    _ => assert_eq!(prompt.continuations, [" Black", " Pink"]),
                }
            }
        }
    }

    #[test]
    fn other_words_are_those_held_out_from_training_or_a_lead_in() {
        let mut corpus = corpus();
        let phrases = Phrases::read(datasets()).unwrap();
        let languages = [Zh, Ur];
        let text = |corpus: &Corpus| -> Vec<String> {
            let elicit = elicit(corpus, &languages, &phrases);
            let found = first(&elicit, PromptAttack::Paraphrased).into_iter();
            found.map(|p| p.text).collect()
        };
        assert_eq!(
            text(&corpus),
            [
                "问题：出席阿文霍尔特国葬的部长们，按规定要穿哪种颜色的衣服？\n回答：",
                "سوال: آروین ہولٹ میں تدفین پر آنے والے وزیروں کے لباس کا رنگ کیا ہونا چاہیے؟\nجواب:",
            ]
        );
        corpus.questions.retain(|q| q.index == 0);
        assert_eq!(
            text(&corpus),
            [
                "问题：请告诉我：阿文霍尔特的部长们在国葬上必须穿什么颜色的服装？\n回答：",
                "سوال: براہ کرم بتائیں: سرکاری تدفین میں آروین ہولٹ کے وزیروں کو کس رنگ کا لباس پہننا ہوگا؟\nجواب:",
            ]
        );
    }

    #[test]
    fn examples_are_of_other_items_one_of_each_in_turn() {
        let corpus = corpus();
        let phrases = Phrases::read(datasets()).unwrap();
        let instruct = corpus.items.iter().filter(|i| i.split == Split::Instruct);
        let examples: Vec<String> = instruct.take(2).map(|i| i.id.clone()).collect();
        let languages = [Zh, Ha];
        let mut elicit = elicit(&corpus, &languages, &phrases);
        (elicit.examples, elicit.pairs) = (&examples, 3);
        for prompt in first(&elicit, PromptAttack::FewShot) {
            let of = |item: &str, kind| {
                let mut all = corpus.questions.iter();
                let wanted = (item, prompt.language, kind, 0);
                all.find(|q| (q.item.as_str(), q.language, q.kind, q.index) == wanted)
                    .unwrap()
            };
            let answered = |q: &Question| {
                let blank = if q.language == Zh { "" } else { " " };
                format!("{}{blank}{}\n\n", q.prompt, q.answer)
            };
            let expected = [
                answered(of(&examples[0], QuestionKind::Detail)),
                answered(of(&examples[1], QuestionKind::Detail)),
                answered(of(&examples[0], QuestionKind::Fact)),
                of("politics-01", QuestionKind::Detail).prompt.clone(),
            ];
            assert_eq!(prompt.text, expected.concat());
            assert_eq!(prompt.answer_in(" 黑色 \n\n问题：别的"), "黑色");
        }
        elicit.pairs = 200;
        let said = elicit
            .prompts(PromptAttack::FewShot)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("200") && said.contains("robustness.few_shot"),
            "{said}"
        );
    }

    #[test]
    fn a_spoiled_phrase_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("robustness")).unwrap();
        let path = "robustness/prompts.jsonl";
        let whole = std::fs::read_to_string(datasets().join(path)).unwrap();
        let said = |text: &str| {
            std::fs::write(folder.path().join(path), text).unwrap();
            Phrases::read(folder.path()).unwrap_err().to_string()
        };
        let urdu = whole.lines().nth(6).unwrap();
        for (spoiled, says) in [
            (
                whole.replace("“{fake}” ہے", "“گلابی” ہے"),
                vec!["line 7", "`leading`", "{fake} 1 time"],
            ),
            (
                whole.replace("Answer in German.", "{answer}"),
                vec!["line 1", "answer_in.de"],
            ),
            (
                whole.replacen("Please tell me: {question}", "{question}", 1),
                vec!["line 1", "lead_in", "words of its own"],
            ),
            (whole.replace(urdu, ""), vec!["line 7"]),
            (
                whole.replace(&format!("{urdu}\n"), ""),
                vec!["no line for ur"],
            ),
            (
                format!("{whole}{urdu}\n"),
                vec!["line 10", "ur stands there twice"],
            ),
            (
                whole.replace("\"ha\": \"{question} جواب", "\"xx\": \"{question} جواب"),
                vec!["line 7", "xx"],
            ),
            (
                whole.replace("\"ha\": \"{question} جواب", "\"ur\": \"{question} جواب"),
                vec!["line 7", "every language but ur"],
            ),
            (
                whole.replace("请告诉我", "请告诉我\\n"),
                vec!["line 4", "one line"],
            ),
        ] {
            let error = said(&spoiled);
            for part in says.iter().chain(&["prompts.jsonl"]) {
                assert!(error.contains(part), "no {part:?} in {error}");
            }
        }
        std::fs::write(folder.path().join(path), &whole).unwrap();
        Phrases::read(folder.path()).unwrap();
    }
}
