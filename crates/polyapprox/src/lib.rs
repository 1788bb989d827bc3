//! Approximation of activation functions by low-degree polynomials.
//!
//! Homomorphic encryption adds and multiplies and does nothing else, so a network that shall run on ciphertexts needs a
//! polynomial where it had an activation. This crate finds one, in eight ways ([`Method`]), for seven functions ([`Function`]), on any
//! finite [`Interval`], of degree 1 to [`MAX_DEGREE`], and says how good it is ([`Errors`]).
//!
//! ```
//! use polyapprox::{Function, Interval, Method, approximate};
//!
//! // The polynomial of CryptoDL (arXiv 1711.05189): 0.00115097 x^2 + 0.5 x + c.
//! let interval = Interval::new(-255.0, 255.0)?;
//! let found = approximate(Function::Relu, Method::Derivative, 2, interval)?;
//! let [_, linear, quadratic] = found.polynomial.coefficients() else { unreachable!() };
//! assert_eq!(*linear, 0.5);
//! assert!((quadratic - 0.00115097).abs() < 1e-8);
//! # Ok::<(), polyapprox::Error>(())
//! ```
//!
//! # How it is built
//!
//! All methods but Taylor's and the minimax one are orthogonal projections and differ in their measure alone. A measure is a list of
//! weighted Gauss-Legendre nodes, in panels split wherever the function has a kink or bends (`quadrature`); its orthonormal
//! polynomials are built on those nodes (`projection`). Work happens in a variable t in which the interval is \[-1, 1\]; only the
//! finished polynomial is written in powers of x.

mod approximate;
mod density;
mod derivative;
mod error;
mod errors;
mod extrema;
mod function;
mod interval;
mod measure;
mod method;
mod polynomial;
mod projection;
mod quadrature;
mod remez;
mod taylor;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;

pub use approximate::{Approximation, MAX_DEGREE, approximate, approximate_weighted};
pub use density::Density;
pub use error::Error;
pub use errors::Errors;
pub use function::Function;
pub use interval::Interval;
pub use method::Method;
pub use polynomial::Polynomial;
