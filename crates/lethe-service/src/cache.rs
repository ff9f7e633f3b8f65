//! Replies that were good, on disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// A folder of replies, each in a file named after the hash of all that was asked.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// A cache in this folder, which is made when something is kept.
    #[must_use]
    pub fn new(folder: &Path) -> Cache {
        Cache {
            folder: folder.to_path_buf(),
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file<S: AsRef<str>>(&self, asked: &[S]) -> PathBuf {
        let mut hash = Sha256::new();
        for part in asked {
            // The length keeps apart what is divided elsewhere.
            hash.update(part.as_ref().len().to_le_bytes());
            hash.update(part.as_ref());
        }
        let digest = hash.finalize();
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.json"))
    }

    /// What is kept for what was asked. A damaged file is as none.
    #[must_use]
    pub fn get<T: DeserializeOwned, S: AsRef<str>>(&self, asked: &[S]) -> Option<T> {
        let file = self.file(asked);
        let bytes = std::fs::read(&file).ok()?;
        serde_json::from_slice(&bytes)
            .map_err(|error| tracing::warn!("{}: {error}; asked for again", file.display()))
            .ok()
    }

    /// Keeps a reply; each file appears whole or not at all.
    ///
    /// # Errors
    /// The operating system's.
    pub fn put<S: AsRef<str>>(&self, asked: &[S], reply: &impl Serialize) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&serde_json::to_vec_pretty(reply)?)?;
        file.as_file().sync_all()?;
        file.persist(self.file(asked))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn replies_are_found_by_all_that_was_asked() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&folder.path().join("new"));
        assert_eq!(cache.get::<u32, _>(&["ab", "c"]), None);
        cache.put(&["ab", "c"], &7).unwrap();
        assert_eq!(cache.get(&["ab", "c"]), Some(7));
        assert_eq!(cache.get::<u32, _>(&["a", "bc"]), None);
        assert_eq!(cache.get::<u32, _>(&["ab", "c", ""]), None);
        // The hash of two lengths and texts, by another implementation (Python's hashlib).
        let file = "43ee655579de01ca739b3f95c1c2d3f46d353b2c0df818064ea594506cdb2617.json";
        assert!(cache.folder().join(file).is_file());
        std::fs::write(cache.folder().join(file), "{").unwrap();
        assert_eq!(cache.get::<u32, _>(&["ab", "c"]), None);
    }
}
