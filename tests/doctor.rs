//! `cargo xtask doctor`: what it looks for, and what it says of what is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod command;

use command::{Finished, refused, run, xtask};
use lethe_model::{DEVICES, compiled_devices};
use serde_json::Value;

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}: {}", finished.all()))
}

fn finding<'a>(all: &'a Value, part: &str, name: &str) -> &'a Value {
    let mut findings = all["findings"].as_array().unwrap().iter();
    findings
        .find(|finding| finding["part"] == part && finding["name"] == name)
        .unwrap_or_else(|| panic!("no {part} {name} in {all:#}"))
}

#[test]
fn it_says_what_is_here_and_how_to_get_what_is_not() {
    let plain = run(&mut xtask(&["doctor"]));
    assert!(plain.success, "{}", plain.all());
    let finished = run(&mut xtask(&["doctor", "--json"]));
    assert!(finished.success, "{}", finished.all());
    let all = json(&finished);
    assert_eq!((&all["device"], &all["ok"]), (&"auto".into(), &true.into()));
    for (name, built) in DEVICES {
        let device = finding(&all, "devices", name);
        match (name, built) {
            ("flex", _) => assert_eq!(
                (&device["state"], &device["needed"]),
                (&"ok".into(), &true.into())
            ),
            (_, true) => assert_ne!(device["state"], "not-built"),
            (_, false) => {
                assert_eq!(device["state"], "not-built");
                let way = device["way"].as_str().unwrap();
                assert!(way.contains(&format!("--features {name}")), "{way}");
            }
        }
    }
    let cores = std::thread::available_parallelism().unwrap();
    assert_eq!(
        finding(&all, "machine", "cores")["found"],
        cores.to_string()
    );
    let memory = finding(&all, "machine", "memory")["found"]
        .as_str()
        .unwrap();
    let gigabytes: Vec<f64> = memory
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(
        matches!(gigabytes[..], [free, all] if 0.0 < free && free <= all),
        "{memory}"
    );
    for disk in ["disk of runs", "disk of models"] {
        let free = finding(&all, "machine", disk)["found"].as_str().unwrap();
        assert!(free.contains("GB free at /"), "{free}");
    }
    // What is missing is always said with a way out, and every finding is in the plain text.
    for finding in all["findings"].as_array().unwrap() {
        assert_eq!(
            finding["state"] == "ok",
            finding["way"].is_null(),
            "{finding:#}"
        );
        let (name, way) = (finding["name"].as_str().unwrap(), finding["way"].as_str());
        assert!(plain.stdout.contains(name), "{name}: {}", plain.stdout);
        assert!(
            plain.stdout.contains(way.unwrap_or_default()),
            "{}",
            plain.stdout
        );
    }
    for (part, name) in [
        ("processor", "AVX-512"),
        ("processor", "AVX512-BF16"),
        ("python", "interpreter"),
        ("models", "gemma-3-270m"),
    ] {
        finding(&all, part, name);
    }
    if cfg!(target_os = "linux") {
        for name in ["Vulkan loader", "Vulkan drivers", "CUDA driver", "libtorch"] {
            finding(&all, "libraries", name);
        }
    }
}

/// A Python that is not there, a model that is not fetched, one that is broken, a driver whose library
/// is gone: none of them is needed by flex.
#[test]
fn what_is_taken_away_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("gone_icd.json");
    let library = folder.path().join("libgone.so");
    let text = serde_json::json!({ "ICD": { "library_path": library } });
    std::fs::write(&manifest, text.to_string()).unwrap();
    let look = || {
        let mut doctor = xtask(&["doctor", "--json"]);
        doctor
            .env("LETHE_PYTHON", folder.path().join("no-python"))
            .env("LETHE_CACHE", folder.path())
            .env("VK_DRIVER_FILES", &manifest);
        let finished = run(&mut doctor);
        assert!(finished.success, "{}", finished.all());
        json(&finished)
    };
    let all = look();
    let missing = |all: &Value, part: &str, name: &str, says: [&str; 2]| {
        let finding = finding(all, part, name);
        assert_eq!(finding["state"], "missing", "{finding:#}");
        for (key, part) in ["found", "way"].iter().zip(says) {
            assert!(finding[key].as_str().unwrap().contains(part), "{finding:#}");
        }
    };
    missing(
        &all,
        "python",
        "interpreter",
        ["no-python does not run", "LETHE_PYTHON"],
    );
    missing(
        &all,
        "models",
        "gemma-3-270m",
        ["no /", "models pull gemma-3-270m"],
    );
    if cfg!(target_os = "linux") {
        let says = [
            "without their library: gone_icd.json",
            "mesa-vulkan-drivers",
        ];
        missing(&all, "libraries", "Vulkan drivers", says);
        std::fs::write(&library, "").unwrap();
    }
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let model = &lethe_model::store::MODELS[0];
    std::fs::write(models.join(model.file), "not a model").unwrap();
    let all = look();
    missing(&all, "models", model.name, ["expected", "models pull"]);
    if cfg!(target_os = "linux") {
        let drivers = finding(&all, "libraries", "Vulkan drivers");
        assert_eq!(
            (&drivers["state"], &drivers["found"]),
            (&"ok".into(), &"gone_icd.json".into())
        );
    }
}

#[test]
fn a_device_that_cannot_be_used_is_an_error() {
    let built: Vec<&str> = compiled_devices().collect();
    for (name, _) in DEVICES.iter().filter(|(_, built)| !built) {
        let finished = run(&mut xtask(&["doctor", "--device", name, "--json"]));
        refused(
            &finished,
            &[&format!(
                "device {name:?} cannot be used here; missing: {name}"
            )],
        );
        assert_eq!(finished.code, Some(1), "{built:?}");
        assert_eq!(json(&finished)["ok"], false);
    }
    refused(
        &run(&mut xtask(&["doctor", "--device", "gpu"])),
        &["device \"gpu\" is unknown; known are auto, flex"],
    );
    refused(
        &run(&mut xtask(&["doctor", "--device", "cuda:first"])),
        &["\"first\" is no device number"],
    );
}
