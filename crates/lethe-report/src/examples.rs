//! Answers side by side.

use serde::Serialize;

use crate::language;
use crate::results::{Answer, Item, Scope};
use crate::study::Study;
use crate::table::{Cell, Column, Table};
use crate::text::visible;

/// Items shown.
const ITEMS: usize = 2;
/// Sources shown; with more, the page would be unreadable, and the results have them all.
const SOURCES: usize = 2;

/// An item as the page's template sees it.
#[derive(Debug, Serialize)]
pub(crate) struct ItemView {
    id: String,
    category: String,
    languages: Vec<LanguageView>,
}

#[derive(Debug, Serialize)]
struct LanguageView {
    code: String,
    name: String,
    resource: &'static str,
    dir: &'static str,
    /// By line.
    prompt: Vec<String>,
    real: String,
    fake: String,
    answers: Vec<AnswerView>,
}

#[derive(Debug, Serialize)]
struct AnswerView {
    model: String,
    text: String,
    empty: bool,
    fake: bool,
    real: bool,
    silent: bool,
}

/// The first items of different categories: chosen by their place in the corpus, not by what any
/// model says.
fn chosen<'a>(study: &'a Study) -> Vec<(usize, &'a Item)> {
    let mut out: Vec<(usize, &Item)> = Vec::new();
    for (place, item) in study.results.items.iter().enumerate() {
        let new = out.iter().all(|(_, known)| known.category != item.category);
        if new && out.len() < ITEMS {
            out.push((place, item));
        }
    }
    for (place, item) in study.results.items.iter().enumerate() {
        if out.len() < ITEMS && out.iter().all(|(known, _)| *known != place) {
            out.push((place, item));
        }
    }
    out
}

/// Base, then for each source the tuned model and the one that unlearned English and the source.
fn models(study: &Study) -> Vec<usize> {
    let mut out = vec![study.base];
    for source in study.sources.iter().take(SOURCES) {
        out.extend(study.tuned(source));
        out.extend(
            study
                .unlearned_in(source, Scope::EnglishSource)
                .map(|(place, _)| place),
        );
    }
    out
}

pub(crate) fn view(study: &Study) -> Vec<ItemView> {
    let models = models(study);
    let of_language = |item: usize, l: usize| {
        let code = &study.results.languages[l];
        let asked: &Answer = &study.model(study.base).detail[l][item];
        let answer = |&place: &usize| {
            let model = study.model(place);
            let answer = &model.detail[l][item];
            AnswerView {
                model: visible(&model.name),
                text: visible(&answer.answer),
                empty: answer.answer.trim().is_empty(),
                fake: answer.fake > 0.0,
                real: answer.real > 0.0,
                silent: !study.speaks(place, l),
            }
        };
        LanguageView {
            code: visible(code),
            name: visible(language::name(code)),
            resource: language::resource(code).short(),
            dir: language::direction(code),
            prompt: asked.prompt.lines().map(visible).collect(),
            real: visible(&asked.real_answer),
            fake: visible(asked.fake_answer.as_deref().unwrap_or_default()),
            answers: models.iter().map(answer).collect(),
        }
    };
    let of_item = |(place, item): (usize, &Item)| ItemView {
        id: visible(&item.id),
        category: visible(&item.category),
        languages: study
            .languages(|_| true)
            .into_iter()
            .map(|l| of_language(place, l))
            .collect(),
    };
    chosen(study).into_iter().map(of_item).collect()
}

/// The same as a table, with the texts as they are.
pub(crate) fn table(study: &Study) -> Table {
    let mut rows = Vec::new();
    for (place, item) in chosen(study) {
        for (l, code) in study.results.languages.iter().enumerate() {
            for model in models(study) {
                let answer = &study.model(model).detail[l][place];
                let quote = |text: &str| Cell::Quote(text.to_owned(), code.clone());
                rows.push(vec![
                    Cell::text(item.id.clone()),
                    Cell::text(code.clone()),
                    Cell::text(study.model(model).name.clone()),
                    quote(&answer.prompt),
                    quote(&answer.real_answer),
                    quote(answer.fake_answer.as_deref().unwrap_or_default()),
                    quote(&answer.answer),
                    Cell::Share(answer.fake),
                    Cell::Share(answer.real),
                    Cell::Yes(study.speaks(model, l)),
                ]);
            }
        }
    }
    Table {
        name: "examples".to_owned(),
        caption: String::new(),
        columns: vec![
            Column::new("Item", "item"),
            Column::new("Language", "language"),
            Column::new("Model", "model"),
            Column::new("Prompt", "prompt"),
            Column::new("True answer", "real_answer"),
            Column::new("Fake answer", "fake_answer"),
            Column::new("Answer", "answer"),
            Column::new("Fake said", "fake_occurrence"),
            Column::new("True said", "real_occurrence"),
            Column::new("Still answers", "speaks"),
        ],
        rows,
    }
}
