//! Chooses the size of the demo: the amount of training that takes the target time on this machine.

use std::path::Path;

use anyhow::{Result, bail};
use mammo_core::write::{read_json, write_json};
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::fit::time::amount_that_fills;
use serde::{Deserialize, Serialize};

use super::pace::Pace;
use super::size::{LEAST_AMOUNT, MOST_AMOUNT, Named, Size};
use super::time::expected_s;
use crate::output::duration;

/// Target duration of the demo in seconds: in the upper half of five to nine minutes, because more
/// training is more accurate, with a margin of a minute for errors of the time model.
const TARGET_S: f64 = 480.0;

/// Largest expected duration in seconds.
const MOST_S: f64 = 540.0;

/// File of the plan, so that a stopped demo continues with the same size.
const FILE: &str = "size.json";

/// Patients of the second site, with image labels only; an eighth has BI-RADS 3 and so no truth.
pub(super) const N_DIGITAL: usize = 184;
/// Shares of the first site's patients on the validation and the test side.
pub(super) const FILM_SHARES: [f64; 2] = [0.08, 0.17];
/// The same of the second site, which needs few patients to train on and a large test side.
pub(super) const DIGITAL_SHARES: [f64; 2] = [0.2, 0.5];
/// Patients of the second site that transfer trains on: the fewest in the paper (transfer to INbreast).
pub(super) const N_TRANSFER: usize = 20;

/// Size of the demo and its reason: the content of `size.json`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Training relative to the full demo, whose amount is 1.
    pub amount: f64,
    /// The counts that follow from the amount.
    pub size: Size,
    /// Reason for this amount.
    pub reason: Reason,
    /// Expected duration in seconds.
    pub expected_s: f64,
    /// Measured speed of the machine.
    pub pace: Pace,
}

/// Reason for the size of a demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It takes the target time.
    Fits,
    /// The smallest useful demo, which takes longer.
    Least,
    /// The largest useful demo, which takes less time.
    Most,
    /// The user asked for it.
    Asked,
}

impl Plan {
    /// The plan of a demo started in `out`, or a new plan that is not yet written; and whether the demo was
    /// started before.
    ///
    /// # Errors
    /// When the folder contains a demo of another size than requested, or the measurement fails.
    pub fn make(out: &Path, asked: Option<Named>, config: &RunConfig, device: &str) -> Result<(Self, bool)> {
        let path = out.join(FILE);
        if !path.exists() {
            tracing::info!("timing a few steps of training on this machine");
            return Ok((Self::of(Pace::measure(config, device)?, asked), false));
        }
        let begun: Self = read_json(&path, "the plan of a demo of this version; choose another --out")?;
        if asked.is_some_and(|asked| asked.amount() != begun.amount) {
            bail!("{}: contains a demo of another size; choose another --out", out.display());
        }
        Ok((begun, true))
    }

    /// The plan for a machine: the requested size, else the amount that takes the target time, within bounds.
    pub fn of(pace: Pace, asked: Option<Named>) -> Self {
        let plan = |amount: f64, reason| {
            let size = Size::of(amount);
            Self { amount, size, reason, expected_s: expected_s(&size, &pace), pace }
        };
        if let Some(asked) = asked {
            return plan(asked.amount(), Reason::Asked);
        }
        let least = plan(LEAST_AMOUNT, Reason::Least);
        if least.expected_s >= TARGET_S {
            return least;
        }
        let most = plan(MOST_AMOUNT, Reason::Most);
        if most.expected_s <= TARGET_S {
            return most;
        }
        let bounds = [LEAST_AMOUNT, MOST_AMOUNT];
        let seconds = |amount| expected_s(&Size::of(amount), &pace);
        plan(amount_that_fills(TARGET_S, bounds, seconds), Reason::Fits)
    }

    /// Writes the plan to the folder of the demo.
    pub fn write(&self, out: &Path) -> Result<()> {
        Ok(write_json(&out.join(FILE), self)?)
    }

    /// The plan in full, for `--plan`.
    pub fn text(&self) -> String {
        let Self { size, pace, .. } = self;
        format!(
            "{}\n\
             patients: {} of the film hospital, {N_DIGITAL} of the digital one, {N_TRANSFER} of them for transfer\n\
             patch classifier: {} epochs of {} patches\n\
             whole-image classifiers: {} epochs of {} images; transfer: {} images an epoch\n\
             this machine: {:.0} patches/s and {:.1} whole images/s in training, {:.0} patients/s drawn and prepared\n",
            self.line(),
            size.film_patients,
            size.patch_epochs,
            size.patches_per_epoch,
            size.top_epochs + 1,
            size.images_per_epoch,
            size.transfer_per_epoch,
            1.0 / pace.network.patch_s,
            1.0 / pace.network.image_s,
            1.0 / pace.patient_s,
        )
    }

    /// The message before the start.
    pub fn announcement(&self, out: &Path, continued: bool) -> String {
        match continued {
            true => format!(
                "continues the demo in {}, with {:.0} % of the full demo's training; existing files are kept\n",
                out.display(),
                100.0 * self.amount
            ),
            false => format!("{}\n", self.line()),
        }
    }

    /// The plan in one line.
    pub fn line(&self) -> String {
        let why = match self.reason {
            Reason::Fits => "chosen to take 5 to 9 minutes on this machine",
            Reason::Least if self.expected_s > MOST_S => {
                "this machine takes more than 9 minutes for the smallest useful demo"
            }
            Reason::Least => "the smallest useful demo",
            Reason::Most => "the largest demo: more training would improve little",
            Reason::Asked => "the requested size",
        };
        format!(
            "the demo will take about {} and train {:.0} % as much as the full one ({why})",
            self.about(),
            100.0 * self.amount
        )
    }

    /// The expected time, to half a minute.
    pub fn about(&self) -> String {
        duration((self.expected_s / 30.0).round().max(1.0) * 30.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mammo_pipeline::fit::pace::NetworkPace;

    use super::*;

    /// Two cores that convolve at a speed, in GFLOP/s. At 900 (a Zen 5) a patch takes 1.04 ms, and patients 23 ms;
    /// `scalar` is how much of the speed of convolutions goes into drawing and reading patients, too.
    fn pace(gflops: f64, scalar: f64) -> Pace {
        let slower = 900.0 / gflops;
        let patch_s = slower / 964.0;
        let network = NetworkPace { patch_s, top_s: 0.295 * 20.6 * patch_s, image_s: 20.6 * patch_s };
        Pace { network, patient_s: 0.0232 * slower.powf(scalar) }
    }

    #[test]
    fn five_to_nine_minutes_are_planned_from_50_to_5000_gflops_or_a_bound_with_its_reason() {
        for scalar in [0.0, 0.5, 1.0] {
            let mut before: Option<Plan> = None;
            let mut reasons = Vec::new();
            for step in 0..=200 {
                let gflops = 50.0 * 100_f64.powf(f64::from(step) / 200.0);
                let plan = Plan::of(pace(gflops, scalar), None);
                match plan.reason {
                    Reason::Fits => {
                        assert!((300.0..=MOST_S).contains(&plan.expected_s), "{gflops}: {plan:?}")
                    }
                    Reason::Least => {
                        assert_eq!(plan.amount, LEAST_AMOUNT);
                        assert!(
                            plan.expected_s >= TARGET_S && plan.line().contains("the smallest useful demo"),
                            "{plan:?}"
                        );
                    }
                    Reason::Most => {
                        assert_eq!(plan.amount, MOST_AMOUNT);
                        assert!(
                            plan.expected_s <= TARGET_S && plan.line().contains("the largest demo"),
                            "{plan:?}"
                        );
                    }
                    Reason::Asked => panic!("{plan:?}"),
                }
                if let Some(before) = before {
                    assert!(plan.amount >= before.amount, "{gflops}: {before:?} {plan:?}");
                    assert!(plan.size.film_patients >= before.size.film_patients, "{gflops}: {plan:?}");
                }
                reasons.push(plan.reason);
                before = Some(plan);
            }
            reasons.dedup();
            assert_eq!(reasons, [Reason::Least, Reason::Fits, Reason::Most], "{scalar}");
        }
    }

    #[test]
    fn processors_that_are_sold_today_get_a_size_that_fits() {
        // A Zen 3 with AVX2 trains on 255 patches/s, as the 240 here; a Zen 5 with bf16 has 900.
        let amounts = [300.0, 600.0, 900.0].map(|gflops| Plan::of(pace(gflops, 0.5), None));
        assert!(amounts.iter().all(|plan| plan.reason == Reason::Fits), "{amounts:?}");
        let zen_3 = Plan::of(pace(240.0, 0.5), None);
        assert!(zen_3.reason == Reason::Least && zen_3.expected_s < 600.0, "{zen_3:?}");
        assert!(zen_3.line().contains("more than 9 minutes"), "{}", zen_3.line());
        let full = amounts[2].amount;
        assert!((0.7..0.95).contains(&full), "{full}");
    }

    #[test]
    fn a_demo_continues_in_its_size_and_in_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let config = RunConfig::parse(include_str!("../../configs/demo.toml"), &[]).unwrap();
        let begun = Plan::of(pace(400.0, 0.5), None);
        begun.write(dir.path()).unwrap();
        let again = |asked| Plan::make(dir.path(), asked, &config, "cpu");
        assert_eq!(again(None).unwrap(), (begun, true));
        let refusal = again(Some(Named::Full)).unwrap_err().to_string();
        assert!(refusal.contains("another size") && refusal.contains("--out"), "{refusal}");
        Plan::of(pace(400.0, 0.5), Some(Named::Full)).write(dir.path()).unwrap();
        assert_eq!(again(Some(Named::Full)).unwrap().0.amount, 1.0);
        // What an earlier version wrote.
        fs::write(dir.path().join(FILE), "{\"size\": \"full\", \"cpu_gflops\": 900.0}").unwrap();
        assert!(format!("{:#}", again(None).unwrap_err()).contains("choose another --out"));
    }
}
