//! Fits polynomials of degree 2 to ReLU on [-4, 4] by every method, and prints their coefficients and errors.
//!
//! `cargo run --release --example fit_polynomial`

use polyapprox::{Function, Interval, Method, approximate};

fn main() -> Result<(), polyapprox::Error> {
    let interval = Interval::new(-4.0, 4.0)?;
    println!(
        "{:<20} {:>30}  largest error",
        "method", "c0 + c1 x + c2 x^2"
    );
    for method in Method::ALL {
        if method == Method::Data {
            continue; // It needs the inputs of a trained network.
        }
        let found = approximate(Function::Relu, method, 2, interval)?;
        let coefficients: Vec<String> = found
            .polynomial
            .coefficients()
            .iter()
            .map(|coefficient| format!("{coefficient:.5}"))
            .collect();
        println!(
            "{:<20} {:>30}  {:.4}",
            method.as_str(),
            coefficients.join("  "),
            found.errors.max
        );
    }
    Ok(())
}
