use std::ops::ControlFlow;

use flate2::{Decompress, FlushDecompress, Status};

use super::Member;
use crate::error::Fault;
use crate::rules::{E_CRC, E_LIMIT, E_SIZE, E_ZIPDIFF};
use crate::source::Source;

const STEP: usize = 64 * 1024;

/// Passes the content of a member to `sink`, piece by piece, and verifies it.
///
/// Memory use is constant. Inflating stops at the first byte beyond the declared size. When `sink` breaks off, nothing
/// more is read and nothing is verified.
pub(crate) fn pour(
    source: &Source,
    member: &Member,
    mut sink: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let mut crc = crc32fast::Hasher::new();
    let mut poured = 0u64;
    let mut take = |piece: &[u8]| {
        poured += piece.len() as u64;
        if poured > member.size {
            let reason = format!("it inflates to more than the {} bytes it declares", member.size);
            return Err(Fault::member(E_SIZE, &member.name, reason));
        }
        crc.update(piece);
        Ok(sink(piece))
    };
    let flow = match member.is_deflated {
        true => inflate(source, member, &mut take)?,
        false => copy(source, member, &mut take)?,
    };
    if flow.is_break() {
        return Ok(());
    }
    if poured != member.size {
        let reason = format!("it inflates to {poured} bytes and declares {}", member.size);
        return Err(Fault::member(E_SIZE, &member.name, reason));
    }
    let found = crc.finalize();
    if found != member.crc32 {
        let reason = format!("its CRC-32 is {found:08x}, its header says {:08x}", member.crc32);
        return Err(Fault::member(E_CRC, &member.name, reason));
    }
    Ok(())
}

type Take<'a> = dyn FnMut(&[u8]) -> Result<ControlFlow<()>, Fault> + 'a;

fn copy(source: &Source, member: &Member, take: &mut Take<'_>) -> Result<ControlFlow<()>, Fault> {
    let mut input = Input::new(member);
    while input.fill(source)? {
        if take(&input.buffer)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        input.used = input.buffer.len();
    }
    Ok(ControlFlow::Continue(()))
}

fn inflate(source: &Source, member: &Member, take: &mut Take<'_>) -> Result<ControlFlow<()>, Fault> {
    let damaged = |reason: &str| Fault::member(E_CRC, &member.name, reason);
    let mut input = Input::new(member);
    let mut output = vec![0; STEP];
    let mut decoder = Decompress::new(false);
    loop {
        input.fill(source)?;
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(&input.buffer[input.used..], &mut output, FlushDecompress::None)
            .map_err(|_| damaged("its deflate data is damaged"))?;
        let consumed = decoder.total_in() - before_in;
        let produced = decoder.total_out() - before_out;
        input.used += consumed as usize;
        if produced > 0 && take(&output[..produced as usize])?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if status == Status::StreamEnd {
            break;
        }
        if consumed == 0 && produced == 0 {
            return Err(damaged("its deflate data ends early"));
        }
    }
    match member.compressed_size - decoder.total_in() {
        0 => Ok(ControlFlow::Continue(())),
        tail => {
            let reason = format!("{tail} bytes follow the end of its deflate data");
            Err(Fault::member(E_ZIPDIFF, &member.name, reason))
        }
    }
}

/// The stored bytes of a member, a step at a time.
struct Input {
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Input {
    fn new(member: &Member) -> Self {
        Self { next: member.offset, end: member.offset + member.compressed_size, buffer: Vec::new(), used: 0 }
    }

    /// Reads the next step once the last one is used up; `false` when there is nothing left.
    fn fill(&mut self, source: &Source) -> Result<bool, Fault> {
        if self.used < self.buffer.len() {
            return Ok(true);
        }
        let step = (self.end - self.next).min(STEP as u64);
        self.buffer.resize(step as usize, 0);
        self.used = 0;
        source.read(self.next, &mut self.buffer)?;
        self.next += step;
        Ok(step > 0)
    }
}

/// The whole content of a member, verified; refused above `limit` bytes.
pub(crate) fn read_all(source: &Source, member: &Member, limit: u64) -> Result<Vec<u8>, Fault> {
    if member.size > limit {
        let reason = format!("it has {} bytes; the limit is {limit}", member.size);
        return Err(Fault::member(E_LIMIT, &member.name, reason));
    }
    // The declared size may be a lie: memory grows with what is there.
    let mut bytes = Vec::new();
    pour(source, member, |piece| {
        bytes.extend_from_slice(piece);
        ControlFlow::Continue(())
    })?;
    Ok(bytes)
}

/// Up to `count` bytes from the front of a member, not verified.
pub(crate) fn head(source: &Source, member: &Member, count: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(count);
    pour(source, member, |piece| {
        bytes.extend(piece.iter().take(count - bytes.len()));
        match bytes.len() == count {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(bytes)
}
