//! The store as a whole: threads, lock, segments that roll, and the index.
