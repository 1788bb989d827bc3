use super::*;

fn literal(log_n: u32, prime_bits: &[u32], special_bits: &[u32]) -> ParametersLiteral {
    ParametersLiteral {
        ring: Ring::Standard,
        log_n,
        prime_bits: prime_bits.to_vec(),
        special_bits: special_bits.to_vec(),
    }
}

#[test]
fn the_table_is_enforced_on_the_actual_primes() {
    let set = Parameters::new(literal(13, &[40, 40, 40, 40], &[50])).unwrap();
    assert!(set.log_qp() > 209.0 && set.log_qp() < 210.0);
    assert_eq!(set.security_bits(), 128);
    // 214 bits fit: the primes lie just below powers of two, so their product is below 2^214
    assert!(Parameters::new(literal(13, &[41, 41, 41, 41], &[50])).is_ok());
    let over = Parameters::new(literal(13, &[41, 41, 41, 42], &[50]));
    assert!(matches!(over, Err(Error::Insecure { maximum: 214.0, .. })));
    // the special prime counts
    assert!(Parameters::new(literal(12, &[50, 50], &[])).is_ok());
    let special = Parameters::new(literal(12, &[50, 50], &[50]));
    assert!(matches!(special, Err(Error::Insecure { .. })));
    let test = Parameters::insecure_for_tests(literal(12, &[50, 50], &[50])).unwrap();
    assert!(test.is_insecure());
    assert_eq!(test.security_bits(), 0);
}

#[test]
fn primes_are_distinct_of_their_size_and_form() {
    for ring in [Ring::Standard, Ring::ConjugateInvariant] {
        let set = ParametersLiteral {
            ring,
            ..literal(14, &[50, 40, 40, 30], &[50])
        };
        let set = Parameters::new(set).unwrap();
        let modulo = if ring == Ring::Standard {
            2 << 14
        } else {
            4 << 14
        };
        let mut all = set.primes().to_vec();
        all.extend(set.special_primes());
        for (&p, bits) in all.iter().zip([50, 40, 40, 30, 50]) {
            assert_eq!(p % modulo, 1);
            assert_eq!(64 - p.leading_zeros(), bits);
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
        assert_eq!(
            set.slots(),
            if ring == Ring::Standard { 8192 } else { 16384 }
        );
    }
}

#[test]
fn every_covered_ring_degree_has_its_primes() {
    for ring in [Ring::Standard, Ring::ConjugateInvariant] {
        for log_n in 10..=16 {
            let bits = max_log_qp(128, log_n).unwrap().min(50.0) as u32;
            let set = ParametersLiteral {
                ring,
                ..literal(log_n, &[bits], &[])
            };
            assert!(Parameters::new(set).is_ok(), "{ring} 2^{log_n}");
        }
    }
}

#[test]
fn impossible_sets_say_why() {
    let new = |l| Parameters::new(l).map(|_| ());
    assert!(matches!(
        new(literal(9, &[20], &[])),
        Err(Error::RingDegree { log_n: 9, .. })
    ));
    assert!(matches!(
        new(literal(17, &[40], &[])),
        Err(Error::RingDegree { .. })
    ));
    assert!(matches!(
        new(literal(13, &[], &[])),
        Err(Error::ChainLength { .. })
    ));
    assert!(matches!(
        new(literal(13, &[40, 51], &[])),
        Err(Error::PrimeBits { index: 1, .. })
    ));
    assert!(matches!(
        new(literal(13, &[40], &[60])),
        Err(Error::PrimeBits { .. })
    ));
    assert!(matches!(
        new(literal(16, &[20; 8], &[])),
        Err(Error::PrimeNotFound { .. })
    ));
}

#[test]
fn the_fingerprint_tells_sets_apart() {
    let base = literal(12, &[40, 40], &[]);
    let mut seen = vec![
        Parameters::new(base.clone()).unwrap().fingerprint(),
        Parameters::insecure_for_tests(base.clone())
            .unwrap()
            .fingerprint(),
    ];
    let other = |change: fn(&mut ParametersLiteral)| {
        let mut literal = base.clone();
        change(&mut literal);
        Parameters::new(literal).unwrap().fingerprint()
    };
    seen.push(other(|l| l.ring = Ring::ConjugateInvariant));
    seen.push(other(|l| l.log_n = 13));
    seen.push(other(|l| l.prime_bits = vec![40, 39]));
    seen.push(other(|l| l.prime_bits = vec![40]));
    seen.push(other(|l| l.special_bits = vec![20]));
    for (i, a) in seen.iter().enumerate() {
        assert!(seen[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn sizes_count_the_bits_of_every_prime() {
    let set = Parameters::new(literal(13, &[50, 40, 30], &[])).unwrap();
    assert_eq!(set.wire_bytes(2, 1), 1024 * (50 + 40 + 30));
    assert_eq!(set.wire_bytes(0, 2), 1024 * 50 * 2);
    assert_eq!(set.memory_bytes(1, 2), 8192 * 2 * 2 * 8);
}
