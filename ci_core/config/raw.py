"""What ``graphship.yaml`` may say: pydantic models, one a section, in the order of the file.

The models are the single source of the JSON Schema and of ``docs/reference/graphship-yaml.md``; the sentence under a
field is what an editor shows for it. ``config/problems.py`` turns what a model refuses into messages, and
``config/reader.py`` turns an accepted :class:`RawConfig` into :class:`~ci_core.config.settings.Settings`.

The kinds of single values are in ``config/raw_values.py``, the gates in ``config/raw_gates.py``. What needs the disk is
judged in ``config/files.py``, what joins several values, or needs the registry of targets, in ``config/checks.py``.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat

from ci_core.config.raw_gates import RawGates
from ci_core.config.raw_values import Duration, GraphReference, Name, Section, Text, check_positive


class RawPipeline(Section):
    """How the batch pipeline that makes the model is run."""

    engine: Literal["dvc"] = "dvc"
    """The engine that runs the stages."""
    commit_lock: bool = True
    """Whether CI commits a refreshed `dvc.lock`, and metrics kept in Git, to the change request's branch."""


class RawEnvironment(Section):
    """A place to deploy to, on this machine. Environments are written in promotion order."""

    target: Literal["local"] = "local"
    """Where the graph runs."""
    deploy_on: Literal["merge", "manual"] = "merge"
    """What deploys here: a merge to the default branch, or only the command."""
    host: Text = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port to listen on; `0` takes any free one."""
    ready_timeout: Duration = Field(default="30s", validate_default=True)
    """How long a new server may take to get ready before the deployment fails."""
    drain_timeout: Duration = Field(default="10s", validate_default=True)
    """How long the old server may take to finish its requests after the switch."""


class RawPluginEnvironment(Section):
    """A place to deploy to on a target that another package brings; the target judges the other keys."""

    model_config = ConfigDict(extra="allow")

    target: Text
    deploy_on: Literal["merge", "manual"] = "merge"


class RawCapture(Section):
    """Where model calls are written down."""

    to: Text = ".graphship/captures"
    """Folder or fsspec URL."""
    sample: Annotated[FiniteFloat, Field(ge=0, le=1)] = 1.0
    """Share of events that is captured, 0 to 1."""


class RawLabels(Section):
    """Where the true outcomes appear later; with them the real performance is followed."""

    path: Text
    """Parquet file or URL with one row per event."""
    key: Text = "event_id"
    """Column that joins a label to its captured event."""


class RawMonitor(Section):
    """How live traffic is compared with the reference."""

    reference: Text
    """Parquet table that the model was made from, tracked by DVC."""
    time_column: Text | None = None
    """Column with the event's own time. Without it verdicts are not calibrated on the reference's own time blocks."""
    window: Annotated[Duration, AfterValidator(check_positive)] = Field(default="24h", validate_default=True)
    """Length of a window; windows start at multiples of it since 1970-01-01 UTC."""
    target: Text | None = None
    """Column that the model predicts; never compared as a feature."""
    ignore: list[Text] = Field(default=[])
    """Columns that are not compared."""
    importance: Text = "model"
    """`model` (permutation importance of the released model), `none`, or a JSON file of column: weight."""
    labels: RawLabels | None = None
    """Late labels."""


class RawChangeRequest(Section):
    """How the retrain change request is opened."""

    labels: list[Text] = Field(default=["retrain"])
    """Labels it gets."""
    reviewers: list[Text] = Field(default=[])
    """Accounts asked for a review."""
    draft: bool = False
    """`true` opens it as a draft, which nobody is asked to review and which cannot be merged until a person says so."""


class RawRetrain(Section):
    """When and how drift leads to a change request with a newly trained model."""

    on: Literal["drift", "manual"] = "drift"
    """What starts a retraining."""
    data: Text
    """Parquet table, tracked by DVC, that gets the new windows."""
    window: Literal["append", "sliding"] = "append"
    """`append` keeps all old rows; `sliding` drops the oldest so that their number stays the same."""
    hold_back: Annotated[int, Field(ge=1)] = 2
    """Number of newest windows that champion and challenger are judged on."""
    cool_down: Duration = Field(default="24h", validate_default=True)
    """No new request within this time after one was closed."""
    change_request: RawChangeRequest = Field(default_factory=RawChangeRequest)
    """The change request itself."""


class RawConfig(Section):
    """Configuration of a project: https://github.com/graphship/graphship/blob/main/docs/reference/graphship-yaml.md."""

    name: Name
    """The project's name: lower-case letters, digits and hyphens."""
    pipeline: RawPipeline = Field(default_factory=RawPipeline)
    """How the batch pipeline is run."""
    graph: GraphReference | None = None
    """The serving graph: `path/to/file.py:name`, or a `.yaml` file with the same content."""
    gates: RawGates = Field(default_factory=RawGates)
    """Rules that decide the colour of the check."""
    environments: dict[Name, RawEnvironment] = Field(default_factory=dict)
    """Places to deploy to, in promotion order."""
    smoke: Text | None = None
    """JSON-lines file of requests replayed before a release gets traffic."""
    capture: RawCapture = Field(default_factory=RawCapture)
    """What is written down of the model's calls, and where."""
    monitor: RawMonitor | None = None
    """How live traffic is compared with the reference."""
    retrain: RawRetrain | None = None
    """When and how drift leads to a new model; needs `monitor`."""
