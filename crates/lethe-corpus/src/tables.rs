//! The corpus as Parquet. The schemas are in the crate's documentation.

use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::card::{PartSummary, Summary};
use crate::columns::{Column, Columns, TABLES, batch};
use crate::quality::About;
use crate::rows::Rows;
use crate::{
    Article, Corpus, Error, Item, Language, Layout, Name, Question, QuestionKind, Split, Version,
    Wording,
};

const ITEMS: &str = "items.parquet";
const ARTICLES: &str = "articles.parquet";
const QUESTIONS: &str = "questions.parquet";
const NAMES: &str = "names.parquet";
const CARD: &str = "README.md";

/// What [`Corpus::write_parquet`] or [`build`](crate::build) wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The files' names and sha256 (hex): the tables and the dataset card.
    pub files: Vec<(String, String)>,
    /// The sha256 (hex) of the whole: of what `sha256sum` prints for the files in this order.
    pub sha256: String,
}

/// The tables' files, in the order of [`Columns::tables`].
const FILES: [&str; TABLES] = [ITEMS, ARTICLES, QUESTIONS, NAMES];

impl Corpus {
    /// Writes `items.parquet`, `articles.parquet`, `questions.parquet`, `names.parquet` and
    /// `README.md`, the dataset card, into a folder, which is made if need be. The same corpus
    /// gives the same bytes, whenever and wherever. Each file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_parquet(&self, dir: &Path) -> Result<Built, Error> {
        let mut tables = Tables::create(dir, Layout::Tables)?;
        let mut part = Part::new(Layout::Tables, 0, self.items.len());
        part.add(&self);
        tables.append(vec![part])?;
        tables.finish(&About::default())
    }

    /// Reads what [`Corpus::write_parquet`] wrote. Other columns are ignored; row groups and
    /// compression may differ.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotParquet`], [`Error::Column`], [`Error::Value`].
    pub fn read_parquet(dir: &Path) -> Result<Corpus, Error> {
        let [items, articles, questions, names] = Columns::default().tables();
        let table = Table::open(dir.join(ITEMS), &items)?;
        let items = table.rows(|row| {
            Ok(Item {
                id: table.text("id", row)?,
                split: table.word("split", row, &Split::ALL, Split::as_str)?,
                category: table.text("category", row)?,
                kind: table.text("kind", row)?,
                names: table.list("names", row)?,
            })
        })?;
        let table = Table::open(dir.join(ARTICLES), &articles)?;
        let articles = table.rows(|row| {
            Ok(Article {
                item: table.text("item", row)?,
                language: table.word("language", row, &Language::ALL, Language::code)?,
                wording: table.word("wording", row, &Wording::ALL, Wording::as_str)?,
                version: table.word("version", row, &Version::ALL, Version::as_str)?,
                text: table.text("text", row)?,
                detail: table.text("detail", row)?,
                detail_start: table.number("detail_start", row)?,
                detail_end: table.number("detail_end", row)?,
                case: table.optional_text("case", row)?,
                gender: table.optional_text("gender", row)?,
            })
        })?;
        let table = Table::open(dir.join(QUESTIONS), &questions)?;
        let questions = table.rows(|row| {
            Ok(Question {
                item: table.text("item", row)?,
                language: table.word("language", row, &Language::ALL, Language::code)?,
                kind: table.word("kind", row, &QuestionKind::ALL, QuestionKind::as_str)?,
                index: table.number("index", row)?,
                question: table.text("question", row)?,
                prompt: table.text("prompt", row)?,
                answer: table.text("answer", row)?,
                fake_answer: table.optional_text("fake_answer", row)?,
                aliases: table.list("aliases", row)?,
                fake_aliases: table.list("fake_aliases", row)?,
            })
        })?;
        let table = Table::open(dir.join(NAMES), &names)?;
        let names = table.rows(|row| {
            Ok(Name {
                item: table.text("item", row)?,
                index: table.number("index", row)?,
                language: table.word("language", row, &Language::ALL, Language::code)?,
                name: table.text("name", row)?,
            })
        })?;
        Ok(Corpus {
            items,
            articles,
            questions,
            names,
        })
    }
}

/// Tables that grow by parts of a corpus. They are in a folder once [`finish`](Tables::finish)
/// has put them there.
pub(crate) struct Tables {
    dir: PathBuf,
    layout: Layout,
    summary: Summary,
    open: Vec<Open>,
}

/// Rows on their way to the tables.
pub(crate) struct Part {
    /// For every split.
    columns: Vec<(Option<Split>, Columns)>,
    summary: PartSummary,
}

impl Part {
    /// For the rows of about so many items, `before` of which are in parts before it.
    pub fn new(layout: Layout, before: usize, items: usize) -> Part {
        let splits = layout.splits().iter();
        Part {
            columns: splits.map(|&s| (s, Columns::of_items(items))).collect(),
            summary: PartSummary::new(before),
        }
    }

    pub fn add(&mut self, rows: &impl Rows) {
        let Part { columns, summary } = self;
        let mut columns = columns.iter_mut();
        let of_split = columns.find(|(split, _)| split.is_none() || *split == rows.split());
        if let Some((_, columns)) = of_split {
            rows.show(&mut (columns, summary));
        }
    }
}

/// A table that is being written, in a temporary file beside its place.
struct Open {
    /// Its path in the folder.
    name: String,
    /// Its place in [`FILES`].
    table: usize,
    /// Which items are in it; none means all.
    split: Option<Split>,
    writer: ArrowWriter<Hashed>,
}

struct Hashed {
    file: NamedTempFile,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Rows of a row group. A group's pages are in memory until it is whole.
const GROUP: usize = 1 << 16;

/// Columns whose cells are hardly ever the same: a dictionary of them would only be given up.
const DISTINCT: [&str; 3] = ["text", "question", "prompt"];

fn not_written(file: &Path, reason: &impl ToString) -> Error {
    Error::Write {
        file: file.to_path_buf(),
        reason: reason.to_string(),
    }
}

impl Tables {
    /// # Errors
    /// [`Error::Write`].
    pub fn create(dir: &Path, layout: Layout) -> Result<Tables, Error> {
        let mut open = Vec::new();
        for &split in layout.splits() {
            let tables = FILES.into_iter().zip(Columns::default().tables());
            for (table, (file, columns)) in tables.enumerate() {
                let name = match split {
                    None => file.to_owned(),
                    Some(split) => {
                        format!("{}/{split}.parquet", file.trim_end_matches(".parquet"))
                    }
                };
                let path = dir.join(&name);
                let writer = new_writer(&path, columns).map_err(|e| not_written(&path, &e))?;
                open.push(Open {
                    name,
                    table,
                    split,
                    writer,
                });
            }
        }
        Ok(Tables {
            dir: dir.to_path_buf(),
            layout,
            summary: Summary::default(),
            open,
        })
    }

    /// Puts rows at the tables' ends.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn append(&mut self, parts: Vec<Part>) -> Result<(), Error> {
        let Tables {
            dir, summary, open, ..
        } = self;
        let mut batches = Vec::with_capacity(parts.len());
        let mut summaries = Vec::with_capacity(parts.len());
        for part in parts {
            summaries.push(part.summary);
            let columns = part.columns.into_iter();
            batches.extend(columns.map(|(split, columns)| (split, columns.tables())));
        }
        let write = || {
            open.par_iter_mut().try_for_each(|open| {
                for (_, tables) in batches.iter().filter(|(split, _)| *split == open.split) {
                    let written =
                        batch(tables[open.table].clone()).and_then(|rows| match rows.num_rows() {
                            0 => Ok(()),
                            _ => open.writer.write(&rows),
                        });
                    written.map_err(|e| not_written(&dir.join(&open.name), &e))?;
                }
                Ok(())
            })
        };
        let count = || summaries.into_iter().for_each(|one| summary.add(one));
        rayon::join(write, count).0
    }

    /// The sha256 of the real articles' text so far: [`Quality`](crate::Quality)'s.
    pub fn text_sha256(&self) -> String {
        self.summary.text_sha256()
    }

    /// Puts the tables and the dataset card in their places.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(self, about: &About) -> Result<Built, Error> {
        let mut files = Vec::new();
        let mut place = |name: String, hashed: Result<Hashed, ParquetError>| {
            let path = self.dir.join(&name);
            let hashed = hashed.map_err(|e| not_written(&path, &e))?;
            let synced = hashed.file.as_file().sync_all();
            synced.map_err(|e| not_written(&path, &e))?;
            let kept = hashed.file.persist(&path);
            kept.map_err(|e| not_written(&path, &e.error))?;
            files.push((name, hex(hashed.hash)));
            Ok(())
        };
        for table in self.open {
            place(table.name, table.writer.into_inner())?;
        }
        let card = self.summary.card(self.layout, about);
        let written = Hashed::create(&self.dir.join(CARD)).and_then(|mut file| {
            file.write_all(card.as_bytes())?;
            Ok(file)
        });
        place(CARD.to_owned(), written.map_err(ParquetError::from))?;
        let listing: String = files
            .iter()
            .map(|(name, hash)| format!("{hash}  {name}\n"))
            .collect();
        Ok(Built {
            files,
            sha256: hex(Sha256::new_with_prefix(listing)),
        })
    }
}

impl Hashed {
    fn create(path: &Path) -> std::io::Result<Hashed> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        Ok(Hashed {
            file: NamedTempFile::new_in(folder)?,
            hash: Sha256::new(),
        })
    }
}

fn new_writer(path: &Path, columns: Vec<Column>) -> Result<ArrowWriter<Hashed>, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP));
    for column in DISTINCT {
        properties = properties.set_column_dictionary_enabled(column.into(), false);
    }
    let schema = batch(columns)?.schema();
    ArrowWriter::try_new(Hashed::create(path)?, schema, Some(properties.build()))
}

/// The digest in hexadecimal.
pub(crate) fn hex(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A table whose columns are there and of the right types.
struct Table {
    file: PathBuf,
    batch: RecordBatch,
}

impl Table {
    fn open(file: PathBuf, expected: &[Column]) -> Result<Table, Error> {
        let handle = File::open(&file).map_err(|source| Error::Read {
            file: file.clone(),
            source,
        })?;
        let damaged = |reason: String| Error::NotParquet {
            file: file.clone(),
            reason,
        };
        // Some damage makes the Parquet reader panic instead of saying so.
        let read = AssertUnwindSafe(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(handle)?;
            let schema = builder.schema().clone();
            if let Some((column, found, expected)) = mismatch(&schema, expected) {
                return Ok(Err(Error::Column {
                    file: file.clone(),
                    column,
                    found,
                    expected,
                }));
            }
            let batches = builder.build()?.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, ParquetError>(Ok(concat_batches(&schema, &batches)?))
        });
        let batch = catch_unwind(read)
            .map_err(|_| damaged("the reader gave up".to_owned()))?
            .map_err(|e| damaged(e.to_string()))??;
        Ok(Table { file, batch })
    }

    fn rows<T>(&self, row: impl FnMut(usize) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        (0..self.batch.num_rows()).map(row).collect()
    }

    fn text(&self, column: &str, row: usize) -> Result<String, Error> {
        let text = self.optional_text(column, row)?;
        text.ok_or_else(|| self.bad(column, row, "null", "a text"))
    }

    fn optional_text(&self, column: &str, row: usize) -> Result<Option<String>, Error> {
        let array = self
            .batch
            .column_by_name(column)
            .and_then(|a| a.as_string_opt::<i32>());
        let array = array.ok_or_else(|| self.bad(column, row, "another type", "utf8"))?;
        Ok(array.is_valid(row).then(|| array.value(row).to_owned()))
    }

    fn number(&self, column: &str, row: usize) -> Result<u32, Error> {
        let array = self
            .batch
            .column_by_name(column)
            .and_then(|a| a.as_primitive_opt::<UInt32Type>());
        let value = array.filter(|a| a.is_valid(row)).map(|a| a.value(row));
        value.ok_or_else(|| self.bad(column, row, "null", "a number"))
    }

    fn list(&self, column: &str, row: usize) -> Result<Vec<String>, Error> {
        let array = self
            .batch
            .column_by_name(column)
            .and_then(|a| a.as_list_opt::<i32>());
        let value = array.filter(|a| a.is_valid(row)).map(|a| a.value(row));
        let elements = value.as_ref().and_then(|v| v.as_string_opt::<i32>());
        let texts = elements.and_then(|e| e.iter().map(|text| text.map(str::to_owned)).collect());
        texts.ok_or_else(|| self.bad(column, row, "null", "a list of texts"))
    }

    fn word<T: Copy>(
        &self,
        column: &str,
        row: usize,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, Error> {
        let text = self.text(column, row)?;
        let known = all.iter().copied().find(|&value| name(value) == text);
        known.ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|&value| name(value)).collect();
            self.bad(
                column,
                row,
                &format!("{text:?}"),
                &format!("one of {}", names.join(", ")),
            )
        })
    }

    fn bad(&self, column: &str, row: usize, found: &str, expected: &str) -> Error {
        Error::Value {
            file: self.file.clone(),
            column: column.to_owned(),
            row,
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }
}

/// The first expected column that is not there in its type: its name, what is there, its type.
fn mismatch(schema: &Schema, expected: &[Column]) -> Option<(String, String, String)> {
    expected.iter().find_map(|(name, array, _)| {
        let found = schema.field_with_name(name).map(Field::data_type).ok();
        if found.is_some_and(|found| same_type(found, array.data_type())) {
            return None;
        }
        let found = found.map_or_else(|| "no such column".to_owned(), describe);
        Some(((*name).to_owned(), found, describe(array.data_type())))
    })
}

fn same_type(found: &DataType, expected: &DataType) -> bool {
    match (found, expected) {
        // Writers call the elements of a list differently, and may let them be null.
        (DataType::List(found), DataType::List(expected)) => {
            found.data_type() == expected.data_type()
        }
        _ => found == expected,
    }
}

fn describe(data_type: &DataType) -> String {
    match data_type {
        DataType::List(element) => format!("list<{}>", describe(element.data_type())),
        other => other.to_string().to_lowercase(),
    }
}
