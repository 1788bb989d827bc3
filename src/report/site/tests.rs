//! The report over all studies, made from runs that are written by hand here: what it says, and what it does with gaps.
