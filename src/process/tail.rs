//! Owns the last bytes of a stream, for reports about how it ended.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The last bytes of a child's two streams, each alone and both as they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Tails {
    pub(super) stdout: Tail,
    pub(super) stderr: Tail,
    pub(super) both: Tail,
}

/// The last bytes that were pushed. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Written by the copying future and read by the one that waits for the child, on one thread.
    bytes: Rc<RefCell<VecDeque<u8>>>,
}

/// Kept of each stream: enough for the last lines, in the memory of a page or two.
const KEPT: usize = 8 * 1024;

impl Tail {
    pub(super) fn push(&self, chunk: &[u8]) {
        let mut bytes = self.bytes.borrow_mut();
        bytes.extend(chunk.iter().skip(chunk.len().saturating_sub(KEPT)));
        let extra = bytes.len().saturating_sub(KEPT);
        bytes.drain(..extra);
    }

    pub(super) fn take(&self) -> Vec<u8> {
        self.bytes.take().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_last_ones_are_kept(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2 * KEPT), 0..8),
        ) {
            let tail = Tail::default();
            for chunk in &chunks {
                tail.push(chunk);
            }
            let all = chunks.concat();
            prop_assert_eq!(tail.take(), &all[all.len().saturating_sub(KEPT)..]);
        }
    }

    #[test]
    fn only_the_last_bytes_are_kept() {
        let tail = Tail::default();
        tail.push(&[1; 10]);
        tail.push(&vec![2; KEPT + 5]);
        tail.push(&[3; 2]);
        let bytes = tail.take();
        assert_eq!(
            (bytes.len(), bytes.first(), bytes.last()),
            (KEPT, Some(&2), Some(&3))
        );
    }
}
