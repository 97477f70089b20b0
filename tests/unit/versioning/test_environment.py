from __future__ import annotations

from ci_core.versioning.environment import read_environment
from ci_core.versioning.revision import EnvironmentVersion


def test_the_most_exact_lock_file_is_taken() -> None:
    files = {"requirements.txt": b"numpy\n", "uv.lock": b"abc"}

    environment = read_environment(files.get, running="3.11")

    assert environment.lock_file == "uv.lock"
    # the sha256 of "abc": FIPS 180-2, appendix B.1
    assert environment.lock == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_project_without_a_lock_file_has_none() -> None:
    assert read_environment(lambda _path: None, running="3.11") == EnvironmentVersion(python="3.11")


def test_the_python_that_the_project_names_goes_before_the_running_one() -> None:
    assert read_environment({".python-version": b"cpython-3.12.4\n"}.get, running="3.11").python == "3.12.4"
    assert read_environment({".python-version": b"system\n"}.get, running="3.11").python == "3.11"


def test_packages_are_read_from_the_lock_file_and_a_broken_one_is_told() -> None:
    sound = read_environment({"requirements.txt": b"numpy==2.4\n"}.get, running="3.11")
    broken = read_environment({"uv.lock": b"x ="}.get, running="3.11")

    assert (dict(sound.packages), sound.problem) == ({"numpy": "2.4"}, None)
    assert broken.packages == {}
    assert (broken.problem or "").startswith("uv.lock: Invalid value")
