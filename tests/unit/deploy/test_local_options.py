from ci_core.deploy.local.options import LocalOptions


def test_options_are_taken_as_the_settings_hold_them() -> None:
    options = LocalOptions.from_settings(
        {"host": "0.0.0.0", "port": 8080, "ready-timeout": 120.0, "drain-timeout": 5.0}
    )

    assert options == LocalOptions(host="0.0.0.0", port=8080, ready_timeout_s=120, drain_timeout_s=5)


def test_port_0_means_any_free_port() -> None:
    options = LocalOptions.from_settings({"host": "127.0.0.1", "port": 0, "ready-timeout": 30.0, "drain-timeout": 10.0})

    assert options == LocalOptions()
