//! Another OS thread must not spawn green threads here.
// error: E0277

fn sync<T: Sync>() {}

fn main() {
    sync::<leno::thread::Scope<'static, 'static>>();
}
