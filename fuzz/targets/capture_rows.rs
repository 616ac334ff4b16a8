//! A table map and a rows event.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leadstream::capture::fuzzing::rows(bytes));
