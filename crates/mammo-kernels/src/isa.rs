//! Which instructions are used, chosen at run time.

use std::sync::OnceLock;

/// A set of vector instructions that the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust; every processor, and Miri.
    Portable,
    /// 64-bit Arm: 128-bit vectors.
    Neon,
    /// x86-64 with AVX2 and fused multiply-add: 256-bit vectors.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL: 512-bit vectors.
    Avx512,
    /// The former with products of bf16 pairs (`AVX512_BF16`).
    Avx512Bf16,
}

impl Isa {
    /// The best that this processor has. `MAMMO_ISA` (`portable`, `neon`, `avx2`, `avx512`,
    /// `avx512bf16`) asks for less; what the processor lacks is not granted.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let available = Self::available();
            let wanted = std::env::var("MAMMO_ISA").unwrap_or_default();
            let best = available.last().copied().unwrap_or(Isa::Portable);
            available.into_iter().find(|isa| isa.name() == wanted).unwrap_or(best)
        })
    }

    /// All that this processor has, slowest first.
    pub fn available() -> Vec<Self> {
        let mut available = vec![Isa::Portable];
        if cfg!(miri) {
            return available;
        }
        #[cfg(target_arch = "aarch64")]
        available.push(Isa::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                available.push(Isa::Avx2);
            }
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if wide {
                available.push(Isa::Avx512);
            }
            if wide && is_x86_feature_detected!("avx512bf16") {
                available.push(Isa::Avx512Bf16);
            }
        }
        available
    }

    /// Its name in `MAMMO_ISA` and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512bf16",
        }
    }

    /// Runs a loop of plain Rust compiled for this instruction set.
    #[inline]
    pub fn run<J: Job>(self, job: J) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` lists a set only after the processor reported its features.
            Isa::Avx512 | Isa::Avx512Bf16 => unsafe { run_avx512(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { run_avx2(job) },
            _ => job.run(),
        }
    }
}

/// A loop that the compiler vectorises itself; `run` must be `#[inline(always)]`.
pub trait Job {
    /// Does the work.
    fn run(self);
}

/// # Safety
/// The processor has the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn run_avx512<J: Job>(job: J) {
    job.run();
}

/// # Safety
/// The processor has the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<J: Job>(job: J) {
    job.run();
}
