//! Which part of a scan is film, and which the light that leaked around it.

use super::mask::Mask;

/// Deepest film edge, as a share of the image's side.
pub(super) const MAX_EDGE_FRACTION: f64 = 0.06;

/// Shortest film edge, as a share of the border that it runs along. A bright mass at the chest
/// wall is shorter.
const MIN_EDGE_LENGTH_FRACTION: f64 = 0.15;

/// Levels at least this bright are unexposed film edge, if they are anything but tissue.
const BRIGHT: u8 = 248;

/// Least drop from an edge to the film beside it: an edge ends at once, tissue fades.
const MIN_STEP: u8 = 6;

/// Levels below this may lie outside a bright edge: the scanner's bed.
const DARK: u8 = 24;

/// Everything but bright strips along the border, for levels on a square-root scale.
///
/// From each border inwards, every row and column loses its leading run of dark and bright
/// pixels up to the last bright one, where enough neighbouring lines do so too. A bright run
/// that goes on deeper than [`MAX_EDGE_FRACTION`] is no edge but tissue, as a dense pectoral
/// muscle, and stays; so does one that fades into its surroundings.
pub(super) fn film(levels: &[u8], width: usize, height: usize) -> Mask {
    let mut film = Mask::filled(width, height, true);
    cut_side(levels, &mut film, height, width, |along, depth| along * width + depth);
    cut_side(levels, &mut film, height, width, |along, depth| (along + 1) * width - 1 - depth);
    cut_side(levels, &mut film, width, height, |along, depth| depth * width + along);
    cut_side(levels, &mut film, width, height, |along, depth| (height - 1 - depth) * width + along);
    film
}

/// Takes the edge along one border out of the film; `cell` gives the index of a pixel by its
/// place along the border and its depth.
fn cut_side(
    levels: &[u8],
    film: &mut Mask,
    length: usize,
    across: usize,
    cell: impl Fn(usize, usize) -> usize,
) {
    let deepest = (across as f64 * MAX_EDGE_FRACTION) as usize;
    let depths: Vec<usize> =
        (0..length).map(|along| edge_depth((0..deepest).map(|depth| levels[cell(along, depth)]))).collect();
    let mut first = 0;
    for stretch in depths.chunk_by(|a, b| (*a > 0) == (*b > 0)) {
        if stretch.len() as f64 >= length as f64 * MIN_EDGE_LENGTH_FRACTION {
            for (along, &edge) in (first..).zip(stretch) {
                (0..edge).for_each(|depth| film.cells[cell(along, depth)] = false);
            }
        }
        first += stretch.len();
    }
}

/// How deep the edge at the start of one line is; zero when there is none.
fn edge_depth(line: impl Iterator<Item = u8>) -> usize {
    let line: Vec<u8> = line.collect();
    let run = line.iter().take_while(|level| !(DARK..BRIGHT).contains(level)).count();
    let Some(last) = line[..run].iter().rposition(|&level| level >= BRIGHT) else { return 0 };
    // The pixel after the last bright one is a mixture of edge and film, and is cut as well.
    match line.get(last + 2) {
        Some(&beyond) if beyond <= BRIGHT - MIN_STEP => last + 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strip_is_cut_where_it_is_bright_and_tissue_is_not() {
        // Side 100, so at most six pixels deep: a strip of three at the left, behind one dark
        // pixel, over the upper half; a bright body that starts at the lower right border, and a
        // short bright mass at the left.
        let mut levels = vec![100_u8; 100 * 100];
        for y in 0..50 {
            levels[y * 100] = 0;
            levels[y * 100 + 1..y * 100 + 4].fill(255);
        }
        (60..100).for_each(|y| levels[y * 100 + 50..(y + 1) * 100].fill(250));
        (80..90).for_each(|y| levels[y * 100..y * 100 + 3].fill(255));
        let film = film(&levels, 100, 100);
        assert_eq!(film.row(20)[..7], [false, false, false, false, false, true, true]);
        assert!(film.row(85).iter().all(|&inside| inside));
        assert!(film.row(70).iter().all(|&inside| inside));
        assert_eq!(film.area(), 100 * 100 - 50 * 5);
    }
}
