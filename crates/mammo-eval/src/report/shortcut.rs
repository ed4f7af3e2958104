//! Tests for shortcut learning: does the score depend on the site, the scanner or another column?

use serde::{Deserialize, Serialize};

use crate::defined::Defined;
use crate::intervals::bootstrap::{BootstrapConfig, bootstrap};
use crate::intervals::interval::Scale;
use crate::roc::ranked::{RankedScores, Roc, roc_auc};
use crate::tables::aggregate::Case;
use crate::tables::grouping::Grouping;
use crate::tables::sample::Sample;
use crate::{Error, Result};

/// How much of the area may be due to differences between sites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortcut {
    /// Name of the column, such as `site`.
    pub column: String,
    /// Area over all pairs of malignant and benign images that have a value in this column.
    pub overall_auc: Defined,
    /// Area over the pairs from the same site, to which differences between sites do not contribute.
    pub within_auc: Defined,
    /// Area when the score of an image is the share of cancers at its site, that is, the area of a
    /// model that knows nothing but the site.
    pub site_alone_auc: Defined<f64>,
    /// One per value.
    pub sites: Vec<ShortcutSite>,
}

/// One site against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortcutSite {
    /// The value.
    pub value: String,
    /// Labelled images.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Area of the score for separating benign images of this site from benign images of other sites;
    /// 0.5 if the score is independent of the site.
    pub site_auc_benign: Defined,
    /// The same among malignant images.
    pub site_auc_malignant: Defined,
}

impl Shortcut {
    /// The tests for one column; `images[i]` is the row with `grouping.values[i]`, and rows without
    /// a value are left out.
    ///
    /// # Errors
    /// Scores that are not finite, or an unusable setting.
    pub fn of(grouping: &Grouping, images: &[Case], config: &BootstrapConfig) -> Result<Self> {
        let site_of = |value: &Option<String>| {
            value.as_ref().and_then(|value| grouping.order.iter().position(|site| site == value))
        };
        let placed =
            grouping.values.iter().zip(images).filter_map(|(value, image)| Some((site_of(value)?, image)));
        let (sites, images): (Vec<usize>, Vec<&Case>) = placed.unzip();
        let sample = Sample::of(images);
        let site = |site: usize| {
            let here: Vec<bool> = sites.iter().map(|&other| other == site).collect();
            let n_malignant = here.iter().zip(&sample.malignant).filter(|&(&h, &m)| h && m).count();
            Ok(ShortcutSite {
                value: grouping.order[site].clone(),
                n: here.iter().filter(|&&here| here).count(),
                n_malignant,
                site_auc_benign: site_auc(&sample, &here, false, config)?,
                site_auc_malignant: site_auc(&sample, &here, true, config)?,
            })
        };
        Ok(Self {
            column: grouping.column.clone(),
            overall_auc: Defined::of(sample.auc(config))?,
            within_auc: within(&sample, &sites, grouping.order.len(), config)?,
            site_alone_auc: Defined::of(site_alone(&sample.malignant, &sites, grouping.order.len()))?,
            sites: (0..grouping.order.len()).map(site).collect::<Result<_>>()?,
        })
    }
}

/// The cases for which `keep` is true, with `positive` as the truth.
fn relabelled(sample: &Sample, keep: impl Fn(usize) -> bool, positive: &[bool]) -> Result<RankedScores> {
    let kept: Vec<usize> = (0..sample.n()).filter(|&case| keep(case)).collect();
    let scores: Vec<f64> = kept.iter().map(|&case| sample.scores[case]).collect();
    let truth: Vec<bool> = kept.iter().map(|&case| positive[case]).collect();
    let patients: Vec<u32> = kept.iter().map(|&case| sample.patients.of_case()[case]).collect();
    RankedScores::new(&scores, &truth, &patients)
}

/// Area of the score for separating `here` from other sites, within one class.
fn site_auc(sample: &Sample, here: &[bool], class: bool, config: &BootstrapConfig) -> Result<Defined> {
    let ranked = relabelled(sample, |case| sample.malignant[case] == class, here)?;
    let auc = |times: &[u8]| Ok([ranked.resampled_auc(times)?]);
    let scale = Scale::area(ranked.units_by_class());
    let area = bootstrap(sample.patients.n(), config, [scale], auc).map(|[interval]| interval);
    let class = if class { "malignant" } else { "benign" };
    let elsewhere = format!("the {class} images are all of this site or all of others");
    // The reason given by the area is about malignant cases, which are images of the site here.
    Ok(match Defined::of(area)? {
        Defined::Undefined { .. } => Defined::undefined(elsewhere),
        value => value,
    })
}

/// Area over the pairs within a site, pooled over all sites by their number of pairs.
fn within(sample: &Sample, sites: &[usize], n_sites: usize, config: &BootstrapConfig) -> Result<Defined> {
    let of_site = |site| relabelled(sample, |case| sites[case] == site, &sample.malignant);
    let ranked: Vec<RankedScores> = (0..n_sites).map(of_site).collect::<Result<_>>()?;
    let area = |times: &[u8]| {
        let (mut roc, mut ordered, mut pairs) = (Roc::default(), 0.0, 0.0);
        for site in &ranked {
            // A site with one class has no pairs.
            if site.curve(times, &mut roc).is_ok() {
                let (malignant, benign) = roc.totals();
                ordered += roc.auc() * malignant * benign;
                pairs += malignant * benign;
            }
        }
        if pairs > 0.0 {
            return Ok([ordered / pairs]);
        }
        let reason = "no site has malignant and benign images".to_string();
        Err(Error::Undefined { statistic: "area within sites", reason })
    };
    let scale = Scale::area(sample.ranked()?.units_by_class());
    Defined::of(bootstrap(sample.patients.n(), config, [scale], area).map(|[interval]| interval))
}

/// Area when every image is scored by the share of cancers at its site.
fn site_alone(malignant: &[bool], sites: &[usize], n_sites: usize) -> Result<f64> {
    let (mut n, mut n_malignant) = (vec![0_u32; n_sites], vec![0_u32; n_sites]);
    for (&site, &malignant) in sites.iter().zip(malignant) {
        n[site] += 1;
        n_malignant[site] += u32::from(malignant);
    }
    let share: Vec<f64> =
        sites.iter().map(|&site| f64::from(n_malignant[site]) / f64::from(n[site])).collect();
    roc_auc(&share, malignant)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sites with the same images; the score adds 0.4 at site b, where cancers are commoner.
    #[test]
    fn a_score_that_knows_the_site_gains_overall_but_not_within() {
        let mut images = vec![];
        let mut values = vec![];
        for i in 0..200 {
            let b = i % 2 == 0;
            let malignant = if b { i % 3 != 0 } else { i % 6 == 1 };
            let score = (i * 37 % 100) as f64 / 200.0 + if b { 0.4 } else { 0.0 };
            images.push(Case {
                patient_id: format!("p{i}"),
                laterality: None,
                malignant,
                score,
                n_images: 1,
            });
            values.push(Some(if b { "b" } else { "a" }.to_string()));
        }
        let grouping = Grouping {
            column: "site".into(),
            values,
            order: vec!["a".into(), "b".into()],
            without_lesion: vec![false; 200],
        };
        let config = BootstrapConfig { n_resamples: 100, ..Default::default() };
        let found = Shortcut::of(&grouping, &images, &config).unwrap();
        let overall = found.overall_auc.value().unwrap().estimate;
        let within = found.within_auc.value().unwrap();
        assert!(overall > 0.65, "{overall}");
        assert!(within.low < 0.5 && 0.5 < within.high, "{within:?}");
        assert!(*found.site_alone_auc.value().unwrap() > 0.65);
        assert!(found.sites[1].site_auc_benign.value().unwrap().low > 0.8);
        let [a, b] = [0, 1].map(|site| found.sites[site].site_auc_benign.value().unwrap().estimate);
        assert!((a + b - 1.0).abs() < 1e-12);
    }
}
