"""Tools for the batch normalisation of whole nets."""
