//! People as judges: a sheet to rate in, and the ratings read back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use lethe_eval::{AnswerId, JudgeLabel};
use lethe_service::Failure;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::openai::BEST;
use crate::{Answer, Error, Judge, Said, Verdict};

const PAGE: &str = include_str!("rate.html");

/// What goes into a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sheet {
    /// How many different answers at most, chosen at random.
    pub sample: usize,
    /// What chance follows from: the choice, and the order.
    pub seed: u64,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The sheet's name, with which all its ids begin.
    pub sheet: String,
    /// Answers in it.
    pub rows: usize,
    /// Where it is said who gave them.
    pub key: PathBuf,
}

/// Which answer a row of a sheet is, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRow {
    answer: Answer,
    said_by: Vec<AnswerId>,
}

/// A sheet's rows by their ids.
type Key = BTreeMap<String, KeyRow>;

/// What a rater sees.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    language: &'a str,
    question: &'a str,
    true_answer: &'a str,
    fake_detail: &'a str,
    answer: &'a str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `sheet.csv` and `rate.html` into `folder`, shuffled, with nothing in them of the models
/// that gave the answers; and `key-<sheet>.json` into `keys`, which says it.
///
/// # Errors
/// [`Error::NoAnswers`] without answers, [`Error::Write`] also where `folder` has a sheet already,
/// which may have ratings in it.
pub fn export(
    answers: &[Said],
    sheet: &Sheet,
    folder: &Path,
    keys: &Path,
) -> Result<Exported, Error> {
    let mut by_answer: BTreeMap<&Answer, Vec<AnswerId>> = BTreeMap::new();
    for said in answers {
        by_answer
            .entry(&said.answer)
            .or_default()
            .push(said.id.clone());
    }
    let mut chosen: Vec<(&Answer, Vec<AnswerId>)> = by_answer.into_iter().collect();
    chosen.shuffle(&mut ChaCha8Rng::seed_from_u64(sheet.seed));
    chosen.truncate(sheet.sample);
    if chosen.is_empty() {
        return Err(Error::NoAnswers {
            path: folder.to_path_buf(),
            reason: "there is no answer to rate".to_owned(),
        });
    }
    let failed = |path: &Path, reason: String| Error::Write {
        path: path.to_path_buf(),
        reason,
    };
    let of_json = |e: serde_json::Error| failed(folder, e.to_string());
    let contents: Vec<&Answer> = chosen.iter().map(|(answer, _)| *answer).collect();
    let contents = serde_json::to_vec(&(sheet.seed, contents)).map_err(of_json)?;
    let name = hex(&Sha256::digest(contents)[..4]);
    let digits = chosen.len().to_string().len();
    let key: Key = (1..)
        .zip(chosen)
        .map(|(number, (answer, said_by))| {
            let answer = answer.clone();
            (
                format!("{name}-{number:0digits$}"),
                KeyRow { answer, said_by },
            )
        })
        .collect();
    let rows: Vec<Row> = key
        .iter()
        .map(|(id, row)| Row {
            id,
            language: row.answer.language.code(),
            question: &row.answer.question,
            true_answer: &row.answer.real_answer,
            fake_detail: &row.answer.fake_answer,
            answer: &row.answer.answer,
        })
        .collect();

    for file in ["sheet.csv", "rate.html"].map(|file| folder.join(file)) {
        if file.exists() {
            let reason = "is there already, perhaps with ratings; name another folder";
            return Err(failed(&file, reason.to_owned()));
        }
    }
    // No `<` in it, so that nothing in an answer can end the element that it stands in.
    let data = serde_json::json!({"sheet": name, "rows": rows, "best": BEST});
    let data = data.to_string().replace('<', "\\u003c");
    let key_file = keys.join(format!("key-{name}.json"));
    write(
        &key_file,
        &serde_json::to_vec_pretty(&key).map_err(of_json)?,
    )?;
    write(
        &folder.join("rate.html"),
        PAGE.replace("{{data}}", &data).as_bytes(),
    )?;
    write(
        &folder.join("sheet.csv"),
        &csv(&rows).map_err(|e| failed(folder, e.to_string()))?,
    )?;
    Ok(Exported {
        sheet: name,
        rows: key.len(),
        key: key_file,
    })
}

/// Comma-separated values as spreadsheets open them: a mark for UTF-8, and nothing that they would
/// take for a formula.
fn csv(rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    fn inert(text: &str) -> String {
        match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => format!("'{text}"),
            false => text.to_owned(),
        }
    }
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record([
        "id",
        "language",
        "question",
        "true_answer",
        "fake_detail",
        "answer",
        "fake",
        "quality",
    ])?;
    for row in rows {
        let texts = [row.question, row.true_answer, row.fake_detail, row.answer].map(inert);
        let [question, real, fake, answer] = &texts;
        writer.write_record([row.id, row.language, question, real, fake, answer, "", ""])?;
    }
    writer
        .into_inner()
        .map_err(|e| csv::Error::from(e.into_error()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let go = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    go().map_err(|e| Error::Write {
        path: path.to_path_buf(),
        reason: e.to_string(),
    })
}

/// Somebody who rated a sheet.
#[derive(Debug, Clone)]
pub struct Human {
    rater: String,
    verdicts: HashMap<Answer, Verdict>,
}

impl Human {
    /// Reads ratings: a sheet with its columns `fake` (yes, no, unclear) and `quality` (0 to 4,
    /// unclear) filled in, or what the page gave. `keys` is the folder that the sheet's key is in.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that is no sheet or whose key is not there, [`Error::Ratings`] with
    /// every row that is unknown, there twice, missing or out of range.
    pub fn import(file: &Path, keys: &Path, rater: &str) -> Result<Human, Error> {
        let wrong = |reason: String| Error::Read {
            path: file.to_path_buf(),
            reason,
        };
        let bytes = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| wrong("it is not UTF-8; save it as “CSV UTF-8”".to_owned()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let header = text.lines().next().unwrap_or_default();
        // Spreadsheets of some languages write semicolons.
        let delimiter = match header.contains(';') && !header.contains(',') {
            true => b';',
            false => b',',
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let headers = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
        let column = |name: &str| {
            let place = headers.iter().position(|header| header.trim() == name);
            place.ok_or_else(|| {
                let found: Vec<&str> = headers.iter().collect();
                wrong(format!(
                    "no column `{name}` among {}; expected id, fake and quality",
                    found.join(", ")
                ))
            })
        };
        let [id, fake, quality] = [column("id")?, column("fake")?, column("quality")?];
        let mut ratings = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| wrong(e.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |place: usize| record.get(place).unwrap_or_default().trim().to_owned();
            ratings.push((line, cell(id), cell(fake), cell(quality)));
        }
        let sheet = ratings
            .iter()
            .find_map(|(_, id, _, _)| Some(id.rsplit_once('-')?.0))
            .filter(|sheet| sheet.chars().all(|c| c.is_ascii_hexdigit()))
            .ok_or_else(|| wrong("no row has an id of a sheet".to_owned()))?;
        let key = read_key(&keys.join(format!("key-{sheet}.json")), file)?;
        let verdicts = check(&key, &ratings).map_err(|problems| Error::Ratings {
            path: file.to_path_buf(),
            problems,
        })?;
        Ok(Human {
            rater: rater.to_owned(),
            verdicts,
        })
    }

    /// Whether an answer was in the sheet.
    #[must_use]
    pub fn rated(&self, answer: &Answer) -> bool {
        self.verdicts.contains_key(answer)
    }
}

fn read_key(path: &Path, ratings: &Path) -> Result<Key, Error> {
    let wrong = |reason: String| Error::Read {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|e| {
        let of = ratings.display();
        wrong(format!(
            "{e}; {of} is of a sheet that was exported from another run"
        ))
    })?;
    serde_json::from_slice(&bytes).map_err(|e| wrong(format!("no key of a sheet: {e}")))
}

/// Line, id, fake and quality as they stand in the file.
type Rating = (u64, String, String, String);

fn check(key: &Key, ratings: &[Rating]) -> Result<HashMap<Answer, Verdict>, Vec<String>> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut verdicts = HashMap::new();
    for (line, id, fake, quality) in ratings {
        let place = format!("line {line}, id {id:?}");
        let Some(row) = key.get(id) else {
            let expected = "an id of the sheet, as it was exported";
            problems.push(format!("{place}: found an unknown id, expected {expected}"));
            continue;
        };
        if let Some(first) = seen.insert(id, *line) {
            problems.push(format!(
                "{place}: it is in line {first} already; keep one of them"
            ));
            continue;
        }
        let fake = match fake.to_lowercase().as_str() {
            "yes" => Some(Some(true)),
            "no" => Some(Some(false)),
            "unclear" => Some(None),
            _ => {
                problems.push(format!(
                    "{place}, column `fake`: found {fake:?}, expected yes, no or unclear"
                ));
                None
            }
        };
        let grade = match quality.to_lowercase().as_str() {
            "unclear" => Some(None),
            text => match text.parse::<u8>() {
                Ok(grade) if grade <= BEST => Some(Some(f64::from(grade) / f64::from(BEST))),
                _ => {
                    problems.push(format!(
                        "{place}, column `quality`: found {quality:?}, expected 0 to {BEST}, or unclear"
                    ));
                    None
                }
            },
        };
        if let (Some(fake), Some(quality)) = (fake, grade) {
            verdicts.insert(row.answer.clone(), Verdict { fake, quality });
        }
    }
    let known: BTreeSet<&str> = seen.keys().copied().collect();
    for id in key.keys().filter(|id| !known.contains(id.as_str())) {
        problems.push(format!(
            "id {id:?}: no line has it; rate it, or say unclear in both columns"
        ));
    }
    match problems.is_empty() {
        true => Ok(verdicts),
        false => Err(problems),
    }
}

impl Judge for Human {
    fn label(&self) -> JudgeLabel {
        JudgeLabel {
            judge: "human".to_owned(),
            judge_model: Some(self.rater.clone()),
            prompt: None,
            prompt_sha256: None,
        }
    }

    fn judge(&self, answers: &[&Answer]) -> Result<Vec<Verdict>, Failure> {
        let rating = |answer: &&Answer| {
            let found = self.verdicts.get(*answer).cloned();
            found.ok_or_else(|| Failure::Unanswered("it is not in the sheet".to_owned()))
        };
        answers.iter().map(rating).collect()
    }
}
