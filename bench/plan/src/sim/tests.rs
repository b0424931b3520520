//! What holds in every run.
