//! Eigenvectors of small symmetric matrices.

/// Eigenvalues and normalised eigenvectors of a symmetric `n x n` matrix, largest value first, each vector with its largest entry
/// positive, by Jacobi's rotations.
pub fn eigenvectors(mut a: Vec<f64>, n: usize) -> Vec<(f64, Vec<f64>)> {
    /// Far more sweeps than any matrix of this size was seen to need.
    const SWEEPS: usize = 50;
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    for _ in 0..SWEEPS {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j].powi(2))
            .sum();
        let diagonal: f64 = (0..n).map(|i| a[i * n + i].powi(2)).sum();
        if off <= 1e-28 * diagonal {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, n, (p, q));
            }
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..n)
        .map(|i| (a[i * n + i], v[i * n..(i + 1) * n].to_vec()))
        .collect();
    pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
    for (_, vector) in &mut pairs {
        let largest = vector.iter().fold(0.0, |largest: f64, entry| {
            if entry.abs() > largest.abs() {
                *entry
            } else {
                largest
            }
        });
        if largest < 0.0 {
            vector.iter_mut().for_each(|entry| *entry = -*entry);
        }
    }
    pairs
}

/// Turns the matrix in the plane of two coordinates so that its entry between them vanishes, and the vectors with it.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, (p, q): (usize, usize)) {
    let between = a[p * n + q];
    if between == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * between);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = t.hypot(1.0).recip();
    let s = t * c;
    let turn = |values: &mut [f64], i: usize, j: usize| {
        let (x, y) = (values[i], values[j]);
        (values[i], values[j]) = (c * x - s * y, s * x + c * y);
    };
    for k in 0..n {
        turn(a, k * n + p, k * n + q);
    }
    for k in 0..n {
        turn(a, p * n + k, q * n + k);
        turn(v, p * n + k, q * n + k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_rebuild_the_matrix_and_are_orthonormal() {
        let n = 12;
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                matrix[i * n + j] = ((i * j) as f64 * 0.37).cos() + f64::from(u8::from(i == j));
            }
        }
        let pairs = eigenvectors(matrix.clone(), n);
        assert!(pairs.windows(2).all(|pair| pair[0].0 >= pair[1].0));
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| pairs[i].1[k] * pairs[j].1[k]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-10);
                let rebuilt: f64 = pairs.iter().map(|(value, v)| value * v[i] * v[j]).sum();
                assert!((rebuilt - matrix[i * n + j]).abs() < 1e-9);
            }
        }
    }
}
