import pytest

pytest.register_assert_rewrite("ci_core.testing.target_contract")
