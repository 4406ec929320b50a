//! What the nodes of a cluster know of each other.

use std::ops::RangeInclusive;

/// A line of `CLUSTER NODES` (<https://redis.io/docs/latest/commands/cluster-nodes/>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) port: u16,
    flags: Vec<String>,
    is_linked: bool,
    slots: Vec<RangeInclusive<u16>>,
}

impl Node {
    /// All lines, or `None` if one is not as it should be.
    pub(super) fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.lines().map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let id = fields.next()?.to_owned();
        let (address, _bus) = fields.next()?.split_once('@')?;
        let port = address.rsplit_once(':')?.1.parse().ok()?;
        let flags = fields.next()?.split(',').map(str::to_owned).collect();
        // Its primary, the last ping and pong, and the epoch.
        let is_linked = fields.nth(4)? == "connected";
        // In brackets: slots that are just being moved.
        let slots = fields.filter(|field| !field.starts_with('['));
        let slots = slots.map(range).collect::<Option<_>>()?;
        Some(Self { id, port, flags, is_linked, slots })
    }

    pub(super) fn is_primary(&self) -> bool {
        self.has("master")
    }

    pub(super) fn is_replica(&self) -> bool {
        self.has("slave")
    }

    /// Whether it has been met, and can be reached.
    pub(super) fn is_up(&self) -> bool {
        self.is_linked
            && !["handshake", "fail", "fail?", "noaddr"].iter().any(|flag| self.has(flag))
    }

    pub(super) fn serves(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    pub(super) fn slot_count(&self) -> usize {
        self.slots.iter().map(|range| range.len()).sum()
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

fn range(field: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = field.split_once('-').unwrap_or((field, field));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::Node;

    #[test]
    fn lines_are_read() {
        let text = "07c3 127.0.0.1:30004@31004 slave e7d1 0 1426238317239 4 connected\n\
                    67ed 127.0.0.1:30002@31002,host master - 0 1426238316232 2 connected 5-9 11\n\
                    e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 disconnected 0-4 [93->-67ed]\n\
                    7c5f :0@0 master,noaddr - 0 0 3 connected\n";
        let nodes = Node::parse_all(text).unwrap();
        assert_eq!(
            nodes.iter().map(|node| node.port).collect::<Vec<_>>(),
            [30004, 30002, 30001, 0]
        );
        assert_eq!(
            nodes.iter().map(Node::is_replica).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert_eq!(nodes.iter().map(Node::is_up).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(nodes.iter().map(Node::slot_count).collect::<Vec<_>>(), [0, 6, 5, 0]);
        assert!(nodes[1].serves(9) && nodes[1].serves(11) && !nodes[1].serves(10));
        assert_eq!(nodes[2].id, "e7d1");
    }

    #[test]
    fn other_text_is_not_taken_for_nodes() {
        assert_eq!(Node::parse_all("ERR no such command"), None);
    }
}
