//! Weights are read from files: one in memory, written anew for each input.

use std::path::PathBuf;
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("mammo-fuzz-{}", std::process::id()))
});

/// Reads bytes as a weight file; what comes in has a tensor for every place of its network.
pub fn read_weights(bytes: &[u8]) {
    std::fs::write(&*FILE, bytes).expect("room for a small file");
    if let Ok(imported) = mammo_nn::interop::weights::read(&FILE) {
        let expected = imported.network.outline().expect("a network that was imported").tensors();
        assert_eq!(imported.tensors.len(), expected.len());
    }
}
