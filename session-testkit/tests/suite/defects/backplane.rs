//! What is wrong with announcements.

use async_trait::async_trait;
use session_core::{Backplane, Echoed, Error, Event, Heartbeat, Key, Lane, NodeId, Subscription};

use crate::defects::{Broken, Defect, dawdle};

#[async_trait]
impl Backplane for Broken {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        self.inner.lanes().await
    }

    fn lane_of(&self, key: &Key) -> Option<Lane> {
        self.inner.lane_of(key)
    }

    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        let inner = self.inner.subscribe(lane, node).await?;
        Ok(Box::new(Misheard { inner, defect: self.defect, late: None }))
    }

    async fn echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        let handled = if self.is(Defect::EchoCountsAsHandled) { number } else { handled };
        self.inner.echo(lane, node, number, handled).await
    }

    async fn nudge(&self, lane: Lane) -> Result<(), Error> {
        if self.is(Defect::NudgesNobody) { Ok(()) } else { self.inner.nudge(lane).await }
    }

    async fn nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        self.inner.nodes(lane).await
    }
}

#[derive(Debug)]
struct Misheard {
    inner: Box<dyn Subscription>,
    defect: Defect,
    late: Option<Event>,
}

#[async_trait]
impl Subscription for Misheard {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let event = self.inner.next().await?;
            if self.defect == Defect::NextForgets {
                dawdle().await;
            }
            match event {
                Event::Changed(..) if self.defect == Defect::EchoOvertakes => {
                    if let Some(event) = self.late.replace(event) {
                        return Ok(event);
                    }
                }
                event => return Ok(event),
            }
        }
    }
}
