mod fixture;
mod layout;
mod loader_cache;
mod onto;
mod real;
mod refusals;
