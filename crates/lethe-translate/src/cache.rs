//! Translations that passed, on disk.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use lethe_corpus::Language;
use sha2::{Digest, Sha256};

/// A folder of translations, each in a file named after the hash of all that was asked.
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

    fn file(
        &self,
        identity: &str,
        (from, to): (Language, Language),
        texts: &BTreeMap<String, String>,
    ) -> PathBuf {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        };
        add(identity);
        add(from.code());
        add(to.code());
        for (key, text) in texts {
            add(key);
            add(text);
        }
        let digest = hash.finalize();
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.json"))
    }

    /// What is kept for these texts. A damaged file is as none.
    #[must_use]
    pub(crate) fn get(
        &self,
        identity: &str,
        languages: (Language, Language),
        texts: &BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        let file = self.file(identity, languages, texts);
        let bytes = std::fs::read(&file).ok()?;
        serde_json::from_slice(&bytes)
            .map_err(|error| tracing::warn!("{}: {error}; asked for again", file.display()))
            .ok()
    }

    /// Keeps translations; each file appears whole or not at all.
    pub(crate) fn put(
        &self,
        identity: &str,
        languages: (Language, Language),
        texts: &BTreeMap<String, String>,
        translated: &BTreeMap<String, String>,
    ) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&serde_json::to_vec_pretty(translated)?)?;
        file.as_file().sync_all()?;
        file.persist(self.file(identity, languages, texts))?;
        Ok(())
    }
}
