//! Statistics, tables, figures and the HTML report, from result files only.
