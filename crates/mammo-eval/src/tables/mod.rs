//! The input tables of an evaluation, and the cases derived from them.
//!
//! | module | what |
//! |---|---|
//! | [`scores`], [`findings`] | the score table and the findings table, read and written |
//! | [`domain`] | whether a model has figures for the kind of an image |
//! | [`grouping`] | columns that split the images into groups |
//! | [`aggregate`] | from images to breasts and patients |
//! | [`mod@unit`] | what a row of a score table stands for |
//! | [`sample`] | cases as slices of scores, truths and patients |

pub mod aggregate;
pub mod domain;
pub mod findings;
pub mod grouping;
pub mod sample;
pub mod scores;
pub mod unit;
