//! MySQL's charsets, as far as they can be turned into Unicode without guessing.
//!
//! A charset whose table is not exactly known is refused by name; nothing is ever replaced.

use encoding_rs::Encoding;
use mysql_common::collations::{Collation, CollationId};

/// MySQL's collation `binary`: the bytes are not text.
pub(super) const BINARY: u16 = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Ascii,
    Utf32,
    Table(&'static Encoding),
}

/// The charset of a collation, or the name of one that is not supported.
pub(super) fn of_collation(id: u16) -> Result<Charset, String> {
    match Collation::resolve(CollationId::from(id)).charset() {
        "UNKNOWN" | "" => Err(format!("of collation {id}")),
        name => of_name(name).ok_or_else(|| name.to_owned()),
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
        "greek" => Charset::Table(encoding_rs::ISO_8859_7),
        "hebrew" => Charset::Table(encoding_rs::ISO_8859_8),
        "cp1250" => Charset::Table(encoding_rs::WINDOWS_1250),
        "cp1251" => Charset::Table(encoding_rs::WINDOWS_1251),
        "cp1256" => Charset::Table(encoding_rs::WINDOWS_1256),
        "cp1257" => Charset::Table(encoding_rs::WINDOWS_1257),
        "cp866" => Charset::Table(encoding_rs::IBM866),
        "koi8r" => Charset::Table(encoding_rs::KOI8_R),
        "koi8u" => Charset::Table(encoding_rs::KOI8_U),
        "macroman" => Charset::Table(encoding_rs::MACINTOSH),
        "gbk" | "gb2312" => Charset::Table(encoding_rs::GBK),
        "gb18030" => Charset::Table(encoding_rs::GB18030),
        "big5" => Charset::Table(encoding_rs::BIG5),
        "sjis" | "cp932" => Charset::Table(encoding_rs::SHIFT_JIS),
        "ujis" | "eucjpms" => Charset::Table(encoding_rs::EUC_JP),
        "euckr" => Charset::Table(encoding_rs::EUC_KR),
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
        check("sjis", b"\x83\x65", "テ");
    }

    #[test]
    fn bytes_outside_the_charset_are_refused_not_replaced() {
        for (name, bytes) in [
            ("utf8mb4", &b"\xff"[..]),
            ("ascii", b"\x80"),
            ("utf16", b"\xd8\x3d"),
            ("utf32", b"\0\0"),
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
        assert_eq!(of_collation(4), Err("cp850".to_owned()));
        assert!(of_collation(9999).is_err());
    }
}
