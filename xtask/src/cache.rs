//! Finished stages on disk, found again by what went into them.
//!
//! A stage's output is a folder `<kind>-<key>`, where the key is a hash over the stage's settings
//! and the keys of its inputs. The folder appears under its name only when it is complete, so a
//! stopped run goes on at the stage where it was, and a changed setting runs again exactly what
//! depends on it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use color_eyre::eyre::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Part of every key: raise it when a stage's meaning changes.
const FORMAT: u32 = 4;

/// A folder of finished stages, in which one run at a time is at work.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    /// Held as long as any of its clones is there.
    _lock: Arc<File>,
}

/// A finished stage.
#[derive(Debug, Clone)]
pub struct Done<T> {
    /// Identifies the output: equal keys, equal outputs.
    pub key: String,
    /// Its folder.
    pub path: PathBuf,
    /// What the stage recorded.
    pub record: T,
    /// Wall time when it ran.
    pub seconds: f64,
    /// Whether it was found rather than run.
    pub cached: bool,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Stamp<T> {
    seconds: f64,
    record: T,
}

impl Cache {
    /// Opens the cache, making its folder and removing what a stopped run left unfinished.
    ///
    /// A second run in the same folder is refused: it would take what the first one is working on
    /// for left-overs.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .wrap_err_with(|| format!("{}: cannot make the folder", folder.display()))?;
        let path = folder.join(".lock");
        let lock = File::create(&path).wrap_err_with(|| format!("{}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "{}: another run is at work there; wait until it ends, or give another --out",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).wrap_err_with(|| format!("{}: cannot lock", path.display()));
            }
        }
        let cache = Cache {
            folder: folder.to_path_buf(),
            _lock: Arc::new(lock),
        };
        cache.sweep();
        Ok(cache)
    }

    /// Removes unfinished outputs.
    pub fn sweep(&self) {
        for entry in std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(".partial-") {
                // What cannot be removed is only wasted space.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The output of stage `kind` for these settings and inputs: found, or made by `run` in the
    /// folder that it is given.
    pub fn stage<T: Serialize + DeserializeOwned>(
        &self,
        kind: &str,
        settings: &impl Serialize,
        inputs: &[&str],
        run: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<Done<T>> {
        let settings = serde_json::to_string(settings)?;
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            "{FORMAT}\n{version}\n{kind}\n{settings}\n{}",
            inputs.join("\n")
        );
        let key: String = Sha256::digest(text)
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        let path = self.folder.join(format!("{kind}-{key}"));
        let stamp = path.join("stage.json");
        if stamp.is_file() {
            let text = std::fs::read_to_string(&stamp)?;
            let stamp: Stamp<T> = serde_json::from_str(&text).wrap_err_with(|| {
                format!("{}: not a stage record; delete its folder", stamp.display())
            })?;
            return Ok(Done {
                key,
                path,
                record: stamp.record,
                seconds: stamp.seconds,
                cached: true,
            });
        }
        let start = Instant::now();
        let staging = tempfile::Builder::new()
            .prefix(&format!(".partial-{kind}-"))
            .tempdir_in(&self.folder)
            .wrap_err_with(|| format!("{}: cannot write", self.folder.display()))?;
        let record = run(staging.path())?;
        let seconds = start.elapsed().as_secs_f64();
        let text = serde_json::to_vec_pretty(&Stamp { seconds, record })?;
        write(&staging.path().join("stage.json"), &text)?;
        // As it will be found: a number may lose its last digit in JSON.
        let stamp: Stamp<T> = serde_json::from_slice(&text)?;
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::rename(staging.path(), &path)
            .wrap_err_with(|| format!("{}: cannot appear under its name", path.display()))?;
        Ok(Done {
            key,
            path,
            record: stamp.record,
            seconds,
            cached: false,
        })
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    let context = || format!("{}: cannot write", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).wrap_err_with(context)?;
    file.write_all(bytes).wrap_err_with(context)?;
    file.as_file().sync_all().wrap_err_with(context)?;
    file.persist(path).wrap_err_with(context)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_run_once_and_again_when_something_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let mut runs = 0;
        let mut go = |settings: u32, input: &str| {
            cache
                .stage("kind", &settings, &[input], |path| {
                    runs += 1;
                    std::fs::write(path.join("x"), "x")?;
                    Ok(runs)
                })
                .expect("it runs")
        };
        let first = go(1, "a");
        assert!(!first.cached && first.path.join("x").is_file());
        assert!(go(1, "a").cached);
        assert!(!go(2, "a").cached);
        assert!(!go(1, "b").cached);
        assert_eq!(runs, 3);
    }

    #[test]
    fn a_second_run_in_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Cache::open(folder.path()).expect("a cache");
        let second = Cache::open(folder.path()).expect_err("it is taken");
        assert!(second.to_string().contains("another run"), "{second}");
        drop(first);
        Cache::open(folder.path()).expect("free again");
    }

    #[test]
    fn a_failed_stage_leaves_nothing_and_runs_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        let failed = cache.stage("kind", &1, &[], |path| -> Result<u32> {
            std::fs::write(path.join("x"), "x")?;
            bail!("no")
        });
        assert!(failed.is_err());
        let left = || {
            let entries = std::fs::read_dir(folder.path())
                .expect("readable")
                .flatten();
            entries.filter(|entry| entry.file_name() != ".lock").count()
        };
        assert_eq!(left(), 0);
        drop(cache);
        std::fs::create_dir(folder.path().join(".partial-kind-xyz")).expect("made");
        let cache = Cache::open(folder.path()).expect("a cache");
        assert_eq!(left(), 0);
        assert!(
            !cache
                .stage("kind", &1, &[], |_| Ok(1))
                .expect("it runs")
                .cached
        );
    }
}
