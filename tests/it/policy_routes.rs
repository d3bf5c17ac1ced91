//! The routes that an administrator requires.
