//! The instruction sets that inner loops are compiled for, chosen at run time: the widest that the
//! machine has, or a narrower one named by the environment variable `CKKS_ISA`. (Without IFMA the transforms are
//! a library's, which makes a choice of its own.)

use std::sync::OnceLock;

/// Names the widest instruction set to use: `portable`, `avx2`, `avx512` or `avx512ifma`. For
/// comparing them; results are the same bits. Anything else is as if it were not set, as is what
/// the machine does not have: see [`instruction_set`].
const VARIABLE: &str = "CKKS_ISA";

/// An instruction set that this machine has. There is no way to make one that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What the target always has.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, DQ, VL and BW.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// The same with IFMA, which few loops have a use for.
    #[cfg(target_arch = "x86_64")]
    Avx512Ifma,
}

/// The instruction set of the engine's inner loops in this process: `portable`, `avx2`, `avx512` or
/// `avx512ifma`. The widest that the machine has, unless the environment variable `CKKS_ISA` named a
/// narrower one when it was first asked for.
pub fn instruction_set() -> &'static str {
    Isa::detect().name()
}

impl Isa {
    /// The widest one, or the one that [`VARIABLE`] names.
    pub fn detect() -> Self {
        static CHOICE: OnceLock<Isa> = OnceLock::new();
        *CHOICE.get_or_init(|| Self::named(std::env::var(VARIABLE).ok().as_deref()))
    }

    /// The one of that name; the widest where the machine has none of that name.
    fn named(name: Option<&str>) -> Self {
        let asked = Self::available().find(|isa| Some(isa.name()) == name);
        let widest = || Self::available().last();
        asked.or_else(widest).unwrap_or(Self(Kind::Portable))
    }

    fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Ifma => "avx512ifma",
        }
    }

    /// All of them, narrowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let avx512 = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("fma");
        let kinds = [
            Some(Kind::Portable),
            #[cfg(target_arch = "x86_64")]
            (std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("fma"))
            .then_some(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            avx512.then_some(Kind::Avx512),
            #[cfg(target_arch = "x86_64")]
            (avx512 && std::arch::is_x86_feature_detected!("avx512ifma"))
                .then_some(Kind::Avx512Ifma),
        ];
        kinds.into_iter().flatten().map(Self)
    }

    pub fn kind(self) -> Kind {
        self.0
    }
}

/// Compiles functions once for every instruction set; the first argument says which one runs.
macro_rules! per_isa {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        pub(crate) fn $name(isa: $crate::isa::Isa, $($arg: $ty),*) {
            #[inline(always)]
            fn portable($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) {
                portable($($arg),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma")]
            fn avx512($($arg: $ty),*) {
                portable($($arg),*);
            }

            match isa.kind() {
                $crate::isa::Kind::Portable => portable($($arg),*),
                // SAFETY: an `Isa` exists only where its features were detected.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Kind::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Kind::Avx512 | $crate::isa::Kind::Avx512Ifma => unsafe {
                    avx512($($arg),*)
                },
            }
        }
    )*};
}

pub(crate) use per_isa;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_is_found_by_its_name_and_nothing_else_is() {
        let mut widest = None;
        for isa in Isa::available() {
            assert_eq!(Isa::named(Some(isa.name())), isa);
            widest = Some(isa);
        }
        for unknown in [None, Some(""), Some("AVX2"), Some("avx1024")] {
            assert_eq!(Some(Isa::named(unknown)), widest);
        }
        assert_eq!(Isa::named(Some("portable")).kind(), Kind::Portable);
    }
}
