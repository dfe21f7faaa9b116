//! The protocol of Redis, RESP 2: values as bytes.
//!
//! [`Value::read`] is plain blocking code: it reads a line, then what the line announces. On a socket
//! of leno its green thread waits wherever bytes are missing, so no state of a parser has to be kept.

use std::io::{self, BufRead, ErrorKind, Read, Write};

/// The most bytes of a line, and of a string.
const LINE_BYTES: u64 = 64 * 1024;
const STRING_BYTES: usize = 1024 * 1024;
/// The most values of an array, and the most arrays inside each other.
const VALUES: usize = 1024;
const DEPTH: usize = 4;

/// A reply, or a command: an array of strings.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    String(Vec<u8>),
    Array(Vec<Value>),
    Nil,
}

impl Value {
    /// Returns a command.
    pub fn command<const N: usize>(words: [&str; N]) -> Value {
        Value::Array(words.map(|word| Value::String(word.into())).into())
    }

    /// Reads a value. Returns `None` if the stream ends before it.
    ///
    /// # Errors
    ///
    /// Those of the stream; if it ends inside the value; if the bytes are none, or more than the limits
    /// allow.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Value>> {
        if reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        read_nested(reader, DEPTH).map(Some)
    }

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        match self {
            Value::Simple(text) => write!(writer, "+{text}\r\n"),
            Value::Error(text) => write!(writer, "-{text}\r\n"),
            Value::Integer(number) => write!(writer, ":{number}\r\n"),
            Value::String(bytes) => {
                write!(writer, "${}\r\n", bytes.len())?;
                writer.write_all(bytes)?;
                writer.write_all(b"\r\n")
            }
            Value::Array(values) => {
                write!(writer, "*{}\r\n", values.len())?;
                values.iter().try_for_each(|value| value.write(writer))
            }
            Value::Nil => write!(writer, "$-1\r\n"),
        }
    }
}

fn read_nested(reader: &mut impl BufRead, depth: usize) -> io::Result<Value> {
    let line = read_line(reader)?;
    let (kind, rest) =
        line.split_at_checked(1).ok_or_else(|| invalid("a line without a letter"))?;
    match kind {
        "+" => Ok(Value::Simple(rest.to_owned())),
        "-" => Ok(Value::Error(rest.to_owned())),
        ":" => rest.parse().map(Value::Integer).map_err(|_| invalid("no integer")),
        "$" | "*" if rest == "-1" => Ok(Value::Nil),
        "$" => {
            let mut bytes = vec![0; length(rest, STRING_BYTES)?];
            reader.read_exact(&mut bytes)?;
            let mut end = [0; 2];
            reader.read_exact(&mut end)?;
            if end == *b"\r\n" { Ok(Value::String(bytes)) } else { Err(invalid("a longer string")) }
        }
        "*" if depth == 0 => Err(invalid("too many arrays inside each other")),
        "*" => {
            let values = (0..length(rest, VALUES)?).map(|_| read_nested(reader, depth - 1));
            values.collect::<io::Result<_>>().map(Value::Array)
        }
        // A command as a person types it.
        _ => {
            let words = line.split_ascii_whitespace();
            Ok(Value::Array(words.map(|word| Value::String(word.into())).collect()))
        }
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(LINE_BYTES).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the end is inside a line"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| invalid("a line that is no text"))
}

fn length(digits: &str, most: usize) -> io::Result<usize> {
    let length = digits.parse().ok().filter(|&length| length <= most);
    length.ok_or_else(|| invalid("a length that is no number, or too large"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not the protocol of Redis: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Option<Value>> {
        Value::read(&mut &*bytes)
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let bytes = Value::String(b"a\r\n\0\xff".into());
        let nested = Value::Array(vec![Value::Integer(-5), Value::Array(vec![]), bytes]);
        let texts = [Value::Simple("OK".to_owned()), Value::Error("ERR no".to_owned()), Value::Nil];
        let values = Value::Array([nested, Value::Array(texts.into())].into());
        let mut written = Vec::new();
        values.write(&mut written).unwrap();
        assert_eq!(read(&written).unwrap(), Some(values));
        for end in 1..written.len() {
            let error = read(&written[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end} bytes");
        }
        assert_eq!(read(b"").unwrap(), None);
    }

    #[test]
    fn values_have_the_form_of_redis() {
        let mut written = Vec::new();
        Value::command(["GET", "key"]).write(&mut written).unwrap();
        assert_eq!(written, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
        assert_eq!(read(b"GET  key\r\n").unwrap(), Some(Value::command(["GET", "key"])));
        assert_eq!(read(b"*-1\r\n").unwrap(), Some(Value::Nil));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let deep = "*1\r\n".repeat(DEPTH + 1);
        let large = ["$1048577\r\n", "*1025\r\n", "$-2\r\n", "*x\r\n"];
        for bytes in large.into_iter().chain(["\r\n", ":1x\r\n", "$1\r\nab\r\n", "+\u{e9}", &deep])
        {
            let kind = read(bytes.as_bytes()).unwrap_err().kind();
            let is_unfinished = bytes == "+\u{e9}";
            let expected =
                if is_unfinished { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData };
            assert_eq!(kind, expected, "{bytes:?}");
        }
        assert_eq!(read(b"+\xff\r\n").unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(read(&[b'+'; 70_000]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
