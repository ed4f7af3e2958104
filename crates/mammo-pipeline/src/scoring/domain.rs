//! Compares the kind of an image with the kinds on which a model was evaluated.

use std::fmt;

use mammo_core::record::View;
use mammo_dicom::{Header, Projection};
use mammo_eval::Domain;
use mammo_nn::model_file::{Detector, Evidence, ModelCard};

/// What is known of the kind of an image; `None` for what its file does not state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageKind {
    /// Film or digital.
    pub detector: Option<Detector>,
    /// Manufacturer, (0008,0070).
    pub manufacturer: Option<String>,
    /// View.
    pub view: Option<View>,
}

impl ImageKind {
    /// The kind that a header states; unknown for a file without header.
    pub fn of(header: Option<&Header>) -> Self {
        let Some(header) = header else { return Self::default() };
        Self {
            detector: header
                .is_digitised_film()
                .map(|film| if film { Detector::Film } else { Detector::Digital }),
            manufacturer: Some(header.manufacturer.clone()).filter(|name| !name.trim().is_empty()),
            view: header.projection.and_then(Projection::view),
        }
    }

    /// The same with the view of its record, if that is known.
    pub fn with_view(self, view: Option<View>) -> Self {
        Self { view: view.or(self.view), ..self }
    }
}

/// The kind in words: `digital, manufacturer unknown, CC`.
impl fmt::Display for ImageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detector = self.detector.map_or("film or digital unknown", Detector::name);
        let maker = self.manufacturer.as_deref().unwrap_or("manufacturer unknown");
        let view = self.view.map_or("view unknown".to_string(), |view| view.to_string().to_uppercase());
        write!(f, "{detector}, {maker}, {view}")
    }
}

/// The domain of an image for a model, with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainFinding {
    /// Inside, outside or unknown.
    pub domain: Domain,
    /// Why it is not inside; blank for a model without evidence, of which there is nothing to say.
    pub reason: String,
}

impl DomainFinding {
    /// The worst domain of an image over the models that score it.
    pub fn of<'m>(cards: impl IntoIterator<Item = &'m ModelCard>, kind: &ImageKind) -> Self {
        // Of two equal ones the first with a reason, which is that of a model with evidence.
        let worse = |worst: Self, next: Self| match (next.domain, !next.reason.is_empty())
            > (worst.domain, !worst.reason.is_empty())
        {
            true => next,
            false => worst,
        };
        cards.into_iter().map(|card| Self::of_one(&card.evidence, kind)).reduce(worse).unwrap_or_default()
    }

    fn of_one(evidence: &[Evidence], kind: &ImageKind) -> Self {
        if evidence.is_empty() {
            return Self::default();
        }
        let matches: Vec<Option<bool>> = evidence.iter().map(|entry| is_of(entry, kind)).collect();
        let known: Vec<String> = evidence.iter().map(Evidence::kind).collect();
        let known = known.join("; ");
        if matches.contains(&Some(true)) {
            Self { domain: Domain::Inside, reason: String::new() }
        } else if matches.contains(&None) {
            let reason = format!("not known to be of a kind with figures ({kind}; figures for {known})");
            Self { domain: Domain::Unknown, reason }
        } else {
            let reason =
                format!("of a kind for which the model has no figures ({kind}; figures for {known})");
            Self { domain: Domain::Outside, reason }
        }
    }
}

/// Whether an image is of the kind of an entry; `None` if what is known of it does not decide.
fn is_of(entry: &Evidence, kind: &ImageKind) -> Option<bool> {
    let same = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b.trim());
    let vendor = match (&entry.vendors, &kind.manufacturer) {
        (None, _) => Some(true),
        (Some(vendors), Some(name)) => Some(vendors.iter().any(|vendor| same(vendor, name))),
        (Some(_), None) => None,
    };
    let detector = kind.detector.map(|detector| detector == entry.detector);
    let each = [detector, vendor, kind.view.map(|view| entry.views.contains(&view))];
    match (each.contains(&Some(false)), each.contains(&None)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use mammo_nn::model_file::Estimate;

    use super::*;

    fn evidence(detector: Detector, vendors: Option<&[&str]>, views: &[View]) -> Evidence {
        Evidence {
            detector,
            vendors: vendors.map(|names| names.iter().map(|name| name.to_string()).collect()),
            views: views.to_vec(),
            n_images: 9,
            n_patients: 4,
            auc: Estimate { value: 0.8, interval: [0.7, 0.9] },
            note: None,
        }
    }

    fn kind(detector: Option<Detector>, maker: Option<&str>, view: Option<View>) -> ImageKind {
        ImageKind { detector, manufacturer: maker.map(str::to_string), view }
    }

    #[test]
    fn an_image_is_inside_outside_or_unknown_by_detector_manufacturer_and_view() {
        use Detector::{Digital, Film};
        use Domain::{Inside, Outside, Unknown};
        use View::{Cc, Mlo};
        let film = [evidence(Film, None, &[Cc, Mlo])];
        let one_vendor = [evidence(Digital, Some(&["HOLOGIC, Inc.", "LORAD"]), &[Mlo])];
        let both = [film[0].clone(), one_vendor[0].clone()];
        let cases: [(&[Evidence], ImageKind, Domain); 16] = [
            (&[], kind(Some(Digital), Some("GE"), Some(Cc)), Unknown),
            (&film, kind(Some(Film), None, Some(Cc)), Inside),
            (&film, kind(Some(Film), Some("any"), Some(Mlo)), Inside),
            (&film, kind(Some(Film), None, None), Unknown),
            (&film, kind(Some(Digital), None, Some(Cc)), Outside),
            (&film, kind(Some(Digital), None, None), Outside),
            (&film, kind(None, Some("GE"), Some(Cc)), Unknown),
            (&film, ImageKind::default(), Unknown),
            (&one_vendor, kind(Some(Digital), Some(" hologic, inc. "), Some(Mlo)), Inside),
            (&one_vendor, kind(Some(Digital), Some("HOLOGIC"), Some(Mlo)), Outside),
            (&one_vendor, kind(Some(Digital), Some("LORAD"), Some(Cc)), Outside),
            (&one_vendor, kind(Some(Digital), None, Some(Mlo)), Unknown),
            (&one_vendor, kind(None, Some("GE"), Some(Mlo)), Outside),
            (&both, kind(Some(Film), None, Some(Cc)), Inside),
            (&both, kind(Some(Digital), Some("GE"), Some(Mlo)), Outside),
            (&both, kind(None, Some("GE"), Some(Mlo)), Unknown),
        ];
        for (evidence, kind, expected) in cases {
            let found = DomainFinding::of_one(evidence, &kind);
            assert_eq!(found.domain, expected, "{kind}");
            let silent = expected == Inside || evidence.is_empty();
            assert_eq!(found.reason.is_empty(), silent, "{}", found.reason);
        }
        let found = DomainFinding::of_one(&one_vendor, &kind(Some(Digital), Some("GE"), Some(Cc)));
        let reason = "(digital, GE, CC; figures for digital of HOLOGIC, Inc. or LORAD, MLO)";
        assert!(found.reason.ends_with(reason), "{}", found.reason);
    }

    #[test]
    fn the_worst_domain_of_several_models_counts() {
        let card = |evidence| {
            let network = mammo_nn::model_file::Network::Trunk(mammo_nn::networks::trunk::TrunkConfig::new(
                mammo_nn::networks::trunk::Family::Resnet18,
            ));
            ModelCard { evidence, ..ModelCard::new(network, vec![], Default::default(), Default::default()) }
        };
        let views = [View::Cc, View::Mlo];
        let film = card(vec![evidence(Detector::Film, None, &views)]);
        let digital = card(vec![evidence(Detector::Digital, None, &views)]);
        let bare = card(vec![]);
        let image = kind(Some(Detector::Film), None, Some(View::Cc));
        let domain = |cards: &[&ModelCard]| DomainFinding::of(cards.iter().copied(), &image).domain;
        assert_eq!(domain(&[&film]), Domain::Inside);
        assert_eq!(domain(&[&film, &bare]), Domain::Unknown);
        assert_eq!(domain(&[&film, &digital]), Domain::Outside);
        assert_eq!(domain(&[&digital, &bare, &film]), Domain::Outside);
        let unknown = DomainFinding::of([&bare, &film], &ImageKind::default());
        assert!(unknown.reason.contains("figures for film"), "{}", unknown.reason);
    }

    #[test]
    fn a_record_gives_the_view_that_the_file_does_not_state() {
        let kind = ImageKind::of(None);
        assert_eq!(kind, ImageKind::default());
        assert_eq!(kind.clone().with_view(Some(View::Mlo)).view, Some(View::Mlo));
        let stated = ImageKind { view: Some(View::Cc), ..kind };
        assert_eq!(stated.clone().with_view(None), stated);
    }
}
