//! Reading a file to its end.

use std::io::{self, ErrorKind};

use super::OpenFile;

/// The sizes of a part that is read at once.
const LEAST: usize = 8 << 10;
const MOST: usize = 1 << 20;

/// Bytes, of which the last are room for a read. They are cut off when it has failed, or unwound.
struct Room<'a> {
    bytes: &'a mut Vec<u8>,
    filled: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        // mistake: room-kept
        self.bytes.truncate(self.filled);
    }
}

impl OpenFile {
    /// Reads from the cursor to the end, by parts that grow. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of read(2); if there is no memory. What has been read stays in `bytes`.
    #[track_caller]
    pub(crate) fn read_to_end(&self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let begun = bytes.len();
        loop {
            let filled = bytes.len();
            let spare = bytes.capacity() - filled;
            let part = (filled - begun).max(spare).clamp(LEAST, MOST);
            bytes.try_reserve(part)?;
            bytes.resize(filled + part, 0);
            let mut room = Room { bytes: &mut *bytes, filled };
            match self.read(&mut room.bytes[filled..], None) {
                Ok(0) => return Ok(filled - begun),
                Ok(count) => room.filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads from the cursor to the end, and appends the text. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// As [`OpenFile::read_to_end`]; [`ErrorKind::InvalidData`] if it is not UTF-8.
    #[track_caller]
    pub(crate) fn read_to_string(&self, text: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let result = self.read_to_end(&mut bytes);
        match String::from_utf8(bytes) {
            Ok(read) if text.is_empty() => *text = read,
            Ok(read) => text.push_str(&read),
            Err(_) => {
                let invalid = "stream did not contain valid UTF-8";
                return result.and(Err(io::Error::new(ErrorKind::InvalidData, invalid)));
            }
        }
        result
    }
}
