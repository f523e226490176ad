"""Sources of rows: data in, frames of named columns out."""
