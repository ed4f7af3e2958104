//! Standard output and standard error of the whole program: `println!`, `print!`, `eprintln!` and
//! `eprint!` that never panic.
//!
//! The macros below stand before the standard library's in this crate. Those panic when nobody
//! reads on (`mammo evaluate scores.csv | head -3`). Here a closed pipe drops the rest of the text
//! and nothing else: files are still written, and the exit code stays that of the work. That is
//! why SIGPIPE is left ignored, as Rust sets it: its default action would end the process in the
//! middle of a run that writes files, because of a reader of its notes. Any other failure, such as
//! a full disk, is kept until [`failure`] is asked at the end.

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

macro_rules! eprint {
    ($($text:tt)*) => { $crate::terminal::write_error(format_args!($($text)*)) };
}

macro_rules! eprintln {
    () => { eprint!("\n") };
    ($($text:tt)*) => { eprint!("{}\n", format_args!($($text)*)) };
}

/// Prints to standard output.
pub fn write_out(text: Arguments<'_>) {
    note(io::stdout().write_fmt(text));
}

/// Prints to standard error; there is nowhere to say that this failed.
pub fn write_error(text: Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}

/// What kept text from standard output, other than a reader that reads no more. Asked once, at the
/// end of the program.
pub fn failure() -> Option<&'static io::Error> {
    note(io::stdout().flush());
    FAILURE.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

fn note(written: io::Result<()>) {
    if let Err(error) = written {
        // Only the first failure counts; the others follow from it.
        let _ = FAILURE.set(error);
    }
}
