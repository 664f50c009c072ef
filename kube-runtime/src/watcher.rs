//! List and watch, for ever.
