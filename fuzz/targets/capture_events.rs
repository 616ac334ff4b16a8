//! A binlog, event by event.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leadstream::capture::fuzzing::events(bytes));
