//! The tasks of a group belong to one OS thread.
// error: E0277

fn share<T: Sync>() {}

fn main() {
    share::<leno::thread::TaskGroup<'static, 'static, ()>>();
}
