//! The effects of a single switch on both sides.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;

use super::canaries::{assert_aligned, canaries, hold};
use super::raw::{self, Context, Kind};
use super::{isa, trace};

const KINDS: [Kind; 2] = [Kind::Coroutine, Kind::Thread];

#[test]
fn a_new_context_starts_as_the_abi_requires() {
    for kind in KINDS {
        let context = Context::new(kind, |_, word| word + 1);
        let below_control = std::ptr::from_ref(context.control()).addr();
        assert_eq!(hold(1, || context.enter(10)), 11, "{kind:?}");

        let seen = context.at_entry();
        let pushed = (16 - isa::ENTRY_ALIGNMENT) % 16;
        assert_eq!(seen.stack_pointer, below_control - pushed, "{kind:?}: stack pointer");
        assert_eq!(seen.stack_pointer % 16, isa::ENTRY_ALIGNMENT, "{kind:?}: alignment");
        assert_eq!(seen.frame_pointer, below_control, "{kind:?}: frame pointer");

        // The first function must not return. Debuggers look up the return address and
        // the unwinder the byte before it, so both must be inside the root.
        let root = kind.root() as *const () as usize;
        let inside = seen.return_address.wrapping_sub(root);
        assert!((1..64).contains(&inside), "{kind:?}: returns to {inside:#x} after the root");
        assert!(
            raw::code_at(seen.return_address).to_le_bytes().starts_with(&isa::TRAP),
            "{kind:?}: no trap at the return address"
        );
    }
}

/// The root does not take another register for the control block because it happens to hold the same
/// address.
#[test]
fn the_first_function_receives_the_control_block() {
    let context = Context::new(Kind::Coroutine, |control, _| std::ptr::from_ref(control).addr());
    let link = Cell::new(std::ptr::null_mut());
    let control = context.control();
    assert_eq!(control.resume_with::<0>(&link, 0), std::ptr::from_ref(control).addr());
}

#[test]
fn canaries_hold_on_both_sides_of_every_switch() {
    for kind in KINDS {
        let context = Context::new(kind, |control, mut word| {
            assert_aligned();
            for round in 0..100 {
                word = hold(1_000 + round, || control.suspend(word * 2));
                assert_aligned();
            }
            word * 2
        });
        for round in 0..=100 {
            let word = round as usize;
            let answer = hold(round, || context.enter(word));
            assert_eq!(answer, word * 2, "{kind:?}, round {round}");
        }
    }
}

#[test]
fn every_indirect_jump_has_a_landing_pad() {
    let context = Context::new(Kind::Coroutine, |control, _| {
        let resumer = raw::read_saved(control.resumer_context());
        control.suspend(resumer[1])
    });
    let [_, first_target, _] = context.saved();
    assert_eq!(first_target, Kind::Coroutine.root() as *const () as usize);
    let resumer_target = context.enter(0);
    let [_, suspended_target, _] = context.saved();
    context.enter(0);

    let thread_root = Kind::Thread.root() as *const () as usize;
    for target in [first_target, thread_root, resumer_target, suspended_target] {
        assert!(isa::LANDING_PADS.contains(&raw::code_at(target)), "{:#x}", raw::code_at(target));
    }
}

/// Returns `true` if the frame pointer chain of a suspended context leads to the canary
/// in a holder's frame pointer.
fn chain_leads_to(mut frame_pointer: usize, canary: usize) -> bool {
    for _ in 0..8 {
        if frame_pointer == canary {
            return true;
        }
        // SAFETY: each link points to a frame record. Otherwise the chain is broken,
        // and the test ends with a fault.
        frame_pointer = unsafe { *std::ptr::with_exposed_provenance::<usize>(frame_pointer) };
    }
    false
}

#[test]
fn the_frame_pointer_chain_passes_through_a_switch() {
    let context = Context::new(Kind::Coroutine, |control, _| hold(2, || control.suspend(0)));
    hold(1, || {
        context.enter(0);
        let own = context.saved()[0];
        assert!(chain_leads_to(own, canaries(2)[isa::FRAME_POINTER] as usize), "suspended");
    });
    // From the first frame of a coroutine the chain continues into the resumer: the
    // frame pointer points to a record that begins with the resumer's saved context.
    let entered = Context::new(Kind::Coroutine, |control, _| {
        let first = control as *const raw::Control as usize;
        assert!(chain_leads_to(first, canaries(3)[isa::FRAME_POINTER] as usize), "resumer");
        0
    });
    hold(3, || entered.enter(0));
    assert_eq!(entered.at_entry().frame_pointer, entered.control() as *const _ as usize);
    hold(1, || context.enter(0));
}

#[test]
fn the_frame_record_of_a_root_names_the_root() {
    let context = Context::new(Kind::Coroutine, |control, _| {
        trace::function_before(control.link.return_address.get())
    });
    assert_eq!(context.enter(0), Kind::Coroutine.root() as *const () as usize);
}

/// Switches with more live values than there are registers, so that each undeclared
/// register of the switch is in use. Returns the number of lost values.
fn lost_across(switch: impl FnOnce()) -> usize {
    let whole: [u64; 16] = black_box(canaries(7)[0..6].repeat(3)[..16].try_into().unwrap());
    let real: [f64; 32] = black_box(std::array::from_fn(|index| index as f64 + 0.5));
    // SAFETY: `index` is below 16. The read is volatile so that it is not repeated.
    let read = |index: usize| unsafe { (whole.as_ptr().add(index)).read_volatile() };
    // SAFETY: `index` is below 32.
    let read_real = |index: usize| unsafe { (real.as_ptr().add(index)).read_volatile() };
    let live: [u64; 16] = std::array::from_fn(read);
    let live_real: [f64; 32] = std::array::from_fn(read_real);
    switch();
    (0..16).filter(|&index| live[index] != whole[index]).count()
        + (0..32).filter(|&index| live_real[index].to_bits() != real[index].to_bits()).count()
}

#[test]
fn a_coroutine_switch_declares_its_changes() {
    let lost = Rc::new(Cell::new(0));
    let lost_inside = lost.clone();
    let context = Context::new(Kind::Coroutine, move |control, _| {
        for _ in 0..3 {
            let lost = lost_across(|| _ = control.suspend_inlined(0));
            lost_inside.set(lost_inside.get() + lost);
        }
        for _ in 0..3 {
            isa::scribble();
            control.suspend_inlined(0);
        }
        0
    });
    for _ in 0..4 {
        isa::scribble();
        context.control().resume_inlined::<0>(0);
    }
    for _ in 0..3 {
        let control = context.control();
        lost.set(lost.get() + lost_across(|| _ = control.resume_inlined::<0>(0)));
    }
    assert_eq!(lost.get(), 0, "values in registers were lost across a coroutine's switches");
}

#[test]
fn a_green_thread_switch_declares_its_changes() {
    let lost = Rc::new(Cell::new(0));
    let lost_inside = lost.clone();
    let context = Context::new(Kind::Thread, move |control, _| {
        for _ in 0..3 {
            let lost = lost_across(|| control.switch_out_inlined());
            lost_inside.set(lost_inside.get() + lost);
        }
        for _ in 0..3 {
            isa::scribble();
            control.switch_out_inlined();
        }
        0
    });
    for _ in 0..4 {
        isa::scribble();
        context.control().switch_in_inlined();
    }
    for _ in 0..3 {
        lost.set(lost.get() + lost_across(|| context.control().switch_in_inlined()));
    }
    assert_eq!(lost.get(), 0, "values in registers were lost across a green thread's switches");
}

#[test]
fn a_mark_reaches_the_coroutine_but_not_the_link() {
    let context = Context::new(Kind::Coroutine, |control, word| {
        let (mark, word) = control.suspend_inlined(word + 1);
        assert_eq!((mark, word), (1, 20));
        assert_eq!(control.link.context.get(), control.resumer_context(), "the link is marked");
        let (mark, word) = control.suspend_inlined(word + 1);
        assert_eq!((mark, word), (0, 30));
        word + 1
    });
    let control = context.control();
    assert_eq!(control.resume_inlined::<0>(10), 11);
    assert_eq!(control.resume_inlined::<1>(20), 21);
    assert_eq!(control.resume_inlined::<0>(30), 31);
}

#[test]
fn the_link_points_to_the_current_resumer() {
    #[inline(never)]
    fn from_deeper(context: &Context, depth: usize) -> usize {
        let found = if depth == 0 { context.enter(0) } else { from_deeper(context, depth - 1) };
        black_box(found)
    }
    let context = Context::new(Kind::Coroutine, |control, _| {
        for _ in 0..10 {
            let resumer = control.resumer_context();
            assert_eq!(control.link.context.get(), resumer);
            control.suspend(resumer.addr());
        }
        0
    });
    let from: Vec<usize> = (0..10).map(|turn| from_deeper(&context, turn / 2)).collect();
    for (turn, pair) in from.windows(2).enumerate() {
        // The resumer's depth changes at every other turn.
        assert_eq!(pair[0] == pair[1], turn % 2 == 0, "turn {turn}");
    }
    context.enter(0);
}

/// Returns the frames from that of `isa::hold` outwards.
fn from_holder(frames: &[trace::Frame]) -> &[trace::Frame] {
    let holder = isa::hold as *const () as usize;
    let index = frames.iter().position(|frame| frame.function == holder);
    &frames[index.expect("the backtrace has the holder's frame")..]
}

#[test]
fn a_backtrace_continues_with_the_resumers_registers() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let inside = seen.clone();
    let context = Context::new(Kind::Coroutine, move |control, _| {
        for _ in 0..2 {
            *inside.borrow_mut() = hold(4, trace::trace);
            control.suspend(0);
        }
        0
    });
    for _ in 0..2 {
        let expected = hold(5, trace::trace);
        hold(5, || context.enter(0));
        check_trace(&seen.take(), from_holder(&expected));
    }
    hold(6, || context.enter(0));
}

/// Asserts that the backtrace continues with `outside`, the frames from the resumer's
/// holder outwards.
fn check_trace(frames: &[trace::Frame], outside: &[trace::Frame]) {
    let inner = from_holder(frames);
    assert_eq!(&inner[0].registers[..], &canaries(4)[..inner[0].registers.len()], "inner");
    let root = Kind::Coroutine.root() as *const () as usize;
    let at_root = inner.iter().position(|frame| frame.function == root).expect("the root");
    for (index, frame) in inner.iter().enumerate() {
        assert_eq!(frame.exact, index == at_root + 1, "only the root is a signal frame");
    }
    let resumer = &inner[at_root + 1];
    assert_eq!(resumer.function, raw::resume as *const () as usize, "the root's caller");
    let outer = from_holder(&inner[at_root + 1..]);
    assert_eq!(&outer[0].registers[..], &canaries(5)[..outer[0].registers.len()], "outer");
    // The shim and an instance of `hold` differ; the frames above them are the same.
    let functions = |frames: &[trace::Frame]| -> Vec<usize> {
        frames[2..].iter().map(|frame| frame.function).collect()
    };
    assert_eq!(functions(outer), functions(outside), "what is above the resumer");
}

#[test]
fn a_backtrace_in_a_green_thread_ends_at_its_root() {
    let context = Context::new(Kind::Thread, |control, _| {
        let frames = trace::trace();
        control.suspend(frames.last().expect("at least one frame").function)
    });
    let last = hold(1, || context.enter(0));
    assert_eq!(last, Kind::Thread.root() as *const () as usize);
    context.enter(0);
}
