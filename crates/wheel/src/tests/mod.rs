//! Whole wheels, sound and broken, made by [`maker`].

mod cases;
mod installing;
mod leaving_out;
mod maker;
mod mutations;
mod refusals;
