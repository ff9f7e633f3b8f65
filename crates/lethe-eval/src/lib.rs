//! Probes, metrics and result rows.
