//! Compares what is wanted with what exists.
