//! Products with AVX-512, in `f32` or with operands rounded to `bf16`.
//!
//! The usual blocking (Goto and van de Geijn, ACM TOMS 34(3), 2008): both operands are copied into
//! panels in which the inner loop reads one after another, 14 rows of the left one and 32 columns
//! of the right one, whose products fill 28 of the 32 registers. A lane of a panel is 32 bits: one
//! `f32`, or two `bf16` neighbours along the inner dimension, which `vdpbf16ps` multiplies and adds
//! in `f32`. Everything but that one instruction and the rounding is the same for both.

use std::arch::x86_64::*;

use super::Matrix;
use crate::Precision;

/// Rows of a left panel.
pub(super) const ROWS: usize = 14;
/// Columns of a right panel.
pub(super) const COLUMNS: usize = 32;
/// Lanes along the inner dimension that are multiplied before the result is written: a left panel
/// of so many (14 KiB) stays in the first-level cache.
const DEPTH: usize = 256;
/// Columns of the right operand that are packed at a time: with `DEPTH`, half a MiB.
const WIDTH: usize = 512;
/// Whether this processor has the instructions.
pub(super) fn available(precision: Precision) -> bool {
    let base = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    match precision {
        Precision::F32 => base,
        Precision::Bf16 => base && is_x86_feature_detected!("avx512bf16"),
    }
}

/// One rectangle of `a b`.
///
/// # Safety
/// The instructions must be [`available`]; `out` points to the whole result, whose rows are
/// `stride` apart; the rectangle lies in it, and nobody else writes there.
pub(super) unsafe fn block(
    precision: Precision,
    a: Matrix,
    b: Matrix,
    rows: (usize, usize),
    columns: (usize, usize),
    out: *mut f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match precision {
            Precision::F32 => single::block(a, b, rows, columns, out, stride),
            Precision::Bf16 => paired::block(a, b, rows, columns, out, stride),
        }
    }
}

/// Transposes a 16 × 16 block of 32-bit lanes.
#[target_feature(enable = "avx512f")]
fn transpose(r: &mut [__m512i; 16]) {
    let mut t = *r;
    for i in (0..16).step_by(2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for i in (0..16).step_by(4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for i in 0..4 {
        t[i] = _mm512_shuffle_i32x4::<0x88>(r[i], r[i + 4]);
        t[i + 4] = _mm512_shuffle_i32x4::<0xdd>(r[i], r[i + 4]);
        t[i + 8] = _mm512_shuffle_i32x4::<0x88>(r[i + 8], r[i + 12]);
        t[i + 12] = _mm512_shuffle_i32x4::<0xdd>(r[i + 8], r[i + 12]);
    }
    for i in 0..8 {
        r[i] = _mm512_shuffle_i32x4::<0x88>(t[i], t[i + 8]);
        r[i + 8] = _mm512_shuffle_i32x4::<0xdd>(t[i], t[i + 8]);
    }
}

/// The lanes below `n`.
fn first(n: usize) -> __mmask16 {
    ((1u32 << n.min(16)) - 1) as __mmask16
}

/// Calls a function that is generic over a panel's height.
macro_rules! by_height {
    ($height:expr, $tile:ident $arguments:tt) => {
        match $height {
            1 => $tile::<1> $arguments,
            2 => $tile::<2> $arguments,
            3 => $tile::<3> $arguments,
            4 => $tile::<4> $arguments,
            5 => $tile::<5> $arguments,
            6 => $tile::<6> $arguments,
            7 => $tile::<7> $arguments,
            8 => $tile::<8> $arguments,
            9 => $tile::<9> $arguments,
            10 => $tile::<10> $arguments,
            11 => $tile::<11> $arguments,
            12 => $tile::<12> $arguments,
            13 => $tile::<13> $arguments,
            14 => $tile::<14> $arguments,
            height => unreachable!("a panel of {height} rows"),
        }
    };
}

/// Everything that exists once for every precision: `$per` numbers in a lane, how lanes are made of
/// two vectors of numbers, how they are multiplied and added.
macro_rules! precision {
    ($name:ident, $features:literal, $per:literal, $join_k:expr, $join_lanes:expr, $multiply:expr) => {
        mod $name {
            use super::*;

            /// Packs up to 16 neighbours (rows of the left operand, columns of the right one) over
            /// `depth` numbers of the inner dimension: for every lane along it 16 lanes at `out`,
            /// `step` after the last ones. Absent neighbours and numbers are zero.
            ///
            /// # Safety
            /// `from` must be valid for reads of `neighbours × depth` numbers at these strides, one
            /// of which is 1; `out` for writes up to 16 lanes after the last `step`.
            #[target_feature(enable = $features)]
            unsafe fn pack(
                from: *const f32,
                (neighbours, neighbour_stride): (usize, usize),
                (depth, depth_stride): (usize, usize),
                out: *mut i32,
                step: usize,
            ) {
                let lanes = depth.div_ceil($per);
                if depth_stride == 1 {
                    for lane in (0..lanes).step_by(16) {
                        let at = lane * $per;
                        let mut block = [_mm512_setzero_si512(); 16];
                        for (i, row) in block.iter_mut().enumerate().take(neighbours) {
                            let part = |skip: usize| {
                                let at = at + skip;
                                let mask = first(depth.saturating_sub(at));
                                // SAFETY: masked lanes are not read; `wrapping_add` because the
                                // address of a wholly masked vector may lie outside.
                                unsafe {
                                    _mm512_maskz_loadu_ps(
                                        mask,
                                        from.wrapping_add(i * neighbour_stride + at),
                                    )
                                }
                            };
                            *row = $join_k(part(0), part(if $per == 2 { 16 } else { 0 }));
                        }
                        transpose(&mut block);
                        for (i, row) in block.iter().enumerate().take(lanes - lane) {
                            // SAFETY: the caller's promise.
                            unsafe { _mm512_storeu_si512(out.add((lane + i) * step).cast(), *row) };
                        }
                    }
                } else {
                    assert_eq!(neighbour_stride, 1);
                    let mask = first(neighbours);
                    for lane in 0..lanes {
                        let part = |skip: usize| {
                            let at = lane * $per + skip;
                            let mask = if at < depth { mask } else { 0 };
                            // SAFETY: masked lanes are not read.
                            unsafe {
                                _mm512_maskz_loadu_ps(mask, from.wrapping_add(at * depth_stride))
                            }
                        };
                        let joined = $join_lanes(part(0), part($per - 1));
                        // SAFETY: the caller's promise.
                        unsafe { _mm512_storeu_si512(out.add(lane * step).cast(), joined) };
                    }
                }
            }

            /// `R` rows and 32 columns of the result: over `lanes` lanes of a left panel (`R` a lane)
            /// and a right one (32 a lane), added to what stands there or not.
            ///
            /// # Safety
            /// The panels must be as long as said, and `out` valid for `R` rows of the columns that
            /// `masks` let through.
            #[target_feature(enable = $features)]
            unsafe fn tile<const R: usize>(
                lanes: usize,
                mut left: *const i32,
                mut right: *const i32,
                out: *mut f32,
                stride: usize,
                masks: (__mmask16, __mmask16),
                add: bool,
            ) {
                let mut sums = [[_mm512_setzero_ps(); 2]; R];
                for _ in 0..lanes {
                    // SAFETY: the panels are so long.
                    unsafe {
                        let b0 = _mm512_loadu_si512(right.cast());
                        let b1 = _mm512_loadu_si512(right.add(16).cast());
                        for (i, sum) in sums.iter_mut().enumerate() {
                            let a = _mm512_set1_epi32(*left.add(i));
                            sum[0] = $multiply(sum[0], a, b0);
                            sum[1] = $multiply(sum[1], a, b1);
                        }
                        left = left.add(R);
                        right = right.add(COLUMNS);
                    }
                }
                for (i, sum) in sums.iter().enumerate() {
                    // SAFETY: `masks` keep to the columns that there are.
                    unsafe {
                        let (at0, at1) = (out.add(i * stride), out.wrapping_add(i * stride + 16));
                        let (mut s0, mut s1) = (sum[0], sum[1]);
                        if add {
                            s0 = _mm512_add_ps(s0, _mm512_maskz_loadu_ps(masks.0, at0));
                            s1 = _mm512_add_ps(s1, _mm512_maskz_loadu_ps(masks.1, at1));
                        }
                        _mm512_mask_storeu_ps(at0, masks.0, s0);
                        _mm512_mask_storeu_ps(at1, masks.1, s1);
                    }
                }
            }

            /// See [`block`](super::block).
            ///
            /// # Safety
            /// As there.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn block(
                a: Matrix,
                b: Matrix,
                rows: (usize, usize),
                columns: (usize, usize),
                out: *mut f32,
                stride: usize,
            ) {
                let depth = a.columns;
                let step = DEPTH * $per;
                let lanes = depth.div_ceil($per);
                let (height, width) = (rows.1 - rows.0, columns.1 - columns.0);
                // Panels of nearly equal height: one of 4 rows after many of 14 would cost a third
                // of what a full one does.
                let panels = height.div_ceil(ROWS);
                let bounds = |panel: usize| rows.0 + height * panel / panels;
                // Left panels are packed once, by blocks of depth: block after block, panel after
                // panel.
                let slack = 16;
                let mut left: Vec<i32> = Vec::with_capacity(height * lanes + slack);
                let left = left.as_mut_ptr();
                let mut right: Vec<i32> = Vec::with_capacity(
                    width.min(WIDTH).next_multiple_of(COLUMNS) * lanes.min(DEPTH) + slack,
                );
                let right = right.as_mut_ptr();
                for start in (0..depth).step_by(step) {
                    let deep = step.min(depth - start);
                    let at = start / $per * height;
                    for panel in 0..panels {
                        let (from, to) = (bounds(panel), bounds(panel + 1));
                        // SAFETY: panels of all blocks together are `height × lanes` long; what is
                        // written past a panel's end is overwritten by the next, or is slack.
                        unsafe {
                            pack(
                                a.from(from, start),
                                (to - from, a.row_stride),
                                (deep, a.column_stride),
                                left.add(at + (from - rows.0) * deep.div_ceil($per)),
                                to - from,
                            );
                        }
                    }
                }
                for from in (columns.0..columns.1).step_by(WIDTH) {
                    let to = (from + WIDTH).min(columns.1);
                    for start in (0..depth).step_by(step) {
                        let deep = step.min(depth - start);
                        let deep_lanes = deep.div_ceil($per);
                        for column in (from..to).step_by(COLUMNS) {
                            for half in [0, 16] {
                                let left_over = to.saturating_sub(column + half).min(16);
                                // SAFETY: `right` holds all panels of this block.
                                unsafe {
                                    pack(
                                        b.from(start, (column + half).min(to)),
                                        (left_over, b.column_stride),
                                        (deep, b.row_stride),
                                        right.add((column - from) * deep_lanes + half),
                                        COLUMNS,
                                    );
                                }
                            }
                        }
                        let at = start / $per * height;
                        for panel in 0..panels {
                            let (top, bottom) = (bounds(panel), bounds(panel + 1));
                            // SAFETY: as above; the tile lies in the rectangle.
                            unsafe {
                                let left = left.add(at + (top - rows.0) * deep_lanes);
                                for column in (from..to).step_by(COLUMNS) {
                                    let right = right.add((column - from) * deep_lanes);
                                    let out = out.add(top * stride + column);
                                    let masks = (
                                        first(to - column),
                                        first((to - column).saturating_sub(16)),
                                    );
                                    let add = start > 0;
                                    by_height!(
                                        bottom - top,
                                        tile(deep_lanes, left, right, out, stride, masks, add)
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    };
}

precision!(
    single,
    "avx512f,avx512bw",
    1,
    |numbers: __m512, _: __m512| _mm512_castps_si512(numbers),
    |numbers: __m512, _: __m512| _mm512_castps_si512(numbers),
    |sum: __m512, a: __m512i, b: __m512i| _mm512_fmadd_ps(
        _mm512_castsi512_ps(a),
        _mm512_castsi512_ps(b),
        sum
    )
);

precision!(
    paired,
    "avx512f,avx512bw,avx512bf16",
    2,
    |low: __m512, high: __m512| bits(_mm512_cvtne2ps_pbh(high, low)),
    |even: __m512, odd: __m512| _mm512_permutexvar_epi16(
        interleaving(),
        bits(_mm512_cvtne2ps_pbh(odd, even))
    ),
    |sum: __m512, a: __m512i, b: __m512i| _mm512_dpbf16_ps(sum, pairs(a), pairs(b))
);

/// Positions that put the second 16 of 32 numbers between the first.
#[target_feature(enable = "avx512f")]
fn interleaving() -> __m512i {
    let pair = |i: i32| i | ((i + 16) << 16);
    _mm512_setr_epi32(
        pair(0),
        pair(1),
        pair(2),
        pair(3),
        pair(4),
        pair(5),
        pair(6),
        pair(7),
        pair(8),
        pair(9),
        pair(10),
        pair(11),
        pair(12),
        pair(13),
        pair(14),
        pair(15),
    )
}

#[target_feature(enable = "avx512f")]
fn bits(pairs: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(pairs) }
}

#[target_feature(enable = "avx512f")]
fn pairs(bits: __m512i) -> __m512bh {
    // SAFETY: as above.
    unsafe { std::mem::transmute(bits) }
}
