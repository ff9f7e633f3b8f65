//! Matrix products, near the processor's peak where it has AVX-512.
//!
//! What is added to what, and in which order, depends on the shapes only, never on the number of
//! threads.

#[cfg(target_arch = "x86_64")]
mod avx512;

use std::cell::Cell;

use rayon::prelude::*;

use crate::Precision;

/// Products below this many multiplications are not worth a second thread.
const WORTH_A_THREAD: usize = 1 << 20;

/// A matrix in memory, as it is or transposed: one of the two strides is 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows one after another, `stride` numbers apart.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(columns <= stride || rows <= 1);
        assert!(rows == 0 || columns == 0 || data.len() >= (rows - 1) * stride + columns);
        Matrix {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The same numbers, rows for columns.
    pub fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The part from `row` and `column` on.
    fn from(self, row: usize, column: usize) -> *const f32 {
        // In bounds, or one past the end where nothing is read.
        let offset = row * self.row_stride + column * self.column_stride;
        self.data[offset.min(self.data.len())..].as_ptr()
    }
}

/// Whether this processor multiplies in this precision with instructions of its own.
#[must_use]
pub fn is_native(precision: Precision) -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx512::available(precision);
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

thread_local! {
    static SEQUENTIAL: Cell<bool> = const { Cell::new(false) };
}

/// `work` with every product on this thread alone: for callers that already keep all cores busy.
/// Results are the same either way.
pub fn sequential<O>(work: impl FnOnce() -> O) -> O {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            SEQUENTIAL.set(self.0);
        }
    }
    let _restore = Restore(SEQUENTIAL.replace(true));
    work()
}

/// Whether work on this thread should not be spread over others.
pub(crate) fn is_sequential() -> bool {
    SEQUENTIAL.get() || rayon::current_num_threads() < 2
}

/// Of so many parts, the fewest that are worth handing to another thread.
pub(crate) fn at_least(parts: usize) -> usize {
    match is_sequential() {
        true => parts.max(1),
        false => 1,
    }
}

/// A place that several threads write to, each its own part.
#[derive(Clone, Copy)]
struct Out(*mut f32);

// SAFETY: the parts that threads write are disjoint (`spread` cuts the result into rectangles).
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// `a b`, row-major.
///
/// # Panics
/// When the inner dimensions differ, and for `bf16` where it is not [`available`].
pub(crate) fn product(precision: Precision, a: Matrix, b: Matrix) -> Vec<f32> {
    let mut out = Vec::with_capacity(a.rows * b.columns);
    let spare = out.spare_capacity_mut();
    // SAFETY: `spare` has room for `rows × columns` numbers, and `write` fills them all.
    unsafe {
        write(precision, a, b, spare.as_mut_ptr().cast(), b.columns);
        out.set_len(a.rows * b.columns);
    }
    out
}

/// `a b` into rows of `out` that are `stride` apart.
///
/// # Panics
/// As [`product`], and when `out` is too small.
pub(crate) fn product_into(
    precision: Precision,
    a: Matrix,
    b: Matrix,
    out: &mut [f32],
    stride: usize,
) {
    assert!(b.columns <= stride || a.rows <= 1);
    assert!(a.rows == 0 || b.columns == 0 || out.len() >= (a.rows - 1) * stride + b.columns);
    // SAFETY: just checked.
    unsafe { write(precision, a, b, out.as_mut_ptr(), stride) }
}

/// # Safety
/// `out` must be valid for writes of `a.rows` rows of `b.columns` numbers, `stride` apart.
unsafe fn write(precision: Precision, a: Matrix, b: Matrix, out: *mut f32, stride: usize) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    let (rows, columns) = (a.rows, b.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    let can = is_native(precision);
    assert!(can || precision == Precision::F32, "bf16 needs AVX512-BF16");
    if !can || a.columns == 0 {
        // SAFETY: the caller's promise.
        unsafe { plain(a, b, out, stride) };
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise, and the processor has the instructions.
    unsafe {
        spread(precision, a, b, out, stride);
    }
}

/// The product in plain loops.
///
/// # Safety
/// As [`write`].
unsafe fn plain(a: Matrix, b: Matrix, out: *mut f32, stride: usize) {
    for row in 0..a.rows {
        // SAFETY: the caller's promise; a row is set before it is read.
        let out = unsafe {
            let out = out.add(row * stride);
            std::ptr::write_bytes(out, 0, b.columns);
            std::slice::from_raw_parts_mut(out, b.columns)
        };
        for k in 0..a.columns {
            let x = a.data[row * a.row_stride + k * a.column_stride];
            let start = k * b.row_stride;
            if b.column_stride == 1 {
                let b = &b.data[start..start + b.columns];
                out.iter_mut().zip(b).for_each(|(out, b)| *out += x * b);
            } else {
                let b = b.data[start..].iter().step_by(b.column_stride);
                out.iter_mut().zip(b).for_each(|(out, b)| *out += x * b);
            }
        }
    }
}

/// The product in rectangles, over the threads that there are.
///
/// # Safety
/// As [`write`], and AVX-512 must be available.
#[cfg(target_arch = "x86_64")]
unsafe fn spread(precision: Precision, a: Matrix, b: Matrix, out: *mut f32, stride: usize) {
    use avx512::{COLUMNS, ROWS};
    let (rows, columns) = (a.rows, b.columns);
    let block = |rows: (usize, usize), columns: (usize, usize), out: Out| {
        // SAFETY: the processor has the instructions; blocks lie within the result and are disjoint.
        unsafe { avx512::block(precision, a, b, rows, columns, out.0, stride) }
    };
    let out = Out(out);
    if is_sequential() || rows * columns * a.columns < WORTH_A_THREAD {
        block((0, rows), (0, columns), out);
        return;
    }
    // The longer side is cut, so that what every thread packs for itself is the smaller operand.
    let threads = rayon::current_num_threads();
    let cut = |length: usize, unit: usize| -> Vec<(usize, usize)> {
        let part = length.div_ceil(threads).next_multiple_of(unit);
        let starts = (0..length).step_by(part);
        starts.map(|s| (s, (s + part).min(length))).collect()
    };
    if columns >= rows {
        let parts = cut(columns, COLUMNS);
        parts.into_par_iter().for_each(|c| block((0, rows), c, out));
    } else {
        let parts = cut(rows, ROWS);
        parts
            .into_par_iter()
            .for_each(|r| block(r, (0, columns), out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;
    use proptest::prelude::*;

    /// The product in `f64`, of operands rounded as the precision asks.
    fn expected(precision: Precision, a: Matrix, b: Matrix) -> Vec<f64> {
        let round = |x: f32| match precision {
            Precision::F32 => f64::from(x),
            Precision::Bf16 => f64::from(bf16::from_f32(x).to_f32()),
        };
        let at = |m: Matrix, row: usize, column: usize| {
            round(m.data[row * m.row_stride + column * m.column_stride])
        };
        let mut out = Vec::new();
        for row in 0..a.rows {
            for column in 0..b.columns {
                out.push(
                    (0..a.columns)
                        .map(|k| at(a, row, k) * at(b, k, column))
                        .sum(),
                );
            }
        }
        out
    }

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn compare(precision: Precision, (m, n, k): (usize, usize, usize), layout: u8, pad: usize) {
        if precision == Precision::Bf16 && !is_native(precision) {
            return;
        }
        let operand = |rows: usize, columns: usize, transposed: bool, data: &'static [f32]| {
            if transposed {
                Matrix::new(data, columns, rows, rows + pad).transposed()
            } else {
                Matrix::new(data, rows, columns, columns + pad)
            }
        };
        let data = |r: usize, c: usize, seed| {
            let n = (r + pad) * (c + pad) + pad;
            Box::leak(numbers(n, seed).into_boxed_slice())
        };
        let a = operand(m, k, layout & 1 == 1, data(m, k, 1));
        let b = operand(k, n, layout & 2 == 2, data(k, n, 2));
        let expected = expected(precision, a, b);
        let whole = product(precision, a, b);
        let alone = sequential(|| product(precision, a, b));
        assert_eq!(whole, alone, "threads change nothing");
        if precision == Precision::F32 {
            let mut simple = vec![f32::NAN; m * n];
            // SAFETY: there is room for the result.
            unsafe { plain(a, b, simple.as_mut_ptr(), n) };
            for (&got, &want) in simple.iter().zip(&expected) {
                assert!((f64::from(got) - want).abs() < 1e-5 * (k as f64).sqrt().max(1.0));
            }
        }
        let mut spread = vec![f32::NAN; m * (n + 3)];
        product_into(precision, a, b, &mut spread, n + 3);
        for row in 0..m {
            for column in 0..n {
                let (got, want) = (whole[row * n + column], expected[row * n + column]);
                // Sums of k products of numbers up to 1, each rounded to 24 bits.
                let bound = 1e-6 * (k as f64).sqrt().max(1.0) * 4.0;
                assert!(
                    (f64::from(got) - want).abs() < bound,
                    "{precision:?} {m}x{n}x{k} layout {layout}, row {row}, column {column}: \
                     {got}, expected {want}"
                );
                assert_eq!(spread[row * (n + 3) + column], got);
            }
            assert!(
                spread[row * (n + 3) + n..(row + 1) * (n + 3)]
                    .iter()
                    .all(|x| x.is_nan())
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn products_agree_with_f64(
            m in 1usize..70, n in 1usize..100, k in 0usize..90, layout in 0u8..4, pad in 0usize..5
        ) {
            compare(Precision::F32, (m, n, k), layout, pad);
            compare(Precision::Bf16, (m, n, k), layout, pad);
        }
    }

    #[test]
    fn blocks_of_depth_width_and_several_threads_agree_with_f64() {
        for layout in 0..4 {
            for shape in [(97, 1061, 1031), (700, 130, 520), (15, 513, 257)] {
                compare(Precision::F32, shape, layout, 3);
                compare(Precision::Bf16, shape, layout, 3);
            }
        }
    }
}
