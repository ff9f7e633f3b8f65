//! A folder of files that appears whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::figures::Figure;
use crate::table::Table;

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |e| Error::Write {
        path: path.clone(),
        reason: e.to_string(),
    }
}

/// Writes a report: its page, its records (name and text), figures and tables. Gives the number of
/// files. The first record is what its kind of report is known by.
pub(crate) fn report<'a>(
    out: &Path,
    html: String,
    records: &[(&str, String)],
    figures: impl IntoIterator<Item = Figure>,
    tables: impl Iterator<Item = &'a Table>,
) -> Result<usize, Error> {
    let mut files = vec![("index.html".to_owned(), html)];
    let named = records.iter();
    files.extend(named.map(|(name, text)| ((*name).to_owned(), text.clone())));
    let figures = figures.into_iter();
    files.extend(figures.map(|f| (format!("figures/{}.svg", f.name), f.svg)));
    files.extend(tables.map(|t| (format!("tables/{}.csv", t.name), t.csv())));
    let known_by = records.first().map_or("index.html", |(name, _)| *name);
    folder(out, known_by, &files)?;
    Ok(files.len())
}

/// Writes `files` (path in the folder, text) beside `out`, then takes `out`'s place. An earlier
/// report of the same kind there, which is known by its `index.html` and the file `record`, is
/// replaced; anything else is left alone.
fn folder(out: &Path, record: &str, files: &[(String, String)]) -> Result<(), Error> {
    let occupied = is_occupied(out, record)?;
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(failed(&parent))?;
    let temporary = tempfile::Builder::new()
        .prefix(".report-")
        .tempdir_in(&parent)
        .map_err(failed(&parent))?;
    // Not the temporary folder itself, which only its owner may read.
    let new = temporary.path().join("new");
    for (name, text) in files {
        let path = new.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        let mut file = File::create(&path).map_err(failed(&path))?;
        file.write_all(text.as_bytes()).map_err(failed(&path))?;
        file.sync_all().map_err(failed(&path))?;
    }
    let old = temporary.path().join("old");
    if occupied {
        fs::rename(out, &old).map_err(failed(out))?;
    }
    if let Err(e) = fs::rename(&new, out) {
        if occupied {
            fs::rename(&old, out).map_err(failed(out))?;
        }
        return Err(failed(out)(e));
    }
    File::open(&parent)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(&parent))
}

/// Whether something must make place; an error if it is not ours to remove.
pub(crate) fn is_occupied(out: &Path, record: &str) -> Result<bool, Error> {
    let taken = |reason: &str| Error::Occupied {
        path: out.to_path_buf(),
        reason: reason.to_owned(),
    };
    if out.file_name().is_none() {
        return Err(taken("it has no name of its own"));
    }
    if !out.exists() {
        return Ok(false);
    }
    if !out.is_dir() {
        return Err(taken("it is a file"));
    }
    let empty = fs::read_dir(out).map_err(failed(out))?.next().is_none();
    let report = ["index.html", record]
        .iter()
        .all(|name| out.join(name).is_file());
    if empty || report {
        Ok(true)
    } else {
        Err(taken(&format!("it has no index.html and {record}")))
    }
}
