//! Log of the program on stderr: plain lines without time, printed above the progress bars.
//!
//! All crates write events of [`tracing`]; only this file decides which are shown and how. An event is one
//! line or more, preceded by a word: its field `label` (such as `note` or `rejected`), else the word of its
//! level. Lines of level info have no such word. Failures to write are ignored, so a closed pipe or a full
//! disk never ends a run.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// Common prefix of the names of this project's crates; events of other crates are not shown.
const OUR_CRATES: &str = "mammo";

/// Progress bars draw at most this often, in Hz.
const BAR_RATE_HZ: u8 = 4;

/// All progress bars of the program; hidden when stderr is not a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(|| {
    MultiProgress::with_draw_target(match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(BAR_RATE_HZ),
        false => ProgressDrawTarget::hidden(),
    })
});

/// Flags for the amount of text on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Verbosity {
    /// Print only warnings and errors on stderr, and no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 101)]
    quiet: bool,
    /// Print details on stderr: settings, files, counts.
    #[arg(short, long, global = true, display_order = 102)]
    verbose: bool,
}

impl Verbosity {
    /// The least severe level that is shown.
    fn level(self) -> LevelFilter {
        match self {
            Self { quiet: true, .. } => LevelFilter::WARN,
            Self { verbose: true, .. } => LevelFilter::DEBUG,
            Self { .. } => LevelFilter::INFO,
        }
    }
}

/// Starts the log. Called once, before the first event.
pub fn start(verbosity: Verbosity) {
    if verbosity.quiet {
        BARS.set_draw_target(ProgressDrawTarget::hidden());
    }
    let lines = tracing_subscriber::fmt::layer().event_format(Lines).with_writer(|| Stderr);
    let shown = Targets::new().with_target(OUR_CRATES, verbosity.level());
    let log = tracing_subscriber::registry().with(shown).with(lines);
    // Fails only if a log was started before, which then remains.
    let _ = tracing::subscriber::set_global_default(log);
}

/// A progress bar of `total` parts. Lines of the log are printed above it.
pub fn add_bar(total: u64) -> ProgressBar {
    BARS.add(ProgressBar::new(total))
}

/// Standard error as the log's target.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody could be notified of a failure.
        let _ = BARS.suspend(|| io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Format of an event: its label or level, and its message.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let word = fields.label.as_deref().unwrap_or(match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        });
        let separator = if word.is_empty() { "" } else { ": " };
        writeln!(out, "{word}{separator}{}", fields.message.trim_end())
    }
}

/// The fields of an event that are shown.
#[derive(Default)]
struct Fields {
    label: Option<String>,
    message: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "label" => self.label = Some(format!("{value:?}")),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_string(),
            "label" => self.label = Some(value.to_string()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that is kept in memory.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log of one event of each kind.
    fn log(verbosity: Verbosity) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt::layer().event_format(Lines).with_writer(move || writer.clone());
        let shown = Targets::new().with_target(OUR_CRATES, verbosity.level());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(shown).with(lines), || {
            tracing::debug!("a detail");
            tracing::info!("a plain line\n");
            tracing::info!(label = "note", "a {}", "note");
            tracing::warn!("a warning");
            tracing::warn!(label = %"rejected", "a file");
            tracing::error!("an error");
            tracing::error!(target: "burn", "an event of another crate");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn info_is_a_plain_line_and_other_events_begin_with_a_word() {
        let warnings = "warning: a warning\nrejected: a file\nerror: an error\n";
        let normal = format!("a plain line\nnote: a note\n{warnings}");
        assert_eq!(log(Verbosity::default()), normal);
        assert_eq!(log(Verbosity { quiet: true, verbose: false }), warnings);
        assert_eq!(log(Verbosity { quiet: false, verbose: true }), format!("debug: a detail\n{normal}"));
    }
}
