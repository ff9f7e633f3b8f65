//! The strategy among the others.

use lethe_unlearn::{Registry, contract};
use my_strategy::BOUNDED_ASCENT;

#[test]
fn it_keeps_what_every_strategy_must() {
    let broken = contract::check(&BOUNDED_ASCENT).expect("the checks can be made");
    assert!(broken.is_empty(), "{}", broken.join("; "));
}

#[test]
fn it_is_found_by_its_name_and_takes_any_retain_loss() {
    let registry = Registry::builtin()
        .with(BOUNDED_ASCENT)
        .expect("the name is free");
    let level = [("level".to_owned(), 5.0)].into();
    let method = registry
        .method("bounded-ascent+kl", &level)
        .expect("it is registered");
    assert_eq!(method.alpha, 1.0);
    let negative = [("level".to_owned(), -1.0)].into();
    let error = registry
        .method("bounded-ascent", &negative)
        .expect_err("out of range");
    assert!(
        error
            .to_string()
            .contains("level = -1; expected a finite number of 0 or more")
    );
}
