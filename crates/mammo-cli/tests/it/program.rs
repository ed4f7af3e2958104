//! The program under test.

use std::path::Path;
use std::process::{Command, Output};

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Asserts an exit code, and prints the output when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts that standard error holds a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no '{text}' in: {}", self.stderr);
        self
    }
}

/// Runs `mammo` with words split at blanks, in a folder.
pub fn mammo(dir: &Path, words: &str) -> Ran {
    let args: Vec<&str> = words.split_whitespace().collect();
    command(dir, &args).output().unwrap().into()
}

/// A command that has not been started.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo"));
    command.args(args).current_dir(dir);
    command
}

/// Phantoms, manifest and split of a few patients in `data/`, and a tiny configuration.
pub fn tiny_data_set(dir: &Path) {
    mammo(dir, "phantom --out data --patients 14 --height 128 --width 96 --seed 3").expect(0);
    mammo(dir, "import data").expect(0);
    mammo(dir, "split data/manifest.json --validation 0.3 --test 0.3").expect(0);
    std::fs::write(dir.join("tiny.toml"), TINY).unwrap();
}

const TINY: &str = r#"
seed = 1

[preprocessing]
height_px = 64
width_px = 48

[sampling]
patch_px = 24
per_lesion = 2
background_per_image = 2

[patch]
trunk = { family = "yaroslav", width = 0.125, stages = 3, channels = 1 }
augmentation = {}

[patch.training]
batch_size = 8
examples_per_epoch = 32
stages = [{ train = "all", epochs = 2, learning_rate = 1e-3 }]

[image]
top = { kind = "residual", blocks = [[8, 8, 16]], repeats = 1 }
augmentation = {}

[image.training]
batch_size = 4
stages = [{ train = "top", epochs = 1, learning_rate = 1e-3 }, { train = "all", epochs = 1, learning_rate = 1e-3 }]

[transfer]
augmentation = {}

[exam]
augmentation = {}

[exam.training]
batch_size = 2
stages = [{ train = "head", epochs = 1, learning_rate = 1e-3 }]

[transfer.training]
batch_size = 4
stages = [{ train = "all", epochs = 1, learning_rate = 1e-4 }]
"#;
