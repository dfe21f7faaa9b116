fn main() {
    use std::rc::Rc; use std::cell::RefCell;
    leno::run(|| {
        let a = leno::spawn(|| { print!("1"); print!("2"); leno::yield_now(); print!("3"); leno::yield_now(); });
        let b = leno::spawn(|| { print!("x"); print!("y"); leno::yield_now(); print!("z"); leno::yield_now(); });
        a.join().unwrap(); b.join().unwrap(); println!();
        let _ = Rc::new(RefCell::new(0));
    });
    let g = leno::coroutine::Generator::new(|y| { for i in 0..5 { y.suspend(i); } });
    println!("{:?}", g.collect::<Vec<_>>());
    let c = leno::coroutine::Coroutine::<(), u8, ()>::new(|y, ()| { let _d = D; y.suspend(1); });
    struct D; impl Drop for D { fn drop(&mut self) { println!("dropped"); } }
    println!("{:?}", c.resume(())); drop(c);
    let r = std::panic::catch_unwind(|| leno::run(|| { let h = leno::thread::Builder::new().name("w").spawn(|| { let _d = D; leno::thread::park() }).unwrap(); h.join().unwrap(); }));
    println!("{:?}", r.is_err());
    fn bt(n: u32) { if n == 0 { println!("{}", std::backtrace::Backtrace::force_capture()) } else { bt(n - 1); std::hint::black_box(()); } }
    let c = leno::coroutine::Coroutine::<(), u8, ()>::new(|y, ()| { bt(2); y.suspend(1); bt(2); });
    c.resume(()); c.resume(());
    leno::run(|| leno::spawn(|| bt(1)).join().unwrap());
    fn rec(n: u64) -> u64 { let a = [n; 64]; std::hint::black_box(&a); rec(n + 1) + a[3] }
    leno::run(|| leno::spawn(|| println!("{}", rec(0))).join().unwrap());
}
