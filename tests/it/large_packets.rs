//! Packets of several parts come through the driver as they were sent, above all where a part ends just
//! where the packet does.

use leadstream::rehearsal::MysqlOptions;
use mysql_async::prelude::Queryable;

use crate::harness::tap::{connect, start_mysql};

/// What one part of a packet holds at most.
const PART: usize = 0xFF_FFFF;

#[tokio::test]
async fn texts_at_the_borders_of_a_packets_parts_come_whole() {
    let mysql = start_mysql(MysqlOptions {
        extra_args: vec!["--max-allowed-packet=128M".to_owned()],
        ..MysqlOptions::default()
    });
    let mut conn = connect(&mysql).await;
    // The row's packet is the text behind its length: 4 bytes below 16 MiB, 9 from there on.
    let large = 256 << 10;
    for length in [
        large - 5,
        large - 4,
        PART - 5,
        PART - 4,
        PART - 3,
        PART,
        2 * PART - 10,
        2 * PART - 9,
        2 * PART - 8,
        2 * PART + large,
    ] {
        // Rows around it show that the stream of bytes goes on where the packet ends.
        let query = format!(
            "SELECT 'before' UNION ALL SELECT RIGHT(REPEAT('0123456789', {length} DIV 10 + 1), {length}) \
             UNION ALL SELECT 'behind'"
        );
        let rows: Vec<Vec<u8>> = conn.query(query).await.expect("three rows");
        assert_eq!(rows.len(), 3, "{length}");
        assert_eq!(
            (&rows[0][..], &rows[2][..]),
            (&b"before"[..], &b"behind"[..])
        );
        let digits = b"0123456789".repeat(length / 10 + 1);
        let is_whole = rows[1] == digits[digits.len() - length..];
        assert!(is_whole, "{length}: {} came", rows[1].len());
    }
    conn.disconnect().await.expect("a clean goodbye");
}
