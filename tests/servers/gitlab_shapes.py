"""GitLab's answers: the shapes that the pages of its REST documentation print, each named with its resource.

The pages are those of GitLab 17 and 18. What no client of ours reads is there with a value that is always the same.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.servers.gitlab_state import (
        Deployment,
        Environment,
        Issue,
        JsonObject,
        MergeRequest,
        Note,
        Pipeline,
        State,
        Status,
        Token,
    )

DRAFT_PREFIXES: Final = ("Draft:", "[Draft]", "(Draft)")
"""https://docs.gitlab.com/user/project/merge_requests/drafts/"""


class Shapes:
    """Answers of one server at one address."""

    def __init__(self, state: State, address: str) -> None:
        self.state, self.address = state, address

    @property
    def web(self) -> str:
        """The project's page."""
        return f"{self.address}/{self.state.path}"

    def user(self, login: str) -> JsonObject:
        """https://docs.gitlab.com/api/users/#list-users (as a non-administrator)"""
        return {
            "id": self.state.user_id(login),
            "username": login,
            "name": login.title(),
            "state": "active",
            "locked": False,
            "avatar_url": None,
            "web_url": f"{self.address}/{login}",
        }

    def own_user(self, login: str) -> JsonObject:
        """https://docs.gitlab.com/api/users/#retrieve-the-current-user"""
        return {**self.user(login), "email": f"{login}@example.com", "bot": False, "two_factor_enabled": True}

    def token(self, token: Token) -> JsonObject:
        """https://docs.gitlab.com/api/personal_access_tokens/#self-inform"""
        return {
            "id": token.id,
            "name": f"{token.login}'s token",
            "revoked": False,
            "created_at": "2026-10-01T14:31:47.729Z",
            "description": "",
            "scopes": list(token.scopes),
            "user_id": self.state.user_id(token.login),
            "last_used_at": "2026-11-01T17:58:37.550Z",
            "active": not token.is_expired,
            "expires_at": token.expires_at,
        }

    def job(self, token: Token, sha: str) -> JsonObject:
        """https://docs.gitlab.com/api/jobs/#retrieve-a-jobs-token-details (``GET /job``)"""
        return {
            "id": 8,
            "name": "graphship",
            "stage": "test",
            "status": "running",
            "ref": "main",
            "tag": False,
            "allow_failure": False,
            "created_at": "2026-11-01T15:51:21.880Z",
            "started_at": "2026-11-01T17:54:30.733Z",
            "finished_at": None,
            "web_url": f"{self.web}/-/jobs/8",
            "commit": {"id": sha, "short_id": sha[:8]},
            "pipeline": {"id": 6, "project_id": self.state.project_id, "ref": "main", "sha": sha, "status": "running"},
            "project": {"ci_job_token_scope_enabled": False},
            "user": {**self.user(token.login), "bio": "", "public_email": ""},
        }

    def project(self, login: str | None) -> JsonObject:
        """https://docs.gitlab.com/api/projects/#retrieve-a-project"""
        state = self.state
        level = state.level(login)
        namespace, name = state.path.rsplit("/", 1)
        return {
            "id": state.project_id,
            "description": None,
            "name": name.title(),
            "name_with_namespace": f"{namespace.title()} / {name.title()}",
            "path": name,
            "path_with_namespace": state.path,
            "created_at": "2026-01-01T00:00:00.000Z",
            "default_branch": "main",
            "ssh_url_to_repo": f"git@localhost:{state.path}.git",
            "http_url_to_repo": f"{self.web}.git",
            "web_url": self.web,
            "visibility": "public" if state.is_public else "private",
            "archived": False,
            "empty_repo": False,
            "issues_enabled": state.issues_enabled,
            "issues_access_level": "enabled" if state.issues_enabled else "disabled",
            "merge_requests_enabled": True,
            "merge_requests_access_level": "enabled",
            "merge_method": "merge",
            "squash_option": "default_off",
            "permissions": {
                "project_access": {"access_level": level, "notification_level": 3} if level else None,
                "group_access": None,
            },
        }

    def merge_request(self, request: MergeRequest) -> JsonObject:
        """https://docs.gitlab.com/api/merge_requests/#retrieve-a-merge-request"""
        is_draft = is_draft_title(request.title)
        reviewers = [self.user(login) for login in request.reviewers]
        return {
            "id": request.id,
            "iid": request.iid,
            "project_id": self.state.project_id,
            "title": request.title,
            "description": request.description,
            "state": request.state,
            "created_at": request.created_at,
            "updated_at": request.updated_at,
            "merged_by": self.user(request.merged_by) if request.merged_by else None,
            "merge_user": self.user(request.merged_by) if request.merged_by else None,
            "merged_at": request.merged_at,
            "closed_by": None,
            "closed_at": request.closed_at,
            "target_branch": request.target_branch,
            "source_branch": request.source_branch,
            "user_notes_count": sum(
                note.kind == "MergeRequest" and note.iid == request.iid and not note.system
                for note in self.state.notes.values()
            ),
            "upvotes": 0,
            "downvotes": 0,
            "author": self.user(request.author),
            "assignees": [],
            "assignee": None,
            "reviewers": reviewers,
            "source_project_id": request.source_project_id,
            "target_project_id": self.state.project_id,
            "labels": sorted(request.labels),
            "draft": is_draft,
            "work_in_progress": is_draft,
            "imported": False,
            "imported_from": "none",
            "milestone": None,
            "merge_when_pipeline_succeeds": False,
            "merge_status": "can_be_merged",
            "detailed_merge_status": "draft_status" if is_draft else "mergeable",
            "sha": request.head,
            "merge_commit_sha": request.merge_commit_sha,
            "squash_commit_sha": request.squash_commit_sha,
            "discussion_locked": None,
            "should_remove_source_branch": None,
            "force_remove_source_branch": False,
            "reference": f"!{request.iid}",
            "references": {
                "short": f"!{request.iid}",
                "relative": f"!{request.iid}",
                "full": f"{self.state.path}!{request.iid}",
            },
            "web_url": f"{self.web}/-/merge_requests/{request.iid}",
            "time_stats": {"time_estimate": 0, "total_time_spent": 0},
            "squash": False,
            "task_completion_status": {"count": 0, "completed_count": 0},
            "has_conflicts": False,
            "blocking_discussions_resolved": True,
        }

    def issue(self, issue: Issue) -> JsonObject:
        """https://docs.gitlab.com/api/issues/#retrieve-a-project-issue"""
        return {
            "id": issue.id,
            "iid": issue.iid,
            "project_id": self.state.project_id,
            "title": issue.title,
            "description": issue.description,
            "state": issue.state,
            "created_at": issue.created_at,
            "updated_at": issue.updated_at,
            "closed_at": issue.closed_at,
            "closed_by": None,
            "labels": sorted(issue.labels),
            "milestone": None,
            "assignees": [],
            "author": self.user(issue.author),
            "type": "ISSUE",
            "issue_type": "issue",
            "assignee": None,
            "user_notes_count": 0,
            "confidential": False,
            "web_url": f"{self.web}/-/issues/{issue.iid}",
            "references": {"short": f"#{issue.iid}", "relative": f"#{issue.iid}"},
        }

    def note(self, note: Note) -> JsonObject:
        """https://docs.gitlab.com/api/notes/#retrieve-a-merge-request-note"""
        return {
            "id": note.id,
            "type": None,
            "body": note.body,
            "author": self.user(note.author),
            "created_at": note.created_at,
            "updated_at": note.updated_at,
            "system": note.system,
            "noteable_id": note.iid + 5000,
            "noteable_type": note.kind,
            "project_id": self.state.project_id,
            "resolvable": False,
            "confidential": False,
            "internal": False,
            "imported": False,
            "imported_from": "none",
            "noteable_iid": note.iid,
            "commands_changes": {},
        }

    def commit(self, sha: str) -> JsonObject:
        """https://docs.gitlab.com/api/commits/#retrieve-a-commit"""
        found = self.state.git.commit(sha)
        title = found.message.partition("\n")[0]
        return {
            "id": found.id,
            "short_id": found.id[:8],
            "title": title,
            "author_name": found.author,
            "author_email": found.email,
            "authored_date": found.date,
            "committer_name": found.author,
            "committer_email": found.email,
            "committed_date": found.date,
            "created_at": found.date,
            "message": found.message,
            "parent_ids": list(found.parents),
            "web_url": f"{self.web}/-/commit/{found.id}",
        }

    def status(self, status: Status) -> JsonObject:
        """https://docs.gitlab.com/api/commits/#list-all-commit-statuses"""
        return {
            "id": status.id,
            "sha": status.sha,
            "ref": status.ref,
            "status": status.state,
            "name": status.name,
            "target_url": status.target_url,
            "description": status.description,
            "created_at": status.created_at,
            "started_at": None,
            "finished_at": status.finished_at,
            "allow_failure": False,
            "coverage": None,
            "pipeline_id": status.pipeline,
            "author": self.user(status.author),
        }

    def pipeline(self, pipeline: Pipeline) -> JsonObject:
        """https://docs.gitlab.com/api/pipelines/#list-project-pipelines"""
        return {
            "id": pipeline.id,
            "iid": pipeline.id,
            "project_id": self.state.project_id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "status": "running",
            "source": pipeline.source,
            "created_at": pipeline.created_at,
            "updated_at": pipeline.created_at,
            "web_url": f"{self.web}/-/pipelines/{pipeline.id}",
        }

    def environment(self, environment: Environment) -> JsonObject:
        """https://docs.gitlab.com/api/environments/#retrieve-an-environment"""
        text = {"description": environment.description} if self.state.keeps_environment_text else {}
        return {
            "id": environment.id,
            "name": environment.name,
            "slug": environment.name.replace("/", "-"),
            "external_url": environment.external_url,
            "state": environment.state,
            "tier": "other",
            "created_at": environment.created_at,
            "updated_at": environment.updated_at,
            "auto_stop_at": None,
            **text,
        }

    def deployment(self, deployment: Deployment) -> JsonObject:
        """https://docs.gitlab.com/api/deployments/#retrieve-a-deployment"""
        return {
            "id": deployment.id,
            "iid": deployment.id,
            "ref": deployment.ref,
            "sha": deployment.sha,
            "created_at": deployment.created_at,
            "updated_at": deployment.updated_at,
            "status": deployment.status,
            "user": self.user(deployment.author),
            "environment": self.environment(self.state.environments[deployment.environment]),
            "deployable": {"id": 664, "name": "deploy", "status": "success"} if deployment.is_of_job else None,
        }

    def label(self, name: str) -> JsonObject:
        """https://docs.gitlab.com/api/labels/#list-all-labels"""
        return {
            "id": self.state.labels[name],
            "name": name,
            "description": None,
            "text_color": "#FFFFFF",
            "color": "#428BCA",
            "archived": False,
            "priority": None,
            "is_project_label": True,
        }

    def upload(self, name: str, content: bytes) -> JsonObject:
        """https://docs.gitlab.com/api/project_markdown_uploads/#upload-a-file"""
        secret = md5(content, usedforsecurity=False).hexdigest()
        url = f"/uploads/{secret}/{name}"
        self.state.uploads[url] = content
        alt = name.rpartition(".")[0] or name
        return {
            "id": self.state.next_id(),
            "alt": alt,
            "url": url,
            "full_path": f"/-/project/{self.state.project_id}{url}",
            "markdown": f"![{alt}]({url})",
        }


def is_draft_title(title: str) -> bool:
    """Say whether a title makes its merge request a draft."""
    return title.lower().startswith(tuple(prefix.lower() for prefix in DRAFT_PREFIXES))
