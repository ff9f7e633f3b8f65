//! The tensor encodings of GGUF, decoded to `f32`.
//!
//! Block layouts after ggml's reference (`ggml-common.h`, `ggml-quants.c`): a block is a small
//! header of scales followed by packed integers; the K-quants group 256 weights in sub-blocks
//! whose 6- or 8-bit scales are themselves scaled by one or two half-precision numbers.

use half::{bf16, f16};

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Encoding {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q5_0,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

fn half_at(raw: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([raw[at], raw[at + 1]]).to_f32()
}

/// The 6-bit scale and minimum of sub-block `j` of eight, packed in 12 bytes.
fn scale_min(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4),
            (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4),
        )
    };
    (f32::from(scale), f32::from(min))
}

/// 127 steps to either side of zero.
fn encode_q8_0(values: &[f32], raw: &mut Vec<u8>) {
    let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    raw.extend(f16::from_f32(scale).to_le_bytes());
    let step = |x: &f32| ((x * inverse).round() as i8).cast_unsigned();
    raw.extend(values.iter().map(step));
}

/// Eight steps to the side of the weight that is farthest from zero, seven to the other; the 16th
/// weight from a weight has the upper half of its byte.
fn encode_q4_0(values: &[f32], raw: &mut Vec<u8>) {
    let farther = |a: f32, b: f32| if b.abs() > a.abs() { b } else { a };
    let scale = values.iter().copied().fold(0.0, farther) / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    raw.extend(f16::from_f32(scale).to_le_bytes());
    let step = |x: f32| (f64::from(x) * f64::from(inverse) + 8.5).clamp(0.0, 15.0) as u8;
    let (low, high) = values.split_at(16);
    let bytes = low.iter().zip(high);
    raw.extend(bytes.map(|(&low, &high)| step(low) | (step(high) << 4)));
}

impl Encoding {
    /// The names of the supported encodings, for messages.
    pub const LIST: &str = "F32, F16, BF16, Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K";

    /// From ggml's type number.
    #[must_use]
    pub fn from_ggml(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            6 => Self::Q5_0,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// Weights and bytes in one block.
    #[must_use]
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q5_0 => (32, 22),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// The bytes that `elements` weights take; `None` when they do not fill whole blocks.
    #[must_use]
    pub fn size_of(self, elements: usize) -> Option<usize> {
        let (block, bytes) = self.block();
        elements
            .is_multiple_of(block)
            .then(|| (elements / block).checked_mul(bytes))
            .flatten()
    }

    /// Decodes whole blocks: `raw.len() / bytes` blocks into as many blocks of `out`.
    pub fn decode(self, raw: &[u8], out: &mut [f32]) {
        let (block, bytes) = self.block();
        for (raw, out) in raw.chunks_exact(bytes).zip(out.chunks_exact_mut(block)) {
            self.decode_block(raw, out);
        }
    }

    /// The encoding that matrices are rounded to with so many bits a weight.
    #[must_use]
    pub fn of_bits(bits: u32) -> Option<Self> {
        match bits {
            4 => Some(Self::Q4_0),
            8 => Some(Self::Q8_0),
            _ => None,
        }
    }

    /// Encodes whole blocks as ggml's reference does: no zero point, one half-precision scale a
    /// block, every weight at the nearest step. [`Self::of_bits`] gives the encodings that can be
    /// written; the others are only read, and give `None`.
    #[must_use]
    pub fn encode(self, values: &[f32]) -> Option<Vec<u8>> {
        let encode_block: fn(&[f32], &mut Vec<u8>) = match self {
            Self::Q8_0 => encode_q8_0,
            Self::Q4_0 => encode_q4_0,
            _ => return None,
        };
        let mut raw = Vec::with_capacity(self.size_of(values.len())?);
        for block in values.chunks_exact(self.block().0) {
            encode_block(block, &mut raw);
        }
        Some(raw)
    }

    fn decode_block(self, raw: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => out[0] = f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]),
            Self::F16 => out[0] = half_at(raw, 0),
            Self::Bf16 => out[0] = bf16::from_le_bytes([raw[0], raw[1]]).to_f32(),
            Self::Q8_0 => {
                let scale = half_at(raw, 0);
                for (out, &q) in out.iter_mut().zip(&raw[2..]) {
                    *out = scale * f32::from(q.cast_signed());
                }
            }
            Self::Q4_0 => {
                let scale = half_at(raw, 0);
                for (j, byte) in raw[2..].iter().enumerate() {
                    out[j] = scale * (f32::from(byte & 15) - 8.0);
                    out[j + 16] = scale * (f32::from(byte >> 4) - 8.0);
                }
            }
            Self::Q5_0 => {
                let scale = half_at(raw, 0);
                let high = u32::from_le_bytes([raw[2], raw[3], raw[4], raw[5]]);
                for j in 0..16 {
                    let byte = raw[6 + j];
                    let bit = |at: usize| (((high >> at) & 1) as u8) << 4;
                    out[j] = scale * (f32::from((byte & 15) | bit(j)) - 16.0);
                    out[j + 16] = scale * (f32::from((byte >> 4) | bit(j + 16)) - 16.0);
                }
            }
            Self::Q4K => {
                let (d, dmin) = (half_at(raw, 0), half_at(raw, 2));
                let (scales, quants) = (&raw[4..16], &raw[16..144]);
                for j in 0..8 {
                    let (scale, min) = scale_min(scales, j);
                    for i in 0..32 {
                        let byte = quants[(j / 2) * 32 + i];
                        let q = if j % 2 == 0 { byte & 15 } else { byte >> 4 };
                        out[j * 32 + i] = d * scale * f32::from(q) - dmin * min;
                    }
                }
            }
            Self::Q5K => {
                let (d, dmin) = (half_at(raw, 0), half_at(raw, 2));
                let (scales, high, quants) = (&raw[4..16], &raw[16..48], &raw[48..176]);
                for j in 0..8 {
                    let (scale, min) = scale_min(scales, j);
                    for i in 0..32 {
                        let byte = quants[(j / 2) * 32 + i];
                        let low = if j % 2 == 0 { byte & 15 } else { byte >> 4 };
                        let q = low | (((high[i] >> j) & 1) << 4);
                        out[j * 32 + i] = d * scale * f32::from(q) - dmin * min;
                    }
                }
            }
            Self::Q6K => {
                let (low, high, scales) = (&raw[..128], &raw[128..192], &raw[192..208]);
                let d = half_at(raw, 208);
                for half in 0..2 {
                    for quarter in 0..4 {
                        for i in 0..32 {
                            let byte = low[half * 64 + (quarter % 2) * 32 + i];
                            let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
                            let two = (high[half * 32 + i] >> (2 * quarter)) & 3;
                            let scale = scales[half * 8 + quarter * 2 + i / 16].cast_signed();
                            out[half * 128 + quarter * 32 + i] =
                                d * f32::from(scale) * (f32::from(four | (two << 4)) - 32.0);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> serde_json::Value {
        let text = include_str!("../tests/fixtures/encodings.json");
        serde_json::from_str(text).expect("a fixture")
    }

    fn bytes(hex: &serde_json::Value) -> Vec<u8> {
        let hex = hex.as_str().expect("bytes");
        (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
            .collect()
    }

    /// Blocks of random bits and what the `gguf` Python package makes of them.
    #[test]
    fn every_encoding_decodes_as_the_python_package_does() {
        let file = fixture();
        let encodings = file["encodings"].as_object().expect("encodings");
        assert_eq!(encodings.len(), 8);
        for (name, entry) in encodings {
            let kind = entry["type"].as_u64().expect("a type") as u32;
            let raw = bytes(&entry["raw"]);
            let values = entry["values"].as_array().expect("values");
            let encoding = Encoding::from_ggml(kind).expect("supported");
            assert_eq!(encoding.size_of(values.len()), Some(raw.len()), "{name}");
            let mut out = vec![0.0; values.len()];
            encoding.decode(&raw, &mut out);
            for (place, (found, expected)) in out.iter().zip(values).enumerate() {
                let expected = expected.as_f64().expect("a number") as f32;
                let off = (found - expected).abs();
                assert!(
                    off <= 1e-6 * expected.abs().max(1e-3),
                    "{name}[{place}]: {found} {expected}"
                );
            }
        }
    }

    /// Normal numbers of three sizes, and the bytes that the `gguf` Python package makes of them.
    #[test]
    fn weights_are_rounded_as_the_python_package_does() {
        let file = &fixture()["encoded"];
        let values = file["values"].as_array().expect("values").iter();
        let values: Vec<f32> = values
            .map(|v| v.as_f64().expect("a number") as f32)
            .collect();
        for (bits, name) in [(8, "Q8_0"), (4, "Q4_0")] {
            let encoding = Encoding::of_bits(bits).expect("it is written");
            let raw = encoding.encode(&values).expect("it is written");
            assert_eq!(raw, bytes(&file[name]), "{name}");
            let mut rounded = vec![0.0; values.len()];
            encoding.decode(&raw, &mut rounded);
            // No further than half a step and what half precision takes off the scale; but for the
            // eighth step that one side lacks.
            for (block, rounded) in values.chunks(32).zip(rounded.chunks(32)) {
                let largest = block.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let step = largest / if bits == 8 { 127.0 } else { 8.0 };
                let reach = if bits == 8 { largest } else { 7.5 * step };
                let scale_off = (2f32.powi(-11)).max(2f32.powi(-25) / step);
                for (x, r) in block.iter().zip(rounded).filter(|(x, _)| x.abs() <= reach) {
                    let most = 0.5 * step + 1.01 * r.abs() * scale_off;
                    assert!((x - r).abs() <= most, "{name}: {x} {r}");
                }
            }
            // What is rounded stays.
            assert_eq!(encoding.encode(&rounded), Some(raw), "{name}");
        }
        assert_eq!(Encoding::of_bits(3), None);
        assert_eq!(Encoding::Q6K.encode(&values), None);
    }

    #[test]
    fn a_block_by_hand() {
        // The farthest weight is at −8 steps, which are therefore of 1.
        let mut block = [0.0f32; 32];
        (block[0], block[1], block[2], block[3]) = (-8.0, 7.9, 2.4, -2.6);
        (block[16], block[31]) = (1.0, -7.0);
        let raw = Encoding::Q4_0.encode(&block).expect("it is written");
        // The scale 1.0 is 0x3c00; each nibble is the step plus 8, the later weight's in front.
        assert_eq!(raw.len(), 18);
        assert_eq!(raw[..2], [0x00, 0x3c]);
        assert_eq!(raw[2..6], [0x90, 0x8f, 0x8a, 0x85]);
        assert_eq!(raw[17], 0x18);
        let mut rounded = [0.0; 32];
        Encoding::Q4_0.decode(&raw, &mut rounded);
        assert_eq!(rounded[..4], [-8.0, 7.0, 2.0, -3.0]);
        assert_eq!((rounded[16], rounded[31]), (1.0, -7.0));

        // 127 steps of 0.5 to the farthest weight; half a step goes away from zero.
        let mut block = [0.0f32; 32];
        (block[0], block[1], block[2], block[5]) = (63.5, -0.25, 0.2, -10.1);
        let raw = Encoding::Q8_0.encode(&block).expect("it is written");
        assert_eq!(raw.len(), 34);
        assert_eq!(raw[..5], [0x00, 0x38, 127, 255, 0]);
        let mut rounded = [0.0; 32];
        Encoding::Q8_0.decode(&raw, &mut rounded);
        assert_eq!(rounded[..6], [63.5, -0.5, 0.0, 0.0, 0.0, -10.0]);

        // Nothing to scale by.
        for encoding in [Encoding::Q8_0, Encoding::Q4_0] {
            let raw = encoding.encode(&[0.0; 32]).expect("it is written");
            let mut rounded = [1.0; 32];
            encoding.decode(&raw, &mut rounded);
            assert_eq!(rounded, [0.0; 32]);
        }
    }

    #[test]
    fn plain_floats_are_themselves() {
        let mut out = [0.0; 2];
        Encoding::F32.decode(
            &[1.5f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat(),
            &mut out,
        );
        assert_eq!(out, [1.5, -2.0]);
        assert_eq!(Encoding::Q4K.size_of(100), None);
    }
}
