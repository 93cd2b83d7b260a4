mod added;
mod fixture;
mod layout;
mod loader_cache;
mod real;
mod refusals;
