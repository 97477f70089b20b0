"""Exact versions of code, data, params, environment, models and results."""
