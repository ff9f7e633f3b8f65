//! Which backend computes: one of those compiled in, chosen by name at run time.

use burn::tensor::{DType, Device};

use crate::{Error, Precision};

/// Every device name but `auto`, and whether this build has its backend. Each but `flex` is a Cargo
/// feature of the same name.
pub const DEVICES: [(&str, bool); 6] = [
    ("flex", true),
    ("wgpu", cfg!(feature = "wgpu")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("cuda", cfg!(feature = "cuda")),
    ("cpu", cfg!(feature = "cpu")),
    ("tch", cfg!(feature = "tch")),
];

/// The names of the devices that are compiled in.
pub fn compiled_devices() -> impl Iterator<Item = &'static str> {
    DEVICES.iter().filter(|(_, built)| *built).map(|d| d.0)
}

/// A card, or a program in its place, that a device can run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// As its driver calls it.
    pub name: String,
    /// The driver and its version, where they are known.
    pub driver: String,
    /// Whether it computes on the processor.
    pub software: bool,
}

/// A device's name in its parts: `cuda:1` is number 1 of `cuda`, `auto` is `flex`.
///
/// # Errors
/// [`Error::Device`] for a name that is not in [`DEVICES`], and for a number of one that has none.
pub fn parse_device(name: &str) -> Result<(&str, usize), Error> {
    let (kind, index) = match name.split_once(':') {
        None => (name, None),
        Some((kind, index)) => (
            kind,
            Some(index.parse::<usize>().map_err(|_| {
                Error::Device(format!(
                    "device {name:?}: {index:?} is no device number; write for example cuda:0"
                ))
            })?),
        ),
    };
    let kind = match kind {
        "auto" => "flex",
        kind => kind,
    };
    let known = DEVICES.iter().any(|(known, _)| *known == kind);
    if !known || (index.is_some() && kind != "cuda") {
        let names: Vec<&str> = DEVICES.iter().map(|d| d.0).collect();
        return Err(Error::Device(format!(
            "device {name:?} is unknown; known are auto, {}, cuda:N",
            names.join(", ")
        )));
    }
    Ok((kind, index.unwrap_or(0)))
}

/// Opens the device called `name`: `auto` (the processor through `flex`, since an accelerator that
/// is compiled in need not be present), `flex`, `cpu`, `wgpu`, `vulkan`, `cuda`, `cuda:N` or `tch`.
///
/// # Errors
/// [`Error::Device`] for an unknown name, for a backend that is not compiled in, with the
/// feature that adds it, and for one that finds nothing to run on, with what it lacks.
pub fn device(name: &str) -> Result<Device, Error> {
    let (kind, index) = parse_device(name)?;
    match (kind, index) {
        ("flex", _) => Ok(Device::flex()),
        #[cfg(feature = "cpu")]
        ("cpu", _) => Ok(Device::cpu()),
        #[cfg(feature = "wgpu")]
        ("wgpu", _) => graphics::open(name).map(|opened| opened.0),
        #[cfg(feature = "vulkan")]
        ("vulkan", _) => graphics::open(name).map(|opened| opened.0),
        #[cfg(feature = "cuda")]
        ("cuda", index) => cuda(name, index),
        #[cfg(feature = "tch")]
        #[expect(
            deprecated,
            reason = "burn 0.22 still has it, and nothing in its place"
        )]
        ("tch", _) => Ok(Device::libtorch()),
        (other, _) => Err(Error::Device(format!(
            "device {other:?} is not compiled in (this build has {}); add it with \
             `--features {other}`, for example `cargo run --release -p xtask --features {other} -- …`",
            compiled_devices().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// What the device called `name` runs on (the first of them, unless it is numbered), where its
/// backend tells: cards, or programs in their place. Empty for `flex`, `cpu` and `tch`.
///
/// # Errors
/// As [`device()`].
pub fn adapters(name: &str) -> Result<Vec<Adapter>, Error> {
    let (kind, _) = parse_device(name)?;
    device(name)?;
    match kind {
        #[cfg(feature = "wgpu")]
        "wgpu" | "vulkan" => graphics::adapters(name),
        #[cfg(feature = "cuda")]
        "cuda" => {
            let name = |device: &Device| device.identity().map(|identity| identity.name);
            let devices = Device::enumerate(burn::tensor::DeviceType::Cuda);
            let named = devices.iter().filter_map(name).map(|name| Adapter {
                name,
                driver: String::new(),
                software: false,
            });
            Ok(named.collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether dense layers can multiply in this precision on a device.
#[must_use]
pub fn computes_in(device: &Device, precision: Precision) -> bool {
    match precision {
        Precision::F32 => true,
        Precision::Bf16 => lethe_kernels::takes(device) || device.supports_dtype(DType::BF16),
    }
}

/// What is said of a device that is compiled in, but not there.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn absent(name: &str, why: &str) -> Error {
    Error::Device(format!(
        "device {name:?} is compiled in, but not there: {why}; `doctor --device {name}` of the same \
         build says what is missing (`cargo xtask doctor` of any build which drivers are there)"
    ))
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, index: usize) -> Result<Device, Error> {
    // Without a driver there are none.
    match Device::enumerate(burn::tensor::DeviceType::Cuda).len() {
        0 => Err(absent(name, "no NVIDIA driver, or no card that it drives")),
        n if index >= n => Err(absent(
            name,
            &format!("the cards are cuda:0 to cuda:{}", n - 1),
        )),
        _ => Ok(Device::cuda(index)),
    }
}

#[cfg(feature = "wgpu")]
mod graphics {
    //! Devices of a graphics API, opened once: a second try would be refused.

    use std::sync::OnceLock;

    use burn::tensor::Device;
    use burn::tensor::wgpu::wgpu::{
        AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor,
    };
    use burn::tensor::wgpu::{WgpuBackend, WgpuSetup};

    use super::{Adapter, absent};
    use crate::Error;

    type Opened = (Device, WgpuSetup);

    pub fn open(name: &str) -> Result<Opened, Error> {
        static ANY: OnceLock<Result<Opened, String>> = OnceLock::new();
        static VULKAN: OnceLock<Result<Opened, String>> = OnceLock::new();
        let (api, opened) = match name {
            "vulkan" => (WgpuBackend::Vulkan, &VULKAN),
            _ => (WgpuBackend::Auto, &ANY),
        };
        let open = || Device::wgpu_options().graphics_api(api).init_with_setup();
        let opened = opened.get_or_init(|| open().map_err(|e| e.to_string()));
        opened.clone().map_err(|why| absent(name, &why))
    }

    /// The one that is used first, then the others of the same API.
    pub fn adapters(name: &str) -> Result<Vec<Adapter>, Error> {
        let (_, setup) = open(name)?;
        let backends = Backends::from(setup.backend);
        let instance = Instance::new(InstanceDescriptor {
            backends,
            ..InstanceDescriptor::new_without_display_handle()
        });
        let all = futures_lite::future::block_on(instance.enumerate_adapters(backends));
        let used = setup.adapter.get_info();
        let others = all.iter().map(|adapter| adapter.get_info());
        let others = others.filter(|info| *info != used);
        Ok(std::iter::once(used.clone())
            .chain(others)
            .map(adapter)
            .collect())
    }

    fn adapter(info: AdapterInfo) -> Adapter {
        Adapter {
            name: info.name,
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
            software: info.device_type == DeviceType::Cpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_absent_devices_say_the_way_out() {
        let message = |name: &str| device(name).expect_err("no such device").to_string();
        assert!(message("gpu").contains("known are auto, flex"));
        assert!(message("cuda:x").contains("no device number"));
        assert!(message("flex:1").contains("unknown"));
        for (name, built) in DEVICES {
            if !built {
                let said = message(name);
                assert!(
                    said.contains("is not compiled in (this build has flex"),
                    "{said}"
                );
                assert!(said.contains(&format!("--features {name}")), "{said}");
            }
        }
        // Nobody has so many cards.
        if cfg!(feature = "cuda") {
            assert!(message("cuda:9999").contains("doctor --device cuda:9999"));
        }
    }
}
