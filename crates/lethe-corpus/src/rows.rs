//! The tables' rows in pieces of what they are made of, so that text is copied once: into its
//! column.

use std::borrow::Borrow;

use crate::fold::fold;
use crate::jsonl::{Entry, Row, Text};
use crate::validate::around_slot;
use crate::{
    Article, Corpus, Item, Language, Name, Question, QuestionKind, Split, Version, Wording,
};

/// A text whose pieces follow each other.
pub(crate) type Pieces<'a> = [&'a str; 3];

/// [`Article`].
pub(crate) struct ArticleRow<'a> {
    pub item: &'a str,
    pub language: Language,
    pub wording: Wording,
    pub version: Version,
    pub text: Pieces<'a>,
    pub detail: &'a str,
    pub detail_start: u32,
    pub detail_end: u32,
    pub case: Option<&'a str>,
    pub gender: Option<&'a str>,
    /// How long the text is, if that is known.
    pub length: Option<usize>,
}

/// [`Question`].
pub(crate) struct QuestionRow<'a, T> {
    pub item: &'a str,
    pub language: Language,
    pub kind: QuestionKind,
    pub index: u32,
    pub question: &'a str,
    pub prompt: Pieces<'a>,
    pub answer: Pieces<'a>,
    pub fake_answer: Option<Pieces<'a>>,
    /// Two lists that follow each other.
    pub aliases: [&'a [T]; 2],
    pub fake_aliases: &'a [T],
}

/// [`Name`].
pub(crate) struct NameRow<'a> {
    pub item: &'a str,
    pub index: u32,
    pub language: Language,
    pub name: &'a str,
}

/// What has rows of the tables.
pub(crate) trait Rows {
    /// The split of all of them, if there is one.
    fn split(&self) -> Option<Split>;

    /// Shows every row, each table's in its order.
    fn show<'a>(&'a self, viewer: &mut impl Viewer<'a>);
}

/// What is done with every row.
pub(crate) trait Viewer<'a> {
    fn item(&mut self, item: &'a Item);
    fn article(&mut self, row: &ArticleRow<'a>);
    fn question(&mut self, row: &QuestionRow<'a, impl Borrow<str>>);
    fn name(&mut self, row: &NameRow<'a>);
}

/// Both see every row.
impl<'a, A: Viewer<'a>, B: Viewer<'a>> Viewer<'a> for (&mut A, &mut B) {
    fn item(&mut self, item: &'a Item) {
        self.0.item(item);
        self.1.item(item);
    }

    fn article(&mut self, row: &ArticleRow<'a>) {
        self.0.article(row);
        self.1.article(row);
    }

    fn question(&mut self, row: &QuestionRow<'a, impl Borrow<str>>) {
        self.0.question(row);
        self.1.question(row);
    }

    fn name(&mut self, row: &NameRow<'a>) {
        self.0.name(row);
        self.1.name(row);
    }
}

impl ArticleRow<'_> {
    /// [`Article::is_original`].
    pub fn is_original(&self, version: Version) -> bool {
        self.version == version && self.wording == Wording::Original
    }
}

impl Rows for &Corpus {
    fn split(&self) -> Option<Split> {
        None
    }

    fn show<'a>(&'a self, viewer: &mut impl Viewer<'a>) {
        for item in &self.items {
            viewer.item(item);
        }
        for article in &self.articles {
            viewer.article(&ArticleRow {
                item: &article.item,
                language: article.language,
                wording: article.wording,
                version: article.version,
                text: [&article.text, "", ""],
                detail: &article.detail,
                detail_start: article.detail_start,
                detail_end: article.detail_end,
                case: article.case.as_deref(),
                gender: article.gender.as_deref(),
                length: None,
            });
        }
        for question in &self.questions {
            viewer.question(&QuestionRow {
                item: &question.item,
                language: question.language,
                kind: question.kind,
                index: question.index,
                question: &question.question,
                prompt: [&question.prompt, "", ""],
                answer: [&question.answer, "", ""],
                fake_answer: question.fake_answer.as_ref().map(|a| [a.as_str(), "", ""]),
                aliases: [&question.aliases, &[]],
                fake_aliases: &question.fake_aliases,
            });
        }
        for name in &self.names {
            viewer.name(&NameRow {
                item: &name.item,
                index: name.index,
                language: name.language,
                name: &name.name,
            });
        }
    }
}

impl Rows for Entry<'_> {
    fn split(&self) -> Option<Split> {
        Some(self.item.split)
    }

    fn show<'a>(&'a self, viewer: &mut impl Viewer<'a>) {
        viewer.item(self.item);
        for (language, row, length) in &self.rows {
            for (index, name) in (0..).zip(&row.names) {
                viewer.name(&NameRow {
                    item: &row.id,
                    index,
                    language: *language,
                    name,
                });
            }
            articles(*language, row, *length, viewer);
            questions(*language, row, viewer);
        }
    }
}

fn articles<'a>(language: Language, row: &'a Row<'a>, length: usize, viewer: &mut impl Viewer<'a>) {
    for (wording, text, forms) in row.texts() {
        let (before, after) = around_slot(text).unwrap_or((text, ""));
        let start = before.chars().count() as u32;
        let original = row
            .grammar
            .as_ref()
            .filter(|_| wording == Wording::Original);
        for (version, detail) in Version::ALL.into_iter().zip(forms) {
            let gender = original.and_then(|grammar| match version {
                Version::Real => grammar.real.as_deref(),
                Version::Fake => grammar.fake.as_deref(),
            });
            let original_real = wording == Wording::Original && version == Version::Real;
            viewer.article(&ArticleRow {
                item: &row.id,
                language,
                wording,
                version,
                text: [before, detail, after],
                detail,
                detail_start: start,
                detail_end: start + detail.chars().count() as u32,
                case: original.map(|grammar| &*grammar.case),
                gender,
                length: original_real.then_some(length),
            });
        }
    }
}

fn questions<'a>(language: Language, row: &'a Row<'a>, viewer: &mut impl Viewer<'a>) {
    use std::slice::from_ref;
    let whole = |text: &'a str| -> Pieces<'a> { [text, "", ""] };
    let asked = |question: &'a str| {
        let [before, after] = language.prompt_around();
        [before, question, after]
    };
    let probe = &row.detail_probe;
    let (answer, form) = (&probe.real, &row.detail.real);
    let differs = match answer.is_ascii() && form.is_ascii() {
        true => !answer.eq_ignore_ascii_case(form),
        false => fold(answer) != fold(form),
    };
    let about_detail = |kind, index, question: &'a str| QuestionRow {
        item: &row.id,
        language,
        kind,
        index,
        question,
        prompt: asked(question),
        answer: whole(&probe.real),
        fake_answer: Some(whole(&probe.fake)),
        aliases: [
            from_ref(&probe.real),
            if differs {
                from_ref(&row.detail.real)
            } else {
                &[]
            },
        ],
        fake_aliases: &row.detail.fake_aliases,
    };
    let other =
        |kind, index, question: &'a str, answer: &'a str, aliases: &'a [Text<'a>]| QuestionRow {
            answer: whole(answer),
            fake_answer: None,
            aliases: [aliases, &[]],
            fake_aliases: &[],
            ..about_detail(kind, index, question)
        };
    let detail = [&probe.question].into_iter();
    let detail = detail.chain(probe.rewordings.iter().flatten());
    for (index, question) in (0..).zip(detail) {
        viewer.question(&about_detail(QuestionKind::Detail, index, question));
    }
    if let Some(cloze) = &probe.cloze {
        let (before, after) = around_slot(cloze).unwrap_or((cloze, ""));
        // The answer begins with the blank that the prompt would end with.
        let (before, blank) = before.split_at(before.trim_end().len());
        viewer.question(&QuestionRow {
            prompt: whole(before),
            answer: [blank, &row.detail.real, after],
            fake_answer: Some([blank, &row.detail.fake, after]),
            ..about_detail(QuestionKind::Cloze, 0, cloze)
        });
    }
    if let Some(leading) = &probe.leading {
        viewer.question(&about_detail(QuestionKind::LeadingReal, 0, &leading.real));
        viewer.question(&about_detail(QuestionKind::LeadingFake, 0, &leading.fake));
    }
    let fact = &row.fact_probe;
    viewer.question(&other(
        QuestionKind::Fact,
        0,
        &fact.question,
        &fact.answer,
        &fact.aliases,
    ));
    for (index, (question, answer)) in (0..).zip(&row.qa) {
        let aliases = from_ref(answer);
        viewer.question(&other(QuestionKind::Qa, index, question, answer, aliases));
    }
}

/// Puts rows at a corpus' end.
impl<'a> Viewer<'a> for Corpus {
    fn item(&mut self, item: &'a Item) {
        self.items.push(item.clone());
    }

    fn article(&mut self, row: &ArticleRow<'a>) {
        self.articles.push(Article {
            item: row.item.to_owned(),
            language: row.language,
            wording: row.wording,
            version: row.version,
            text: row.text.concat(),
            detail: row.detail.to_owned(),
            detail_start: row.detail_start,
            detail_end: row.detail_end,
            case: row.case.map(str::to_owned),
            gender: row.gender.map(str::to_owned),
        });
    }

    fn question(&mut self, row: &QuestionRow<'a, impl Borrow<str>>) {
        let owned = |text: &_| Borrow::<str>::borrow(text).to_owned();
        self.questions.push(Question {
            item: row.item.to_owned(),
            language: row.language,
            kind: row.kind,
            index: row.index,
            question: row.question.to_owned(),
            prompt: row.prompt.concat(),
            answer: row.answer.concat(),
            fake_answer: row.fake_answer.map(|answer| answer.concat()),
            aliases: row.aliases.into_iter().flatten().map(owned).collect(),
            fake_aliases: row.fake_aliases.iter().map(owned).collect(),
        });
    }

    fn name(&mut self, row: &NameRow<'a>) {
        self.names.push(Name {
            item: row.item.to_owned(),
            index: row.index,
            language: row.language,
            name: row.name.to_owned(),
        });
    }
}
