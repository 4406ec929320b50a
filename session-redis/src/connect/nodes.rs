//! Reads what a Cluster node knows of its Cluster (`CLUSTER NODES`).

use crate::slot::Slot;
use crate::topology::Endpoint;

/// A node, as another one or itself describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// Its address, and its name if it announces one.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) role: Role,
    /// The others agree that it does not answer.
    pub(crate) is_failed: bool,
    pub(crate) owned: Owned,
}

/// What a node owns, and since when: the epoch is a new one whenever slots come to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) epoch: u64,
    pub(crate) slots: SlotRanges,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    ReplicaOf(String),
}

/// Slots in ascending, separate ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotRanges(Vec<(Slot, Slot)>);

/// The nodes in an answer to `CLUSTER NODES` that the node at `asked` gave; those without an
/// address are left out. `None` if it is no such answer.
pub(crate) fn parse(answer: &str, asked: &Endpoint) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    for line in answer.lines() {
        let mut words = line.split(' ');
        let (id, address, flags, primary) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let owned = Owned::parse(words)?;
        let is = |flag: &str| flags.split(',').any(|word| word == flag);
        let endpoints = endpoints(address, asked);
        if endpoints.is_empty() || is("noaddr") || is("handshake") {
            continue;
        }
        let role = if is("slave") { Role::ReplicaOf(primary.to_owned()) } else { Role::Primary };
        nodes.push(Node { id: id.to_owned(), endpoints, role, is_failed: is("fail"), owned });
    }
    // Each node begins with what it likes.
    nodes.sort_by(|one, other| one.id.cmp(&other.id));
    (!nodes.is_empty()).then_some(nodes)
}

/// Reads `ip:port@bus-port[,name[,more]]`. A node that does not know its own address leaves it
/// out, and has just been asked at it.
fn endpoints(address: &str, asked: &Endpoint) -> Vec<Endpoint> {
    let mut parts = address.split(',');
    let address = parts.next().unwrap_or_default();
    let client = address.split('@').next().unwrap_or_default();
    let Some((_, port)) = client.rsplit_once(':') else { return Vec::new() };
    let with_host = |host: &str| Endpoint::parse(&format!("{host}:{port}"));
    let name = parts.next().filter(|name| !name.is_empty() && !name.contains('='));
    let own = Endpoint::parse(client).or_else(|| with_host(asked.host()?));
    own.into_iter().chain(name.and_then(with_host)).collect()
}

impl Owned {
    /// Reads the end of a node's line: `ping pong epoch state slots…`.
    pub(crate) fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let epoch = words.nth(2)?.parse().ok()?;
        let _state = words.next()?;
        Some(Self { epoch, slots: SlotRanges::parse(words)? })
    }
}

impl SlotRanges {
    /// Reads `0-5460 5462 [93->-…]`. Slots on their way are in brackets, and are not among those
    /// a node serves before they have arrived.
    pub(crate) fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut ranges = Vec::new();
        for word in words {
            if word.is_empty() || word.starts_with('[') {
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let slot = |number: &str| Slot::new(number.parse().ok()?);
            ranges.push((slot(first)?, slot(last)?));
        }
        ranges.sort_unstable();
        Some(Self(ranges))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.0.iter().flat_map(|(first, last)| {
            (first.index()..=last.index()).filter_map(|index| Slot::new(index as u16))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp(host.to_owned(), port)
    }

    #[test]
    fn nodes_are_read() {
        let answer = "\
            07c3 10.0.0.1:7000@17000,one.example master - 0 1 2 connected 0-5460 5462 [93->-67ed]\n\
            67ed 10.0.0.2:7001@17001 master,fail - 0 1 3 connected\n\
            292f 10.0.0.3:7002@17002 myself,slave 07c3 0 1 2 connected\n\
            dead :0@0 master,noaddr - 0 1 2 disconnected\n";
        let nodes = parse(answer, &at("10.0.0.3", 7002)).unwrap();
        assert_eq!(nodes.len(), 3);
        assert_eq!(nodes[0].endpoints, [at("10.0.0.1", 7000), at("one.example", 7000)]);
        assert_eq!(nodes[0].role, Role::Primary);
        assert_eq!(nodes[0].owned.epoch, 2);
        assert_eq!(nodes[0].owned.slots.iter().count(), 5_462);
        assert!(nodes[0].owned.slots.iter().all(|slot| slot.index() != 5_461));
        assert!(nodes[2].is_failed && nodes[2].owned.slots.is_empty());
        assert_eq!(nodes[1].role, Role::ReplicaOf("07c3".to_owned()));
    }

    #[test]
    fn a_node_that_does_not_know_its_address_is_where_it_was_asked() {
        let answer = "07c3 :7000@17000 myself,master - 0 0 0 connected 0-16383\n";
        let nodes = parse(answer, &at("seed.example", 7000)).unwrap();
        assert_eq!(nodes[0].endpoints, [at("seed.example", 7000)]);
    }

    #[test]
    fn what_is_no_list_of_nodes_is_refused() {
        for answer in
            ["", "OK", "a b c d 0 0 1 h 0-16384", "a b c d 0 0 1 h x", "a b c d 0 0 x h 1"]
        {
            assert_eq!(parse(answer, &at("host", 1)), None, "{answer}");
        }
    }
}
