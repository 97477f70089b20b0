"""What is wrong with an answer of a model, told to those who run the server."""

from __future__ import annotations


class ModelAnswerError(Exception):
    """A model or router did not answer as it must: its author's fault, so the client gets a 500 without details."""
