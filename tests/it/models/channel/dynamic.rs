//! Programs that use `Select` over one or two channels.

use std::time::Duration;

use leno::channel::Select;

use super::super::explore::{Bounds, Totals, lists, programs, three_by_four};
use super::super::story::{End, Patience};
use super::{Actor, Op, explore};

impl Actor {
    /// Selects between sends to (`true`) and receives from these channels.
    pub(super) fn watch(&self, all: &[(usize, bool)], timeout: Option<Duration>) {
        let watched: Vec<usize> = (all.iter())
            .map(|&(channel, sends)| self.story.watch(self.number, channel, sends))
            .collect();
        let mut select = Select::new();
        for &(channel, sends) in all {
            match sends {
                true => select.send(self.ends[channel].sender()),
                false => select.recv(self.ends[channel].receiver()),
            };
        }
        let selected = match timeout {
            None => Some(select.select()),
            Some(timeout) => select.select_timeout(timeout).ok(),
        };
        watched.into_iter().for_each(|attempt| self.story.end(attempt, End::Other));
        let Some(selected) = selected else { return };
        // The selected operation does not wait, unless the channel is unbuffered:
        // then the thread may meet a thread that only selects, too.
        let (channel, sends) = all[selected.index()];
        let patience = match self.story.places[channel].capacity {
            Some(0) => Patience::Endless,
            _ => Patience::None,
        };
        if sends {
            let (attempt, value) = self.story.send_selected(self.number, channel, patience);
            self.sent(attempt, selected.send(self.ends[channel].sender(), value).err());
        } else {
            let attempt = self.story.receive_selected(self.number, channel, patience);
            let value = selected.recv(self.ends[channel].receiver()).ok();
            self.received(attempt, value, End::Disconnected);
        }
    }
}

#[test]
fn dynamic_selects_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let alphabet = [
        Send(0),
        Receive(0),
        Receive(1),
        TrySend(0),
        TryReceive(0),
        SelectReceiveNow,
        SelectBoth,
        WatchReceive,
        WatchReceiveInTime,
        WatchBoth,
        WatchSend,
        Sleep,
    ];
    let lists = lists(&alphabet, bounds.pick(2, 3));
    let mut programs = programs(&lists, 3, bounds.pick(3, 4));
    programs.retain(|threads| threads.iter().flatten().any(|&op| op >= WatchReceive));
    let capacities = [vec![Some(0), Some(0)], vec![Some(1), Some(0)], vec![Some(1), Some(1)]];
    explore("select of either kind", Totals::new(), bounds, &programs, &capacities);
}

#[test]
fn long_dynamic_selects_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let chosen = [
        ([[Send(0), Send(1), Send(0), Send(1)], [WatchReceive; 4], [WatchBoth; 4]], 3),
        (
            [
                [WatchSend; 4],
                [WatchReceive, WatchBoth, WatchReceiveInTime, Receive(1)],
                [WatchBoth, SelectReceive, WatchReceive, SelectBoth],
            ],
            2,
        ),
    ];
    let programs = three_by_four(bounds, &chosen);
    let mut capacities = vec![vec![Some(0), Some(1)]];
    capacities.extend(bounds.pick(None, Some(vec![Some(0), Some(0)])));
    explore("select of either kind, 3 x 4", Totals::new(), Bounds::Small, &programs, &capacities);
}
