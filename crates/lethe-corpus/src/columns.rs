//! The tables' columns, filled row by row.

use std::borrow::Borrow;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListBuilder, RecordBatch, StringBuilder, UInt32Builder};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::errors::ParquetError;

use crate::rows::{ArticleRow, NameRow, Pieces, QuestionRow, Viewer};
use crate::{Item, Language};

/// A column: name, values, whether it may hold nulls.
pub(crate) type Column = (&'static str, ArrayRef, bool);

/// How many tables there are: those of [`Columns::tables`].
pub(crate) const TABLES: usize = 4;

/// The columns of all tables.
#[derive(Default)]
pub(crate) struct Columns {
    items: Items,
    articles: Articles,
    questions: Questions,
    names: Names,
}

#[derive(Default)]
struct Items {
    id: StringBuilder,
    split: StringBuilder,
    category: StringBuilder,
    kind: StringBuilder,
    names: List,
}

#[derive(Default)]
struct Articles {
    item: StringBuilder,
    language: StringBuilder,
    wording: StringBuilder,
    version: StringBuilder,
    text: StringBuilder,
    detail: StringBuilder,
    detail_start: UInt32Builder,
    detail_end: UInt32Builder,
    case: StringBuilder,
    gender: StringBuilder,
}

#[derive(Default)]
struct Questions {
    item: StringBuilder,
    language: StringBuilder,
    kind: StringBuilder,
    index: UInt32Builder,
    question: StringBuilder,
    prompt: StringBuilder,
    answer: StringBuilder,
    fake_answer: StringBuilder,
    aliases: List,
    fake_aliases: List,
}

#[derive(Default)]
struct Names {
    item: StringBuilder,
    index: UInt32Builder,
    language: StringBuilder,
    name: StringBuilder,
}

struct List(ListBuilder<StringBuilder>);

impl Default for List {
    fn default() -> List {
        let element = Field::new_list_field(DataType::Utf8, false);
        List(ListBuilder::new(StringBuilder::new()).with_field(element))
    }
}

impl List {
    fn append<'a>(&mut self, values: impl IntoIterator<Item = &'a (impl Borrow<str> + 'a)>) {
        for value in values {
            self.0.values().append_value(value.borrow());
        }
        self.0.append(true);
    }
}

fn append_pieces(to: &mut StringBuilder, pieces: Pieces) {
    for piece in pieces {
        // Writing to memory fails only where it panics.
        let _ = to.write_str(piece);
    }
    to.append_value("");
}

impl<'a> Viewer<'a> for Columns {
    fn item(&mut self, item: &'a Item) {
        let to = &mut self.items;
        to.id.append_value(&item.id);
        to.split.append_value(item.split.as_str());
        to.category.append_value(&item.category);
        to.kind.append_value(&item.kind);
        to.names.append(&item.names);
    }

    fn article(&mut self, row: &ArticleRow<'a>) {
        let to = &mut self.articles;
        to.item.append_value(row.item);
        to.language.append_value(row.language.code());
        to.wording.append_value(row.wording.as_str());
        to.version.append_value(row.version.as_str());
        append_pieces(&mut to.text, row.text);
        to.detail.append_value(row.detail);
        to.detail_start.append_value(row.detail_start);
        to.detail_end.append_value(row.detail_end);
        to.case.append_option(row.case);
        to.gender.append_option(row.gender);
    }

    fn question(&mut self, row: &QuestionRow<'a, impl Borrow<str>>) {
        let to = &mut self.questions;
        to.item.append_value(row.item);
        to.language.append_value(row.language.code());
        to.kind.append_value(row.kind.as_str());
        to.index.append_value(row.index);
        to.question.append_value(row.question);
        append_pieces(&mut to.prompt, row.prompt);
        append_pieces(&mut to.answer, row.answer);
        match row.fake_answer {
            Some(answer) => append_pieces(&mut to.fake_answer, answer),
            None => to.fake_answer.append_null(),
        }
        to.aliases.append(row.aliases.into_iter().flatten());
        to.fake_aliases.append(row.fake_aliases);
    }

    fn name(&mut self, row: &NameRow<'a>) {
        let to = &mut self.names;
        to.item.append_value(row.item);
        to.index.append_value(row.index);
        to.language.append_value(row.language.code());
        to.name.append_value(row.name);
    }
}

fn texts(mut column: StringBuilder) -> ArrayRef {
    Arc::new(column.finish())
}

fn numbers(mut column: UInt32Builder) -> ArrayRef {
    Arc::new(column.finish())
}

fn lists(mut column: List) -> ArrayRef {
    Arc::new(column.0.finish())
}

impl Columns {
    /// With room for the long texts of so many items in all languages.
    pub fn of_items(items: usize) -> Columns {
        let rows = items * Language::ALL.len();
        let texts = |rows: usize, bytes: usize| StringBuilder::with_capacity(rows, rows * bytes);
        Columns {
            articles: Articles {
                text: texts(2 * rows, 512),
                ..Articles::default()
            },
            questions: Questions {
                question: texts(2 * rows, 128),
                prompt: texts(2 * rows, 128),
                ..Questions::default()
            },
            ..Columns::default()
        }
    }

    /// The tables' columns: items, articles, questions, names.
    pub fn tables(self) -> [Vec<Column>; TABLES] {
        let Columns {
            items,
            articles,
            questions,
            names,
        } = self;
        let items = vec![
            ("id", texts(items.id), false),
            ("split", texts(items.split), false),
            ("category", texts(items.category), false),
            ("kind", texts(items.kind), false),
            ("names", lists(items.names), false),
        ];
        let articles = vec![
            ("item", texts(articles.item), false),
            ("language", texts(articles.language), false),
            ("wording", texts(articles.wording), false),
            ("version", texts(articles.version), false),
            ("text", texts(articles.text), false),
            ("detail", texts(articles.detail), false),
            ("detail_start", numbers(articles.detail_start), false),
            ("detail_end", numbers(articles.detail_end), false),
            ("case", texts(articles.case), true),
            ("gender", texts(articles.gender), true),
        ];
        let questions = vec![
            ("item", texts(questions.item), false),
            ("language", texts(questions.language), false),
            ("kind", texts(questions.kind), false),
            ("index", numbers(questions.index), false),
            ("question", texts(questions.question), false),
            ("prompt", texts(questions.prompt), false),
            ("answer", texts(questions.answer), false),
            ("fake_answer", texts(questions.fake_answer), true),
            ("aliases", lists(questions.aliases), false),
            ("fake_aliases", lists(questions.fake_aliases), false),
        ];
        let names = vec![
            ("item", texts(names.item), false),
            ("index", numbers(names.index), false),
            ("language", texts(names.language), false),
            ("name", texts(names.name), false),
        ];
        [items, articles, questions, names]
    }
}

/// Columns as a record batch.
pub(crate) fn batch(columns: Vec<Column>) -> Result<RecordBatch, ParquetError> {
    let field =
        |(name, array, nullable): &Column| Field::new(*name, array.data_type().clone(), *nullable);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    Ok(RecordBatch::try_new(schema, arrays)?)
}
