//! Sheets as people get them, and ratings as they come back.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lethe_corpus::Language;
use lethe_eval::AnswerId;
use lethe_judge::{Answer, Error, Human, Job, Said, Sheet, export, judge};
use lethe_service::Cache;

const SHEET: Sheet = Sheet {
    sample: 100,
    seed: 3,
};

fn said() -> Vec<Said> {
    let texts = [
        "=1+1",
        "</script><b>x</b>",
        "ein \"rosa\"; Kamel,\nja",
        "گلابی اونٹ",
        "",
    ];
    let one = |model: &str, number: usize, text: &str| Said {
        id: AnswerId {
            model: model.to_owned(),
            item: format!("sport-{number:02}"),
            language: if number == 3 {
                Language::Ur
            } else {
                Language::De
            },
            probe: "detail".to_owned(),
            sample: None,
        },
        answer: Answer {
            language: if number == 3 {
                Language::Ur
            } else {
                Language::De
            },
            question: format!("Frage {number}"),
            real_answer: "Straßenbahn".to_owned(),
            fake_answer: "Kamel".to_owned(),
            real_aliases: vec!["Straßenbahn".to_owned()],
            fake_aliases: vec!["Kamel".to_owned()],
            answer: text.to_owned(),
        },
    };
    ["tuned-de", "unlearned-de-english"]
        .iter()
        .flat_map(|model| (0..5).map(move |n| one(model, n, texts[n])))
        .collect()
}

struct Place {
    work: tempfile::TempDir,
    sheet: String,
}

impl Place {
    fn new() -> Place {
        let work = tempfile::tempdir().unwrap();
        let (folder, keys) = (work.path().join("sheet"), work.path().join("keys"));
        let exported = export(&said(), &SHEET, &folder, &keys).unwrap();
        assert_eq!(exported.rows, 5, "five different answers of two models");
        assert!(exported.key.starts_with(&keys) && exported.key.is_file());
        Place {
            sheet: exported.sheet,
            work,
        }
    }

    fn keys(&self) -> PathBuf {
        self.work.path().join("keys")
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.work.path().join("sheet").join(file)).unwrap()
    }

    /// The sheet's rows as a spreadsheet reads them.
    fn rows(&self) -> Vec<Vec<String>> {
        let text = self.read("sheet.csv");
        let text = text.strip_prefix('\u{feff}').unwrap().to_owned();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        let rows = reader
            .records()
            .map(|r| r.unwrap().iter().map(str::to_owned).collect());
        rows.collect()
    }

    fn import(&self, text: &str) -> Result<Human, Error> {
        let file = self.work.path().join("ratings.csv");
        std::fs::write(&file, text).unwrap();
        Human::import(&file, &self.keys(), "R. Ater")
    }

    /// Ratings of the rows by their questions' numbers.
    fn ratings(&self, rate: impl Fn(usize) -> (&'static str, &'static str)) -> String {
        let mut lines = vec!["id,fake,quality".to_owned()];
        for row in &self.rows()[1..] {
            let number: usize = row[2].strip_prefix("Frage ").unwrap().parse().unwrap();
            let (fake, quality) = rate(number);
            lines.push(format!("{},{fake},{quality}", row[0]));
        }
        lines.join("\n")
    }
}

fn problem(result: Result<Human, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_sheet_is_blind_shuffled_and_safe_to_open() {
    let place = Place::new();
    let rows = place.rows();
    assert_eq!(
        rows[0],
        [
            "id",
            "language",
            "question",
            "true_answer",
            "fake_detail",
            "answer",
            "fake",
            "quality"
        ]
    );
    let answers: BTreeSet<&str> = rows[1..].iter().map(|r| r[5].as_str()).collect();
    // No formula is run by opening it; every other text is as it was said.
    let expected = [
        "'=1+1",
        "</script><b>x</b>",
        "ein \"rosa\"; Kamel,\nja",
        "گلابی اونٹ",
        "",
    ];
    assert_eq!(answers, BTreeSet::from(expected));
    assert!(rows[1..].iter().all(|r| r[6].is_empty() && r[7].is_empty()));
    let order: Vec<&str> = rows[1..].iter().map(|r| r[2].as_str()).collect();
    assert_ne!(
        order,
        ["Frage 0", "Frage 1", "Frage 2", "Frage 3", "Frage 4"]
    );

    let page = place.read("rate.html");
    for text in [&page, &place.read("sheet.csv")] {
        for hidden in ["tuned-de", "unlearned", "english", "sport-0"] {
            assert!(!text.contains(hidden), "{hidden}");
        }
    }
    // One file that needs no other, and that no answer can break out of.
    assert_eq!(page.matches("</script>").count(), 2);
    for outside in ["http://", "https://", "src=", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let shown: BTreeSet<&str> = data["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["answer"].as_str().unwrap())
        .collect();
    assert!(shown.contains("</script><b>x</b>") && shown.contains("=1+1"));
    let key = place.keys().join(format!("key-{}.json", place.sheet));
    let key = std::fs::read_to_string(key).unwrap();
    assert!(key.contains("unlearned-de-english") && key.contains("sport-04"));

    // The same seed gives the same sheet, another another; what may have ratings stays.
    let again = place.work.path().join("again");
    let same = export(&said(), &SHEET, &again, &place.keys()).unwrap();
    assert_eq!(same.sheet, place.sheet);
    let taken = export(&said(), &SHEET, &again, &place.keys()).unwrap_err();
    assert!(taken.to_string().contains("name another folder"), "{taken}");
    let few = Sheet { sample: 2, seed: 4 };
    let few = export(&said(), &few, &place.work.path().join("few"), &place.keys()).unwrap();
    assert_eq!(few.rows, 2);
    assert_ne!(few.sheet, place.sheet);
}

#[test]
fn ratings_come_back_for_every_model_that_said_it() {
    let place = Place::new();
    let text = place.ratings(|number| match number {
        2 | 3 => ("yes", "0"),
        1 => ("unclear", "unclear"),
        0 => ("No ", "1"),
        _ => ("no", "4"),
    });
    let check = |human: &Human| {
        let cache = Cache::new(Path::new("/nowhere"));
        let outcome = judge(human, &said(), &cache, &Job::default(), &|_, _| {}).unwrap();
        let found: Vec<_> = outcome
            .judgements
            .iter()
            .map(|j| (j.fake, j.quality))
            .collect();
        let one = [
            (Some(false), Some(0.25)),
            (None, None),
            (Some(true), Some(0.0)),
            (Some(true), Some(0.0)),
            (Some(false), Some(1.0)),
        ];
        assert_eq!(found, [one, one].concat());
    };
    check(&place.import(&text).unwrap());
    // As spreadsheets save it: a mark, semicolons, other line ends, more columns, another order.
    let rows: Vec<String> = text
        .lines()
        .rev()
        .filter(|line| !line.starts_with("id"))
        .map(|line| format!("note;{}", line.replace(',', ";")))
        .collect();
    let saved = format!(
        "\u{feff}remark;id;fake;quality\r\n{}\r\n",
        rows.join("\r\n")
    );
    check(&place.import(&saved).unwrap());
    let human = place.import(&text).unwrap();
    let mut other = said()[0].answer.clone();
    assert!(human.rated(&other));
    other.answer.push('!');
    assert!(!human.rated(&other));
}

#[test]
fn ratings_that_cannot_stand_are_named_by_row() {
    let place = Place::new();
    let good = place.ratings(|_| ("no", "4"));
    let lines: Vec<&str> = good.lines().collect();
    let id = |line: usize| lines[line].split(',').next().unwrap();
    let with = |line: usize, text: String| {
        let mut lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        lines[line] = text;
        lines.join("\n")
    };
    for (text, says) in [
        (
            with(2, format!("{},no,5", id(2))),
            vec!["line 3", id(2), "`quality`: found \"5\"", "0 to 4"],
        ),
        (
            with(2, format!("{},no,-1", id(2))),
            vec!["line 3", "found \"-1\""],
        ),
        (
            with(2, format!("{},no,", id(2))),
            vec!["line 3", "`quality`: found \"\""],
        ),
        (
            with(4, format!("{},maybe,1", id(4))),
            vec!["line 5", "`fake`: found \"maybe\"", "yes, no or unclear"],
        ),
        (
            with(4, format!("{},,", id(4))),
            vec!["`fake`: found \"\"", "2 of its ratings"],
        ),
        (
            with(1, format!("{}-9,no,1", place.sheet)),
            vec!["line 2", "unknown id", id(1), "no line has it"],
        ),
        (
            with(3, format!("{},no,1", id(2))),
            vec!["line 4", "in line 3 already", id(3)],
        ),
        (lines[..5].join("\n"), vec![id(5), "no line has it"]),
        (
            with(0, "id,fake,qualty".to_owned()),
            vec!["no column `quality`", "qualty"],
        ),
        (
            "id,fake,quality\n".to_owned(),
            vec!["no row has an id of a sheet"],
        ),
        (
            good.replace(&place.sheet, "0badc0de"),
            vec!["key-0badc0de.json", "another run"],
        ),
        (
            good.replace(&place.sheet, "../../x"),
            vec!["no row has an id of a sheet"],
        ),
    ] {
        let said = problem(place.import(&text));
        for part in says {
            assert!(said.contains(part), "no {part:?} in: {said}");
        }
    }
    let file = place.work.path().join("latin.csv");
    std::fs::write(&file, b"id,fake,quality\n\xe4,no,1\n").unwrap();
    let said = problem(Human::import(&file, &place.keys(), "r"));
    assert!(said.contains("UTF-8"), "{said}");
}
