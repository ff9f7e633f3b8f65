//! Running `xtask` as a user does.

#![allow(dead_code)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// What a finished command said.
pub struct Finished {
    pub success: bool,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn all(&self) -> String {
        format!("exit {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

pub fn xtask<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments.iter().map(AsRef::as_ref));
    command
}

pub fn run(command: &mut Command) -> Finished {
    let output = command.output().expect("xtask starts");
    Finished {
        success: output.status.success(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// It ended in an error that says all this, and in no panic.
pub fn refused(finished: &Finished, says: &[&str]) {
    assert!(!finished.success, "{}", finished.all());
    for part in says {
        assert!(
            finished.stderr.contains(part),
            "no {part:?} in:\n{}",
            finished.all()
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.all());
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository")
}

/// The path of the 253 MB model, fetched on first use.
pub fn gemma() -> PathBuf {
    let pulled = run(&mut xtask(&["models", "pull", "gemma-3-270m"]));
    assert!(
        pulled.success,
        "the model could not be fetched:\n{}",
        pulled.all()
    );
    PathBuf::from(pulled.stdout.trim())
}

/// All rows of a Parquet file.
pub fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let mut reader = builder.with_batch_size(1 << 20).build().expect("readable");
    let batch = reader.next().expect("it has rows").expect("readable");
    assert!(reader.next().is_none());
    batch
}

/// The names of everything below a folder, for saying that nothing half-written stays.
pub fn files(folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        out.push(entry.file_name().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            out.extend(files(&entry.path()));
        }
    }
    out
}
