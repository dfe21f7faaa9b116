//! Sound conversions compile: longer inputs, shorter yields and returns.

use leno::coroutine::{Coroutine, Generator, Yielder};

fn input<'a>(coroutine: Coroutine<&'a str, (), ()>) -> Coroutine<&'static str, (), ()> {
    coroutine
}

fn output<'a>(
    coroutine: Coroutine<(), &'static str, &'static str>,
) -> Coroutine<(), &'a str, &'a str> {
    coroutine
}

fn yielder<'y, 'a>(
    yielder: &'y Yielder<&'static str, &'a str>,
) -> &'y Yielder<&'a str, &'static str> {
    yielder
}

fn generator<'a>(generator: Generator<&'static str>) -> Generator<&'a str> {
    generator
}

fn main() {
    let _ = (input, output, yielder, generator);
}
