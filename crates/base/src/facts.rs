use wainwright_python::Libc;

/// What is kept of a regular file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) is_executable: bool,
    /// Begins as a program does; looked at only where the name is that of an interpreter.
    pub(crate) is_elf: bool,
    /// The content of the few files that are read.
    pub(crate) text: Option<Vec<u8>>,
    /// The version of a C library.
    pub(crate) libc: Option<Libc>,
}
