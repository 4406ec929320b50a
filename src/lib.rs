//! session-kit
