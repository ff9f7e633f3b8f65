//! Unlearning strategies behind one trait, each with any language scope.
