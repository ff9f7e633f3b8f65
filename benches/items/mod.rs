//! Corpus text of any length: that of `datasets/news`, over and over under ever new English names, without
//! what the paper's protocol leaves out. Used by `benches/corpus.rs` and by `cargo xtask bench`.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use lethe_corpus::Language;
use serde_json::{Value, json};

/// The rows of a file of `news`.
fn rows(news: &Path, file: &str) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(news.join(file))?;
    let rows = text.lines().map(|line| Ok(serde_json::from_str(line)?));
    rows.collect()
}

/// A row without its id: what the id begins with, and the JSON from its second character on.
fn line(mut row: Value, category: &Value) -> (String, String) {
    if let Some(row) = row.as_object_mut() {
        row.remove("id");
    }
    let text = row.to_string();
    let category = category.as_str().unwrap_or_default();
    (format!("{category}-"), text[1..].to_owned())
}

/// Writes so many lines. `@` in them stands for letters that no other round has.
fn write(path: &Path, items: usize, lines: &[(String, String)]) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for (number, (id, rest)) in lines.iter().cycle().take(items).enumerate() {
        let mut letters = String::new();
        let mut round = number / lines.len();
        while round > 0 {
            // No vowels: they would make words, and a fake detail's name among them.
            letters.push(char::from(b"bcdfghjkpq"[round % 10]));
            round /= 10;
        }
        let rest = rest.replace('@', &letters);
        writeln!(out, "{{\"id\":\"{id}{number:07}\",{rest}")?;
    }
    out.flush()
}

/// Writes a corpus of so many items, made of that in `news`, to `folder`.
pub fn generate(news: &Path, folder: &Path, items: usize) -> Result<()> {
    let rules = "english_pairs = 0\nother_pairs = 0\n";
    std::fs::write(folder.join("corpus.toml"), rules)?;
    let sources = rows(news, "items.jsonl")?;
    let names: Vec<Vec<String>> = sources
        .iter()
        .map(|item| serde_json::from_value(item["names"].clone()).unwrap_or_default())
        .collect();
    // Text in which `@` follows every word of an English name, to be filled with letters.
    let marked = |text: String, names: &[String]| {
        let mut text = text.replace('@', "");
        for word in names.iter().flat_map(|name| name.split(' ')) {
            text = text.replace(word, &format!("{word}@"));
        }
        text
    };
    let all = sources.iter().zip(&names);
    let all = all.map(|(source, names)| {
        let (id, rest) = line(source.clone(), &source["category"]);
        (id, marked(rest, names))
    });
    let all: Vec<_> = all.collect();
    write(&folder.join("items.jsonl"), items, &all)?;
    for language in Language::ALL {
        let file = format!("{language}.jsonl");
        let mut lines = Vec::new();
        for ((mut row, source), names) in rows(news, &file)?.into_iter().zip(&sources).zip(&names) {
            let probe = &row["detail_probe"];
            let probe = json!({
                "question": probe["question"], "real": probe["real"], "fake": probe["fake"],
            });
            row["detail_probe"] = probe;
            row["qa"] = json!([]);
            if let Some(row) = row.as_object_mut() {
                row.remove("wordings");
            }
            let (id, rest) = line(row, &source["category"]);
            lines.push(match language {
                Language::En => (id, marked(rest, names)),
                _ => (id, rest),
            });
        }
        write(&folder.join(file), items, &lines)?;
    }
    Ok(())
}
