"""Profiles of tables, drift statistics, and verdicts on windows of live traffic."""
