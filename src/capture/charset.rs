//! MySQL's charsets, turned into Unicode as the server itself does it.
//!
//! All charsets of MySQL 9.7 are known; one that is not (a user's own) is refused by name. Bytes
//! that have no character are an error: nothing is ever replaced.

mod multi_byte;
mod single_byte;

use std::collections::HashMap;

use encoding_rs::Encoding;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use mysql_common::collations::{Collation, CollationId};

use multi_byte::MultiByte;
use single_byte::SingleByte;

use super::connection::query_error;
use super::error::Error;
use super::settings::SourceSettings;

/// MySQL's collation `binary`: the bytes are not text.
pub(super) const BINARY: u16 = 63;
/// utf8mb4_general_ci.
pub(super) const UTF8: u16 = 45;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Ascii,
    Utf32,
    /// The table of `encoding_rs` is MySQL's.
    Table(&'static Encoding),
    SingleByte(&'static SingleByte),
    MultiByte(&'static MultiByte),
}

/// No collation has it, so that the charset counts as unknown.
pub(super) const NO_COLLATION: u16 = u16::MAX;

/// What the numbers of one server's collations mean. From 576 on MariaDB has numbers of its own;
/// MySQL leaves 1024 to 2047 to its users (MySQL manual, "Choosing a Collation ID").
#[derive(Clone, Debug, Default)]
pub(super) enum Numbering {
    /// Fits a MySQL server without collations of its users as well.
    #[default]
    MariaDb,
    /// By a user's number: a number of the server's own, of the same charset.
    MySql(HashMap<u16, u16>),
}

impl Numbering {
    /// What [`of_collation`] is to be asked instead of this server's number.
    pub(super) fn resolve(&self, id: u16) -> u16 {
        match self {
            Numbering::MySql(users) if id >= FIRST_FREE => {
                users.get(&id).copied().unwrap_or(NO_COLLATION)
            }
            Numbering::MySql(_) | Numbering::MariaDb => id,
        }
    }

    /// Of a MySQL server.
    pub(super) async fn ask(conn: &mut Conn, settings: &SourceSettings) -> Result<Self, Error> {
        let rows: Vec<(u16, u16)> = conn
            .exec(
                "SELECT CAST(own.id AS UNSIGNED), CAST(MIN(of_server.id) AS UNSIGNED) \
                 FROM information_schema.collations AS own \
                 JOIN information_schema.collations AS of_server \
                 ON of_server.character_set_name = own.character_set_name \
                 WHERE own.id BETWEEN ? AND ? AND of_server.id < ? GROUP BY own.id",
                (FIRST_FREE, NO_COLLATION - 1, FIRST_FREE),
            )
            .await
            .map_err(|error| query_error(settings, "read the server's collations", error))?;
        Ok(Self::MySql(rows.into_iter().collect()))
    }
}

/// The first number behind those that MySQL itself uses; its own end at 323.
const FIRST_FREE: u16 = 576;

/// The charset of a collation, or the name of one that is not supported.
pub(super) fn of_collation(id: u16) -> Result<Charset, String> {
    if id == NO_COLLATION {
        return Err("of a collation that the server does not list".to_owned());
    }
    if let Some(name) = of_mariadb(id) {
        return of_name(name).ok_or_else(|| name.to_owned());
    }
    // MariaDB numbers those that do not pad 1024 above their fellows.
    let id = if (1024..2048).contains(&id) {
        id - 1024
    } else {
        id
    };
    match Collation::resolve(CollationId::from(id)).charset() {
        "unknown" | "UNKNOWN" | "" => Err(format!("of collation {id}")),
        name => of_name(name).ok_or_else(|| name.to_owned()),
    }
}

/// MariaDB's own blocks of collations (read off the information_schema of 10.11); all others have
/// MySQL's numbers.
fn of_mariadb(id: u16) -> Option<&'static str> {
    match id {
        576..=607 | 2048..=2303 => Some("utf8mb3"),
        608..=639 | 2304..=2559 => Some("utf8mb4"),
        640..=671 | 2560..=2815 => Some("ucs2"),
        672..=703 | 2816..=3071 => Some("utf16"),
        736..=767 | 3072..=3327 => Some("utf32"),
        _ => None,
    }
}

pub(super) fn of_name(name: &str) -> Option<Charset> {
    Some(match name {
        "utf8mb4" | "utf8mb3" | "utf8" => Charset::Utf8,
        "ascii" => Charset::Ascii,
        // MySQL's latin1 is Windows-1252 with the five holes as control characters, as in the
        // WHATWG table (MySQL manual, "West European Character Sets").
        "latin1" => Charset::Table(encoding_rs::WINDOWS_1252),
        "latin2" => Charset::Table(encoding_rs::ISO_8859_2),
        "latin7" => Charset::Table(encoding_rs::ISO_8859_13),
        "koi8r" => Charset::Table(encoding_rs::KOI8_R),
        "macroman" => Charset::Table(encoding_rs::MACINTOSH),
        "gbk" => Charset::Table(encoding_rs::GBK),
        "cp932" => Charset::Table(encoding_rs::SHIFT_JIS),
        "euckr" => Charset::Table(encoding_rs::EUC_KR),
        "armscii8" => Charset::SingleByte(&single_byte::ARMSCII8),
        "cp1250" => Charset::SingleByte(&single_byte::CP1250),
        "cp1251" => Charset::SingleByte(&single_byte::CP1251),
        "cp1256" => Charset::SingleByte(&single_byte::CP1256),
        "cp1257" => Charset::SingleByte(&single_byte::CP1257),
        "cp850" => Charset::SingleByte(&single_byte::CP850),
        "cp852" => Charset::SingleByte(&single_byte::CP852),
        "cp866" => Charset::SingleByte(&single_byte::CP866),
        "dec8" => Charset::SingleByte(&single_byte::DEC8),
        "geostd8" => Charset::SingleByte(&single_byte::GEOSTD8),
        "greek" => Charset::SingleByte(&single_byte::GREEK),
        "hebrew" => Charset::SingleByte(&single_byte::HEBREW),
        "hp8" => Charset::SingleByte(&single_byte::HP8),
        "keybcs2" => Charset::SingleByte(&single_byte::KEYBCS2),
        "koi8u" => Charset::SingleByte(&single_byte::KOI8U),
        "latin5" => Charset::SingleByte(&single_byte::LATIN5),
        "macce" => Charset::SingleByte(&single_byte::MACCE),
        "swe7" => Charset::SingleByte(&single_byte::SWE7),
        "tis620" => Charset::SingleByte(&single_byte::TIS620),
        "big5" => Charset::MultiByte(&multi_byte::BIG5),
        "gb2312" => Charset::MultiByte(&multi_byte::GB2312),
        "gb18030" => Charset::MultiByte(&multi_byte::GB18030),
        "sjis" => Charset::MultiByte(&multi_byte::SJIS),
        "ujis" => Charset::MultiByte(&multi_byte::UJIS),
        "eucjpms" => Charset::MultiByte(&multi_byte::EUCJPMS),
        "ucs2" | "utf16" => Charset::Table(encoding_rs::UTF_16BE),
        "utf16le" => Charset::Table(encoding_rs::UTF_16LE),
        "utf32" => Charset::Utf32,
        _ => return None,
    })
}

impl Charset {
    /// The text, or why the bytes are none. UTF-8 costs no copy.
    pub(super) fn decode(self, bytes: Vec<u8>) -> Result<String, String> {
        match self {
            Charset::Utf8 => {
                String::from_utf8(bytes).map_err(|_| "its bytes are not utf-8".to_owned())
            }
            Charset::Ascii if bytes.is_ascii() => {
                String::from_utf8(bytes).map_err(|_| "its bytes are not ascii".to_owned())
            }
            Charset::Ascii => Err("its bytes are not ascii".to_owned()),
            Charset::Utf32 => decode_utf32(&bytes).ok_or("its bytes are not utf-32".to_owned()),
            Charset::Table(table) => table
                .decode_without_bom_handling_and_without_replacement(&bytes)
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(|| format!("its bytes are not {}", table.name())),
            Charset::SingleByte(table) => table
                .decode(&bytes)
                .ok_or_else(|| format!("its bytes are not {}", table.name)),
            Charset::MultiByte(table) => table
                .decode(&bytes)
                .ok_or_else(|| format!("its bytes are not {}", table.name)),
        }
    }
}

fn decode_utf32(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    bytes
        .chunks_exact(4)
        .map(|unit| char::from_u32(u32::from_be_bytes([unit[0], unit[1], unit[2], unit[3]])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, bytes: &[u8], text: &str) {
        assert_eq!(
            of_name(name).unwrap().decode(bytes.to_vec()).as_deref(),
            Ok(text),
            "{name}"
        );
    }

    #[test]
    fn text_of_every_family_becomes_unicode() {
        check("utf8mb4", "Zoë 🚀".as_bytes(), "Zoë 🚀");
        check("ascii", b"Zoe", "Zoe");
        check("latin1", b"Zo\xeb \x80", "Zoë €");
        check("latin1", b"\x81", "\u{81}");
        check("cp1251", b"\xcf\xf0\xe8", "При");
        check("ucs2", b"\x00Z\x00\xeb", "Zë");
        check("utf16", b"\xd8\x3d\xde\x80", "🚀");
        check("utf16le", b"Z\x00", "Z");
        check("utf32", b"\x00\x01\xf6\x80", "🚀");
        check("cp932", b"\x83\x65", "テ");
    }

    #[test]
    fn mysqls_own_characters_win_over_those_of_the_standard() {
        check("latin5", b"\xddz \x80", "İz \u{80}");
        check("koi8u", b"\x95\xa4", "•є");
        check("cp866", b"\xfc", "ⁿ");
        check("tis620", b"\xa1\x80", "ก\u{80}");
        check("swe7", b"[A]", "ÄAÅ");
        check("macce", b"\x81", "Ā");
        check("sjis", b"A\x81\x5f\x83\x65\x81\x60", "A\\テ〜");
        check(
            "ujis",
            b"\xa1\xc1\xa4\xa2\xf5\xa1\x8f\xf5\xa1",
            "〜あ\u{e000}\u{e3ac}",
        );
        check("eucjpms", b"\xa1\xc1\x8f\xf4\xae", "～炻");
        check("big5", b"\xa1\x45\xa4\x40\xc7\xf3", "•一⑴");
        check("gb2312", b"\xa1\xaa\xb0\xa1", "―啊");
        check("gb18030", b"\xa6\xd9\x81\x30\x81\x30", "\u{e78d}\u{80}");
    }

    #[test]
    fn bytes_outside_the_charset_are_refused_not_replaced() {
        for (name, bytes) in [
            ("utf8mb4", &b"\xff"[..]),
            ("ascii", b"\x80"),
            ("utf16", b"\xd8\x3d"),
            ("utf32", b"\0\0"),
            ("cp1250", b"\x81"),
            ("greek", b"\xff"),
            ("swe7", b"\x80"),
            ("sjis", b"\x81"),
            ("ujis", b"\x8f\xf5"),
            ("gb18030", b"\x81\x30\x81"),
        ] {
            assert!(
                of_name(name).unwrap().decode(bytes.to_vec()).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn collations_lead_to_their_charset_and_unknown_ones_are_named() {
        assert_eq!(of_collation(255), Ok(Charset::Utf8));
        assert_eq!(
            of_collation(8),
            Ok(Charset::Table(encoding_rs::WINDOWS_1252))
        );
        assert_eq!(of_collation(1107), Ok(Charset::Utf8));
        assert_eq!(of_collation(2304), Ok(Charset::Utf8));
        assert_eq!(of_collation(9999), Err("of collation 9999".to_owned()));
    }

    #[test]
    fn a_number_of_mysqls_users_is_not_taken_for_one_of_mariadbs() {
        // 1032 is latin1 without padding there, and whatever a user made of it here.
        let latin1 = Ok(Charset::Table(encoding_rs::WINDOWS_1252));
        assert_eq!(of_collation(Numbering::MariaDb.resolve(1032)), latin1);
        let mysql = Numbering::MySql(HashMap::from([(1032, 45)]));
        assert_eq!(of_collation(mysql.resolve(1032)), Ok(Charset::Utf8));
        assert_eq!(of_collation(mysql.resolve(8)), latin1);
        for unlisted in [608, 1033, 2304] {
            let reason = of_collation(mysql.resolve(unlisted)).unwrap_err();
            assert!(reason.contains("does not list"), "{unlisted}: {reason}");
        }
    }
}
