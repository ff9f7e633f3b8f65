//! The list of strategies: one line each.

use std::collections::BTreeMap;

use crate::{Error, GradAscent, GradDiff, Strategy};

/// A strategy that can be asked for by name.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// Its name.
    pub name: &'static str,
    /// Its paper.
    pub paper: &'static str,
    /// Its hyper-parameters with their defaults.
    pub defaults: &'static [(&'static str, f64)],
    make: fn(&Hyperparameters) -> Result<Box<dyn Strategy>, Error>,
}

/// Every strategy there is.
#[must_use]
#[rustfmt::skip]
pub fn strategies() -> Vec<Registered> {
    vec![
        Registered { name: "grad-ascent", paper: "arXiv 2210.01504", defaults: GradAscent::DEFAULTS, make: GradAscent::from },
        Registered { name: "grad-diff", paper: "arXiv 2203.12817", defaults: GradDiff::DEFAULTS, make: GradDiff::from },
    ]
}

/// The strategy called `name`, with its defaults where `overrides` says nothing.
///
/// # Errors
/// [`Error::UnknownStrategy`] with the known names; [`Error::Hyperparameter`] for a key that the
/// strategy does not have or a value outside its range.
pub fn strategy(name: &str, overrides: &BTreeMap<String, f64>) -> Result<Box<dyn Strategy>, Error> {
    let all = strategies();
    let Some(entry) = all.iter().find(|entry| entry.name == name) else {
        let known: Vec<&str> = all.iter().map(|entry| entry.name).collect();
        return Err(Error::UnknownStrategy {
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    let mut values: BTreeMap<&str, f64> = entry.defaults.iter().copied().collect();
    for (key, &value) in overrides {
        match values.get_mut(key.as_str()) {
            Some(slot) => *slot = value,
            None => {
                let keys: Vec<&str> = entry.defaults.iter().map(|(key, _)| *key).collect();
                return Err(Error::Hyperparameter {
                    strategy: entry.name,
                    key: key.clone(),
                    found: value,
                    expected: match keys.is_empty() {
                        true => "no hyper-parameter at all".to_owned(),
                        false => format!("one of {}", keys.join(", ")),
                    },
                });
            }
        }
    }
    (entry.make)(&Hyperparameters {
        strategy: entry.name,
        values,
    })
}

/// A strategy's hyper-parameters, defaults included.
#[derive(Debug, Clone)]
pub struct Hyperparameters<'a> {
    strategy: &'static str,
    values: BTreeMap<&'a str, f64>,
}

impl Hyperparameters<'_> {
    /// A finite value of 0 or more.
    ///
    /// # Errors
    /// [`Error::Hyperparameter`].
    pub fn at_least_zero(&self, key: &str) -> Result<f64, Error> {
        let found = self.values.get(key).copied().unwrap_or(f64::NAN);
        if found >= 0.0 && found.is_finite() {
            return Ok(found);
        }
        Err(Error::Hyperparameter {
            strategy: self.strategy,
            key: key.to_owned(),
            found,
            expected: "a finite number of 0 or more".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_requests_say_what_there_is() {
        let error = strategy("gradascent", &BTreeMap::new())
            .expect_err("unknown")
            .to_string();
        assert!(error.contains("grad-ascent, grad-diff"), "{error}");
        let with = |name: &str, key: &str, value| {
            strategy(name, &[(key.to_owned(), value)].into()).map(|s| s.name())
        };
        assert_eq!(with("grad-diff", "alpha", 2.0).expect("valid"), "grad-diff");
        let error = with("grad-diff", "beta", 1.0)
            .expect_err("unknown key")
            .to_string();
        assert!(error.contains("one of gamma, alpha"), "{error}");
        let error = with("grad-diff", "alpha", -1.0)
            .expect_err("negative")
            .to_string();
        assert!(error.contains("0 or more"), "{error}");
        assert!(with("grad-ascent", "alpha", 1.0).is_err());
    }

    #[test]
    fn registered_names_are_the_strategies_own() {
        for entry in strategies() {
            let made = strategy(entry.name, &BTreeMap::new()).expect("defaults are valid");
            assert_eq!(made.name(), entry.name);
        }
    }
}
