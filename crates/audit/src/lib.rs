//! Reads finished images: whether one is what its project builds, in what two differ, what is in one. Delivers none.

mod analyze;
mod describe_file;
mod diff;
mod documents;
mod fields;
mod pairs;
mod verify;

pub use analyze::{Analysis, Cost, Duplicate, FileCost, LayerCost, PartCost, analyze};
pub use diff::{Change, Diff, FileChange, LayerChange, LayerDifference, PackageChange, PlatformDiff, diff};
pub use fields::Field;
pub use verify::{
    Finding, LayerVerdict, LayerVerification, Origin, OriginCount, PlatformVerification, Verdict,
    Verification, verify,
};
