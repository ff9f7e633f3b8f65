//! Loops that the compiler turns into vector instructions, compiled twice: for any processor, and
//! for one with AVX-512, chosen when they run.

/// Defines a function whose body is compiled for AVX-512 too.
macro_rules! wide {
    ($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name($($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn wide($($argument: $type),*) $(-> $out)? {
                    plain($($argument),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the processor has what `wide` is compiled for.
                    return unsafe { wide($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}
pub(crate) use wide;

/// Independent partial results of a sum or a maximum: a vector register's worth.
const LANES: usize = 16;

/// `Σ f(a, b)` over two slices of the same length.
#[inline(always)]
pub(crate) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_parts.remainder(), b_parts.remainder());
    for (a, b) in a_parts.zip(b_parts) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(a, b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// `Σ f(a)`.
#[inline(always)]
pub(crate) fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum2(a, a, |a, _| f(a))
}

/// The greatest number; negative infinity of none.
#[inline(always)]
pub(crate) fn maximum(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let parts = a.chunks_exact(LANES);
    let rest = parts.remainder();
    // A comparison rather than `f32::max`, whose treatment of NaN costs instructions. NaN must not
    // vanish all the same: whoever subtracts the maximum from it still has NaN.
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    for part in parts {
        for (lane, &a) in lanes.iter_mut().zip(part) {
            *lane = greater(*lane, a);
        }
    }
    let all = lanes.iter().chain(rest);
    all.fold(f32::NEG_INFINITY, |a, &b| greater(a, b))
}

/// `eˣ` within 2 units in the last place for `-87 ≤ x ≤ 88`, and the bounds' values outside; NaN
/// stays.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Added to a number below 2²², it leaves the nearest integer in the last bits.
    const SHIFT: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_145_75;
    const LN2_LOW: f32 = 1.428_606_8e-6;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    // Taylor's series: |r| ≤ ln 2 / 2, and the first term left out is below 2⁻²⁵.
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    wide! {
        fn exp_all(x: &mut [f32]) {
            for x in x {
                *x = exp(*x);
            }
        }
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let inputs: Vec<f32> = (0..1_750_001).map(|i| -87.0 + i as f32 * 1e-4).collect();
        let mut fast = inputs.clone();
        exp_all(&mut fast);
        for (&x, &fast) in inputs.iter().zip(&fast) {
            for got in [fast, exp(x)] {
                let want = f64::from(x).exp();
                let unit = f64::from(f32::EPSILON) * want;
                assert!(
                    (f64::from(got) - want).abs() <= 2.0 * unit,
                    "exp({x}): {got}, {want}"
                );
            }
        }
        assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
        assert_eq!(exp(1e9), exp(88.0));
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn reductions_see_every_element() {
        for n in [0, 1, 15, 16, 17, 40] {
            let a: Vec<f32> = (0..n).map(|i| i as f32 - 20.0).collect();
            let want: f32 = a.iter().sum();
            assert_eq!(sum(&a, |a| a), want);
            assert_eq!(
                sum2(&a, &a, |a, b| a * b),
                a.iter().map(|a| a * a).sum::<f32>()
            );
            for at in 0..n {
                let mut a = a.clone();
                a[at] = 99.0;
                assert_eq!(maximum(&a), 99.0);
            }
        }
        assert_eq!(maximum(&[]), f32::NEG_INFINITY);
    }
}
