//! Parquet columns, read with their types checked: what is absent, of another type, null or no
//! number is an error that names the file, the column and, where there is one, the row.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::Error;

/// A Parquet file with typed access to its columns.
pub(crate) struct Columns<'a> {
    pub(crate) path: &'a Path,
    batches: Vec<RecordBatch>,
}

impl<'a> Columns<'a> {
    /// The columns of a file that must have rows.
    pub(crate) fn open(path: &'a Path) -> Result<Columns<'a>, Error> {
        let columns = Columns::open_empty(path)?;
        if columns.batches.iter().all(|batch| batch.num_rows() == 0) {
            return Err(Error::Read {
                path: path.to_path_buf(),
                reason: "it has no rows".to_owned(),
            });
        }
        Ok(columns)
    }

    /// The same of a file that may have none.
    pub(crate) fn open_empty(path: &'a Path) -> Result<Columns<'a>, Error> {
        let failed = |reason: String| Error::Read {
            path: path.to_path_buf(),
            reason,
        };
        let file = File::open(path).map_err(|e| failed(e.to_string()))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(|e| failed(format!("no Parquet file, or truncated ({e})")))?;
        let batches: Vec<RecordBatch> = reader
            .collect::<Result<_, _>>()
            .map_err(|e| failed(format!("damaged ({e})")))?;
        Ok(Columns { path, batches })
    }

    pub(crate) fn column<T>(
        &self,
        name: &'static str,
        expected: &DataType,
        values: impl Fn(&dyn Array) -> Vec<Option<T>>,
    ) -> Result<Vec<Option<T>>, Error> {
        let wrong = |found: String| Error::Column {
            path: self.path.to_path_buf(),
            column: name.to_owned(),
            expected: expected.to_string(),
            found,
        };
        let mut out = Vec::new();
        for batch in &self.batches {
            let Some(column) = batch.column_by_name(name) else {
                let schema = batch.schema();
                let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                return Err(wrong(format!("no such column among {}", names.join(", "))));
            };
            if column.data_type() != expected {
                return Err(wrong(column.data_type().to_string()));
            }
            out.extend(values(column.as_ref()));
        }
        Ok(out)
    }

    pub(crate) fn required<T>(
        &self,
        name: &'static str,
        values: Vec<Option<T>>,
        key: impl Fn(usize) -> String,
    ) -> Result<Vec<T>, Error> {
        let mut out = Vec::with_capacity(values.len());
        for (row, value) in values.into_iter().enumerate() {
            let Some(value) = value else {
                return Err(self.wrong(row, key(row), name, "null", "a value"));
            };
            out.push(value);
        }
        Ok(out)
    }

    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Vec<Option<String>>, Error> {
        self.column(name, &DataType::Utf8, |column| {
            column
                .as_string::<i32>()
                .iter()
                .map(|text| text.map(str::to_owned))
                .collect()
        })
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Vec<String>, Error> {
        self.required(name, self.optional_text(name)?, |_| {
            "its key is not known yet".to_owned()
        })
    }

    pub(crate) fn optional_truth(&self, name: &'static str) -> Result<Vec<Option<bool>>, Error> {
        self.column(name, &DataType::Boolean, |column| {
            column.as_boolean().iter().collect()
        })
    }

    pub(crate) fn truth(
        &self,
        name: &'static str,
        key: impl Fn(usize) -> String,
    ) -> Result<Vec<bool>, Error> {
        self.required(name, self.optional_truth(name)?, key)
    }

    /// Present numbers are finite; `key` names a row.
    pub(crate) fn optional_number(
        &self,
        name: &'static str,
        key: impl Fn(usize) -> String,
    ) -> Result<Vec<Option<f64>>, Error> {
        let values = self.column(name, &DataType::Float64, |column| {
            column.as_primitive::<Float64Type>().iter().collect()
        })?;
        for (row, value) in values.iter().enumerate() {
            if let Some(value) = value
                && !value.is_finite()
            {
                let found = value.to_string();
                return Err(self.wrong(row, key(row), name, &found, "a finite number"));
            }
        }
        Ok(values)
    }

    pub(crate) fn number(
        &self,
        name: &'static str,
        key: impl Fn(usize) -> String + Copy,
    ) -> Result<Vec<f64>, Error> {
        self.required(name, self.optional_number(name, key)?, key)
    }

    pub(crate) fn optional_u32(&self, name: &'static str) -> Result<Vec<Option<u32>>, Error> {
        self.column(name, &DataType::UInt32, |column| {
            column.as_primitive::<UInt32Type>().iter().collect()
        })
    }

    pub(crate) fn u32(
        &self,
        name: &'static str,
        key: impl Fn(usize) -> String,
    ) -> Result<Vec<u32>, Error> {
        self.required(name, self.optional_u32(name)?, key)
    }

    pub(crate) fn optional_u64(&self, name: &'static str) -> Result<Vec<Option<u64>>, Error> {
        self.column(name, &DataType::UInt64, |column| {
            column.as_primitive::<UInt64Type>().iter().collect()
        })
    }

    pub(crate) fn wrong(
        &self,
        row: usize,
        key: String,
        column: &'static str,
        found: &str,
        expected: &str,
    ) -> Error {
        Error::Value {
            path: self.path.to_path_buf(),
            row: row + 1,
            key,
            column,
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// The one value that a column has in all rows.
    pub(crate) fn constant<T: PartialEq + std::fmt::Debug>(
        &self,
        name: &'static str,
        values: Vec<T>,
    ) -> Result<T, Error> {
        if let Some(row) = values.iter().position(|value| *value != values[0]) {
            let (found, expected) = (&values[row], &values[0]);
            return Err(self.wrong(
                row,
                "one file holds one model".to_owned(),
                name,
                &format!("{found:?}"),
                &format!("{expected:?} as in the first row"),
            ));
        }
        values.into_iter().next().ok_or_else(|| Error::Read {
            path: self.path.to_path_buf(),
            reason: "it has no rows".to_owned(),
        })
    }
}
