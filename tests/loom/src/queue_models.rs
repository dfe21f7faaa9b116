//! The models of the queue of a channel between runtimes: threads that send, receive and give up.

/// Defines the models for the `Queue` and `Wake` in scope, and gives each test these attributes.
macro_rules! queue_models {
    ($(#[$attribute:meta])*) => {
        #[cfg(test)]
        mod models {
            use super::{Queue, Ticket, Unreceived, Unsent, Wake};
            use crate::models::{Rung, Shared, check, spawn};

            impl Wake for Shared<Rung> {
                fn wake(self) {
                    self.ring();
                }
            }

            type Numbers = Shared<Queue<u32, Shared<Rung>>>;

            /// Receives, and waits like a green thread.
            fn recv(queue: &Numbers) -> Option<u32> {
                let bell = Shared::new(Rung::new());
                let mut ticket = None;
                loop {
                    match queue.recv(&mut ticket, || Some(bell.clone())) {
                        Ok(message) => return Some(message),
                        Err(Unreceived::Disconnected) => return None,
                        Err(Unreceived::Empty) => bell.wait(),
                    }
                    bell.silence();
                }
            }

            /// Sends, and waits like a green thread. Returns `false` if there is no receiver.
            fn send(queue: &Numbers, mut message: u32) -> bool {
                let bell = Shared::new(Rung::new());
                let mut ticket = None;
                loop {
                    message = match queue.send(message, &mut ticket, || Some(bell.clone())) {
                        Ok(()) => return true,
                        Err(Unsent::Disconnected(_)) => return false,
                        Err(Unsent::Full(message)) => message,
                    };
                    bell.wait();
                    bell.silence();
                }
            }

            #[test]
            $(#[$attribute])*
            fn messages_arrive_in_order_and_end() {
                check(|| {
                    let queue: Numbers = Shared::new(Queue::new(1));
                    let sender = {
                        let queue = queue.clone();
                        spawn(move || {
                            assert!((1..=2).all(|n| send(&queue, n)));
                            queue.remove_sender();
                        })
                    };
                    assert_eq!([recv(&queue), recv(&queue), recv(&queue)], [Some(1), Some(2), None]);
                    sender.join().unwrap();
                });
            }

            #[test]
            $(#[$attribute])*
            fn senders_learn_that_the_receiver_has_gone() {
                check(|| {
                    let queue: Numbers = Shared::new(Queue::new(1));
                    let sender = {
                        let queue = queue.clone();
                        spawn(move || {
                            while send(&queue, 1) {}
                            queue.remove_sender();
                        })
                    };
                    let _ = recv(&queue);
                    queue.remove_receiver();
                    sender.join().unwrap();
                });
            }

            #[test]
            $(#[$attribute])*
            fn wake_of_a_receiver_that_gives_up_is_passed_on() {
                check(|| {
                    let queue: Numbers = Shared::new(Queue::new(1));
                    // It is on the list, and gives up at any time.
                    let ticket: Option<Ticket> = queue.enroll_to_receive(Shared::new(Rung::new()));
                    let sender = {
                        let queue = queue.clone();
                        spawn(move || assert!(send(&queue, 1)))
                    };
                    let leaver = {
                        let queue = queue.clone();
                        spawn(move || queue.leave_receiving(ticket))
                    };
                    assert_eq!(recv(&queue), Some(1));
                    sender.join().unwrap();
                    leaver.join().unwrap();
                });
            }

            #[test]
            $(#[$attribute])*
            fn wake_of_a_sender_that_gives_up_is_passed_on() {
                check(|| {
                    let queue: Numbers = Shared::new(Queue::new(1));
                    assert!(send(&queue, 1));
                    let ticket: Option<Ticket> = queue.enroll_to_send(Shared::new(Rung::new()));
                    let sender = {
                        let queue = queue.clone();
                        spawn(move || assert!(send(&queue, 2)))
                    };
                    let leaver = {
                        let queue = queue.clone();
                        spawn(move || queue.leave_sending(ticket))
                    };
                    assert_eq!([recv(&queue), recv(&queue)], [Some(1), Some(2)]);
                    sender.join().unwrap();
                    leaver.join().unwrap();
                });
            }
        }
    };
}
