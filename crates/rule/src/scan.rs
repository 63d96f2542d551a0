//! Over raw JSON without a tree: where texts end and where containers end.
//!
//! Sixty-four bytes at a time become three words of bits: quotes, opening and closing brackets outside of texts. The
//! end of a text is then the next quote, and a container that nobody asks for is passed by counting brackets a word
//! at a time. Blocks are scanned when they are first needed, so what lies behind the last field asked for is not read.
//!
//! Events were validated when they came in. Bytes that are not JSON give no answers, or odd ones, and never a panic.

use wide::u8x16;

/// The bits of 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Quotes that are not escaped.
    quotes: u64,
    /// `{` and `[` outside of texts.
    opens: u64,
    /// `}` and `]` outside of texts.
    closes: u64,
}

/// The blocks of one JSON text, as far as they are needed.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    blocks: Vec<Block>,
    /// All ones if the next block begins inside a text.
    in_text: u64,
    /// The next block's first byte is escaped.
    escaped: bool,
}

impl Scan {
    /// How many blocks were scanned: the work done, counted.
    pub(crate) fn work(&self) -> usize {
        self.blocks.len()
    }

    /// The place of the quote that ends the text whose first byte, behind its opening quote, is at `at`.
    #[inline]
    pub(crate) fn text_end(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let mut number = at / 64;
        let mut bits = self.block(bytes, number)?.quotes & (u64::MAX << (at % 64));
        while bits == 0 {
            number += 1;
            bits = self.block(bytes, number)?.quotes;
        }
        Some(number * 64 + bits.trailing_zeros() as usize)
    }

    /// The place behind the container that opens at `at`.
    pub(crate) fn container_end(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        self.close(bytes, at, 0)
    }

    /// The place behind the bracket that closes what was opened so many levels before `at`.
    pub(crate) fn close(&mut self, bytes: &[u8], at: usize, mut depth: u32) -> Option<usize> {
        let mut number = at / 64;
        let mut mask = u64::MAX << (at % 64);
        loop {
            let block = self.block(bytes, number)?;
            let (opens, mut closes) = (block.opens & mask, block.closes & mask);
            if closes.count_ones() < depth {
                depth = depth - closes.count_ones() + opens.count_ones();
            } else {
                let mut before = 0;
                while closes != 0 {
                    let bit = closes.trailing_zeros();
                    let opened = (opens & ((1 << bit) - 1)).count_ones();
                    before += 1;
                    if depth + opened == before {
                        return Some(number * 64 + bit as usize + 1);
                    }
                    closes &= closes - 1;
                }
                depth = (depth + opens.count_ones()).checked_sub(before)?;
            }
            mask = u64::MAX;
            number += 1;
        }
    }

    #[inline]
    fn block(&mut self, bytes: &[u8], number: usize) -> Option<Block> {
        if let Some(block) = self.blocks.get(number) {
            return Some(*block);
        }
        self.extend(bytes, number)
    }

    #[inline(never)]
    fn extend(&mut self, bytes: &[u8], number: usize) -> Option<Block> {
        if self.blocks.capacity() == 0 {
            self.blocks.reserve_exact(bytes.len().div_ceil(64).min(1 << 10));
        }
        while self.blocks.len() <= number {
            let rest = bytes.get(self.blocks.len() * 64..).filter(|rest| !rest.is_empty())?;
            let raw = match rest.first_chunk::<64>() {
                Some(chunk) => raw(chunk),
                None => {
                    let mut chunk = [b' '; 64];
                    chunk.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                    raw(&chunk)
                }
            };
            let quotes = if raw.backslashes == 0 && !self.escaped {
                raw.quotes
            } else {
                raw.quotes & !self.escapes(raw.backslashes)
            };
            // The running parity of quotes: set from an opening quote up to the byte before its closing one.
            let mut inside = quotes;
            inside ^= inside << 1;
            inside ^= inside << 2;
            inside ^= inside << 4;
            inside ^= inside << 8;
            inside ^= inside << 16;
            inside ^= inside << 32;
            inside ^= self.in_text;
            self.in_text = 0u64.wrapping_sub(inside >> 63);
            self.blocks.push(Block { quotes, opens: raw.opens & !inside, closes: raw.closes & !inside });
        }
        self.blocks.get(number).copied()
    }

    /// The bytes of this block that a backslash before them escapes.
    fn escapes(&mut self, mut backslashes: u64) -> u64 {
        let mut escaped = u64::from(std::mem::take(&mut self.escaped));
        while backslashes != 0 {
            let bit = backslashes & backslashes.wrapping_neg();
            backslashes &= backslashes - 1;
            if escaped & bit == 0 {
                escaped |= bit << 1;
                self.escaped = bit >> 63 == 1;
            }
        }
        escaped
    }
}

struct Raw {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

/// Sixteen bytes at a time, in the vector instructions of the machine.
#[inline]
fn raw(chunk: &[u8; 64]) -> Raw {
    let bits = |part: u8x16, byte: u8| u64::from(part.simd_eq(u8x16::splat(byte)).to_bitmask());
    let mut raw = Raw { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
    for (at, part) in chunk.as_chunks::<16>().0.iter().enumerate() {
        let part = u8x16::new(*part);
        let shift = at * 16;
        raw.quotes |= bits(part, b'"') << shift;
        raw.backslashes |= bits(part, b'\\') << shift;
        // `[` and `{`, `]` and `}` differ in one bit.
        let folded = part | u8x16::splat(0x20);
        raw.opens |= bits(folded, b'{') << shift;
        raw.closes |= bits(folded, b'}') << shift;
    }
    raw
}
