//! The corpus as Parquet. The schemas are in the crate's documentation.

use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt32Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use crate::{
    About, Article, Corpus, Error, Item, Language, Layout, Name, Question, QuestionKind, Split,
    Version, Wording, card,
};

const ITEMS: &str = "items.parquet";
const ARTICLES: &str = "articles.parquet";
const QUESTIONS: &str = "questions.parquet";
const NAMES: &str = "names.parquet";
const CARD: &str = "README.md";

/// What [`Corpus::export`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The files' names and sha256 (hex): the tables and the dataset card.
    pub files: Vec<(String, String)>,
    /// The sha256 (hex) of the whole: of what `sha256sum` prints for the files in this order.
    pub sha256: String,
}

/// A column: name, values, whether it may hold nulls.
type Column = (&'static str, ArrayRef, bool);

impl Corpus {
    /// Writes `items.parquet`, `articles.parquet`, `questions.parquet`, `names.parquet` and
    /// `README.md`, the dataset card, into a folder, which is made if need be. The same corpus
    /// gives the same bytes, whenever and wherever. Each file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_parquet(&self, dir: &Path) -> Result<Built, Error> {
        self.export(dir, Layout::Tables, &About::default())
    }

    /// Writes the tables in a layout, and the dataset card, with what it says beyond the corpus.
    /// The same corpus gives the same bytes. Each file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn export(&self, dir: &Path, layout: Layout, about: &About) -> Result<Built, Error> {
        let mut files = Vec::new();
        match layout {
            Layout::Tables => {
                for (name, bytes) in self.tables(dir)? {
                    files.push((name.to_owned(), bytes));
                }
            }
            Layout::Splits => {
                for split in Split::ALL {
                    for (name, bytes) in self.of_split(split).tables(dir)? {
                        let table = name.trim_end_matches(".parquet");
                        files.push((format!("{table}/{split}.parquet"), bytes));
                    }
                }
            }
        }
        let card = card::card(self, layout, about);
        files.push((CARD.to_owned(), card.into_bytes()));
        write_all(dir, &files)
    }

    /// The tables' names and bytes.
    fn tables(&self, dir: &Path) -> Result<[(&'static str, Vec<u8>); 4], Error> {
        let bytes = |name: &'static str, columns| {
            let bytes = encode(columns).map_err(|e| Error::Write {
                file: dir.join(name),
                reason: e.to_string(),
            })?;
            Ok((name, bytes))
        };
        Ok([
            bytes(ITEMS, self.item_columns())?,
            bytes(ARTICLES, self.article_columns())?,
            bytes(QUESTIONS, self.question_columns())?,
            bytes(NAMES, self.name_columns())?,
        ])
    }

    /// Reads what [`Corpus::write_parquet`] wrote. Other columns are ignored; row groups and
    /// compression may differ.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotParquet`], [`Error::Column`], [`Error::Value`].
    pub fn read_parquet(dir: &Path) -> Result<Corpus, Error> {
        let none = Corpus::default();
        let table = Table::open(dir.join(ITEMS), &none.item_columns())?;
        let items = table.rows(|row| {
            Ok(Item {
                id: table.text("id", row)?,
                split: table.word("split", row, &Split::ALL, Split::as_str)?,
                category: table.text("category", row)?,
                kind: table.text("kind", row)?,
                names: table.list("names", row)?,
            })
        })?;
        let table = Table::open(dir.join(ARTICLES), &none.article_columns())?;
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
        let table = Table::open(dir.join(QUESTIONS), &none.question_columns())?;
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
        let table = Table::open(dir.join(NAMES), &none.name_columns())?;
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

    fn item_columns(&self) -> Vec<Column> {
        let text = |of: fn(&Item) -> &str| texts(self.items.iter().map(of));
        vec![
            ("id", text(|i| &i.id), false),
            ("split", text(|i| i.split.as_str()), false),
            ("category", text(|i| &i.category), false),
            ("kind", text(|i| &i.kind), false),
            (
                "names",
                lists(self.items.iter().map(|i| i.names.as_slice())),
                false,
            ),
        ]
    }

    fn article_columns(&self) -> Vec<Column> {
        let text = |of: fn(&Article) -> &str| texts(self.articles.iter().map(of));
        let number = |of: fn(&Article) -> u32| numbers(self.articles.iter().map(of));
        let optional = |of: fn(&Article) -> Option<&str>| -> ArrayRef {
            Arc::new(self.articles.iter().map(of).collect::<StringArray>())
        };
        vec![
            ("item", text(|a| &a.item), false),
            ("language", text(|a| a.language.code()), false),
            ("wording", text(|a| a.wording.as_str()), false),
            ("version", text(|a| a.version.as_str()), false),
            ("text", text(|a| &a.text), false),
            ("detail", text(|a| &a.detail), false),
            ("detail_start", number(|a| a.detail_start), false),
            ("detail_end", number(|a| a.detail_end), false),
            ("case", optional(|a| a.case.as_deref()), true),
            ("gender", optional(|a| a.gender.as_deref()), true),
        ]
    }

    fn name_columns(&self) -> Vec<Column> {
        let text = |of: fn(&Name) -> &str| texts(self.names.iter().map(of));
        vec![
            ("item", text(|n| &n.item), false),
            ("index", numbers(self.names.iter().map(|n| n.index)), false),
            ("language", text(|n| n.language.code()), false),
            ("name", text(|n| &n.name), false),
        ]
    }

    fn question_columns(&self) -> Vec<Column> {
        let text = |of: fn(&Question) -> &str| texts(self.questions.iter().map(of));
        let list = |of: fn(&Question) -> &[String]| lists(self.questions.iter().map(of));
        let fakes = self.questions.iter().map(|q| q.fake_answer.as_deref());
        vec![
            ("item", text(|q| &q.item), false),
            ("language", text(|q| q.language.code()), false),
            ("kind", text(|q| q.kind.as_str()), false),
            (
                "index",
                numbers(self.questions.iter().map(|q| q.index)),
                false,
            ),
            ("question", text(|q| &q.question), false),
            ("prompt", text(|q| &q.prompt), false),
            ("answer", text(|q| &q.answer), false),
            (
                "fake_answer",
                Arc::new(fakes.collect::<StringArray>()),
                true,
            ),
            ("aliases", list(|q| &q.aliases), false),
            ("fake_aliases", list(|q| &q.fake_aliases), false),
        ]
    }
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn numbers(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

fn lists<'a>(rows: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let element = Field::new_list_field(DataType::Utf8, false);
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(element);
    for row in rows {
        for value in row {
            builder.values().append_value(value);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

fn encode(columns: Vec<Column>) -> Result<Vec<u8>, ParquetError> {
    let field =
        |(name, array, nullable): &Column| Field::new(*name, array.data_type().clone(), *nullable);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    let batch = RecordBatch::try_new(schema, arrays)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// Writes files, given by their paths in the folder.
fn write_all(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<Built, Error> {
    for (name, bytes) in files {
        let file = dir.join(name);
        let folder = file.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).map_err(|e| Error::Write {
            file: folder.to_path_buf(),
            reason: e.to_string(),
        })?;
        write_whole(&file, bytes)?;
    }
    let hashed = |(name, bytes): &(String, Vec<u8>)| (name.clone(), sha256(bytes));
    let files: Vec<(String, String)> = files.iter().map(hashed).collect();
    let listing: String = files
        .iter()
        .map(|(name, hash)| format!("{hash}  {name}\n"))
        .collect();
    Ok(Built {
        files,
        sha256: sha256(listing.as_bytes()),
    })
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)
    };
    write().map(drop).map_err(|e: std::io::Error| Error::Write {
        file: path.to_path_buf(),
        reason: e.to_string(),
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
