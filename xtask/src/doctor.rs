//! `doctor`: which devices, drivers, libraries and models are there, and the way to what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use color_eyre::eyre::{Result, bail};
use lethe_model::store::{self, MODELS};
use lethe_model::{Adapter, DEVICES, Precision};
use serde::Serialize;
use sysinfo::{Disks, System};

#[derive(Args)]
pub struct Options {
    /// End in an error when something that this device needs is missing
    #[arg(long, default_value = "auto")]
    device: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Missing,
    /// A device whose backend is not compiled in.
    NotBuilt,
}

/// One thing that was looked for.
#[derive(Debug, Serialize)]
struct Finding {
    part: &'static str,
    name: String,
    state: State,
    /// What is there, or what was looked for.
    found: String,
    /// How to get it, or what goes without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<String>,
    /// Whether the device that was asked for needs it.
    needed: bool,
}

impl Finding {
    fn ok(part: &'static str, name: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding {
            part,
            name: name.into(),
            state: State::Ok,
            found: found.into(),
            way: None,
            needed: false,
        }
    }

    fn missing(
        part: &'static str,
        name: impl Into<String>,
        sought: impl Into<String>,
        way: impl Into<String>,
    ) -> Finding {
        Finding {
            state: State::Missing,
            way: Some(way.into()),
            ..Finding::ok(part, name, sought)
        }
    }

    fn needed(self, needed: bool) -> Finding {
        Finding { needed, ..self }
    }
}

/// Prints what is there; ends in an error when what `--device` needs is not.
pub fn run(options: &Options) -> Result<()> {
    let (kind, _) = lethe_model::parse_device(&options.device)?;
    let mut findings: Vec<Finding> = DEVICES
        .iter()
        .map(|&(name, built)| match kind == name {
            true => device(name, &options.device, built).needed(true),
            false => device(name, name, built),
        })
        .collect();
    if cfg!(target_os = "linux") {
        findings.extend(libraries(kind));
    }
    findings.extend(processor());
    findings.extend(machine());
    findings.extend(python());
    findings.extend(models());
    let lacking: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.needed && finding.state != State::Ok)
        .map(|finding| finding.name.as_str())
        .collect();
    if options.json {
        let all = serde_json::json!({
            "device": options.device,
            "ok": lacking.is_empty(),
            "findings": findings,
        });
        println!("{all:#}");
    } else {
        print!("{}", text(&findings));
    }
    match lacking.is_empty() {
        true => Ok(()),
        false => bail!(
            "device {:?} cannot be used here; missing: {}",
            options.device,
            lacking.join(", ")
        ),
    }
}

fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut part = "";
    for finding in findings {
        if finding.part != part {
            let gap = if part.is_empty() { "" } else { "\n" };
            part = finding.part;
            out += &format!("{gap}{part}\n");
        }
        let state = match finding.state {
            State::Ok => "ok",
            State::Missing => "missing",
            State::NotBuilt => "not built",
        };
        out += &format!(
            "  {state:<9}  {:<width$}  {}\n",
            finding.name, finding.found
        );
        if let Some(way) = &finding.way {
            out += &format!("  {:<9}  {:<width$}  -> {way}\n", "", "");
        }
    }
    out
}

/// `kind` is the device, `name` as it was written.
fn device(kind: &str, name: &str, built: bool) -> Finding {
    let part = "devices";
    if !built {
        return Finding {
            state: State::NotBuilt,
            way: Some(format!(
                "cargo run --release -p xtask --features {kind} -- … (docs/backends.md)"
            )),
            ..Finding::ok(part, kind, "not compiled into this program")
        };
    }
    match lethe_model::adapters(name) {
        Ok(adapters) if adapters.is_empty() => {
            let what = match kind {
                "flex" => "the processor",
                "cpu" => "the processor, through LLVM",
                _ => "the processor, through libtorch",
            };
            Finding::ok(part, kind, what)
        }
        Ok(adapters) => {
            let names: Vec<String> = adapters.iter().map(describe).collect();
            Finding::ok(part, kind, names.join("; "))
        }
        Err(error) => {
            let way = "a card and its driver, see below; docs/backends.md";
            Finding::missing(part, kind, error.to_string(), way)
        }
    }
}

fn describe(adapter: &Adapter) -> String {
    let mut out = adapter.name.clone();
    if !adapter.driver.is_empty() {
        out += &format!(", driver {}", adapter.driver);
    }
    if adapter.software {
        out += " (on the processor)";
    }
    out
}

fn libraries(kind: &str) -> Vec<Finding> {
    let part = "libraries";
    let known = Libraries::read();
    let graphics = ["wgpu", "vulkan"].contains(&kind);
    let library = |name: &str, file: &str, way: &str| match known.find(file) {
        Some(path) => Finding::ok(part, name, path.display().to_string()),
        None => Finding::missing(part, name, format!("no {file}"), way),
    };
    let loader = library(
        "Vulkan loader",
        "libvulkan.so.1",
        "apt-get install libvulkan1 (Debian's name)",
    );
    let cuda = library(
        "CUDA driver",
        "libcuda.so.1",
        "NVIDIA's driver, for example apt-get install nvidia-driver; only for an NVIDIA card",
    );
    let (sound, broken) = vulkan_drivers(&known);
    let drivers = if sound.is_empty() {
        Finding::missing(
            part,
            "Vulkan drivers",
            match broken.is_empty() {
                true => "no driver is registered".to_owned(),
                false => format!("registered without their library: {}", broken.join(", ")),
            },
            "the card's own, or Mesa's, which also has one for the processor: apt-get install \
             mesa-vulkan-drivers",
        )
    } else {
        Finding::ok(part, "Vulkan drivers", sound.join(", "))
    };
    vec![
        loader.needed(graphics),
        drivers.needed(graphics),
        cuda.needed(kind == "cuda"),
        libtorch(part, &known).needed(kind == "tch"),
    ]
}

fn libtorch(part: &'static str, known: &Libraries) -> Finding {
    let name = "libtorch";
    let file = "libtorch.so";
    let own = std::env::var_os("LIBTORCH").map(|dir| PathBuf::from(dir).join("lib").join(file));
    if cfg!(feature = "tch") {
        return Finding::ok(part, name, "loaded with this program");
    }
    let found = own
        .filter(|path| path.exists())
        .or_else(|| known.find(file));
    match (found, package("torch")) {
        (Some(path), _) => Finding::ok(part, name, path.display().to_string()),
        (None, Some(version)) => Finding::ok(part, name, format!("in Python's torch {version}")),
        (None, None) => Finding::missing(
            part,
            name,
            "neither $LIBTORCH, nor the system's, nor a Python package",
            "python3 -m pip install torch==2.9.0, then build with LIBTORCH_USE_PYTORCH=1 \
             (docs/backends.md)",
        ),
    }
}

/// The shared libraries that programs find here.
struct Libraries {
    /// Of `$LD_LIBRARY_PATH`, then the usual ones.
    folders: Vec<PathBuf>,
    /// The loader's list: file name and path.
    listed: Vec<(String, PathBuf)>,
}

impl Libraries {
    fn read() -> Libraries {
        let own = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let usual = ["/usr/local/lib", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
        let listed = ["ldconfig", "/sbin/ldconfig"]
            .iter()
            .find_map(|program| output(Command::new(program).arg("-p")))
            .unwrap_or_default();
        // `libvulkan.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libvulkan.so.1`
        let entry = |line: &str| {
            let (name, path) = line.split_once(" => ")?;
            let name = name.split_whitespace().next()?;
            Some((name.to_owned(), PathBuf::from(path.trim())))
        };
        Libraries {
            folders: std::env::split_paths(&own)
                .filter(|folder| folder.is_absolute())
                .chain(usual.map(PathBuf::from))
                .collect(),
            listed: listed.lines().filter_map(entry).collect(),
        }
    }

    fn find(&self, file: &str) -> Option<PathBuf> {
        let mut listed = self.listed.iter();
        let in_folder = self.folders.iter().map(|folder| folder.join(file));
        in_folder
            .into_iter()
            .find(|path| path.exists())
            .or_else(|| {
                let (_, path) = listed.find(|(name, path)| name == file && path.exists())?;
                Some(path.clone())
            })
    }
}

/// The Vulkan drivers that are registered: those whose library is there, and the others. Where the
/// loader looks for them is its documented interface (LoaderDriverInterface.md of the Vulkan loader).
fn vulkan_drivers(known: &Libraries) -> (Vec<String>, Vec<String>) {
    let paths = |variable: &str| -> Option<Vec<PathBuf>> {
        let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
        Some(std::env::split_paths(&value).collect())
    };
    let or = |variable: &str, usual: &[&str]| {
        let usual = || usual.iter().map(PathBuf::from).collect();
        paths(variable).unwrap_or_else(usual)
    };
    let home = std::env::var("HOME").unwrap_or_default();
    let named = paths("VK_DRIVER_FILES").or_else(|| paths("VK_ICD_FILENAMES"));
    let places = named.unwrap_or_else(|| {
        let mut roots = or("XDG_CONFIG_HOME", &[&format!("{home}/.config")]);
        roots.extend(or("XDG_CONFIG_DIRS", &["/etc/xdg"]));
        roots.push(PathBuf::from("/etc"));
        roots.extend(or("XDG_DATA_HOME", &[&format!("{home}/.local/share")]));
        roots.extend(or("XDG_DATA_DIRS", &["/usr/local/share", "/usr/share"]));
        let folders = roots.iter().map(|root| root.join("vulkan/icd.d"));
        let added = paths("VK_ADD_DRIVER_FILES").unwrap_or_default();
        added.into_iter().chain(folders).collect()
    });
    let manifests = places.into_iter().flat_map(|place| match place.is_dir() {
        false => vec![place],
        true => {
            let entries = std::fs::read_dir(&place).into_iter().flatten().flatten();
            let files = entries.map(|entry| entry.path());
            let mut files: Vec<PathBuf> = files
                .filter(|path| path.extension().is_some_and(|e| e == "json"))
                .collect();
            files.sort();
            files
        }
    });
    let (mut sound, mut broken) = (Vec::new(), Vec::new());
    for manifest in manifests {
        let Some(library) = library_of(&manifest) else {
            broken.push(manifest.display().to_string());
            continue;
        };
        // A bare name is looked for as any library, anything else beside the manifest.
        let there = match library.components().count() {
            1 => known.find(&library.to_string_lossy()).is_some(),
            _ => manifest
                .parent()
                .unwrap_or(Path::new(""))
                .join(&library)
                .exists(),
        };
        let name = manifest.file_name().unwrap_or_default().to_string_lossy();
        let list = if there { &mut sound } else { &mut broken };
        list.push(name.into_owned());
    }
    (sound, broken)
}

/// The library that a driver's manifest names.
fn library_of(manifest: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(manifest).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(PathBuf::from(
        json.get("ICD")?.get("library_path")?.as_str()?,
    ))
}

fn processor() -> Vec<Finding> {
    let fast = |name: &str, precision, without: &str| {
        let part = "processor";
        match lethe_model::is_native(precision) {
            true => Finding::ok(part, name, "the dense layers' products use it"),
            false => Finding::missing(part, name, "this processor lacks it", without),
        }
    };
    vec![
        fast(
            "AVX-512",
            Precision::F32,
            "nothing is needed: other instructions do the same, slower",
        ),
        fast(
            "AVX512-BF16",
            Precision::Bf16,
            "precision = \"f32\" is faster here than \"bf16\"",
        ),
    ]
}

/// The memory that is free, and all that there is, in bytes: a container's, where there is one.
pub fn memory() -> (u64, u64) {
    let mut system = System::new();
    system.refresh_memory();
    match system.cgroup_limits() {
        Some(limits) => (limits.free_memory, limits.total_memory),
        None => (system.available_memory(), system.total_memory()),
    }
}

fn machine() -> Vec<Finding> {
    let part = "machine";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let (free, all) = memory();
    let memory = format!("{} free of {}", gigabytes(free), gigabytes(all));
    let mut out = vec![
        Finding::ok(part, "cores", cores.to_string()),
        Finding::ok(part, "memory", memory),
    ];
    let disks = Disks::new_with_refreshed_list();
    let here = std::env::current_dir().ok();
    for (name, path) in [
        ("disk of runs", here),
        ("disk of models", store::cache_dir().ok()),
    ] {
        let Some(path) = path else { continue };
        // What does not exist yet will be on the disk of its nearest parent.
        let real = path.ancestors().find_map(|path| path.canonicalize().ok());
        let disk = disks
            .iter()
            .filter(|disk| {
                real.as_ref()
                    .is_some_and(|p| p.starts_with(disk.mount_point()))
            })
            .max_by_key(|disk| disk.mount_point().components().count());
        if let Some(disk) = disk {
            let free = gigabytes(disk.available_space());
            out.push(Finding::ok(
                part,
                name,
                format!("{free} free at {}", path.display()),
            ));
        }
    }
    out
}

fn python() -> Vec<Finding> {
    let part = "python";
    let program = interpreter();
    let Some(version) = output(Command::new(&program).arg("--version")) else {
        return vec![Finding::missing(
            part,
            "interpreter",
            format!("{program} does not run"),
            "install Python 3, or name it in LETHE_PYTHON; it fetches models and reads our files in \
             the tests",
        )];
    };
    let mut out = vec![Finding::ok(
        part,
        "interpreter",
        format!("{program}: {}", version.trim()),
    )];
    let mut packages = vec![("pip", "fetches models", "python3 -m ensurepip".to_owned())];
    let root = crate::preset::root();
    let files = [
        ("tests/requirements.txt", "cargo xtask test"),
        ("tests/requirements-judge.txt", "a judge on this machine"),
    ];
    let texts = files.map(|(file, _)| std::fs::read_to_string(root.join(file)).unwrap_or_default());
    for ((file, user), text) in files.iter().zip(&texts) {
        // `llama-cpp-python[server]==0.3.36`
        let names = text
            .lines()
            .filter_map(|line| line.split(['=', '[', ' ', '#']).next());
        let names = names.filter(|name| !name.is_empty());
        let way = format!("{program} -m pip install -r {file}");
        packages.extend(names.map(|name| (name, *user, way.clone())));
    }
    for (name, user, way) in packages {
        out.push(match package(name) {
            Some(version) => Finding::ok(part, name, version),
            None => Finding::missing(part, name, format!("not installed; for {user}"), way),
        });
    }
    out
}

fn interpreter() -> String {
    std::env::var("LETHE_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// The version of an installed Python package.
fn package(name: &str) -> Option<String> {
    let code = "import sys; from importlib import metadata; print(metadata.version(sys.argv[1]))";
    let version = output(Command::new(interpreter()).args(["-c", code, name]))?;
    Some(version.trim().to_owned())
}

fn models() -> Vec<Finding> {
    let part = "models";
    let cache = match store::cache_dir() {
        Ok(cache) => cache.join("models"),
        Err(error) => {
            let way = "export LETHE_CACHE=DIR";
            return vec![Finding::missing(part, "cache", error.to_string(), way)];
        }
    };
    let model = |model: &store::Model| {
        let path = cache.join(model.file);
        let way = format!("cargo xtask models pull {}", model.name);
        if !path.exists() {
            let sought = format!("no {}", path.display());
            return Finding::missing(part, model.name, sought, way);
        }
        match store::verify(&path, model.sha256, &mut |_, _, _| {}) {
            Ok(()) => Finding::ok(part, model.name, path.display().to_string()),
            Err(error) => Finding::missing(part, model.name, error.to_string(), way),
        }
    };
    MODELS.iter().map(model).collect()
}

/// What a command prints, if it runs and succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
