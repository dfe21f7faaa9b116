//! Applies the rules to text that breaks them, and to similar text that does not.

use super::SourceFile;
use super::assembly;
use super::language;
use super::rules;
use super::structure;

/// Returns the lines that a rule complains about.
fn lines(complaints: &[rules::Complaint]) -> Vec<usize> {
    complaints.iter().map(|(line, _)| *line).collect()
}

#[test]
fn layers_complain_of_what_is_not_below() {
    let wrong = [
        ("src/stack/pool.rs", "use crate::coroutine::Coroutine;"),
        ("src/stack/pool.rs", "fn f() { crate::runtime::run(|| ()) }"),
        ("src/coroutine/mod.rs", "use crate::{stack::Stack, runtime::run};"),
        ("src/coroutine/mod.rs", "use crate::{stack::{Stack, Pool}, thread};"),
        ("src/sys/memory.rs", "use crate::arch;"),
        ("src/thread/mod.rs", "use crate::sync::Mutex;"),
        ("src/thread/mod.rs", "use crate::spawn;"),
        ("src/thread/join.rs", "use super::super::runtime::run;"),
        ("src/thread/mod.rs", "use super::runtime::run;"),
        ("arch/x86_64.rs", "use crate::sys;"),
        ("arch/x86_64.rs", "use std::cell::Cell;"),
        ("src/elsewhere.rs", ""),
    ];
    for (path, text) in wrong {
        assert_eq!(rules::layers(path, text).len(), 1, "{path}: {text}");
    }
    let right = [
        ("src/stack/pool.rs", "use crate::sys::memory;\nuse super::Header;"),
        ("src/stack/pool.rs", "// crate::runtime\nconst A: &str = \"crate::runtime\";"),
        ("src/coroutine/mod.rs", "use crate::{arch, stack::{Pool, Stack}};"),
        ("src/coroutine/control.rs", "use crate::coroutine::scope; use super::unwind;"),
        ("src/lib.rs", "pub use crate::thread::spawn; pub(crate) use runtime::run;"),
        ("arch/x86_64.rs", "use super::Entry; use core::arch::asm;"),
    ];
    for (path, text) in right {
        assert_eq!(rules::layers(path, text), [], "{path}: {text}");
    }
}

fn sources(files: &[(&str, &str)]) -> Vec<SourceFile> {
    let source = |&(path, text): &(&str, &str)| SourceFile { path: path.into(), text: text.into() };
    files.iter().map(source).collect()
}

#[test]
fn import_cycles_are_found_through_re_exports() {
    let cycle = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a/mod.rs", "mod one; mod two; pub(crate) use two::Two;"),
        ("src/a/one.rs", "use crate::a::{Two, other};"),
        ("src/a/two.rs", "fn f() { super::one::g() }"),
        ("src/b.rs", "use crate::a::Two;"),
    ];
    let found = structure::cycles(&sources(&cycle));
    assert_eq!(found, ["files that import each other: a/one a/two"]);
    let one_way = [
        (
            "src/a/one.rs",
            "use super::two::Two;\n#[cfg(test)]\nmod tests { use super::super::one; }",
        ),
        ("src/a/two.rs", "// use super::one;\npub use super::one::One;"),
    ];
    assert_eq!(structure::cycles(&sources(&one_way)), [""; 0]);
}

#[test]
fn a_cycle_of_the_kernel_may_have_nine_files() {
    let names: Vec<String> = (0..10).map(|number| format!("file_{number}")).collect();
    let ring = |count: usize| {
        let file = |at: usize| SourceFile {
            path: format!("src/kernel/{}.rs", names[at]),
            text: format!("use super::{}::X;", names[(at + 1) % count]),
        };
        structure::cycles(&(0..count).map(file).collect::<Vec<_>>()).len()
    };
    assert_eq!((ring(9), ring(10)), (0, 1));
}

#[test]
fn impls_of_kernel_types_elsewhere_are_found() {
    let kernel = ("src/kernel/scheduler.rs", "pub struct Scheduler; impl Scheduler { }");
    for (text, complaints) in [
        ("impl Scheduler { }", 1),
        ("impl<'a> Other { }", 0),
        ("impl<T> Scheduler<T> where T: Copy { }", 1),
        ("impl Drop for Scheduler { }", 0),
        ("struct Scheduler; impl Scheduler { }", 0),
        ("fn f(g: impl Fn()) { }", 0),
    ] {
        let found = structure::foreign_impls(&sources(&[kernel, ("src/cancel/a.rs", text)]));
        assert_eq!(found.len(), complaints, "{text}");
    }
}

#[test]
fn open_fields_of_the_kernel_are_found() {
    let text = "struct A {\n    pub(super) a: u8,\n    b: u8,\n}\npub struct Upcalls { pub a: u8 }";
    assert_eq!(lines(&structure::kernel_fields("src/kernel/a.rs", text)), [2]);
    assert_eq!(structure::kernel_fields("src/cancel/a.rs", text), []);
}

#[test]
fn descriptors_are_found_where_any_engine_works() {
    let text = "use std::os::fd::AsFd;\nfn f(descriptor: RawFd) {\n    libc::close(1);\n}\n";
    for path in ["src/net/udp.rs", "src/io/watched.rs", "src/driver/io/source.rs"] {
        assert_eq!(lines(&rules::descriptors(path, text)), [2, 3], "{path}");
    }
    assert_eq!(rules::descriptors("src/driver/io/handle.rs", text), []);
}

#[test]
fn unsafe_code_is_found_wherever_it_is() {
    let text = "//! unsafe\nfn f() {\n    unsafe { g() }\n}\n";
    for path in ["src/thread/mod.rs", "src/lib.rs", "src/runtime/mod.rs", "src/inspect/deadlock.rs"]
    {
        assert_eq!(lines(&rules::unsafe_place(path, text)), [3], "{path}");
    }
    for path in ["src/sys/fault.rs", "arch/aarch64.rs", "src/kernel/run_queue.rs"] {
        assert_eq!(rules::unsafe_place(path, text), [], "{path}");
    }
    assert_eq!(rules::unsafe_place("src/lib.rs", "#![deny(unsafe_op_in_unsafe_fn)]"), []);
}

#[test]
fn a_safety_comment_that_is_missing_is_missed() {
    let wrong = [
        "fn f() {\n    unsafe { g() }\n}",
        "// SAFETY: too far away.\nlet a = 1;\nunsafe { g() }",
        "// SAFETY: of something else.\n\nunsafe { g() }",
        "// Safety: in the wrong words.\nunsafe { g() }",
        "let text = \"SAFETY: in a string\";\nunsafe { g() }",
        "unsafe impl Send for X {}",
        "/// Does it.\npub unsafe fn f() {}",
        "// SAFETY: not for a public one.\npub(crate) unsafe extern \"C\" fn f() {}",
        "unsafe fn f() {}",
        "/// A trait.\npub unsafe trait T {}",
    ];
    for text in wrong {
        assert_eq!(rules::safety_comments(text).len(), 1, "{text}");
    }
    let right = [
        "// SAFETY: g is safe.\nunsafe { g() }",
        "// SAFETY: g is safe,\n// really.\nlet a =\n    h(|| unsafe { g() });",
        "list\n    .iter()\n    // SAFETY: it is.\n    .map(|a| unsafe { *a })",
        "#[inline]\n// SAFETY: it is.\n#[cfg(unix)]\nlet a = unsafe { g() };",
        "let a = unsafe { g() }; // SAFETY: it is.",
        "// SAFETY: it is.\nunsafe impl Send for X {}",
        "/// # Safety\n///\n/// Be careful.\n#[inline]\npub unsafe fn f() {}",
        "// SAFETY: the kernel calls it.\nunsafe extern \"C\" fn f() {}",
        "type F = unsafe extern \"C\" fn(i32);\nfn g(h: unsafe fn()) {}",
        "#[unsafe(naked)]\nextern \"C\" fn f() {}",
        "unsafe extern \"C\" {\n    fn f();\n}",
        "// An unsafe comment.",
    ];
    for text in right {
        assert_eq!(rules::safety_comments(text), [], "{text}");
    }
}

#[test]
fn long_files_and_functions_are_measured() {
    let body = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    assert_eq!(rules::sizes(&body(rules::MOST_FUNCTION_LINES)), []);
    assert_eq!(lines(&rules::sizes(&body(rules::MOST_FUNCTION_LINES + 1))), [1]);
    let in_impl = format!("impl A {{\n    const B: fn() = c;\n    {}}}\n", body(71));
    assert_eq!(lines(&rules::sizes(&in_impl)), [3]);
    let field = format!(
        "struct A {{\n    b: fn(u8),\n}}\nmod c {{\n{}}}\n",
        "const D: u8 = 0;\n".repeat(80)
    );
    assert_eq!(rules::sizes(&field), []);
    let braces = format!("fn f() {{\n// }}\n{}let a = '}}';\n}}\n", "    g();\n".repeat(80));
    assert_eq!(lines(&rules::sizes(&braces)), [1]);
    assert_eq!(rules::sizes(&"\n".repeat(rules::MOST_LINES)), []);
    assert_eq!(lines(&rules::sizes(&"\n".repeat(rules::MOST_LINES + 1))), [501]);
    let markers = "    // mistake: a\n".repeat(2);
    assert_eq!(rules::sizes(&(markers.clone() + &"\n".repeat(rules::MOST_LINES))), []);
    assert_eq!(rules::sizes(&(markers + &"\n".repeat(rules::MOST_LINES + 1))).len(), 1);
}

#[test]
fn leftovers_are_found_in_code_only() {
    assert_eq!(lines(&rules::leftovers("a();\ntodo!()")), [2]);
    assert_eq!(lines(&rules::leftovers("let a = dbg!(b);\nunimplemented!(\"c\")")), [1, 2]);
    assert_eq!(rules::leftovers("// todo!()\nlet a = \"dbg!(1)\"; todo(); my_todo!();"), []);
}

#[test]
fn a_file_that_does_not_say_what_it_is_for_is_found() {
    assert_eq!(lines(&rules::opening("use std::io;\n")), [1]);
    assert_eq!(lines(&rules::opening("// Not a doc comment.\n")), [1]);
    assert_eq!(rules::opening("//! Adds numbers.\n"), []);
}

#[test]
fn a_person_in_a_comment_is_found() {
    let wrong = [
        "// Wakes whoever waits.",
        "/// Nobody reads it.\nfn f() {}",
        "//! The thread whose turn it is.",
        "/* someone */",
        "let a = 1; // no one waits",
        "// There is no\n// one left.",
        "/// There is No\n/// One left.",
        "let a = \"it's\"; // Who?",
    ];
    for text in wrong {
        assert_eq!(language::persons("src/a.rs", text).len(), 1, "{text}");
    }
    let right = [
        "// The whole thread waits for no reason; one waits for another.",
        "let a = \"nobody\"; let everybody = anyone();",
        "// Yes or no? One of them.",
    ];
    for text in right {
        assert_eq!(language::persons("src/a.rs", text), [], "{text}");
    }
    let guest = "// A guest who does not read misses lines.";
    assert_eq!(language::persons("examples/06_chat.rs", guest), []);
    assert_eq!(lines(&language::persons("examples/01_interleave.rs", guest)), [1]);
    assert_eq!(lines(&language::persons("src/a.rs", "a();\n\n// who\nb(); // whom")), [3, 4]);
}

#[test]
fn a_function_doc_that_does_not_begin_with_a_verb_is_found() {
    let wrong = [
        "/// The number of stacks.\nfn f() {}",
        "/// Is it full?\n#[must_use]\npub fn f() {}",
        "/// `true` if it is full.\npub(crate) unsafe extern \"C\" fn f() {}",
        "/// # Safety\n///\n/// Be careful.\nunsafe fn f() {}",
        "/// Return the number.\n#[cfg(all(\n    unix,\n    test,\n))]\nfn f() {}",
        "/// What comes next.\n// A comment.\n#[inline]\nfn f() {}",
        "impl A {\n    /// An A.\n    pub const fn new() -> A {}\n}",
        "impl<F: for<'a> Fn(&'a u8)> A<F> {\n    /// An A.\n    fn new() {}\n}",
        "trait T {\n    /// The next one.\n    fn next(&mut self);\n}",
        "/// Reticulates splines.\nfn f() {}",
    ];
    for text in wrong {
        assert_eq!(language::verbs("src/a.rs", text).len(), 1, "{text}");
    }
    let right = [
        "/// Returns the number of stacks.\nfn f() {}",
        "/// Returns `true` if it is full.\n#[must_use]\n#[inline]\npub fn f() {}",
        "/// Wakes the first waiter.\n///\n/// The waiter runs later.\nfn f() {}",
        "fn f() {}\n/// The number of stacks.\nconst A: u8 = 0;",
        "/// The number of stacks.\nconst A: u8 = 0;\nfn f() {}",
        "/// A stack.\nstruct A;\n\nimpl Drop for A {\n    /// The end.\n    fn drop(&mut self) {}\n}",
        "unsafe impl T for A {\n    /// The end.\n    fn f() {}\n}",
        "macro_rules! m {\n    () => {\n        /// The end.\n        fn f() {}\n    };\n}",
        "/// A handler.\ntype Handler = fn(u8);",
        "struct A {\n    /// The destructor.\n    drop: unsafe fn(*mut ()),\n}",
        "const A: &str = \"/// The end.\nfn f() {}\";",
    ];
    for text in right {
        assert_eq!(language::verbs("src/a.rs", text), [], "{text}");
    }
    assert_eq!(
        lines(&language::verbs("src/a.rs", "\n/// A.\n/// B.\nfn f() {}\n/// Yes.\nfn g() {}")),
        [2, 5]
    );
}

#[test]
fn items_of_the_form_are_read() {
    let file = "pub(crate) const NAME: &str = \"const x\";\nconst PRIVATE: u8 = 0;\n\
                #[repr(C)]\npub(crate) struct Saved {\n    pub(crate) a: u8,\n}\n\
                pub(crate) unsafe extern \"C\" fn root() {}\npub(crate) fn annotate(a: u8) {}\n";
    assert_eq!(rules::defined_items(file), ["NAME", "Saved", "annotate", "root"]);
    let form = "//! | item | what |\n//! | --- | --- |\n//! | `NAME` | a |\n//! | `Saved` | b |\n";
    assert_eq!(rules::listed_items(form), ["NAME", "Saved"]);
}

#[test]
fn a_gap_in_the_numbers_is_found() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(rules::numbering(&names(&["02_b.rs", "01_a.rs", "03_c"])), [""; 0]);
    for wrong in [&["01_a.rs", "03_c.rs"][..], &["01_a.rs", "01_b.rs"], &["a.rs"], &["02_a.rs"]] {
        assert_eq!(rules::numbering(&names(wrong)).len(), 1, "{wrong:?}");
    }
}

/// The text of a file of `arch/` that breaks no rule.
const ASSEMBLY: &str = r#"
#[cfg(feature = "fp-env")]
macro_rules! fp_env {
    (save) => {
        "mrs x10, fpcr
         str x10, [sp, #24]"
    };
}
#[cfg(not(feature = "fp-env"))]
macro_rules! fp_env {
    (save) => {
        ""
    };
}
pub(crate) unsafe fn switch(a: u8) {
    asm!(
        // A comment.
        "stp x29, x9, [sp, #-32]!",
        fp_env!(save),
        "ldr x19, [x3, #16]",
        "add sp, x3, #32",
        "br x16",
        "brk #1",
        "2:",
        "hint #36",
        in("x0") word,
    );
}
pub(crate) unsafe fn resume<const MARK: usize>(a: u8) {
    asm!(
        "b.ne 3f",
        "4:",
        "br x16",
        "3:",
        "b 4b",
    );
}
pub(crate) unsafe fn suspend(a: u8) {
    asm!(
        "adr x9, 2f",
        "br x16",
        "brk #1",
        "2:",
        "hint #34",
    );
}
pub(crate) unsafe fn leave(a: u8) {
    asm!(
        "br x16",
        options(noreturn),
    );
}
pub(crate) unsafe extern "C" fn coroutine_root() {
    naked_asm!(
        ".cfi_startproc",
        "hint #38",
        "br x16",
        "2:",
        "brk #1",
    )
}
pub(crate) unsafe extern "C" fn thread_root() {
    naked_asm!(
        "endbr64",
        "jmp rbx",
    )
}
"#;

#[test]
fn the_assembly_is_read_with_its_macros() {
    let regions = assembly::regions(ASSEMBLY);
    let texts = |fp_env| -> Vec<String> {
        let all = assembly::flatten(&regions, "switch", fp_env);
        all.into_iter().map(|instruction| instruction.text).collect()
    };
    assert_eq!(texts(false).len(), 7);
    assert_eq!(
        texts(true)[..3],
        ["stp x29, x9, [sp, #-32]!", "mrs x10, fpcr", "str x10, [sp, #24]"]
    );
    for instruction in assembly::flatten(&regions, "switch", true) {
        assert_eq!(ASSEMBLY[instruction.range.clone()], instruction.text);
    }
}

#[test]
fn assembly_that_breaks_a_rule_is_found() {
    assert_eq!(assembly::complaints(ASSEMBLY), [""; 0]);
    let broken = [
        // Landing pads and traps.
        ("        \"hint #36\",\n", ""),
        ("        \"hint #38\",\n", ""),
        ("        \"hint #34\",\n", ""),
        ("\"b.ne 3f\"", "\"adr x9, 3f\""),
        ("        \"endbr64\",\n", ""),
        ("        \"brk #1\",\n        \"2:\",\n", "        \"2:\",\n"),
        ("        \"brk #1\",\n    )", "    )"),
        ("\"hint #36\"", "\"hint #25\""),
        // What is below the stack pointer.
        ("[sp, #-32]!", "[sp, #-32]"),
        ("\"add sp, x3, #32\"", "\"mov [rsp - 8], rax\""),
        ("\"add sp, x3, #32\"", "\"add sp, x3, #32\",\n        \"ldr x19, [x3, #16]\""),
        // Returns.
        ("\"jmp rbx\"", "\"call rbx\""),
        (
            "\"br x16\",\n        \"brk #1\",\n        \"2:\",\n        \"hint",
            "\"ret\",\n        \"brk #1\",\n        \"2:\",\n        \"hint",
        ),
        ("fn leave", "fn depart"),
    ];
    for (before, after) in broken {
        assert!(ASSEMBLY.contains(before), "{before}");
        let text = ASSEMBLY.replacen(before, after, 1);
        assert_eq!(assembly::complaints(&text).len(), 1, "`{before}` became `{after}`");
    }
}
