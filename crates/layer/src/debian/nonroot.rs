/// An account of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: &'static str,
    /// Its number, which is what an image config should say: Kubernetes cannot prove that a name is not root.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its home, absolute.
    pub home: &'static str,
}

/// The account that processes run as; defined by `layers/nonroot-user`.
pub const NONROOT: User = User { name: "nonroot", uid: 65532, gid: 65532, home: "/home/nonroot" };
