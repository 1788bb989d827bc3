//! The instruction sets that inner loops are compiled for, chosen at run time.

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

impl Isa {
    /// The widest one.
    pub fn detect() -> Self {
        let widest = Self::available().last();
        widest.unwrap_or(Self(Kind::Portable))
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
