//! Models of the Hugging Face hub, named `hf:OWNER/NAME[/FILE][@REVISION]`.
//!
//! Files go where every other tool of the hub keeps them (`HF_HUB_CACHE`, `HF_HOME`), so what is
//! there already is not fetched again; `HF_TOKEN` opens gated models, `HF_ENDPOINT` names a mirror.
//! Each file is checked before use against the hash that the hub knows it by: the sha256 of large
//! files, git's hash of small ones.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::{HFClientSync, HFError};
use sha1::{Digest, Sha1};

use crate::Error;
use crate::store::{Progress, verify};

/// What a model in Hugging Face's layout consists of.
const LAYOUT: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// A model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubModel {
    owner: String,
    name: String,
    /// One file (a GGUF file), or the whole layout.
    file: Option<String>,
    revision: Option<String>,
}

impl HubModel {
    /// Reads `OWNER/NAME[/FILE][@REVISION]`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (path, revision) = match text.split_once('@') {
            Some((path, revision)) => (path, Some(revision)),
            None => (text, None),
        };
        let mut parts = path.splitn(3, '/');
        let (owner, name, file) = (parts.next(), parts.next(), parts.next());
        let some = |part: Option<&str>| part.filter(|p| !p.is_empty()).map(str::to_owned);
        match (some(owner), some(name)) {
            (Some(owner), Some(name)) if file != Some("") && revision != Some("") => Ok(HubModel {
                owner,
                name,
                file: some(file),
                revision: some(revision),
            }),
            _ => Err(Error::Store(format!(
                "hf:{text}: expected hf:OWNER/NAME, hf:OWNER/NAME/FILE.gguf, either with @REVISION"
            ))),
        }
    }

    /// The path of the GGUF file or of the folder in Hugging Face's layout, fetched on first use.
    pub(crate) fn pull(&self, progress: Progress) -> Result<PathBuf, Error> {
        let client = hf_hub::HFClient::builder().build_sync();
        self.pull_with(&client.map_err(|e| self.error("the hub", &e))?, progress)
    }

    fn pull_with(&self, client: &HFClientSync, progress: Progress) -> Result<PathBuf, Error> {
        let repository = client.model(&*self.owner, &*self.name);
        let whole = LAYOUT.map(str::to_owned);
        let files = self.file.as_ref().map_or(&whole[..], std::slice::from_ref);
        let mut path = PathBuf::new();
        for file in files {
            let watch = Arc::new(Watch::default());
            progress(&format!("fetching {file}"), 0, 0);
            path = std::thread::scope(|scope| {
                let download = scope.spawn(|| {
                    let request = repository.download_file().filename(file);
                    let request = request.maybe_revision(self.revision.clone());
                    request.progress(Arc::clone(&watch)).send()
                });
                while !download.is_finished() {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    let (done, total) = watch.state();
                    progress(&format!("fetching {file}"), done, total);
                }
                download
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .map_err(|e| self.error(file, &e))?;
            check(&path, progress)?;
        }
        match self.file {
            Some(_) => Ok(path),
            None => Ok(path.parent().unwrap_or(Path::new(".")).to_path_buf()),
        }
    }

    fn error(&self, file: &str, error: &HFError) -> Error {
        Error::Store(format!(
            "hf:{}/{}: {file}: {error}; check the name and the network, set HF_TOKEN for a gated \
             model; a model in several safetensors files is not read: name its GGUF file",
            self.owner, self.name
        ))
    }
}

/// How far a download is.
#[derive(Default)]
struct Watch(Mutex<(u64, u64)>);

impl Watch {
    fn state(&self) -> (u64, u64) {
        *self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ProgressHandler for Watch {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else {
            return;
        };
        let now = match event {
            DownloadEvent::Progress { files } => files
                .first()
                .map(|file| (file.bytes_completed, file.total_bytes)),
            DownloadEvent::AggregateProgress {
                bytes_completed,
                total_bytes,
                ..
            } => Some((*bytes_completed, *total_bytes)),
            _ => None,
        };
        if let Some(now) = now {
            *self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()) = now;
        }
    }
}

/// Compares a cached file with the name of its blob, which is the hash that the hub gave.
fn check(path: &Path, progress: Progress) -> Result<(), Error> {
    let blob = path.canonicalize().map_err(Error::io(path))?;
    let name = blob.file_name().unwrap_or_default().to_string_lossy();
    match name.len() {
        64 => verify(&blob, &name, progress),
        40 => {
            let bytes = std::fs::read(&blob).map_err(Error::io(&blob))?;
            let mut hasher = Sha1::new();
            hasher.update(format!("blob {}\0", bytes.len()));
            hasher.update(&bytes);
            let digest = hasher.finalize();
            let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            if found == name {
                return Ok(());
            }
            Err(Error::Checksum {
                path: blob.clone(),
                kind: "git hash",
                found,
                expected: name.into_owned(),
            })
        }
        _ => Err(Error::format(
            &blob,
            "the hub's cache names its files by sha256 or git hash, this is neither",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    // git hash-object and sha256sum of "abc".
    const GIT: &str = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// A hub with one model `owner/name`: every file in `files` holds "abc", whatever its hash.
    fn hub(files: &'static [(&'static str, &'static str)]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
                let request = lines.next().expect("a request").expect("text");
                while lines.next().expect("a header").expect("text") != "" {}
                let path = request.split(' ').nth(1).expect("a path");
                let found = files
                    .iter()
                    .find(|(file, _)| path == format!("/owner/name/resolve/main/{file}"));
                let answer = match found {
                    Some((_, hash)) => format!(
                        "HTTP/1.1 200 OK\r\nETag: \"{hash}\"\r\nX-Repo-Commit: {COMMIT}\r\n\
                         Content-Length: 3\r\nConnection: close\r\n\r\n"
                    ),
                    None => "HTTP/1.1 404 Not Found\r\nX-Error-Code: EntryNotFound\r\n\
                             Content-Length: 0\r\nConnection: close\r\n\r\n"
                        .to_owned(),
                };
                stream.write_all(answer.as_bytes()).expect("a header");
                if found.is_some() && request.starts_with("GET") {
                    stream.write_all(b"abc").expect("a body");
                }
            }
        });
        address
    }

    fn pull(model: &str, files: &'static [(&'static str, &'static str)]) -> Result<String, String> {
        let cache = tempfile::tempdir().expect("a folder");
        let client = hf_hub::HFClient::builder().endpoint(hub(files));
        let client = client.retry_max_attempts(0).cache_dir(cache.path());
        let model = HubModel::parse(model).map_err(|e| e.to_string())?;
        let path = model
            .pull_with(&client.build_sync().expect("a client"), &mut |_, _, _| {})
            .map_err(|e| e.to_string())?;
        let text = match path.is_dir() {
            true => LAYOUT.map(|file| std::fs::read_to_string(path.join(file)).expect("a file")),
            false => [
                std::fs::read_to_string(path).expect("a file"),
                String::new(),
                String::new(),
            ],
        };
        Ok(text.concat())
    }

    #[test]
    fn a_whole_model_and_a_single_file_arrive_checked() {
        const FILES: &[(&str, &str)] = &[
            ("config.json", GIT),
            ("tokenizer.json", SHA256),
            ("model.safetensors", SHA256),
            ("q4/model.gguf", SHA256),
        ];
        assert_eq!(pull("owner/name", FILES), Ok("abcabcabc".to_owned()));
        assert_eq!(
            pull("owner/name/q4/model.gguf@main", FILES),
            Ok("abc".to_owned())
        );
    }

    #[test]
    fn a_wrong_hash_and_a_missing_file_are_errors_that_say_so() {
        const LARGE: &[(&str, &str)] = &[(
            "model.gguf",
            "0000000000000000000000000000000000000000000000000000000000000000",
        )];
        let error = pull("owner/name/model.gguf", LARGE).expect_err("wrong sha256");
        assert!(
            error.contains("sha256") && error.contains(SHA256),
            "{error}"
        );
        const SMALL: &[(&str, &str)] = &[("config.json", COMMIT)];
        let error = pull("owner/name", SMALL).expect_err("wrong git hash");
        assert!(error.contains("git hash") && error.contains(GIT), "{error}");
        let error = pull("owner/name/other.gguf", LARGE).expect_err("no such file");
        assert!(
            error.contains("hf:owner/name") && error.contains("other.gguf"),
            "{error}"
        );
    }

    #[test]
    fn a_malformed_name_says_what_is_expected() {
        for name in ["", "gemma", "/gemma", "google/", "google/gemma@", "a/b/"] {
            let error = HubModel::parse(name).expect_err(name).to_string();
            assert!(error.contains("hf:OWNER/NAME"), "{error}");
        }
    }
}
