//! The task that listens to one primary: announcements, and the echoes that leases live on (rules
//! 2, 7 and 9).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use session_core::{Echoed, Epoch, Error, ErrorKind, Event, Subscription};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use crate::boot_clock::BootTime;
use crate::lane::{Leased, Subscribed};
use crate::node::Node;
use crate::stats::Count;

/// Before the second attempt to subscribe; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Echoes in the time that a lease lasts: one may be lost, and one be late.
const ECHOES: u32 = 4;
/// Echoes at once: one that covers what has happened, and one to tell that it was handled.
const TOLD: u32 = 2;
/// An echo that is not back by then, or by the end of the lease that it would have brought, will
/// not come any more.
const ECHO_LOST: Duration = Duration::from_secs(1);

/// Listens to a lane for as long as the node does.
pub(crate) async fn listen(node: Arc<Node>, lane: Arc<Leased>) {
    let mut subscriber = Subscriber { node, lane, epoch: None, handled: 0, owed: 0 };
    let mut pause = FIRST_PAUSE;
    loop {
        let (node, lane) = (&subscriber.node, &subscriber.lane);
        match node.backplane.subscribe(lane.lane, node.id).await {
            Ok(subscription) => {
                // What was read before may have changed without our hearing of it.
                lane.begin_subscription();
                node.counters.add(Count::Subscribed);
                let begun = Instant::now();
                let (lane, number) = (lane.lane.0, lane.subscription());
                let span = tracing::info_span!("session.cache.subscription", lane, number);
                let error = subscriber.hear(subscription).instrument(span).await;
                tracing::warn!(%error, "a subscription has ended; the cache is passed by until there is another");
                if begun.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
            }
            Err(error) => tracing::debug!(%error, "not subscribed"),
        }
        // Not all nodes at once, nor all lanes of one.
        sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Subscriber {
    node: Arc<Node>,
    lane: Arc<Leased>,
    /// That of the data this node has cached.
    epoch: Option<Epoch>,
    /// The number of the latest echo that has extended the lease.
    handled: u64,
    /// How many echoes are to be sent as soon as none is under way.
    owed: u32,
}

/// An echo under way. It counts when it has come through the subscription and the call that sent
/// it has returned, in whichever order.
struct Echo {
    number: u64,
    sent: BootTime,
    lost: Instant,
    call: Option<BoxFuture<'static, Result<Echoed, Error>>>,
    echoed: Option<Echoed>,
    is_heard: bool,
}

impl Subscriber {
    /// Handles what comes, strictly in order, and sends echoes. Returns why the subscription has
    /// ended.
    async fn hear(&mut self, mut subscription: Box<dyn Subscription>) -> Error {
        let period = self.node.max_staleness / ECHOES;
        let mut next = Instant::now();
        let mut echo: Option<Echo> = None;
        self.owed = TOLD;
        // One timer for all: announcements come more often than what it waits for changes.
        let mut timer = pin!(sleep_until(next));
        loop {
            if echo.is_none() && self.owed > 0 {
                self.owed -= 1;
                echo = Some(self.send_echo());
                next = Instant::now() + period;
            }
            let due = echo.as_ref().map_or(next, |echo| echo.lost);
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            tokio::select! {
                event = subscription.next() => match event {
                    Ok(event) => self.handle(event, &mut echo),
                    Err(error) => return error,
                },
                answer = answered(&mut echo) => match answer {
                    Ok(echoed) => {
                        if let Some(echo) = &mut echo {
                            echo.echoed = Some(echoed);
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "no echo");
                        self.node.counters.add(Count::EchoFailed);
                        echo = None;
                    }
                },
                () = &mut timer => match echo {
                    Some(_) => {
                        let message = "an echo did not come back through the subscription";
                        return Error::new(ErrorKind::Timeout, message);
                    }
                    None => self.owed = 1,
                },
            }
            if let Some(Echo { number, sent, echoed: Some(echoed), is_heard: true, .. }) = echo {
                self.grant(sent, echoed);
                self.handled = number;
                echo = None;
            }
        }
    }

    fn handle(&mut self, event: Event, echo: &mut Option<Echo>) {
        match event {
            Event::Changed(key, change) => {
                let lane = Arc::clone(&self.lane);
                let number = lane.subscription();
                self.node.announced(&key, change, &Subscribed { lane, number });
            }
            Event::Echo(number) => {
                if let Some(echo) = echo.as_mut().filter(|echo| echo.number == number) {
                    echo.is_heard = true;
                    self.node.counters.lag(BootTime::now().since(echo.sent));
                }
            }
            Event::Nudge => self.owed = TOLD,
            Event::Unintelligible => self.node.counters.add(Count::Unintelligible),
        }
    }

    fn send_echo(&mut self) -> Echo {
        let (number, handled) = (self.node.lanes.next_echo(), self.handled);
        let (node, lane) = (Arc::clone(&self.node), self.lane.lane);
        let lost = Instant::now() + node.max_staleness.max(ECHO_LOST);
        // Before it is sent: what is acknowledged from now on it need not cover.
        let sent = BootTime::now();
        let call = async move { node.backplane.echo(lane, node.id, number, handled).await };
        Echo { number, sent, lost, call: Some(Box::pin(call)), echoed: None, is_heard: false }
    }

    /// Everything that was acknowledged before the echo was sent has been handled.
    fn grant(&mut self, sent: BootTime, Echoed { epoch, order }: Echoed) {
        if self.epoch != Some(epoch) {
            // The data is not what was cached: flushed, restored, swapped, or said to be.
            if self.epoch.is_some() {
                tracing::warn!("the shared store has another epoch; the cache begins anew");
                self.node.counters.add(Count::OtherEpoch);
            }
            self.epoch = Some(epoch);
            self.lane.begin_subscription();
        }
        self.lane.extend(sent, self.node.max_staleness);
        self.lane.handled(order, BootTime::now(), self.node.max_staleness);
    }
}

/// The answer to the call of an echo. Never returns where there is none to wait for.
async fn answered(echo: &mut Option<Echo>) -> Result<Echoed, Error> {
    match echo.as_mut().and_then(|echo| echo.call.as_mut()) {
        Some(call) => {
            let answer = call.await;
            if let Some(echo) = echo {
                echo.call = None;
            }
            answer
        }
        None => std::future::pending().await,
    }
}
