"""Where everything lies in the store: the one place that spells keys."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.window import Window


@dataclass(frozen=True)
class Layout:
    """The keys of one model's objects."""

    model: str

    # baselines
    @property
    def baseline_pointer(self) -> str:
        """Which baseline versions there are, and from when each is valid."""
        return f"{self.model}/baseline/current.json"

    def baseline(self, version: str) -> str:
        """One baseline: bins, limits, and the hash of its profile."""
        return f"{self.model}/baseline/{version}/baseline.json"

    def baseline_profile(self, version: str) -> str:
        """The profile of the baseline's rows."""
        return f"{self.model}/baseline/{version}/profile.bin"

    def baseline_labelled(self, version: str) -> str:
        """The baseline's labelled rows: performance, losses by cell, and what estimates rest on."""
        return f"{self.model}/baseline/{version}/labelled.bin"

    def baseline_sample(self, version: str) -> str:
        """A sample of the baseline's rows, for Evidently's presets."""
        return f"{self.model}/baseline/{version}/sample.parquet"

    # windows
    @property
    def windows(self) -> str:
        """Everything about windows."""
        return f"{self.model}/windows/"

    def window(self, window: Window) -> str:
        """Everything about one window."""
        return f"{self.windows}{window.label}/"

    def manifest(self, window: Window) -> str:
        """The pinned inputs."""
        return f"{self.window(window)}manifest.json"

    def batch(self, window: Window, batch: int) -> str:
        """What one batch of the run of `window` read: counts, and which windows got records."""
        return f"{self.window(window)}batches/{batch:05d}.json"

    def intake(self, window: Window) -> str:
        """What the run of `window` read in all."""
        return f"{self.window(window)}intake.json"

    def waiting(self, window: Window) -> str:
        """Sides of inferences that still waited for their other side after the run of `window`."""
        return f"{self.window(window)}waiting.json"

    def parts(self, window: Window, run: Window) -> str:
        """Records of `window` that the run of `run` brought."""
        return f"{self.window(window)}parts/{run.label}-"

    def part(self, window: Window, run: Window, batch: int, number: int, reader: str) -> str:
        """Records of `window` that one batch of the run of `run` brought, read in one way; without its extension."""
        return f"{self.parts(window, run)}{batch:05d}-{number:03d}-{reader[:8]}"

    def arrivals(self, window: Window) -> str:
        """What each run brought to `window`."""
        return f"{self.window(window)}arrivals/"

    def arrival(self, window: Window, run: Window) -> str:
        """The profile of the records that the run of `run` brought to `window`, and what became of them."""
        return f"{self.arrivals(window)}{run.label}.bin"

    def revision(self, window: Window, revision: int) -> str:
        """Everything about one revision."""
        return f"{self.window(window)}r{revision}/"

    def verdict(self, window: Window, revision: int) -> str:
        """The verdict."""
        return f"{self.revision(window, revision)}verdict.json"

    def metrics(self, window: Window, revision: int) -> str:
        """The verdict's measurements as a table."""
        return f"{self.revision(window, revision)}metrics.parquet"

    def performance(self, window: Window, revision: int) -> str:
        """The performance series at this look, what changed it, and how far labels have come."""
        return f"{self.revision(window, revision)}performance.json"

    def losses(self, window: Window, revision: int) -> str:
        """The losses of the window's labelled rows, by cell of each feature."""
        return f"{self.revision(window, revision)}losses.bin"

    def statistics(self, window: Window, revision: int) -> str:
        """The window's records as SageMaker's `statistics.json`."""
        return f"{self.revision(window, revision)}statistics.json"

    def constraint_violations(self, window: Window, revision: int) -> str:
        """What the checks found in the data, as SageMaker's `constraint_violations.json`."""
        return f"{self.revision(window, revision)}constraint_violations.json"

    def model_quality_violations(self, window: Window, revision: int) -> str:
        """What the checks found in labelled rows, as SageMaker's `constraint_violations.json` of model quality."""
        return f"{self.revision(window, revision)}model_quality_constraint_violations.json"

    def report(self, window: Window, revision: int) -> str:
        """The HTML report."""
        return f"{self.revision(window, revision)}report.html"

    @property
    def watch(self) -> str:
        """The ledger of what looks leave for those after them."""
        return f"{self.model}/watch/"

    def watched(self, window: Window, revision: int) -> str:
        """What one look leaves."""
        return f"{self.watch}{window.label}-r{revision}.json"

    # quarantine and labels
    @property
    def quarantines(self) -> str:
        """Everything that could not be read."""
        return f"{self.model}/quarantine/"

    @property
    def replays(self) -> str:
        """Records that were taken out of the quarantine, to be read by the next run."""
        return f"{self.model}/replayed/"

    def quarantine(self, window: Window, batch: int, number: int) -> str:
        """Records of one batch that could not be read, with the reasons."""
        return f"{self.quarantines}{window.label}/{batch:05d}-{number:03d}.jsonl"

    @property
    def label_epochs(self) -> str:
        """The label objects of every run."""
        return f"{self.model}/labels/consumed/"

    def label_epoch(self, window: Window) -> str:
        """The label objects that the run of `window` was the first to see."""
        return f"{self.label_epochs}{window.label}.json"

    def label_rows(self, window: Window) -> str:
        """The canonical labels of that run."""
        return f"{self.label_epochs}{window.label}.arrow"

    @property
    def label_joins(self) -> str:
        """Which labels each run has joined."""
        return f"{self.model}/labels/joined/"

    def label_join(self, window: Window) -> str:
        """What the run of `window` has joined."""
        return f"{self.label_joins}{window.label}.json"

    def matched_labels(self, window: Window) -> str:
        """Which labels the run of `window` has joined to a record, a bit for each."""
        return f"{self.label_joins}{window.label}.bin"

    def labelled_records(self, window: Window) -> str:
        """The labelled records of `window`."""
        return f"{self.model}/labels/records/{window.label}/"

    def labelled(self, window: Window, run: Window) -> str:
        """The records of `window` that the run of `run` has given a label, or another one."""
        return f"{self.labelled_records(window)}{run.label}.arrow"

    def label_quarantine(self, window: Window) -> str:
        """The labels of that run that could not be read, with the reasons."""
        return f"{self.model}/quarantine/labels-{window.label}.jsonl"

    # decisions and messages
    @property
    def decisions(self) -> str:
        """The ledger of decisions."""
        return f"{self.model}/decisions/"

    def decision(self, window: Window, revision: int) -> str:
        """What was decided about one verdict."""
        return f"{self.decisions}{window.label}-r{revision}.json"

    # incidents
    @property
    def incident_ledgers(self) -> str:
        """What was known of incidents after each run, in a folder for each month."""
        return f"{self.model}/incidents/runs/"

    def incident_ledger(self, window: Window) -> str:
        """What was known of incidents after the run of `window`."""
        return f"{self.incident_ledgers}{window.label[:7]}/{window.label}.json"

    @property
    def incident_actions(self) -> str:
        """What people did about incidents."""
        return f"{self.model}/incidents/actions/"

    def incident_action(self, fingerprint: str, moment: str, action: str) -> str:
        """What somebody did about one incident at a moment; nothing is ever written over."""
        return f"{self.incident_actions}{fingerprint}/{moment}-{action}.json"

    def message(self, window: Window, channel: str) -> str:
        """The proof that a message went out."""
        return f"{self.model}/messages/{window.label}-{channel}.json"

    def promotion(self, version: str) -> str:
        """What came of one retraining."""
        return f"{self.model}/retraining/{version}.json"


SITE_INDEX = "site/index.html"
SITE_ASSETS = "site/assets/"
