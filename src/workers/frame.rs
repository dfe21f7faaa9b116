//! What a worker and its master say to each other: a byte, the length of the rest, and the rest.

#![forbid(unsafe_code)]

/// The bytes before the content: the kind, and the length in little-endian order.
const HEAD_BYTES: usize = 1 + size_of::<u64>();

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The worker is ready.
    Ready,
    /// The worker ends, for this reason.
    Failed(String),
    /// A job for the worker.
    Job(Vec<u8>),
    /// The result of a job.
    Answer(Vec<u8>),
    /// A job has panicked, with this text.
    Panicked(String),
}

impl Said {
    /// Returns the bytes that are sent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, content): (u8, &[u8]) = match self {
            Said::Ready => (b'R', b""),
            Said::Failed(text) => (b'F', text.as_bytes()),
            Said::Job(bytes) => (b'J', bytes),
            Said::Answer(bytes) => (b'A', bytes),
            Said::Panicked(text) => (b'P', text.as_bytes()),
        };
        [&[kind][..], &(content.len() as u64).to_le_bytes(), content].concat()
    }

    fn of(kind: u8, content: Vec<u8>) -> Option<Said> {
        let text = |content: Vec<u8>| String::from_utf8_lossy(&content).into_owned();
        Some(match kind {
            b'R' => Said::Ready,
            b'F' => Said::Failed(text(content)),
            b'J' => Said::Job(content),
            b'A' => Said::Answer(content),
            b'P' => Said::Panicked(text(content)),
            _ => return None,
        })
    }
}

/// What has been received, and not been taken.
#[derive(Default)]
pub(super) struct Received(Vec<u8>);

impl Received {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Takes what was said first, if all of it is here. What has another form is passed over.
    pub(super) fn take(&mut self) -> Option<Said> {
        while let Some((&[kind, ref length @ ..], content)) =
            self.0.split_first_chunk::<HEAD_BYTES>()
        {
            let length = u64::from_le_bytes(*length);
            let length = usize::try_from(length).ok().filter(|&it| it <= content.len())?;
            let content = content[..length].to_vec();
            self.0.drain(..HEAD_BYTES + length);
            if let Some(said) = Said::of(kind, content) {
                return Some(said);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_arrives_in_any_pieces() {
        let said = || {
            [
                Said::Ready,
                Said::Job(vec![7; 300]),
                Said::Failed("why\nso".into()),
                Said::Answer(Vec::new()),
                Said::Panicked("é".into()),
            ]
        };
        let bytes = said().map(|it| it.to_bytes()).concat();
        for piece in [1, 2, 9, 100, bytes.len()] {
            let (mut received, mut taken) = (Received::default(), Vec::new());
            for bytes in bytes.chunks(piece) {
                received.add(bytes);
                taken.extend(std::iter::from_fn(|| received.take()));
            }
            assert_eq!(taken, said(), "in pieces of {piece}");
        }
    }
}
