"""Stands in for the woodwork engine where it is not installed: the types that hooks and pipes are written against."""
