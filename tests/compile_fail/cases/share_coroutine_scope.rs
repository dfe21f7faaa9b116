//! Another OS thread must not add to a scope's list.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::coroutine::Scope<'static, 'static>>();
}
