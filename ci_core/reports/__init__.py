"""Reports: data first, then renderings."""
