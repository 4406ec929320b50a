//! What is wrong with announcements.

use async_trait::async_trait;
use session_core::{Backplane, Epoch, Error, Event, Key, Lane, NodeId, Subscription};

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

    async fn echo(&self, lane: Lane, node: NodeId, number: u64) -> Result<Epoch, Error> {
        self.inner.echo(lane, node, number).await
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
