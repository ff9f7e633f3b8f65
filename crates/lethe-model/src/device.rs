//! Which backend computes: one of those compiled in, chosen by name at run time.

use burn::tensor::Device;

use crate::Error;

/// The device names that this build understands, besides `auto`; each but `flex` is a Cargo feature.
#[must_use]
pub fn compiled_devices() -> Vec<&'static str> {
    let all = [
        ("cuda", cfg!(feature = "cuda")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("tch", cfg!(feature = "tch")),
        ("cpu", cfg!(feature = "cpu")),
        ("flex", true),
    ];
    all.into_iter().filter(|d| d.1).map(|d| d.0).collect()
}

/// The device called `name`: `auto` (the processor through `flex`, since an accelerator that is
/// compiled in need not be present), `flex`, `cpu`, `wgpu`, `vulkan`,
/// `cuda`, `cuda:N` or `tch`.
///
/// # Errors
/// [`Error::Device`] for an unknown name, and for a backend that is not compiled in, with the
/// feature that adds it.
pub fn device(name: &str) -> Result<Device, Error> {
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
    let known = ["auto", "flex", "cpu", "wgpu", "vulkan", "cuda", "tch"];
    if !known.contains(&kind) || (index.is_some() && kind != "cuda") {
        return Err(Error::Device(format!(
            "device {name:?} is unknown; known are {}, cuda:N",
            known.join(", ")
        )));
    }
    let kind = match kind {
        "auto" => "flex",
        kind => kind,
    };
    #[allow(unused_variables)]
    let index = index.unwrap_or(0);
    match kind {
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(index)),
        #[cfg(feature = "tch")]
        "tch" => Ok(Device::libtorch()),
        other => Err(Error::Device(format!(
            "device {other:?} is not compiled in (this build has {}); add it with \
             `--features {other}`, for example `cargo run --release -p xtask --features {other} -- …`",
            compiled_devices().join(", ")
        ))),
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
        if !cfg!(feature = "tch") {
            assert!(message("tch").contains("--features tch"));
        }
    }
}
