"""Green threads in gdb: `leno threads` lists those of the current OS thread, and
`leno bt` prints the backtraces of all of them, or of those with the given numbers.

    gdb -x src/debug/gdb.py program core
    (gdb) leno threads
    (gdb) leno bt
    (gdb) leno bt 3 4

It only reads memory, so it works on a core as well as on a process. (A core of the
kernel's, that is. gdb's own `generate-core-file` cannot read past the guards of
stacks on Linux 6.13 and later, and leaves out what is behind them: if you need it,
run the program with LENO_GUARD=mprotect.) It needs the
symbol table of the program, and no debug information of leno: where things are is
in a table that every program with leno in it has (src/inspect/debugger_table.rs).
"""

import re
import struct

import gdb
import gdb.unwinder

VERSION = 1

# The words of the table, in its order.
TABLE = [
    "version", "pools", "fp_environment", "waiting", "finished",
    "class_next", "class_first_slab", "class_slab_count",
    "slab_bytes", "slab_base", "slab_opened", "slab_stack_bytes",
    "colours", "colour_step", "header_bytes",
    "header_control", "header_number", "header_name",
    "control_context", "control_scheduler", "control_state", "control_number",
    "scheduler_current", "scheduler_main", "scheduler_queue", "scheduler_watched",
    "queue_entries", "queue_mask", "queue_head", "queue_tail",
    "entry_bytes", "entry_context", "entry_control",
]

# What a suspended context keeps at its stack pointer (arch/mod.rs), by the names
# that gdb has for the registers; and how many bytes a switch to it takes off.
SAVED = {
    "x86-64": ("rsp", "rip", {"rbp": 0, "rip": 8, "rbx": 16}, 24, 32),
    "aarch64": ("sp", "pc", {"x29": 0, "pc": 8, "x19": 16}, 32, 32),
}


def read(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length))


def word(address):
    return struct.unpack("<Q", read(address, 8))[0]


class Table:
    def __init__(self):
        language = gdb.parameter("language")
        gdb.execute("set language c", to_string=True)
        try:
            address = int(gdb.parse_and_eval("(unsigned long)&LENO_DEBUGGER_TABLE"))
        except gdb.error as error:
            raise gdb.GdbError(
                "there is no leno in this program, or no symbol table (%s)" % error)
        finally:
            gdb.execute("set language " + language, to_string=True)
        if word(address) != VERSION:
            raise gdb.GdbError(
                "this program has another version of leno: use the script that came with it")
        for index, name in enumerate(TABLE):
            setattr(self, name, word(address + 8 * index))


def machine():
    """How contexts are laid out on this machine."""
    name = gdb.selected_frame().architecture().name()
    for known, saved in SAVED.items():
        if known in name:
            return saved
    raise gdb.GdbError("leno does not run on %s" % name)


class GreenThread:
    def __init__(self, table, control, name):
        self.number = word(control + table.control_number)
        self.name = name
        scheduler = word(control + table.control_scheduler)
        self.context = None
        if word(scheduler + table.scheduler_current) == control:
            self.state = "runs"
        elif read(control + table.control_state, 1)[0] == table.waiting:
            self.state = "waits"
            self.context = word(control + table.control_context)
        else:
            self.state = "is ready"
            self.context = ready(table, scheduler).get(control)
        if self.context is not None and "thread_root" in symbol(word(self.context + 8)):
            self.state = "has not begun"
            self.context = None

    def title(self):
        name = "'%s' (#%d)" % (self.name, self.number) if self.name else "#%d" % self.number
        return "%s  %s" % ("main" if self.number == 1 else name, self.state)


def symbol(address):
    return gdb.execute("info symbol %#x" % address, to_string=True)


def ready(table, scheduler):
    """Where those go on that are in the run queue, by their control blocks."""
    found = {}
    for queue in (scheduler + table.scheduler_queue, scheduler + table.scheduler_watched):
        entries, mask, head, tail = (
            word(queue + offset) for offset in
            (table.queue_entries, table.queue_mask, table.queue_head, table.queue_tail))
        for position in range(head, tail, table.entry_bytes):
            entry = entries + (position & mask)
            found[word(entry + table.entry_control)] = word(entry + table.entry_context)
    return found


def green_threads():
    """Those of the current OS thread that have not ended, by their numbers."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("there is no process and no core: run the program first")
    table = Table()
    own = gdb.selected_thread().ptid[1]
    pool = word(table.pools)
    while pool:
        next_pool, os_thread, classes, guard_bytes = struct.unpack("<4Q", read(pool, 32))
        if os_thread == own:
            break
        pool = next_pool
    else:
        raise gdb.GdbError("this OS thread has no green threads; `thread` chooses another")
    controls = {}
    while classes:
        slab = word(classes + table.class_first_slab)
        for _ in range(word(classes + table.class_slab_count)):
            controls.update(controls_of(table, slab, guard_bytes))
            slab += table.slab_bytes
        classes = word(classes + table.class_next)
    for control in list(controls):
        main = word(word(control + table.control_scheduler) + table.scheduler_main)
        controls.setdefault(main, None)
    found = [GreenThread(table, control, name) for control, name in controls.items()]
    return sorted(found, key=lambda thread: thread.number)


def controls_of(table, slab, guard_bytes):
    """The control blocks on the stacks of a slab, with their names."""
    base = word(slab + table.slab_base)
    stride = word(slab + table.slab_stack_bytes) + guard_bytes
    found = {}
    for index in range(word(slab + table.slab_opened)):
        colour = index % table.colours * table.colour_step
        header = base + (index + 1) * stride - colour - table.header_bytes
        control = word(header + table.header_control)
        if word(header + table.header_number) == 0:
            continue
        if read(control + table.control_state, 1)[0] == table.finished:
            continue
        text, length = struct.unpack("<2Q", read(header + table.header_name, 16))
        found[control] = read(text, length).decode(errors="replace") if text else None
    return found


class Suspended(gdb.unwinder.Unwinder):
    """While there is a context, it is what the innermost frame was called by: so
    gdb finds its frames without changing a register, which a core does not allow."""

    def __init__(self):
        super().__init__("leno")
        self.context = None

    def __call__(self, pending):
        if self.context is None:
            return None
        stack_pointer, pc, saved, taken, taken_with_fp = machine_of_process
        if int(pending.read_register(stack_pointer)) != self.innermost:
            return None
        fp_environment = Table().fp_environment
        goes_on = self.context + (taken_with_fp if fp_environment else taken)
        # An address below all frames to come: gdb wants them to grow.
        frame = pending.create_unwind_info(FrameId(self.context, pending.read_register(pc)))
        for register, offset in saved.items():
            frame.add_saved_register(register, value(pending, register, word(self.context + offset)))
        frame.add_saved_register(stack_pointer, value(pending, stack_pointer, goes_on))
        return frame


class FrameId:
    def __init__(self, sp, pc):
        self.sp = gdb.Value(sp)
        self.pc = pc


def value(pending, register, number):
    return gdb.Value(number).cast(pending.read_register(register).type)


machine_of_process = None
suspended = Suspended()
gdb.unwinder.register_unwinder(None, suspended, replace=True)


def backtrace(thread):
    global machine_of_process
    if thread.state == "runs":
        return gdb.execute("backtrace", to_string=True)
    if thread.context is None:
        return ""
    machine_of_process = machine()
    newest = gdb.newest_frame()
    suspended.innermost = int(newest.read_register(machine_of_process[0]))
    suspended.context = thread.context
    gdb.invalidate_cached_frames()
    try:
        lines = gdb.execute("backtrace", to_string=True).splitlines(True)
    finally:
        suspended.context = None
        gdb.invalidate_cached_frames()
    # Without the frame of whoever runs, which is not its own.
    while lines and not lines[0].startswith("#1"):
        lines.pop(0)
    number = lambda match: ("#%d" % (int(match[1]) - 1)).ljust(len(match[0]))
    return "".join(re.sub(r"^#(\d+) *", number, line) for line in lines)


class Leno(gdb.Command):
    """Green threads: `leno threads`, `leno bt`."""

    def __init__(self):
        super().__init__("leno", gdb.COMMAND_STACK, prefix=True)


class LenoThreads(gdb.Command):
    """Lists the green threads of the current OS thread."""

    def __init__(self):
        super().__init__("leno threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for thread in green_threads():
            print(thread.title())


class LenoBacktrace(gdb.Command):
    """Prints the backtraces of all green threads of the current OS thread, or of
    those with the given numbers."""

    def __init__(self):
        super().__init__("leno bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            wanted = [int(number.lstrip("#")) for number in argument.split()]
        except ValueError:
            raise gdb.GdbError("%s: green threads have numbers, as in `leno bt 3`" % argument)
        threads = green_threads()
        for number in wanted:
            if number not in [thread.number for thread in threads]:
                raise gdb.GdbError("there is no green thread #%d" % number)
        for thread in threads:
            if not wanted or thread.number in wanted:
                print("\n%s\n%s" % (thread.title(), backtrace(thread)), end="")


Leno()
LenoThreads()
LenoBacktrace()
