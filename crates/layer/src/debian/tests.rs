mod elf_files;
mod fixture;
mod layout;
mod real;
mod refusals;
