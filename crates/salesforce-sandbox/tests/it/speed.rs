//! How fast the sandbox takes collections. Not a gate: run it by hand in release mode with `--ignored`.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use salesforce_sandbox::OrgConfig;
use serde_json::json;

use crate::harness::{Ask, COLLECTIONS, Org, lead_with};

const CALLS: usize = 2_000;

/// Prints records per second of wall time and microseconds of processor time per record (client included).
#[test]
#[ignore = "a measurement, not a check"]
fn collections_of_200_over_one_connection() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 1_000_000,
        ..OrgConfig::default()
    });
    let requests: Vec<Vec<u8>> = (0..CALLS).map(|call| request(&org, call)).collect();
    let mut stream = TcpStream::connect(org.sandbox.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    for round in ["insert", "update"] {
        let (start, cpu) = (Instant::now(), cpu_micros());
        let mut buffer = vec![0; 1 << 16];
        for bytes in &requests {
            stream.write_all(bytes).unwrap();
            read_reply(&mut stream, &mut buffer);
        }
        let records = (CALLS * 200) as f64;
        let line = format!(
            "{round}: {:.0} records/s, {:.2} us CPU per record, {} bytes per request\n",
            records / start.elapsed().as_secs_f64(),
            (cpu_micros() - cpu) / records,
            requests[0].len()
        );
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(org.sandbox.stats().leads, (CALLS * 200) as u64);
}

fn request(org: &Org, call: usize) -> Vec<u8> {
    let records: Vec<_> = (0..200)
        .map(|n| {
            lead_with(
                &format!("shop-{}", call * 200 + n),
                json!({ "FirstName": "Ada", "Email": format!("ada{n}@example.com"), "Phone": "+49 30 1234567",
                        "Title": "Head of Operations", "Newsletter__c": true, "Score__c": 12.5,
                        "Signup_At__c": "2026-03-29T02:30:00.123Z", "Plan__c": "Team" }),
            )
        })
        .collect();
    let ask: Ask = org
        .ask("PATCH", COLLECTIONS)
        .json(&json!({ "allOrNone": false, "records": records }));
    ask.bytes(false)
}

fn read_reply(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).unwrap();
        let Some(head) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        let length = text
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "))
            .unwrap()
            .parse::<usize>()
            .unwrap();
        if filled == head + 4 + length {
            return;
        }
    }
}

/// User and system time of this process, from `/proc/self/stat` in ticks of 10 ms.
pub fn cpu_micros() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10_000.0
}
