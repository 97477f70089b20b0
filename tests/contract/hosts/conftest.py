"""The published suite asserts; pytest must be told to explain its assertions too."""

import pytest

pytest.register_assert_rewrite("ci_core.testing.host_contract")
