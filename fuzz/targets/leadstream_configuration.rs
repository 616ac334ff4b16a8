//! A configuration file, and flags behind zero bytes.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let file = parts.next().map(|text| (Path::new("leadstream.toml"), text));
    let flags: Vec<String> = parts.map(str::to_owned).collect();
    // What secret files hold.
    let read_file = |_: &Path| Ok("secret".to_owned());
    if let Err(mistakes) = leadstream::config::load_from(file, &[], &flags, &read_file) {
        let _ = mistakes.to_string();
    }
});
