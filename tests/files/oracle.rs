//! Random calls on two directories, by leno and by std: all results and both trees are equal.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

use crate::pairs::ends;
use crate::scratch::Scratch;
use crate::seed::{scaled, seeded_runner};

const PATHS: [&str; 8] = ["a", "b", "d", "d/a", "d/e", "d/e/b", "link", "a/under-a-file"];

#[derive(Clone, Debug)]
enum Step {
    Write(&'static str, usize),
    Read(&'static str),
    ReadToString(&'static str),
    CreateDir(&'static str),
    CreateDirAll(&'static str),
    RemoveDir(&'static str),
    RemoveDirAll(&'static str),
    RemoveFile(&'static str),
    Rename(&'static str, &'static str),
    Copy(&'static str, &'static str),
    HardLink(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    ReadLink(&'static str),
    Canonicalize(&'static str),
    Metadata(&'static str),
    SymlinkMetadata(&'static str),
    Exists(&'static str),
    SetMode(&'static str, u32),
    ReadDir(&'static str),
    /// Bits of the options, and what is done with the file.
    Open(&'static str, u8, Vec<Use>),
}

#[derive(Clone, Debug)]
enum Use {
    Read(usize),
    ReadVectored(usize, usize),
    ReadToEnd,
    ReadToString,
    ReadAt(usize, u64),
    Write(usize),
    WriteVectored(usize, usize),
    WriteAt(usize, u64),
    SeekTo(u64),
    SeekBy(i64),
    SeekFromEnd(i64),
    SetLen(u64),
    Length,
    Mode(u32),
    /// Goes on with a clone.
    Clone,
}

/// Returns sizes: small ones, and those about a page and about the part that is read at once.
fn sizes() -> impl Strategy<Value = usize> {
    select(vec![0, 1, 2, 100, 4095, 4096, 4097, 8192, 70_000, (1 << 20) - 1, (1 << 20) + 5])
}

fn uses() -> impl Strategy<Value = Use> {
    let places = || select(vec![0, 1, 3, 4096, 100_000, 1 << 20, u64::MAX, i64::MAX as u64]);
    let offsets = || select(vec![0, 1, -1, 50, -50, 5000, -5000, i64::MIN, i64::MAX]);
    let lengths = || select(vec![0, 1, 4096, 100_000]);
    prop_oneof![
        sizes().prop_map(Use::Read),
        (sizes(), sizes()).prop_map(|(one, other)| Use::ReadVectored(one, other)),
        Just(Use::ReadToEnd),
        Just(Use::ReadToString),
        (sizes(), places()).prop_map(|(size, at)| Use::ReadAt(size, at)),
        sizes().prop_map(Use::Write),
        (sizes(), sizes()).prop_map(|(one, other)| Use::WriteVectored(one, other)),
        // Not to the end of the address space of files.
        (sizes(), 0..200_000_u64).prop_map(|(size, at)| Use::WriteAt(size, at)),
        (0..200_000_u64).prop_map(Use::SeekTo),
        offsets().prop_map(Use::SeekBy),
        offsets().prop_map(Use::SeekFromEnd),
        lengths().prop_map(Use::SetLen),
        Just(Use::Length),
        select(vec![0o600, 0o400, 0o755]).prop_map(Use::Mode),
        Just(Use::Clone),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let path = || select(&PATHS[..]);
    let pair = || (path(), path());
    let open = (path(), any::<u8>(), prop::collection::vec(uses(), 0..8));
    prop_oneof![
        3 => (path(), sizes()).prop_map(|(path, size)| Step::Write(path, size)),
        1 => path().prop_map(Step::Read),
        1 => path().prop_map(Step::ReadToString),
        2 => path().prop_map(Step::CreateDir),
        2 => path().prop_map(Step::CreateDirAll),
        1 => path().prop_map(Step::RemoveDir),
        1 => path().prop_map(Step::RemoveDirAll),
        1 => path().prop_map(Step::RemoveFile),
        1 => pair().prop_map(|(from, to)| Step::Rename(from, to)),
        1 => pair().prop_map(|(from, to)| Step::Copy(from, to)),
        1 => pair().prop_map(|(from, to)| Step::HardLink(from, to)),
        1 => pair().prop_map(|(from, to)| Step::Symlink(from, to)),
        1 => path().prop_map(Step::ReadLink),
        1 => path().prop_map(Step::Canonicalize),
        1 => path().prop_map(Step::Metadata),
        1 => path().prop_map(Step::SymlinkMetadata),
        1 => path().prop_map(Step::Exists),
        1 => (path(), select(vec![0o600, 0o444, 0o777])).prop_map(|(path, mode)| Step::SetMode(path, mode)),
        1 => path().prop_map(Step::ReadDir),
        6 => open.prop_map(|(path, options, uses)| Step::Open(path, options, uses)),
    ]
}

/// Returns bytes that tell their places apart. They are text.
fn bytes(size: usize) -> Vec<u8> {
    let mut bytes = b"abcdefghijklmnopqrstuvw".repeat(size / 23 + 1);
    bytes.truncate(size);
    bytes
}

/// Returns a short form of bytes, equal for equal ones. By words, since tests are not optimised.
fn digest(bytes: &[u8]) -> String {
    let (words, rest) = bytes.split_at(bytes.len() / 8 * 8);
    let words = words.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let sum = words.fold(0_u64, |sum, word| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9));
    format!("{} bytes {sum:x} {rest:?}", bytes.len())
}

/// Returns what both must agree on.
fn shown(metadata: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    let kind = metadata.file_type();
    let size = if kind.is_dir() { 0 } else { metadata.len() };
    format!(
        "{kind:?} {size} {:o} {}",
        metadata.mode(),
        if kind.is_dir() { 0 } else { metadata.nlink() }
    )
}

/// The same code for both libraries.
macro_rules! interpreter {
    ($name:ident, $fs:path, $unix:path) => {
        mod $name {
            use super::*;
            use std::io::{IoSlice, IoSliceMut, Read, Result, Seek, SeekFrom, Write};
            use std::os::unix::fs::{FileExt, PermissionsExt};
            use $fs as fs;
            use $unix as unix;

            pub fn step(root: &Path, step: &Step) -> Result<String> {
                let at = |path: &str| root.join(path);
                Ok(match step {
                    Step::Write(path, size) => format!("{:?}", fs::write(at(path), bytes(*size))?),
                    Step::Read(path) => digest(&fs::read(at(path))?),
                    Step::ReadToString(path) => digest(fs::read_to_string(at(path))?.as_bytes()),
                    Step::CreateDir(path) => format!("{:?}", fs::create_dir(at(path))?),
                    Step::CreateDirAll(path) => format!("{:?}", fs::create_dir_all(at(path))?),
                    Step::RemoveDir(path) => format!("{:?}", fs::remove_dir(at(path))?),
                    Step::RemoveDirAll(path) => format!("{:?}", fs::remove_dir_all(at(path))?),
                    Step::RemoveFile(path) => format!("{:?}", fs::remove_file(at(path))?),
                    Step::Rename(from, to) => format!("{:?}", fs::rename(at(from), at(to))?),
                    Step::Copy(from, to) => fs::copy(at(from), at(to))?.to_string(),
                    Step::HardLink(from, to) => format!("{:?}", fs::hard_link(at(from), at(to))?),
                    Step::Symlink(from, to) => format!("{:?}", unix::symlink(from, at(to))?),
                    Step::ReadLink(path) => format!("{:?}", fs::read_link(at(path))?),
                    Step::Canonicalize(path) => {
                        let path = fs::canonicalize(at(path))?;
                        format!("{:?}", path.strip_prefix(root).unwrap_or(&path))
                    }
                    Step::Metadata(path) => shown(&fs::metadata(at(path))?),
                    Step::SymlinkMetadata(path) => shown(&fs::symlink_metadata(at(path))?),
                    Step::Exists(path) => fs::exists(at(path))?.to_string(),
                    Step::SetMode(path, mode) => {
                        let mode = fs::Permissions::from_mode(*mode);
                        format!("{:?}", fs::set_permissions(at(path), mode)?)
                    }
                    Step::ReadDir(path) => {
                        let mut entries = Vec::new();
                        for entry in fs::read_dir(at(path))? {
                            let entry = entry?;
                            let path = entry.path();
                            let path = path.strip_prefix(root).unwrap().to_owned();
                            let kind = entry.file_type()?;
                            entries
                                .push(format!("{path:?} {kind:?} {}", shown(&entry.metadata()?)));
                        }
                        entries.sort();
                        format!("{entries:?}")
                    }
                    Step::Open(path, options, uses) => {
                        let has = |bit: u8| options & 1 << bit != 0;
                        let mut file = fs::OpenOptions::new()
                            .read(has(0))
                            .write(has(1))
                            .append(has(2))
                            .truncate(has(3) && has(4))
                            .create(has(5))
                            .create_new(has(6) && has(7))
                            .open(at(path))?;
                        let mut results = Vec::new();
                        for it in uses {
                            let result = use_file(&mut file, it);
                            results
                                .push(result.map_err(|error| (error.kind(), error.raw_os_error())));
                        }
                        format!("{results:?}")
                    }
                })
            }

            fn use_file(file: &mut fs::File, it: &Use) -> Result<String> {
                Ok(match it {
                    Use::Read(size) => {
                        let mut bytes = vec![0; *size];
                        let count = file.read(&mut bytes)?;
                        digest(&bytes[..count])
                    }
                    Use::ReadVectored(one, other) => {
                        let (mut one, mut other) = (vec![0; *one], vec![0; *other]);
                        let mut both = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
                        let count = file.read_vectored(&mut both)?;
                        digest(&[one, other].concat()[..count])
                    }
                    Use::ReadToEnd => {
                        let mut bytes = b"before".to_vec();
                        let result = file.read_to_end(&mut bytes);
                        format!("{result:?} {}", digest(&bytes))
                    }
                    Use::ReadToString => {
                        let mut text = "before".to_owned();
                        let result = file.read_to_string(&mut text);
                        format!("{result:?} {}", digest(text.as_bytes()))
                    }
                    Use::ReadAt(size, at) => {
                        let mut bytes = vec![0; *size];
                        let count = file.read_at(&mut bytes, *at)?;
                        digest(&bytes[..count])
                    }
                    Use::Write(size) => file.write(&bytes(*size))?.to_string(),
                    Use::WriteVectored(one, other) => {
                        let (one, other) = (bytes(*one), bytes(*other));
                        let both = [IoSlice::new(&one), IoSlice::new(&other)];
                        file.write_vectored(&both)?.to_string()
                    }
                    Use::WriteAt(size, at) => file.write_at(&bytes(*size), *at)?.to_string(),
                    Use::SeekTo(to) => file.seek(SeekFrom::Start(*to))?.to_string(),
                    Use::SeekBy(by) => file.seek(SeekFrom::Current(*by))?.to_string(),
                    Use::SeekFromEnd(by) => file.seek(SeekFrom::End(*by))?.to_string(),
                    Use::SetLen(size) => format!("{:?}", file.set_len(*size)?),
                    Use::Length => shown(&file.metadata()?),
                    Use::Mode(mode) => {
                        format!("{:?}", file.set_permissions(fs::Permissions::from_mode(*mode))?)
                    }
                    Use::Clone => {
                        *file = file.try_clone()?;
                        String::new()
                    }
                })
            }
        }
    };
}

interpreter!(by_leno, leno::fs, leno::os::unix::fs);
interpreter!(by_std, std::fs, std::os::unix::fs);

/// Returns all that is below a directory.
fn tree(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let contents = match entry.file_type().unwrap() {
                kind if kind.is_dir() => {
                    left.push(entry.path());
                    String::new()
                }
                kind if kind.is_symlink() => {
                    format!("{:?}", std::fs::read_link(entry.path()).unwrap())
                }
                _ => digest(&std::fs::read(entry.path()).unwrap()),
            };
            let path = entry.path().strip_prefix(root).unwrap().to_owned();
            all.push(format!("{path:?} {} {contents}", shown(&entry.metadata().unwrap())));
        }
    }
    all.sort();
    all
}

fn check(steps: &[Step]) {
    let (leno, std) = (Scratch::new(), Scratch::new());
    leno::run(|| {
        for step in steps {
            let shown = |result: std::io::Result<String>| {
                result.map_err(|error| (error.kind(), error.raw_os_error()))
            };
            let got = shown(by_leno::step(leno.root(), step));
            assert_eq!(got, shown(by_std::step(std.root(), step)), "{step:?}");
        }
    });
    assert_eq!(tree(leno.root()), tree(std.root()));
}

#[test]
fn random_calls_do_as_those_of_std() {
    ends(|| {
        let (mut runner, repeat) = seeded_runner("files", scaled(150));
        let programs = prop::collection::vec(steps(), 0..25);
        if let Err(error) = runner.run(&programs, |steps| {
            check(&steps);
            Ok(())
        }) {
            panic!("{repeat}\n{error}");
        }
    });
}
