//! The unwind table of this program: at which addresses of a switch a frame has a caller.

use std::ffi::c_void;
use std::hint::black_box;
use std::ops::Range;
use std::ptr;

use super::arch::{self, StackPointer, Word};
use super::{isa, raw};

/// What the unwinder tells with a function's record.
#[repr(C)]
#[derive(Default)]
struct Bases {
    text: usize,
    data: usize,
    function: usize,
}

// From the unwinder that std links (GCC's unwind-dw2-fde.h).
unsafe extern "C" {
    fn _Unwind_Find_FDE(address: *const c_void, bases: *mut Bases) -> *const u8;
}

/// An instruction of a table, as far as it is about the caller (DWARF 5, section 6.4.2).
enum Step {
    /// What follows is for the addresses from this number of units further on.
    Advance(u64),
    /// This register has another rule; `true` if the caller's value is undefined.
    Rule(u64, bool),
    Remember,
    Restore,
    Other,
}

/// A reader of a record's bytes.
#[derive(Clone, Copy)]
struct Reader {
    next: *const u8,
    end: *const u8,
}

impl Reader {
    /// Returns a reader of the record at `start`, after its length.
    fn new(start: *const u8) -> Reader {
        let mut reader = Reader { next: start, end: ptr::null() };
        let bytes: u32 = reader.read();
        reader.end = reader.next.wrapping_add(bytes as usize);
        reader
    }

    fn read<T>(&mut self) -> T {
        // SAFETY: the linker has written the table, and the callers read what a table contains.
        let value = unsafe { self.next.cast::<T>().read_unaligned() };
        self.next = self.next.wrapping_add(size_of::<T>());
        value
    }

    fn leb128(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte: u8 = self.read();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    /// Passes over a length and that number of bytes.
    fn skip_block(&mut self) {
        let bytes = self.leb128();
        self.next = self.next.wrapping_add(bytes as usize);
    }

    fn step(&mut self) -> Step {
        let instruction: u8 = self.read();
        let operand = u64::from(instruction & 0x3f);
        match instruction {
            0x40..=0x7f => Step::Advance(operand),
            0x02 => Step::Advance(self.read::<u8>().into()),
            0x03 => Step::Advance(self.read::<u16>().into()),
            0x04 => Step::Advance(self.read::<u32>().into()),
            // offset
            0x80..=0xbf => {
                self.leb128();
                Step::Rule(operand, false)
            }
            // restore
            0xc0..=0xff => Step::Rule(operand, false),
            // restore_extended, undefined, same_value
            0x06..=0x08 => Step::Rule(self.leb128(), instruction == 0x07),
            // offset_extended, register, offset_extended_sf, val_offset, val_offset_sf
            0x05 | 0x09 | 0x11 | 0x14 | 0x15 => {
                let register = self.leb128();
                self.leb128();
                Step::Rule(register, false)
            }
            // expression, val_expression
            0x10 | 0x16 => {
                let register = self.leb128();
                self.skip_block();
                Step::Rule(register, false)
            }
            0x0a => Step::Remember,
            0x0b => Step::Restore,
            // def_cfa, def_cfa_sf
            0x0c | 0x12 => {
                self.leb128();
                self.leb128();
                Step::Other
            }
            // def_cfa_register, def_cfa_offset, def_cfa_offset_sf, GNU_args_size
            0x0d | 0x0e | 0x13 | 0x2e => {
                self.leb128();
                Step::Other
            }
            // def_cfa_expression
            0x0f => {
                self.skip_block();
                Step::Other
            }
            // nop, AARCH64_negate_ra_state
            0x00 | 0x2d => Step::Other,
            other => panic!("the unwind table has the instruction {other:#x}"),
        }
    }
}

/// The part of the unwind table that is for one function.
pub struct Table {
    pub function: Range<usize>,
    code_alignment: u64,
    return_address: u64,
    /// The instructions for all functions, and those for this one.
    programs: [Reader; 2],
}

impl Table {
    /// Finds the part for the function that `address` is in (Linux Standard Base, "Exception
    /// Frames").
    pub fn of(address: usize) -> Table {
        let mut bases = Bases::default();
        // SAFETY: the unwinder only looks the address up.
        let record = unsafe { _Unwind_Find_FDE(address as *const c_void, &mut bases) };
        assert!(!record.is_null(), "{address:#x} is in no function");
        let mut own = Reader::new(record);
        let here = own.next;
        let mut common = Reader::new(here.wrapping_sub(own.read::<u32>() as usize));
        let (_id, _version): (u32, u8) = (common.read(), common.read());
        assert_eq!(common.read::<u8>(), b'z', "the augmentation has a length");
        while common.read::<u8>() != 0 {}
        let code_alignment = common.leb128();
        common.leb128();
        let return_address = common.leb128();
        common.skip_block();
        // Compilers encode both in four bytes.
        let [_start, bytes]: [u32; 2] = own.read();
        own.skip_block();
        Table {
            function: bases.function..bases.function + bytes as usize,
            code_alignment,
            return_address,
            programs: [common, own],
        }
    }

    /// Returns `true` if a frame that is at `address` has a caller.
    pub fn has_caller(&self, address: usize) -> bool {
        let mut at = self.function.start;
        let (mut has_caller, mut remembered) = (true, Vec::new());
        for mut program in self.programs {
            while program.next < program.end {
                match program.step() {
                    Step::Advance(units) => {
                        at += (units * self.code_alignment) as usize;
                        if at > address {
                            return has_caller;
                        }
                    }
                    Step::Rule(register, undefined) if register == self.return_address => {
                        has_caller = !undefined;
                    }
                    Step::Remember => remembered.push(has_caller),
                    Step::Restore => has_caller = remembered.pop().expect("a remembered state"),
                    Step::Rule(..) | Step::Other => {}
                }
            }
        }
        has_caller
    }
}

/// Leaves for ever if `to` is a context.
#[inline(never)]
fn leave_or_return(to: StackPointer, word: usize) -> usize {
    if !to.is_null() {
        // SAFETY: the only call is with null.
        unsafe { arch::leave(to, 0, Word::new(word)) }
    }
    black_box(word) + 1
}

/// Returns the first address of `function` from `start` on with `code` at it.
fn find(function: &Range<usize>, start: usize, code: impl Fn(u32) -> bool) -> usize {
    (start..function.end)
        .step_by(isa::INSTRUCTION_ALIGN)
        .find(|&address| code(raw::code_at(address)))
        .expect("the function has this instruction")
}

/// Asserts that a frame has a caller at each address of the function, except in `switch`.
fn assert_described(name: &str, table: &Table, switch: Range<usize>) {
    let mut inside = 0;
    for address in table.function.clone().step_by(isa::INSTRUCTION_ALIGN) {
        let is_inside = switch.contains(&address);
        inside += usize::from(is_inside);
        let offset = address - table.function.start;
        assert_eq!(table.has_caller(address), !is_inside, "{name}, at byte {offset}");
    }
    assert!(inside >= 4, "{name}: a switch of {inside} steps");
}

#[test]
fn a_frame_has_no_caller_inside_a_switch_only() {
    for (name, function) in [
        ("switch", raw::switch as *const () as usize),
        ("resume", raw::resume as *const () as usize),
        ("suspend", raw::suspend as *const () as usize),
    ] {
        let table = Table::of(function);
        let begin = find(&table.function, table.function.start, isa::begins_switch);
        let trap = find(&table.function, begin, |code| code.to_le_bytes().starts_with(&isa::TRAP));
        assert_described(name, &table, begin..trap);
    }
    let function: fn(StackPointer, usize) -> usize = black_box(leave_or_return);
    assert_eq!(function(ptr::null_mut(), 1), 2);
    let table = Table::of(function as *const () as usize);
    let begin = find(&table.function, table.function.start, isa::begins_leave);
    let jump = find(&table.function, begin, isa::is_jump_to_context);
    assert_described("leave", &table, begin..jump + isa::JUMP_BYTES);
}
