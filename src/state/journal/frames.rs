//! A packed file: independent zstd frames, and behind them a table of where each is, so that any
//! byte is read by unpacking one frame. This is zstd's seekable format (`contrib/seekable_format`
//! of zstd): `zstd -d` reads it like any other file, because the table is a frame to be skipped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use zstd::bulk::{Compressor, Decompressor};

/// Content of one frame. A step of a lead costs unpacking one or two of them; smaller ones pack
/// worse.
const FRAME_BYTES: usize = 128 << 10;
/// Above this nothing of ours is in a frame, and no memory is set aside for it.
const MAX_FRAME_BYTES: usize = 4 << 20;
/// zstd's own default: delivered leads of 587 bytes each become 78.
const LEVEL: i32 = 3;

/// Magic of a frame to be skipped, of the kind that the format uses.
const TABLE_MAGIC: u32 = 0x184D_2A5E;
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
const FOOTER_BYTES: usize = 9;
const ENTRY_BYTES: usize = 8;
/// In the footer's descriptor: entries have checksums behind their sizes.
const HAS_CHECKSUMS: u8 = 0x80;

/// Packs everything from `input`. `go_on` is asked before each frame; false ends it with
/// [`io::ErrorKind::Interrupted`].
pub(super) fn pack(
    input: &mut impl Read,
    output: &mut impl Write,
    mut go_on: impl FnMut() -> bool,
) -> io::Result<()> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    let mut table = Vec::new();
    let mut content = Vec::with_capacity(FRAME_BYTES);
    loop {
        if !go_on() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        content.clear();
        input.take(FRAME_BYTES as u64).read_to_end(&mut content)?;
        if content.is_empty() {
            break;
        }
        let packed = compressor.compress(&content)?;
        output.write_all(&packed)?;
        table.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        table.extend_from_slice(&(content.len() as u32).to_le_bytes());
    }
    let frames = (table.len() / ENTRY_BYTES) as u32;
    output.write_all(&TABLE_MAGIC.to_le_bytes())?;
    output.write_all(&((table.len() + FOOTER_BYTES) as u32).to_le_bytes())?;
    output.write_all(&table)?;
    output.write_all(&frames.to_le_bytes())?;
    output.write_all(&[0])?;
    output.write_all(&FOOTER_MAGIC.to_le_bytes())
}

/// A packed file, opened.
pub(super) struct Frames {
    file: File,
    /// By frame: where it ends in the file, and where its content ends.
    ends: Vec<(u64, u64)>,
    decompressor: Decompressor<'static>,
}

impl Frames {
    /// Reads the table. Sizes in it are believed only as far as they fit the file.
    pub(super) fn open(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut footer = [0; FOOTER_BYTES];
        let footer_at = length
            .checked_sub(FOOTER_BYTES as u64)
            .ok_or_else(|| broken("it is too short"))?;
        file.read_exact_at(&mut footer, footer_at)?;
        if number(&footer[5..]) != FOOTER_MAGIC {
            return Err(broken("its table is missing"));
        }
        let entry_bytes = if footer[4] & HAS_CHECKSUMS == 0 {
            ENTRY_BYTES
        } else {
            ENTRY_BYTES + 4
        };
        let table_bytes = u64::from(number(&footer)) * entry_bytes as u64;
        let table_at = footer_at
            .checked_sub(table_bytes)
            .filter(|at| *at >= 8)
            .ok_or_else(|| broken("its table is cut off"))?;
        let mut table = vec![0; table_bytes as usize];
        file.read_exact_at(&mut table, table_at)?;
        let (mut packed, mut content) = (0, 0);
        let mut ends = Vec::with_capacity(table.len() / entry_bytes);
        for entry in table.chunks_exact(entry_bytes) {
            packed += u64::from(number(entry));
            content += u64::from(number(&entry[4..]));
            ends.push((packed, content));
        }
        if packed != table_at - 8 {
            return Err(broken("its table does not fit its frames"));
        }
        Ok(Self {
            file,
            ends,
            decompressor: Decompressor::new()?,
        })
    }

    /// Bytes of the content.
    pub(super) fn len(&self) -> u64 {
        self.ends.last().map_or(0, |(_, content)| *content)
    }

    /// Unpacks the frame that holds the byte at `at` into `content`, and says where its content
    /// begins. Behind the end there is nothing.
    pub(super) fn read_frame(&mut self, at: u64, content: &mut Vec<u8>) -> io::Result<u64> {
        content.clear();
        let frame = self.ends.partition_point(|(_, end)| *end <= at);
        let Some(&(packed_end, content_end)) = self.ends.get(frame) else {
            return Ok(at);
        };
        let (packed_at, content_at) = match frame.checked_sub(1) {
            Some(before) => self.ends[before],
            None => (0, 0),
        };
        let size = |bytes: u64| {
            let size = usize::try_from(bytes).ok();
            size.filter(|size| *size <= MAX_FRAME_BYTES)
                .ok_or_else(|| broken("a frame is too large"))
        };
        let mut packed = vec![0; size(packed_end - packed_at)?];
        self.file.read_exact_at(&mut packed, packed_at)?;
        let expected = size(content_end - content_at)?;
        content.reserve(expected);
        // zstd's own error says neither where nor that it is damage.
        let unpacked = self.decompressor.decompress_to_buffer(&packed, content);
        let unpacked = unpacked.map_err(|error| {
            let reason = format!(
                "what it holds of the segment's bytes {content_at} to {content_end} is damaged: \
                 {error}"
            );
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?;
        if unpacked != expected {
            return Err(broken("a frame has another size than the table says"));
        }
        Ok(content_at)
    }
}

fn number(bytes: &[u8]) -> u32 {
    let first = bytes.iter().take(4).rev();
    first.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn broken(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
