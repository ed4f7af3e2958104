//! Standard output of the whole program: `println!` and `print!` that never panic. Standard error belongs to
//! the log ([`crate::logging`]).
//!
//! The macros below shadow the standard library's in this crate. Those panic when the reader closes
//! the pipe (`mammo evaluate scores.csv | head -3`). Here only the rest of the text is dropped: files
//! are still written, and the exit code does not change. SIGPIPE therefore remains ignored, as Rust
//! sets it: its default action would end a run before its files are written. Any other failure, such
//! as a full disk, is stored for [`failure`].

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The first failure of standard output.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

macro_rules! print {
    ($($text:tt)*) => { $crate::terminal::write_out(format_args!($($text)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}

/// Prints to standard output.
pub fn write_out(text: Arguments<'_>) {
    note(io::stdout().write_fmt(text));
}

/// The error of writing to standard output, except a closed pipe. Called once, at the end of the
/// program.
pub fn failure() -> Option<&'static io::Error> {
    note(io::stdout().flush());
    FAILURE.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

fn note(written: io::Result<()>) {
    if let Err(error) = written {
        // Only the first failure is kept; the others follow from it.
        let _ = FAILURE.set(error);
    }
}
