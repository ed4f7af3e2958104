//! One random stream per (run seed, purpose, item).
//!
//! Every random decision uses its own generator, named by purpose and item. Streams do not depend
//! on the order of the draws or on the number of threads, so the same seed gives the same result
//! and a resumed run continues with the same numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The generator used everywhere. ChaCha8 is portable: it gives the same numbers on every machine.
pub type Rng = ChaCha8Rng;

/// The stream of one item for one purpose in one run.
///
/// # Example
/// ```
/// use mammo_core::seed::stream;
/// use rand::RngExt;
///
/// let draw = |purpose: &str, item: u64| stream(7, purpose, item).random::<u64>();
/// assert_eq!(draw("augment", 3), draw("augment", 3));
/// assert_ne!(draw("augment", 3), draw("augment", 4));
/// assert_ne!(draw("augment", 3), draw("split", 3));
/// ```
pub fn stream(run_seed: u64, purpose: &str, item: u64) -> Rng {
    let mut hash = Sha256::new();
    hash.update(run_seed.to_le_bytes());
    hash.update(item.to_le_bytes());
    hash.update(purpose.as_bytes());
    Rng::from_seed(hash.finalize().into())
}
