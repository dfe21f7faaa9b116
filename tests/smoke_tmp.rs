//! temp
use leno::channel::{self, *};
use leno::thread;
use leno::time::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

#[test]
fn channels() {
    leno::run(|| {
        for cap in [0, 1, 2, 128] {
            let (tx, rx) = channel::bounded(cap);
            let tx2 = tx.clone();
            leno::spawn(move || {
                for i in 0..1000 {
                    tx.send(i).unwrap()
                }
            });
            leno::spawn(move || {
                for i in 0..1000 {
                    tx2.send(i).unwrap()
                }
            });
            assert_eq!(rx.iter().sum::<i32>(), 999000);
            assert!(rx.recv().is_err());
        }
    });
}
#[test]
fn timeouts() {
    leno::Builder::new().virtual_time().run(|| {
        let (tx, rx) = bounded::<i32>(0);
        let start = Instant::now();
        assert_eq!(rx.recv_timeout(Duration::from_secs(5)), Err(RecvTimeoutError::Timeout));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        let h = leno::spawn(move || {
            leno::sleep(Duration::from_secs(1));
            tx.send_timeout(1, Duration::from_secs(1))
        });
        assert_eq!(rx.recv_timeout(Duration::from_secs(5)), Ok(1));
        h.join().unwrap().unwrap();
        let log = Rc::new(RefCell::new(vec![]));
        for d in [5u64, 3, 9, 1, 3] {
            let log = log.clone();
            leno::spawn(move || {
                leno::sleep(Duration::from_secs(d));
                log.borrow_mut().push(d)
            });
        }
        leno::sleep(Duration::from_secs(100));
        assert_eq!(*log.borrow(), [1, 3, 3, 5, 9]);
        assert_eq!(
            timeout(Duration::from_secs(1), || leno::sleep(Duration::from_secs(2))),
            Err(Elapsed)
        );
        let r = timeout(Duration::from_secs(1), || {
            timeout(Duration::from_secs(5), || leno::sleep(Duration::from_secs(20)))
        });
        assert_eq!(r, Err(Elapsed));
        let r = timeout(Duration::from_secs(9), || {
            timeout(Duration::from_secs(5), || leno::sleep(Duration::from_secs(20)))
        });
        assert_eq!(r, Ok(Err(Elapsed)));
    });
}
#[test]
fn cancel() {
    leno::run(|| {
        let dropped = Rc::new(Cell::new(0));
        struct D(Rc<Cell<i32>>);
        impl Drop for D {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1)
            }
        }
        let d = D(dropped.clone());
        let (tx, rx) = bounded::<i32>(0);
        let h = leno::spawn(move || {
            let _d = d;
            rx.recv().unwrap()
        });
        leno::yield_now();
        h.cancel();
        h.cancel();
        assert!(h.join().unwrap_err().is::<thread::Cancelled>());
        assert_eq!(dropped.get(), 1);
        assert!(tx.send(1).is_err());
        let d = D(dropped.clone());
        let h = leno::spawn(move || {
            let _d = d;
            unreachable!()
        });
        h.cancel();
        let r: Result<(), _> = h.join();
        assert!(r.unwrap_err().is::<thread::Cancelled>());
        assert_eq!(dropped.get(), 2);
    });
}
#[test]
fn selects() {
    leno::run(|| {
        let (a, ra) = bounded::<i32>(0);
        let (b, rb) = bounded::<i32>(0);
        leno::spawn(move || {
            for i in 0..100 {
                a.send(i).unwrap()
            }
        });
        leno::spawn(move || {
            for i in 0..100 {
                b.send(i).unwrap()
            }
        });
        let (mut na, mut nb) = (0, 0);
        while na + nb < 200 {
            leno::select! {
                recv(ra) -> m => if m.is_ok() { na += 1 } else { leno::yield_now() },
                recv(&rb) -> m => { if m.is_ok() { nb += 1 } else { leno::yield_now() } }
            }
        }
        let (s, r) = bounded(0);
        leno::spawn(move || {
            for i in 0..3 {
                let (s2, _r2) = bounded::<i32>(0);
                let _ = s2;
                leno::select! { send(s, i) -> res => res.unwrap(), default(Duration::from_secs(10)) => panic!() }
            }
        });
        assert_eq!(r.iter().collect::<Vec<i32>>(), [0, 1, 2]);
        leno::select! { recv(after(Duration::from_millis(5))) -> _ => (), recv(never::<()>()) -> _ => panic!(), }
        let mut x = 0;
        leno::select! { recv(never::<()>()) -> _ => panic!(), default => x = 1 }
        assert_eq!(x, 1);
    });
}
#[test]
fn handle() {
    leno::run(|| {
        let (h, me) = (leno::Handle::current(), thread::current().id());
        let t = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            h.spawn(|| println!("hi")).unwrap();
            h.unpark(me);
        });
        thread::park();
        t.join().unwrap();
    });
    let rt = leno::Runtime::new();
    let done = Rc::new(Cell::new(false));
    let d2 = done.clone();
    let (tx, rx) = bounded::<i32>(1);
    let h = thread::Builder::new()
        .spawn_on(&rt, move || {
            let v = rx.recv().unwrap();
            leno::sleep(Duration::from_millis(3));
            d2.set(true);
            v
        })
        .unwrap();
    assert!(rt.run_until_stalled());
    tx.try_send(4).unwrap();
    assert!(rt.run_until_stalled());
    std::thread::sleep(rt.next_deadline().unwrap());
    assert!(!rt.run_until_stalled());
    assert!(done.get());
    assert_eq!(h.join().unwrap(), 4);
    let d2 = done.clone();
    done.set(false);
    thread::Builder::new()
        .spawn_on(&rt, move || {
            struct D(Rc<Cell<bool>>);
            impl Drop for D {
                fn drop(&mut self) {
                    self.0.set(true)
                }
            }
            let _d = D(d2);
            thread::park()
        })
        .unwrap();
    rt.run_until_stalled();
    drop(rt);
    assert!(done.get());
}
#[test]
fn policies() {
    let run = |p| {
        let log = Rc::new(RefCell::new(String::new()));
        let l = log.clone();
        leno::Builder::new().policy(p).run(move || {
            leno::scope(|s| {
                for n in ["a", "b", "c"] {
                    let l = &l;
                    s.spawn(move || {
                        for _ in 0..4 {
                            l.borrow_mut().push_str(n);
                            leno::yield_now()
                        }
                    });
                }
            })
        });
        log.take()
    };
    assert_eq!(run(leno::Policy::fifo()), "abcabcabcabc");
    let r = run(leno::Policy::random(1));
    println!("{r}");
    assert_eq!(r, run(leno::Policy::random(1)));
    let e = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(leno::Policy::script([0, 1, 7]))
    }))
    .unwrap_err();
    println!("{:?}", e.downcast_ref::<String>());
}
