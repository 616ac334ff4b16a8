//! Charsets of several bytes per character: the tables of `encoding_rs`, but for the characters
//! that MySQL reads otherwise.
//!
//! The differences were read off MySQL 9.7.4 for every sequence of two and three bytes. Where the
//! server has no character at all (`SELECT` then prints `?`) and the WHATWG table has one, the
//! latter stands: nothing is lost that way.

use encoding_rs::Encoding;

#[derive(Debug)]
pub(in crate::capture) struct MultiByte {
    pub(super) name: &'static str,
    table: &'static Encoding,
    /// Bytes of the character that begins so.
    width: fn(&[u8]) -> usize,
    /// Rows 0xF5 to 0xFE of an EUC hold a user's own characters.
    user_rows: bool,
    /// In the order of their codes.
    others: &'static [Run],
}

/// Codes in a row: the first, its character, how many.
#[derive(Debug)]
struct Run(u32, u32, u32);

impl PartialEq for MultiByte {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MultiByte {}

impl MultiByte {
    /// The text, or `None` when the bytes are none.
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<String> {
        let mut text = String::with_capacity(bytes.len());
        // What `encoding_rs` reads right is given to it in one piece.
        let (mut plain, mut at) = (0, 0);
        while at < bytes.len() {
            let width = (self.width)(&bytes[at..]);
            let other = bytes
                .get(at..at + width)
                .filter(|code| code.len() > 1)
                .and_then(|code| self.other(code));
            if let Some(character) = other {
                self.append(&bytes[plain..at], &mut text)?;
                text.push(character);
                plain = at + width;
            }
            at += width;
        }
        self.append(&bytes[plain..], &mut text)?;
        Some(text)
    }

    fn append(&self, bytes: &[u8], text: &mut String) -> Option<()> {
        let decoded = self
            .table
            .decode_without_bom_handling_and_without_replacement(bytes)?;
        text.push_str(&decoded);
        Some(())
    }

    /// The character that MySQL reads where the table has another one, or none.
    fn other(&self, code: &[u8]) -> Option<char> {
        if self.user_rows
            && let Some(character) = user_character(code)
        {
            return Some(character);
        }
        let code = code
            .iter()
            .fold(0, |code: u32, byte| code << 8 | u32::from(*byte));
        let before = self.others.partition_point(|run| run.0 <= code);
        let Run(first, character, count) = self.others.get(before.checked_sub(1)?)?;
        let offset = code - first;
        (offset < *count).then(|| char::from_u32(character + offset))?
    }
}

/// Rows 0xF5 to 0xFE are U+E000 and up, those behind 0x8F go on at U+E3AC.
fn user_character(code: &[u8]) -> Option<char> {
    let (base, row, cell) = match code {
        [row @ 0xF5..=0xFE, cell @ 0xA1..=0xFE] => (0xE000, row, cell),
        [0x8F, row @ 0xF5..=0xFE, cell @ 0xA1..=0xFE] => (0xE3AC, row, cell),
        _ => return None,
    };
    char::from_u32(base + u32::from(row - 0xF5) * 94 + u32::from(cell - 0xA1))
}

fn double_byte(bytes: &[u8]) -> usize {
    match bytes {
        [0x80..=0xFF, ..] => 2,
        _ => 1,
    }
}

fn gb18030(bytes: &[u8]) -> usize {
    match bytes {
        [0x81..=0xFE, b'0'..=b'9', ..] => 4,
        [0x81..=0xFE, ..] => 2,
        _ => 1,
    }
}

fn shift_jis(bytes: &[u8]) -> usize {
    match bytes {
        [0x81..=0x9F | 0xE0..=0xFC, ..] => 2,
        _ => 1,
    }
}

fn euc(bytes: &[u8]) -> usize {
    match bytes {
        [0x8F, ..] => 3,
        [0x8E | 0xA1..=0xFE, ..] => 2,
        _ => 1,
    }
}

pub(super) static BIG5: MultiByte = MultiByte {
    name: "big5",
    table: encoding_rs::BIG5,
    width: double_byte,
    user_rows: false,
    others: &[
        Run(0xA145, 0x2022, 1),
        Run(0xA14E, 0xFF64, 1),
        Run(0xA1C2, 0x203E, 1),
        Run(0xA1E3, 0x223C, 1),
        Run(0xA1F2, 0x2641, 1),
        Run(0xA1F3, 0x2609, 1),
        Run(0xA241, 0xFF0F, 1),
        Run(0xA242, 0xFF3C, 1),
        Run(0xA244, 0x00A5, 1),
        Run(0xA246, 0x00A2, 2),
        Run(0xC6A1, 0x30FE, 1),
        Run(0xC6A2, 0x309D, 2),
        Run(0xC6A4, 0x3005, 1),
        Run(0xC6A5, 0x3041, 83),
        Run(0xC6F8, 0x30A1, 7),
        Run(0xC740, 0x30A8, 63),
        Run(0xC7A1, 0x30E7, 16),
        Run(0xC7B1, 0x0414, 2),
        Run(0xC7B3, 0x0401, 1),
        Run(0xC7B4, 0x0416, 7),
        Run(0xC7BB, 0x0423, 19),
        Run(0xC7CE, 0x0451, 1),
        Run(0xC7CF, 0x0436, 26),
        Run(0xC7E9, 0x2460, 10),
        Run(0xC7F3, 0x2474, 10),
    ],
};

pub(super) static GB2312: MultiByte = MultiByte {
    name: "gb2312",
    table: encoding_rs::GBK,
    width: double_byte,
    user_rows: false,
    others: &[Run(0xA1A4, 0x30FB, 1), Run(0xA1AA, 0x2015, 1)],
};

/// MySQL has the standard of 2005, `encoding_rs` that of 2022.
pub(super) static GB18030: MultiByte = MultiByte {
    name: "gb18030",
    table: encoding_rs::GB18030,
    width: gb18030,
    user_rows: false,
    others: &[
        Run(0xA3A0, 0xE5E5, 1),
        Run(0xA6D9, 0xE78D, 7),
        Run(0xA6EC, 0xE794, 2),
        Run(0xA6F3, 0xE796, 1),
        Run(0xFE59, 0xE81E, 1),
        Run(0xFE61, 0xE826, 1),
        Run(0xFE66, 0xE82B, 2),
        Run(0xFE6D, 0xE832, 1),
        Run(0xFE7E, 0xE843, 1),
        Run(0xFE90, 0xE854, 1),
        Run(0xFEA0, 0xE864, 1),
    ],
};

pub(super) static SJIS: MultiByte = MultiByte {
    name: "sjis",
    table: encoding_rs::SHIFT_JIS,
    width: shift_jis,
    user_rows: false,
    others: &[
        Run(0x815F, 0x005C, 1),
        Run(0x8160, 0x301C, 1),
        Run(0x8161, 0x2016, 1),
        Run(0x817C, 0x2212, 1),
        Run(0x8191, 0x00A2, 2),
        Run(0x81CA, 0x00AC, 1),
    ],
};

pub(super) static UJIS: MultiByte = MultiByte {
    name: "ujis",
    table: encoding_rs::EUC_JP,
    width: euc,
    user_rows: true,
    others: &[
        Run(0xA1C0, 0x005C, 1),
        Run(0xA1C1, 0x301C, 1),
        Run(0xA1C2, 0x2016, 1),
        Run(0xA1DD, 0x2212, 1),
        Run(0xA1F1, 0x00A2, 2),
        Run(0xA2CC, 0x00AC, 1),
        Run(0x8FA2B7, 0x007E, 1),
    ],
};

/// With the extensions of IBM behind 0x8F.
pub(super) static EUCJPMS: MultiByte = MultiByte {
    name: "eucjpms",
    table: encoding_rs::EUC_JP,
    width: euc,
    user_rows: true,
    others: &[
        Run(0x8FA2C3, 0xFFE4, 1),
        Run(0x8FF3F3, 0x2170, 10),
        Run(0x8FF3FD, 0x2160, 2),
        Run(0x8FF4A1, 0x2162, 8),
        Run(0x8FF4A9, 0xFF07, 1),
        Run(0x8FF4AA, 0xFF02, 1),
        Run(0x8FF4AB, 0x3231, 1),
        Run(0x8FF4AC, 0x2116, 1),
        Run(0x8FF4AD, 0x2121, 1),
        Run(0x8FF4AE, 0x70BB, 1),
        Run(0x8FF4AF, 0x4EFC, 1),
        Run(0x8FF4B0, 0x50F4, 1),
        Run(0x8FF4B1, 0x51EC, 1),
        Run(0x8FF4B2, 0x5307, 1),
        Run(0x8FF4B3, 0x5324, 1),
        Run(0x8FF4B4, 0xFA0E, 1),
        Run(0x8FF4B5, 0x548A, 1),
        Run(0x8FF4B6, 0x5759, 1),
        Run(0x8FF4B7, 0xFA0F, 2),
        Run(0x8FF4B9, 0x589E, 1),
        Run(0x8FF4BA, 0x5BEC, 1),
        Run(0x8FF4BB, 0x5CF5, 1),
        Run(0x8FF4BC, 0x5D53, 1),
        Run(0x8FF4BD, 0xFA11, 1),
        Run(0x8FF4BE, 0x5FB7, 1),
        Run(0x8FF4BF, 0x6085, 1),
        Run(0x8FF4C0, 0x6120, 1),
        Run(0x8FF4C1, 0x654E, 1),
        Run(0x8FF4C2, 0x663B, 1),
        Run(0x8FF4C3, 0x6665, 1),
        Run(0x8FF4C4, 0xFA12, 1),
        Run(0x8FF4C5, 0xF929, 1),
        Run(0x8FF4C6, 0x6801, 1),
        Run(0x8FF4C7, 0xFA13, 2),
        Run(0x8FF4C9, 0x6A6B, 1),
        Run(0x8FF4CA, 0x6AE2, 1),
        Run(0x8FF4CB, 0x6DF8, 1),
        Run(0x8FF4CC, 0x6DF2, 1),
        Run(0x8FF4CD, 0x7028, 1),
        Run(0x8FF4CE, 0xFA15, 2),
        Run(0x8FF4D0, 0x7501, 1),
        Run(0x8FF4D1, 0x7682, 1),
        Run(0x8FF4D2, 0x769E, 1),
        Run(0x8FF4D3, 0xFA17, 1),
        Run(0x8FF4D4, 0x7930, 1),
        Run(0x8FF4D5, 0xFA18, 4),
        Run(0x8FF4D9, 0x7AE7, 1),
        Run(0x8FF4DA, 0xFA1C, 2),
        Run(0x8FF4DC, 0x7DA0, 1),
        Run(0x8FF4DD, 0x7DD6, 1),
        Run(0x8FF4DE, 0xFA1E, 1),
        Run(0x8FF4DF, 0x8362, 1),
        Run(0x8FF4E0, 0xFA1F, 1),
        Run(0x8FF4E1, 0x85B0, 1),
        Run(0x8FF4E2, 0xFA20, 2),
        Run(0x8FF4E4, 0x8807, 1),
        Run(0x8FF4E5, 0xFA22, 1),
        Run(0x8FF4E6, 0x8B7F, 1),
        Run(0x8FF4E7, 0x8CF4, 1),
        Run(0x8FF4E8, 0x8D76, 1),
        Run(0x8FF4E9, 0xFA23, 3),
        Run(0x8FF4EC, 0x90DE, 1),
        Run(0x8FF4ED, 0xFA26, 1),
        Run(0x8FF4EE, 0x9115, 1),
        Run(0x8FF4EF, 0xFA27, 2),
        Run(0x8FF4F1, 0x9592, 1),
        Run(0x8FF4F2, 0xF9DC, 1),
        Run(0x8FF4F3, 0xFA29, 1),
        Run(0x8FF4F4, 0x973B, 1),
        Run(0x8FF4F5, 0x974D, 1),
        Run(0x8FF4F6, 0x9751, 1),
        Run(0x8FF4F7, 0xFA2A, 3),
        Run(0x8FF4FA, 0x999E, 1),
        Run(0x8FF4FB, 0x9AD9, 1),
        Run(0x8FF4FC, 0x9B72, 1),
        Run(0x8FF4FD, 0xFA2D, 1),
        Run(0x8FF4FE, 0x9ED1, 1),
    ],
};
