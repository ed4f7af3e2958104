//! Safe calls that would access memory out of bounds panic before a pointer is used.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn refused(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

#[test]
fn a_window_whose_end_passes_the_largest_address_is_refused() {
    let numbers = [1.0_f32; 64];
    for isa in Isa::available() {
        let kernel = f32::kernel(isa);
        let mut rows = Rows::separate(&kernel, 1, 4);
        rows.reset(1, &numbers);
        rows.set_window(0, 0, &numbers, 60, &SegmentOffsets::new(vec![0]));
        for (at, span) in [(61, 0), (usize::MAX, 0), (usize::MAX - 2, 1), (1, usize::MAX), (60, 1)] {
            let window = SegmentOffsets::new(vec![span]);
            assert!(refused(|| rows.set_window(0, 0, &numbers, at, &window)), "{isa:?} {at} {span}");
        }
    }
}

#[test]
fn sizes_whose_products_overflow_are_refused() {
    for isa in Isa::available() {
        let kernel = f32::kernel(isa);
        assert!(refused(|| drop(Rows::<f32>::separate(&kernel, usize::MAX / 2, 4))), "{isa:?}");
        assert!(refused(|| drop(Rows::<f32>::separate(&kernel, 4, usize::MAX / 2))), "{isa:?}");
        assert!(refused(|| drop(Rows::<f32>::interleaved(&kernel, 1, 3, usize::MAX / 2))), "{isa:?}");
    }
}

#[test]
fn an_output_or_a_panel_that_is_too_short_and_rows_of_another_kernel_are_refused() {
    let numbers = [1.0_f32; 256];
    for isa in Isa::available() {
        let kernel = f32::kernel(isa);
        let multiply = |rows: &Rows<'_, f32>, panel: &[f32], offsets: &[usize], out: &mut [f32]| {
            let panel = Panel { first: 0, live: 2, numbers: panel };
            kernel.multiply(rows, &panel, &Offsets::new(offsets), out, &Epilogue::default());
        };
        let mut rows = Rows::separate(&kernel, 1, 2);
        rows.reset(1, &numbers);
        let panel = [2.0_f32; 64];
        let mut out = [0.0; 8];
        multiply(&rows, &panel, &[0, 6], &mut out);
        assert_eq!(out, [4.0, 4.0, 0.0, 0.0, 0.0, 0.0, 4.0, 4.0], "{isa:?}");
        for offsets in [&[7][..], &[usize::MAX], &[usize::MAX - 1], &[0; 64]] {
            assert!(refused(|| multiply(&rows, &panel, offsets, &mut [0.0; 8])), "{isa:?} {offsets:?}");
        }
        assert!(refused(|| multiply(&rows, &panel[..2], &[0], &mut [0.0; 8])), "{isa:?}");
        for other in Isa::available().into_iter().map(f32::kernel).filter(|k| k.rows() != kernel.rows()) {
            let mut rows = Rows::interleaved(&other, 1, 2, 1);
            rows.reset(16, &numbers);
            assert!(refused(|| multiply(&rows, &panel, &[0], &mut [0.0; 8])), "{isa:?}, rows of {other:?}");
        }
    }
}
