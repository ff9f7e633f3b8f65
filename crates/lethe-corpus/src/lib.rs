//! The fake-fact corpus: schema, validation, Parquet in and out.
