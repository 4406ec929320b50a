//! Names that nobody else has, and schedules that nobody has thought of.

use std::fmt;

use session_core::{Entropy as _, OsEntropy, Token};

/// Well formed, and the token of no session.
pub(super) fn token() -> String {
    Token::random(&OsEntropy).expect("random bytes for a token").to_text()
}

/// The name of a user that nobody else is.
pub(super) fn user() -> String {
    format!("u.{}", &token()[..20])
}

/// Where a random sequence may begin.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    OsEntropy.fill(&mut bytes).expect("random bytes for a seed");
    u64::from_ne_bytes(bytes)
}

/// A sequence that looks random and can be had again (SplitMix64: Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", 2014).
pub(super) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// A number below `bound`, which is small compared with 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {:#x}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_can_be_had_again() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [(); 8].map(|()| random.below(1_000_000))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn users_are_legal_and_distinct() {
        let (one, other) = (user(), user());
        assert_ne!(one, other);
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        assert!(one.len() <= 64 && one.bytes().all(legal));
    }
}
