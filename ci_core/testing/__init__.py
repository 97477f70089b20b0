"""The public kit for testing adapters and projects: contract suites, fakes, temporary projects, golden files."""
