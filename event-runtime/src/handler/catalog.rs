//! The handlers of this program, checked.
