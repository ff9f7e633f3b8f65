//! The GGUF container (version 2 and 3): metadata, tensor table, and tensors as `f32`.
//!
//! Specification: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Every length that
//! the file states is checked against the file before it is used, so that a truncated or hostile
//! file ends in [`Error::Format`], never in a panic or a huge allocation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::Error;
use crate::quant::Encoding;

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned or signed integer.
    Int(i64),
    /// Any floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A UTF-8 string.
    Text(String),
    /// A list of values of one type.
    List(Vec<Value>),
}

#[derive(Debug, Clone)]
struct Entry {
    /// Row-major shape, outermost first (GGUF stores the innermost first).
    shape: Vec<usize>,
    encoding: Encoding,
    offset: usize,
}

/// An open GGUF file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    bytes: Vec<u8>,
    data_start: usize,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Entry>,
}

struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8], Error> {
        let end = self
            .at
            .checked_add(n)
            .filter(|&end| end <= self.bytes.len());
        let Some(end) = end else {
            return Err(Error::format(
                self.path,
                format!(
                    "truncated: {what} needs {n} bytes at offset {}, the file has {}",
                    self.at,
                    self.bytes.len()
                ),
            ));
        };
        let out = &self.bytes[self.at..end];
        self.at = end;
        Ok(out)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count whose items take at least `item` bytes each: bounded by what is left of the file.
    fn count(&mut self, item: usize, what: &str) -> Result<usize, Error> {
        let n = self.u64(what)?;
        let left = (self.bytes.len() - self.at) / item;
        usize::try_from(n)
            .ok()
            .filter(|&n| n <= left)
            .ok_or_else(|| {
                Error::format(
                    self.path,
                    format!(
                        "{what}: {n} stated at offset {}, but the file has room for at most {left}",
                        self.at - 8
                    ),
                )
            })
    }

    fn text(&mut self, what: &str) -> Result<String, Error> {
        let n = self.count(1, what)?;
        let at = self.at;
        String::from_utf8(self.take(n, what)?.to_vec())
            .map_err(|e| Error::format(self.path, format!("{what} at offset {at}: {e}")))
    }

    fn value(&mut self, kind: u32, key: &str, depth: usize) -> Result<Value, Error> {
        Ok(match kind {
            0 => Value::Int(i64::from(u8::from_le_bytes(self.array(key)?))),
            1 => Value::Int(i64::from(i8::from_le_bytes(self.array(key)?))),
            2 => Value::Int(i64::from(u16::from_le_bytes(self.array(key)?))),
            3 => Value::Int(i64::from(i16::from_le_bytes(self.array(key)?))),
            4 => Value::Int(i64::from(self.u32(key)?)),
            5 => Value::Int(i64::from(i32::from_le_bytes(self.array(key)?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array(key)?))),
            7 => Value::Bool(self.array::<1>(key)?[0] != 0),
            8 => Value::Text(self.text(key)?),
            9 => {
                if depth > 4 {
                    return Err(Error::format(
                        self.path,
                        format!("{key}: lists nested too deep"),
                    ));
                }
                let kind = self.u32(key)?;
                let n = self.count(1, key)?;
                let mut list = Vec::new();
                for _ in 0..n {
                    list.push(self.value(kind, key, depth + 1)?);
                }
                Value::List(list)
            }
            10 => {
                let n = self.u64(key)?;
                Value::Int(i64::try_from(n).map_err(|_| {
                    Error::format(
                        self.path,
                        format!("{key}: {n} is larger than any size here"),
                    )
                })?)
            }
            11 => Value::Int(i64::from_le_bytes(self.array(key)?)),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            other => {
                return Err(Error::format(
                    self.path,
                    format!("{key}: value type {other}, expected 0 to 12"),
                ));
            }
        })
    }
}

impl Gguf {
    /// Reads a file whole and checks its structure.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Format`] when it is not GGUF, is truncated,
    /// or states a tensor outside itself, [`Error::Unsupported`] for an encoding or version that
    /// is not implemented.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(Error::io(path))?;
        Self::parse(path, bytes)
    }

    /// [`Self::open`] on bytes in memory; `path` is only for messages.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let mut cursor = Cursor {
            path,
            bytes: &bytes,
            at: 0,
        };
        let magic = cursor.take(4, "the magic number")?;
        if magic != b"GGUF" {
            return Err(Error::format(
                path,
                format!("starts with {magic:02x?}, expected the bytes of \"GGUF\""),
            ));
        }
        let version = cursor.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(Error::unsupported(
                path,
                format!("GGUF version {version}; versions 2 and 3 are supported"),
            ));
        }
        // A tensor entry takes at least 24 bytes, a metadata entry at least 13.
        let tensor_count = cursor.count(24, "the number of tensors")?;
        let metadata_count = cursor.count(13, "the number of metadata entries")?;
        let mut metadata = BTreeMap::new();
        for _ in 0..metadata_count {
            let key = cursor.text("a metadata key")?;
            let kind = cursor.u32(&key)?;
            let value = cursor.value(kind, &key, 0)?;
            metadata.insert(key, value);
        }
        let mut tensors = BTreeMap::new();
        for _ in 0..tensor_count {
            let name = cursor.text("a tensor name")?;
            let rank = cursor.u32(&name)? as usize;
            if rank > 4 {
                return Err(Error::format(
                    path,
                    format!("{name}: {rank} dimensions, expected at most 4"),
                ));
            }
            let mut shape = Vec::new();
            for _ in 0..rank {
                let n = cursor.u64(&name)?;
                shape.push(usize::try_from(n).map_err(|_| {
                    Error::format(path, format!("{name}: a dimension of {n} elements"))
                })?);
            }
            shape.reverse();
            let kind = cursor.u32(&name)?;
            let encoding = Encoding::from_ggml(kind).ok_or_else(|| {
                Error::unsupported(
                    path,
                    format!(
                        "{name}: tensor type {kind}; supported are {}",
                        Encoding::LIST
                    ),
                )
            })?;
            let offset = cursor.u64(&name)?;
            let offset = usize::try_from(offset)
                .map_err(|_| Error::format(path, format!("{name}: an offset of {offset} bytes")))?;
            tensors.insert(
                name,
                Entry {
                    shape,
                    encoding,
                    offset,
                },
            );
        }
        let alignment = match metadata.get("general.alignment") {
            Some(Value::Int(n)) if *n > 0 => usize::try_from(*n).unwrap_or(32),
            _ => 32,
        };
        let data_start = cursor.at.div_ceil(alignment) * alignment;
        let gguf = Gguf {
            path: path.to_path_buf(),
            data_start,
            metadata,
            tensors,
            bytes,
        };
        for (name, entry) in &gguf.tensors {
            gguf.raw(name, entry)?;
        }
        Ok(gguf)
    }

    fn raw(&self, name: &str, entry: &Entry) -> Result<&[u8], Error> {
        let elements = entry
            .shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d));
        let size = elements.and_then(|n| entry.encoding.size_of(n));
        let Some(size) = size else {
            return Err(Error::format(
                &self.path,
                format!(
                    "{name}: shape {:?} is no whole number of {:?} blocks",
                    entry.shape, entry.encoding
                ),
            ));
        };
        let start = self.data_start.checked_add(entry.offset);
        let range = start.and_then(|start| Some(start..start.checked_add(size)?));
        range
            .and_then(|range| self.bytes.get(range))
            .ok_or_else(|| {
                Error::format(
                    &self.path,
                    format!(
                        "truncated: tensor {name} needs {size} bytes at offset {}, the file has {}",
                        self.data_start.saturating_add(entry.offset),
                        self.bytes.len()
                    ),
                )
            })
    }

    /// Where the file came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A metadata value, if the file has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = match self.get(key) {
            None => "nothing".to_owned(),
            Some(Value::List(list)) => format!("a list of {} values", list.len()),
            Some(value) => format!("{value:?}"),
        };
        Error::format(
            &self.path,
            format!("metadata key {key}: found {found}, expected {expected}"),
        )
    }

    /// A metadata value that must be a count.
    ///
    /// # Errors
    /// [`Error::Format`] when it is absent or something else.
    pub fn size(&self, key: &str) -> Result<usize, Error> {
        match self.get(key) {
            Some(Value::Int(n)) if *n >= 0 => {
                usize::try_from(*n).map_err(|_| self.wrong(key, "a size"))
            }
            _ => Err(self.wrong(key, "a non-negative integer")),
        }
    }

    /// A metadata value that must be a number.
    ///
    /// # Errors
    /// [`Error::Format`] when it is absent or something else.
    pub fn number(&self, key: &str) -> Result<f64, Error> {
        match self.get(key) {
            Some(Value::Float(x)) => Ok(*x),
            _ => Err(self.wrong(key, "a floating-point number")),
        }
    }

    /// A metadata value that must be text.
    ///
    /// # Errors
    /// [`Error::Format`] when it is absent or something else.
    pub fn text(&self, key: &str) -> Result<&str, Error> {
        match self.get(key) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.wrong(key, "text")),
        }
    }

    /// A metadata value that must be a list.
    ///
    /// # Errors
    /// [`Error::Format`] when it is absent or something else.
    pub fn list(&self, key: &str) -> Result<&[Value], Error> {
        match self.get(key) {
            Some(Value::List(list)) => Ok(list),
            _ => Err(self.wrong(key, "a list")),
        }
    }

    /// A tensor's row-major shape, if the file has it.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// How many parameters the file's tensors hold together.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let count = |entry: &Entry| entry.shape.iter().map(|&d| d as u64).product::<u64>();
        self.tensors.values().map(count).sum()
    }

    /// A tensor as `f32`, row-major; with `rows`, only those rows (of a matrix), in that order.
    ///
    /// # Errors
    /// [`Error::Format`] when the tensor is absent, has another shape than `shape`, or a row lies
    /// outside it.
    pub fn tensor(
        &self,
        name: &str,
        shape: &[usize],
        rows: Option<&[u32]>,
    ) -> Result<Vec<f32>, Error> {
        let entry = self.tensors.get(name).ok_or_else(|| {
            Error::format(
                &self.path,
                format!("no tensor named {name}, which this architecture needs"),
            )
        })?;
        if entry.shape != shape {
            return Err(Error::format(
                &self.path,
                format!(
                    "tensor {name} has shape {:?}, expected {shape:?} from the metadata",
                    entry.shape
                ),
            ));
        }
        let raw = self.raw(name, entry)?;
        let width = shape.last().copied().unwrap_or(1);
        let row_bytes = entry.encoding.size_of(width);
        let (Some(rows), Some(row_bytes)) = (rows, row_bytes) else {
            let mut out = vec![0.0; shape.iter().product()];
            decode_parallel(entry.encoding, raw, &mut out);
            return Ok(out);
        };
        let mut out = vec![0.0; rows.len() * width];
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
            let start = row as usize * row_bytes;
            let raw = raw.get(start..start + row_bytes).ok_or_else(|| {
                Error::format(
                    &self.path,
                    format!(
                        "tensor {name} has {} rows, row {row} was asked for",
                        shape[0]
                    ),
                )
            })?;
            entry.encoding.decode(raw, out);
        }
        Ok(out)
    }
}

fn decode_parallel(encoding: Encoding, raw: &[u8], out: &mut [f32]) {
    let (block, bytes) = encoding.block();
    let blocks_per_task = (1 << 16) / block;
    out.par_chunks_mut(block * blocks_per_task)
        .zip(raw.par_chunks(bytes * blocks_per_task))
        .for_each(|(out, raw)| encoding.decode(raw, out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(out: &mut Vec<u8>, s: &str) {
        out.extend((s.len() as u64).to_le_bytes());
        out.extend(s.as_bytes());
    }

    /// A file with one F32 matrix `m` of shape `[2, 3]`, written after the specification.
    fn small() -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend(1u64.to_le_bytes());
        out.extend(3u64.to_le_bytes());
        text(&mut out, "general.architecture");
        out.extend(8u32.to_le_bytes());
        text(&mut out, "gemma3");
        text(&mut out, "sizes");
        out.extend(9u32.to_le_bytes());
        out.extend(4u32.to_le_bytes());
        out.extend(2u64.to_le_bytes());
        out.extend(7u32.to_le_bytes());
        out.extend(9u32.to_le_bytes());
        text(&mut out, "x");
        out.extend(6u32.to_le_bytes());
        out.extend(0.5f32.to_le_bytes());
        text(&mut out, "m");
        out.extend(2u32.to_le_bytes());
        out.extend(3u64.to_le_bytes());
        out.extend(2u64.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend(0u64.to_le_bytes());
        out.resize(out.len().div_ceil(32) * 32, 0);
        for value in 0..6u8 {
            out.extend(f32::from(value).to_le_bytes());
        }
        out
    }

    fn parse(bytes: Vec<u8>) -> Result<Gguf, Error> {
        Gguf::parse(Path::new("test.gguf"), bytes)
    }

    #[test]
    fn metadata_and_tensors_are_read() {
        let gguf = parse(small()).expect("valid");
        assert_eq!(gguf.text("general.architecture").expect("text"), "gemma3");
        assert_eq!(
            gguf.list("sizes").expect("list"),
            [Value::Int(7), Value::Int(9)]
        );
        assert_eq!(gguf.number("x").expect("a number"), 0.5);
        assert_eq!(gguf.shape("m"), Some(&[2, 3][..]));
        assert_eq!(gguf.parameters(), 6);
        let all = gguf.tensor("m", &[2, 3], None).expect("there");
        assert_eq!(all, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let row = gguf.tensor("m", &[2, 3], Some(&[1])).expect("there");
        assert_eq!(row, [3.0, 4.0, 5.0]);
        assert!(gguf.tensor("m", &[2, 3], Some(&[2])).is_err());
        let error = gguf
            .tensor("m", &[3, 2], None)
            .expect_err("shape")
            .to_string();
        assert!(
            error.contains("[2, 3]") && error.contains("[3, 2]"),
            "{error}"
        );
        let error = gguf.size("x").expect_err("a float").to_string();
        assert!(
            error.contains("test.gguf") && error.contains("key x"),
            "{error}"
        );
    }

    #[test]
    fn every_truncation_is_an_error_that_names_the_file() {
        let whole = small();
        for length in 0..whole.len() {
            let error = parse(whole[..length].to_vec())
                .expect_err("truncated")
                .to_string();
            assert!(error.contains("test.gguf"), "{length}: {error}");
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in 0usize..200, byte: u8, more in 0usize..200, other: u8) {
            let mut bytes = small();
            let n = bytes.len();
            bytes[at % n] = byte;
            bytes[more % n] = other;
            if let Ok(gguf) = parse(bytes) {
                let _ = gguf.tensor("m", &[2, 3], None);
            }
        }
    }
}
