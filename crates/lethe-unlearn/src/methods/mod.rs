//! The methods, one file each: the loss from the paper's equation, its reference, the defaults that
//! the field runs it with. `ℓ` is a mean over target tokens, `NLL` a sum over a sequence's.

pub(crate) mod ceu;
pub(crate) mod dpo;
pub(crate) mod grad_ascent;
pub(crate) mod grad_diff;
pub(crate) mod lingtea;
pub(crate) mod located;
pub(crate) mod npo;
pub(crate) mod pdu;
pub(crate) mod rmu;
pub(crate) mod satimp;
pub(crate) mod simnpo;
pub(crate) mod task_vector;
pub(crate) mod undial;
pub(crate) mod wga;
