//! Whole wheels, sound and broken, made by [`maker`].

mod cases;
mod installing;
mod maker;
mod mutations;
mod refusals;
