"""Tests of whether counts vary more than their family says."""
