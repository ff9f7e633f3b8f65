//! Strategies by name.

use std::collections::BTreeMap;

use crate::methods;
use crate::{Error, Retain, Strategy};

/// A strategy that can be asked for by name: its paper, its hyper-parameters, and how it is made.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// Its name.
    pub name: &'static str,
    /// What the field calls it.
    pub title: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// Its own hyper-parameters. Every strategy also has `gamma` and `alpha`.
    pub hyperparameters: &'static [Hyperparameter],
    /// The retain loss that comes with it.
    pub retain: Retain,
    /// The weight of its loss.
    pub gamma: f64,
    /// The weight of the retain loss.
    pub alpha: f64,
    /// Makes it; the values are within their ranges.
    pub make: fn(&Values) -> Box<dyn Strategy>,
}

/// A hyper-parameter of a strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyperparameter {
    /// Its name.
    pub name: &'static str,
    /// Its value where none is given.
    pub default: f64,
    /// The least value.
    pub least: f64,
    /// The greatest value.
    pub most: f64,
    /// What it does, with its unit.
    pub meaning: &'static str,
}

impl Registered {
    /// In the place of a paper: the strategy was first published here.
    pub const OWN: &str = "Lethe";
}

impl Hyperparameter {
    /// One that may be any number of 0 or more.
    #[must_use]
    pub const fn positive(name: &'static str, default: f64, meaning: &'static str) -> Self {
        Hyperparameter {
            name,
            default,
            least: 0.0,
            most: f64::MAX,
            meaning,
        }
    }

    /// The same with other bounds.
    #[must_use]
    pub const fn between(self, least: f64, most: f64) -> Self {
        Hyperparameter {
            least,
            most,
            ..self
        }
    }

    fn range(&self) -> String {
        match (self.least, self.most) {
            (least, f64::MAX) => format!("a finite number of {least} or more"),
            (least, most) => format!("a number from {least} to {most}"),
        }
    }
}

/// Values of hyper-parameters, defaults included.
#[derive(Debug, Clone, PartialEq)]
pub struct Values(BTreeMap<&'static str, f64>);

impl Values {
    /// A hyper-parameter's value.
    ///
    /// # Panics
    /// When the strategy is registered without it.
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(value) => *value,
            None => panic!("{name} is not among the registered hyper-parameters"),
        }
    }
}

/// A strategy with everything that is chosen beside it: what a step minimises is
/// `gamma · loss + alpha · retain loss`. For one run: some strategies change while they run.
#[derive(Debug)]
pub struct Method {
    /// The name that it was asked for by.
    pub name: String,
    /// The loss on the forget set.
    pub strategy: Box<dyn Strategy>,
    /// The loss on the retain set.
    pub retain: Retain,
    /// The weight of the first.
    pub gamma: f64,
    /// The weight of the second.
    pub alpha: f64,
    /// The share of layers after which [`Retain::Embedding`] compares.
    pub depth: f64,
}

impl Method {
    /// Whether there has to be a retain set.
    #[must_use]
    pub fn needs_retain(&self) -> bool {
        self.strategy.needs().retain || self.retain != Retain::None
    }
}

/// The strategies that there are.
#[derive(Debug, Clone)]
pub struct Registry(Vec<Registered>);

impl Registry {
    /// Those of this crate.
    #[must_use]
    pub fn builtin() -> Registry {
        Registry(vec![
            methods::grad_ascent::GRAD_ASCENT,
            methods::grad_diff::GRAD_DIFF,
            methods::grad_ascent::GRAD_ASCENT_KL,
            methods::npo::NPO,
            methods::npo::NPO_CE,
            methods::npo::NPO_KL,
            methods::simnpo::SIMNPO,
            methods::simnpo::SIMNPO_CE,
            methods::dpo::DPO,
            methods::dpo::IDK_DPO,
            methods::dpo::ALT_PO,
            methods::rmu::RMU,
            methods::undial::UNDIAL,
            methods::wga::WGA,
            methods::satimp::SAT_IMP,
            methods::ceu::CEU,
            methods::pdu::PDU,
            methods::task_vector::TASK_VECTOR,
            methods::lingtea::LINGTEA,
            methods::located::LOCATED,
        ])
    }

    /// These alone.
    #[must_use]
    pub fn of(strategies: Vec<Registered>) -> Registry {
        Registry(strategies)
    }

    /// With one more.
    ///
    /// # Errors
    /// [`Error::Registered`] when there is one of that name.
    pub fn with(mut self, strategy: Registered) -> Result<Registry, Error> {
        if self.0.iter().any(|known| known.name == strategy.name) {
            return Err(Error::Registered(strategy.name));
        }
        self.0.push(strategy);
        Ok(self)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Registered] {
        &self.0
    }

    /// The strategy called `name`, or that of which `name` is a variant with another retain loss.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Registered> {
        let find = |name: &str| self.0.iter().find(|known| known.name == name);
        let first = || find(name.rsplit_once('+')?.0);
        find(name).or_else(first)
    }

    /// The strategy called `name`, with its defaults where `overrides` says nothing. `NAME+RETAIN`
    /// is a strategy with another retain loss: `npo+kl`.
    ///
    /// # Errors
    /// [`Error::UnknownStrategy`] with the known names and the nearest, [`Error::UnknownRetain`];
    /// [`Error::Hyperparameter`] for a key that the strategy does not have or a value outside its
    /// range.
    pub fn method(&self, name: &str, overrides: &BTreeMap<String, f64>) -> Result<Method, Error> {
        let found = self.find(name).ok_or_else(|| self.unknown(name))?;
        let retain = match name.strip_prefix(found.name) {
            Some(added) if !added.is_empty() => added.trim_start_matches('+').parse()?,
            _ => found.retain,
        };
        // A retain loss that is added needs a weight.
        let alpha = match found.retain {
            Retain::None if retain != Retain::None => 1.0,
            _ => found.alpha,
        };
        let weights = [
            Hyperparameter::positive("gamma", found.gamma, "weight of the forget loss"),
            Hyperparameter::positive("alpha", alpha, "weight of the retain loss"),
        ];
        let known: Vec<&Hyperparameter> = found.hyperparameters.iter().chain(&weights).collect();
        let mut values: BTreeMap<&'static str, f64> =
            known.iter().map(|h| (h.name, h.default)).collect();
        for (key, &value) in overrides {
            let wrong = |expected: String| Error::Hyperparameter {
                strategy: found.name,
                key: key.clone(),
                found: value,
                expected,
            };
            let Some(known) = known.iter().find(|h| h.name == key) else {
                let names: Vec<&str> = known.iter().map(|h| h.name).collect();
                return Err(wrong(format!("one of {}", names.join(", "))));
            };
            if !(known.least..=known.most).contains(&value) {
                return Err(wrong(known.range()));
            }
            values.insert(known.name, value);
        }
        let values = Values(values);
        Ok(Method {
            name: name.to_owned(),
            strategy: (found.make)(&values),
            retain,
            gamma: values.get("gamma"),
            alpha: values.get("alpha"),
            depth: values.0.get("depth").copied().unwrap_or(1.0),
        })
    }

    fn unknown(&self, name: &str) -> Error {
        let known: Vec<&str> = self.0.iter().map(|known| known.name).collect();
        let nearest = known
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
        Error::UnknownStrategy {
            name: name.to_owned(),
            nearest: nearest.copied().unwrap_or_default(),
            known: known.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str, key: &str, value: f64) -> Result<Method, Error> {
        Registry::builtin().method(name, &[(key.to_owned(), value)].into())
    }

    #[test]
    fn bad_requests_say_what_there_is() {
        let said = |name, key, value| method(name, key, value).expect_err("bad").to_string();
        let error = said("grad-acsent", "gamma", 1.0);
        assert!(error.contains("nearest is \"grad-ascent\""), "{error}");
        assert!(error.contains("grad-diff, "), "{error}");
        let error = said("npo", "betta", 1.0);
        assert!(error.contains("one of beta, gamma, alpha"), "{error}");
        let error = said("grad-diff", "alpha", -1.0);
        assert!(error.contains("of 0 or more"), "{error}");
        let error = said("rmu", "depth", 2.0);
        assert!(error.contains("from 0 to 1"), "{error}");
        assert!(said("npo", "beta", f64::NAN).contains("npo: beta = NaN"));
        assert!(said("npo", "beta", f64::INFINITY).contains("inf"));
        assert!(said("npo+lk", "beta", 0.1).contains("none, ce, kl, embedding"));
        assert_eq!(method("grad-diff", "alpha", 2.0).expect("good").alpha, 2.0);
    }

    #[test]
    fn a_retain_loss_can_be_added_or_taken_away() {
        let plain = method("npo", "beta", 0.2).expect("good");
        assert_eq!((plain.retain, plain.needs_retain()), (Retain::None, false));
        let with = method("npo+embedding", "beta", 0.2).expect("good");
        assert_eq!((with.retain, with.alpha), (Retain::Embedding, 1.0));
        let without = method("grad-diff+none", "gamma", 1.0).expect("good");
        assert!(!without.needs_retain());
    }

    #[test]
    fn names_are_there_once_and_defaults_are_within_their_ranges() {
        let registry = Registry::builtin();
        let mut names: Vec<&str> = registry.all().iter().map(|r| r.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), registry.all().len());
        for entry in registry.all() {
            for h in entry.hyperparameters {
                assert!(
                    (h.least..=h.most).contains(&h.default),
                    "{} {}",
                    entry.name,
                    h.name
                );
            }
            registry
                .method(entry.name, &BTreeMap::new())
                .expect("the defaults are good");
        }
        let again = registry.clone().with(methods::npo::NPO);
        assert!(matches!(again, Err(Error::Registered("npo"))));
    }
}
