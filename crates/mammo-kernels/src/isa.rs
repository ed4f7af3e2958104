//! Instruction sets, detected at run time.

use std::sync::OnceLock;

/// A set of vector instructions that this processor has.
///
/// A value proves that the processor has the set: it is created only by detection ([`available`](Self::available),
/// [`best`](Self::best)), so safe functions that take one may use its instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Set);

/// The sets that kernels exist for, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
// Which variants are constructed depends on the processor.
#[allow(dead_code)]
pub(crate) enum Set {
    /// Plain Rust, for every processor and for Miri.
    Portable,
    /// 64-bit Arm: 128-bit vectors.
    Neon,
    /// x86-64 with AVX2 and fused multiply-add: 256-bit vectors.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL: 512-bit vectors.
    Avx512,
    /// The same with products of bf16 pairs (`AVX512_BF16`).
    Avx512Bf16,
}

impl Set {
    const ALL: [Self; 5] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512, Self::Avx512Bf16];

    fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
        }
    }
}

/// The environment variable that selects another set than the best.
pub const VARIABLE: &str = "MAMMO_ISA";

impl Isa {
    /// The best set of this processor, or the one that `MAMMO_ISA` names. An invalid name is ignored here;
    /// [`check_variable`] reports it.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let asked = std::env::var(VARIABLE).ok().and_then(|word| Self::named(&word).ok());
            asked.unwrap_or_else(Self::fastest)
        })
    }

    fn fastest() -> Self {
        Self::available().last().copied().unwrap_or(Self(Set::Portable))
    }

    /// The set with this name.
    ///
    /// # Errors
    /// A message with the valid names, if the name is unknown or this processor lacks the set.
    fn named(word: &str) -> Result<Self, String> {
        let available = Self::available();
        if let Some(isa) = available.iter().find(|isa| isa.name() == word) {
            return Ok(*isa);
        }
        let words: Vec<&str> = available.iter().map(|isa| isa.name()).collect();
        let found = match Set::ALL.iter().any(|set| set.name() == word) {
            true => "which this processor lacks",
            false => "which names no set of instructions",
        };
        Err(format!("'{word}', {found}; expected one of {} here", words.join(", ")))
    }

    /// All sets of this processor, slowest first.
    pub fn available() -> Vec<Self> {
        let mut available = vec![Self(Set::Portable)];
        if cfg!(miri) {
            return available;
        }
        #[cfg(target_arch = "aarch64")]
        available.push(Self(Set::Neon));
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                available.push(Self(Set::Avx2));
            }
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma");
            if wide {
                available.push(Self(Set::Avx512));
            }
            if wide && is_x86_feature_detected!("avx512bf16") {
                available.push(Self(Set::Avx512Bf16));
            }
        }
        available
    }

    /// Its name in `MAMMO_ISA` and in reports.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// True if it multiplies pairs of bf16, which makes bf16 faster than `f32`.
    pub fn multiplies_bf16(self) -> bool {
        self.0 == Set::Avx512Bf16
    }

    /// The set, for the choice of a kernel.
    #[inline(always)]
    pub(crate) fn set(self) -> Set {
        self.0
    }

    /// Runs a loop of plain Rust compiled for this instruction set.
    #[inline]
    pub fn run<J: Job>(self, job: J) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Isa` of this set exists only where `available` found its features.
            Set::Avx512 | Set::Avx512Bf16 => unsafe { run_avx512(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx2 => unsafe { run_avx2(job) },
            _ => job.run(),
        }
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks the value of `MAMMO_ISA`, which [`Isa::best`] ignores if it is invalid.
///
/// # Errors
/// A message with the names that are valid on this processor.
pub fn check_variable() -> Result<(), String> {
    match std::env::var_os(VARIABLE) {
        None => Ok(()),
        Some(word) => Isa::named(&word.to_string_lossy()).map(drop).map_err(|e| format!("{VARIABLE} is {e}")),
    }
}

/// A loop that the compiler vectorises; `run` must be `#[inline(always)]`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_last_that_is_available_and_every_name_finds_its_set() {
        let available = Isa::available();
        assert_eq!(Isa::fastest(), available[available.len() - 1]);
        assert!(available.is_sorted(), "{available:?}");
        for isa in available {
            assert_eq!(Isa::named(isa.name()), Ok(isa));
        }
    }

    #[test]
    fn a_word_that_names_no_set_of_this_processor_is_refused_with_those_that_do() {
        let typo = Isa::named("avx215").unwrap_err();
        assert!(
            typo.contains("'avx215', which names no set") && typo.contains("expected one of portable"),
            "{typo}"
        );
        assert!(Isa::named("").is_err() && Isa::named("AVX2").is_err());
        let lacking: Vec<Set> =
            Set::ALL.into_iter().filter(|set| !Isa::available().contains(&Isa(*set))).collect();
        assert!(!lacking.is_empty(), "no processor has both Neon and AVX2");
        for set in lacking {
            let refusal = Isa::named(set.name()).unwrap_err();
            assert!(refusal.contains("which this processor lacks"), "{refusal}");
        }
    }
}
