from __future__ import annotations

from pathlib import Path

import pytest

from ci_core.behaviour.surroundings import led, scrubbed

HOME = Path("/scratch/home")


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "JENKINS_COOKIE"),
        *(
            "AWS_SECRET_ACCESS_KEY",
            "AWS_PROFILE",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "AZURE_STORAGE_KEY",
            "DVC_STUDIO_TOKEN",
        ),
        *(
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_VALUE_0",
            "SSH_AUTH_SOCK",
            "GRAPHSHIP_HOST_TOKEN",
            "DATABASE_URL",
            "https_proxy",
        ),
        *("XDG_CONFIG_HOME", "KUBECONFIG", "NETRC", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT"),
    ],
)
def test_what_a_graph_needs_not_to_run_it_does_not_get(name: str) -> None:
    assert name not in scrubbed({name: "secret", "PATH": "/bin"}, home=HOME, user_base=None, moved=None)


def test_a_graph_gets_what_programs_need_and_a_home_folder_of_its_own() -> None:
    env = {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "HOME": "/home/robin",
        "PYTHONHASHSEED": "random",
    }

    assert scrubbed(env, home=HOME, user_base="/home/robin/.local", moved=None) == {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "HOME": "/scratch/home",
        "TMPDIR": "/scratch/home",
        "PYTHONUSERBASE": "/home/robin/.local",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def test_search_paths_in_the_work_tree_lead_to_the_same_folder_of_the_other_commit() -> None:
    moved = (Path("/work/repo"), Path("/tree"))
    entries = ["/work/repo/src", "/work/repo", "/elsewhere", "/work/repo/.venv/lib/site-packages", "/work/repository"]

    assert led(entries, moved) == [
        "/tree/src",
        "/tree",
        "/elsewhere",
        "/work/repo/.venv/lib/site-packages",
        "/work/repository",
    ]
    assert led(entries, None) == entries


def test_relative_search_paths_mean_the_folder_that_graphship_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    env = scrubbed({"PYTHONPATH": "src:/lib"}, home=HOME, user_base=None, moved=(tmp_path, Path("/tree")))

    assert env["PYTHONPATH"] == "/tree/src:/lib"
