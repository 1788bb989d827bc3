//! Leveled RNS-CKKS for batched inference.
