from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

from ci_core.ci.context import Context
from ci_core.ci.detect import detect
from ci_core.errors import InvalidVariableError, MissingVariableError, NoCommitYetError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from pathlib import Path

HEAD = CommitId("1" * 40)
OTHER = CommitId("2" * 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCheckout:
    commit: CommitId | None = HEAD
    branch_name: str | None = "work"

    def head(self) -> CommitId:
        if self.commit is None:
            raise NoCommitYetError(path="/project")
        return self.commit

    def branch(self) -> str | None:
        return self.branch_name

    def default_branch(self) -> str:
        return "trunk"


def no_event_file(path: Path) -> NoReturn:
    pytest.fail(f"a plain shell has no event file, yet {path} was read")


def detected(env: dict[str, str], *, commit: CommitId | None = HEAD, branch: str | None = "work") -> Context:
    return detect(env, read_event=no_event_file, checkout=FakeCheckout(commit=commit, branch_name=branch))


def test_a_bare_shell_is_a_manual_run_of_what_is_checked_out() -> None:
    assert detected({}) == Context(system="plain", event="manual", head=HEAD, branch="work", default_branch="trunk")


@pytest.mark.parametrize("event", ["push", "schedule", "manual"])
def test_the_event_is_what_the_variable_says(event: str) -> None:
    assert detected({"GRAPHSHIP_EVENT": event}).event == event


@pytest.mark.parametrize("number", ["GRAPHSHIP_CHANGE_REQUEST", "CI_PULL_REQUEST"])
def test_a_number_alone_means_a_change_request(number: str) -> None:
    context = detected({number: "12"})

    assert (context.event, context.change_request) == ("change-request", 12)


def test_a_push_to_the_branch_of_a_change_request_is_still_a_push() -> None:
    context = detected({"GRAPHSHIP_EVENT": "push", "CI_PULL_REQUEST": "12"})

    assert (context.event, context.change_request) == ("push", None)


def test_generic_names_describe_the_run_of_an_unknown_ci_system() -> None:
    env = {
        "CI_PULL_REQUEST": "7",
        "CI_COMMIT": OTHER,
        "CI_BRANCH": "feature",
        "CI_RUN_ID": "31",
        "CI_RUN_URL": "https://ci.example.org/31",
    }

    assert detected(env, commit=None, branch=None) == Context(
        system="plain",
        event="change-request",
        head=OTHER,
        branch="feature",
        default_branch="trunk",
        change_request=7,
        run_id=31,
        run_url="https://ci.example.org/31",
    )


def test_our_names_win_over_generic_ones_and_empty_ones_do_not_count() -> None:
    env = {
        "GRAPHSHIP_BRANCH": "ours",
        "CI_BRANCH": "generic",
        "GRAPHSHIP_COMMIT": "",
        "CI_COMMIT": OTHER,
        "GRAPHSHIP_EVENT": "",
        "GRAPHSHIP_DEFAULT_BRANCH": "main",
    }

    context = detected(env)

    assert (context.branch, context.head, context.event, context.default_branch) == ("ours", OTHER, "manual", "main")


def test_a_tag_event_has_a_tag_and_no_branch() -> None:
    context = detected({"CI_TAG": "churn#staging#1"}, branch=None)

    assert (context.event, context.tag, context.branch) == ("tag", "churn#staging#1", None)


def test_a_request_from_a_fork_is_not_trusted_when_the_caller_says_so() -> None:
    assert detected({"CI_PULL_REQUEST": "1"}).is_trusted
    assert not detected({"CI_PULL_REQUEST": "1", "GRAPHSHIP_TRUSTED": "False"}).is_trusted


def test_an_unknown_event_is_told_with_the_nearest() -> None:
    with pytest.raises(InvalidVariableError) as caught:
        detected({"GRAPHSHIP_EVENT": "pushh"})

    assert caught.value.fact == "`GRAPHSHIP_EVENT` is `pushh`; expected the name of an event"
    assert caught.value.known == ("known: `change-request`, `push`, `tag`, `schedule`, `manual`",)
    assert caught.value.hint == "did you mean `push`?"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CI_PULL_REQUEST", "0"),
        ("CI_PULL_REQUEST", "#12"),
        ("GRAPHSHIP_CHANGE_REQUEST", "1\n"),
        ("CI_COMMIT", "abc1234"),
        ("GRAPHSHIP_COMMIT", "HEAD"),
        ("CI_RUN_ID", "-3"),
        ("GRAPHSHIP_TRUSTED", "yes"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidVariableError) as caught:
        detected({variable: value})

    assert caught.value.variable == variable
    assert caught.value.where == (f"environment variable {variable}",)


@pytest.mark.parametrize(
    ("env", "branch", "hint"),
    [
        ({}, None, "set `GRAPHSHIP_BRANCH=main`"),
        ({"GRAPHSHIP_EVENT": "change-request"}, "work", "set `GRAPHSHIP_CHANGE_REQUEST=12`"),
        ({"GRAPHSHIP_EVENT": "tag"}, "work", "set `GRAPHSHIP_TAG=churn#staging#1`"),
    ],
    ids=["detached head", "change request without a number", "tag without a name"],
)
def test_what_nothing_says_is_asked_for_by_its_variable(env: dict[str, str], branch: str | None, hint: str) -> None:
    with pytest.raises(MissingVariableError) as caught:
        detected(env, branch=branch)

    assert caught.value.hint == hint


def test_a_repository_without_a_commit_is_told_so() -> None:
    with pytest.raises(NoCommitYetError):
        detected({}, commit=None)
