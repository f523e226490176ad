"""Fits as words, tables and files."""
